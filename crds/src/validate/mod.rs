//! What makes a resource valid.
//!
//! Three parties judge one: the API server by the CRD's schema, the API server by its CEL rules, and the operator by
//! what neither can say ([`semantic`]). With the feature `offline` all three can be asked without a cluster.

use std::fmt;

mod nearest;
#[cfg(feature = "offline")]
mod offline;
#[cfg(feature = "offline")]
mod schema;
mod semantic;

pub(crate) use nearest::nearest;
#[cfg(feature = "offline")]
pub use offline::{accept, offline};
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

impl Problem {
    fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}
