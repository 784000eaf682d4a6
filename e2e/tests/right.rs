//! What lands is what was published, as an independent reader sees it, in every store and for every reader.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use jiff::civil::DateTime;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};
use serde_json::json;
use wikiingest_e2e::bench::generate::Archive;
use wikiingest_e2e::harness::tally::open_lake;
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Config, Env, Hour, Lake, Run, Tally, env, worker};
use wikiingest_e2e::process::capture;
use wikiingest_e2e::servers::replay::Options;

const BOTH: [Stores; 2] = [Stores::Servers, Stores::Embedded];

/// The samples of a kind in a folder, at any depth, in order.
fn samples(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            found.extend(samples(&path, prefix));
        } else if name.starts_with(&format!("{prefix}-"))
            && path.extension().is_some_and(|extension| extension == "gz")
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The start of a file's hour: names tell its end.
fn start(file: &Path) -> Timestamp {
    let stem = file
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let (_, end) = stem.split_once('-').expect("a name with a date");
    let end = DateTime::strptime("%Y%m%d-%H%M%S", end).expect("a name with a date");
    end.to_zoned(TimeZone::UTC).expect("a time").timestamp() - 1.hour()
}

/// Puts a sample where the host would have it.
fn place(world: &World, file: &Path) {
    let name = file
        .file_name()
        .expect("a file")
        .to_string_lossy()
        .into_owned();
    let folder = match world.archive {
        Archive::Pagecounts => "pagecounts-raw",
        _ => "pageviews",
    };
    let date = name.split('-').nth(1).expect("a name with a date");
    let (year, month) = (&date[..4], &date[4..6]);
    let dir = world
        .dump
        .root()
        .join(format!("other/{folder}/{year}/{year}-{month}"));
    std::fs::create_dir_all(&dir).expect("the folder can be made");
    std::fs::copy(file, dir.join(name)).expect("the sample can be copied");
}

fn load(world: &World, files: &[PathBuf]) -> Run {
    let from = files.iter().map(|file| start(file)).min().expect("a file");
    let to = files.iter().map(|file| start(file)).max().expect("a file") + 1.hour();
    let config = Config::new(
        "s",
        world.archive.kind(),
        &world.replay.base_url(),
        &from.to_string(),
        &to.to_string(),
    );
    worker::run(
        &world.env,
        &config.warehouse(&world.warehouse).lake(&world.lake),
    )
}

/// Loads samples, hour by hour unless they follow each other without a gap, and compares every store with the reader.
fn loads_right(archive: Archive, files: &[PathBuf], without_gap: bool) {
    assert!(!files.is_empty(), "no samples of {archive:?}");
    let expected = Tally::of_dumps(files);
    assert!(expected.rows > 0);
    for stores in BOTH {
        let world = World::of(archive, stores, &Options::default());
        for file in files {
            place(&world, file);
        }
        let chunk = if without_gap { files.len() } else { 1 };
        for files in files.chunks(chunk) {
            let run = load(&world, files).expect(0);
            assert_eq!(run.count("loaded"), files.len() as u64);
        }
        assert_eq!(
            world.warehouse.tally(archive.facts()),
            expected,
            "warehouse, {stores:?}"
        );
        assert_eq!(
            world.lake.tally(&world.env, archive.facts()).0,
            expected,
            "lake, {stores:?}"
        );
        world.check_derived();
        let wrong_hour = files.iter().filter(|file| {
            let ts = start(file).strftime("%Y-%m-%d %H:%M:%S").to_string();
            let unit = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let rows = world.warehouse.number(&format!("SELECT COUNT(*) FROM {} WHERE ts = '{ts}'", archive.facts()));
            let ledger = format!("SELECT `rows` FROM ingest_ledger WHERE source = '{}' AND unit = '{unit}' AND ts = '{ts}'", archive.source());
            rows != Tally::of_dumps(&[(*file).clone()]).rows || rows != world.warehouse.number(&ledger)
        });
        assert_eq!(
            wrong_hour.collect::<Vec<_>>(),
            [""; 0],
            "hours whose rows are not at their start"
        );
    }
}

#[test]
fn the_bundled_page_views_land_as_an_independent_reader_sees_them() {
    loads_right(
        Archive::Pageviews,
        &samples(&env::file("samples"), "pageviews"),
        false,
    );
}

#[test]
fn the_bundled_page_counts_land_as_an_independent_reader_sees_them() {
    loads_right(
        Archive::Pagecounts,
        &samples(&env::file("samples"), "pagecounts"),
        true,
    );
}

#[test]
fn all_other_real_samples_land_as_an_independent_reader_sees_them() {
    let Some(folder) = Env::get().real_data else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: WIKIINGEST_REAL_DATA names no folder with more real samples"
        );
        return;
    };
    loads_right(Archive::Pageviews, &samples(&folder, "pageviews"), false);
    loads_right(Archive::Pagecounts, &samples(&folder, "pagecounts"), false);
}

#[test]
fn what_the_generator_and_the_reader_say_of_an_hour_agrees() {
    let world = World::new(Stores::Embedded, &Options::default());
    let generated = world.dump.generated(Hour(5), 20_000);
    assert_eq!(Tally::of_dumps(&[world.dump.file(Hour(5))]), generated);
}

#[test]
fn ten_years_are_planned_without_fetching_a_file() {
    let options = Options {
        listed: Some("pageviews@2015-05-01+87600".to_owned()),
        ..Options::default()
    };
    for stores in BOTH {
        let world = World::new(stores, &options);
        let config = |to: &str| {
            let from = "2015-05-01T00:00:00Z";
            Config::new("s", "pageviews", &world.replay.base_url(), from, to)
                .warehouse(&world.warehouse)
                .lake(&world.lake)
        };
        let plan = worker::plan(&world.env, &config("2025-05-01T00:00:00Z"));
        // Ten years have three days more than 87,600 hours.
        assert_eq!(
            (&plan["due"], &plan["missing"]),
            (&json!(87_600), &json!(72))
        );
        assert_eq!(
            plan["years"]["2016"],
            json!({"due": 8784, "held": 0, "missing": 0})
        );
        let counters = world.replay.counters().expect("the stand-in answers");
        let paths = counters["by_path"].as_object().expect("paths");
        assert!(paths.len() >= 120, "{}", paths.len());
        let files: Vec<_> = paths.keys().filter(|path| !path.ends_with('/')).collect();
        assert_eq!(files, [""; 0]);
    }
}

/// A lake of page views, in S3, with a copy of it on disk.
fn lake_of_page_views() -> (World, Tally) {
    let mut world = World::new(Stores::Servers, &Options::default());
    world.publish(Hour(5), 5_000);
    world.publish(Hour(6), 5_000);
    let _ = world.run().expect(0);
    let expected = world.total();
    (world, expected)
}

/// The types of the columns, in the words of an engine, without the partition's own.
fn opens(python: &Path, engine: &str, table: &Path, expected: Tally) -> Vec<(String, String)> {
    let found = open_lake(python, engine, table);
    assert_eq!(Tally::of_json(&found), expected, "{engine}");
    let types = found["types"].as_object().expect("types");
    types
        .iter()
        .map(|(name, kind)| (name.clone(), kind.as_str().unwrap_or_default().to_owned()))
        .collect()
}

fn typed(ts: &str, text: &str, views: &str, dt: Option<&str>) -> Vec<(String, String)> {
    let columns = [
        ("ts", ts),
        ("domain_code", text),
        ("project", text),
        ("access", text),
        ("title", text),
        ("views", views),
    ];
    let mut types: Vec<(String, String)> = columns
        .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
        .into();
    types.extend(dt.map(|kind| ("dt".to_owned(), kind.to_owned())));
    types.sort();
    types
}

#[test]
fn duckdb_polars_and_pyarrow_open_the_lake_with_the_right_types() {
    let (world, expected) = lake_of_page_views();
    let copy = world.lake.table("pageviews_hourly");
    let types = |engine: &str| opens(&world.env.python, engine, &copy.table, expected);
    assert_eq!(
        types("pyarrow"),
        typed("timestamp[us, tz=UTC]", "string", "int64", None)
    );
    assert_eq!(
        types("duckdb"),
        typed(
            "TIMESTAMP WITH TIME ZONE",
            "VARCHAR",
            "BIGINT",
            Some("DATE")
        )
    );
    assert_eq!(
        types("polars"),
        typed(
            "Datetime(time_unit='us', time_zone='UTC')",
            "String",
            "Int64",
            Some("Date")
        )
    );
}

#[test]
fn spark_opens_the_lake_with_the_right_types() {
    let (world, expected) = lake_of_page_views();
    let copy = world.lake.table("pageviews_hourly");
    assert_eq!(
        opens(&world.env.spark, "spark", &copy.table, expected),
        typed("timestamp", "string", "bigint", Some("date"))
    );
}

#[test]
fn the_demo_loads_all_samples_and_the_second_time_nothing() {
    let env = Env::get();
    let (_dir, dir) = worker::folder();
    let demo = || {
        capture(
            Command::new(env.binaries.path("wikiingest").expect("the CLI is built"))
                .arg("demo")
                .current_dir(&dir),
        )
    };
    let first = demo().expect("the demo works");
    let home = dir.join("wikiingest-demo");
    let everything = samples(&env::file("samples"), "pageviews")
        .into_iter()
        .chain(samples(&env::file("samples"), "pagecounts"));
    // And a generated day of each daily archive.
    let units = everything.count() + 2;
    let database = files_with(&home, &["db", "sqlite", "sqlite3"]);
    assert_eq!(database.len(), 1, "{database:?}");
    let warehouse = wikiingest_e2e::harness::Warehouse::Sqlite {
        path: database[0].clone(),
    };
    let loaded = || {
        (
            warehouse.number("SELECT COUNT(*) FROM ingest_ledger"),
            warehouse.query("SELECT * FROM ingest_ledger ORDER BY unit"),
        )
    };
    assert_eq!(loaded().0, units as u64, "{first}");
    for (archive, prefix) in [
        (Archive::Pageviews, "pageviews"),
        (Archive::Pagecounts, "pagecounts"),
    ] {
        let table = files_with(&home, &["parquet"])
            .into_iter()
            .find_map(|file| {
                file.ancestors()
                    .find(|dir| dir.ends_with(archive.facts()))
                    .map(Path::to_owned)
            });
        let table = table.unwrap_or_else(|| panic!("no {} in the lake", archive.facts()));
        let expected = Tally::of_dumps(&samples(&env::file("samples"), prefix));
        assert_eq!(
            Tally::of_json(&open_lake(&env.python, "duckdb", &table)),
            expected,
            "DuckDB, {archive:?}"
        );
        assert_eq!(
            warehouse.tally(archive.facts()),
            expected,
            "SQLite, {archive:?}"
        );
    }
    assert_eq!(
        warehouse.number("SELECT COUNT(DISTINCT event_id) FROM recent_changes"),
        144,
        "{first}"
    );
    let before = (loaded(), edits(&warehouse));
    let second = demo().expect("the demo works again");
    assert_eq!(
        (loaded(), edits(&warehouse)),
        before,
        "the second run changed something:\n{second}"
    );
}

fn edits(warehouse: &wikiingest_e2e::harness::Warehouse) -> Vec<u64> {
    ["recent_changes", "recent_changes_minute"]
        .map(|table| warehouse.number(&format!("SELECT COUNT(*) FROM {table}")))
        .to_vec()
}

fn files_with(dir: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    let lake = Lake::Folder {
        path: dir.to_owned(),
    };
    let files = lake.objects().into_iter().map(|file| dir.join(file));
    files
        .filter(|file| {
            file.extension()
                .is_some_and(|extension| extensions.contains(&&*extension.to_string_lossy()))
        })
        .collect()
}

#[test]
fn an_hour_whose_file_gets_another_name_is_there_once() {
    for stores in BOTH {
        let world = World::of(Archive::Pagecounts, stores, &Options::default());
        let sample = samples(&env::file("samples"), "pagecounts").swap_remove(0);
        let files = [sample.clone()];
        place(&world, &sample);
        let _ = load(&world, &files).expect(0);
        let dir = world.dump.root().join("other/pagecounts-raw/2016/2016-08");
        let odd = dir.join("pagecounts-20160801-000001.gz");
        std::fs::copy(&sample, odd).expect("the sample can be copied");
        assert_eq!(load(&world, &files).expect(0).count("loaded"), 1);
        let (facts, expected) = (world.archive.facts(), Tally::of_dumps(&files));
        assert_eq!(world.warehouse.tally(facts), expected, "{stores:?}");
        assert_eq!(
            world.lake.tally(&world.env, facts).0,
            expected,
            "{stores:?}"
        );
        let units = world.warehouse.query("SELECT unit FROM ingest_ledger");
        assert_eq!(units, [["pagecounts-20160801-000001"]]);
    }
}
