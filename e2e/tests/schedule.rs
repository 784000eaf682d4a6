//! Scheduled runs on a real Kubernetes: they need no operator, nobody ends them who only meant the next one, and what
//! became of them is told.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wikiingest_e2e::harness::Hour;
use wikiingest_e2e::harness::kube::{Kubectl, OPERATOR, OPERATOR_PODS, OperatorWorld as World};

/// For a run that is due within a minute, and a pod or two.
const PATIENCE: Duration = Duration::from_mins(4);
/// For what takes no pod.
const SOON: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(200);
/// Labels of scheduled runs.
const RUNS: &str = "app.kubernetes.io/component=batch";
/// Never, as far as a test can tell.
const YEARLY: &str = "0 0 1 1 *";

/// The hours that have just been published, and some that are to come.
fn world(name: &str) -> World {
    let Hour(now) = Hour::now();
    let world = World::with(name, now - 4..now + 2, 100);
    world.secrets();
    world
}

/// The last three hours, every minute.
fn every_minute(world: &World) -> Value {
    let mut resource = world.views_only(&json!([]));
    resource["spec"]["sources"][0]["schedule"] = json!({"cron": "* * * * *", "lookback": "3h"});
    resource
}

fn scaled(kubectl: &Kubectl, replicas: u8) {
    let replicas = format!("--replicas={replicas}");
    let deployment = format!("deployment/{OPERATOR}");
    kubectl
        .run(&["scale", &deployment, &replicas])
        .expect("it is scaled");
}

/// Waits for a Job of a scheduled run that is as it should be.
fn run(kubectl: &Kubectl, is_so: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let jobs = kubectl.list("job", RUNS).expect("a list");
        if let Some(job) = jobs.iter().find(|job| is_so(job)) {
            return job.clone();
        }
        assert!(Instant::now() < deadline, "no such run: {jobs:?}");
        std::thread::sleep(GLANCE);
    }
}

#[test]
fn runs_go_on_without_the_operator_which_tells_of_them_when_it_is_back() {
    let world = world("schedule");
    let kubectl = world.namespace.kubectl();
    world.apply(&every_minute(&world));
    let there = |_: &Value| true;
    kubectl
        .wait(PATIENCE, "cronjob", "wikimedia-pageviews", there)
        .expect("a CronJob");
    scaled(kubectl, 0);
    let gone = [
        "wait",
        "--for=delete",
        "pod",
        "--timeout=60s",
        "--selector",
        OPERATOR_PODS,
    ];
    kubectl.run(&gone).expect("the operator ends");
    let before = kubectl.list("job", RUNS).expect("a list").len();
    let done = run(kubectl, |job| job["status"]["succeeded"] == 1);
    run(kubectl, |_| {
        kubectl.list("job", RUNS).expect("a list").len() > before
    });
    assert_eq!(done["metadata"]["ownerReferences"][0]["kind"], "CronJob");

    scaled(kubectl, 1);
    let status = world.stands(PATIENCE, "LastRunSucceeded", "True", "Succeeded");
    let source = &status["sources"][0];
    assert_eq!(source["lastRun"]["exitCode"], 0, "{source}");
    for told in ["lastSuccessTime", "nextRunTime", "loadedThrough"] {
        assert!(source[told].is_string(), "no {told}: {source}");
    }
    let rows = || {
        world
            .mariadb
            .warehouse
            .number("SELECT COUNT(*) FROM pageviews_hourly")
    };
    assert!(rows() > 0);
    // A run of meanwhile may not be told of yet.
    let all_told = |ingest: &Value| ingest["status"]["sources"][0]["rows"].as_u64() == Some(rows());
    kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", all_told)
        .expect("every row is counted");
}

#[test]
fn a_run_at_work_ends_by_itself_whatever_becomes_of_its_schedule_and_its_source() {
    let world = world("at-work");
    let kubectl = world.namespace.kubectl();
    // As on a bad day: each file takes some seconds.
    world.replay.replay.set_faults("slow=200").expect("a fault");
    let mut resource = every_minute(&world);
    let edits = world.resource()["spec"]["sources"][1].clone();
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .push(edits);
    world.apply(&resource);
    let job = run(kubectl, |job| {
        job["status"]["active"] == 1 && job["status"]["ready"] == 1
    });
    let (name, uid) = (
        job["metadata"]["name"].as_str().expect("a name"),
        &job["metadata"]["uid"],
    );

    // Another schedule, and other resources for the next run.
    resource["spec"]["sources"][0]["schedule"]["cron"] = json!(YEARLY);
    resource["spec"]["workers"]["resources"] = json!({"limits": {"memory": "200Mi"}});
    world.apply(&resource);
    let follows = |cron_job: &Value| cron_job["spec"]["schedule"] == YEARLY;
    kubectl
        .wait(PATIENCE, "cronjob", "wikimedia-pageviews", follows)
        .expect("it follows");
    assert_eq!(
        &kubectl.get("job", name).expect("the run goes on")["metadata"]["uid"],
        uid
    );

    // No such source any more: nothing is started, and what was started ends.
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .remove(0);
    world.apply(&resource);
    let rests = |cron_job: &Value| cron_job["spec"]["suspend"] == true;
    kubectl
        .wait(SOON, "cronjob", "wikimedia-pageviews", rests)
        .expect("it rests");
    let running = kubectl.get("job", name).expect("the run still goes on");
    assert_eq!(
        (&running["metadata"]["uid"], &running["status"]["active"]),
        (uid, &json!(1))
    );
    world.replay.replay.set_faults("").expect("no fault");
    kubectl
        .gone(PATIENCE, "cronjob", "wikimedia-pageviews")
        .expect("the CronJob goes");
    let units = world
        .mariadb
        .warehouse
        .number("SELECT COUNT(*) FROM ingest_ledger");
    assert!(units >= 2, "{units} files: the run did not end by itself");
}

#[test]
fn a_run_without_enough_memory_says_what_to_raise() {
    let world = world("oom");
    let mut resource = every_minute(&world);
    let memory = |limit: &str| json!({"limits": {"memory": limit}, "requests": {"memory": limit}});
    // Enough for the schema, which needs its own.
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
    resource["spec"]["workers"]["resources"] = memory("6Mi");
    world.apply(&resource);
    let kubectl = world.namespace.kubectl();
    let is_told = |ingest: &Value| {
        let told = ingest["status"]["conditions"].to_string();
        told.contains("raise spec.workers.resources.limits.memory")
    };
    kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", is_told)
        .expect("it says so");
    resource["spec"]["workers"]["resources"] = memory("256Mi");
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
    world.stands(PATIENCE, "LastRunSucceeded", "True", "Succeeded");
}
