//! A stretch of the stream as fast as it goes into MariaDB, beside mariadb-import of the very same rows, and a script of
//! the kind that people run by hand.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;
use tempfile::TempDir;

use super::worker::Setup;
use super::{DATABASE, TABLE, committed, migrate, wait};
use crate::bench::case::{Case, Target};
use crate::bench::events::FROM;
use crate::bench::input;
use crate::bench::measure::{Measured, high_water_mib, measure};
use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::install::{self, Python};
use crate::process::{capture, guarded};
use crate::say::say;
use crate::scratch;
use crate::servers::mariadb::{self, Durability, MariaDb, Session, client};
use crate::servers::replay::Replay;
use crate::steps::Workspace;

const BENCH: &str = "stream";
/// 0.6 of the rate of the server's own loader.
const BESIDE_IMPORT: Target = Target {
    ratio: Some(1.667),
    rss_mib: None,
    others: &[],
};
/// Ten times the rate of the script.
const BESIDE_SCRIPT: Target = Target {
    ratio: Some(0.1),
    rss_mib: None,
    others: &[],
};
/// What the script is given: it takes the same time for each event.
const FOR_THE_SCRIPT: usize = 10_000;
/// How often it is looked whether all is there.
const LOOK: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_mins(10);

pub(super) fn run(binaries: &Binaries, events: usize, runs: usize) -> Result<Vec<Case>> {
    let python = install::python(&Workspace::find()?.e2e().join("requirements-peers.txt"))?;
    let file = input::events(events)?;
    let replay = Replay::streaming(binaries, &file, &["--pace", "max", "--canary", "0"])?;
    // Every commit is on the disk, as in production: what a commit costs is a part of what is compared.
    let mariadb = MariaDb::start(Durability::FullWithMemory)?;
    migrate(binaries, &mariadb, replay.base_url())?;
    let bench = CatchUp {
        setup: Setup {
            binaries,
            base_url: replay.base_url(),
            mariadb: &mariadb,
            start_from: FROM,
            lake: None,
            options: json!({}),
        },
        mariadb: &mariadb,
        python,
        events,
    };
    let tsv = bench.rows_as_tsv()?;
    let subset = FOR_THE_SCRIPT.min(events);
    let mut import = Case::new(BENCH, "floor: mariadb-import", None);
    let name = format!("peer: script, {subset} scaled");
    let mut script = Case::new(BENCH, &name, None);
    let mut worker = Case::new(BENCH, "catch-up", Some(BESIDE_IMPORT));
    for round in 0..=runs {
        import.add(round, bench.import(&tsv)?);
        script.add(round, bench.script(subset)?);
        worker.add(round, bench.worker()?);
    }
    worker.against(&import);
    let mut beside_script = worker.again("catch-up beside script", Some(BESIDE_SCRIPT));
    beside_script.against(&script);
    Ok(vec![import, script, worker, beside_script])
}

struct CatchUp<'a> {
    setup: Setup<'a>,
    mariadb: &'a MariaDb,
    python: Python,
    events: usize,
}

struct Tsv {
    path: PathBuf,
    columns: String,
    _dir: TempDir,
}

impl CatchUp<'_> {
    /// From the start of the process until every row is committed.
    fn worker(&self) -> Result<Measured> {
        let measured = self.load()?;
        self.empty()?;
        Ok(measured)
    }

    fn load(&self) -> Result<Measured> {
        let mut session = Session::open(self.mariadb.port())?;
        committed(&mut session)?;
        let started = Instant::now();
        let mut worker = self.setup.start()?;
        wait(&mut worker, LOOK, PATIENCE, || {
            Ok(committed(&mut session)? >= self.events)
        })?;
        let seconds = started.elapsed().as_secs_f64();
        let rss_mib = high_water_mib(worker.pid());
        worker.stop()?;
        self.check(DATABASE, self.events)?;
        Ok(Measured { seconds, rss_mib })
    }

    /// Loads once and writes the rows, for the peer to load just those.
    fn rows_as_tsv(&self) -> Result<Tsv> {
        self.load()?;
        say!("writing the loaded rows for mariadb-import");
        let columns = self.mariadb.sql(&format!(
            "SET SESSION group_concat_max_len = 65536; SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) \
             FROM information_schema.columns WHERE table_schema = '{DATABASE}' AND table_name = '{TABLE}'"
        ))?;
        let columns = columns.trim().to_owned();
        let dir = scratch::dir("tsv")?;
        // The file's name is the table's.
        let path = dir.path().join(format!("{TABLE}.tsv"));
        // The server writes it itself: its client has no way to tell NULL from a text of that name.
        self.mariadb.sql(&format!(
            "SELECT {columns} INTO OUTFILE '{}' CHARACTER SET utf8mb4 FROM {DATABASE}.{TABLE}; \
             CREATE DATABASE peer; CREATE TABLE peer.{TABLE} LIKE {DATABASE}.{TABLE}",
            path.display()
        ))?;
        self.empty()?;
        Ok(Tsv {
            path,
            columns,
            _dir: dir,
        })
    }

    /// The same rows into a table like ours, with nothing else to do.
    fn import(&self, tsv: &Tsv) -> Result<Measured> {
        let mut import = client("mariadb-import", self.mariadb.port())?;
        let measured = measure(
            import
                .args(["--local", "--columns", &tsv.columns, "peer"])
                .arg(&tsv.path),
        )?;
        self.check("peer", self.events)?;
        self.empty()?;
        Ok(measured)
    }

    /// The script times itself, so that the start of Python does not count.
    fn script(&self, events: usize) -> Result<Measured> {
        let script = Workspace::find()?.e2e().join("peers/stream_insert.py");
        let mut command = guarded(self.python.interpreter());
        command
            .arg(script)
            .arg(&self.setup.base_url)
            .arg(FROM)
            .arg(self.mariadb.port().to_string())
            .args(["peer", TABLE])
            .arg(events.to_string())
            .env("WIKIINGEST_WAREHOUSE_USERNAME", mariadb::USER)
            .env("WIKIINGEST_WAREHOUSE_PASSWORD", mariadb::PASSWORD);
        let printed = capture(&mut command)?;
        let mut words = printed.split_whitespace().map(str::parse::<f64>);
        let (Some(Ok(seconds)), Some(Ok(kib))) = (words.next(), words.next()) else {
            return Err(Error::other(format!(
                "the script printed {printed:?}, not seconds and KiB"
            )));
        };
        self.check("peer", events)?;
        self.empty()?;
        Ok(Measured {
            seconds: seconds * self.events as f64 / events as f64,
            rss_mib: Some(kib / 1024.0),
        })
    }

    /// Whoever loads too little is not fast.
    fn check(&self, database: &str, events: usize) -> Result<()> {
        let rows = self
            .mariadb
            .sql(&format!("SELECT COUNT(*) FROM {database}.{TABLE}"))?;
        if rows.trim() == events.to_string() {
            return Ok(());
        }
        Err(Error::other(format!(
            "{database}.{TABLE} has {} rows, not {events}",
            rows.trim()
        )))
    }

    /// Right after each measurement, so that none pays for the pages of the one before.
    fn empty(&self) -> Result<()> {
        self.mariadb
            .sql(&format!(
                "TRUNCATE TABLE peer.{TABLE}; USE {DATABASE}; TRUNCATE TABLE {TABLE}; \
                 TRUNCATE TABLE recent_changes_minute; TRUNCATE TABLE stream_checkpoint; TRUNCATE TABLE ingest_rejects"
            ))
            .map(drop)
    }
}
