//! The chart on a cluster: from nothing to rows, through upgrades and back, to nothing again.
//!
//! The CRD, and an operator of all namespaces, are the whole cluster's, so that one test runs at a time.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wikiingest_e2e::cluster::NODE;
use wikiingest_e2e::harness::Hour;
use wikiingest_e2e::harness::kube::{
    Chart, Cluster, Helm, Kubectl, Namespace, OperatorWorld as World, crd, operator_values,
};
use wikiingest_e2e::process::capture;

/// For what takes a pod or two.
const PATIENCE: Duration = Duration::from_mins(3);
/// What is looked for between two looks.
const GLANCE: Duration = Duration::from_millis(200);
/// The release.
const RELEASE: &str = "wikiingest";
/// Events in the sample of the stream.
const EVENTS: u64 = 144;

fn alone() -> MutexGuard<'static, ()> {
    static ONE: Mutex<()> = Mutex::new(());
    ONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A release of the chart in a namespace of its own.
struct Release {
    helm: Helm,
    kubectl: Kubectl,
    namespace: Namespace,
}

impl Release {
    /// Nothing is installed yet, and the CRD is not there.
    fn none(name: &str) -> Self {
        let cluster = Cluster::connect().expect("the cluster is up");
        let kubectl = cluster.kubectl().expect("kubectl");
        kubectl
            .delete("crd", "wikiingests.wikiingest.dev")
            .expect("the CRD goes");
        let namespace = cluster.namespace(name).expect("a namespace");
        let helm = cluster.helm(namespace.name()).expect("helm");
        Self {
            helm,
            kubectl,
            namespace,
        }
    }

    fn helm(&self, args: &[&str]) -> String {
        self.helm
            .run(args)
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// `install` or `upgrade`, until all is as it should be.
    fn apply(&self, how: &str, chart: &Chart, over: &Value) {
        let args = [how, RELEASE, "--wait=watcher", "--timeout=3m"];
        let values = operator_values(over).to_string();
        self.helm
            .with(&args, chart, &values)
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// All objects of a release, with their kinds, in and out of its namespace.
    fn objects(&self, release: &str) -> Vec<String> {
        let kinds = "deployments,pods,services,serviceaccounts,configmaps,leases,roles,rolebindings,\
                     clusterroles,clusterrolebindings,networkpolicies,poddisruptionbudgets,\
                     customresourcedefinitions";
        let label = format!(
            "--selector=app.kubernetes.io/instance={release},app.kubernetes.io/part-of=wikiingest"
        );
        let args = ["get", kinds, "--all-namespaces", &label, "--output=name"];
        let found = self.kubectl.run(&args).expect("a list");
        found.lines().map(str::to_owned).collect()
    }

    /// These objects are what is left of it, once its pods, which helm does not wait for, are gone.
    fn leaves(&self, expected: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = self.objects(RELEASE);
            if left == expected {
                return;
            }
            assert!(Instant::now() < deadline, "{left:?} is left");
            sleep(GLANCE);
        }
    }
}

impl Drop for Release {
    fn drop(&mut self) {
        // What is the whole cluster's would stay.
        let _ = self
            .helm
            .run(&["uninstall", RELEASE, "--ignore-not-found", "--wait"]);
        let _ = self.kubectl.delete("crd", "wikiingests.wikiingest.dev");
        // The other suites' operators wait for it.
        let _ = crd(&self.kubectl);
    }
}

fn work_tree() -> Chart {
    Chart::of_the_work_tree().expect("the chart")
}

/// Waits for a number of rows, and says when the first of them was there.
fn rows(world: &World, table: &str, count: u64) -> Instant {
    let deadline = Instant::now() + PATIENCE;
    let mut first = None;
    loop {
        let query =
            format!("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '{table}'");
        let there = world.mariadb.warehouse.number(&query) > 0;
        let rows = if there {
            world
                .mariadb
                .warehouse
                .number(&format!("SELECT COUNT(*) FROM {table}"))
        } else {
            0
        };
        if rows > 0 && first.is_none() {
            first = Some(Instant::now());
        }
        match first {
            Some(first) if rows >= count => return first,
            _ => assert!(Instant::now() < deadline, "{rows} rows of {table}"),
        }
        sleep(GLANCE);
    }
}

/// The versions of what the operator made, once Kubernetes' own controllers have done with it: a Job is written once more
/// after it is complete.
fn settled(world: &World) -> BTreeMap<String, String> {
    let deadline = Instant::now() + PATIENCE;
    let mut before = world.versions();
    loop {
        sleep(Duration::from_secs(3));
        let now = world.versions();
        if now == before {
            return now;
        }
        assert!(Instant::now() < deadline, "{before:?} is not yet at rest");
        before = now;
    }
}

/// The uids of the Jobs of backfills.
fn backfills(world: &World) -> Vec<String> {
    let kubectl = world.namespace.kubectl();
    let jobs = kubectl
        .list("job", "app.kubernetes.io/component=backfill")
        .expect("a list");
    let mut uids: Vec<_> = jobs
        .iter()
        .map(|job| job["metadata"]["uid"].to_string())
        .collect();
    uids.sort();
    uids
}

#[test]
fn one_install_and_one_resource_become_rows_and_objects_and_nothing_stays_but_what_shall() {
    let _alone = alone();
    let world = World::without_operator("fresh", 5..7, 300);
    world.secrets();
    let release = Release::none("release");
    let began = Instant::now();
    release.apply("install", &work_tree(), &json!({}));
    let installed = began.elapsed();
    world.apply(&world.resource());
    let ready = [
        "wait",
        "--for=condition=Ready",
        "wikiingest/wikimedia",
        "--timeout=180s",
    ];
    world
        .namespace
        .kubectl()
        .run(&ready)
        .expect("it becomes ready");
    let first = rows(&world, "recent_changes", EVENTS);
    rows(&world, "pageviews_hourly", 1);
    let done = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Complete";
    let kubectl = world.namespace.kubectl();
    kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", done)
        .expect("the backfill ends");
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(world.s3.lake.objects().len(), 2);
    let _ = writeln!(
        std::io::stderr(),
        "from helm install to the first row: {:.1} s, of which {:.1} s until helm was content",
        first.duration_since(began).as_secs_f64(),
        installed.as_secs_f64(),
    );
    release.helm(&["test", RELEASE, "--timeout=1m"]);

    // Once more changes nothing.
    let before = settled(&world);
    release.apply("upgrade", &work_tree(), &json!({}));
    sleep(Duration::from_secs(5));
    assert_eq!(world.versions(), before);

    // What is kept is the CRD, the resource, and what it is doing.
    release.helm(&["uninstall", RELEASE, "--wait", "--timeout=2m"]);
    release.leaves(&["customresourcedefinition.apiextensions.k8s.io/wikiingests.wikiingest.dev"]);
    let secrets = release
        .namespace
        .kubectl()
        .list("secret", "owner=helm")
        .expect("a list");
    assert_eq!(secrets, [Value::Null; 0]);
    kubectl
        .get("wikiingest", "wikimedia")
        .expect("the resource stays");
    assert_eq!(world.versions().len(), before.len());

    // Installed again, it finds all of it, and a CRD that it once made.
    release.apply("install", &work_tree(), &json!({"crds": {"keep": false}}));
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // Asked to keep nothing, it keeps nothing but data.
    release.helm(&["uninstall", RELEASE, "--wait", "--timeout=2m"]);
    release.leaves(&[]);
    let deadline = Instant::now() + PATIENCE;
    while !world.versions().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", world.versions());
        sleep(GLANCE);
    }
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
}

#[test]
fn in_listed_namespaces_it_needs_no_rights_of_the_whole_cluster() {
    let _alone = alone();
    let (one, two, other) = (
        World::without_operator("one", 5..6, 50),
        World::without_operator("two", 5..6, 50),
        World::without_operator("other", 5..6, 50),
    );
    let release = Release::none("listed");
    crd(&release.kubectl).expect("somebody who may installs the CRD");
    let listed = [one.namespace.name(), two.namespace.name()];
    release.apply(
        "install",
        &work_tree(),
        &json!({"crds": {"install": false}, "watchNamespaces": listed}),
    );
    let all = release.objects(RELEASE);
    let of_cluster = all.iter().filter(|name| name.starts_with("cluster"));
    assert_eq!(of_cluster.collect::<Vec<_>>(), [""; 0]);
    for world in [&one, &two, &other] {
        world.secrets();
        world.apply(&world.resource());
    }
    for world in [&one, &two] {
        world.stands(PATIENCE, "Ready", "True", "Ready");
        rows(world, "recent_changes", EVENTS);
    }
    // Where it was not told to look, it did not.
    let ingest = other
        .namespace
        .kubectl()
        .get("wikiingest", "wikimedia")
        .expect("a resource");
    assert_eq!(ingest["status"], json!({"observedGeneration": -1}));
    assert_eq!(other.versions().len(), 0);
}

/// The chart as it was one commit ago, if the history is here.
fn former(dir: &Path) -> Option<Chart> {
    let root: PathBuf = work_tree().dir().join("../..");
    let git = |args: &[&str]| capture(Command::new("git").current_dir(&root).args(args));
    let archive = dir.join("chart.tar");
    let path = archive.display().to_string();
    git(&["archive", "--output", &path, "HEAD~1", "charts/wikiingest"]).ok()?;
    let mut tar = Command::new("tar");
    capture(tar.arg("-xf").arg(&archive).arg("-C").arg(dir)).ok()?;
    let chart = dir.join("charts/wikiingest");
    chart
        .join("Chart.yaml")
        .is_file()
        .then(|| Chart::at(&chart))
}

#[test]
fn an_upgrade_and_a_way_back_harm_nothing_that_is_loaded_or_at_work() {
    let _alone = alone();
    let dir = tempfile::tempdir().expect("a folder");
    let Some(former) = former(dir.path()) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: there is no history here to take the former chart from"
        );
        return;
    };
    let world = World::without_operator("upgrade", 0..6, 300);
    world.secrets();
    let release = Release::none("upgrades");
    release.apply("install", &former, &json!({}));
    let mut resource = world.resource();
    resource["spec"]["sources"][0]["backfill"] =
        json!([{"name": "night", "from": Hour(0).timestamp(), "to": Hour(6).timestamp()}]);
    // As slow as a large file on a bad day, so that there is something at work.
    world.replay.replay.set_faults("slow=1k").expect("a fault");
    world.apply(&resource);
    rows(&world, "recent_changes", EVENTS);
    let kubectl = world.namespace.kubectl();
    let running = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Running";
    kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", running)
        .expect("the backfill runs");
    let (ingest, jobs) = (
        kubectl.get("wikiingest", "wikimedia").expect("it is there"),
        backfills(&world),
    );
    assert!(!jobs.is_empty());

    // The next version has images of another name.
    for name in ["operator", "workers"] {
        let image = format!("docker.io/wikiingest/{name}");
        let tag = format!("ctr -n k8s.io images tag --force {image}:e2e {image}:e2e-next");
        capture(
            wikiingest_e2e::cluster::docker()
                .expect("an engine")
                .args(["exec", NODE, "sh", "-c", &tag]),
        )
        .expect("it is tagged");
    }
    let next = json!({"image": {"tag": "e2e-next"}, "workers": {"image": {"tag": "e2e-next"}}});
    release.apply("upgrade", &work_tree(), &next);
    let now = kubectl
        .get("wikiingest", "wikimedia")
        .expect("it is still there");
    assert_eq!(now["metadata"]["uid"], ingest["metadata"]["uid"]);
    assert_eq!(now["spec"], ingest["spec"]);
    let is_next = |found: &Value| {
        found["spec"]["template"]["spec"]["containers"][0]["image"] == "wikiingest/workers:e2e-next"
    };
    kubectl
        .wait(PATIENCE, "deployment", "wikimedia-edits", is_next)
        .expect("the stream follows");
    // What was at work is not begun anew.
    assert_eq!(backfills(&world), jobs);
    world.replay.replay.set_faults("").expect("no fault");
    let done = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Complete";
    kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", done)
        .expect("the backfill ends");
    world.stands(PATIENCE, "Ready", "True", "Ready");

    release.helm(&["rollback", RELEASE, "1", "--wait=watcher", "--timeout=3m"]);
    let is_former = |found: &Value| {
        found["spec"]["template"]["spec"]["containers"][0]["image"] == "wikiingest/workers:e2e"
    };
    kubectl
        .wait(PATIENCE, "deployment", "wikimedia-edits", is_former)
        .expect("the stream goes back");
    let status = world.stands(PATIENCE, "Ready", "True", "Ready");
    assert_eq!(status["backfills"][0]["phase"], "Complete", "{status}");
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(
        world
            .mariadb
            .warehouse
            .number("SELECT COUNT(*) FROM recent_changes"),
        EVENTS
    );
    assert_eq!(world.s3.lake.objects().len(), 6);
    let deployment = release
        .namespace
        .kubectl()
        .list("deployment", "app.kubernetes.io/part-of=wikiingest");
    assert_eq!(deployment.expect("a list").len(), 1);
}
