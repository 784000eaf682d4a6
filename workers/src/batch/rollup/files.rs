//! The most transferred media files of a day. Names are unique in a file, so a list of the best will do.

use std::{cmp::Reverse, collections::BinaryHeap};

use jiff::Timestamp;

use super::{
    Rollups,
    head::{numbers, texts},
};
use crate::{
    batch::dataset::Dataset,
    rows::{Table, named, times},
};

/// How many files are kept.
const TOP_FILES: usize = 1000;

/// The worst of the kept comes first: fewest transfers, then last by name.
type Ranked = Reverse<(i64, Reverse<String>, i64)>;

/// Takes the rows.
#[derive(Debug)]
pub(crate) struct TopFiles {
    ts: Timestamp,
    best: BinaryHeap<Ranked>,
}

impl TopFiles {
    /// An empty list of the day that starts at `ts`.
    pub(crate) fn new(ts: Timestamp) -> Self {
        Self {
            ts,
            best: BinaryHeap::new(),
        }
    }

    /// Counts a file.
    pub(crate) fn add(&mut self, base_name: &str, transfers: i64, bytes: i64) {
        if self.best.len() == TOP_FILES {
            let beaten = self.best.peek().is_some_and(|Reverse((least, last, _))| {
                (transfers, Reverse(base_name)) > (*least, Reverse(last.0.as_str()))
            });
            if !beaten {
                return;
            }
            self.best.pop();
        }
        let base_name = Reverse(base_name.to_owned());
        self.best.push(Reverse((transfers, base_name, bytes)));
    }

    /// The result.
    pub(crate) fn finish(self) -> Rollups {
        let best = self.best.into_sorted_vec();
        let rows = || {
            best.iter()
                .map(|Reverse((transfers, name, bytes))| (*transfers, &name.0, *bytes))
        };
        let columns = vec![
            ("ts", times(rows().map(|_| self.ts))),
            ("rank_no", numbers((1..).zip(rows()).map(|(rank, _)| rank))),
            ("base_name", texts(rows().map(|(_, name, _)| name.as_str()))),
            (
                "transfers",
                numbers(rows().map(|(transfers, ..)| transfers)),
            ),
            ("response_bytes", numbers(rows().map(|(.., bytes)| bytes))),
        ];
        let tables = Dataset::Mediacounts.tables().rollups;
        Rollups {
            sums: Some(Table {
                name: tables.first().copied().unwrap_or_default(),
                rows: named(columns),
            }),
            top: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{AsArray as _, types::Int64Type};

    use super::*;

    #[test]
    fn a_thousand_are_kept_and_ties_go_by_name() {
        let mut top = TopFiles::new(Timestamp::UNIX_EPOCH);
        for number in (0..3000).rev() {
            top.add(&format!("/{number:04}"), 1, 7);
        }
        top.add("/9999", 2, 8);
        let rows = top.finish().sums.unwrap().rows;
        assert_eq!(rows.num_rows(), TOP_FILES);
        let names = rows.column(2).as_string::<i32>();
        assert_eq!((names.value(0), names.value(1)), ("/9999", "/0000"));
        assert_eq!(names.value(999), "/0998");
        assert_eq!(rows.column(1).as_primitive::<Int64Type>().value(999), 1000);
    }
}
