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
use wikiingest_e2e::bench::generate::{Archive, Size};
use wikiingest_e2e::bench::ledger_of_ten_years;
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
fn a_report_has_the_numbers_of_any_warehouse() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        world.publish(Hour(5), 500);
        world.publish(Hour(7), 500);
        let _ = world.run().expect(0);
        let page = worker::report(&world.env, &world.whole()).replace('\u{202f}', "");
        let sql = "SELECT SUM(views) FROM pageviews_project_hourly WHERE project = 'en.wikipedia'";
        let views = world.warehouse.number(sql);
        let row = format!("<td>en.wikipedia</td><td class=\"number\">{views}</td>");
        assert!(page.contains(&row), "no {row} in {page}");
        let missing =
            "<td class=\"number\">2</td><td class=\"number\">0</td><td class=\"number\">1</td>";
        assert!(page.contains(missing), "no {missing} in {page}");
    }
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
        let run = worker::plan(&world.env, &config("2025-05-01T00:00:00Z"));
        let plan = within_limits(&run);
        // Ten years have three days more than 87,600 hours.
        assert_eq!(
            (&plan["due"], &plan["missing"]),
            (&json!(87_600), &json!(72))
        );
        assert_eq!(
            plan["years"]["2016"],
            json!({"due": 8784, "held": 0, "missing": 0})
        );
        // All of it is in the ledger, and in no lake.
        let is_sqlite = stores == Stores::Embedded;
        let _ = world.warehouse.query(&ledger_of_ten_years(is_sqlite));
        let both = config("2025-05-01T00:00:00Z");
        let run = worker::plan(&world.env, &both);
        let plan = within_limits(&run);
        assert_eq!((&plan["due"], &plan["held"]), (&json!(87_600), &json!(0)));
        let first = both.json["sinks"][0].clone();
        let warehouse = both.with("/sinks", json!([first]));
        let run = worker::plan(&world.env, &warehouse);
        let plan = within_limits(&run);
        assert_eq!((&plan["due"], &plan["held"]), (&json!(0), &json!(87_600)));
        let counters = world.replay.counters().expect("the stand-in answers");
        let paths = counters["by_path"].as_object().expect("paths");
        assert!(paths.len() >= 120, "{}", paths.len());
        let files: Vec<_> = paths.keys().filter(|path| !path.ends_with('/')).collect();
        assert_eq!(files, [""; 0]);
    }
}

/// What a plan found. `cargo e2e bench plan` holds it to 10 s and 64 MiB; here it is built without optimisation, and has
/// company.
fn within_limits(run: &Run) -> &serde_json::Value {
    let seconds = run.report["seconds"].as_f64().expect("a time");
    assert!(seconds < 60.0, "{seconds} s");
    let mib = run.rss_mib.expect("its memory was seen");
    assert!(mib < 160.0, "{mib} MiB");
    &run.report
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
    let generated = |archive: Archive| {
        let root = env::file("samples/generated");
        vec![root.join(archive.path(Hour(0)))]
    };
    for archive in Archive::ALL {
        let files = match archive {
            Archive::Pageviews => samples(&env::file("samples"), "pageviews"),
            Archive::Pagecounts => samples(&env::file("samples"), "pagecounts"),
            Archive::PageviewComplete | Archive::Mediacounts => generated(archive),
        };
        let table = files_with(&home, &["parquet"])
            .into_iter()
            .find_map(|file| {
                file.ancestors()
                    .find(|dir| dir.ends_with(archive.facts()))
                    .map(Path::to_owned)
            });
        let table = table.unwrap_or_else(|| panic!("no {} in the lake", archive.facts()));
        let expected = Tally::of_dumps(&files);
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

const AGENTS: [&str; 3] = ["automated", "spider", "user"];

/// Publishes a day of a kind of reader, and says what is in it.
fn publish_day(world: &World, agent: &str, size: Size) -> Tally {
    let user = world.archive.path(Hour(4));
    let path = world.dump.root().join(user.replace("user", agent));
    std::fs::create_dir_all(path.parent().expect("a file has a folder"))
        .expect("the folder can be made");
    let file = std::fs::File::create(&path).expect("the file can be made");
    let _ = world
        .archive
        .write_packed(size, file)
        .expect("the file can be written");
    Tally::of_dumps(&[path])
}

#[test]
fn kinds_of_readers_lie_side_by_side_and_a_file_published_anew_replaces_its_own_rows_only() {
    for stores in BOTH {
        let world = World::of(Archive::PageviewComplete, stores, &Options::default());
        // The same titles, so that only the kind of reader tells rows from each other.
        let size = |lines| Size { lines, seed: 1 };
        let mut days = AGENTS.map(|agent| publish_day(&world, agent, size(2_000)));
        let config = world
            .config(Hour(4), Hour(5))
            .with("/source/pageviewComplete/agents", json!(AGENTS));
        let run = worker::run(&world.env, &config).expect(0);
        assert_eq!(run.count("loaded"), 3);
        check_days(&world, &days);
        let others = "SELECT unit, `rows`, etag, loaded_at FROM ingest_ledger \
                      WHERE source <> 'pageviewComplete-spider' ORDER BY unit";
        let before = world.warehouse.query(others);

        days[1] = publish_day(&world, "spider", size(500));
        let run = worker::run(&world.env, &config).expect(0);
        assert_eq!((run.count("loaded"), run.count("skipped")), (1, 2));
        check_days(&world, &days);
        assert_eq!(world.warehouse.query(others), before, "{stores:?}");
    }
}

/// Every store has the rows of each kind of reader, and nothing else.
fn check_days(world: &World, days: &[Tally; 3]) {
    let facts = world.archive.facts();
    let total = days.iter().fold(Tally::default(), |mut sum, day| {
        sum += *day;
        sum
    });
    assert_eq!(world.warehouse.tally(facts), total, "warehouse");
    let (lake, files) = world.lake.tally(&world.env, facts);
    assert_eq!(lake, total, "lake");
    let rows = days.map(|day| day.rows.to_string());
    let found = world.warehouse.query(&format!(
        "SELECT agent, COUNT(*), SUM(views) FROM {facts} GROUP BY agent ORDER BY agent"
    ));
    let ledger = world
        .warehouse
        .query("SELECT source, `rows` FROM ingest_ledger ORDER BY source");
    assert_eq!((found.len(), ledger.len(), files.len()), (3, 3, 3));
    for (nth, agent) in AGENTS.into_iter().enumerate() {
        let views = days[nth].views.to_string();
        assert_eq!(found[nth], [agent, &rows[nth], &views]);
        assert_eq!(
            ledger[nth],
            [format!("pageviewComplete-{agent}"), rows[nth].clone()]
        );
        let (file, count) = &files[nth];
        assert!(file.contains(&format!("-{agent}-")), "{files:?}");
        assert_eq!(*count, days[nth].rows, "{files:?}");
    }
    world.check_derived();
}

/// Lines of days before titles were decoded and pages had ids, and before all lines had a column for these.
fn old_days() -> [(&'static str, String); 2] {
    let long = "%E6%9D%B1".repeat(1365);
    let early = [
        "aa.wikibooks File%3AWikisource-logo.svg desktop 1 K1",
        "en.wikipedia A B desktop 4 D4",
        "en.wikipedia A%2520B desktop 2 C2",
        "en.wikipedia Caf%C3%A9 desktop 3 A1X2",
        "en.wikipedia Caf%E9 desktop 1 B1",
        "en.wikipedia Main_Page null desktop 171 F171",
        &format!("ja.wikipedia {long} desktop 1 B1"),
    ];
    let late = [
        "\"\" Z11550 null desktop 1 A1",
        "en.wikipedia 100% 7 desktop 1 C1",
        "en.wikipedia A%20B 8 desktop 1 C1",
        "en.wikipedia A 12 mobile-app 3 A1X2",
        "en.wikipedia No_id mobile-web 1 B1",
        "wikidata Q42 mobile-web 2 B1C1",
    ];
    let text = |lines: &[&str]| lines.join("\n") + "\n";
    [("2011-12-01", text(&early)), ("2019-08-03", text(&late))]
}

#[test]
fn old_days_of_complete_page_views_land_as_an_independent_reader_sees_them() {
    // A line whose title has a line feed in it.
    const SPLIT: &[u8] = b"en.wikipedia Foo\nbar 12 desktop 3 A3\n";
    let archive = Archive::PageviewComplete;
    for stores in BOTH {
        let world = World::of(archive, stores, &Options::default());
        let mut expected = Tally::default();
        for (day, text) in old_days() {
            let folder = format!("other/pageview_complete/{}/{}", &day[..4], &day[..7]);
            let folder = world.dump.root().join(folder);
            std::fs::create_dir_all(&folder).expect("the folder can be made");
            let name = format!("pageviews-{}-user.bz2", day.replace('-', ""));
            let path = folder.join(name);
            let mut packed = archive.pack(text.as_bytes()).expect("it packs");
            std::fs::write(&path, &packed).expect("the file can be written");
            expected += Tally::of_dumps(std::slice::from_ref(&path));
            packed.extend(archive.pack(SPLIT).expect("it packs"));
            std::fs::write(&path, packed).expect("the file can be written");
            let start: Timestamp = format!("{day}T00:00:00Z").parse().expect("a time");
            let end = start + 24.hours();
            let config = Config::new(
                "s",
                archive.kind(),
                &world.replay.base_url(),
                &start.to_string(),
                &end.to_string(),
            )
            .with("/source/pageviewComplete", archive.options())
            .with("/limits/maxRejectedShare", json!(0.5))
            .warehouse(&world.warehouse)
            .lake(&world.lake);
            let run = worker::run(&world.env, &config).expect(0);
            assert_eq!(
                (run.count("loaded"), run.count("rejected")),
                (1, 2),
                "{day}"
            );
            assert_eq!(run.count("inconsistent"), 0, "{day}");
        }
        let facts = archive.facts();
        assert_eq!(world.warehouse.tally(facts), expected, "{stores:?}");
        assert_eq!(
            world.lake.tally(&world.env, facts).0,
            expected,
            "{stores:?}"
        );
        world.check_derived();
    }
}
