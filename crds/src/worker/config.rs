//! The configuration file of a worker.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Sink, Source, SourceKind, Span, Unit};

/// The configuration file of a worker: one source, the sinks it feeds, and the time to look at. No secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkerConfig {
    /// Who to write to about the traffic, for the User-Agent.
    pub contact: String,
    /// The source to read.
    pub source: Source,
    /// The sinks that the source feeds, in its own order.
    pub sinks: Vec<Sink>,
    /// Which time of the data to look at.
    pub window: Window,
    /// What the worker holds itself to.
    #[serde(default)]
    pub limits: Limits,
}

/// Which time of the data a run looks at, by the start of the units.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, try_from = "Fields")]
pub enum Window {
    /// From so long ago to now.
    Lookback {
        /// How long ago.
        lookback: Span,
    },
    /// A fixed range, its end not included.
    Range {
        /// Where it begins, included.
        from: Timestamp,
        /// Where it ends, not included.
        to: Timestamp,
        /// How long the parts are that it is cut into, each for a run of its own.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        every: Option<Span>,
    },
}

/// A window that says too little, too much, or nonsense.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidWindow {
    /// Neither form, or a mix of the two.
    #[error(
        "window must be {{\"lookback\": \"48h\"}} or {{\"from\": \"2024-08-03T05:00:00Z\", \"to\": \"2024-08-03T06:00:00Z\"}}"
    )]
    Form,
    /// A range with nothing in it.
    #[error("window is empty: from ({from}) must be before to ({to})")]
    Empty {
        /// Where it begins.
        from: Timestamp,
        /// Where it ends.
        to: Timestamp,
    },
    /// There is no such part.
    #[error("the window has {parts} parts, and part {part} was asked for; the first one is 0")]
    Part {
        /// What was asked for.
        part: u32,
        /// How many there are.
        parts: u32,
    },
}

/// All that a window may have, so that the error can say more than that nothing matched.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    lookback: Option<Span>,
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    every: Option<Span>,
}

impl TryFrom<Fields> for Window {
    type Error = InvalidWindow;

    fn try_from(fields: Fields) -> Result<Self, Self::Error> {
        match (fields.lookback, fields.from, fields.to, fields.every) {
            (Some(lookback), None, None, None) => Ok(Self::Lookback { lookback }),
            (None, Some(from), Some(to), every) => Self::Range { from, to, every }.checked(),
            _ => Err(InvalidWindow::Form),
        }
    }
}

impl Window {
    /// The window itself, unless it is empty.
    ///
    /// # Errors
    /// When the range does not begin before it ends.
    pub fn checked(self) -> Result<Self, InvalidWindow> {
        match self {
            Self::Range { from, to, .. } if from >= to => Err(InvalidWindow::Empty { from, to }),
            window => Ok(window),
        }
    }

    /// How many parts there are: one, unless a range is cut.
    #[must_use]
    pub fn parts(&self) -> u32 {
        match self {
            Self::Range {
                from,
                to,
                every: Some(every),
            } => {
                let length = Duration::try_from(to.duration_since(*from)).unwrap_or_default();
                let parts = length
                    .as_millis()
                    .div_ceil(every.to_std().as_millis().max(1));
                u32::try_from(parts).unwrap_or(u32::MAX).max(1)
            }
            _ => 1,
        }
    }

    /// A part by its number, from 0 on.
    ///
    /// # Errors
    /// When there is no such part.
    pub fn part(&self, part: u32) -> Result<Self, InvalidWindow> {
        let parts = self.parts();
        if part >= parts {
            return Err(InvalidWindow::Part { part, parts });
        }
        let Self::Range {
            from,
            to,
            every: Some(every),
        } = self
        else {
            return Ok(self.clone());
        };
        let start = |part: u32| {
            let passed = every.to_std().checked_mul(part)?;
            from.checked_add(passed).ok()
        };
        let missing = InvalidWindow::Part { part, parts };
        Ok(Self::Range {
            from: start(part).ok_or(missing)?,
            to: start(part + 1).map_or(*to, |end| end.min(*to)),
            every: None,
        })
    }
}

/// What a worker holds itself to. Every field has a default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Limits {
    /// Connections to the source's host at the same time. Wikimedia's own is given no more than 3, whatever is said here.
    pub connections: u8,
    /// How often a request is tried before its unit fails.
    pub attempts: u32,
    /// The shortest wait before a request is tried again.
    pub min_backoff: Span,
    /// The longest wait before a request is tried again.
    pub max_backoff: Span,
    /// How long a connection may be silent before it counts as dead.
    pub idle_timeout: Span,
    /// The share of a unit's lines that may be unparsable, from 0 to 1, before the unit fails.
    pub max_rejected_share: f64,
    /// The most unparsable lines of a unit that are kept, each with its reason; further ones are counted.
    pub max_rejected_lines: u32,
    /// How long after its end a unit may be unpublished before it counts as missing. Without it, 6 hours for hourly files
    /// and 48 for daily ones, within which Wikimedia means to have them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub missing_after: Option<Span>,
    /// How long after its end a missing unit may still come. Hours that were never published are told of for ever, and a
    /// run over an archive that lacks them is done nevertheless, unless it is a known mirror's and the dumps host has them.
    pub missing_until: Span,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 2,
            attempts: 5,
            min_backoff: Span::seconds(1),
            max_backoff: Span::seconds(60),
            idle_timeout: Span::seconds(60),
            max_rejected_share: 0.01,
            max_rejected_lines: 10_000,
            missing_after: None,
            missing_until: Span::hours(14 * 24),
        }
    }
}

impl Limits {
    /// How long after its end a unit of this source may be unpublished before it counts as missing.
    #[must_use]
    pub fn missing_after(&self, source: &Source) -> Duration {
        let unit = source.kind().and_then(SourceKind::unit);
        let usual = match unit {
            Some(Unit::Day) => Span::hours(48),
            Some(Unit::Hour) | None => Span::hours(6),
        };
        self.missing_after.as_ref().unwrap_or(&usual).to_std()
    }
}
