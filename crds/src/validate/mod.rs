//! What makes a resource valid.

use std::fmt;

mod semantic;

pub use semantic::semantic;

/// Where a resource is to run, which decides what it may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// On a cluster, by the operator.
    Cluster,
    /// On this machine, by `wikiingest local`.
    Local,
}

/// Something wrong with a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The field. Example: `spec.sources[0].schedule.cron`.
    pub path: String,
    /// What is wrong with it, and what to write instead.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}
