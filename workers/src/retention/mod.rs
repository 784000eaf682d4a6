//! How long sinks keep what: from when on it is kept, and how the rest is deleted ([`expire`]).
//!
//! What has gone does not come back: whatever a run finds due it holds against the same limit as the
//! run that deletes.

mod expire;
mod tables;

use std::time::Duration;

use jiff::Timestamp;
use wikiingest_crds::{
    Sink as SinkSpec, SinkKind, SourceKind, Unit,
    worker::{Term, WorkerConfig},
};

pub use self::{expire::expire, tables::tables};
use crate::{
    batch::dataset::Dataset,
    sinks::expire::{Expiry, Step},
};

/// Whether a sink keeps what a source of this kind tells of a time: that of a file by its start.
#[must_use]
pub fn is_kept(sink: &SinkSpec, kind: SourceKind<'_>, ts: Timestamp, now: Timestamp) -> bool {
    kept_from(sink, kind, now).is_none_or(|from| ts >= from)
}

/// The same for a sink of a configuration, by its name.
#[must_use]
pub fn keeps(config: &WorkerConfig, sink: &str, ts: Timestamp, now: Timestamp) -> bool {
    let sink = config.sinks.iter().find(|spec| spec.name == sink);
    match (sink, config.source.kind()) {
        (Some(sink), Some(kind)) => is_kept(sink, kind, ts, now),
        _ => true,
    }
}

/// From when on a sink keeps data of this kind; none if it keeps all. A warehouse keeps whole hours or days, as the files
/// of the kind are, and a lake whole days, since it is laid out by them.
fn kept_from(sink: &SinkSpec, kind: SourceKind<'_>, now: Timestamp) -> Option<Timestamp> {
    let span = kind.retention(sink.kind()?.retention()?)?;
    // A time before there was any is no limit.
    let limit = now.checked_sub(span.to_std()).ok()?;
    let is_lake = matches!(sink.kind(), Some(SinkKind::S3(_) | SinkKind::Folder(_)));
    let unit = if is_lake {
        Unit::Day
    } else {
        kind.unit().unwrap_or(Unit::Hour)
    };
    round_down(limit, unit.length())
}

fn round_down(moment: Timestamp, to: Duration) -> Option<Timestamp> {
    let length = i64::try_from(to.as_secs()).ok()?;
    let seconds = moment.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(length)).ok()
}

/// What has to go of a term; nothing if nothing ever does.
fn expiries(term: &Term<'_>, now: Timestamp) -> Vec<Expiry> {
    let Some(before) = kept_from(term.sink, term.kind, now) else {
        return Vec::new();
    };
    let expiry = |dataset: Option<Dataset>| Expiry {
        tables: tables(dataset),
        agent: dataset.and_then(Dataset::agent),
        step: match dataset {
            Some(_) => Step::Moment,
            None => Step::Hour,
        },
        rejects: tables::rejects(term.source, dataset),
        before,
    };
    if term.kind.is_stream() {
        return vec![expiry(None)];
    }
    let datasets = tables::datasets(term.kind).into_iter();
    datasets.map(|dataset| expiry(Some(dataset))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use wikiingest_crds::Source;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn from(sink: serde_json::Value, source: serde_json::Value) -> Option<Timestamp> {
        let sink: SinkSpec = serde_json::from_value(sink).unwrap();
        let source: Source = serde_json::from_value(source).unwrap();
        kept_from(&sink, source.kind().unwrap(), at("2026-11-24T10:20:30.5Z"))
    }

    fn warehouse(retention: &serde_json::Value) -> serde_json::Value {
        json!({"name": "w", "sqlite": {"path": "w.db", "retention": retention}})
    }

    fn lake(retention: &serde_json::Value) -> serde_json::Value {
        json!({"name": "l", "folder": {"path": "lake", "retention": retention}})
    }

    fn views() -> serde_json::Value {
        json!({"name": "v", "pageviews": {}, "sinks": ["w"]})
    }

    #[test]
    fn a_warehouse_keeps_whole_units_and_a_lake_whole_days() {
        let kept = json!({"pageviews": "30h", "mediacounts": "2d", "recentChanges": "90m"});
        let media = json!({"name": "m", "mediacounts": {}, "sinks": ["w"]});
        let edits = json!({"name": "e", "recentChanges": {}, "sinks": ["w"]});
        for (source, in_warehouse, in_lake) in [
            (views(), "2026-11-23T04:00:00Z", "2026-11-23T00:00:00Z"),
            (media, "2026-11-22T00:00:00Z", "2026-11-22T00:00:00Z"),
            (edits, "2026-11-24T08:00:00Z", "2026-11-24T00:00:00Z"),
        ] {
            assert_eq!(
                from(warehouse(&kept), source.clone()),
                Some(at(in_warehouse)),
                "{source}"
            );
            assert_eq!(
                from(lake(&kept), source.clone()),
                Some(at(in_lake)),
                "{source}"
            );
        }
    }

    #[test]
    fn nothing_is_said_is_for_ever_and_so_is_longer_than_there_is_time() {
        assert_eq!(from(warehouse(&json!(null)), views()), None);
        assert_eq!(
            from(warehouse(&json!({"mediacounts": "1d"})), views()),
            None
        );
        assert_eq!(
            from(warehouse(&json!({"pageviews": "999999w"})), views()),
            None
        );
    }

    #[test]
    fn a_unit_is_kept_from_the_limit_on() {
        let sink: SinkSpec =
            serde_json::from_value(warehouse(&json!({"pageviews": "30h"}))).unwrap();
        let source: Source = serde_json::from_value(views()).unwrap();
        let kept = |ts: &str| {
            let kind = source.kind().unwrap();
            is_kept(&sink, kind, at(ts), at("2026-11-24T10:20:30Z"))
        };
        assert!(!kept("2026-11-23T03:00:00Z"));
        assert!(kept("2026-11-23T04:00:00Z"));
    }
}
