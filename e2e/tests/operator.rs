//! The operator on a real Kubernetes: from `kubectl apply` of a resource to rows and objects, and through what people do
//! to a resource afterwards.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

#[path = "../../crds/tests/corpus/mod.rs"]
#[expect(dead_code, reason = "some of it is for the tests without a cluster")]
mod corpus;

use std::time::{Duration, Instant};

use corpus::EXAMPLE;
use jiff::Timestamp;
use serde_json::{Value, json};
use wikiingest_e2e::bench::generate::Archive;
use wikiingest_e2e::harness::Hour;
use wikiingest_e2e::harness::kube::{
    Cluster, Forward, OPERATOR_PODS, OperatorWorld as World, ReplayPod,
};
use wikiingest_e2e::http;
use wikiingest_e2e::servers::mariadb;

/// For what takes a pod or two.
const PATIENCE: Duration = Duration::from_mins(3);
/// For what is tried several times.
const LONG: Duration = Duration::from_mins(8);
/// For what takes none.
const SOON: Duration = Duration::from_secs(30);
/// Events in the sample of the stream.
const EVENTS: u64 = 144;

#[test]
fn a_resource_becomes_rows_and_objects_and_tells_how_it_stands() {
    let world = World::new("whole");
    let kubectl = world.namespace.kubectl();
    let resource = world.resource();

    // A Secret that is not there yet is named, and nothing is started without it.
    world.apply(&resource);
    world.namespace.lake_secret().expect("a Secret");
    let status = world.stands(SOON, "Stalled", "True", "SecretNotFound");
    let said = status["conditions"].to_string();
    assert!(
        said.contains("there is no Secret warehouse: create it"),
        "{said}"
    );
    assert_eq!(world.versions().len(), 0, "children without their Secret");

    // With it: the schema, the backfill and the stream, in pods under the restricted profile.
    world.namespace.warehouse_secret().expect("a Secret");
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let ready = [
        "wait",
        "--for=condition=Ready",
        "wikiingest/wikimedia",
        "--timeout=10s",
    ];
    kubectl.run(&ready).expect("kubectl wait reads it, too");
    // Its last pod may be seen to end after it.
    let is_done = |ingest: &Value| {
        let backfill = &ingest["status"]["backfills"][0];
        backfill["phase"] == "Complete" && backfill["rows"] == world.expected.rows
    };
    let done = kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", is_done)
        .expect("the backfill ends, with every row counted once");
    let backfill = &done["status"]["backfills"][0];
    assert_eq!(
        (&backfill["completed"], &backfill["total"]),
        (&json!(2), &json!(2)),
        "{backfill}"
    );
    assert_eq!(backfill["percent"], json!(100), "{backfill}");
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(edits_in(&world, EVENTS), EVENTS);
    let objects = world.s3.lake.objects();
    assert_eq!(objects.len(), 2, "{objects:?}");

    operator_tells(&world);

    // A backfill that is done is not run again, even when its Job is gone.
    let job = backfill["job"].as_str().expect("a name");
    let expires = |job: &Value| job["spec"]["ttlSecondsAfterFinished"] == 86_400;
    kubectl
        .wait(SOON, "job", job, expires)
        .expect("the Job expires");
    kubectl.delete("job", job).expect("it is deleted");

    // Once more changes nothing.
    let before = world.versions();
    world.apply(&resource);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(world.versions(), before);
    let job = format!("job/{job}");
    assert!(!before.contains_key(&job), "{job} was made again");
}

/// What the operator tells Prometheus of itself, and of a resource that is ready and reads a stream.
fn operator_tells(world: &World) {
    let operator = "deployment/wikiingest-operator";
    let forward = Forward::new(world.namespace.kubectl(), operator, &[8080]).expect("a tunnel");
    let lag = format!(
        r#"wikiingest_operator_source_lag_seconds{{namespace="{}",name="wikimedia",source="edits"}}"#,
        world.namespace.name()
    );
    let wanted = [
        "wikiingest_operator_leader 1",
        "wikiingest_operator_queue ",
        "wikiingest_operator_reconciles_total ",
        &lag,
    ];
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = http::get(forward.port(), "/metrics")
            .expect("metrics")
            .text();
        if wanted.iter().all(|line| text.contains(line)) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not all of {wanted:?} in\n{text}"
        );
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn every_kind_of_source_becomes_rows_and_objects() {
    let (world, published) = World::of_all_archives("kinds");
    world.secrets();
    world.apply(&world.all_kinds());
    let are_done = |ingest: &Value| {
        let backfills = ingest["status"]["backfills"].as_array();
        backfills.is_some_and(|backfills| {
            let mut phases = backfills.iter().map(|backfill| &backfill["phase"]);
            backfills.len() == published.len() && phases.all(|phase| phase == "Complete")
        })
    };
    let kubectl = world.namespace.kubectl();
    let done = kubectl.wait(LONG, "wikiingest", "wikimedia", are_done);
    let done = done.expect("the backfills end");
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let objects = world.s3.lake.objects();
    for (archive, expected) in published {
        let facts = archive.facts();
        assert_eq!(world.mariadb.warehouse.tally(facts), expected, "{done}");
        let folder = format!("{facts}/");
        let of_archive = objects.iter().filter(|object| object.starts_with(&folder));
        assert_eq!(of_archive.count(), 1, "{objects:?}");
    }
    assert_eq!(edits_in(&world, EVENTS), EVENTS);
}

/// How many edits are in the warehouse, once there are so many or they are late.
fn edits_in(world: &World, enough: u64) -> u64 {
    let edits = "SELECT COUNT(*) FROM recent_changes";
    let deadline = Instant::now() + SOON;
    loop {
        let rows = world.mariadb.warehouse.number(edits);
        if rows >= enough || Instant::now() > deadline {
            return rows;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn what_the_sinks_keep_no_longer_goes_in_a_daily_run_that_is_told_of() {
    let world = World::with("retention", 5..10, 300);
    world.secrets();
    let kubectl = world.namespace.kubectl();
    let mut resource = world.resource();
    resource["spec"]["sources"][0]["backfill"][0]["to"] = json!(Hour(10).timestamp());
    world.apply(&resource);
    let is_done = |ingest: &Value| ingest["status"]["backfills"][0]["phase"] == "Complete";
    let done = kubectl.wait(PATIENCE, "wikiingest", "wikimedia", is_done);
    done.expect("the backfill ends");
    assert_eq!(edits_in(&world, EVENTS), EVENTS);

    // The first two hours are too old for the warehouse, or three, as the clock goes on; the stream's source is gone.
    let limit: Timestamp = Hour(7).timestamp().parse().expect("a time");
    let hours = Timestamp::now().duration_since(limit).as_hours();
    resource["spec"]["sinks"][0]["singleStore"]["retention"] =
        json!({"pageviews": format!("{hours}h"), "recentChanges": "30d"});
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .truncate(1);
    world.apply(&resource);
    let deadline = Instant::now() + SOON;
    let cron_job = loop {
        let found = kubectl.list("cronjob", "app.kubernetes.io/component=retention");
        if let [found] = &found.expect("a list")[..] {
            break found["metadata"]["name"]
                .as_str()
                .expect("a name")
                .to_owned();
        }
        assert!(Instant::now() < deadline, "there is no CronJob");
        std::thread::sleep(Duration::from_millis(200));
    };
    let from = format!("--from=cronjob/{cron_job}");
    let made = kubectl.run(&["create", "job", "now", &from]);
    made.expect("a Job is made of it");
    let has_run = |ingest: &Value| ingest["status"]["retention"]["lastRun"]["job"] == "now";
    let told = kubectl.wait(PATIENCE, "wikiingest", "wikimedia", has_run);
    let run = told.expect("the run is told of")["status"]["retention"]["lastRun"].clone();
    assert_eq!(run["exitCode"], 0, "{run}");
    assert!(run["rows"].as_u64() > Some(EVENTS), "{run}");
    assert_eq!(run["objects"], 0, "the lake keeps everything: {run}");

    let left = |table: &str| {
        let times = format!("SELECT DISTINCT ts FROM {table} ORDER BY ts");
        world.mariadb.warehouse.query(&times).concat()
    };
    for table in Archive::Pageviews.tables() {
        let hours = left(table);
        assert!(
            hours.ends_with(&[8, 9].map(|hour| Hour(hour).ts())),
            "{table}: {hours:?}"
        );
        assert!(hours[0] >= Hour(7).ts(), "{table}: {hours:?}");
    }
    assert!(left("recent_changes").is_empty() && left("recent_changes_minute").is_empty());
    let in_ledger = "SELECT COUNT(*) FROM ingest_ledger";
    assert_eq!(world.mariadb.warehouse.number(in_ledger), 5);
    assert_eq!(world.s3.lake.objects().len(), 5);
}

#[test]
fn a_backfill_ends_with_every_hour_once_whoever_is_killed() {
    let world = World::with("backfill", 0..23, 300);
    world.secrets();
    let mut resource = world.resource();
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .truncate(1);
    // The range has a host of its own: at the source's nobody answers.
    resource["spec"]["sources"][0]["baseUrl"] = json!("http://replay:1");
    resource["spec"]["sources"][0]["backfill"] = json!([{
        "name": "day", "from": Hour(0).timestamp(), "to": Hour(23).timestamp(), "parallelism": 3,
        "baseUrl": ReplayPod::BASE_URL,
    }]);
    world.apply(&resource);
    let kubectl = world.namespace.kubectl();
    let loaded = |parts: i64| {
        let is_so = move |ingest: &Value| {
            ingest["status"]["backfills"][0]["completed"].as_i64() >= Some(parts)
        };
        kubectl
            .wait(PATIENCE, "wikiingest", "wikimedia", is_so)
            .expect("the backfill goes on")
    };
    let kill = |selector: &str| {
        let args = [
            "delete",
            "pod",
            "--selector",
            selector,
            "--grace-period=0",
            "--force",
            "--wait=false",
        ];
        kubectl.run(&args).expect("they are killed")
    };
    let status = loaded(2)["status"]["backfills"][0].clone();
    assert_eq!(
        (&status["phase"], &status["total"]),
        (&json!("Running"), &json!(23)),
        "{status}"
    );
    // A Job for each of the connections that it may have.
    let lanes = kubectl.list("job", "app.kubernetes.io/component=backfill");
    assert_eq!(lanes.expect("a list").len(), 3);
    kill(OPERATOR_PODS);
    loaded(8);
    kill("app.kubernetes.io/component=backfill");
    kill(OPERATOR_PODS);
    let status = loaded(23)["status"]["backfills"][0].clone();
    assert_eq!(
        (&status["phase"], &status["percent"]),
        (&json!("Complete"), &json!(100)),
        "{status}"
    );
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(world.s3.lake.objects().len(), 23);
}

#[test]
fn a_connection_to_the_dumps_host_is_one_pod_s_at_a_time() {
    let cluster = Cluster::connect().expect("the cluster is up");
    let namespace = cluster.namespace("connection").expect("a namespace");
    namespace.operator().expect("the operator starts");
    namespace.lake_secret().expect("a Secret");
    let kubectl = namespace.kubectl();
    // Nothing of it runs: it is due once a year.
    let resource = json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "metadata": {"name": "wikimedia"},
        "spec": {
            "contact": "https://example.org/wikiingest-tests",
            "sinks": [{"name": "lake", "s3": {
                "bucket": "lake", "region": "eu-west-1", "credentialsSecretRef": {"name": "lake"},
            }}],
            "sources": [{
                "name": "pageviews", "pageviews": {}, "schedule": {"cron": "0 0 1 1 *"}, "sinks": ["lake"],
            }],
        },
    });
    kubectl
        .apply(&resource.to_string())
        .expect("the server takes it");
    let cron_job = kubectl.wait(SOON, "cronjob", "wikimedia-pageviews", |_| true);
    let template = cron_job.expect("a CronJob")["spec"]["jobTemplate"]["spec"]["template"].clone();
    // Its pods, but for the program, which here only waits.
    let pod = |name: &str| {
        let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": template["metadata"], "spec": template["spec"]});
        pod["metadata"]["name"] = json!(name);
        let container = &mut pod["spec"]["containers"][0];
        container["image"] = json!("wikiingest/e2e-replay:e2e");
        container["command"] = json!([
            "wikimedia-replay",
            "--root",
            "/samples",
            "--listen",
            "0.0.0.0:8080"
        ]);
        container["args"] = json!([]);
        kubectl.apply(&pod.to_string()).expect("the pod is let in");
    };
    let runs = |pod: &Value| pod["status"]["phase"] == "Running";
    let waits = |pod: &Value| {
        pod["status"]["conditions"]
            .to_string()
            .contains("anti-affinity")
    };
    pod("one");
    kubectl
        .wait(PATIENCE, "pod", "one", runs)
        .expect("the first one runs");
    pod("two");
    kubectl
        .wait(PATIENCE, "pod", "two", waits)
        .expect("the second one waits");
    let gone = ["delete", "pod", "one", "--grace-period=0", "--force"];
    kubectl.run(&gone).expect("the first one ends");
    kubectl
        .wait(PATIENCE, "pod", "two", runs)
        .expect("the second one runs");
}

#[test]
fn backfills_of_the_dumps_host_take_turns_and_let_scheduled_runs_go_first() {
    let world = World::new("turns");
    let kubectl = world.namespace.kubectl();
    world.namespace.lake_secret().expect("a Secret");
    // Wikimedia's own host, which cannot be reached from here: whoever has a connection keeps it for long.
    let resource = |name: &str, suspend: bool| {
        let mut resource = world.resource();
        resource["metadata"]["name"] = json!(name);
        resource["spec"]["suspend"] = json!(suspend);
        let sinks = resource["spec"]["sinks"].as_array_mut().expect("sinks");
        sinks.remove(0);
        let sources = &mut resource["spec"]["sources"];
        sources.as_array_mut().expect("sources").truncate(1);
        sources[0]["baseUrl"] = Value::Null;
        sources[0]["sinks"] = json!(["lake"]);
        sources[0]["backfill"] = json!([{
            "name": "days", "from": "2024-08-01T00:00:00Z", "to": "2024-08-21T00:00:00Z", "parallelism": 2,
        }]);
        resource
    };
    let suspended = |owner: &str, count: usize| {
        let selector =
            format!("app.kubernetes.io/component=backfill,app.kubernetes.io/instance={owner}");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let lanes = kubectl.list("job", &selector).expect("a list");
            let held = lanes.iter().filter(|lane| lane["spec"]["suspend"] == true);
            let held = held.count();
            if lanes.len() == 2 && held == count {
                return;
            }
            let what = format!(
                "{held} of {} lanes of {owner} wait, not {count}",
                lanes.len()
            );
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_secs(1));
        }
    };
    world.apply(&resource("old", false));
    suspended("old", 0);
    world.apply(&resource("young", false));
    suspended("young", 2);
    // What is suspended keeps nobody waiting, and waits for its turn again when it goes on.
    world.apply(&resource("old", true));
    suspended("old", 2);
    suspended("young", 0);
    world.apply(&resource("old", false));
    suspended("old", 0);
    suspended("young", 2);
    // A scheduled run takes one of the two connections from them.
    let run = ["annotate", "wikiingest/young", "wikiingest.dev/run-now=one"];
    kubectl.run(&run).expect("it is annotated");
    suspended("old", 1);
    suspended("young", 2);
}

#[test]
fn a_run_is_made_when_asked_for_and_tells_what_is_missing() {
    let world = World::new("runs");
    let kubectl = world.namespace.kubectl();
    world.secrets();
    let mut resource = world.resource();
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .truncate(1);
    resource["spec"]["sources"][0]["backfill"] = json!([]);
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let annotate = |token: &str| {
        let annotation = format!("wikiingest.dev/run-now={token}");
        let args = [
            "annotate",
            "--overwrite",
            "wikiingest/wikimedia",
            &annotation,
        ];
        kubectl.run(&args).expect("it is annotated");
    };
    annotate("one");
    // The stand-in has nothing of the last two days: the run did what it could.
    let status = world.stands(PATIENCE, "DataComplete", "False", "FilesMissing");
    assert_eq!(status["lastHandledReconcileAt"], "one");
    assert_eq!(status["sources"][0]["lastRun"]["exitCode"], 2, "{status}");
    assert!(
        status["sources"][0]["missingCount"].as_i64() > Some(30),
        "{status}"
    );
    assert_eq!(status["sourcesReady"], "1/1");
    world.stands(SOON, "LastRunSucceeded", "True", "Succeeded");
    // The same token is acted on once, another one again.
    let runs = || {
        let selector = "app.kubernetes.io/component=batch";
        kubectl.list("job", selector).expect("a list").len()
    };
    assert_eq!(runs(), 1);
    annotate("two");
    let handled = |ingest: &Value| ingest["status"]["lastHandledReconcileAt"] == "two";
    kubectl
        .wait(SOON, "wikiingest", "wikimedia", handled)
        .expect("the second token is handled");
    assert_eq!(runs(), 2);
}

#[test]
fn a_run_that_fails_is_tried_again_and_the_next_one_does_what_it_can() {
    let world = World::new("failing");
    world.secrets();
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
    let mut resource = world.views_only(&json!([]));
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
    let world = World::with("memory", 5..6, 20_000);
    world.secrets();
    let kubectl = world.namespace.kubectl();
    let hour = json!([{
        "name": "hour", "from": Hour(5).timestamp(), "to": Hour(6).timestamp(),
    }]);
    let mut resource = world.views_only(&hour);
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
fn children_follow_the_spec_and_come_back_when_somebody_removes_them() {
    let world = World::new("edits");
    let kubectl = world.namespace.kubectl();
    world.secrets();
    let mut resource = world.resource();
    resource["spec"]["sources"][0]["backfill"] = json!([]);
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let cron_job = |is_so: &dyn Fn(&Value) -> bool| {
        let found = kubectl.wait(SOON, "cronjob", "wikimedia-pageviews", is_so);
        found.expect("the CronJob is as it should be")
    };

    // Deleted, and edited by hand.
    let uid = cron_job(&|_| true)["metadata"]["uid"].clone();
    kubectl
        .delete("cronjob", "wikimedia-pageviews")
        .expect("it is deleted");
    cron_job(&|found| found["metadata"]["uid"] != uid);
    let patch = [
        "patch",
        "cronjob",
        "wikimedia-pageviews",
        "--patch",
        r#"{"spec":{"schedule":"1 1 1 1 1"}}"#,
    ];
    kubectl.run(&patch).expect("it is edited");
    cron_job(&|found| found["spec"]["schedule"] == "0 0 1 1 *");

    // Another schedule, suspended, resumed.
    resource["spec"]["sources"][0]["schedule"]["cron"] = json!("0 0 2 1 *");
    resource["spec"]["suspend"] = json!(true);
    world.apply(&resource);
    cron_job(&|found| found["spec"]["schedule"] == "0 0 2 1 *" && found["spec"]["suspend"] == true);
    world.stands(SOON, "Suspended", "True", "SpecSuspend");
    let replicas = |count: i64| {
        let is_so = move |found: &Value| found["spec"]["replicas"] == count;
        kubectl
            .wait(SOON, "deployment", "wikimedia-edits", is_so)
            .expect("the Deployment follows");
    };
    replicas(0);
    resource["spec"]["suspend"] = json!(false);
    world.apply(&resource);
    replicas(1);
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // A rotated Secret starts the stream worker anew; what of a Secret is not used does not.
    let pod_of = |found: &Value| {
        found["spec"]["template"]["metadata"]["annotations"]["wikiingest.dev/started-with"].clone()
    };
    let before = pod_of(
        &kubectl
            .get("deployment", "wikimedia-edits")
            .expect("it is there"),
    );
    let login = |data: &Value| {
        let changed = world.namespace.secret("warehouse", data);
        changed.expect("the Secret is changed");
    };
    login(&json!({"username": mariadb::USER, "password": mariadb::PASSWORD, "unused": "x"}));
    std::thread::sleep(Duration::from_secs(5));
    let now = kubectl.get("deployment", "wikimedia-edits");
    assert_eq!(pod_of(&now.expect("it is there")), before);
    let rights = "GRANT ALL PRIVILEGES ON *.* TO 'rotated'@'%' IDENTIFIED BY 'rotated'";
    let _ = world.mariadb.warehouse.query(rights);
    login(&json!({"username": "rotated", "password": "rotated"}));
    let moved = |found: &Value| pod_of(found) != before;
    kubectl
        .wait(PATIENCE, "deployment", "wikimedia-edits", moved)
        .expect("the worker is replaced");

    // A source that goes takes its children with it, and nothing else.
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .truncate(1);
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let is_gone = || !world.versions().contains_key("deployment/wikimedia-edits");
    let deadline = Instant::now() + SOON;
    while !is_gone() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(is_gone(), "the stream's Deployment is still there");
    assert!(world.versions().contains_key("cronjob/wikimedia-pageviews"));

    // What the API server cannot know to be wrong, the operator says.
    resource["spec"]["sources"][0]["schedule"]["cron"] = json!("0 0 31 2 *");
    world.apply(&resource);
    let status = world.stands(SOON, "Stalled", "True", "InvalidSpec");
    let said = status["conditions"].to_string();
    assert!(said.contains("spec.sources[0].schedule.cron"), "{said}");
}

#[test]
fn what_only_a_person_can_mend_is_told_and_gone_once_it_is_mended() {
    let world = World::new("mend");
    world.namespace.lake_secret().expect("a Secret");
    let wrong = json!({"username": mariadb::USER, "password": "wrong"});
    world
        .namespace
        .secret("warehouse", &wrong)
        .expect("a Secret");
    let mut resource = world.resource();
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .truncate(1);
    resource["spec"]["sources"][0]["backfill"] = json!([]);
    // Somebody else's, which is not taken over.
    let kubectl = world.namespace.kubectl();
    let theirs = ["serviceaccount", "wikimedia-workers"];
    kubectl
        .run(&[&["create"], &theirs[..]].concat())
        .expect("it is made");
    world.apply(&resource);
    world.stands(PATIENCE, "Stalled", "True", "NameTaken");
    let account = kubectl
        .get(theirs[0], theirs[1])
        .expect("it is still there");
    assert_eq!(account["metadata"]["labels"], Value::Null);
    kubectl
        .run(&[&["delete"], &theirs[..]].concat())
        .expect("it is removed");
    let status = world.stands(PATIENCE, "Stalled", "True", "MigrationFailed");
    let said = status["conditions"].to_string();
    assert!(said.contains("Access denied"), "{said}");
    assert!(!said.contains("wrong"), "{said}");
    world
        .namespace
        .warehouse_secret()
        .expect("the Secret is mended");
    world.stands(PATIENCE, "Ready", "True", "Ready");

    resource["spec"]["workers"]["image"] = json!("wikiingest/nowhere:1");
    world.apply(&resource);
    let says_why = |ingest: &Value| {
        ingest["status"]["conditions"]
            .to_string()
            .contains("ErrImageNeverPull")
    };
    kubectl
        .wait(PATIENCE, "wikiingest", "wikimedia", says_why)
        .expect("it says why it waits");
    world.stands(SOON, "Reconciling", "True", "Migrating");
    let workers = resource["spec"]["workers"]
        .as_object_mut()
        .expect("an object");
    let _ = workers.remove("image");
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
}

#[test]
fn of_two_operators_one_acts_and_the_other_takes_over() {
    let world = World::new("lease");
    world.secrets();
    let kubectl = world.namespace.kubectl();
    let scale = ["scale", "deployment/wikiingest-operator", "--replicas=2"];
    kubectl.run(&scale).expect("there are two");
    kubectl
        .rolled_out("wikiingest-operator", PATIENCE)
        .expect("both are ready");
    let holder = || {
        let lease = kubectl
            .get("lease", "wikiingest-operator")
            .expect("a Lease");
        lease["spec"]["holderIdentity"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let first = holder();
    let pods = kubectl.list("pod", OPERATOR_PODS).expect("pods");
    assert_eq!(pods.len(), 2);
    assert!(
        pods.iter()
            .any(|pod| pod["metadata"]["name"] == first.as_str()),
        "{first}"
    );
    // Killed, so that it cannot give the Lease back.
    let kill = ["delete", "pod", &first, "--grace-period=0", "--force"];
    kubectl.run(&kill).expect("it is killed");
    world.apply(&world.resource());
    world.stands(PATIENCE, "Ready", "True", "Ready");
    assert_ne!(holder(), first);
}

/// A resource of the corpus under a name of its own.
fn named(resource: &Value, name: &str) -> String {
    let mut resource = resource.clone();
    resource["metadata"]["name"] = json!(name);
    resource.to_string()
}

/// What the CRD's own rules have to say, without what a CR adds to it.
fn words_of_rules(schema: &Value, words: &mut Vec<String>) {
    if schema["rule"].is_string() {
        words.extend(schema["message"].as_str().map(str::to_owned));
        // Of an expression, its literals.
        let expression = schema["messageExpression"].as_str().unwrap_or_default();
        words.extend(expression.split('\'').skip(1).step_by(2).map(str::to_owned));
    }
    match schema {
        Value::Object(fields) => fields.values().for_each(|one| words_of_rules(one, words)),
        Value::Array(items) => items.iter().for_each(|one| words_of_rules(one, words)),
        _ => {}
    }
}

/// A path as the parts of the API server have in common: some count the entries of lists, some name them.
fn without_indexes(text: &str) -> String {
    let mut depth = 0_u8;
    let is_outside = |letter: &char| {
        depth = match letter {
            '[' => depth.saturating_add(1),
            ']' => depth.saturating_sub(1),
            _ => return depth == 0,
        };
        false
    };
    text.chars().filter(is_outside).collect()
}

const CRD: &str = include_str!("../../crds/wikiingests.yaml");

#[test]
fn what_is_wrong_the_api_server_refuses_or_the_operator_says() {
    let cluster = Cluster::connect().expect("the cluster is up");
    let namespace = cluster.namespace("bad").expect("a namespace");
    namespace.operator().expect("the operator starts");
    let kubectl = namespace.kubectl();
    kubectl.apply(EXAMPLE).expect("the example itself is taken");
    let corpus = corpus::cases();
    let mut words = Vec::new();
    words_of_rules(&corpus::read(CRD), &mut words);
    assert!(words.len() > 15, "{words:?}");
    let (mut refused, mut taken) = (0, Vec::new());
    for (number, bad) in corpus
        .iter()
        .enumerate()
        .filter(|(_, bad)| bad.at.starts_with("/spec/"))
    {
        let name = format!("bad-{number}");
        if let Some(before) = &bad.before {
            let taken = kubectl.apply(&named(before, &name));
            taken.expect("the one before is taken");
        }
        match kubectl.apply(&named(&bad.bad, &name)) {
            Ok(()) => taken.push((name, bad)),
            Err(error) => {
                let error = error.to_string();
                let is_of_rule =
                    |word: &String| word.contains(&bad.says) || bad.says.contains(word);
                let ours = words.iter().any(is_of_rule);
                assert!(!ours || error.contains(&bad.says), "{bad:?}\n{error}");
                // A date that is none only in part is told of where a rule first looks at it.
                let place = without_indexes(&bad.path);
                let is_there = without_indexes(&error).contains(&place);
                assert!(is_there || error.contains("date-time"), "{bad:?}\n{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 200, "{refused} are refused");
    assert!(taken.len() > 10, "{taken:?} are taken");
    for (name, bad) in taken {
        let stands = namespace.stands(SOON, &name, "Stalled", "True", "InvalidSpec");
        let status = stands.unwrap_or_else(|error| panic!("{bad:?}\n{error}"));
        let conditions = status["conditions"].as_array().expect("conditions");
        let said = |condition: &Value| {
            condition["type"] == "Ready"
                && condition["message"]
                    .as_str()
                    .is_some_and(|text| text.contains(&bad.says))
        };
        assert!(conditions.iter().any(said), "{bad:?}\n{status}");
    }
}

#[test]
fn what_is_nearly_wrong_the_api_server_takes() {
    let cluster = Cluster::connect().expect("the cluster is up");
    let namespace = cluster.namespace("good").expect("a namespace");
    namespace.operator().expect("the operator starts");
    let kubectl = namespace.kubectl();
    let mut objects = Vec::new();
    for (number, case) in corpus::cases().iter().enumerate() {
        let name = format!("good-{number}");
        if let Some(before) = &case.before {
            let taken = kubectl.apply(&named(before, &name));
            taken.expect("the one before is taken");
        }
        if let Some(good) = case.good.as_ref().filter(|_| case.at.starts_with("/spec/")) {
            objects.push(named(good, &name));
        }
    }
    let taken = kubectl.would_apply(&objects.join("\n---\n"));
    taken.expect("all of them are taken");
}
