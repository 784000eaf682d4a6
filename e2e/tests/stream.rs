//! The stream worker: whatever happens to it, to the host, to the network or to the warehouse, each event lands once.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;
use wikiingest_e2e::bench::generate::Random;
use wikiingest_e2e::harness::changes::{StreamWorld, events};
use wikiingest_e2e::harness::world::Stores;
use wikiingest_e2e::harness::{Lake, worker};
use wikiingest_e2e::http;
use wikiingest_e2e::servers::mariadb::{Durability, MariaDb};

const BOTH: [Stores; 2] = [Stores::Servers, Stores::Embedded];
const KILLS: u32 = 100;
/// Faults on streams are asked for by the stream's path.
const STREAM: &str = "~/v2/stream";

/// All at once, and no pause in sight.
const AT_ONCE: &[&str] = &["--pace", "max"];

#[test]
fn every_event_lands_with_every_field_as_it_was_sent() {
    for stores in BOTH {
        let world = StreamWorld::new(stores, &events(3_000, 20), AT_ONCE);
        world.run_until(3_000);
        world.check();
    }
}

#[test]
fn real_events_land_with_every_field_as_an_independent_reader_reads_it() {
    let samples = std::env::var_os("WIKIINGEST_REAL_DATA").map_or_else(
        || wikiingest_e2e::harness::env::file("samples"),
        std::path::PathBuf::from,
    );
    let real = real_events(&samples.join("recentchange"));
    let count = real.lines().count() as u64;
    assert!(count >= 144, "{count} real events");
    for stores in BOTH {
        let world = StreamWorld::new(stores, &real, AT_ONCE);
        world.run_until(count);
        world.check();
    }
}

/// The events of `.ndjson` files, and of `.json` files with one each, below a folder; a canary is no event.
fn real_events(folder: &std::path::Path) -> String {
    let mut lines = String::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).expect("the samples are there");
        for path in entries.map(|entry| entry.expect("the samples can be listed").path()) {
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                None if path.is_dir() => folders.push(path),
                Some("ndjson") => {
                    let text = std::fs::read_to_string(&path).expect("a sample");
                    for line in text.lines().filter(|line| !line.contains("\"canary\"")) {
                        lines.push_str(line);
                        lines.push('\n');
                    }
                }
                Some("json") => {
                    let text = std::fs::read_to_string(&path).expect("a sample");
                    let event: serde_json::Value = serde_json::from_str(&text).expect("JSON");
                    if event["meta"]["domain"] != "canary" {
                        lines.push_str(&event.to_string());
                        lines.push('\n');
                    }
                }
                _ => {}
            }
        }
    }
    lines
}

/// Kills a worker again and again while events keep coming; in the end every one of them has to be there, once.
fn kill_at_random_moments(stores: Stores) {
    const EVENTS: usize = 48_000;
    let world = StreamWorld::new(stores, &events(EVENTS, 2), &["--pace", "600"]);
    let mut random = Random::new(20_261_123);
    let mut killed = 0;
    for kill in 0..KILLS {
        let moment = Duration::from_millis(30 + random.below(900) as u64);
        killed += u32::from(world.start().kill_after(moment).is_some());
        let _ = writeln!(
            std::io::stderr(),
            "{stores:?}: kill {} after {moment:?}, {} events",
            kill + 1,
            world.rows()
        );
    }
    assert_eq!(killed, KILLS, "a stream worker does not end by itself");
    let running = world.start();
    world.wait_for(EVENTS as u64);
    let _ = running.stop().expect(0);
    world.check();
}

#[test]
fn a_worker_killed_at_a_hundred_moments_loses_and_doubles_nothing_in_mariadb_and_s3() {
    kill_at_random_moments(Stores::Servers);
}

#[test]
fn a_worker_killed_at_a_hundred_moments_loses_and_doubles_nothing_in_sqlite_and_a_folder() {
    kill_at_random_moments(Stores::Embedded);
}

/// With this fault in its way, the worker loads everything.
fn is_overcome(fault: &str, host: &[&str]) {
    for stores in BOTH {
        let mut args = vec!["--pace", "2000", "--faults", fault];
        args.extend(host);
        let world = StreamWorld::new(stores, &events(4_000, 5), &args);
        let running = world.start();
        world.wait_for(4_000);
        let run = running.stop().expect(0);
        world.check();
        let counters = world.replay.counters().expect("the stand-in tells");
        let kind = fault.split(['@', '=', '~', '*']).next().expect("a kind");
        assert!(
            counters["faults_struck"][kind].as_u64() > Some(0),
            "{fault} did not strike; the worker said:\n{}",
            run.output
        );
    }
}

#[test]
fn a_connection_cut_inside_a_frame_is_taken_up_again() {
    is_overcome(&format!("cut@100k{STREAM}*3"), &[]);
}

#[test]
fn a_half_open_connection_is_noticed_and_replaced() {
    is_overcome(&format!("stall@50k{STREAM}*2"), &[]);
}

#[test]
fn the_regular_cut_is_survived_again_and_again() {
    for stores in BOTH {
        let world = StreamWorld::new(
            stores,
            &events(4_000, 5),
            &["--pace", "1000", "--cut-after", "0.5"],
        );
        world.run_until(4_000);
        world.check();
    }
}

#[test]
fn a_connection_is_replaced_before_the_regular_cut_with_two_at_most() {
    let mut world = StreamWorld::new(
        Stores::Embedded,
        &events(6_000, 5),
        &["--pace", "1500", "--cut-after", "1.5"],
    );
    world.limits["connectionAge"] = json!("700ms");
    let running = world.start();
    let port = running.port();
    world.wait_for(6_000);
    let metrics = http::get(port, "/metrics").expect("metrics").text();
    let _ = running.stop().expect(0);
    world.check();
    let counters = world.replay.stream_counters().expect("the stand-in tells");
    assert!(counters["peak_clients"].as_u64() <= Some(2), "{counters}");
    assert!(counters["connections"].as_u64() >= Some(4), "{counters}");
    let lost = metrics
        .lines()
        .find(|line| line.contains("reconnects_total{reason=\"ended\"}"));
    assert_eq!(lost, None, "a connection was cut before it was replaced");
}

#[test]
fn garbage_is_kept_and_costs_no_event() {
    let fault = format!("garbage@100{STREAM}*2");
    for stores in BOTH {
        let world = StreamWorld::new(
            stores,
            &events(1_000, 5),
            &["--pace", "1000", "--faults", &fault],
        );
        world.run_until(1_000);
        world.check();
        let kept = world
            .warehouse
            .query("SELECT source, reason FROM ingest_rejects");
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(kept[0][0], "edits");
        assert!(
            kept[0][1].contains("EOF") || kept[0][1].contains("line 1"),
            "{kept:?}"
        );
        let objects = world.lake.objects();
        let rejects = objects
            .iter()
            .filter(|name| name.starts_with("ingest_rejects/dt="))
            .count();
        assert_eq!(rejects, 1, "{objects:?}");
    }
}

#[test]
fn a_giant_event_is_an_event() {
    is_overcome(&format!("giant@100{STREAM}"), &[]);
}

#[test]
fn events_that_come_twice_land_once() {
    is_overcome(&format!("duplicate@100{STREAM}"), &[]);
}

#[test]
fn an_hour_that_is_sent_again_lands_once() {
    is_overcome(&format!("replay@3000{STREAM}"), &[]);
}

#[test]
fn the_format_s_other_ways_to_say_the_same_are_understood() {
    for kind in ["multiline", "comment", "crlf"] {
        is_overcome(&format!("{kind}@100{STREAM}"), &[]);
    }
}

#[test]
fn an_end_and_an_error_of_the_host_s_are_survived() {
    for kind in ["end", "error"] {
        is_overcome(&format!("{kind}@500{STREAM}*2"), &[]);
    }
}

#[test]
fn a_slow_drip_is_read_to_its_end() {
    is_overcome(&format!("slow=400000{STREAM}*1"), &["--cut-after", "1"]);
}

#[test]
fn a_busy_host_is_given_the_time_it_asks_for() {
    for status in ["429=2", "503=2"] {
        let fault = format!("{status}{STREAM}*2");
        is_overcome(&fault, &[]);
        let world = StreamWorld::new(
            Stores::Embedded,
            &events(100, 5),
            &["--pace", "max", "--faults", &fault],
        );
        world.run_until(100);
        let counters = world.replay.counters().expect("the stand-in tells");
        let requests = counters["by_path"]["/v2/stream/recentchange"]["requests"]
            .as_array()
            .expect("requests")
            .clone();
        let at = |n: usize| requests[n]["at_ms"].as_u64().expect("a time");
        assert!(
            at(1) - at(0) >= 2_000 && at(2) - at(1) >= 2_000,
            "{requests:?}"
        );
    }
}

#[test]
fn a_refusal_is_waited_out_for_long() {
    let fault = format!("403{STREAM}*3");
    let world = StreamWorld::new(
        Stores::Embedded,
        &events(100, 5),
        &["--pace", "max", "--faults", &fault],
    );
    let running = world.start();
    world.wait_for(100);
    let _ = running
        .stop()
        .expect(0)
        .says(&["the host refused (403)", "check spec.contact"]);
    let counters = world.replay.counters().expect("the stand-in tells");
    let requests = counters["by_path"]["/v2/stream/recentchange"]["requests"]
        .as_array()
        .expect("requests")
        .clone();
    let at = |n: usize| requests[n]["at_ms"].as_u64().expect("a time");
    assert!(
        at(3) - at(2) >= 1_000,
        "the pause after a second refusal: {requests:?}"
    );
}

#[test]
fn events_older_than_the_host_keeps_are_counted_as_a_gap() {
    let mut world = StreamWorld::new(
        Stores::Embedded,
        &events(4_000, 1_000),
        &["--pace", "max", "--retention", "1000"],
    );
    world.start_from = "2026-11-01T00:00:00Z".to_owned();
    world.limits["gap"] = json!("5m");
    let running = world.start();
    world.wait_for(1_000);
    let _ = running
        .stop()
        .expect(0)
        .says(&["The host no longer has the events between"]);
    let gap = world
        .warehouse
        .number("SELECT gap_seconds FROM stream_checkpoint");
    assert!((2_990..=3_010).contains(&gap), "{gap} s");
}

#[test]
fn the_latest_event_is_where_a_new_stream_begins_and_a_known_one_goes_on() {
    let mut world = StreamWorld::new(Stores::Embedded, &events(100, 20_000), AT_ONCE);
    world.start_from = "latest".to_owned();
    let running = world.start();
    let port = running.port();
    until("it is connected", || {
        http::get(port, "/metrics")
            .is_ok_and(|answer| answer.text().contains("stream_connected 1\n"))
    });
    let more = events(200, 20_000);
    append(&world, &more, 100..150);
    world.wait_for(50);
    let _ = running.stop().expect(0);
    // What comes while nobody reads is read afterwards.
    append(&world, &more, 150..200);
    let running = world.start();
    world.wait_for(100);
    let _ = running.stop().expect(0);
    let first = world
        .warehouse
        .query("SELECT MIN(event_id) FROM recent_changes");
    assert!(first[0][0].starts_with("00000064-"), "{first:?}");
    assert_eq!(world.rows(), 100);
}

/// Publishes some of these events.
fn append(world: &StreamWorld, events: &str, some: std::ops::Range<usize>) {
    let lines: Vec<_> = events.lines().skip(some.start).take(some.len()).collect();
    world
        .replay
        .append_events(&lines.join("\n"))
        .expect("events are taken");
}

#[test]
fn a_lake_that_begins_with_the_latest_event_loses_nothing_to_a_kill() {
    for stores in BOTH {
        let all = events(100, 5);
        let mut world = StreamWorld::new(stores, "", AT_ONCE);
        world.publishes(&all);
        world.start_from = "latest".to_owned();
        world.options["objectInterval"] = json!("1h");
        let running = world.start();
        let port = running.port();
        until("it is connected", || {
            http::get(port, "/metrics")
                .is_ok_and(|answer| answer.text().contains("stream_connected 1\n"))
        });
        append(&world, &all, 0..50);
        let killed = running.kill_when(|| world.rows() == 50);
        assert!(killed.is_some(), "it ended by itself");
        assert_eq!(world.lake.objects().len(), 1, "a checkpoint and no object");
        world.options["objectInterval"] = json!("300ms");
        append(&world, &all, 50..100);
        world.run_until(100);
        world.check();
    }
}

#[test]
fn a_server_that_does_not_take_rows_is_not_waited_for() {
    let mut world = StreamWorld::new(Stores::Servers, &events(100, 5), AT_ONCE);
    world.with_lake = false;
    let running = world.start();
    world.wait_for(100);
    let _ = world
        .warehouse
        .query("RENAME TABLE recent_changes TO elsewhere");
    // So many that they do not fit into what lies between the worker and the server.
    append(&world, &events(3_000, 5), 100..3_000);
    let started = Instant::now();
    let _ = running
        .wait()
        .expect(64)
        .says(&["recent_changes", "wikiingest-batch migrate"]);
    assert!(started.elapsed() < Duration::from_mins(1));
}

#[test]
fn events_of_a_stream_that_had_another_name_are_not_doubled() {
    for stores in BOTH {
        let mut world = StreamWorld::new(stores, &events(2_000, 5), AT_ONCE);
        world.with_lake = false;
        world.run_until(2_000);
        let mut config = world.config();
        config.json["source"]["name"] = json!("renamed");
        let running = worker::stream(&world.env, &config);
        append(&world, &events(2_100, 5), 2_000..2_100);
        world.wait_for(2_100);
        let _ = running.stop().expect(0);
        assert_eq!(counted_twice_over(&world), (2_100, 2_100));
    }
}

#[test]
fn what_another_worker_wrote_meanwhile_is_found() {
    for stores in BOTH {
        // So many that they do not run out on a slow machine before the one goes on without the other.
        let mut world = StreamWorld::new(stores, &events(20_000, 5), &["--pace", "1500"]);
        world.with_lake = false;
        let (leaves, stays) = (world.start(), world.start());
        world.wait_for(500);
        // It must not be frozen within a transaction, where it would hold the other one up.
        until("the one goes on without the other", || {
            stays.signal("STOP");
            // By more than what it was writing just then.
            let goes_on = grows_by(&world, 400, Duration::from_secs(1));
            if !goes_on {
                stays.signal("CONT");
            }
            goes_on
        });
        let frozen_at = world.rows();
        world.wait_for(frozen_at + 1_500);
        let _ = leaves.stop().expect(0);
        stays.signal("CONT");
        world.wait_for(20_000);
        let _ = stays.stop().expect(0);
        assert_eq!(counted_twice_over(&world), (20_000, 20_000));
    }
}

/// Whether so many rows are added within a time.
fn grows_by(world: &StreamWorld, rows: u64, long: Duration) -> bool {
    let (started, before) = (Instant::now(), world.rows());
    while started.elapsed() < long {
        std::thread::sleep(Duration::from_millis(20));
        if world.rows() >= before + rows {
            return true;
        }
    }
    false
}

/// Events by the rows, and by the roll-up.
fn counted_twice_over(world: &StreamWorld) -> (u64, u64) {
    let by_minute = world
        .warehouse
        .number("SELECT SUM(events) FROM recent_changes_minute");
    (world.rows(), by_minute)
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(30),
            "not yet after 30 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn two_workers_on_one_stream_do_not_double_its_rows() {
    for stores in BOTH {
        let mut world = StreamWorld::new(stores, &events(6_000, 5), &["--pace", "1500"]);
        // A lake has one writer.
        world.with_lake = false;
        let (one, other) = (world.start(), world.start());
        world.wait_for(6_000);
        let _ = one.stop().expect(0);
        let _ = other.stop().expect(0);
        assert_eq!(counted_twice_over(&world), (6_000, 6_000));
    }
}

#[test]
fn filters_leave_out_wikis_and_types() {
    let mut world = StreamWorld::new(Stores::Embedded, &events(2_000, 5), AT_ONCE);
    world.wanted = json!({"wikis": ["enwiki"], "types": ["edit", "log"]});
    let all = events(2_000, 5);
    let wanted = all
        .lines()
        .filter(|line| line.contains("\"wiki\":\"enwiki\""))
        .filter(|line| line.contains("\"type\":\"edit\"") || line.contains("\"type\":\"log\""))
        .count() as u64;
    world.run_until(wanted);
    assert_eq!(world.rows(), wanted);
}

#[test]
fn metrics_and_probes_tell_how_it_stands() {
    let world = StreamWorld::new(
        Stores::Embedded,
        &events(3_000, 5),
        &[
            "--pace",
            "1000",
            "--restamp",
            "--cut-after",
            "4",
            "--canary",
            "0.5",
        ],
    );
    let running = world.start();
    let port = running.port();
    let get = |path: &str| http::get(port, path).expect("it answers");
    assert_eq!(get("/livez").status, 200);
    world.wait_for(1_000);
    until("it is ready", || get("/readyz").status == 200);
    world.wait_for(3_000);
    let metrics = get("/metrics").text();
    for name in [
        "wikiingest_stream_events_total{sink=\"warehouse\",type=\"edit\"}",
        "wikiingest_stream_batches_total{sink=\"warehouse\"}",
        "wikiingest_stream_commit_seconds_bucket{",
        "wikiingest_stream_lag_seconds_bucket{",
        "wikiingest_stream_checkpoint_age_seconds{sink=\"warehouse\"}",
        "wikiingest_stream_duplicates_total",
        "wikiingest_stream_rejects_total",
        "wikiingest_stream_connected 1",
    ] {
        assert!(metrics.contains(name), "no {name} in\n{metrics}");
    }
    // While the host is away the worker is alive and not ready.
    world
        .replay
        .set_faults(&format!("503=60{STREAM}*always"))
        .expect("faults are taken");
    until("it is not ready", || get("/readyz").status == 503);
    assert_eq!(get("/livez").status, 200);
    let _ = running.stop().expect(0);
}

/// A warehouse goes away for a while and comes back; meanwhile memory stays as it is, and in the end nothing is lost.
fn is_waited_for(away: impl Fn(&mut MariaDb, &dyn Fn() -> u64)) {
    let mut server = MariaDb::start(Durability::Full).expect("a server of its own");
    let mut world = StreamWorld::new(
        Stores::Embedded,
        &events(30_000, 5),
        &["--pace", "600", "--cut-after", "20"],
    );
    world.use_warehouse(server.port());
    let running = world.start();
    world.wait_for(3_000);
    away(&mut server, &|| rss_kib(running.id()));
    world.wait_for(30_000);
    let _ = running.stop().expect(0);
    world.check();
}

#[test]
fn a_warehouse_that_is_down_for_a_minute_is_waited_for() {
    is_waited_for(|server, rss| {
        server.kill();
        memory_stays(rss, Duration::from_mins(1));
        server.start_again().expect("it starts again");
    });
}

#[test]
fn a_warehouse_that_freezes_is_waited_for() {
    is_waited_for(|server, rss| {
        server.signal("STOP").expect("it can be stopped");
        memory_stays(rss, Duration::from_secs(20));
        server.signal("CONT").expect("it can go on");
    });
}

#[test]
fn a_lake_that_cannot_be_written_is_waited_for() {
    let world = StreamWorld::new(Stores::Embedded, &events(6_000, 5), &["--pace", "1000"]);
    let running = world.start();
    world.wait_for(1_000);
    // For a while there is a file where the folder of the table was.
    let Lake::Folder { path } = &world.lake else {
        panic!("an embedded lake is a folder");
    };
    let (table, aside) = (path.join("recent_changes"), path.join("aside"));
    // The worker would make the folder anew in between.
    running.signal("STOP");
    std::fs::rename(&table, &aside).expect("the folder can be moved");
    std::fs::write(&table, "").expect("a file can be written");
    running.signal("CONT");
    until("it says so", || running.output().contains("sink lake"));
    std::thread::sleep(Duration::from_secs(3));
    running.signal("STOP");
    std::fs::remove_file(&table).expect("the file can be removed");
    std::fs::rename(&aside, &table).expect("the folder can be moved");
    running.signal("CONT");
    world.wait_for(6_000);
    let _ = running
        .stop()
        .expect(0)
        .says(&["sink lake", "trying again, and reading no further"]);
    world.check();
}

/// Once its queue is full, the worker takes no more memory however long it waits.
fn memory_stays(rss: &dyn Fn() -> u64, long: Duration) {
    let full = Duration::from_secs(8);
    std::thread::sleep(full);
    let before = rss();
    std::thread::sleep(long.saturating_sub(full));
    let after = rss();
    assert!(
        after < before + 2 * 1024,
        "memory grew from {before} to {after} KiB"
    );
}

fn rss_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .expect("memory is told");
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .expect("a number")
}
