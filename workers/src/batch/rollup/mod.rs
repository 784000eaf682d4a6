//! What is derived from a unit's rows while they pass: views per project, and the most read pages or
//! transferred files. Databases keep it beside the facts.

mod files;
mod head;
mod hours;
mod projects;
mod top;

use futures::{Stream, StreamExt as _, stream};
use jiff::Timestamp;

pub use self::top::TOP_PAGES;
pub(crate) use self::{files::TopFiles, hours::Day};
use self::{
    head::Head,
    hours::Hours,
    projects::Projects,
    top::{Top, TopPages},
};
use super::dataset::Dataset;
use crate::{
    rows::{Domain, Table},
    scratch::ScratchError,
};

/// What is derived from a unit's rows, as rows of tables. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Rollups {
    sums: Option<Table>,
    top: Option<(Head, TopPages)>,
}

impl Rollups {
    /// All rows, of some projects at a time.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub fn tables(&self) -> impl Stream<Item = Result<Table, ScratchError>> + use<> {
        let sums = stream::iter(self.sums.clone().map(Ok));
        let top = stream::iter(self.top.clone()).flat_map(|(head, top)| {
            let groups = top.groups();
            groups.map(move |pages| Ok(head.top(&pages?)))
        });
        sums.chain(top)
    }
}

/// Gathers the roll-ups of a unit of an hourly dump, in bounded memory.
#[derive(Debug)]
pub struct Rollup {
    head: Head,
    projects: Projects,
    top: Top,
}

impl Rollup {
    /// An empty one. Rows pass through unnamed temporary files, about 25 bytes a row.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn new(dataset: Dataset, ts: Timestamp) -> Result<Self, ScratchError> {
        Ok(Self {
            head: Head { dataset, ts },
            projects: Projects::default(),
            top: Top::new()?,
        })
    }

    /// Counts a row. `id` is the domain's number within the file, from 0.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add(
        &mut self,
        id: usize,
        domain: &Domain,
        title: &str,
        views: i64,
    ) -> Result<(), ScratchError> {
        let project = self.projects.add(id, domain, views);
        Ok(self.top.add(project, title, views)?)
    }

    /// The result.
    ///
    /// # Errors
    /// When a temporary file cannot be written.
    pub fn finish(self) -> Result<Rollups, ScratchError> {
        let top = self.top.finish(self.projects.names())?;
        Ok(Rollups {
            sums: Some(self.head.projects(&self.projects.finish())),
            top: Some((self.head, top)),
        })
    }
}

/// Gathers the roll-ups of a day of complete page views.
#[derive(Debug)]
pub(crate) struct DayRollup {
    head: Head,
    hours: Hours,
    top: Top,
}

impl DayRollup {
    /// As [`Rollup::new`].
    pub(crate) fn new(dataset: Dataset, ts: Timestamp) -> Result<Self, ScratchError> {
        Ok(Self {
            head: Head { dataset, ts },
            hours: Hours::default(),
            top: Top::new()?,
        })
    }

    /// Counts a page: its views in each hour of the day.
    pub(crate) fn add(
        &mut self,
        project: &str,
        access: &'static str,
        title: &str,
        day: &Day,
    ) -> Result<(), ScratchError> {
        let project = self.hours.add(project, access, day);
        Ok(self.top.add(project, title, day.iter().sum())?)
    }

    /// As [`Rollup::finish`].
    pub(crate) fn finish(self) -> Result<Rollups, ScratchError> {
        let top = self.top.finish(self.hours.names())?;
        Ok(Rollups {
            sums: Some(self.head.hours(&self.hours.finish())),
            top: Some((self.head, top)),
        })
    }
}
