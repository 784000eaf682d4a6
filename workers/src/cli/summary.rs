//! What a run came to, in a few lines.

use indicatif::{HumanBytes, HumanCount};
use wikiingest_crds::worker::Report;

/// How many names are listed before the rest is only counted.
const NAMED: usize = 5;

/// A run's report, for people. What did not happen is left out.
pub(super) fn of(title: &str, report: &Report) -> String {
    let mut lines = vec![format!("{title}:"), format!("  {}", counts(report))];
    if let Some(missing) = named(report.missing.iter().cloned(), report.missing_count) {
        lines.push(format!("  not published: {missing}"));
    }
    let failed = report.failed.iter().map(|failed| failed.unit.clone());
    if let Some(failed) = named(failed, report.failed_count) {
        lines.push(format!("  failed: {failed}"));
    }
    lines.join("\n")
}

fn counts(report: &Report) -> String {
    let counts: Vec<String> = [
        (report.loaded, "loaded"),
        (report.skipped, "loaded already"),
        (report.missing_count, "not published yet"),
        (report.failed_count, "failed"),
    ]
    .into_iter()
    .filter(|(count, _)| *count > 0)
    .map(|(count, what)| format!("{count} {what}"))
    .collect();
    let files = if counts.is_empty() {
        "none loaded".to_owned()
    } else {
        counts.join(", ")
    };
    let odd = match report.inconsistent {
        0 => String::new(),
        rows => format!(
            " ({} do not add up to their totals)",
            HumanCount(rows.unsigned_abs())
        ),
    };
    let read = if report.loaded == 0 {
        String::new()
    } else {
        format!(
            "; {} rows{odd}, {} lines rejected, {} read",
            HumanCount(report.rows.unsigned_abs()),
            HumanCount(report.rejected.unsigned_abs()),
            HumanBytes(report.bytes),
        )
    };
    format!("files: {files}{read}, in {:.1} s", report.seconds)
}

fn named(names: impl Iterator<Item = String>, count: u32) -> Option<String> {
    let first: Vec<String> = names.take(NAMED).collect();
    if first.is_empty() {
        return None;
    }
    let more = usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_sub(first.len());
    let rest = if more == 0 {
        String::new()
    } else {
        format!(" and {more} more")
    };
    Some(format!("{}{rest}", first.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        serde_json::from_value(serde_json::json!({
            "source": "views",
            "window": { "from": "2024-08-03T05:00:00Z", "to": "2024-08-03T06:00:00Z" },
            "loaded": 1, "skipped": 2, "rows": 12345, "rejected": 6, "bytes": 2048, "seconds": 1.25, "exitCode": 0,
        }))
        .unwrap()
    }

    #[test]
    fn a_good_run_takes_two_lines() {
        assert_eq!(
            of("views", &report()),
            "views:\n  files: 1 loaded, 2 loaded already; 12,345 rows, 6 lines rejected, 2.00 KiB read, in 1.2 s"
        );
    }

    #[test]
    fn rows_that_do_not_add_up_are_told() {
        let mut report = report();
        report.inconsistent = 3;
        let told = of("views", &report);
        assert!(
            told.contains("12,345 rows (3 do not add up to their totals), 6"),
            "{told}"
        );
    }

    #[test]
    fn a_run_with_nothing_to_do_says_so() {
        let mut report = report();
        (report.loaded, report.skipped) = (0, 0);
        assert_eq!(
            of("views", &report),
            "views:\n  files: none loaded, in 1.2 s"
        );
    }

    #[test]
    fn what_is_missing_is_named_up_to_a_point() {
        let mut report = report();
        report.missing = (1..=7).map(|hour| format!("p-{hour}")).collect();
        report.missing_count = 9;
        let told = of("views", &report);
        assert!(
            told.ends_with("\n  not published: p-1, p-2, p-3, p-4, p-5 and 4 more"),
            "{told}"
        );
    }
}
