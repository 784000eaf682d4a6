//! Deletes what the sinks keep no longer: at the start, and every day after that.

use std::{
    convert::Infallible,
    time::{Duration, SystemTime},
};

use indicatif::HumanCount;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    WikiIngestSpec,
    worker::{ExitCode, ExpireConfig, ExpireReport},
};

use super::console::Console;
use crate::retention;

/// How often.
const EVERY: Duration = Duration::from_hours(24);
/// How long is slept at most before the clock is looked at again: a timer stands still while a laptop is closed.
const NAP: Duration = Duration::from_mins(1);

/// Deletes what is too old now, and says what went, if anything did.
pub(super) async fn enforce(
    console: &Console,
    spec: &WikiIngestSpec,
    stop: &CancellationToken,
) -> ExitCode {
    let Some(config) = ExpireConfig::of(spec) else {
        return ExitCode::Done;
    };
    // It has all that a client of S3 needs, and would be a part of whoever waits for it.
    let report = Box::pin(retention::expire(&config, stop)).await;
    if let Some(told) = told(&report) {
        console.note(&told);
    }
    ExitCode::from_code(report.exit_code).unwrap_or(ExitCode::TryAgain)
}

/// The same, every day from tomorrow on.
pub(super) async fn enforce_daily(
    console: &Console,
    spec: &WikiIngestSpec,
    stop: &CancellationToken,
) -> Infallible {
    let mut last = SystemTime::now();
    loop {
        tokio::time::sleep(NAP).await;
        // A clock that was set back has not been a day.
        if last.elapsed().unwrap_or_default() >= EVERY {
            last = SystemTime::now();
            enforce(console, spec, stop).await;
        }
    }
}

fn told(report: &ExpireReport) -> Option<String> {
    let went: Vec<String> = [(report.rows, "rows"), (report.objects, "lake files")]
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", HumanCount(count)))
        .collect();
    let deleted = (!went.is_empty()).then(|| {
        format!(
            "retention: deleted {}, which were too old",
            went.join(" and ")
        )
    });
    let failed = report.failed.iter().map(|failed| {
        format!(
            "retention: old {} not deleted from {}: {}",
            failed.kind, failed.sink, failed.error
        )
    });
    let lines: Vec<String> = deleted.into_iter().chain(failed).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_is_told_and_nothing_is_not() {
        let report = ExpireReport::default();
        assert_eq!(told(&report), None);
        let report = ExpireReport {
            rows: 12_345,
            objects: 2,
            ..report
        };
        assert_eq!(
            told(&report).unwrap(),
            "retention: deleted 12,345 rows and 2 lake files, which were too old"
        );
    }
}
