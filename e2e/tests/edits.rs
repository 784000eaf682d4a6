//! What people do to a resource and to its children on a real Kubernetes: each edit ends in the right children, and in
//! the right status.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wikiingest_e2e::harness::Hour;
use wikiingest_e2e::harness::kube::{Kubectl, OPERATOR_PODS, OperatorWorld as World, ReplayPod};

/// For what takes a pod or two.
const PATIENCE: Duration = Duration::from_mins(3);
/// For what takes none.
const SOON: Duration = Duration::from_secs(30);
const GLANCE: Duration = Duration::from_millis(200);

/// A resource that is ready, with a scheduled source and a stream.
fn ready(name: &str) -> (World, Value) {
    let world = World::new(name);
    world.secrets();
    let mut resource = world.resource();
    resource["spec"]["sources"][0]["backfill"] = json!([]);
    world.apply(&resource);
    world.stands(PATIENCE, "Ready", "True", "Ready");
    (world, resource)
}

fn becomes(kubectl: &Kubectl, kind: &str, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let found = kubectl.wait(PATIENCE, kind, name, is_so);
    found.unwrap_or_else(|error| panic!("{kind} {name} does not follow: {error}"))
}

fn goes(kubectl: &Kubectl, kind: &str, name: &str) {
    let gone = kubectl.gone(PATIENCE, kind, name);
    gone.unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn children_follow_every_kind_of_edit() {
    let (world, mut resource) = ready("kinds-of-edit");
    let kubectl = world.namespace.kubectl();

    // The schedule's time zone; annotations of the account that workers run as.
    resource["spec"]["sources"][0]["schedule"]["timeZone"] = json!("Europe/Berlin");
    resource["spec"]["workers"]["serviceAccountAnnotations"] =
        json!({"example.org/role": "ingest"});
    world.apply(&resource);
    becomes(kubectl, "cronjob", "wikimedia-pageviews", |it| {
        it["spec"]["timeZone"] == "Europe/Berlin"
    });
    becomes(kubectl, "serviceaccount", "wikimedia-workers", |it| {
        it["metadata"]["annotations"]["example.org/role"] == "ingest"
    });

    // What the stream lets through: its worker is started anew, of which there is never a second.
    let started_with = |it: &Value| {
        it["spec"]["template"]["metadata"]["annotations"]["wikiingest.dev/started-with"].clone()
    };
    let before = started_with(
        &kubectl
            .get("deployment", "wikimedia-edits")
            .expect("it is there"),
    );
    // Of a list with a default, which is not to stay beside what is named.
    resource["spec"]["sources"][1]["recentChanges"] = json!({"wikis": ["enwiki"]});
    world.apply(&resource);
    becomes(kubectl, "deployment", "wikimedia-edits", |it| {
        started_with(it) != before
    });
    let config = |it: &Value| it["data"].to_string().contains("enwiki");
    becomes(kubectl, "configmap", "wikimedia-workers", config);

    // Another source, and a range of the first.
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .push(json!({
            "name": "counts", "pagecountsRaw": {}, "sinks": ["lake"],
            "schedule": {"cron": "0 0 1 1 *"}, "baseUrl": ReplayPod::BASE_URL,
        }));
    resource["spec"]["sources"][0]["backfill"] =
        json!([{"name": "morning", "from": Hour(5).timestamp(), "to": Hour(7).timestamp()}]);
    world.apply(&resource);
    becomes(kubectl, "cronjob", "wikimedia-counts", |_| true);
    let loaded = |it: &Value| it["status"]["backfills"][0]["phase"] == "Complete";
    becomes(kubectl, "wikiingest", "wikimedia", loaded);

    // A range that is taken back is told of no more; its rows stay.
    resource["spec"]["sources"][0]["backfill"] = json!([]);
    world.apply(&resource);
    becomes(kubectl, "wikiingest", "wikimedia", |it| {
        it["status"]["backfills"].get(0).is_none()
    });
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );

    // A sink less, then one more: the workers' configuration has what the spec has.
    let lake = resource["spec"]["sinks"][1].clone();
    resource["spec"]["sinks"]
        .as_array_mut()
        .expect("sinks")
        .truncate(1);
    resource["spec"]["sources"]
        .as_array_mut()
        .expect("sources")
        .truncate(2);
    resource["spec"]["sources"][0]["sinks"] = json!(["warehouse"]);
    world.apply(&resource);
    goes(kubectl, "cronjob", "wikimedia-counts");
    let lakes = |it: &Value| it["data"].to_string().contains("\\\"bucket\\\"");
    becomes(kubectl, "configmap", "wikimedia-workers", |it| !lakes(it));
    resource["spec"]["sinks"]
        .as_array_mut()
        .expect("sinks")
        .push(lake);
    resource["spec"]["sources"][0]["sinks"] = json!(["warehouse", "lake"]);
    world.apply(&resource);
    becomes(kubectl, "configmap", "wikimedia-workers", lakes);
    world.stands(PATIENCE, "Ready", "True", "Ready");
}

#[test]
fn every_child_comes_back_as_it_was_when_somebody_deletes_or_edits_it() {
    let (world, _) = ready("children");
    let kubectl = world.namespace.kubectl();
    let children = [
        (
            "serviceaccount",
            "wikimedia-workers",
            r#"{"automountServiceAccountToken":true}"#,
        ),
        (
            "configmap",
            "wikimedia-workers",
            r#"{"data":{"pageviews.json":"{}"}}"#,
        ),
        (
            "cronjob",
            "wikimedia-pageviews",
            r#"{"spec":{"concurrencyPolicy":"Allow"}}"#,
        ),
        (
            "deployment",
            "wikimedia-edits",
            r#"{"spec":{"replicas":2}}"#,
        ),
    ];
    // As far as it is the operator's.
    let essence = |it: &Value| {
        let spec = |name: &str| it["spec"][name].clone();
        json!([
            it["data"],
            it["automountServiceAccountToken"],
            spec("concurrencyPolicy"),
            spec("replicas")
        ])
    };
    for (kind, name, patch) in children {
        let before = kubectl.get(kind, name).expect("it is there");
        let args = ["patch", kind, name, "--type=merge", "--patch", patch];
        kubectl.run(&args).expect("it is edited");
        becomes(kubectl, kind, name, |it| essence(it) == essence(&before));
        kubectl.delete(kind, name).expect("it is deleted");
        let is_new = |it: &Value| {
            it["metadata"]["uid"] != before["metadata"]["uid"] && essence(it) == essence(&before)
        };
        becomes(kubectl, kind, name, is_new);
        // Without the label by which it is found.
        let label = ["label", kind, name, "app.kubernetes.io/managed-by-"];
        kubectl.run(&label).expect("it is edited");
        becomes(kubectl, kind, name, |it| {
            it["metadata"]["labels"]["app.kubernetes.io/managed-by"] == "wikiingest-operator"
        });
    }
    // The schema's Job is made again, and finds nothing to do.
    let of_migrate = "app.kubernetes.io/component=migrate";
    let migrate = kubectl.list("job", of_migrate).expect("a list")[0].clone();
    let name = migrate["metadata"]["name"].as_str().expect("a name");
    kubectl.delete("job", name).expect("it is deleted");
    becomes(kubectl, "job", name, |it| it["status"]["succeeded"] == 1);
    world.stands(PATIENCE, "Ready", "True", "Ready");
}

#[test]
fn a_resource_that_is_paused_is_left_alone_until_it_is_not_or_is_deleted() {
    let (world, mut resource) = ready("paused");
    let kubectl = world.namespace.kubectl();
    let annotate = |annotation: &str| {
        let args = [
            "annotate",
            "--overwrite",
            "wikiingest/wikimedia",
            annotation,
        ];
        kubectl.run(&args).expect("it is annotated");
    };
    annotate("wikiingest.dev/paused=true");
    let says_so = |it: &Value| {
        it["status"]["conditions"]
            .to_string()
            .contains("wikiingest.dev/paused")
    };
    becomes(kubectl, "wikiingest", "wikimedia", says_so);
    let patch = r#"{"spec":{"schedule":"1 1 1 1 1"}}"#;
    let args = ["patch", "cronjob", "wikimedia-pageviews", "--patch", patch];
    kubectl.run(&args).expect("it is edited");
    resource["spec"]["sources"][0]["schedule"]["cron"] = json!("0 0 2 1 *");
    resource["metadata"]["annotations"] = json!({"wikiingest.dev/paused": "true"});
    world.apply(&resource);
    std::thread::sleep(Duration::from_secs(5));
    let cron_job = kubectl
        .get("cronjob", "wikimedia-pageviews")
        .expect("it is there");
    assert_eq!(
        cron_job["spec"]["schedule"], "1 1 1 1 1",
        "a hand edit was undone"
    );
    annotate("wikiingest.dev/paused-");
    becomes(kubectl, "cronjob", "wikimedia-pageviews", |it| {
        it["spec"]["schedule"] == "0 0 2 1 *"
    });
    world.stands(PATIENCE, "Ready", "True", "Ready");

    // Paused is no reason to stay.
    annotate("wikiingest.dev/paused=true");
    becomes(kubectl, "wikiingest", "wikimedia", says_so);
    kubectl
        .delete("wikiingest", "wikimedia")
        .expect("it is deleted");
    let deadline = Instant::now() + PATIENCE;
    while !world.versions().is_empty() {
        assert!(Instant::now() < deadline, "{:?}", world.versions());
        std::thread::sleep(GLANCE);
    }
}

#[test]
fn suspended_without_its_secret_it_rests_all_the_same() {
    let (world, mut resource) = ready("no-secret");
    let kubectl = world.namespace.kubectl();
    kubectl
        .delete("secret", "warehouse")
        .expect("it is deleted");
    world.stands(PATIENCE, "Stalled", "True", "SecretNotFound");
    // What runs goes on with what it was started with.
    let replicas = |count: i64| move |it: &Value| it["spec"]["replicas"] == count;
    becomes(kubectl, "deployment", "wikimedia-edits", replicas(1));
    resource["spec"]["suspend"] = json!(true);
    world.apply(&resource);
    becomes(kubectl, "deployment", "wikimedia-edits", replicas(0));
    becomes(kubectl, "cronjob", "wikimedia-pageviews", |it| {
        it["spec"]["suspend"] == true
    });
    world.namespace.warehouse_secret().expect("a Secret");
    resource["spec"]["suspend"] = json!(false);
    world.apply(&resource);
    becomes(kubectl, "deployment", "wikimedia-edits", replicas(1));
    world.stands(PATIENCE, "Ready", "True", "Ready");
}

#[test]
fn an_operator_that_is_killed_all_the_time_gets_there() {
    let world = World::new("killed");
    world.secrets();
    let kubectl = world.namespace.kubectl();
    world.apply(&world.resource());
    for _ in 0..8 {
        let kill = [
            "delete",
            "pod",
            "--grace-period=0",
            "--force",
            "--selector",
            OPERATOR_PODS,
        ];
        kubectl.run(&kill).expect("it is killed");
        std::thread::sleep(Duration::from_secs(3));
    }
    world.stands(PATIENCE, "Ready", "True", "Ready");
    let loaded = |it: &Value| it["status"]["backfills"][0]["phase"] == "Complete";
    becomes(kubectl, "wikiingest", "wikimedia", loaded);
    assert_eq!(
        world.mariadb.warehouse.tally("pageviews_hourly"),
        world.expected
    );
    assert_eq!(
        kubectl
            .list("job", "app.kubernetes.io/component=migrate")
            .expect("a list")
            .len(),
        1
    );
}

#[test]
fn a_leader_whose_lease_is_taken_stops_and_the_thief_s_is_respected() {
    let world = World::new("thief");
    let kubectl = world.namespace.kubectl();
    let restarts = |it: &Value| it["status"]["containerStatuses"][0]["restartCount"].as_i64();
    let pod = kubectl.list("pod", OPERATOR_PODS).expect("pods")[0].clone();
    let name = pod["metadata"]["name"].as_str().expect("a name").to_owned();
    let now = now();
    let patch =
        json!({"spec": {"holderIdentity": "thief", "renewTime": now, "leaseDurationSeconds": 60}});
    let patch = patch.to_string();
    let args = [
        "patch",
        "lease",
        "wikiingest-operator",
        "--type=merge",
        "--patch",
        &patch,
    ];
    kubectl.run(&args).expect("it is taken");
    // It notices at its next renewal, and ends.
    kubectl
        .wait(SOON, "pod", &name, |it| restarts(it) > restarts(&pod))
        .expect("the former leader stops");
    world.secrets();
    world.apply(&world.resource());
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(world.versions().len(), 0, "somebody acts beside the thief");
    // The thief is gone: when its Lease is over, the other takes it.
    world.stands(PATIENCE, "Ready", "True", "Ready");
}

fn now() -> String {
    jiff::Timestamp::now()
        .strftime("%Y-%m-%dT%H:%M:%S.000000Z")
        .to_string()
}
