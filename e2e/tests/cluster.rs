//! On a real Kubernetes: the images that users build, under the strictest pod security, beside the servers as pods.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use wikiingest_e2e::Error;
use wikiingest_e2e::harness::kube::{Cluster, Content, ReplayPod, restricted};
use wikiingest_e2e::harness::{Config, Dump, Hour};
use wikiingest_e2e::process::{capture, until};

fn cluster() -> Cluster {
    Cluster::connect().expect("the cluster is up")
}

#[test]
fn a_worker_in_a_pod_loads_hours_into_servers_in_pods() {
    let namespace = cluster().namespace("batch").expect("a namespace");
    let dir = wikiingest_e2e::scratch::dir("dumps").expect("a temporary folder");
    let dump = Dump::new(dir.path());
    let mut expected = dump.generated(Hour(5), 500);
    expected += dump.generated(Hour(6), 500);
    let replay = namespace
        .replay(Content::Dump(&dump), &[])
        .expect("the stand-in starts");
    let (mariadb, s3) = namespace.stores().expect("the stores start");
    let config = Config::pageviews(ReplayPod::BASE_URL, Hour(5), Hour(7))
        .sink("warehouse", mariadb.sink(), mariadb.warehouse.secrets())
        .sink("lake", s3.sink(), s3.lake.secrets());

    // From here, the stand-in is told to break the first download off.
    replay
        .replay
        .set_faults("cut@1k*1~-060000.gz")
        .expect("the stand-in understands");
    let migrated = namespace.run_worker("migrate", &["wikiingest-batch", "migrate"], &config);
    let _ = migrated.expect("the pod ends").expect(0);
    let run = namespace.run_worker("run", &["wikiingest-batch", "run"], &config);
    let run = run.expect("the pod ends").expect(0);

    let report = run.report();
    assert_eq!(report["loaded"], json!(2), "{report}");
    assert_eq!(report["rows"], json!(expected.rows), "{report}");
    assert_eq!(mariadb.warehouse.tally("pageviews_hourly"), expected);
    let objects = s3.lake.objects();
    assert_eq!(objects.len(), 2, "{objects:?}");
    let is_parquet = |name: &String| name.starts_with("pageviews_hourly/dt=2024-08-03/");
    assert!(objects.iter().all(is_parquet), "{objects:?}");
    let counters = replay.replay.counters().expect("the stand-in answers");
    assert_ne!(counters, json!({}));
}

#[test]
fn the_stand_in_publishes_samples_and_a_stream() {
    let namespace = cluster().namespace("replay").expect("a namespace");
    let replay = namespace
        .replay(Content::Events, &["--pace", "max"])
        .expect("the stand-in starts");
    let published = || match replay.replay.published_ids() {
        Ok(ids) if ids.len() == 144 => Ok(()),
        Ok(ids) => Err(Error::other(format!("{} events", ids.len()))),
        Err(error) => Err(error),
    };
    until(Duration::from_secs(30), published).expect("all events are published");
    drop(replay);
    let replay = namespace
        .replay(Content::Samples, &[])
        .expect("it starts anew, with something else to serve");
    let stream = replay.replay.stream_counters();
    assert!(stream.is_err(), "it still has a stream: {stream:?}");
    replay.replay.counters().expect("it answers");
}

#[test]
fn the_profile_is_enforced() {
    let namespace = cluster().namespace("profile").expect("a namespace");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "root"},
        "spec": {"containers": [{
            "name": "root", "image": "wikiingest/workers:e2e", "imagePullPolicy": "Never",
            "securityContext": {"runAsUser": 0},
        }]},
    });
    let refused = namespace.kubectl().apply(&pod.to_string());
    let refused = refused.expect_err("root is let in").to_string();
    assert!(refused.contains("restricted"), "{refused}");
}

#[test]
fn the_operators_image_runs() {
    let namespace = cluster().namespace("operator").expect("a namespace");
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "crd"},
        "spec": {
            "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "crd", "image": "wikiingest/operator:e2e", "imagePullPolicy": "Never",
                "args": ["crd"], "securityContext": restricted(),
            }],
        },
    });
    let kubectl = namespace.kubectl();
    kubectl.apply(&pod.to_string()).expect("it is let in");
    let is_done = |pod: &Value| pod["status"]["phase"] == "Succeeded";
    kubectl
        .wait(Duration::from_mins(1), "pod", "crd", is_done)
        .expect("it ends well");
    let crd = kubectl.logs("crd").expect("it has printed something");
    assert!(crd.contains("wikiingests.wikiingest.dev"), "{crd}");
}

#[test]
fn status_says_what_is_up_and_how_to_reach_it() {
    let _cluster = cluster();
    let program = env!("CARGO_BIN_EXE_wikiingest-e2e");
    let said = capture(Command::new(program).args(["cluster", "status"])).expect("it is up");
    for part in [
        "wikiingest-control-plane: running",
        "image       wikiingest/operator:e2e sha256:",
        "ready",
        "kubeconfig  /",
    ] {
        assert!(said.contains(part), "{part:?} is not in:\n{said}");
    }
}
