//! What the sinks keep no longer goes from every table and every folder, nothing else does, and nothing comes back.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::json;
use wikiingest_e2e::bench::generate::Archive;
use wikiingest_e2e::harness::changes::{StreamWorld, events};
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Config, Hour, worker};
use wikiingest_e2e::servers::replay::Options;

const BOTH: [Stores; 2] = [Stores::Servers, Stores::Embedded];

/// The hour that the limit lies in, on the third day. None is published next to it, so that the clock may go on.
const LIMIT: Hour = Hour(60);
/// Of days before the limit's.
const OLD: [Hour; 5] = [Hour(20), Hour(21), Hour(23), Hour(24), Hour(25)];
/// Of the limit's day, and before it: gone from a warehouse, and kept in a lake, whose days are whole.
const SAME_DAY: [Hour; 2] = [Hour(50), Hour(51)];
const YOUNG: [Hour; 3] = [Hour(70), Hour(71), Hour(72)];
/// Those with a line that cannot be read.
const WITH_REJECT: [Hour; 3] = [Hour(21), Hour(50), Hour(70)];

const TABLES: [&str; 3] = [
    "pageviews_hourly",
    "pageviews_project_hourly",
    "pageviews_top_hourly",
];
/// Kills of a run that deletes.
const KILLS: u32 = 5;

/// How long something is kept whose limit is this hour.
fn span() -> String {
    let limit: Timestamp = LIMIT.timestamp().parse().expect("a time");
    format!("{}h", Timestamp::now().duration_since(limit).as_hours())
}

fn publish(world: &mut World, hours: &[Hour]) {
    for hour in hours {
        if !WITH_REJECT.contains(hour) {
            world.publish(*hour, 400);
            continue;
        }
        let mut text = String::new();
        for page in 0..300 {
            let _ = writeln!(text, "en Page_{page:03} 1 0");
        }
        text.push_str("en Not_a_number x 0\n");
        world.dump.lines(*hour, text.as_bytes());
    }
}

/// Everything that was published, into sinks that keep what is young.
fn config(world: &World) -> Config {
    let all = world.config(Hour(0), Hour(73));
    all.keeping("pageviews", &span())
}

fn load(world: &World) {
    let _ = worker::run(&world.env, &world.config(Hour(0), Hour(73))).expect(0);
}

fn texts(rows: Vec<Vec<String>>) -> Vec<String> {
    rows.into_iter().map(|mut row| row.swap_remove(0)).collect()
}

fn times(hours: &[Hour]) -> Vec<String> {
    hours.iter().map(|hour| hour.ts()).collect()
}

fn sorted(mut hours: Vec<Hour>) -> Vec<Hour> {
    hours.sort();
    hours
}

/// The units of the objects of a table.
fn units(world: &World, table: &str) -> Vec<String> {
    let objects = world.lake.objects();
    let mut units: Vec<String> = objects
        .iter()
        .filter_map(|path| path.strip_prefix(&format!("{table}/")))
        .filter_map(|path| path.split_once('/')?.1.get(..25))
        .map(str::to_owned)
        .collect();
    units.sort();
    units
}

/// Fails unless just this is left: of the warehouse and of the lake, and the ledger of all of it.
fn holds(world: &World, in_warehouse: &[Hour], in_lake: &[Hour], ledger: &[Hour]) {
    for table in TABLES {
        let left = format!("SELECT DISTINCT ts FROM {table} ORDER BY ts");
        assert_eq!(
            texts(world.warehouse.query(&left)),
            times(in_warehouse),
            "{table}"
        );
    }
    for hour in in_warehouse {
        let rows = format!(
            "SELECT COUNT(*) FROM pageviews_hourly WHERE ts = '{}'",
            hour.ts()
        );
        let expected = world.expected.get(hour).map_or(300, |tally| tally.rows);
        assert_eq!(world.warehouse.number(&rows), expected, "rows of {hour:?}");
    }
    world.check_derived();
    let with_reject = |hours: &[Hour]| -> Vec<String> {
        // What was generated is free of them.
        let has_reject =
            |hour: &&Hour| WITH_REJECT.contains(hour) && !world.expected.contains_key(hour);
        let hours = hours.iter().filter(has_reject);
        hours.map(|hour| hour.unit()).collect()
    };
    let rejects = "SELECT unit FROM ingest_rejects WHERE source = 'pageviews' ORDER BY unit";
    assert_eq!(
        texts(world.warehouse.query(rejects)),
        with_reject(in_warehouse)
    );
    let units_of = |hours: &[Hour]| -> Vec<String> { hours.iter().map(|one| one.unit()).collect() };
    let in_ledger = "SELECT unit FROM ingest_ledger ORDER BY unit";
    assert_eq!(texts(world.warehouse.query(in_ledger)), units_of(ledger));
    assert_eq!(units(world, "pageviews_hourly"), units_of(in_lake));
    assert_eq!(units(world, "ingest_rejects"), with_reject(in_lake));
}

#[test]
fn what_is_too_old_goes_and_does_not_come_back() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        let all = [&OLD[..], &SAME_DAY, &YOUNG].concat();
        publish(&mut world, &all);
        load(&world);
        holds(&world, &all, &all, &all);
        let config = config(&world);
        let in_lake = [&SAME_DAY[..], &YOUNG].concat();

        let rows = "SELECT COUNT(*) FROM ";
        let rows = || -> u64 {
            let tables = TABLES.iter().chain(&["ingest_rejects"]);
            tables
                .map(|table| world.warehouse.number(&format!("{rows}{table}")))
                .sum()
        };
        let before = rows();
        let run = worker::expire(&world.env, &config.to_expire())
            .wait()
            .expect(0);
        holds(&world, &YOUNG, &in_lake, &all);
        assert_eq!(run.count("rows"), before - rows());
        assert_eq!(run.count("objects"), OLD.len() as u64 + 1);

        // Nothing is due, were it published anew, either.
        world.publish(Hour(20), 100);
        let run = worker::run(&world.env, &config).expect(0);
        assert_eq!(
            (run.count("loaded"), run.count("skipped")),
            (0, all.len() as u64)
        );
        let run = worker::expire(&world.env, &config.to_expire())
            .wait()
            .expect(0);
        assert_eq!((run.count("rows"), run.count("objects")), (0, 0));
        holds(&world, &YOUNG, &in_lake, &all);
    }
}

#[test]
fn what_is_too_old_is_not_loaded_in_the_first_place() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        publish(&mut world, &[Hour(20), Hour(50), Hour(70)]);
        let run = worker::run(&world.env, &config(&world)).expect(0);
        assert_eq!((run.count("loaded"), run.count("skipped")), (2, 1));
        let young = [Hour(70)];
        holds(&world, &young, &[Hour(50), Hour(70)], &young);
    }
}

#[test]
fn a_run_that_is_killed_while_it_deletes_is_run_again() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        let old: Vec<Hour> = (10..28).map(Hour).collect();
        let all = sorted([&old[..], &YOUNG].concat());
        publish(&mut world, &all);
        load(&world);
        let whole = worker::expire(&world.env, &config(&world).to_expire())
            .wait()
            .expect(0)
            .took;
        holds(&world, &YOUNG, &YOUNG, &all);
        let mut midway = 0;
        for kill in 0..KILLS {
            world.clear();
            load(&world);
            let share = (f64::from(kill) + 0.5) / f64::from(KILLS);
            let config = config(&world).to_expire();
            let _ = worker::expire(&world.env, &config).kill_after(whole.mul_f64(share));
            let hours = "SELECT COUNT(DISTINCT ts) FROM pageviews_hourly";
            let left = world.warehouse.number(hours) + units(&world, TABLES[0]).len() as u64;
            let least = 2 * YOUNG.len() as u64;
            midway += u32::from(left > least && left < 2 * all.len() as u64);
            // Facts and what is derived from them go together.
            world.check_derived();
            let _ = worker::expire(&world.env, &config).wait().expect(0);
            holds(&world, &YOUNG, &YOUNG, &all);
        }
        assert!(
            midway > 0,
            "{stores:?}: no kill hit a run that was deleting"
        );
    }
}

#[test]
fn a_run_that_is_told_to_stop_ends_and_the_next_one_does_the_rest() {
    let mut world = World::new(Stores::Servers, &Options::default());
    publish(&mut world, &OLD);
    load(&world);
    let config = config(&world).to_expire();
    let run = worker::expire(&world.env, &config).stop();
    // It may have been done already, or not even have begun to listen.
    assert!(matches!(run.code, Some(0 | 1) | None), "{}", run.output);
    let _ = worker::expire(&world.env, &config).wait().expect(0);
    holds(&world, &[], &[], &OLD);
}

#[test]
fn what_is_old_is_deleted_while_what_is_new_is_loaded() {
    for stores in BOTH {
        let options = Options {
            rate: Some(100_000),
            ..Options::default()
        };
        let mut world = World::new(stores, &options);
        let old: Vec<Hour> = (10..30).map(Hour).collect();
        publish(&mut world, &old);
        load(&world);
        for hour in YOUNG {
            world.publish(hour, 8_000);
        }
        let config = config(&world);
        let loading = worker::start(&world.env, &config);
        let deleting = worker::expire(&world.env, &config.to_expire());
        let _ = deleting.wait().expect(0);
        let _ = loading.wait().expect(0);
        holds(&world, &YOUNG, &YOUNG, &sorted([&old[..], &YOUNG].concat()));
    }
}

#[test]
fn changes_go_by_the_hour_with_their_minutes_and_their_rejects() {
    let ago = |hours: i64, format: &str| {
        let moment = Timestamp::now() - SignedDuration::from_hours(hours);
        moment.to_zoned(TimeZone::UTC).strftime(format).to_string()
    };
    for stores in BOTH {
        let world = World::new(stores, &Options::default());
        for age in [500, 100, 50, 46, 1] {
            let (ts, minute) = (
                ago(age, "%Y-%m-%d %H:%M:%S.%6f"),
                ago(age, "%Y-%m-%d %H:%M:00"),
            );
            for statement in [
                format!(
                    "INSERT INTO recent_changes (event_id, ts, raw) VALUES ('e{age}', '{ts}', '{{}}')"
                ),
                format!(
                    "INSERT INTO recent_changes_minute VALUES ('{minute}', 'enwiki', 'edit', 1, 0, 5)"
                ),
                format!(
                    "INSERT INTO ingest_rejects VALUES ('edits', 'r{age}', '{minute}', 0, 'x', 'bad', '{minute}')"
                ),
                format!(
                    "INSERT INTO ingest_rejects VALUES ('others', 'r{age}', '{minute}', 0, 'x', 'bad', '{minute}')"
                ),
            ] {
                let _ = world.warehouse.query(&statement);
            }
        }
        let config = world
            .config(Hour(0), Hour(1))
            .keeping("recentChanges", "2d")
            .with(
                "/source",
                json!({"name": "edits", "recentChanges": {}, "sinks": ["warehouse", "lake"]}),
            );
        let run = worker::expire(&world.env, &config.to_expire())
            .wait()
            .expect(0);
        assert_eq!(run.count("rows"), 9);
        for (table, rows) in [
            ("recent_changes", 2),
            ("recent_changes_minute", 2),
            ("ingest_rejects WHERE source = 'edits'", 2),
            ("ingest_rejects WHERE source = 'others'", 5),
        ] {
            let left = world
                .warehouse
                .number(&format!("SELECT COUNT(*) FROM {table}"));
            assert_eq!(left, rows, "{table}");
        }
    }
}

#[test]
fn what_a_source_brought_that_is_gone_goes_too() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        publish(&mut world, &OLD);
        load(&world);
        let config = config(&world).to_expire().with("/streams", json!([]));
        assert!(config.json.get("sources").is_none());
        let _ = worker::expire(&world.env, &config).wait().expect(0);
        holds(&world, &[], &[], &OLD);
    }
}

#[test]
fn a_stream_does_not_write_what_its_sinks_keep_no_longer() {
    for stores in BOTH {
        // Half of a minute's events are from today, and half from long ago.
        let old = events(200, 100);
        let now = Timestamp::now().strftime("%Y-%m-%dT%H:%M").to_string();
        let young = events(400, 100)
            .lines()
            .skip(200)
            .fold(String::new(), |mut all, line| {
                let _ = writeln!(all, "{}", line.replace("2026-11-01T00:00", &now));
                all
            });
        let mut world = StreamWorld::new(stores, &format!("{old}{young}"), &["--pace", "max"]);
        world.with_lake = false;
        let config = world.config().keeping("recentChanges", "2d");
        let running = worker::stream(&world.env, &config);
        world.wait_for(200);
        let _ = running.stop().expect(0);
        let oldest = "SELECT MIN(ts) FROM recent_changes";
        let oldest = texts(world.warehouse.query(oldest)).swap_remove(0);
        assert!(oldest[..16] == now.replace('T', " ")[..16], "{oldest}");
        assert_eq!(world.rows(), 200);
    }
}

#[test]
fn a_day_of_very_many_rows_goes_some_at_a_time_and_its_top_with_the_last() {
    let world = World::of(Archive::Mediacounts, Stores::Servers, &Options::default());
    let numbers = "WITH RECURSIVE n AS (SELECT 0 i UNION ALL SELECT i + 1 FROM n WHERE i < 399)";
    let (day, zeros) = ("2024-08-03 00:00:00", ["0"; 18].join(", "));
    for statement in [
        format!(
            "INSERT INTO mediacounts_daily {numbers} \
             SELECT '{day}', a.i * 400 + b.i, '', '', {zeros} FROM n a, n b ORDER BY a.i, b.i"
        ),
        format!("INSERT INTO mediacounts_top_daily VALUES ('{day}', 1, '7', 1, 1)"),
        "CREATE TABLE once (number INT PRIMARY KEY)".to_owned(),
        "INSERT INTO once VALUES (1)".to_owned(),
        // Whoever comes to the last row fails there, and keeps what went before.
        "CREATE TRIGGER last_one BEFORE DELETE ON mediacounts_daily FOR EACH ROW \
         INSERT INTO once SELECT 1 FROM DUAL WHERE OLD.base_name = '159999'"
            .to_owned(),
    ] {
        let _ = world.warehouse.query(&statement);
    }
    let left = || {
        ["mediacounts_daily", "mediacounts_top_daily"].map(|table| {
            let count = format!("SELECT COUNT(*) FROM {table}");
            world.warehouse.number(&count)
        })
    };
    let config = world
        .config(Hour(0), Hour(1))
        .keeping("mediacounts", "2d")
        .to_expire();
    let run = worker::expire(&world.env, &config).wait();
    assert_eq!(
        (left(), run.count("failedCount")),
        ([10_000, 1], 1),
        "{}",
        run.output
    );
    let _ = world.warehouse.query("DROP TRIGGER last_one");
    let run = worker::expire(&world.env, &config).wait().expect(0);
    assert_eq!((left(), run.count("rows")), ([0, 0], 10_001));
}

#[test]
fn a_wrong_password_is_refused_and_the_lake_is_done_all_the_same() {
    let mut world = World::new(Stores::Servers, &Options::default());
    publish(&mut world, &OLD);
    load(&world);
    let config = config(&world)
        .to_expire()
        .with_secret("WIKIINGEST_WAREHOUSE_PASSWORD", "wrong");
    let run = worker::expire(&world.env, &config).wait().expect(77);
    assert_eq!((run.count("failedCount"), run.count("rows")), (1, 0));
    assert_eq!(run.report["failed"][0]["sink"], "warehouse");
    holds(&world, &OLD, &[], &OLD);
}
