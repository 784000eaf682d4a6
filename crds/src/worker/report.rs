//! What a worker tells of a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most bytes that Kubernetes keeps of a termination message.
pub const REPORT_LIMIT: usize = 4096;

/// The most characters of a name or an error that are kept.
const MAX_TEXT: usize = 256;

/// What a worker tells of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Name of the source.
    pub source: String,
    /// Which time of the data the run looked at.
    pub window: ReportWindow,
    /// Units loaded.
    pub loaded: u32,
    /// Units left out, since they were loaded before and have not changed, or are older than what the sinks keep.
    pub skipped: u32,
    /// Units that should be published and are not, oldest first; some of them when there are many.
    #[serde(default)]
    pub missing: Vec<String>,
    /// How many units should be published and are not.
    #[serde(default)]
    pub missing_count: u32,
    /// Units that could not be loaded; some of them when there are many.
    #[serde(default)]
    pub failed: Vec<FailedUnit>,
    /// How many units could not be loaded.
    #[serde(default)]
    pub failed_count: u32,
    /// Rows loaded.
    pub rows: i64,
    /// Lines that could not be parsed.
    pub rejected: i64,
    /// Rows loaded whose parts do not add up to their published total.
    #[serde(default)]
    pub inconsistent: i64,
    /// Bytes downloaded.
    pub bytes: u64,
    /// How long the run took, in seconds.
    pub seconds: f64,
    /// Where the newest unit of the window that is loaded ends; none if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub through: Option<Timestamp>,
    /// The number that the worker ends with.
    pub exit_code: u8,
}

/// Which time of the data a run looked at: the range that the window came to, its end not included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportWindow {
    /// Where it begins, included.
    pub from: Timestamp,
    /// Where it ends, not included.
    pub to: Timestamp,
}

/// A unit that could not be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedUnit {
    /// The unit. Example: `pageviews-20240803-060000`.
    pub unit: String,
    /// What went wrong.
    pub error: String,
}

impl Report {
    /// The report as JSON on one line, of at most [`REPORT_LIMIT`] bytes: lists and texts are cut to fit, counts are not.
    #[must_use]
    pub fn to_termination_message(&self) -> String {
        let mut report = self.without_lists();
        let room = REPORT_LIMIT.saturating_sub(json_len(&report));
        // Half for what is missing at most, so that what failed, which tells more, always has room.
        let missing = self.missing.iter().map(|unit| cut(unit));
        report.missing = fitting(missing, room / 2);
        let room = REPORT_LIMIT.saturating_sub(json_len(&report));
        let failed = self.failed.iter().map(|failed| FailedUnit {
            unit: cut(&failed.unit),
            error: cut(&failed.error),
        });
        report.failed = fitting(failed, room);
        serde_json::to_string(&report).unwrap_or_default()
    }

    /// What is left is short, and has only numbers that JSON has.
    fn without_lists(&self) -> Self {
        Self {
            source: cut(&self.source),
            missing: Vec::new(),
            failed: Vec::new(),
            seconds: if self.seconds.is_finite() {
                self.seconds
            } else {
                0.0
            },
            ..*self
        }
    }
}

/// The first entries, as many as fit into so many bytes of JSON.
pub(super) fn fitting<T: Serialize>(entries: impl Iterator<Item = T>, mut room: usize) -> Vec<T> {
    let fits = |entry: &T| {
        let comma = 1;
        room.checked_sub(json_len(entry) + comma)
            .inspect(|left| room = *left)
            .is_some()
    };
    entries.take_while(fits).collect()
}

pub(super) fn cut(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

pub(super) fn json_len(value: &impl Serialize) -> usize {
    serde_json::to_string(value).map_or(0, |json| json.len())
}
