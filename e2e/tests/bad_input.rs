//! What is wrong with the input, the stores or the settings is said clearly, and loses nothing else.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Config, Env, Hour, Lake, Run, Tally, Warehouse, worker};
use wikiingest_e2e::process::{CLOSED_PORT, capture};
use wikiingest_e2e::servers::replay::Options;
use wikiingest_e2e::servers::s3;

const BOTH: [Stores; 2] = [Stores::Servers, Stores::Embedded];

/// Lines that no parser can make sense of, and where they are in the file.
const BAD: [(usize, &[u8]); 3] = [
    (100, b"en Only_three_fields 1"),
    (2_000, b"en Not_a_number many 0"),
    (5_001, b"just-one-field"),
];

/// An hour of good lines with the bad ones between them; returns what is good.
fn publish_with_bad_lines(world: &mut World, hour: Hour) {
    let good = world.dump.generated(hour, 6_000);
    let text =
        capture(Command::new("gzip").arg("-dc").arg(world.dump.file(hour))).expect("gzip works");
    let mut lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
    for (number, line) in BAD {
        lines.insert(number - 1, line);
    }
    world
        .dump
        .lines(hour, &[lines.join(&b'\n'), b"\n".to_vec()].concat());
    world.expected.insert(hour, good);
}

fn failures(run: &Run) -> Vec<(&str, &str)> {
    let failed = run.report["failed"]
        .as_array()
        .expect("the report lists what failed");
    failed
        .iter()
        .map(|one| {
            (
                one["unit"].as_str().unwrap_or_default(),
                one["error"].as_str().unwrap_or_default(),
            )
        })
        .collect()
}

/// Nothing of a unit is anywhere.
fn is_absent(world: &World, hour: Hour) {
    let ts = hour.ts();
    for table in [
        "pageviews_hourly",
        "pageviews_project_hourly",
        "pageviews_top_hourly",
        "ingest_ledger",
        "ingest_rejects",
    ] {
        assert_eq!(
            world
                .warehouse
                .number(&format!("SELECT COUNT(*) FROM {table} WHERE ts = '{ts}'")),
            0,
            "{table}"
        );
    }
    let objects = world.lake.objects();
    assert!(
        objects.iter().all(|object| !object.contains(&hour.unit())),
        "{objects:?}"
    );
}

#[test]
fn lines_that_cannot_be_parsed_are_kept_with_their_place_and_reason_and_the_rest_is_loaded() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        publish_with_bad_lines(&mut world, Hour(5));
        let run = world.run().expect(0);
        assert_eq!(run.count("rejected"), BAD.len() as u64);
        assert_eq!(
            world.warehouse.tally("pageviews_hourly"),
            world.total(),
            "good lines all count"
        );

        let rejects = world.warehouse.query(
            "SELECT source, unit, ts, line_no, line, reason FROM ingest_rejects ORDER BY line_no",
        );
        assert_eq!(rejects.len(), BAD.len(), "{rejects:?}");
        for (reject, (number, line)) in rejects.iter().zip(BAD) {
            let line = String::from_utf8_lossy(line).into_owned();
            let place = [
                "pageviews".to_owned(),
                Hour(5).unit(),
                Hour(5).ts(),
                number.to_string(),
                line,
            ];
            assert_eq!(reject[..5], place);
            assert!(
                reject[5].len() > 5 && reject[5] != "NULL",
                "a reason: {reject:?}"
            );
        }
        let copy = world.lake.table("ingest_rejects");
        let script = "import sys, glob, json, pyarrow.parquet as p\n\
                      rows = [r for f in glob.glob(sys.argv[1] + '/dt=2024-08-03/*.parquet') for r in p.ParquetFile(f).read().to_pylist()]\n\
                      print(json.dumps([[r['unit'], r['line_no'], (lambda l: l.decode() if isinstance(l, bytes) else l)(r['line'])] for r in rows]))";
        let kept = capture(
            Command::new(&world.env.python)
                .args(["-c", script])
                .arg(&copy.table),
        )
        .expect("pyarrow reads it");
        let expected: Vec<_> = BAD
            .iter()
            .map(|(number, line)| json!([Hour(5).unit(), number, String::from_utf8_lossy(line)]))
            .collect();
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&kept).expect("JSON"),
            json!(expected)
        );
    }
}

#[test]
fn a_line_that_is_not_utf_8_is_kept_too() {
    let mut world = World::new(Stores::Servers, &Options::default());
    let mut good = Tally::default();
    let mut text = Vec::new();
    for n in 0..500 {
        good.add("en", &format!("Title_{n:04}"), 1);
        text.extend(format!("en Title_{n:04} 1 0\n").into_bytes());
    }
    text.extend(b"en Zz_\xff\xfe 1 0\n");
    world.dump.lines(Hour(5), &text);
    world.expected.insert(Hour(5), good);
    let run = world.run().expect(0);
    assert_eq!(run.count("rejected"), 1);
    assert_eq!(world.warehouse.tally("pageviews_hourly"), good);
    assert_eq!(
        world.warehouse.number("SELECT line_no FROM ingest_rejects"),
        501
    );
}

#[test]
fn a_unit_with_too_many_bad_lines_fails_alone_and_says_so() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        world.publish(Hour(4), 1_000);
        let text = "en Fine 1 0\n".repeat(90) + &"rubbish\n".repeat(10);
        world.dump.lines(Hour(5), text.as_bytes());
        let run = worker::run(&world.env, &world.config(Hour(4), Hour(6))).expect(1);
        let failed = failures(&run);
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert_eq!(failed[0].0, Hour(5).unit());
        assert!(
            failed[0].1.contains("10"),
            "it should say how many lines were bad: {failed:?}"
        );
        is_absent(&world, Hour(5));
        world.check();
    }
}

#[test]
fn a_broken_gzip_fails_its_unit_alone_and_names_it() {
    for (fault, stores) in [
        ("truncate@9000", Stores::Servers),
        ("corrupt@9000", Stores::Servers),
        ("truncate@9000", Stores::Embedded),
        ("corrupt@9000", Stores::Embedded),
    ] {
        let broken = Hour(5);
        let mut world = World::new(
            stores,
            &Options {
                faults: format!("{fault}~{}", broken.unit()),
                ..Options::default()
            },
        );
        world.publish(Hour(4), 1_000);
        world.publish(Hour(6), 1_000);
        let whole = world.dump.generated(broken, 3_000);
        let run = world.run().expect(1).says(&[&broken.unit()]);
        let failed = failures(&run);
        assert!(
            failed.len() == 1 && failed[0].0 == broken.unit(),
            "{fault}: {failed:?}"
        );
        is_absent(&world, broken);
        world.check();
        // Mended upstream, it is loaded by the next run.
        world.replay.set_faults("").expect("the stand-in takes it");
        world.expected.insert(broken, whole);
        let _ = world.run().expect(0);
        world.check();
    }
}

#[test]
fn an_empty_file_and_one_that_is_no_gzip_fail_their_units_alone() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    world.publish(Hour(3), 500);
    world.publish(Hour(6), 500);
    fs::write(world.dump.file(Hour(4)), b"").expect("the file can be written");
    fs::write(
        world.dump.file(Hour(5)),
        b"<html>Our servers are currently under maintenance</html>",
    )
    .expect("the file can be written");
    let run = world.run().expect(1);
    let failed: Vec<&str> = failures(&run).into_iter().map(|(unit, _)| unit).collect();
    assert_eq!(failed, [Hour(4).unit(), Hour(5).unit()]);
    world.check();
}

/// An hour that needs more room in any store than a disk of one megabyte has.
fn publish_two_megabytes(world: &mut World, hour: Hour) {
    let tally = world.dump.incompressible(hour, 10_000);
    world.expected.insert(hour, tally);
}

/// A file system of one megabyte; nothing where this user may not mount.
struct TinyDisk {
    path: PathBuf,
}

impl TinyDisk {
    fn mount(dir: &Path) -> Option<Self> {
        let path = dir.join("tiny");
        fs::create_dir(&path).expect("a folder can be made");
        let mounted = capture(
            Command::new("mount")
                .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
                .arg(&path),
        );
        if let Err(error) = &mounted {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: no small disk can be mounted here: {error}"
            );
        }
        mounted.ok().map(|_| Self { path })
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        let _ = capture(Command::new("umount").arg("--lazy").arg(&self.path));
    }
}

#[test]
fn a_full_disk_is_named_and_the_next_run_loads_what_is_missing() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    publish_two_megabytes(&mut world, Hour(5));
    let Some(tiny) = TinyDisk::mount(&world.dir()) else {
        return;
    };
    let spacious = world.lake.clone();
    world.lake = Lake::folder(&tiny.path);
    let _ = world
        .run()
        .expect(1)
        .says(&["No space left", tiny.path.to_str().expect("a plain path")]);
    assert_eq!(
        world.warehouse.number("SELECT COUNT(*) FROM ingest_ledger"),
        0
    );
    assert_eq!(
        world.lake.objects(),
        [""; 0],
        "half an object is left on the full disk"
    );
    world.lake = spacious;
    let _ = world.run().expect(0);
    world.check();
}

#[test]
fn a_full_disk_under_sqlite_is_named() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    publish_two_megabytes(&mut world, Hour(5));
    let Some(tiny) = TinyDisk::mount(&world.dir()) else {
        return;
    };
    let config = |world: &World| {
        Config::pageviews(&world.replay.base_url(), Hour(5), Hour(6))
            .warehouse(&world.warehouse)
            .lake(&world.lake)
    };
    let spacious = std::mem::replace(&mut world.warehouse, Warehouse::sqlite(&tiny.path));
    let _ = worker::migrate(&world.env, &config(&world)).expect(0);
    let _ = worker::run(&world.env, &config(&world))
        .expect(1)
        .says(&["full", "warehouse.db"]);
    world.warehouse = spacious;
    let _ = world.run().expect(0);
    world.check();
}

#[test]
fn a_full_disk_under_temporary_files_is_named_whoever_uses_them() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    publish_two_megabytes(&mut world, Hour(5));
    let Some(tiny) = TinyDisk::mount(&world.dir()) else {
        return;
    };
    let tmp = tiny.path.to_str().expect("a plain path");
    let source = || Config::pageviews(&world.replay.base_url(), Hour(5), Hour(6));
    // A warehouse has top pages to find, a lake has pages of a row group to keep.
    for mut config in [
        source().warehouse(&world.warehouse),
        source().lake(&world.lake),
    ] {
        config.env.push(("TMPDIR".to_owned(), tmp.to_owned()));
        let said = format!("cannot use a temporary file in {tmp}: No space left");
        let _ = worker::run(&world.env, &config)
            .expect(1)
            .says(&[&said, "set TMPDIR"]);
    }
    let _ = world.run().expect(0);
    world.check();
}

/// A run of one small hour with something wrong in its settings.
fn run_with(stores: Stores, change: impl FnOnce(Config) -> Config) -> Run {
    let mut world = World::new(stores, &Options::default());
    world.publish(Hour(5), 500);
    let run = worker::run(&world.env, &change(world.whole()));
    assert_eq!(
        world.warehouse.number("SELECT COUNT(*) FROM ingest_ledger"),
        0,
        "nothing was loaded"
    );
    run
}

#[test]
fn a_warehouse_that_is_down_is_named_and_worth_another_try() {
    let run = run_with(Stores::Servers, |config| {
        config.with("/sinks/0/singleStore/port", json!(CLOSED_PORT))
    });
    let _ = run
        .expect(1)
        .says(&["warehouse", &format!("127.0.0.1:{CLOSED_PORT}")]);
}

#[test]
fn a_lake_that_is_down_is_named_and_worth_another_try() {
    let endpoint = format!("http://127.0.0.1:{CLOSED_PORT}");
    let run = run_with(Stores::Servers, |config| {
        config.with("/sinks/1/s3/endpoint", json!(endpoint))
    });
    let _ = run.expect(1).says(&["lake", &endpoint]);
}

#[test]
fn a_host_that_is_down_is_named_and_worth_another_try() {
    let url = format!("http://127.0.0.1:{CLOSED_PORT}");
    let run = run_with(Stores::Embedded, |config| {
        config
            .with("/source/baseUrl", json!(url))
            .with("/limits/minBackoff", json!("10ms"))
            .with("/limits/maxBackoff", json!("20ms"))
    });
    let _ = run.expect(1).says(&[&url]);
}

#[test]
fn a_host_that_refuses_us_is_not_asked_again() {
    let mut world = World::new(
        Stores::Embedded,
        &Options {
            faults: "403~/other/".into(),
            ..Options::default()
        },
    );
    world.publish(Hour(5), 500);
    let _ = world.run().expect(77).says(&["403"]);
    let counters = world.replay.counters().expect("the stand-in answers");
    let refused = counters["by_status"]["403"]
        .as_u64()
        .expect("403 is counted");
    assert!(
        refused <= 2,
        "it was asked again after a refusal: {counters}"
    );
}

#[test]
fn a_wrong_password_is_a_refusal() {
    let run = run_with(Stores::Servers, |config| {
        config.with_secret("WIKIINGEST_WAREHOUSE_PASSWORD", "not-the-password-7431")
    });
    let _ = run
        .expect(77)
        .says(&["warehouse", "wikiingest", "WIKIINGEST_WAREHOUSE_PASSWORD"]);
}

#[test]
fn a_password_that_is_not_given_is_a_mistake_in_the_settings() {
    let run = run_with(Stores::Servers, |mut config| {
        config
            .env
            .retain(|(name, _)| name != "WIKIINGEST_WAREHOUSE_PASSWORD");
        config
    });
    let _ = run.expect(64).says(&["WIKIINGEST_WAREHOUSE_PASSWORD"]);
}

#[test]
fn a_missing_database_is_a_mistake_in_the_settings() {
    let run = run_with(Stores::Servers, |config| {
        config.with("/sinks/0/singleStore/database", json!("no_such_database"))
    });
    let _ = run.expect(64).says(&["warehouse", "no_such_database"]);
}

#[test]
fn a_database_without_the_schema_says_to_migrate() {
    let env = Env::get();
    let fresh = Warehouse::mariadb(&env);
    let Warehouse::MariaDb { database, .. } = &fresh else {
        unreachable!("it is MariaDB")
    };
    let run = run_with(Stores::Servers, |config| {
        config.with("/sinks/0/singleStore/database", json!(database))
    });
    let _ = run.expect(64).says(&["warehouse", "migrate"]);
}

#[test]
fn a_missing_bucket_is_a_mistake_in_the_settings() {
    let run = run_with(Stores::Servers, |config| {
        config.with("/sinks/1/s3/bucket", json!("no-such-bucket"))
    });
    let _ = run.expect(64).says(&["lake", "no-such-bucket"]);
}

#[test]
fn a_wrong_s3_secret_is_a_refusal() {
    let run = run_with(Stores::Servers, |config| {
        config.with_secret("WIKIINGEST_LAKE_SECRET_ACCESS_KEY", "not-the-secret-9921")
    });
    let _ = run.expect(77).says(&["lake", s3::BUCKET]);
}

#[test]
fn a_system_without_trusted_certificates_is_told_so() {
    let mut world = World::new(Stores::Servers, &Options::default());
    world.publish(Hour(5), 500);
    let mut config = world.whole();
    for places in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
        config.env.push((places.to_owned(), "/nowhere".to_owned()));
    }
    let _ = worker::migrate(&world.env, &config).expect(64).says(&[
        "lake",
        "no trusted certificates",
        "SSL_CERT_FILE",
    ]);
    let _ = worker::run(&world.env, &config)
        .expect(64)
        .says(&["No CA certificates"]);
}

#[test]
fn a_field_that_is_not_known_is_named() {
    let run = run_with(Stores::Embedded, |config| {
        config.with("/limits/conections", json!(3))
    });
    let _ = run.expect(64).says(&["conections"]);
}

#[test]
fn migrating_twice_and_from_two_processes_at_once_changes_nothing() {
    for stores in BOTH {
        let mut world = World::new(stores, &Options::default());
        world.publish(Hour(5), 500);
        let _ = world.run().expect(0);
        let config = world.whole();
        std::thread::scope(|scope| {
            let migrations = [(); 2].map(|()| scope.spawn(|| worker::migrate(&world.env, &config)));
            for migration in migrations {
                let _ = migration.join().expect("it ran").expect(0);
            }
        });
        world.check();
    }
}

#[test]
fn two_first_migrations_at_once_both_succeed() {
    for _ in 0..3 {
        let env = Env::get();
        let warehouse = Warehouse::mariadb(&env);
        let config =
            Config::pageviews("http://127.0.0.1:9", Hour(0), Hour(1)).warehouse(&warehouse);
        std::thread::scope(|scope| {
            let migrations = [(); 2].map(|()| scope.spawn(|| worker::migrate(&env, &config)));
            for migration in migrations {
                let _ = migration.join().expect("it ran").expect(0);
            }
        });
        assert_eq!(warehouse.number("SELECT COUNT(*) FROM pageviews_hourly"), 0);
    }
}

#[test]
fn a_unit_that_a_sink_does_not_take_fails_alone() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    for hour in 3..7 {
        world.publish(Hour(hour), 500);
    }
    let _ = world.warehouse.query(&format!(
        "CREATE TRIGGER poison BEFORE INSERT ON pageviews_hourly WHEN NEW.ts = '{}' \
         BEGIN SELECT RAISE(ABORT, 'not this one'); END",
        Hour(4).ts()
    ));
    let run = world.run().expect(1).says(&["not this one"]);
    let failed: Vec<&str> = failures(&run).into_iter().map(|(unit, _)| unit).collect();
    assert_eq!(failed, [Hour(4).unit()]);
    assert_eq!(run.count("loaded"), 3);
    let _ = world.warehouse.query("DROP TRIGGER poison");
    let _ = world.run().expect(0);
    world.check();
}

#[test]
fn a_loaded_unit_that_the_host_does_not_answer_for_fails_alone() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    world.publish(Hour(4), 500);
    let _ = world.run().expect(0);
    world.publish(Hour(5), 500);
    let faults = format!("404~{}", Hour(4).unit());
    world
        .replay
        .set_faults(&faults)
        .expect("the stand-in takes it");
    let run = world.run().expect(1);
    let failed: Vec<&str> = failures(&run).into_iter().map(|(unit, _)| unit).collect();
    assert_eq!(failed, [Hour(4).unit()]);
    assert_eq!(run.count("loaded"), 1);
    world.check();
}

#[test]
fn two_sinks_that_are_one_place_are_a_mistake_in_the_settings() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    world.publish(Hour(4), 500);
    let mut config = world.whole();
    let mut again = config.json["sinks"][0].clone();
    again["name"] = "again".into();
    let path = again["sqlite"]["path"]
        .as_str()
        .expect("a SQLite sink")
        .to_owned();
    let (dir, file) = path.rsplit_once('/').expect("a folder");
    again["sqlite"]["path"] = format!("{dir}/./{file}").into();
    config.json["sinks"]
        .as_array_mut()
        .expect("sinks")
        .push(again);
    let _ =
        worker::run(&world.env, &config)
            .expect(64)
            .says(&["again", "warehouse", "the same place"]);
}

#[test]
fn a_base_url_without_the_archive_is_a_mistake_in_the_settings() {
    let mut world = World::new(Stores::Embedded, &Options::default());
    world.publish(Hour(4), 500);
    let wrong = format!("{}/oops", world.replay.base_url());
    let config = world.whole().with("/source/baseUrl", wrong.into());
    let _ = worker::run(&world.env, &config)
        .expect(64)
        .says(&["/oops/other/pageviews/", "baseUrl"]);
}
