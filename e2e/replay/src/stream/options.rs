//! What a caller chooses about the stream.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Connections to the stream that the real host lets one address have.
pub const DEFAULT_STREAM_CLIENTS: usize = 2;
/// After how long the real host's proxy ends every connection to the stream.
pub const DEFAULT_CUT_AFTER: Duration = Duration::from_mins(15);
/// How far canary events are apart.
pub const DEFAULT_CANARY: Duration = Duration::from_mins(10);

/// The events of the stream, one JSON object a line.
#[derive(Debug, Clone)]
pub enum Events {
    /// A file of such lines.
    File(PathBuf),
    /// The lines; none for a stream that only has what is appended to it.
    Lines(Vec<String>),
}

/// How fast events are published.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Pace {
    /// As far apart as their `meta.dt` are.
    Real,
    /// So many events a second.
    PerSecond(f64),
    /// All at once.
    Max,
}

/// A pace that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read the pace {0:?}: use real, max, or a number of events a second, such as 40")]
pub struct PaceError(String);

impl FromStr for Pace {
    type Err = PaceError;

    fn from_str(text: &str) -> Result<Self, PaceError> {
        match text {
            "real" => Ok(Self::Real),
            "max" => Ok(Self::Max),
            number => number
                .parse()
                .ok()
                .filter(|rate: &f64| rate.is_finite() && *rate > 0.0)
                .map(Self::PerSecond)
                .ok_or_else(|| PaceError(text.to_owned())),
        }
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Real => f.write_str("real"),
            Self::PerSecond(rate) => write!(f, "{rate}"),
            Self::Max => f.write_str("max"),
        }
    }
}

/// How the stream is served.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// What is published, in this order.
    pub events: Events,
    /// How fast it is published.
    pub pace: Pace,
    /// Whether `meta.dt` and `timestamp` become the moment of publishing, so that a latency can be
    /// measured.
    pub restamp: bool,
    /// How often all events are published: again and again with other ids, and later by as much as
    /// they cover, in whole seconds.
    pub repeat: NonZeroU64,
    /// How many events are kept for clients that are late; `None` keeps all.
    pub retention: Option<usize>,
    /// Whether publishing waits for the first client.
    pub wait_for_client: bool,
    /// Connections that one address may have; one more gets 429.
    pub clients: usize,
    /// After how long a connection is cut; `None` never cuts.
    pub cut_after: Option<Duration>,
    /// How often each client is sent a canary event; `None` sends none.
    pub canary: Option<Duration>,
}

impl StreamOptions {
    /// Publishes these events as the real host would, each once.
    #[must_use]
    pub fn new(events: Events) -> Self {
        Self {
            events,
            pace: Pace::Real,
            restamp: false,
            repeat: NonZeroU64::MIN,
            retention: None,
            wait_for_client: false,
            clients: DEFAULT_STREAM_CLIENTS,
            cut_after: Some(DEFAULT_CUT_AFTER),
            canary: Some(DEFAULT_CANARY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_paces() {
        for (text, pace) in [
            ("real", Pace::Real),
            ("max", Pace::Max),
            ("0.5", Pace::PerSecond(0.5)),
            ("40", Pace::PerSecond(40.0)),
        ] {
            assert_eq!(text.parse(), Ok(pace));
            assert_eq!(pace.to_string(), text);
        }
        for wrong in ["", "fast", "0", "-1", "inf", "nan"] {
            assert_eq!(wrong.parse::<Pace>(), Err(PaceError(wrong.to_owned())));
        }
    }
}
