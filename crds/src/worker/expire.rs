//! What passes between the operator and a run that deletes what is too old: its configuration file and its report.

use serde::{Deserialize, Serialize};

use super::report::{REPORT_LIMIT, cut, fitting, json_len};
use crate::{Kind, Sink, SinkKind, Source, SourceKind, Span, WikiIngestSpec};

/// The configuration file of `wikiingest-batch expire`: the sinks that do not keep everything. No secrets.
///
/// What a sink keeps is a matter of the sink alone. A source that feeds it no longer, or is gone, has left its data, and
/// these end as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpireConfig {
    /// Sinks, with their retention.
    pub sinks: Vec<Sink>,
    /// The names of the streams, by which their rejected lines are known.
    #[serde(default)]
    pub streams: Vec<String>,
}

/// How long one sink keeps one kind of data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term<'a> {
    /// The sink.
    pub sink: &'a Sink,
    /// What kind of source brings them.
    pub kind: Kind,
    /// How long.
    pub span: &'a Span,
}

impl ExpireConfig {
    /// What a resource's daily run is told; none where every sink keeps everything.
    #[must_use]
    pub fn of(spec: &WikiIngestSpec) -> Option<Self> {
        let ends = |sink: &&Sink| terms_of(sink).next().is_some();
        let sinks: Vec<Sink> = spec.sinks.iter().filter(ends).cloned().collect();
        let is_stream = |source: &&Source| source.kind().is_some_and(SourceKind::is_stream);
        let streams = spec.sources.iter().filter(is_stream);
        (!sinks.is_empty()).then(|| Self {
            sinks,
            streams: streams.map(|source| source.name.clone()).collect(),
        })
    }

    /// All that ends some time, sink by sink.
    pub fn terms(&self) -> impl Iterator<Item = Term<'_>> {
        self.sinks.iter().flat_map(terms_of)
    }
}

fn terms_of(sink: &Sink) -> impl Iterator<Item = Term<'_>> {
    let retention = sink.kind().and_then(SinkKind::retention);
    let span = move |kind: Kind| retention.and_then(|retention| kind.retention(retention));
    let kinds = Kind::ALL.into_iter();
    kinds.filter_map(move |kind| {
        let span = span(kind)?;
        Some(Term { sink, kind, span })
    })
}

/// What a run tells that deleted what was too old.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpireReport {
    /// Rows deleted from databases, those of roll-ups and of rejected lines among them.
    pub rows: u64,
    /// Objects deleted from lakes.
    pub objects: u64,
    /// What could not be done; some of it when there is much.
    #[serde(default)]
    pub failed: Vec<FailedTerm>,
    /// How much could not be done.
    #[serde(default)]
    pub failed_count: u32,
    /// How long the run took, in seconds.
    pub seconds: f64,
    /// The number that the worker ends with.
    pub exit_code: u8,
}

/// A sink from which old data of a kind could not be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTerm {
    /// The sink.
    pub sink: String,
    /// The kind of source that brought them.
    pub kind: String,
    /// What went wrong.
    pub error: String,
}

impl ExpireReport {
    /// The report as JSON on one line, of at most [`REPORT_LIMIT`] bytes: the list and texts are cut to fit.
    #[must_use]
    pub fn to_termination_message(&self) -> String {
        let mut report = Self {
            failed: Vec::new(),
            ..self.clone()
        };
        if !report.seconds.is_finite() {
            report.seconds = 0.0;
        }
        let room = REPORT_LIMIT.saturating_sub(json_len(&report));
        let failed = self.failed.iter().map(|failed| FailedTerm {
            sink: cut(&failed.sink),
            kind: cut(&failed.kind),
            error: cut(&failed.error),
        });
        report.failed = fitting(failed, room);
        serde_json::to_string(&report).unwrap_or_default()
    }
}
