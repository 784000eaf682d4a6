//! What a worker tells of a run.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The most bytes that Kubernetes keeps of a termination message.
pub const REPORT_LIMIT: usize = 4096;

/// The most entries of a list, and characters of a text, that are tried before anything is measured.
const MAX_LISTED: usize = 64;
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
    /// Units left out, since they were loaded before and have not changed.
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
    /// Bytes downloaded.
    pub bytes: u64,
    /// How long the run took, in seconds.
    pub seconds: f64,
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
    /// The report as JSON on one line, of at most [`REPORT_LIMIT`] bytes: lists are cut until it fits, counts stay.
    #[must_use]
    pub fn to_termination_message(&self) -> String {
        let mut report = self.shortened();
        loop {
            let json = serde_json::to_string(&report).unwrap_or_default();
            if json.len() <= REPORT_LIMIT || !report.drop_one() {
                return json;
            }
        }
    }

    /// A copy that cannot be far too long, and with numbers that JSON has.
    fn shortened(&self) -> Self {
        let cut = |text: &str| text.chars().take(MAX_TEXT).collect::<String>();
        Self {
            source: cut(&self.source),
            missing: self
                .missing
                .iter()
                .take(MAX_LISTED)
                .map(|unit| cut(unit))
                .collect(),
            failed: (self.failed.iter().take(MAX_LISTED))
                .map(|failed| FailedUnit {
                    unit: cut(&failed.unit),
                    error: cut(&failed.error),
                })
                .collect(),
            seconds: if self.seconds.is_finite() {
                self.seconds
            } else {
                0.0
            },
            ..self.clone()
        }
    }

    /// Drops an entry of the longer list; false when there is none left. What failed tells more than what is missing.
    fn drop_one(&mut self) -> bool {
        if self.missing.len() >= self.failed.len() {
            self.missing.pop().is_some()
        } else {
            self.failed.pop().is_some()
        }
    }
}
