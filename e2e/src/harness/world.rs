//! A worker's whole world: a dumps host, a warehouse and a lake, and what must be true of them together.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tempfile::TempDir;

use super::config::Config;
use super::dump::{Dump, Hour};
use super::env::Env;
use super::lake::Lake;
use super::tally::Tally;
use super::warehouse::Warehouse;
use super::worker::{self, Run};
use crate::bench::generate::Archive;
use crate::servers::replay::{Options, Replay};

/// Which stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stores {
    /// MariaDB and S3.
    Servers,
    /// SQLite and a folder.
    Embedded,
}

/// Everything a worker touches.
#[derive(Debug)]
pub struct World {
    /// Where the servers are.
    pub env: Env,
    /// What the host serves.
    pub dump: Dump,
    /// The host.
    pub replay: Replay,
    /// Where rows go.
    pub warehouse: Warehouse,
    /// Where objects go.
    pub lake: Lake,
    /// What is published and loaded.
    pub archive: Archive,
    /// What should be there in the end, by the number of the unit: for hourly archives, the hour.
    pub expected: BTreeMap<Hour, Tally>,
    dir: TempDir,
}

impl World {
    /// A host of page views with nothing published yet, and stores that are migrated and empty.
    #[must_use]
    pub fn new(stores: Stores, options: &Options) -> Self {
        Self::of(Archive::Pageviews, stores, options)
    }

    /// A host of an archive with nothing published yet, and stores that are migrated and empty.
    #[must_use]
    pub fn of(archive: Archive, stores: Stores, options: &Options) -> Self {
        let env = Env::get();
        let dir = crate::scratch::dir("world").expect("a temporary folder");
        let dump = Dump::new(&dir.path().join("dumps"));
        std::fs::create_dir(dump.root()).expect("a folder for the dumps");
        let replay =
            Replay::start(&env.binaries, dump.root(), options).expect("the stand-in starts");
        let (warehouse, lake) = match stores {
            Stores::Servers => (Warehouse::mariadb(&env), Lake::s3(&env)),
            Stores::Embedded => (Warehouse::sqlite(dir.path()), Lake::folder(dir.path())),
        };
        let world = Self {
            env,
            dump,
            replay,
            warehouse,
            lake,
            archive,
            expected: BTreeMap::new(),
            dir,
        };
        let migrated = worker::migrate(&world.env, &world.config(Hour(0), Hour(1)));
        let _ = migrated.expect(0);
        world
    }

    /// A folder that is removed with the world.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.dir.path().to_owned()
    }

    /// Publishes a generated unit and expects it.
    pub fn publish(&mut self, unit: Hour, lines: usize) {
        self.publish_with(unit, lines, "");
    }

    /// The same, with more lines at its end that are not expected.
    pub fn publish_with(&mut self, unit: Hour, lines: usize, more: &str) {
        let tally = self.dump.publish(self.archive, unit, lines, more);
        self.expected.insert(unit, tally);
    }

    /// Publishes an hour that takes several parts to upload, and expects it.
    pub fn publish_big(&mut self, hour: Hour) {
        let tally = self.dump.incompressible(hour, 60_000);
        self.expected.insert(hour, tally);
    }

    /// A configuration for both stores and some units.
    #[must_use]
    pub fn config(&self, from: Hour, to: Hour) -> Config {
        let kind = self.archive.kind();
        let start = |unit| self.archive.timestamp(unit);
        Config::new(
            kind,
            kind,
            &self.replay.base_url(),
            &start(from),
            &start(to),
        )
        .with(&format!("/source/{kind}"), self.archive.options())
        .warehouse(&self.warehouse)
        .lake(&self.lake)
    }

    /// A configuration for all that is expected.
    #[must_use]
    pub fn whole(&self) -> Config {
        let first = self
            .expected
            .keys()
            .next()
            .expect("something was published");
        let last = self
            .expected
            .keys()
            .next_back()
            .expect("something was published");
        self.config(*first, Hour(last.0 + 1))
    }

    /// Runs the worker over all that is expected, to its end.
    #[must_use]
    pub fn run(&self) -> Run {
        worker::run(&self.env, &self.whole())
    }

    /// The same stores, emptied, and the same host.
    pub fn clear(&mut self) {
        self.warehouse.clear();
        self.lake = match &self.lake {
            Lake::Folder { path } => {
                let _ = std::fs::remove_dir_all(path);
                Lake::Folder { path: path.clone() }
            }
            Lake::S3 { .. } => Lake::s3(&self.env),
        };
    }

    /// Fails unless every expected row is there once, everywhere, and nothing else is.
    pub fn check(&self) {
        let total = self.total();
        let facts = self.archive.facts();
        assert_eq!(self.warehouse.tally(facts), total, "rows of the warehouse");
        let (lake, files) = self.lake.tally(&self.env, facts);
        assert_eq!(lake, total, "rows of the lake");
        self.check_ledger();
        self.check_objects(&files);
        self.check_derived();
    }

    /// What should be in each store.
    #[must_use]
    pub fn total(&self) -> Tally {
        self.expected
            .values()
            .fold(Tally::default(), |mut sum, tally| {
                sum += *tally;
                sum
            })
    }

    /// The ledger has a row for each unit, with as many rows as the unit's time has.
    fn check_ledger(&self) {
        let start = match self.archive.hours() {
            24 => "CONCAT(DATE(ts), ' 00:00:00')",
            _ => "ts",
        };
        let ledger = "SELECT ts, SUM(`rows`) n FROM ingest_ledger GROUP BY ts";
        let facts = format!(
            "SELECT {start} ts, COUNT(*) n FROM {} GROUP BY {start}",
            self.archive.facts()
        );
        assert_eq!(
            self.warehouse.difference(ledger, &facts),
            [[""; 0]; 0],
            "ledger and facts differ"
        );
        let units = self
            .warehouse
            .query("SELECT unit, ts, `rows`, source FROM ingest_ledger ORDER BY unit");
        let expected: Vec<Vec<String>> = self
            .expected
            .iter()
            .map(|(unit, tally)| {
                vec![
                    self.archive.unit(*unit),
                    self.archive.ts(*unit),
                    tally.rows.to_string(),
                    self.archive.source().to_owned(),
                ]
            })
            .collect();
        assert_eq!(units, expected, "units in the ledger");
    }

    /// One object a unit, complete, where it belongs; nothing that a killed worker left.
    fn check_objects(&self, files: &[(String, u64)]) {
        let expected: Vec<(String, u64)> = self
            .expected
            .iter()
            .map(|(unit, tally)| {
                let day = self.archive.ts(*unit);
                let path = format!("dt={}/{}", &day[..10], self.archive.unit(*unit));
                (path, tally.rows)
            })
            .collect();
        // Without the version.
        let path = |path: &str| match path.rsplit_once('-') {
            Some((unit, version)) if version.len() == "01234567.parquet".len() => unit.to_owned(),
            _ => path.to_owned(),
        };
        let found: Vec<_> = files
            .iter()
            .map(|(file, rows)| (path(file), *rows))
            .collect();
        assert_eq!(found, expected, "objects and their rows: {files:?}");
        let facts: Vec<String> = files
            .iter()
            .map(|(path, _)| format!("{}/{path}", self.archive.facts()))
            .collect();
        let objects = self.lake.objects();
        let objects: Vec<_> = objects
            .into_iter()
            .filter(|path| !path.starts_with("ingest_rejects/"))
            .collect();
        assert_eq!(objects, facts, "something is left over in the lake");
        assert_eq!(self.lake.open_uploads(), [""; 0], "an upload is left open");
    }

    /// What is derived equals what the facts give.
    pub fn check_derived(&self) {
        for (table, columns, recomputed) in derived(self.archive) {
            let kept = format!("SELECT {columns} FROM {table}");
            let differing = self.warehouse.difference(&kept, &recomputed);
            assert!(
                differing.is_empty(),
                "{table} differs from its facts: {differing:?}"
            );
        }
    }
}

/// Each roll-up of an archive: its columns, and the same from the facts.
fn derived(archive: Archive) -> Vec<(&'static str, String, String)> {
    let tables = archive.tables();
    let facts = archive.facts();
    // The first of a list, and what they are the first of.
    let top = |columns: &str, title: &str, number: &str, most: u32| {
        format!(
            "SELECT {columns}, rank_no, {title}, {number} FROM (SELECT {columns}, {title}, {number}, \
             ROW_NUMBER() OVER (PARTITION BY {columns} ORDER BY {number} DESC, {title}) rank_no FROM \
             (SELECT {columns}, {title}, CAST(SUM({number}) AS SIGNED) {number} FROM day GROUP BY {columns}, {title}) sums) ranked \
             WHERE rank_no <= {most}"
        )
    };
    let of = |sql: String, day: &str| sql.replace(" day ", &format!(" {day} "));
    let midnight = "CONCAT(DATE(ts), ' 00:00:00')";
    match archive {
        Archive::Pageviews | Archive::Pagecounts => vec![
            (
                tables[1],
                "ts, project, access, views, pages".to_owned(),
                format!(
                    "SELECT ts, project, access, CAST(SUM(views) AS SIGNED) views, COUNT(*) pages FROM {facts} GROUP BY ts, project, access"
                ),
            ),
            (
                tables[2],
                "ts, project, rank_no, title, views".to_owned(),
                of(top("ts, project", "title", "views", 100), facts),
            ),
        ],
        Archive::PageviewComplete => vec![
            (
                tables[1],
                "ts, agent, project, access, views, pages".to_owned(),
                format!(
                    "SELECT ts, agent, project, access, CAST(SUM(views) AS SIGNED) views, COUNT(*) pages FROM {facts} GROUP BY ts, agent, project, access"
                ),
            ),
            (
                tables[2],
                "ts, agent, project, rank_no, title, views".to_owned(),
                of(
                    top("ts, agent, project", "title", "views", 100),
                    &format!(
                        "(SELECT {midnight} ts, agent, project, title, views FROM {facts}) facts"
                    ),
                ),
            ),
        ],
        Archive::Mediacounts => vec![(
            tables[1],
            "ts, rank_no, base_name, transfers, response_bytes".to_owned(),
            format!(
                "SELECT ts, rank_no, base_name, transfers, response_bytes FROM (SELECT ts, base_name, transfers, response_bytes, \
                 ROW_NUMBER() OVER (PARTITION BY ts ORDER BY transfers DESC, base_name) rank_no FROM {facts}) ranked \
                 WHERE rank_no <= 1000"
            ),
        )],
    }
}
