//! What is derived from a unit's rows while they pass: views per project, and the most read
//! pages.

mod projects;
mod top;

pub use self::top::{TOP_PAGES, TopPages};
use self::{projects::Projects, top::Top};
use crate::{
    rows::{Domain, ProjectHour},
    scratch::ScratchError,
};

/// What is derived from a unit's rows while they pass.
#[derive(Debug, Clone, Default)]
pub struct Rollups {
    /// One row a project and access method, ordered by them.
    pub projects: Vec<ProjectHour>,
    /// The most read pages of each project.
    pub top: TopPages,
}

/// Gathers the roll-ups of one unit, in bounded memory.
#[derive(Debug)]
pub struct Rollup {
    projects: Projects,
    top: Top,
}

impl Rollup {
    /// An empty one. Rows pass through unnamed temporary files, about 25 bytes a row.
    ///
    /// # Errors
    /// When there is no place for temporary files.
    pub fn new() -> Result<Self, ScratchError> {
        Ok(Self {
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
            projects: self.projects.finish(),
            top,
        })
    }
}
