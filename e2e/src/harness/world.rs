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
    /// What should be there in the end.
    pub expected: BTreeMap<Hour, Tally>,
    dir: TempDir,
}

impl World {
    /// A host with nothing published yet, and stores that are migrated and empty.
    #[must_use]
    pub fn new(stores: Stores, options: &Options) -> Self {
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

    /// Publishes a generated hour and expects it.
    pub fn publish(&mut self, hour: Hour, lines: usize) {
        let tally = self.dump.generated(hour, lines);
        self.expected.insert(hour, tally);
    }

    /// Publishes an hour that takes several parts to upload, and expects it.
    pub fn publish_big(&mut self, hour: Hour) {
        let tally = self.dump.incompressible(hour, 60_000);
        self.expected.insert(hour, tally);
    }

    /// A configuration for both stores and some hours.
    #[must_use]
    pub fn config(&self, from: Hour, to: Hour) -> Config {
        Config::pageviews(&self.replay.base_url(), from, to)
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
        assert_eq!(
            self.warehouse.tally("pageviews_hourly"),
            total,
            "rows of the warehouse"
        );
        let (lake, files) = self.lake.tally(&self.env, "pageviews_hourly");
        assert_eq!(lake, total, "rows of the lake");
        self.check_ledger();
        self.check_objects(&files);
        self.check_derived("pageviews");
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

    /// The ledger has a row for each unit, with as many rows as the unit's hour has.
    fn check_ledger(&self) {
        let ledger = "SELECT ts, SUM(`rows`) n FROM ingest_ledger GROUP BY ts";
        let facts = "SELECT ts, COUNT(*) n FROM pageviews_hourly GROUP BY ts";
        assert_eq!(
            self.warehouse.difference(ledger, facts),
            [[""; 0]; 0],
            "ledger and facts differ"
        );
        let units = self
            .warehouse
            .query("SELECT unit, ts, `rows` FROM ingest_ledger ORDER BY unit");
        let expected: Vec<Vec<String>> = self
            .expected
            .iter()
            .map(|(hour, tally)| vec![hour.unit(), hour.ts(), tally.rows.to_string()])
            .collect();
        assert_eq!(units, expected, "units in the ledger");
    }

    /// One object a unit, complete, where it belongs; nothing that a killed worker left.
    fn check_objects(&self, files: &[(String, u64)]) {
        let mut expected: Vec<(&str, u64)> = Vec::new();
        let units: Vec<(String, u64)> = self
            .expected
            .iter()
            .map(|(hour, tally)| (hour.unit(), tally.rows))
            .collect();
        let found: Vec<(&str, u64)> = files
            .iter()
            .map(|(path, rows)| {
                (
                    path.strip_prefix("dt=2024-08-03/")
                        .and_then(|name| name.get(..25))
                        .unwrap_or(path),
                    *rows,
                )
            })
            .collect();
        expected.extend(units.iter().map(|(unit, rows)| (unit.as_str(), *rows)));
        assert_eq!(found, expected, "objects and their rows: {files:?}");
        let objects = self.lake.objects();
        let tables: Vec<String> = files
            .iter()
            .map(|(path, _)| format!("pageviews_hourly/{path}"))
            .collect();
        assert_eq!(objects, tables, "something is left over in the lake");
        assert_eq!(self.lake.open_uploads(), [""; 0], "an upload is left open");
    }

    /// Roll-up and top 100 equal what the facts give.
    pub fn check_derived(&self, family: &str) {
        let facts = format!("{family}_hourly");
        let rollup =
            format!("SELECT ts, project, access, views, pages FROM {family}_project_hourly");
        let recomputed = format!(
            "SELECT ts, project, access, CAST(SUM(views) AS SIGNED) views, COUNT(*) pages FROM {facts} GROUP BY ts, project, access"
        );
        let differing = self.warehouse.difference(&rollup, &recomputed);
        assert!(
            differing.is_empty(),
            "{family}_project_hourly differs from its facts: {differing:?}"
        );
        let top = format!("SELECT ts, project, rank_no, title, views FROM {family}_top_hourly");
        let recomputed = format!(
            "SELECT ts, project, rank_no, title, views FROM (SELECT ts, project, title, views, \
             ROW_NUMBER() OVER (PARTITION BY ts, project ORDER BY views DESC, title) rank_no FROM \
             (SELECT ts, project, title, CAST(SUM(views) AS SIGNED) views FROM {facts} GROUP BY ts, project, title) sums) ranked \
             WHERE rank_no <= 100"
        );
        let differing = self.warehouse.difference(&top, &recomputed);
        assert!(
            differing.is_empty(),
            "{family}_top_hourly differs from its facts: {differing:?}"
        );
    }
}
