//! What is examined: the hosts that are read from, and the sinks.

use jiff::{SignedDuration, Timestamp};
use wikiingest_crds::{
    Sink, Source, SourceKind, WikiIngestSpec,
    worker::{Limits, StreamConfig, Window, WorkerConfig},
};

use crate::batch::{dataset::Dataset, run};

/// What to look at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subjects {
    pub(super) places: Vec<Place>,
    pub(super) sinks: Vec<Sink>,
}

/// A host that a source is read from.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    pub(super) source: String,
    pub(super) contact: String,
    /// None for Wikimedia's own.
    pub(super) base_url: Option<String>,
    pub(super) what: What,
}

/// What is looked for there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// Files that a schedule loads; the newest may be so old.
    Recent(Dataset, SignedDuration),
    /// Files that start in `[from, to)`.
    Past(Dataset, Timestamp, Timestamp),
    /// Events.
    Stream,
}

impl Subjects {
    /// All of a resource.
    #[must_use]
    pub fn of(spec: &WikiIngestSpec) -> Self {
        let mut subjects = Self::default();
        for source in &spec.sources {
            subjects.add_source(&spec.contact, source, None);
        }
        subjects.add_sinks(&spec.sinks);
        subjects
    }

    /// What a batch worker is told of, too.
    pub fn add_worker(&mut self, config: &WorkerConfig) {
        self.add_source(&config.contact, &config.source, Some(&config.window));
        self.add_sinks(&config.sinks);
    }

    /// What a stream worker is told of, too.
    pub fn add_stream(&mut self, config: &StreamConfig) {
        self.add_source(&config.contact, &config.source, None);
        self.add_sinks(&config.sinks);
    }

    fn add_sinks(&mut self, sinks: &[Sink]) {
        for sink in sinks {
            if self.sinks.iter().all(|known| known.name != sink.name) {
                self.sinks.push(sink.clone());
            }
        }
    }

    fn add_source(&mut self, contact: &str, source: &Source, window: Option<&Window>) {
        for (base_url, what) in looks(source, window) {
            let place = Place {
                source: source.name.clone(),
                contact: contact.to_owned(),
                base_url: base_url.map(ToOwned::to_owned),
                what,
            };
            // A host is asked once for each kind of file, however many ranges are loaded from it.
            let same =
                |known: &Place| known.source == place.source && known.base_url == place.base_url;
            if !self.places.iter().any(same) {
                self.places.push(place);
            }
        }
    }
}

/// Where a source is read from, and what is to be there; what its worker is told of the time comes before its own.
fn looks<'a>(source: &'a Source, window: Option<&Window>) -> Vec<(Option<&'a str>, What)> {
    let own = source.base_url.as_deref();
    if source.kind().is_some_and(SourceKind::is_stream) {
        return vec![(own, What::Stream)];
    }
    let datasets = run::reading(source).map(|(datasets, _)| datasets);
    let Some(dataset) = datasets.ok().and_then(|all| all.first().copied()) else {
        return Vec::new();
    };
    let late = Limits::default().missing_after(source);
    let late = SignedDuration::try_from(late).unwrap_or(SignedDuration::MAX);
    let recent = (own, What::Recent(dataset, late));
    match window {
        Some(Window::Lookback { .. }) => vec![recent],
        Some(Window::Range { from, to, .. }) => vec![(own, What::Past(dataset, *from, *to))],
        None => {
            let scheduled = source.schedule.is_some().then_some(recent);
            let past = source.backfill.iter().map(|backfill| {
                let what = What::Past(dataset, backfill.from, backfill.to);
                (backfill.base_url(source), what)
            });
            scheduled.into_iter().chain(past).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_host_of_a_source_is_asked_once() {
        let backfill = |name: &str, base_url: Option<&str>| json!({"name": name, "from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z", "baseUrl": base_url});
        let spec: WikiIngestSpec = serde_json::from_value(json!({
            "contact": "https://example.org/bot",
            "sinks": [{"name": "lake", "folder": {"path": "lake"}}],
            "sources": [
                {
                    "name": "views", "pageviews": {}, "sinks": ["lake"], "schedule": {"cron": "@hourly"},
                    "backfill": [
                        backfill("own", None),
                        backfill("mirror", Some("https://mirror.example.org")),
                        backfill("again", Some("https://mirror.example.org")),
                    ],
                },
                {"name": "edits", "recentChanges": {}, "sinks": ["lake"]},
            ],
        }))
        .unwrap();
        let subjects = Subjects::of(&spec);
        let asked: Vec<_> = (subjects.places.iter())
            .map(|place| (place.source.as_str(), place.base_url.as_deref()))
            .collect();
        assert_eq!(
            asked,
            [
                ("views", None),
                ("views", Some("https://mirror.example.org")),
                ("edits", None)
            ]
        );
        assert!(matches!(subjects.places[0].what, What::Recent(_, late) if late.as_hours() == 6));
    }

    #[test]
    fn two_workers_of_one_sink_have_it_examined_once() {
        let config = |source: &str| -> WorkerConfig {
            serde_json::from_value(json!({
                "contact": "https://example.org/bot",
                "source": {"name": source, "pageviews": {}, "sinks": ["lake"]},
                "sinks": [{"name": "lake", "folder": {"path": "lake"}}],
                "window": {"lookback": "6h"},
            }))
            .unwrap()
        };
        let mut subjects = Subjects::default();
        subjects.add_worker(&config("one"));
        subjects.add_worker(&config("two"));
        assert_eq!((subjects.places.len(), subjects.sinks.len()), (2, 1));
    }
}
