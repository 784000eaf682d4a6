//! An hour of page views into Parquet, and into Parquet and MariaDB, beside the programs that do a part of it.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::case::{Case, Target};
use super::input::{self, Input};
use super::job::{DATABASE, Job};
use super::measure::{Measured, measure};
use super::release;
use crate::binaries::Binaries;
use crate::error::{Doing, Error, Result};
use crate::process::{Guard, guarded};
use crate::say::say;
use crate::scratch;
use crate::servers::mariadb::{Durability, MariaDb, client};
use crate::servers::replay::{Options, Replay};

const FACTS: &str = "pageviews_hourly";
const COLUMNS: &str = "ts,domain_code,project,access,title,views";
const PARQUET: Target = Target {
    ratio: Some(4.5),
    rss_mib: Some(64.0),
    others: &[],
};
const PARQUET_AND_MARIADB: Target = Target {
    ratio: Some(1.3),
    rss_mib: Some(128.0),
    others: &[],
};

/// Speed, beside igzip and mariadb-import.
pub(super) fn hour(lines: usize, runs: usize) -> Result<Vec<Case>> {
    const BENCH: &str = "pageviews-hour";
    let binaries = build()?;
    let input = input::hour(lines)?;
    let replay = Replay::start(&binaries, &input.root, &Options::default())?;
    let mariadb = MariaDb::start(Durability::Bench)?;
    let warehouse = Warehouse::new(&mariadb, lines)?;
    let parquet = Job {
        binaries: &binaries,
        base_url: replay.base_url(),
        mariadb: None,
        zstd: None,
    };
    let both = Job {
        mariadb: Some(&mariadb),
        ..parquet.clone()
    };
    let smaller = Job {
        zstd: Some(3),
        ..parquet.clone()
    };
    both.migrate()?;
    let tsv = warehouse.rows_as_tsv(&both)?;

    let mut igzip_case = Case::new(BENCH, "floor: igzip -dc", None);
    let mut parquet_case = Case::new(BENCH, "parquet", Some(PARQUET));
    let mut smaller_case = Case::new(BENCH, "parquet, zstd 3", None);
    let mut import_case = Case::new(BENCH, "floor: mariadb-import", None);
    let mut both_case = Case::new(BENCH, "parquet+mariadb", Some(PARQUET_AND_MARIADB));
    for round in 0..=runs {
        igzip_case.add(round, igzip(&input)?);
        parquet_case.add(round, parquet.run()?);
        smaller_case.add(round, smaller.run()?);
        import_case.add(round, warehouse.import(&tsv)?);
        both_case.add(round, warehouse.measure(&both)?);
    }
    parquet_case.against(&igzip_case);
    smaller_case.against(&igzip_case);
    both_case.against(&import_case);
    Ok(vec![
        igzip_case,
        parquet_case,
        smaller_case,
        import_case,
        both_case,
    ])
}

/// Memory with a small and a large file.
pub(super) fn rss() -> Result<Vec<Case>> {
    const BENCH: &str = "pageviews-rss";
    let binaries = build()?;
    let mariadb = MariaDb::start(Durability::Bench)?;
    let mut cases = Vec::new();
    for (lines, name) in [(1_000_000, "1 M lines"), (10_000_000, "10 M lines")] {
        let input = input::hour(lines)?;
        let replay = Replay::start(&binaries, &input.root, &Options::default())?;
        let warehouse = Warehouse::new(&mariadb, lines)?;
        let parquet = Job {
            binaries: &binaries,
            base_url: replay.base_url(),
            mariadb: None,
            zstd: None,
        };
        let both = Job {
            mariadb: Some(&mariadb),
            ..parquet.clone()
        };
        both.migrate()?;
        let mut floor = Case::new(BENCH, &format!("floor: igzip, {name}"), None);
        let mut parquet_case = Case::new(BENCH, &format!("parquet, {name}"), None);
        let mut both_case = Case::new(BENCH, &format!("parquet+mariadb, {name}"), None);
        // Once, and no warm-up: memory needs neither.
        floor.add(1, igzip(&input)?);
        parquet_case.add(1, parquet.run()?);
        both_case.add(1, warehouse.measure(&both)?);
        parquet_case.against(&floor);
        both_case.against(&floor);
        cases.extend([floor, parquet_case, both_case]);
    }
    Ok(cases)
}

/// The workers, and the host that they read from.
pub(super) fn build() -> Result<Binaries> {
    release(&[
        "--bins",
        "--package",
        "wikiingest-workers",
        "--package",
        "wikimedia-replay",
    ])
}

fn igzip(input: &Input) -> Result<Measured> {
    measure(guarded("igzip").arg("-dc").arg(&input.file))
}

/// The server, and what is done to it around a measurement.
struct Warehouse<'a> {
    mariadb: &'a MariaDb,
    lines: usize,
}

impl<'a> Warehouse<'a> {
    fn new(mariadb: &'a MariaDb, lines: usize) -> Result<Self> {
        mariadb.sql(&format!(
            "CREATE DATABASE IF NOT EXISTS {DATABASE}; CREATE DATABASE IF NOT EXISTS peer"
        ))?;
        Ok(Self { mariadb, lines })
    }

    /// Runs the job once and writes the rows that it loaded, for the peer to load just those.
    fn rows_as_tsv(&self, job: &Job<'_>) -> Result<Tsv> {
        job.run()?;
        self.check(DATABASE)?;
        say!("writing the loaded rows for mariadb-import");
        let dir = scratch::dir("tsv")?;
        // The file's name is the table's.
        let path = dir.path().join(format!("{FACTS}.tsv"));
        let file = File::create(&path).doing_to("creating", &path)?;
        let mut select = client("mariadb", self.mariadb.port())?;
        let query = format!("SELECT {COLUMNS} FROM {DATABASE}.{FACTS}");
        select
            .args(["--batch", "--quick", "--skip-column-names", "-e", &query])
            .stdout(file)
            .stdin(Stdio::null());
        let status = Guard::spawn(&mut select)?.wait()?;
        if !status.success() {
            return Err(Error::other(format!(
                "writing the loaded rows ended with {status}"
            )));
        }
        self.mariadb.sql(&format!(
            "CREATE TABLE peer.{FACTS} LIKE {DATABASE}.{FACTS}"
        ))?;
        self.empty()?;
        Ok(Tsv { path, _dir: dir })
    }

    /// The peer: the same rows into a table like ours, with nothing else to do.
    fn import(&self, tsv: &Tsv) -> Result<Measured> {
        let mut import: Command = client("mariadb-import", self.mariadb.port())?;
        let measured = measure(
            import
                .args(["--local", "--columns", COLUMNS, "peer"])
                .arg(&tsv.path),
        )?;
        self.check("peer")?;
        self.empty()?;
        Ok(measured)
    }

    fn measure(&self, job: &Job<'_>) -> Result<Measured> {
        let measured = job.run()?;
        self.check(DATABASE)?;
        self.empty()?;
        Ok(measured)
    }

    /// A job that loads too little is not fast.
    fn check(&self, database: &str) -> Result<()> {
        let rows = self
            .mariadb
            .sql(&format!("SELECT COUNT(*) FROM {database}.{FACTS}"))?;
        if rows.trim() == self.lines.to_string() {
            return Ok(());
        }
        Err(Error::other(format!(
            "{database}.{FACTS} has {} rows, not {}",
            rows.trim(),
            self.lines
        )))
    }

    /// Right after each measurement, so that none pays for the pages of the one before.
    fn empty(&self) -> Result<()> {
        let tables = self.mariadb.sql(&format!(
            "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables \
             WHERE table_schema = 'peer' OR (table_schema = '{DATABASE}' AND table_name IN \
             ('{FACTS}', 'pageviews_project_hourly', 'pageviews_top_hourly', 'ingest_ledger', 'ingest_rejects'))"
        ))?;
        tables.lines().try_for_each(|table| {
            self.mariadb
                .sql(&format!("TRUNCATE TABLE {table}"))
                .map(drop)
        })
    }
}

struct Tsv {
    path: PathBuf,
    _dir: tempfile::TempDir,
}
