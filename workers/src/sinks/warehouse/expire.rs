//! What both dialects have in common when rows go: in which steps.

use jiff::{
    SignedDuration, Unit,
    civil::{DateTime, DateTimeRound},
};

use crate::sinks::expire::Step;

/// Before any row.
pub(super) const EVER: &str = "1000-01-01 00:00:00";

/// Rows of a table that go in one transaction at most. A day of media counts has thirty million of them, and a transaction
/// that was cut off has done nothing.
pub(super) const ROWS: u64 = 50_000;

/// What went in a transaction, table after table of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    pub(super) rows: u64,
    /// Whether nothing of the slice is left.
    pub(super) is_all: bool,
}

impl Default for Gone {
    fn default() -> Self {
        Self {
            rows: 0,
            is_all: true,
        }
    }
}

impl Gone {
    /// Counts what a statement deleted, and says whether the table that comes next has its turn. Facts come first, so that
    /// what is derived of them goes with the last.
    pub(super) fn goes_on(&mut self, deleted: u64) -> bool {
        self.rows += deleted;
        self.is_all = deleted < ROWS;
        self.is_all
    }
}

/// The rows of a moment or an hour, which go before those of the next.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Slice {
    /// What their time is like, with a `?` for each of the bounds.
    pub(super) condition: &'static str,
    pub(super) bounds: Vec<String>,
    /// Rows of the slices to come are not from before this.
    pub(super) next: String,
}

impl Slice {
    /// The slice that begins with the oldest row, by its time as the database has it.
    pub(super) fn of(oldest: &str, step: Step) -> Self {
        // A time that is none has a slice of its own.
        let hour = (step == Step::Hour).then(|| hour(oldest)).flatten();
        let Some((from, to)) = hour else {
            return Self {
                // An equality is looked up in the index whatever the table's size. A search over a range may look at
                // every row, and would wait for those that a loader has not committed.
                condition: "ts = ?",
                bounds: vec![oldest.to_owned()],
                next: oldest.to_owned(),
            };
        };
        Self {
            condition: "ts >= ? AND ts < ?",
            next: to.clone(),
            bounds: vec![from, to],
        }
    }
}

/// The hour that a time lies in.
fn hour(ts: &str) -> Option<(String, String)> {
    let ts: DateTime = ts.parse().ok()?;
    let to_the_hour = DateTimeRound::new()
        .smallest(Unit::Hour)
        .mode(jiff::RoundMode::Trunc);
    let from = ts.round(to_the_hour).ok()?;
    let to = from.checked_add(SignedDuration::from_hours(1)).ok()?;
    let text = |moment: DateTime| moment.strftime("%Y-%m-%d %H:%M:%S").to_string();
    Some((text(from), text(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_go_by_the_hour_and_files_by_their_moment() {
        let slice = Slice::of("2026-11-23 23:15:00.123456", Step::Hour);
        assert_eq!(slice.bounds, ["2026-11-23 23:00:00", "2026-11-24 00:00:00"]);
        assert_eq!(slice.next, "2026-11-24 00:00:00");
        let slice = Slice::of("2026-11-23 23:00:00", Step::Moment);
        assert_eq!(slice.bounds, ["2026-11-23 23:00:00"]);
    }

    #[test]
    fn a_time_that_is_none_is_no_reason_to_stop() {
        let slice = Slice::of("yesterday", Step::Hour);
        assert_eq!(
            (slice.condition, slice.next.as_str()),
            ("ts = ?", "yesterday")
        );
    }
}
