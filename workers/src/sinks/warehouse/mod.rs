//! Databases: SingleStore and its kin over the MySQL protocol ([`mysql`]), and SQLite, embedded
//! ([`sqlite`]).

mod cells;
mod expire;
pub mod mysql;
pub mod schema;
pub mod sqlite;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::{
    batch::{dataset::Dataset, list::Unit},
    failure::{Class, Classify},
    scratch::{self, ScratchError},
    sinks::changes::{Batch, Checkpoint},
    stream::{event::Change, position::Position},
    trouble::Trouble,
};

/// A database failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: {what}{}", advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default())]
pub struct WarehouseError {
    /// Which server and database, without credentials.
    pub place: String,
    /// What it said.
    pub what: String,
    /// What to do.
    pub advice: Option<String>,
    /// Whether to try again.
    pub class: Class,
    /// Another worker was in the way; the same again at once may do.
    pub contended: bool,
    /// TLS was asked for and the server has none.
    pub no_tls: bool,
    /// The server's own number for it.
    pub code: Option<u16>,
    /// What stands between here and the server.
    pub trouble: Option<Trouble>,
}

impl WarehouseError {
    /// The worker's own temporary files failed while a warehouse was being written.
    fn scratch(place: &str, error: ScratchError) -> Self {
        Self {
            place: place.to_owned(),
            what: error.what,
            advice: Some(scratch::ADVICE.to_owned()),
            class: Class::TryAgain,
            contended: false,
            no_tls: false,
            code: None,
            trouble: None,
        }
    }
}

impl Classify for WarehouseError {
    fn class(&self) -> Class {
        self.class
    }
}

/// Which rows of a dataset's tables are a unit's: a condition, and its values for each moment that the rows may have.
///
/// Only equalities: these are looked up in an index whatever the tables' sizes. A search over a range may look at every
/// row, and would wait for those that a loader of another unit has not committed.
fn rows_of(unit: &Unit) -> (&'static str, Vec<Vec<String>>) {
    let agent = unit.dataset.agent();
    let end = unit.ts + unit.dataset.period();
    let moments = std::iter::successors(Some(unit.ts), |moment| {
        let next = *moment + SignedDuration::from_hours(1);
        // A day's rows by the hour come with a kind of reader; of all else, rows have the unit's own time.
        (agent.is_some() && next < end).then_some(next)
    });
    match agent {
        None => ("ts = ?", moments.map(|ts| vec![sql_time(ts)]).collect()),
        Some(agent) => {
            let values = |ts| vec![agent.to_owned(), sql_time(ts)];
            ("agent = ? AND ts = ?", moments.map(values).collect())
        }
    }
}

/// All tables of a dataset.
fn tables(dataset: Dataset) -> impl Iterator<Item = &'static str> {
    let tables = dataset.tables();
    std::iter::once(tables.facts).chain(tables.rollups.iter().copied())
}

/// A moment as both dialects take it.
fn sql_time(moment: Timestamp) -> String {
    crate::batch::dataset::utc(moment)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}

/// A moment as both dialects take it, with microseconds.
fn precise(moment: Timestamp) -> String {
    crate::batch::dataset::utc(moment)
        .strftime("%Y-%m-%d %H:%M:%S.%6f")
        .to_string()
}

/// Where a stream stands, as `stream_checkpoint` has it.
#[derive(Debug, Clone, Default)]
struct Row {
    position: Position,
    newest: Option<Timestamp>,
    version: i64,
}

impl Row {
    /// A row that no worker wrote counts as one of a stream that never ran. The table may hold events all the same, of
    /// a stream that had another name.
    fn read(position: &str, newest: Option<&str>, version: i64) -> Self {
        let newest = newest.and_then(|text| format!("{}Z", text.replace(' ', "T")).parse().ok());
        Self {
            position: serde_json::from_str(position).unwrap_or_default(),
            newest,
            version,
        }
    }

    /// The row after a batch.
    fn after(&self, batch: &Batch) -> Self {
        let mut position = self.position.clone();
        position.merge(&batch.position);
        Self {
            position,
            newest: self.newest.max(batch.newest()),
            version: self.version + 1,
        }
    }

    /// The lost time that a batch adds: none if it is here already, since a commit whose answer was lost is done again.
    fn gap(&self, batch: &Batch) -> Duration {
        if self.after(batch).position == self.position {
            Duration::ZERO
        } else {
            batch.gap
        }
    }

    fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position.clone(),
            newest: self.newest,
        }
    }
}

/// A batch's changes, and the ids of those that may be held already: all of them in doubt.
fn changes_of(batch: &Batch, doubt: bool) -> Result<(Vec<Change<'_>>, Vec<String>), String> {
    let mut changes = Vec::with_capacity(batch.events.len());
    let mut suspects = Vec::new();
    for event in &batch.events {
        let change = event.change()?;
        if doubt || event.perhaps_held {
            suspects.push(change.event_id().to_owned());
        }
        changes.push(change);
    }
    Ok((changes, suspects))
}

#[cfg(test)]
mod tests {
    use wikiingest_crds::Agent;

    use super::*;

    fn rows_of_a_day(dataset: Dataset) -> (&'static str, Vec<Vec<String>>) {
        let ts: Timestamp = "2024-08-03T00:00:00Z".parse().unwrap();
        super::rows_of(&Unit {
            dataset,
            name: dataset.usual_name(ts),
            ts,
            url: String::new(),
        })
    }

    #[test]
    fn a_unit_s_rows_are_found_by_their_exact_times() {
        let (condition, values) = rows_of_a_day(Dataset::Mediacounts);
        assert_eq!(condition, "ts = ?");
        assert_eq!(values, [["2024-08-03 00:00:00"]]);
        let (condition, values) = rows_of_a_day(Dataset::PageviewComplete(Agent::Spider));
        assert_eq!(condition, "agent = ? AND ts = ?");
        assert_eq!(values.len(), 24);
        assert_eq!(values[23], ["spider", "2024-08-03 23:00:00"]);
    }
}
