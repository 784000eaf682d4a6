//! What happens to a cluster: a node that stops or loses all that runs on it, an API server that restarts, a kind that
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
use wikiingest_e2e::harness::kube::{Kubectl, OPERATOR_PODS, OperatorWorld as World, Writes, crd};
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

fn changes(world: &World) -> u64 {
    let count = "SELECT COUNT(*) FROM recent_changes";
    world.mariadb.warehouse.number(count)
}

fn kill_operator(kubectl: &Kubectl) {
    let pods = [
        "pod",
        "--selector=app.kubernetes.io/name=wikiingest-operator",
    ];
    let now = ["--grace-period=0", "--force", "--wait=false"];
    let args = [&["delete"], &pods[..], &now].concat();
    kubectl.run(&args).expect("it is killed");
}

#[test]
fn a_month_is_loaded_with_every_hour_once_whoever_and_whatever_is_killed() {
    let _alone = alone();
    let mut world = World::with("month", 0..HOURS_OF_A_MONTH, 12);
    world.secrets();
    let month = json!([{
        "name": "month", "parallelism": 4,
        "from": Hour(0).timestamp(), "to": Hour(HOURS_OF_A_MONTH).timestamp(),
    }]);
    world.apply(&world.views_only(&month));
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

/// Kubernetes' garbage collector has to have found the kind again after a restart: of a kind that goes before that, it never
/// learns that the children's owners are gone.
fn collector_is_back(world: &World) {
    let kubectl = world.namespace.kubectl();
    let mut canary = world.views_only(&json!([]));
    canary["metadata"]["name"] = "canary".into();
    canary["spec"]["suspend"] = true.into();
    world.apply(&canary);
    let made = kubectl.wait(PATIENCE, "configmap", "canary-workers", |_| true);
    made.expect("the operator makes its children");
    kubectl.delete("wikiingest", "canary").expect("it goes");
    kubectl
        .gone(LONG, "configmap", "canary-workers")
        .expect("it is collected");
}

#[test]
fn what_happens_to_the_cluster_ends_where_it_began() {
    let _alone = alone();
    let mut world = World::new("cluster-faults");
    world.secrets();
    let mut resource = world.resource();
    // Without the stream: the sample of it ends, and how long it is silent for is told by the minute.
    world.apply(&world.views_only(&resource["spec"]["sources"][0]["backfill"]));
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

    // The kind is deleted, and with it every resource and every child; the data stay. Without it the operator is not
    // ready, and says so.
    let operator_is = |ready: bool| {
        let deadline = Instant::now() + LONG;
        loop {
            let pods = kubectl.list("pod", OPERATOR_PODS).expect("pods");
            let is_so = |pod: &Value| pod["status"]["containerStatuses"][0]["ready"] == ready;
            if !pods.is_empty() && pods.iter().all(is_so) {
                return;
            }
            assert!(Instant::now() < deadline, "ready is not {ready}");
            sleep(Duration::from_secs(1));
        }
    };
    operator_is(true);
    collector_is_back(&world);
    kubectl
        .run(&["delete", "crd", "wikiingests.wikiingest.dev"])
        .expect("it is deleted");
    let deadline = Instant::now() + LONG;
    while !world.versions().is_empty() {
        assert!(Instant::now() < deadline, "{:?} stay", world.versions());
        sleep(Duration::from_secs(1));
    }
    operator_is(false);
    crd(&kubectl).expect("the CRD is there again");
    operator_is(true);
    follows(&world);
    let loaded = kubectl.wait(PATIENCE, "wikiingest", "wikimedia", is_loaded);
    loaded.expect("the backfill finds everything there");
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(changes(&world), EVENTS);
}
