//! The same dump file, as others read it: DuckDB, Polars and Spark parse it, and DuckDB reads what our worker made of it.
//!
//! It is one file of each archive: a day of those that have days, and an hour of those that have hours, whose 24 files of a
//! day differ in nothing but their numbers.
//!
//! The peers are scripts in `e2e/peers/` that share no code with the worker, nor with each other. Of each reader's rows
//! the number, the sum of every numeric column and a hash have to be the same.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};

use super::batch;
use super::format::Format;
use super::input::{self, Input};
use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::install::{self, Python};
use crate::process::{capture, guarded};
use crate::say::say;
use crate::scratch;
use crate::servers::replay::{Options, Replay};
use crate::steps::Workspace;

/// What to compare.
#[derive(Debug, Clone, Copy)]
pub(super) struct Comparison<'a> {
    pub(super) formats: &'a [&'static Format],
    pub(super) lines: usize,
    /// Leaves the worker out.
    pub(super) peers_only: bool,
}

/// The Python environments that the peers run in.
struct Peers {
    tables: Python,
    spark: Python,
}

/// What a reader found in its rows.
struct Found {
    reader: &'static str,
    rows: Value,
    seconds: f64,
}

/// Reads one file of each archive in every way there is.
pub(super) fn run(comparison: &Comparison<'_>) -> Result<()> {
    let e2e = Workspace::find()?.e2e();
    let peers = Peers {
        tables: install::python(&e2e.join("requirements.txt"))?,
        spark: install::python(&e2e.join("requirements-spark.txt"))?,
    };
    let worker = (!comparison.peers_only).then(batch::build).transpose()?;
    let mut told = Vec::new();
    let mut wrong = Vec::new();
    for format in comparison.formats {
        let input = input::dump(format, comparison.lines)?;
        let mut all = peers.read(format, &input)?;
        if let Some(binaries) = &worker {
            match lake(&peers, binaries, format, &input) {
                Ok(found) => all.push(found),
                Err(error) => wrong.push(format!("{}, our worker: {error}", format.name)),
            }
        }
        wrong.extend(differences(format, &all, input.rows));
        told.extend(all.iter().map(|found| line(format, found, &all[0])));
    }
    say!("");
    for line in told {
        say!("{line}");
    }
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Error::other(format!(
        "not everyone reads the same:\n{}",
        wrong.join("\n")
    )))
}

impl Peers {
    /// What each of them finds in the dump.
    fn read(&self, format: &Format, input: &Input) -> Result<Vec<Found>> {
        let peers = [
            ("duckdb", "dump_duckdb.py", &self.tables),
            ("polars", "dump_polars.py", &self.tables),
            ("spark", "dump_spark.py", &self.spark),
        ];
        peers
            .into_iter()
            .map(|(reader, script, python)| ask(reader, python, script, format, &input.file))
            .collect()
    }
}

/// What is in the lake after our worker has loaded the dump.
fn lake(
    peers: &Peers,
    binaries: &Binaries,
    format: &'static Format,
    input: &Input,
) -> Result<Found> {
    let replay = Replay::start(binaries, &input.root, &Options::default())?;
    let dir = scratch::dir("peers")?;
    batch::job(format, binaries, &replay).run_in(&dir)?;
    let table = dir.path().join("lake").join(format.facts);
    ask(
        "our Parquet",
        &peers.tables,
        "lake_duckdb.py",
        format,
        &table,
    )
}

fn ask(
    reader: &'static str,
    python: &Python,
    script: &str,
    format: &Format,
    what: &Path,
) -> Result<Found> {
    let script = Workspace::find()?.e2e().join("peers").join(script);
    let mut command: Command = guarded(python.interpreter());
    command.arg(script).arg(format.name).arg(what);
    let started = Instant::now();
    let printed = capture(&mut command)?;
    let seconds = started.elapsed().as_secs_f64();
    let json = printed.lines().last().unwrap_or_default();
    let rows: Value = serde_json::from_str(json)
        .map_err(|error| Error::other(format!("{reader} printed {json:?}: {error}")))?;
    say!("{:<18} {reader:<12} {seconds:>8.1} s  {rows}", format.name);
    Ok(Found {
        reader,
        rows,
        seconds,
    })
}

/// What does not agree with the first of them, and with the number of rows that were generated.
fn differences(format: &Format, all: &[Found], rows: usize) -> Vec<String> {
    let mut differences = Vec::new();
    let Some(first) = all.first() else {
        return differences;
    };
    if first.rows["rows"] != json!(rows) {
        differences.push(format!(
            "{}: {} has {} rows, and {rows} were generated",
            format.name, first.reader, first.rows["rows"]
        ));
    }
    for other in all.iter().filter(|other| other.rows != first.rows) {
        differences.push(format!(
            "{}: {} has {}, and {} has {}",
            format.name, first.reader, first.rows, other.reader, other.rows
        ));
    }
    differences
}

fn line(format: &Format, found: &Found, first: &Found) -> Value {
    json!({
        "bench": "peers",
        "case": format!("{}, {}", format.name, found.reader),
        "seconds": (found.seconds * 1000.0).round() / 1000.0,
        "rows": found.rows["rows"],
        "hash": found.rows["hash"],
        "agrees": found.rows == first.rows,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::format::PAGEVIEWS;

    fn found(reader: &'static str, rows: usize, hash: &str) -> Found {
        Found {
            reader,
            rows: json!({"rows": rows, "sums": {"views": 7}, "hash": hash}),
            seconds: 1.0,
        }
    }

    #[test]
    fn readers_that_agree_have_no_differences() {
        let all = [found("a", 2, "5"), found("b", 2, "5")];
        assert!(differences(&PAGEVIEWS, &all, 2).is_empty());
        assert_eq!(line(&PAGEVIEWS, &all[1], &all[0])["agrees"], json!(true));
    }

    #[test]
    fn whoever_differs_is_named_and_so_are_rows_that_nobody_has() {
        let all = [found("a", 2, "5"), found("b", 2, "6"), found("c", 2, "5")];
        let differences = differences(&PAGEVIEWS, &all, 3);
        assert_eq!(differences.len(), 2);
        assert!(differences[0].contains("3 were generated"));
        assert!(differences[1].contains("and b has"));
        assert_eq!(line(&PAGEVIEWS, &all[1], &all[0])["agrees"], json!(false));
    }
}
