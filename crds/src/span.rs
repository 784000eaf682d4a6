//! Lengths of time as people write them: `30s`, `48h`, `90d`.

use std::{borrow::Cow, fmt, str::FromStr, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the schema holds a span to. No zero: everywhere that a span is asked for, none at all would be a mistake.
const PATTERN: &str = r"^[1-9][0-9]{0,5}(ms|s|m|h|d|w)$";

/// Units from the longest suffix to the shortest, so that `ms` is not taken for `s`.
const UNITS: [(&str, u64); 6] = [
    ("ms", 1),
    ("s", 1_000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
    ("w", 604_800_000),
];

/// A length of time: a whole number and a unit, such as `100ms`, `30s`, `15m`, `48h`, `90d` or `2w`.
///
/// Keeps the text it was written as, so that a resource read and written again does not change.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    text: String,
    millis: u64,
}

/// A text that is not a [`Span`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a length of time: write a whole number above 0 and a unit (ms, s, m, h, d or w), such as 30s, 48h or 90d"
)]
pub struct InvalidSpan(String);

impl Span {
    /// A span of `count` milliseconds.
    #[must_use]
    pub fn millis(count: u32) -> Self {
        Self::of(count, "ms", 1)
    }

    /// A span of `count` seconds.
    #[must_use]
    pub fn seconds(count: u32) -> Self {
        Self::of(count, "s", 1_000)
    }

    /// A span of `count` minutes.
    #[must_use]
    pub fn minutes(count: u32) -> Self {
        Self::of(count, "m", 60_000)
    }

    /// A span of `count` hours.
    #[must_use]
    pub fn hours(count: u32) -> Self {
        Self::of(count, "h", 3_600_000)
    }

    /// A span of `count` days of 24 hours.
    #[must_use]
    pub fn days(count: u32) -> Self {
        Self::of(count, "d", 86_400_000)
    }

    fn of(count: u32, unit: &str, millis: u64) -> Self {
        Self {
            text: format!("{count}{unit}"),
            millis: u64::from(count) * millis,
        }
    }

    /// The span for the standard library. Days are 24 hours and weeks 7 days: all times here are UTC.
    #[must_use]
    pub fn to_std(&self) -> Duration {
        Duration::from_millis(self.millis)
    }

    /// The span as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Span {
    type Err = InvalidSpan;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parse_millis(text)
            .map(|millis| Self {
                text: text.to_owned(),
                millis,
            })
            .ok_or_else(|| InvalidSpan(text.to_owned()))
    }
}

fn parse_millis(text: &str) -> Option<u64> {
    let (digits, factor) = UNITS
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, factor)))?;
    let well_formed = (1..=6).contains(&digits.len())
        && digits.bytes().all(|b| b.is_ascii_digit())
        && !digits.starts_with('0');
    well_formed
        .then(|| digits.parse::<u64>().ok())
        .flatten()
        .map(|count| count * factor)
}

impl TryFrom<String> for Span {
    type Error = InvalidSpan;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.text
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl JsonSchema for Span {
    fn schema_name() -> Cow<'static, str> {
        "Span".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "minLength": 2, "maxLength": 8, "pattern": PATTERN })
    }
}
