//! Columns of a table, value by value.

use arrow::{
    array::{
        Array as _, ArrayRef, AsArray as _, BooleanArray, Int64Array, RecordBatch, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use jiff::Timestamp;

use super::sql_time;

/// A value as a database takes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cell<'a> {
    Null,
    /// A moment in SQL's spelling, or another text.
    Text(&'a str),
    Int(i64),
    Flag(bool),
}

/// The columns of a table, read row by row.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    columns: Vec<Column<'a>>,
    rows: usize,
}

#[derive(Debug)]
enum Column<'a> {
    Time(Times<'a>),
    Text(&'a StringArray),
    Int(&'a Int64Array),
    Flag(&'a BooleanArray),
}

/// Moments, of which many rows in a row have the same.
#[derive(Debug)]
struct Times<'a> {
    values: &'a TimestampMicrosecondArray,
    last: i64,
    text: String,
}

impl<'a> Cells<'a> {
    /// Of a table that has no other types than those of facts and roll-ups.
    pub(super) fn new(table: &'a RecordBatch) -> Self {
        Self {
            columns: table.columns().iter().filter_map(column).collect(),
            rows: table.num_rows(),
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn width(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn get(&mut self, column: usize, row: usize) -> Cell<'_> {
        match &mut self.columns[column] {
            Column::Time(times) => times.get(row),
            Column::Text(values) => Cell::Text(values.value(row)),
            Column::Int(values) if values.is_null(row) => Cell::Null,
            Column::Int(values) => Cell::Int(values.value(row)),
            Column::Flag(values) => Cell::Flag(values.value(row)),
        }
    }
}

impl Times<'_> {
    fn get(&mut self, row: usize) -> Cell<'_> {
        let micros = self.values.value(row);
        if self.text.is_empty() || micros != self.last {
            self.last = micros;
            self.text = sql_time(Timestamp::from_microsecond(micros).unwrap_or_default());
        }
        Cell::Text(&self.text)
    }
}

fn column(array: &ArrayRef) -> Option<Column<'_>> {
    let time = array.as_primitive_opt::<TimestampMicrosecondType>();
    let time = time.map(|values| {
        Column::Time(Times {
            values,
            last: 0,
            text: String::new(),
        })
    });
    time.or_else(|| array.as_string_opt::<i32>().map(Column::Text))
        .or_else(|| array.as_primitive_opt::<Int64Type>().map(Column::Int))
        .or_else(|| array.as_boolean_opt().map(Column::Flag))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::rows::{named, repeated, times};

    #[test]
    fn values_come_row_by_row() {
        let start: Timestamp = "2024-08-03T05:00:00Z".parse().unwrap();
        let table = named(vec![
            ("ts", times([start, start])),
            ("title", repeated("A", 2)),
            ("page_id", Arc::new(Int64Array::from(vec![Some(7), None]))),
            ("is_broken", Arc::new(BooleanArray::from(vec![true, false]))),
        ]);
        let mut cells = Cells::new(&table);
        assert_eq!((cells.rows(), cells.width()), (2, 4));
        assert_eq!(cells.get(0, 1), Cell::Text("2024-08-03 05:00:00"));
        assert_eq!(cells.get(1, 1), Cell::Text("A"));
        assert_eq!(cells.get(2, 0), Cell::Int(7));
        assert_eq!(cells.get(2, 1), Cell::Null);
        assert_eq!(cells.get(3, 0), Cell::Flag(true));
    }
}
