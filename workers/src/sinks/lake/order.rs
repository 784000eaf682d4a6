//! Keeps row groups in the order that they declare ([`sorted_by`]), as upstream writes its files.
//!
//! A file in order passes through as it comes. Where the order breaks, the row group ends, and
//! from there on rows are gathered and sorted, a quarter of a million at a time.

use std::{cmp::Ordering, sync::Arc};

use arrow::{
    array::{AsArray as _, BooleanBufferBuilder, RecordBatch, StringArray, StringBuilder},
    compute::{SortColumn, concat_batches, lexsort_to_indices, take_record_batch},
    error::ArrowError,
};

use crate::{
    batch::dataset::Dataset,
    rows::{Batch, Domain, Pages, Raw, Run, sorted_by},
};

/// Rows of a row group in a file that is in order.
pub const GROUP_ROWS: usize = 1_000_000;
/// Rows of a row group that had to be sorted, which are held in memory.
const SORTED_ROWS: usize = 256_000;
/// Rows a batch after sorting.
const BATCH_ROWS: usize = 32_000;

/// What to do next.
#[derive(Debug)]
pub enum Step {
    /// Add these rows to the row group.
    Rows(Arc<Batch>),
    /// The row group is complete.
    EndOfGroup,
}

/// The key of a row: of pages the domain and the title, of other rows the texts that they are sorted by.
#[derive(Debug)]
enum Key {
    Page(Arc<Domain>, String),
    Texts(Vec<String>),
}

/// Turns batches into row groups.
#[derive(Debug)]
pub struct Order {
    keys: &'static [usize],
    /// The last row so far.
    last: Option<Key>,
    rows: usize,
    /// The rows to sort, once the order has broken.
    unsorted: Option<Vec<Arc<Batch>>>,
}

impl Order {
    /// For a dataset's facts.
    #[must_use]
    pub fn new(dataset: Dataset) -> Self {
        Self {
            keys: sorted_by(dataset),
            last: None,
            rows: 0,
            unsorted: None,
        }
    }

    /// Takes a batch.
    ///
    /// # Errors
    /// When rows cannot be sorted.
    pub fn push(&mut self, batch: Arc<Batch>, out: &mut Vec<Step>) -> Result<(), ArrowError> {
        if batch.rows() == 0 {
            return Ok(());
        }
        if self.unsorted.is_none() && !self.continues(&batch) {
            self.end(out)?;
            self.unsorted = Some(Vec::new());
        }
        self.rows += batch.rows();
        if let Some(unsorted) = &mut self.unsorted {
            unsorted.push(batch);
            if self.rows >= SORTED_ROWS {
                self.end(out)?;
            }
        } else {
            out.push(Step::Rows(batch));
            if self.rows >= GROUP_ROWS {
                self.end(out)?;
            }
        }
        Ok(())
    }

    /// Ends the row group.
    ///
    /// # Errors
    /// When rows cannot be sorted.
    pub fn end(&mut self, out: &mut Vec<Step>) -> Result<(), ArrowError> {
        if let Some(unsorted) = &mut self.unsorted {
            let sorted = sorted(&std::mem::take(unsorted), self.keys)?;
            out.extend(sorted.into_iter().map(|batch| Step::Rows(Arc::new(batch))));
        }
        if self.rows > 0 {
            out.push(Step::EndOfGroup);
        }
        self.rows = 0;
        self.last = None;
        Ok(())
    }

    /// Whether the batch is in order, and after what came before.
    fn continues(&mut self, batch: &Batch) -> bool {
        let last = match (batch, self.last.take()) {
            (Batch::Pages(pages), Some(Key::Page(domain, title))) => {
                pages_follow(pages, Some((&domain, &title)), self.by_title())
            }
            (Batch::Pages(pages), _) => pages_follow(pages, None, self.by_title()),
            (Batch::Table(table), Some(Key::Texts(texts))) => {
                texts_follow(table, self.keys, Some(&texts))
            }
            (Batch::Table(table), _) => texts_follow(table, self.keys, None),
        };
        self.last = last;
        self.last.is_some()
    }

    /// Whether pages of one domain are sorted among themselves.
    fn by_title(&self) -> bool {
        self.keys.len() > 1
    }
}

/// The last row's key, if all are in order.
fn pages_follow(pages: &Pages, last: Option<(&Arc<Domain>, &str)>, by_title: bool) -> Option<Key> {
    let mut previous = last;
    for (domain, title, _) in pages.iter() {
        if let Some((before, title_before)) = previous {
            let in_order = if Arc::ptr_eq(before, domain) || before.code == domain.code {
                !by_title || title_before <= title
            } else {
                before.code < domain.code
            };
            if !in_order {
                return None;
            }
        }
        previous = Some((domain, title));
    }
    previous.map(|(domain, title)| Key::Page(Arc::clone(domain), title.to_owned()))
}

/// The last row's key, if all are in order.
fn texts_follow(table: &RecordBatch, keys: &[usize], last: Option<&[String]>) -> Option<Key> {
    let columns: Vec<&StringArray> = keys
        .iter()
        .map(|key| table.column(*key).as_string::<i32>())
        .collect();
    let key = |row: usize| columns.iter().map(move |column| column.value(row));
    let follows = |row: usize| {
        let mut pairs = columns.iter();
        let order = pairs.find_map(|column| {
            let order = column.value(row - 1).cmp(column.value(row));
            (order != Ordering::Equal).then_some(order)
        });
        order != Some(Ordering::Greater)
    };
    let after_last = last.is_none_or(|last| last.iter().map(String::as_str).le(key(0)));
    let in_order = after_last && (1..table.num_rows()).all(follows);
    let last = table.num_rows() - 1;
    in_order.then(|| Key::Texts(key(last).map(ToOwned::to_owned).collect()))
}

fn sorted(batches: &[Arc<Batch>], keys: &[usize]) -> Result<Vec<Batch>, ArrowError> {
    let mut pages = Vec::new();
    let mut tables = Vec::new();
    for batch in batches {
        match batch.as_ref() {
            Batch::Pages(some) => pages.push(some),
            Batch::Table(table) => tables.push(table),
        }
    }
    let mut sorted = sorted_pages(&pages);
    sorted.extend(sorted_tables(&tables, keys)?);
    Ok(sorted)
}

/// A row of pages: its domain, its title, and where it is.
type Row<'a> = (&'a Arc<Domain>, &'a str, &'a Pages, usize);

fn sorted_pages(batches: &[&Pages]) -> Vec<Batch> {
    let rows = batches.iter().flat_map(|pages| {
        let rows = pages.iter().enumerate();
        rows.map(|(row, (domain, title, _))| (domain, title, *pages, row))
    });
    let mut rows: Vec<Row<'_>> = rows.collect();
    rows.sort_by(|(domain_a, title_a, ..), (domain_b, title_b, ..)| {
        (&domain_a.code, title_a).cmp(&(&domain_b.code, title_b))
    });
    rows.chunks(BATCH_ROWS)
        .map(gather)
        .map(Batch::Pages)
        .collect()
}

fn gather(rows: &[Row<'_>]) -> Pages {
    let mut titles = StringBuilder::new();
    let mut runs: Vec<Run> = Vec::new();
    let mut bytes = Vec::new();
    let mut is_broken = BooleanBufferBuilder::new(0);
    for (domain, title, pages, row) in rows {
        titles.append_value(title);
        match runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.domain, domain) => run.rows += 1,
            _ => runs.push(Run {
                domain: Arc::clone(domain),
                rows: 1,
            }),
        }
        if let Some(raw) = &pages.raw {
            bytes.push(raw.bytes[*row]);
            is_broken.append(raw.is_broken.value(*row));
        }
    }
    let raw = (!bytes.is_empty()).then(|| Raw {
        bytes: bytes.into(),
        is_broken: is_broken.finish(),
    });
    Pages {
        runs,
        titles: titles.finish(),
        views: rows
            .iter()
            .map(|(.., pages, row)| pages.views[*row])
            .collect(),
        raw,
    }
}

fn sorted_tables(batches: &[&RecordBatch], keys: &[usize]) -> Result<Vec<Batch>, ArrowError> {
    let Some(first) = batches.first() else {
        return Ok(Vec::new());
    };
    let all = concat_batches(&first.schema(), batches.iter().copied())?;
    let columns: Vec<_> = keys
        .iter()
        .map(|key| SortColumn {
            values: Arc::clone(all.column(*key)),
            options: None,
        })
        .collect();
    let sorted = take_record_batch(&all, &lexsort_to_indices(&columns, None)?)?;
    let slice = |start: usize| sorted.slice(start, BATCH_ROWS.min(sorted.num_rows() - start));
    let starts = (0..sorted.num_rows()).step_by(BATCH_ROWS);
    Ok(starts.map(slice).map(Batch::Table).collect())
}

#[cfg(test)]
mod tests {
    use arrow::array::Array as _;

    use super::*;
    use crate::rows::{named, repeated};

    fn table(names: &[&str]) -> Arc<Batch> {
        let names = Arc::new(StringArray::from_iter_values(names));
        let rows = names.len();
        let columns = vec![("ts", repeated("", rows)), ("base_name", names as _)];
        Arc::new(Batch::Table(named(columns)))
    }

    fn groups(batches: &[&[&str]]) -> Vec<Vec<String>> {
        let mut order = Order::new(Dataset::Mediacounts);
        let mut steps = Vec::new();
        for batch in batches {
            order.push(table(batch), &mut steps).unwrap();
        }
        order.end(&mut steps).unwrap();
        let mut groups = Vec::new();
        let mut open = Vec::new();
        for step in steps {
            match step {
                Step::EndOfGroup => groups.push(std::mem::take(&mut open)),
                Step::Rows(batch) => {
                    let Batch::Table(table) = batch.as_ref() else {
                        panic!("{batch:?}");
                    };
                    let names = table.column(1).as_string::<i32>().iter().flatten();
                    open.extend(names.map(ToOwned::to_owned));
                }
            }
        }
        groups
    }

    #[test]
    fn what_is_in_order_is_one_group_and_what_is_not_is_sorted() {
        assert_eq!(groups(&[&["a", "b"], &["b", "c"]]), [["a", "b", "b", "c"]]);
        assert_eq!(
            groups(&[&["b", "c"], &["a", "d"], &["a"]]),
            [vec!["b", "c"], vec!["a", "a", "d"]]
        );
        assert_eq!(groups(&[&["b", "a"]]), [["a", "b"]]);
    }
}
