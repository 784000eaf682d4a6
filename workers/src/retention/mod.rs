//! How long sinks keep what: from when on it is kept, and how the rest is deleted ([`expire`]).
//!
//! What has gone does not come back: whatever a run finds due, or a stream brings, is held against the
//! same limit as by the run that deletes.

mod expire;
mod tables;

use std::time::Duration;

use jiff::Timestamp;
use wikiingest_crds::{
    Kind, Sink as SinkSpec, SinkKind, SourceKind, Span, Unit,
    worker::{Term, WorkerConfig},
};

pub use self::{expire::expire, tables::tables};
use crate::{
    batch::dataset::Dataset,
    sinks::expire::{Expiry, Step},
};

/// How long a sink keeps what a kind of source tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keeping {
    /// None is for ever.
    span: Option<Duration>,
    /// A warehouse keeps whole hours or days, as the files of the kind are, and a lake whole days, since it is laid out by
    /// them.
    unit: Unit,
}

impl Keeping {
    /// What a resource says of it.
    #[must_use]
    pub fn of(sink: &SinkSpec, kind: Kind) -> Self {
        let place = sink.kind();
        let span = place.and_then(|place| kind.retention(place.retention()?));
        let is_lake = matches!(place, Some(SinkKind::S3(_) | SinkKind::Folder(_)));
        Self {
            span: span.map(Span::to_std),
            unit: match kind.unit() {
                _ if is_lake => Unit::Day,
                unit => unit.unwrap_or(Unit::Hour),
            },
        }
    }

    /// The same of a sink of a worker's, by its name. Of one that is not among them all is kept.
    #[must_use]
    pub fn by_name(sinks: &[SinkSpec], name: &str, kind: Kind) -> Self {
        let sink = sinks.iter().find(|sink| sink.name == name);
        sink.map_or(Self::EVER, |sink| Self::of(sink, kind))
    }

    const EVER: Self = Self {
        span: None,
        unit: Unit::Hour,
    };

    /// From when on data are kept; none if all are.
    fn from(self, now: Timestamp) -> Option<Timestamp> {
        // A time before there was any is no limit.
        let limit = now.checked_sub(self.span?).ok()?;
        round_down(limit, self.unit.length())
    }

    /// Whether what is told of a time is kept: of a file, by its start.
    #[must_use]
    pub fn keeps(self, ts: Timestamp, now: Timestamp) -> bool {
        self.from(now).is_none_or(|from| ts >= from)
    }
}

/// Whether a sink of a configuration keeps what its source tells of a time.
#[must_use]
pub fn keeps(config: &WorkerConfig, sink: &str, ts: Timestamp, now: Timestamp) -> bool {
    let kind = config.source.kind().map(SourceKind::plain);
    kind.is_none_or(|kind| Keeping::by_name(&config.sinks, sink, kind).keeps(ts, now))
}

fn round_down(moment: Timestamp, to: Duration) -> Option<Timestamp> {
    let length = i64::try_from(to.as_secs()).ok()?;
    let seconds = moment.as_second();
    Timestamp::from_second(seconds - seconds.rem_euclid(length)).ok()
}

/// What has to go of a term; nothing if nothing ever does. Rejected lines of streams bear their names.
fn expiries(term: &Term<'_>, streams: &[String], now: Timestamp) -> Vec<Expiry> {
    let Some(before) = Keeping::of(term.sink, term.kind).from(now) else {
        return Vec::new();
    };
    let datasets = tables::datasets(term.kind);
    if datasets.is_empty() {
        let rejects = streams.iter().map(|name| tables::rejects_of_stream(name));
        return vec![Expiry {
            tables: tables(None),
            agent: None,
            step: Step::Hour,
            rejects: rejects.collect(),
            before,
        }];
    }
    let expiry = |dataset: Dataset| Expiry {
        tables: tables(Some(dataset)),
        agent: dataset.agent(),
        step: Step::Moment,
        rejects: vec![tables::rejects(dataset)],
        before,
    };
    datasets.into_iter().map(expiry).collect()
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
        Keeping::of(&sink, source.kind().unwrap().plain()).from(at("2026-11-24T10:20:30.5Z"))
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
            let keeping = Keeping::of(&sink, source.kind().unwrap().plain());
            keeping.keeps(at(ts), at("2026-11-24T10:20:30Z"))
        };
        assert!(!kept("2026-11-23T03:00:00Z"));
        assert!(kept("2026-11-23T04:00:00Z"));
        let unknown = Keeping::by_name(&[sink], "other", Kind::Pageviews);
        assert!(unknown.keeps(Timestamp::MIN, at("2026-11-24T10:20:30Z")));
    }
}
