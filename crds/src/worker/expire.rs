//! What passes between the operator and a run that deletes what is too old: its configuration file and its report.

use serde::{Deserialize, Serialize};

use super::report::{REPORT_LIMIT, cut, fitting, json_len};
use crate::{Sink, Source, SourceKind, Span, WikiIngestSpec};

/// The configuration file of `wikiingest-batch expire`: the sinks that do not keep everything, and the sources that feed
/// them. No secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExpireConfig {
    /// What feeds the sinks. Of a source only its name, its kind and its sinks matter.
    pub sources: Vec<Source>,
    /// Sinks, with their retention.
    pub sinks: Vec<Sink>,
}

/// How long one sink keeps what one source brings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Term<'a> {
    /// The sink.
    pub sink: &'a Sink,
    /// The source.
    pub source: &'a Source,
    /// Its kind.
    pub kind: SourceKind<'a>,
    /// How long.
    pub span: &'a Span,
}

impl ExpireConfig {
    /// What a resource's daily run is told; none where every sink keeps all that it is fed.
    #[must_use]
    pub fn of(spec: &WikiIngestSpec) -> Option<Self> {
        let all: Vec<_> = terms(&spec.sources, &spec.sinks).collect();
        let has_sink = |sink: &&Sink| all.iter().any(|term| term.sink.name == sink.name);
        let has_source = |source: &&Source| all.iter().any(|term| term.source.name == source.name);
        let sources = spec.sources.iter().filter(has_source);
        let sinks = spec.sinks.iter().filter(has_sink);
        (!all.is_empty()).then(|| Self {
            sources: sources.map(without_times).collect(),
            sinks: sinks.cloned().collect(),
        })
    }

    /// All that ends some time, sink by sink.
    pub fn terms(&self) -> impl Iterator<Item = Term<'_>> {
        terms(&self.sources, &self.sinks)
    }
}

fn terms<'a>(sources: &'a [Source], sinks: &'a [Sink]) -> impl Iterator<Item = Term<'a>> {
    sinks.iter().flat_map(move |sink| {
        let fed = sources
            .iter()
            .filter(|source| source.sinks.contains(&sink.name));
        fed.filter_map(move |source| {
            let kind = source.kind()?;
            let span = kind.retention(sink.kind()?.retention()?)?;
            Some(Term {
                sink,
                source,
                kind,
                span,
            })
        })
    })
}

/// When a source is read, and where from, is nothing to a run that deletes: a change of it is none here.
fn without_times(source: &Source) -> Source {
    Source {
        schedule: None,
        base_url: None,
        backfill: Vec::new(),
        start_from: None,
        stream: None,
        ..source.clone()
    }
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

/// A sink from which the old data of a source could not be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedTerm {
    /// The sink.
    pub sink: String,
    /// The source.
    pub source: String,
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
            source: cut(&failed.source),
            error: cut(&failed.error),
        });
        report.failed = fitting(failed, room);
        serde_json::to_string(&report).unwrap_or_default()
    }
}
