//! What happens to a cluster: workers that fail in every way, a node that stops, an API server that restarts, a kind that
//! is deleted. Each ends in the right status, with the right children, and with every row once.
//!
//! A fault here is everybody's, so that one test runs at a time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wikiingest_e2e::cluster::NODE;
use wikiingest_e2e::harness::Hour;
use wikiingest_e2e::harness::kube::{Kubectl, OperatorWorld as World, ReplayPod, Writes, crd};
use wikiingest_e2e::process::capture;

/// For what takes a pod or two.
const PATIENCE: Duration = Duration::from_mins(3);
/// For a cluster that has to come back first.
const LONG: Duration = Duration::from_mins(5);
/// How long nothing may be written when nothing happens.
const IDLE: Duration = Duration::from_mins(2);
/// Events in the sample of the stream.
const EVENTS: u64 = 144;
const HOURS_OF_A_MONTH: u16 = 31 * 24;

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn docker(args: &[&str]) {
    let mut docker = wikiingest_e2e::cluster::docker().expect("an engine");
    capture(docker.args(args)).expect("the engine does it");
}

/// Runs a script on the node.
fn on_node(script: &str) {
    docker(&["exec", NODE, "sh", "-c", script]);
}

/// Waits until the API server answers.
fn is_back(kubectl: &Kubectl) {
    let deadline = Instant::now() + LONG;
    while kubectl.run(&["get", "--raw", "/readyz"]).is_err() {
        assert!(Instant::now() < deadline, "the API server stays away");
        sleep(Duration::from_secs(1));
    }
}

/// A resource of page views only.
fn views_only(world: &World, backfill: &Value) -> Value {
    let mut resource = world.resource();
    let sources = &mut resource["spec"]["sources"];
    sources.as_array_mut().expect("sources").truncate(1);
    sources[0]["backfill"] = backfill.clone();
    resource
}

fn secrets(world: &World) {
    world.namespace.warehouse_secret().expect("a Secret");
    world.namespace.lake_secret().expect("a Secret");
}

fn changes(world: &World) -> u64 {
    let count = "SELECT COUNT(*) FROM recent_changes";
    world.mariadb.warehouse.number(count)
}

fn kill_operator(kubectl: &Kubectl) {
    let pods = ["pod", "--selector=app=wikiingest-operator"];
    let now = ["--grace-period=0", "--force", "--wait=false"];
    let args = [&["delete"], &pods[..], &now].concat();
    kubectl.run(&args).expect("it is killed");
}

#[test]
fn a_month_is_loaded_with_every_hour_once_whoever_and_whatever_is_killed() {
    let _alone = alone();
    let mut world = World::with("month", 0..HOURS_OF_A_MONTH, 12);
    secrets(&world);
    let month = json!([{
        "name": "month", "parallelism": 4,
        "from": Hour(0).timestamp(), "to": Hour(HOURS_OF_A_MONTH).timestamp(),
    }]);
    world.apply(&views_only(&world, &month));
    let kubectl = world.namespace.kubectl().clone();
    let loaded = |days: i64| {
        let is_so = move |ingest: &Value| {
            ingest["status"]["backfills"][0]["completed"].as_i64() >= Some(days)
        };
        let found = kubectl.wait(LONG * 2, "wikiingest", "wikimedia", is_so);
        found.expect("the backfill goes on")["status"]["backfills"][0].clone()
    };
    let status = loaded(3);
    assert_eq!(status["total"], 31, "{status}");
    kill_operator(&kubectl);
    loaded(9);
    // Whatever runs on the node (what has just ended cannot be killed): the stores, the workers, the operator, the API server and its store.
    on_node(
        "ctr -n k8s.io tasks ls -q | xargs -n 1 ctr -n k8s.io tasks kill --signal SIGKILL; true",
    );
    is_back(&kubectl);
    loaded(15);
    kill_operator(&kubectl);
    let status = loaded(31);
    assert_eq!(
        (&status["phase"], &status["percent"], &status["missing"]),
        (&json!("Complete"), &json!(100), &json!(0)),
        "{status}"
    );
    world.again();
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    let objects = world.s3.lake.objects();
    assert_eq!(objects.len(), usize::from(HOURS_OF_A_MONTH));
}

#[test]
fn a_run_that_fails_is_tried_again_and_the_next_one_does_what_it_can() {
    let _alone = alone();
    let world = World::new("failing");
    secrets(&world);
    let kubectl = world.namespace.kubectl();
    let run = |resource: &Value, token: &str| {
        let mut resource = resource.clone();
        resource["metadata"]["annotations"] = json!({"wikiingest.dev/run-now": token});
        world.apply(&resource);
    };
    let pods = || {
        let batch = "app.kubernetes.io/component=batch";
        kubectl.list("pod", batch).expect("a list").len()
    };

    // Nobody answers there: the Job tries again, then gives up, and the resource stays ready for the next run.
    let mut resource = views_only(&world, &json!([]));
    resource["spec"]["sources"][0]["baseUrl"] = json!("http://replay:1");
    run(&resource, "one");
    let status = world.stands(LONG, "LastRunSucceeded", "False", "RunFailed");
    assert_eq!(status["sources"][0]["lastRun"]["exitCode"], 1, "{status}");
    let said = status["conditions"].to_string();
    assert!(said.contains("source pageviews: "), "{said}");
    assert!(pods() > 1, "it was tried {} times", pods());
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // Mended, the next run does what it can.
    resource["spec"]["sources"][0]["baseUrl"] = json!(ReplayPod::BASE_URL);
    run(&resource, "two");
    world.stands(PATIENCE, "LastRunSucceeded", "True", "Succeeded");
}

#[test]
fn a_backfill_without_enough_memory_says_so_and_goes_on_with_more() {
    let _alone = alone();
    let world = World::with("memory", 5..6, 20_000);
    secrets(&world);
    let kubectl = world.namespace.kubectl();
    let hour = json!([{
        "name": "hour", "from": Hour(5).timestamp(), "to": Hour(6).timestamp(),
    }]);
    let mut resource = views_only(&world, &hour);
    let memory = |limit: &str| json!({"limits": {"memory": limit}, "requests": {"memory": limit}});
    resource["spec"]["workers"]["resources"] = memory("6Mi");
    world.apply(&resource);
    let is_told = |ingest: &Value| {
        let backfill = &ingest["status"]["backfills"][0];
        let said = backfill["message"].as_str().unwrap_or_default();
        backfill["phase"] == "Failed" && said.contains("raise spec.workers.resources.limits.memory")
    };
    let told = kubectl.wait(LONG, "wikiingest", "wikimedia", is_told);
    told.expect("it says that memory was short");
    resource["spec"]["workers"]["resources"] = memory("256Mi");
    world.apply(&resource);
    let is_loaded = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Complete";
    let loaded = kubectl.wait(LONG, "wikiingest", "wikimedia", is_loaded);
    loaded.expect("it is loaded with more memory");
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
}

#[test]
fn what_happens_to_the_cluster_ends_where_it_began() {
    let _alone = alone();
    let mut world = World::new("cluster-faults");
    secrets(&world);
    let mut resource = world.resource();
    // Without the stream: the sample of it ends, and how long it is silent for is told by the minute.
    world.apply(&views_only(
        &world,
        &resource["spec"]["sources"][0]["backfill"],
    ));
    let is_loaded = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Complete";
    let kubectl = world.namespace.kubectl().clone();
    let loaded = kubectl.wait(PATIENCE, "wikiingest", "wikimedia", is_loaded);
    loaded.expect("the backfill ends");
    world.stands(PATIENCE, "Ready", "True", "Ready");
    // The schedule of the CronJob is as the spec says in bounded time: the operator is at work.
    let mut minute = 0;
    let mut follows = |world: &World| {
        minute += 1;
        let cron = format!("{minute} 0 1 1 *");
        resource["spec"]["sources"][0]["schedule"]["cron"] = json!(cron);
        world.apply(&resource);
        let is_so = |cron_job: &Value| cron_job["spec"]["schedule"] == cron;
        let found = kubectl.wait(PATIENCE, "cronjob", "wikimedia-pageviews", is_so);
        found.expect("the operator follows the spec");
        world.stands(LONG, "Ready", "True", "Ready");
    };

    // Nothing happens: nothing is written.
    sleep(Duration::from_secs(10));
    let versions = world.versions();
    let before = kubectl.writes().expect("the API server's count");
    sleep(IDLE);
    let written = kubectl.writes().expect("the API server's count") - before;
    assert_eq!(written, Writes::default());
    assert_eq!(world.versions(), versions);

    follows(&world);
    world.stands(PATIENCE, "StreamAvailable", "True", "Available");

    // The node stops for longer than the operator's Lease lasts, and goes on.
    docker(&["pause", NODE]);
    sleep(Duration::from_secs(30));
    docker(&["unpause", NODE]);
    is_back(&kubectl);
    follows(&world);

    // The API server restarts.
    on_node("pkill -KILL kube-apiserver");
    sleep(Duration::from_secs(2));
    is_back(&kubectl);
    follows(&world);

    // The node restarts, with all that is on it.
    docker(&["restart", "--time", "5", NODE]);
    is_back(&kubectl);
    follows(&world);
    world.again();
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(changes(&world), EVENTS);

    // The kind is deleted, and with it every resource and every child; the data stay.
    kubectl
        .run(&["delete", "crd", "wikiingests.wikiingest.dev"])
        .expect("it is deleted");
    let deadline = Instant::now() + LONG;
    while !world.versions().is_empty() {
        assert!(Instant::now() < deadline, "{:?} stay", world.versions());
        sleep(Duration::from_secs(1));
    }
    crd(&kubectl).expect("the CRD is there again");
    follows(&world);
    let loaded = kubectl.wait(PATIENCE, "wikiingest", "wikimedia", is_loaded);
    loaded.expect("the backfill finds everything there");
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(changes(&world), EVENTS);
}
