//! The configuration file of the stream worker.

use serde::{Deserialize, Serialize};

use crate::{Sink, Source, Span};

/// The configuration file of the stream worker: one source and the sinks it feeds. No secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamConfig {
    /// Who to write to about the traffic, for the User-Agent.
    pub contact: String,
    /// The source to read, of the kind `recentChanges`.
    pub source: Source,
    /// The sinks that the source feeds, in its own order.
    pub sinks: Vec<Sink>,
    /// What the worker holds itself to.
    #[serde(default)]
    pub limits: StreamLimits,
}

/// How a stream worker stands, as JSON at [`StreamReport::PATH`] of [`StreamReport::PORT`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamReport {
    /// How far the sink that is furthest behind is behind the clock, in seconds; none before each has committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind_seconds: Option<f64>,
    /// How much time of the stream this process found lost to the host's retention, in seconds.
    pub gap_seconds: f64,
}

impl StreamReport {
    /// Where it is served.
    pub const PATH: &str = "/report";
    /// The port that the operator gives workers for this, for metrics and for probes.
    pub const PORT: u16 = 9090;
}

/// What the stream worker holds itself to. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct StreamLimits {
    /// The shortest wait before a connection or a write is tried again.
    pub min_backoff: Span,
    /// The longest wait before a connection or a write is tried again.
    pub max_backoff: Span,
    /// How long to leave the host alone after it refused (401, 403).
    pub refused_pause: Span,
    /// When to have a new connection ready in place of an old one: the host ends each after 15 minutes.
    pub connection_age: Span,
    /// The worker counts as ready while it is connected and its sinks are no further behind than this.
    pub ready_lag: Span,
    /// A jump in time after a resume from which on events count as lost to the host's retention.
    pub gap: Span,
    /// How long to go on after a request to stop, for what was received to be written.
    pub grace: Span,
}

impl Default for StreamLimits {
    fn default() -> Self {
        Self {
            min_backoff: Span::seconds(1),
            max_backoff: Span::seconds(60),
            refused_pause: Span::minutes(15),
            connection_age: Span::seconds(870),
            ready_lag: Span::minutes(2),
            gap: Span::minutes(5),
            grace: Span::seconds(20),
        }
    }
}
