//! How each source stands, and what there is beside them.

use jiff::{SignedDuration, Timestamp};
use wikiingest_crds::{BackfillStatus, RetentionStatus, SourceStatus, StreamStatus};

use crate::words::{ago, bar, count, length, moment, run};

/// How far the data of a source are behind the clock. A status is not written anew while nothing happens, so that of files
/// is told from up to when they are loaded.
pub(super) fn lag(source: &SourceStatus, now: Timestamp) -> Option<SignedDuration> {
    let loaded = source
        .loaded_through
        .map(|through| now.duration_since(through));
    loaded.or_else(|| source.lag_seconds.map(SignedDuration::from_secs))
}

/// A source, a fact a row.
pub(super) fn source(source: &SourceStatus, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(stream) = &source.stream {
        facts.extend(stream_facts(stream));
    }
    if let Some(last) = &source.last_run {
        let when = last
            .finish_time
            .map_or_else(String::new, |time| ago(time, now) + ", ");
        facts.push(("last run", format!("{when}{}", run(last))));
    }
    facts.extend(next_run(source.next_run_time, now));
    if let Some(lag) = lag(source, now) {
        let through = source
            .loaded_through
            .map(|time| format!(", loaded up to {}", moment(time)));
        facts.push(("lag", length(lag) + &through.unwrap_or_default()));
    }
    if let Some(rows) = source.rows {
        let rejected = count(source.rejected.unwrap_or(0));
        facts.push((
            "so far",
            format!("{} rows, {rejected} lines rejected", count(rows)),
        ));
    }
    if let Some(missing) = source.missing_count.filter(|missing| *missing > 0) {
        let some = source.missing_units.join(", ");
        facts.push(("missing", format!("{} files: {some}", count(missing))));
    }
    facts
}

fn stream_facts(stream: &StreamStatus) -> Vec<(&'static str, String)> {
    let workers = format!("{} of {} workers ready", stream.ready, stream.desired);
    let mut facts = vec![("stream", workers)];
    if stream.gap_seconds > 0 {
        let lost = length(SignedDuration::from_secs(stream.gap_seconds));
        facts.push((
            "lost",
            format!("{lost} of the stream, which its host no longer had"),
        ));
    }
    facts
}

fn next_run(next: Option<Timestamp>, now: Timestamp) -> Option<(&'static str, String)> {
    let next = next?;
    let wait = next.duration_since(now);
    let when = if wait.is_positive() {
        format!("in {}, {}", length(wait), moment(next))
    } else {
        format!("due since {}", moment(next))
    };
    Some(("next run", when))
}

/// How far a backfill is.
pub(crate) fn backfill(status: &BackfillStatus) -> String {
    let mut text = format!(
        "{} {:?}, {} of {} parts, {} rows",
        bar(status.percent),
        status.phase,
        status.completed,
        status.total,
        count(status.rows)
    );
    if status.failed > 0 {
        text = format!("{text}, {} parts failed", status.failed);
    }
    if let Some(message) = &status.message {
        text += ": ";
        text += message;
    }
    text
}

/// The run that deletes what is kept no longer, a fact a row.
pub(super) fn retention(status: &RetentionStatus, now: Timestamp) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    if let Some(last) = &status.last_run {
        let when = last
            .finish_time
            .map_or_else(String::new, |time| ago(time, now) + ", ");
        let what = if last.exit_code == 0 {
            format!(
                "deleted {} rows and {} objects",
                count(last.rows),
                count(last.objects)
            )
        } else {
            let why = last.message.as_deref().unwrap_or("no reason is known");
            format!("failed with exit code {}: {why}", last.exit_code)
        };
        facts.push(("last run", when + &what));
    }
    facts.extend(next_run(status.next_run_time, now));
    facts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{ingest, now};

    #[test]
    fn the_lag_of_files_grows_with_the_clock_and_that_of_a_stream_is_as_told() {
        let sources = ingest().status.unwrap().sources;
        let later = now() + SignedDuration::from_hours(2);
        let lags = |at: Timestamp| [lag(&sources[0], at), lag(&sources[1], at)];
        let lengths = |at| lags(at).map(|lag| lag.map(length));
        assert_eq!(
            lengths(now()),
            [Some("2h 40m".to_owned()), Some("0s".to_owned())]
        );
        assert_eq!(
            lengths(later),
            [Some("4h 40m".to_owned()), Some("0s".to_owned())]
        );
    }

    #[test]
    fn a_run_that_is_overdue_is_told_so() {
        let due = next_run(Some(now() - SignedDuration::from_mins(5)), now());
        assert_eq!(due.unwrap().1, "due since 2024-08-03 08:35 UTC");
        assert_eq!(next_run(None, now()), None);
    }

    #[test]
    fn a_backfill_that_failed_tells_how_much_and_why() {
        let mut status = ingest().status.unwrap().backfills.remove(0);
        status.failed = 2;
        status.message = Some("the host is gone".to_owned());
        let text = backfill(&status);
        assert!(
            text.ends_with(", 2 parts failed: the host is gone"),
            "{text}"
        );
    }
}
