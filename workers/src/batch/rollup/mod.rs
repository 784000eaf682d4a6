//! What is derived from a unit's rows while they pass: views per project, and the most read
//! pages.

mod projects;
mod top;

use std::io;

pub use self::top::TOP_PAGES;
use self::{projects::Projects, top::Top};
use crate::rows::{Domain, Rollups};

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
    /// When there is no place for temporary files; `TMPDIR` says where it is.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            projects: Projects::default(),
            top: Top::new()?,
        })
    }

    /// Counts a row. `id` is the domain's number within the file, from 0.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub fn add(&mut self, id: usize, domain: &Domain, title: &str, views: i64) -> io::Result<()> {
        let project = self.projects.add(id, domain, views);
        self.top.add(project, title, views)
    }

    /// The result.
    ///
    /// # Errors
    /// When the temporary files cannot be read back.
    pub fn finish(self) -> io::Result<Rollups> {
        let top = self.top.finish(self.projects.names())?;
        Ok(Rollups {
            projects: self.projects.finish(),
            top,
        })
    }
}
