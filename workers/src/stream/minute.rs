//! Changes by minute, wiki and type: what dashboards ask for.

use std::collections::BTreeMap;

use jiff::{Timestamp, ToSpan as _};

use super::event::Change;

/// What a row of `recent_changes_minute` is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The start of the minute.
    pub ts: Timestamp,
    /// The wiki's database name; empty if events have none.
    pub wiki: String,
    /// The type of change; empty if events have none.
    pub kind: String,
}

/// What happened in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Events.
    pub events: i64,
    /// Those of them by bots.
    pub bots: i64,
    /// Bytes that pages grew or, below zero, shrank by.
    pub bytes_changed: i64,
}

/// Adds changes up.
#[must_use]
pub fn minutes(changes: &[Change<'_>]) -> BTreeMap<Key, Minute> {
    let mut minutes: BTreeMap<Key, Minute> = BTreeMap::new();
    for change in changes {
        let key = Key {
            ts: minute(change.ts()),
            wiki: change.wiki().to_owned(),
            kind: change.kind().to_owned(),
        };
        let minute = minutes.entry(key).or_default();
        minute.events += 1;
        minute.bots += i64::from(change.is_bot());
        minute.bytes_changed = minute.bytes_changed.saturating_add(change.bytes_changed());
    }
    minutes
}

fn minute(ts: Timestamp) -> Timestamp {
    let into = ts.as_second().rem_euclid(60).seconds();
    Timestamp::from_second(ts.as_second())
        .and_then(|whole| whole.checked_sub(into))
        .unwrap_or(ts)
}
