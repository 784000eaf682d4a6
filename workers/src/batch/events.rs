//! What a run tells its audience while it works. The worker logs it, the command line draws it.

use crate::batch::list::Unit;

/// A step of a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The units are known.
    Planned {
        /// Units to load, at most (some may turn out to be loaded already).
        due: usize,
        /// Units that every sink holds already.
        held: usize,
        /// Hours for which there should be a file and is none.
        missing: usize,
    },
    /// A unit's download began.
    Started {
        /// Which.
        unit: &'a Unit,
        /// Its size in bytes, where the host said so.
        bytes: Option<u64>,
    },
    /// More bytes of a unit arrived.
    Fetched {
        /// Which.
        unit: &'a Unit,
        /// How many more.
        bytes: u64,
    },
    /// A unit was committed to all sinks that lacked it.
    Loaded {
        /// Which.
        unit: &'a Unit,
        /// Rows written.
        rows: i64,
        /// Lines rejected.
        rejected: i64,
    },
    /// Somebody else had loaded the unit in the meantime.
    Skipped {
        /// Which.
        unit: &'a Unit,
    },
    /// A unit could not be loaded.
    Failed {
        /// Which.
        unit: &'a Unit,
        /// Why, with its causes.
        error: &'a str,
    },
    /// The source or a sink asked for patience.
    Waiting {
        /// What happened and how long the wait is.
        why: &'a str,
    },
}

/// Somebody who wants to know.
pub trait Observer: Send + Sync {
    /// Called at every step; must not block.
    fn on(&self, event: &Event<'_>);
}

/// Writes the steps to the log.
#[derive(Debug, Default)]
pub struct Log;

impl Observer for Log {
    fn on(&self, event: &Event<'_>) {
        match event {
            Event::Planned { due, held, missing } => {
                tracing::info!(due, held, missing, "Units listed");
            }
            Event::Started { unit, bytes } => {
                tracing::info!(unit = unit.name, bytes, "Unit started");
            }
            Event::Fetched { .. } => {}
            Event::Loaded {
                unit,
                rows,
                rejected,
            } => {
                tracing::info!(unit = unit.name, rows, rejected, "Unit loaded");
            }
            Event::Skipped { unit } => tracing::info!(unit = unit.name, "Unit is held already"),
            Event::Failed { unit, error } => {
                tracing::error!(unit = unit.name, error, "Unit failed");
            }
            Event::Waiting { why } => tracing::warn!(why, "Waiting"),
        }
    }
}
