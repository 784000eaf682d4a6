//! The host's rules are kept: asserted from what the stand-in for it has seen.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use serde_json::Value;
use wikiingest_e2e::harness::config::CONTACT;
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Hour, worker};
use wikiingest_e2e::servers::replay::Options;

const HOURS: u16 = 6;

fn world(options: &Options) -> World {
    let mut world = World::new(Stores::Embedded, options);
    for hour in 0..HOURS {
        world.publish(Hour(hour), 2_000);
    }
    world
}

fn counters(world: &World) -> Value {
    world.replay.counters().expect("the stand-in answers")
}

/// How often files were asked for with this method.
fn asked_for_files(counters: &Value, method: &str) -> usize {
    paths(counters)
        .filter(|(path, _)| path.rsplit('.').next() == Some("gz"))
        .flat_map(|(_, requests)| requests)
        .filter(|request| request["method"] == method)
        .count()
}

fn paths(counters: &Value) -> impl Iterator<Item = (&String, &Vec<Value>)> {
    let paths = counters["by_path"].as_object().expect("paths are counted");
    paths.iter().map(|(path, seen)| {
        (
            path,
            seen["requests"].as_array().expect("requests are recorded"),
        )
    })
}

/// The waits after each answer with this status until the same path was asked for again, in milliseconds.
fn waits_after(counters: &Value, status: u16) -> Vec<u64> {
    let at = |request: &Value| request["at_ms"].as_u64().expect("requests have a time");
    paths(counters)
        .flat_map(|(_, requests)| requests.windows(2))
        .filter(|two| two[0]["status"] == status)
        .map(|two| at(&two[1]) - at(&two[0]))
        .collect()
}

#[test]
fn the_host_never_sees_more_than_two_requests_or_connections_at_once() {
    // Slow enough that files overlap whenever the worker lets them.
    let world = world(&Options {
        rate: Some(60_000),
        ..Options::default()
    });
    let _ = world.run().expect(0);
    world.check();
    let counters = counters(&world);
    for peak in ["peak_requests", "peak_connections"] {
        let peak_seen = counters[peak].as_u64().expect("peaks are counted");
        assert!((1..=2).contains(&peak_seen), "{peak} is {peak_seen}");
    }
    assert_eq!(counters["rejected_for_concurrency"], 0);
}

#[test]
fn every_request_says_who_to_write_to() {
    let world = world(&Options::default());
    let _ = world.run().expect(0);
    let counters = counters(&world);
    let agents: Vec<&String> = counters["by_user_agent"]
        .as_object()
        .expect("agents are counted")
        .keys()
        .collect();
    assert!(!agents.is_empty());
    for agent in agents {
        assert!(
            agent.contains(CONTACT) && agent.contains("wikiingest"),
            "{agent:?}"
        );
    }
    assert_eq!(counters["rejected_user_agents"], 0);
}

#[test]
fn retry_after_is_waited_for_to_the_full() {
    let unit = Hour(2).unit();
    let world = world(&Options {
        faults: format!("429=2~{unit}*2,503=3~{}", Hour(4).unit()),
        ..Options::default()
    });
    let _ = world.run().expect(0);
    world.check();
    let counters = counters(&world);
    let too_many = waits_after(&counters, 429);
    assert_eq!(too_many.len(), 2, "both refusals were met: {counters}");
    assert!(too_many.iter().all(|wait| *wait >= 2_000), "{too_many:?}");
    let unavailable = waits_after(&counters, 503);
    assert!(
        unavailable.len() == 1 && unavailable[0] >= 3_000,
        "{unavailable:?}"
    );
}

#[test]
fn waits_without_a_retry_after_grow_and_differ_by_chance() {
    let faults: Vec<String> = (0..HOURS)
        .map(|hour| format!("503*2~{}", Hour(hour).unit()))
        .collect();
    let world = world(&Options {
        faults: faults.join(","),
        ..Options::default()
    });
    let _ = world.run().expect(0);
    world.check();
    let waits = waits_after(&counters(&world), 503);
    assert_eq!(
        waits.len(),
        2 * usize::from(HOURS),
        "every refusal was met and tried again: {waits:?}"
    );
    // minBackoff is 1 s and maxBackoff 4 s; what jitter does with them is the worker's business.
    assert!(
        waits.iter().all(|wait| (400..=9_000).contains(wait)),
        "{waits:?}"
    );
    let firsts: Vec<u64> = waits.iter().copied().step_by(2).collect();
    let seconds: Vec<u64> = waits.iter().copied().skip(1).step_by(2).collect();
    let spread = firsts
        .iter()
        .max()
        .zip(firsts.iter().min())
        .map(|(max, min)| max - min);
    assert!(spread > Some(50), "first waits are alike: {firsts:?}");
    assert!(
        seconds.iter().sum::<u64>() > firsts.iter().sum(),
        "waits do not grow: {firsts:?}, then {seconds:?}"
    );
}

#[test]
fn a_second_run_asks_only_whether_files_have_changed() {
    let world = world(&Options::default());
    let first = world.run().expect(0);
    assert_eq!(first.count("loaded"), u64::from(HOURS));
    let fetched = asked_for_files(&counters(&world), "GET");
    assert_eq!(fetched, usize::from(HOURS), "each file is fetched once");
    let second = world.run().expect(0);
    assert_eq!(
        (second.count("loaded"), second.count("skipped")),
        (0, u64::from(HOURS))
    );
    assert_eq!(
        asked_for_files(&counters(&world), "GET"),
        fetched,
        "nothing is fetched again"
    );
    world.check();
}

#[test]
fn two_workers_for_one_host_each_keep_the_rules() {
    let world = world(&Options {
        rate: Some(120_000),
        ..Options::default()
    });
    let early = worker::start(&world.env, &world.config(Hour(0), Hour(3)));
    let late = worker::start(&world.env, &world.config(Hour(3), Hour(HOURS)));
    let _ = early.wait().expect(0);
    let _ = late.wait().expect(0);
    world.check();
    let peak = counters(&world)["peak_requests"]
        .as_u64()
        .expect("peaks are counted");
    assert!(peak <= 4, "two workers made {peak} requests at once");
}
