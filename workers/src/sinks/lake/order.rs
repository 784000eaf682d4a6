//! Keeps row groups in the order that they declare: by domain code and title, as upstream
//! writes its files.
//!
//! A file in order passes through as it comes. Where the order breaks, the row group ends, and
//! from there on rows are gathered and sorted, a quarter of a million at a time.

use std::sync::Arc;

use arrow::array::StringBuilder;

use crate::rows::{Batch, Domain, Run};

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

/// Turns batches into row groups.
#[derive(Debug, Default)]
pub struct Order {
    last: Option<(Arc<Domain>, String)>,
    rows: usize,
    /// The rows to sort, once the order has broken.
    unsorted: Option<Vec<Arc<Batch>>>,
}

impl Order {
    /// Takes a batch.
    pub fn push(&mut self, batch: Arc<Batch>, out: &mut Vec<Step>) {
        if batch.is_empty() {
            return;
        }
        if self.unsorted.is_none() && !self.continues(&batch) {
            self.end(out);
            self.unsorted = Some(Vec::new());
        }
        self.rows += batch.rows();
        if let Some(unsorted) = &mut self.unsorted {
            unsorted.push(batch);
            if self.rows >= SORTED_ROWS {
                self.end(out);
            }
        } else {
            out.push(Step::Rows(batch));
            if self.rows >= GROUP_ROWS {
                self.end(out);
            }
        }
    }

    /// Ends the row group.
    pub fn end(&mut self, out: &mut Vec<Step>) {
        if let Some(unsorted) = &mut self.unsorted {
            out.extend(
                sorted(&std::mem::take(unsorted))
                    .into_iter()
                    .map(|batch| Step::Rows(Arc::new(batch))),
            );
        }
        if self.rows > 0 {
            out.push(Step::EndOfGroup);
        }
        self.rows = 0;
        self.last = None;
    }

    /// Whether the batch is in order, and after what came before.
    fn continues(&mut self, batch: &Batch) -> bool {
        let mut previous = self
            .last
            .as_ref()
            .map(|(domain, title)| (domain, title.as_str()));
        for (domain, title, _) in batch.iter() {
            if let Some((before, title_before)) = previous {
                let in_order = if Arc::ptr_eq(before, domain) {
                    title_before <= title
                } else {
                    before.code < domain.code
                        || (before.code == domain.code && title_before <= title)
                };
                if !in_order {
                    return false;
                }
            }
            previous = Some((domain, title));
        }
        self.last = previous.map(|(domain, title)| (Arc::clone(domain), title.to_owned()));
        true
    }
}

fn sorted(batches: &[Arc<Batch>]) -> Vec<Batch> {
    let mut rows: Vec<_> = batches.iter().flat_map(|batch| batch.iter()).collect();
    rows.sort_by(|(domain_a, title_a, _), (domain_b, title_b, _)| {
        (&domain_a.code, title_a).cmp(&(&domain_b.code, title_b))
    });
    rows.chunks(BATCH_ROWS).map(gather).collect()
}

fn gather(rows: &[(&Arc<Domain>, &str, i64)]) -> Batch {
    let mut titles = StringBuilder::new();
    let mut runs: Vec<Run> = Vec::new();
    for (domain, title, _) in rows {
        titles.append_value(title);
        match runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.domain, domain) => run.rows += 1,
            _ => runs.push(Run {
                domain: Arc::clone(domain),
                rows: 1,
            }),
        }
    }
    Batch {
        runs,
        titles: titles.finish(),
        views: rows.iter().map(|(.., views)| *views).collect(),
    }
}
