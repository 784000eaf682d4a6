//! A file of an archive into Parquet, and into Parquet and MariaDB, beside the programs that do a part of it.

use super::case::Case;
use super::format::{Format, PAGEVIEWS};
use super::input::{self, Input};
use super::job::Job;
use super::measure::{Measured, measure};
use super::release;
use super::warehouse::Warehouse;
use crate::binaries::Binaries;
use crate::error::Result;
use crate::process::guarded;
use crate::servers::mariadb::{Durability, MariaDb};
use crate::servers::replay::{Options, Replay};

/// Speed, beside what only unpacks the file, and beside mariadb-import unless it is Parquet only.
pub(super) fn run(
    format: &'static Format,
    lines: usize,
    runs: usize,
    parquet_only: bool,
) -> Result<Vec<Case>> {
    let binaries = build()?;
    let input = input::dump(format, lines)?;
    let replay = Replay::start(&binaries, &input.root, &Options::default())?;
    let parquet = job(format, &binaries, &replay);
    if parquet_only {
        let mut cases = Lake::new(format);
        for round in 0..=runs {
            cases.add(round, format, &input, &parquet)?;
        }
        return Ok(cases.done());
    }
    let mariadb = MariaDb::start(Durability::Bench)?;
    let warehouse = Warehouse::new(&mariadb, format, input.rows)?;
    let both = Job {
        mariadb: Some(&mariadb),
        ..parquet.clone()
    };
    both.migrate()?;
    let tsv = warehouse.rows_as_tsv(&both)?;
    let mut cases = Lake::new(format);
    let mut import_case = Case::new(format.bench, "floor: mariadb-import", None);
    let mut both_case = Case::new(format.bench, "parquet+mariadb", Some(format.both));
    for round in 0..=runs {
        cases.add(round, format, &input, &parquet)?;
        import_case.add(round, warehouse.import(&tsv)?);
        both_case.add(round, warehouse.measure(&both)?);
    }
    both_case.against(&import_case);
    let mut cases = cases.done();
    cases.extend([import_case, both_case]);
    Ok(cases)
}

/// The cases that need no database.
struct Lake {
    floor: Case,
    parquet: Case,
    smaller: Case,
}

impl Lake {
    fn new(format: &Format) -> Self {
        let (program, args) = format.floor;
        let floor = format!("floor: {program} {}", args.join(" "));
        Self {
            floor: Case::new(format.bench, &floor, None),
            parquet: Case::new(format.bench, "parquet", Some(format.parquet)),
            smaller: Case::new(format.bench, "parquet, zstd 3", None),
        }
    }

    fn add(&mut self, round: usize, format: &Format, input: &Input, job: &Job<'_>) -> Result<()> {
        let smaller = Job {
            zstd: Some(3),
            ..job.clone()
        };
        self.floor.add(round, unpack(format, input)?);
        self.parquet.add(round, job.run()?);
        self.smaller.add(round, smaller.run()?);
        Ok(())
    }

    fn done(mut self) -> Vec<Case> {
        self.parquet.against(&self.floor);
        self.smaller.against(&self.floor);
        vec![self.floor, self.parquet, self.smaller]
    }
}

/// Memory with a small and a large file.
pub(super) fn rss() -> Result<Vec<Case>> {
    const BENCH: &str = "pageviews-rss";
    let format = &PAGEVIEWS;
    let binaries = build()?;
    let mariadb = MariaDb::start(Durability::Bench)?;
    let mut cases = Vec::new();
    for (lines, name) in [(1_000_000, "1 M lines"), (10_000_000, "10 M lines")] {
        let input = input::dump(format, lines)?;
        let replay = Replay::start(&binaries, &input.root, &Options::default())?;
        let warehouse = Warehouse::new(&mariadb, format, input.rows)?;
        let parquet = job(format, &binaries, &replay);
        let both = Job {
            mariadb: Some(&mariadb),
            ..parquet.clone()
        };
        both.migrate()?;
        let mut floor = Case::new(BENCH, &format!("floor: igzip, {name}"), None);
        let mut parquet_case = Case::new(BENCH, &format!("parquet, {name}"), None);
        let mut both_case = Case::new(BENCH, &format!("parquet+mariadb, {name}"), None);
        // Once, and no warm-up: memory needs neither.
        floor.add(1, unpack(format, &input)?);
        parquet_case.add(1, parquet.run()?);
        both_case.add(1, warehouse.measure(&both)?);
        parquet_case.against(&floor);
        both_case.against(&floor);
        cases.extend([floor, parquet_case, both_case]);
    }
    Ok(cases)
}

/// A job without a database.
pub(super) fn job<'a>(format: &'static Format, binaries: &'a Binaries, replay: &Replay) -> Job<'a> {
    Job {
        format,
        binaries,
        base_url: replay.base_url(),
        mariadb: None,
        zstd: None,
    }
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

fn unpack(format: &Format, input: &Input) -> Result<Measured> {
    let (program, args) = format.floor;
    measure(guarded(program).args(args).arg(&input.file))
}
