//! Roll-ups as rows of tables.

use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray};
use jiff::{SignedDuration, Timestamp};

use super::{hours::ProjectHour, projects::ProjectSum, top::TopPage};
use crate::{
    batch::dataset::Dataset,
    rows::{Table, named, repeated, times},
};

/// What all rows of a unit share.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) dataset: Dataset,
    /// The start of the unit.
    pub(super) ts: Timestamp,
}

impl Head {
    pub(super) fn projects(self, sums: &[ProjectSum]) -> Table {
        let start = times(sums.iter().map(|_| self.ts));
        self.table(
            0,
            start,
            vec![
                ("project", texts(sums.iter().map(|sum| &*sum.project))),
                ("access", texts(sums.iter().map(|sum| sum.access.as_str()))),
                ("views", numbers(sums.iter().map(|sum| sum.views))),
                ("pages", numbers(sums.iter().map(|sum| sum.pages))),
            ],
        )
    }

    pub(super) fn hours(self, sums: &[ProjectHour]) -> Table {
        let start = |hour| self.ts + SignedDuration::from_hours(hour);
        let starts = times(sums.iter().map(|sum| start(sum.hour)));
        self.table(
            0,
            starts,
            vec![
                ("project", texts(sums.iter().map(|sum| &*sum.project))),
                ("access", texts(sums.iter().map(|sum| sum.access))),
                ("views", numbers(sums.iter().map(|sum| sum.views))),
                ("pages", numbers(sums.iter().map(|sum| sum.pages))),
            ],
        )
    }

    pub(super) fn top(self, pages: &[TopPage]) -> Table {
        let start = times(pages.iter().map(|_| self.ts));
        self.table(
            1,
            start,
            vec![
                ("project", texts(pages.iter().map(|page| &*page.project))),
                ("rank_no", numbers(pages.iter().map(|page| page.rank_no))),
                ("title", texts(pages.iter().map(|page| page.title.as_str()))),
                ("views", numbers(pages.iter().map(|page| page.views))),
            ],
        )
    }

    /// The roll-up of a number, with the reader's kind where tables have several.
    fn table(
        self,
        number: usize,
        start: ArrayRef,
        mut columns: Vec<(&'static str, ArrayRef)>,
    ) -> Table {
        let agent = self.dataset.agent();
        if let Some(agent) = agent {
            columns.insert(0, ("agent", repeated(agent, start.len())));
        }
        columns.insert(0, ("ts", start));
        let tables = self.dataset.tables().rollups;
        Table {
            name: tables.get(number).copied().unwrap_or_default(),
            rows: named(columns),
        }
    }
}

pub(super) fn texts<'a>(values: impl Iterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(values))
}

pub(super) fn numbers(values: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}
