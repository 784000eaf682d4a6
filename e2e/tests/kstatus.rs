//! kstatus, by whose rules Flux, Helm, kpt and others read a resource, reads ours right. The suites on the cluster ask it
//! whenever they wait for a condition; here are the moments that they do not wait for, and a corpus of what they saw.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use wikiingest_e2e::harness::env;
use wikiingest_e2e::harness::kube::{
    Cluster, Content, Namespace, ReplayPod, agrees, kstatus, meaning,
};

/// For an operator that starts, and waits for the Lease of the one before.
const PATIENCE: Duration = Duration::from_mins(2);

/// Starts one operator, or ends it.
fn operators(namespace: &Namespace, count: u8) {
    let kubectl = namespace.kubectl();
    let replicas = format!("--replicas={count}");
    let scale = ["scale", "deployment/wikiingest-operator", &replicas];
    kubectl.run(&scale).expect("it is scaled");
    if count == 0 {
        let pods = [
            "pod",
            "--selector=app.kubernetes.io/name=wikiingest-operator",
        ];
        let gone = [&["wait", "--for=delete", "--timeout=60s"], &pods[..]].concat();
        kubectl.run(&gone).expect("the operator ends");
    }
}

fn finalizers(namespace: &Namespace, list: &Value) {
    let patch = json!({"metadata": {"finalizers": list}}).to_string();
    let args = ["patch", "wikiingest/wikimedia", "--type=merge", "--patch"];
    let patched = namespace.kubectl().run(&[&args[..], &[&patch]].concat());
    patched.expect("it is patched");
}

#[test]
fn a_resource_is_read_right_from_before_it_is_seen_until_it_is_gone() {
    let cluster = Cluster::connect().expect("the cluster is up");
    let namespace = cluster.namespace("kstatus").expect("a namespace");
    namespace.operator().expect("the operator starts");
    let kubectl = namespace.kubectl();
    let apply = |cron: &str, suspend: bool| {
        let resource = json!({
            "apiVersion": "wikiingest.dev/v1alpha1",
            "kind": "WikiIngest",
            "metadata": {"name": "wikimedia"},
            "spec": {
                "contact": "https://example.org/wikiingest-tests",
                "suspend": suspend,
                "sinks": [{"name": "lake", "s3": {
                    "bucket": "lake", "region": "eu-west-1", "credentialsSecretRef": {"name": "lake"},
                }}],
                "sources": [{"name": "pageviews", "pageviews": {}, "schedule": {"cron": cron}, "sinks": ["lake"]}],
            },
        });
        let applied = kubectl.apply(&resource.to_string());
        applied.expect("the server takes it");
    };
    let is = |wanted: &str| {
        let ingest = kubectl.get("wikiingest", "wikimedia").expect("a resource");
        agrees(std::slice::from_ref(&ingest)).expect("kstatus reads it right");
        assert_eq!(meaning(&ingest), wanted, "{ingest:#}");
    };
    let stands = |condition: &str, reason: &str| {
        let stands = namespace.stands(PATIENCE, "wikimedia", condition, "True", reason);
        stands.expect("it comes to stand so")
    };
    let is_ready = || {
        let ready = ["wait", "--for=condition=Ready", "--timeout=1s"];
        let waited = kubectl.run(&[&ready[..], &["wikiingest/wikimedia"]].concat());
        waited.is_ok()
    };
    let (yearly, later) = ("0 0 1 1 *", "0 0 2 1 *");

    // Nobody has seen it yet.
    operators(&namespace, 0);
    apply(yearly, false);
    is("InProgress");
    assert!(!is_ready(), "kubectl wait takes what nobody has seen");

    operators(&namespace, 1);
    stands("Stalled", "SecretNotFound");
    is("Failed");
    let half = json!({"accessKeyId": "half"});
    namespace.secret("lake", &half).expect("a Secret");
    stands("Stalled", "KeyNotFound");
    is("Failed");
    assert!(!is_ready(), "kubectl wait takes what stalls");
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"count/cronjobs.batch": "0"}},
    });
    kubectl.apply(&quota.to_string()).expect("a quota");
    namespace.lake_secret().expect("a Secret");
    stands("Reconciling", "ApplyFailed");
    is("InProgress");
    kubectl.delete("resourcequota", "none").expect("it goes");
    stands("Ready", "Ready");
    is("Current");
    assert!(is_ready(), "kubectl wait does not take what is ready");

    // It says Ready, of a spec that is not the one that is there now.
    operators(&namespace, 0);
    apply(later, false);
    is("InProgress");
    assert!(!is_ready(), "kubectl wait takes what was ready before");
    operators(&namespace, 1);
    stands("Ready", "Ready");
    is("Current");
    apply(later, true);
    stands("Ready", "Suspended");
    is("Current");

    // Something else keeps it from going.
    finalizers(&namespace, &json!(["wikiingest.dev/e2e"]));
    let delete = ["delete", "wikiingest/wikimedia", "--wait=false"];
    kubectl.run(&delete).expect("it is deleted");
    is("Terminating");
    finalizers(&namespace, &Value::Null);
    let gone = ["wait", "--for=delete", "--timeout=60s"];
    let waited = kubectl.run(&[&gone[..], &["wikiingest/wikimedia"]].concat());
    waited.expect("it goes");
}

#[test]
fn a_resource_whose_workers_give_up_is_read_right() {
    let cluster = Cluster::connect().expect("the cluster is up");
    let namespace = cluster.namespace("giveup").expect("a namespace");
    namespace.operator().expect("the operator starts");
    let replay = namespace.replay(Content::Events, &["--pace", "max"]);
    let _replay = replay.expect("the stand-in starts");
    let s3 = namespace.s3().expect("the store starts");
    let mut lake = s3.sink();
    lake["name"] = json!("lake");
    let resource = json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "metadata": {"name": "wikimedia"},
        "spec": {
            "contact": "https://example.org/wikiingest-tests",
            "sinks": [lake],
            "sources": [
                {
                    "name": "pageviews", "pageviews": {}, "schedule": {"cron": "0 0 1 1 *"},
                    "baseUrl": ReplayPod::BASE_URL, "sinks": ["lake"],
                },
                {"name": "edits", "recentChanges": {}, "baseUrl": ReplayPod::BASE_URL, "sinks": ["lake"]},
            ],
            "workers": {"imagePullPolicy": "Never"},
        },
    });
    let kubectl = namespace.kubectl();
    let run = |token: &str| {
        let annotation = format!("wikiingest.dev/run-now={token}");
        let annotate = ["annotate", "--overwrite", "wikiingest/wikimedia"];
        let annotated = kubectl.run(&[&annotate[..], &[&annotation]].concat());
        annotated.expect("it is annotated");
    };
    let stands = |condition: &str, is: &str, reason: &str| {
        let stands = namespace.stands(PATIENCE, "wikimedia", condition, is, reason);
        stands.expect("it comes to stand so")
    };
    let wrong = json!({"accessKeyId": "wrong", "secretAccessKey": "wrong"});
    namespace.secret("lake", &wrong).expect("a Secret");
    kubectl
        .apply(&resource.to_string())
        .expect("the server takes it");
    stands("Stalled", "True", "StreamRefused");
    // Stalled names one reason; what else there is, its own condition tells.
    run("one");
    stands("LastRunSucceeded", "False", "Refused");
    // The stand-in has no page views, which a run comes to see now.
    namespace.lake_secret().expect("the Secret is mended");
    run("two");
    stands("Stalled", "True", "BadConfiguration");
}

/// Each is in a folder named after what it has to be taken for.
fn corpus() -> Vec<(PathBuf, Value)> {
    let list = |dir: PathBuf| {
        let entries = fs::read_dir(dir).expect("a folder");
        entries.map(|entry| entry.expect("an entry").path())
    };
    let files = list(env::file("tests/kstatus")).flat_map(list);
    let read = |file: PathBuf| {
        let text = fs::read(&file).expect("a file");
        let object = serde_json::from_slice(&text).expect("an object");
        (file, object)
    };
    files.map(read).collect()
}

#[test]
fn what_the_suites_saw_of_resources_is_read_right() {
    let (files, objects): (Vec<_>, Vec<_>) = corpus().into_iter().unzip();
    let answers = kstatus(&objects).expect("kstatus reads them");
    let mut met = BTreeSet::new();
    for ((file, object), answer) in files.iter().zip(&objects).zip(&answers) {
        let folder = file.parent().and_then(|folder| folder.file_name());
        let wanted = folder.expect("a folder").to_string_lossy().into_owned();
        let file = file.display();
        assert_eq!(answer.status, wanted, "{file}: {answer:?}");
        assert_eq!(meaning(object), wanted, "{file}");
        met.insert(wanted);
    }
    let all = ["Current", "Failed", "InProgress", "Terminating"].map(str::to_owned);
    assert_eq!(met, BTreeSet::from(all), "what the corpus has");
}
