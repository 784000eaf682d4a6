//! Numbers, times and runs in words.

use indicatif::HumanCount;
use jiff::{SignedDuration, Timestamp};
use wikiingest_crds::{LastRun, worker::ExitCode};

/// What stands where there is nothing to tell.
pub(crate) const NOTHING: &str = "-";
/// Characters of a progress bar.
const BAR: usize = 20;

/// A count, with commas.
pub(crate) fn count(number: i64) -> String {
    HumanCount(number.unsigned_abs()).to_string()
}

/// A length of time by its two largest units: `2d 4h`.
pub(crate) fn length(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let first = units.iter().position(|(unit, _)| seconds >= *unit);
    let first = first.unwrap_or(units.len() - 1);
    let (unit, name) = units[first];
    let whole = format!("{}{name}", seconds / unit);
    match units.get(first + 1) {
        Some((next, next_name)) if seconds % unit / next > 0 => {
            format!("{whole} {}{next_name}", seconds % unit / next)
        }
        _ => whole,
    }
}

/// How long ago.
pub(crate) fn ago(time: Timestamp, now: Timestamp) -> String {
    format!("{} ago", length(now.duration_since(time)))
}

/// A moment, to the minute.
pub(crate) fn moment(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d %H:%M UTC").to_string()
}

/// A bar, with how much of it is done.
pub(crate) fn bar(percent: i32) -> String {
    let percent = usize::try_from(percent.clamp(0, 100)).unwrap_or_default();
    let done = "#".repeat(percent * BAR / 100);
    format!("[{done:.<BAR$}] {percent:>3}%")
}

/// Whether a run did what it could: what is not published yet is no failure of it.
pub(crate) fn is_success(exit_code: i32) -> bool {
    [ExitCode::Done, ExitCode::UnitsMissing]
        .iter()
        .any(|exit| i32::from(exit.code()) == exit_code)
}

/// What a run came to. What did not happen is left out.
pub(crate) fn run(run: &LastRun) -> String {
    if !is_success(run.exit_code) {
        let why = run.message.as_deref().unwrap_or("no reason is known");
        return format!("failed with exit code {}: {why}", run.exit_code);
    }
    let files: Vec<String> = [
        (run.loaded, "loaded"),
        (run.skipped, "loaded already"),
        (run.missing, "not published yet"),
        (run.failed, "failed"),
    ]
    .into_iter()
    .filter(|(number, _)| *number > 0)
    .map(|(number, what)| format!("{} {what}", count(number)))
    .collect();
    let files = if files.is_empty() {
        "none loaded".to_owned()
    } else {
        files.join(", ")
    };
    let rows = if run.loaded == 0 {
        String::new()
    } else {
        format!(
            "; {} rows, {} lines rejected",
            count(run.rows),
            count(run.rejected)
        )
    };
    format!("files: {files}{rows}, in {:.1} s", run.seconds)
}

/// Rows of cells, one below the other, three spaces apart.
pub(crate) fn columns(rows: &[Vec<String>]) -> String {
    let number = rows.iter().map(Vec::len).max().unwrap_or_default();
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or_default()
    };
    let widths: Vec<usize> = (0..number).map(width).collect();
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(&widths);
        let cells = cells.map(|(cell, width)| format!("{cell:<width$}"));
        cells.collect::<Vec<_>>().join("   ").trim_end().to_owned()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_its_two_largest_units() {
        for (seconds, text) in [
            (-5, "0s"),
            (0, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m 59s"),
            (3_605, "1h"),
            (90_000, "1d 1h"),
            (86_400 * 400 + 60, "400d"),
        ] {
            assert_eq!(length(SignedDuration::from_secs(seconds)), text);
        }
    }

    #[test]
    fn a_bar_is_as_long_at_every_percent() {
        assert_eq!(bar(0), "[....................]   0%");
        assert_eq!(bar(45), "[#########...........]  45%");
        assert_eq!(bar(100), "[####################] 100%");
        assert_eq!(bar(400), bar(100));
    }

    #[test]
    fn a_run_is_told_by_what_happened_in_it() {
        let mut last = LastRun {
            loaded: 2,
            missing: 3,
            rows: 12_345,
            rejected: 6,
            seconds: 1.25,
            exit_code: 2,
            ..LastRun::default()
        };
        assert_eq!(
            run(&last),
            "files: 2 loaded, 3 not published yet; 12,345 rows, 6 lines rejected, in 1.2 s"
        );
        (last.loaded, last.missing, last.exit_code) = (0, 0, 0);
        assert_eq!(run(&last), "files: none loaded, in 1.2 s");
        last.exit_code = 77;
        last.message = Some("the bucket is not ours".to_owned());
        assert_eq!(
            run(&last),
            "failed with exit code 77: the bucket is not ours"
        );
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |cells: [&str; 2]| cells.map(str::to_owned).to_vec();
        let rows = [
            row(["NAME", "LAG"]),
            row(["é", "-"]),
            row(["wikimedia", ""]),
        ];
        assert_eq!(columns(&rows), "NAME        LAG\né           -\nwikimedia");
    }
}
