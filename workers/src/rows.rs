//! The rows that pass from the parser to the sinks, as columns.

use std::sync::Arc;

use arrow::{
    array::{Array, StringArray},
    buffer::ScalarBuffer,
};

use crate::batch::rollup::Rollups;

/// How a page was read, as far as a dump's domain code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The desktop site.
    Desktop,
    /// The mobile site or a mobile app.
    Mobile,
    /// Wikipedia Zero, the carrier programme that ended in 2018.
    Zero,
    /// Upstream did not say (rows with an empty domain code).
    Unknown,
}

impl Access {
    /// The value of the `access` column.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Zero => "zero",
            Self::Unknown => "unknown",
        }
    }
}

/// A domain code of a dump, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The code as published: `en`, `en.m`, `de.m.voy`, `commons.m`, or empty.
    pub code: String,
    /// The project in Wikimedia's long form: `en.wikipedia`, `de.wikivoyage`, `wikidata`.
    pub project: String,
    /// Desktop, mobile or zero.
    pub access: Access,
}

/// Consecutive rows of one domain.
#[derive(Debug, Clone)]
pub struct Run {
    /// The domain that the rows share.
    pub domain: Arc<Domain>,
    /// How many rows.
    pub rows: usize,
}

/// Some tens of thousands of rows of one unit, in the order of the file.
///
/// Dumps come sorted by domain, so the domain is kept once a run rather than once a row.
/// `titles` and `views` have one entry a row; the runs' lengths add up to the same number.
#[derive(Debug, Clone)]
pub struct Batch {
    /// The domains, run by run.
    pub runs: Vec<Run>,
    /// Page titles, underscores for spaces, as published (unquoted).
    pub titles: StringArray,
    /// Views in the hour.
    pub views: ScalarBuffer<i64>,
}

impl Batch {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.views.len()
    }

    /// The rows in order: domain, title, views.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Domain>, &str, i64)> {
        let domains = self
            .runs
            .iter()
            .flat_map(|run| std::iter::repeat_n(&run.domain, run.rows));
        domains
            .zip(self.views.iter())
            .enumerate()
            .map(|(row, (domain, views))| (domain, self.titles.value(row), *views))
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.titles.is_empty()
    }
}

/// A line that could not be read as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Line number in the file, from 1.
    pub line_no: i64,
    /// The line's bytes without the line feed, cut to [`REJECT_BYTES`].
    pub line: Vec<u8>,
    /// Which field is wrong and how.
    pub reason: String,
}

/// How much of a rejected line is kept.
pub const REJECT_BYTES: usize = 1024;

/// Views of one project and access in the hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProjectHour {
    /// As in [`Domain::project`].
    pub project: String,
    /// As in [`Domain::access`].
    pub access: Access,
    /// The sum of views.
    pub views: i64,
    /// The number of rows, which is the number of pages seen.
    pub pages: i64,
}

/// A place in a project's list of the most read pages of the hour, all access methods together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopPage {
    /// As in [`Domain::project`]; shared, since there are a hundred of each.
    pub project: Arc<str>,
    /// 1 for the most read; equal views rank by title, in byte order.
    pub rank_no: i64,
    /// The page.
    pub title: String,
    /// Its views, summed over desktop and mobile.
    pub views: i64,
}

/// A unit read to its end.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Rows handed to the sinks.
    pub rows: i64,
    /// Rows left out by the source's filters.
    pub filtered: i64,
    /// The lines that could not be read.
    pub rejects: Vec<Reject>,
    /// Present when a sink asked for them.
    pub rollups: Rollups,
}
