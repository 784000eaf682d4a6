//! What is asked of the API server, by a stand-in that takes everything down and says yes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex},
};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{Method, StatusCode},
};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::{Client, Config};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use wikiingest_crds::WikiIngest;
use wikiingest_operator::{
    apply::{Applier, Done, Memory},
    build::{Children, build},
    dereference::Found,
    settings::Settings,
    validate::validate,
};

/// What the stand-in was asked, a line each: `METHOD NAME BODY`.
type Asked = Arc<Mutex<Vec<String>>>;

async fn answer(State(asked): State<Asked>, request: Request) -> (StatusCode, Json<Value>) {
    let method = request.method().clone();
    let name = request.uri().path().rsplit('/').next().unwrap_or_default();
    let name = name.to_owned();
    let body = axum::body::to_bytes(request.into_body(), usize::MAX);
    let body: Value = serde_json::from_slice(&body.await.unwrap()).unwrap_or_default();
    // What is applied is long; which of it that is, is told elsewhere.
    let said = match (&method, &body["metadata"]) {
        (&Method::PATCH, metadata) if !metadata.is_null() => {
            body["data"].as_object().map_or(String::new(), |data| {
                data.keys().cloned().collect::<Vec<_>>().join(" ")
            })
        }
        (&Method::DELETE, _) => body["propagationPolicy"].to_string(),
        _ => body.to_string(),
    };
    let line = format!("{method} {name} {said}");
    asked.lock().unwrap().push(line.trim().to_owned());
    let answer = json!({"apiVersion": "v1", "kind": "Any", "metadata": {"name": name}});
    (StatusCode::OK, Json(answer))
}

async fn api_server() -> (Client, Asked) {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let asked = Asked::default();
    let app = Router::new()
        .fallback(answer)
        .with_state(Arc::clone(&asked));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let client = Client::try_from(Config::new(url.parse().unwrap())).unwrap();
    (client, asked)
}

const NOW: &str = "2026-01-01T12:00:00Z";

enum Step<'a> {
    /// What has to stop stops, of a resource that is suspended or not.
    Stop(bool),
    Apply(&'a Children),
}

/// What is asked for by one step of a reconcile that found this, in order.
async fn asked_for(found: &Found, step: Step<'_>) -> Vec<String> {
    let (client, asked) = api_server().await;
    let memory = Memory::default();
    let mut applier = Applier {
        client: &client,
        namespace: "n",
        uid: "u",
        found,
        memory: &memory,
        now: NOW.parse::<Timestamp>().unwrap(),
        done: Done::default(),
    };
    match step {
        Step::Stop(suspended) => applier.stop(suspended).await.unwrap(),
        Step::Apply(children) => applier.apply(children, &HashSet::new()).await.unwrap(),
    }
    asked.lock().unwrap().clone()
}

/// What is asked for of objects that are there already, by their names.
fn of<'a>(asked: &'a [String], names: &[&str]) -> Vec<&'a str> {
    let is_of = |line: &&String| {
        let name = line.split(' ').nth(1);
        name.is_some_and(|name| names.contains(&name))
    };
    asked.iter().filter(is_of).map(String::as_str).collect()
}

fn object<T: DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

fn metadata(name: &str, component: &str) -> Value {
    json!({
        "name": name, "namespace": "n", "uid": format!("{name}-uid"),
        "labels": {
            "app.kubernetes.io/component": component,
            "wikiingest.dev/source": "views",
        },
        "ownerReferences": [{
            "apiVersion": "wikiingest.dev/v1alpha1", "kind": "WikiIngest", "name": "wiki", "uid": "u",
        }],
    })
}

fn job(name: &str, component: &str, condition: Option<&str>) -> Arc<Job> {
    let conditions: Vec<_> = condition
        .map(|condition| json!({"type": condition, "status": "True", "lastTransitionTime": NOW}))
        .into_iter()
        .collect();
    object(json!({
        "metadata": metadata(name, component),
        "spec": {"template": {"metadata": {"labels": {"wikiingest.dev/dumps-connection": "0"}}}},
        "status": {"conditions": conditions},
    }))
}

fn pod<T: DeserializeOwned>(job: &str, phase: &str, waits_for: Option<&str>) -> Arc<T> {
    let waiting = waits_for.map(|reason| json!({"waiting": {"reason": reason}}));
    object(json!({
        "metadata": {"name": format!("{job}-pod"), "ownerReferences": [{
            "apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": format!("{job}-uid"),
        }]},
        "status": {
            "phase": phase, "startTime": "2026-01-01T11:00:00Z",
            "containerStatuses": [{
                "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
                "state": waiting,
            }],
        },
    }))
}

/// The children of a resource with these sources and a warehouse, or without one.
fn children(sources: &Value, has_warehouse: bool) -> Children {
    let sinks = if has_warehouse {
        json!([{"name": "lake", "singleStore": {
            "host": "db", "database": "wiki", "credentialsSecretRef": {"name": "login"},
        }}])
    } else {
        json!([{"name": "lake", "s3": {"bucket": "lake", "region": "eu-west-1"}}])
    };
    let ingest: WikiIngest = serde_json::from_value(json!({
        "metadata": {"name": "wiki", "namespace": "n", "uid": "u"},
        "spec": {"contact": "https://example.org/bot", "sinks": sinks, "sources": sources},
    }))
    .unwrap();
    let settings = Settings {
        worker_image: "workers:1".to_owned(),
        dumps_connections: 2,
        mirror_connections: BTreeMap::new(),
    };
    build(validate(&ingest).unwrap(), &settings, &BTreeMap::new()).unwrap()
}

fn media() -> Value {
    json!([{"name": "media", "mediacounts": {}, "schedule": {"cron": "15 6 * * *"}, "sinks": ["lake"]}])
}

#[tokio::test]
async fn what_is_suspended_stops_whatever_else_is_wrong() {
    let found = Found {
        cron_jobs: vec![
            object(json!({"metadata": metadata("due", "batch"), "spec": {
                "schedule": "25 * * * *", "jobTemplate": {},
            }})),
            object(json!({"metadata": metadata("quiet", "batch"), "spec": {
                "schedule": "25 * * * *", "jobTemplate": {}, "suspend": true,
            }})),
        ],
        deployments: vec![object(
            json!({"metadata": metadata("stream", "stream"), "spec": {
                "replicas": 1, "selector": {}, "template": {},
            }}),
        )],
        jobs: vec![
            job("lane", "backfill", None),
            job("done", "backfill", Some("Complete")),
            // What has begun ends by itself.
            job("run", "batch", None),
        ],
        ..Found::default()
    };
    assert_eq!(
        asked_for(&found, Step::Stop(true)).await,
        [
            r#"PATCH due {"spec":{"suspend":true}}"#,
            r#"PATCH stream {"spec":{"replicas":0}}"#,
            r#"PATCH lane {"spec":{"suspend":true}}"#,
        ]
    );
    let goes_on = asked_for(&found, Step::Stop(false)).await;
    assert!(goes_on.is_empty(), "{goes_on:?}");
}

#[tokio::test]
async fn a_run_that_cannot_start_leaves_its_connection_to_others() {
    let found = Found {
        jobs: vec![
            job("lane", "backfill", None),
            job("run", "batch", None),
            job("at-work", "batch", None),
        ],
        pods: vec![
            pod("lane", "Pending", Some("ErrImagePull")),
            pod("run", "Pending", Some("CreateContainerConfigError")),
            pod("at-work", "Running", None),
        ],
        ..Found::default()
    };
    let ended = r#"PATCH run {"spec":{"activeDeadlineSeconds":1}}"#;
    assert_eq!(
        asked_for(&found, Step::Stop(false)).await,
        [r#"DELETE lane "Background""#, ended]
    );
    // Suspended, it has no pod any more.
    assert_eq!(
        asked_for(&found, Step::Stop(true)).await,
        [r#"PATCH lane {"spec":{"suspend":true}}"#, ended]
    );
}

#[tokio::test]
async fn a_part_of_a_backfill_that_is_under_way_is_loaded_whatever_becomes_of_the_spec() {
    let found = |phase: &str| Found {
        jobs: vec![job("lane", "backfill", None)],
        pods: vec![pod("lane", phase, None)],
        ..Found::default()
    };
    let children = children(&media(), false);
    let asked = asked_for(&found("Running"), Step::Apply(&children)).await;
    assert_eq!(of(&asked, &["lane"]), <[&str; 0]>::default());
    // Between two parts it goes.
    let asked = asked_for(&found("Pending"), Step::Apply(&children)).await;
    assert_eq!(of(&asked, &["lane"]), [r#"DELETE lane "Background""#]);
}

#[tokio::test]
async fn a_backfill_goes_on_with_the_image_it_began_with_if_that_can_be_had() {
    let mut sources = media();
    sources[0]["backfill"] = json!([
        {"name": "years", "from": "2020-01-01T00:00:00Z", "to": "2024-01-01T00:00:00Z"},
    ]);
    let children = children(&sources, false);
    let child = &children.backfills[0].lanes[0].job;
    let mut live = child.object.clone();
    live["metadata"]["uid"] = json!(format!("{}-uid", child.name));
    live["spec"]["template"]["spec"]["containers"][0]["image"] = json!("workers:0");
    let found = |reason: Option<&str>| Found {
        jobs: vec![object(live.clone())],
        pods: vec![pod(&child.name, "Pending", reason)],
        ..Found::default()
    };
    for ordinary in [None, Some("ContainerCreating")] {
        let asked = asked_for(&found(ordinary), Step::Apply(&children)).await;
        assert_eq!(of(&asked, &[&child.name]), <[&str; 0]>::default());
    }
    let asked = asked_for(&found(Some("ErrImagePull")), Step::Apply(&children)).await;
    let anew = format!(r#"DELETE {} "Background""#, child.name);
    assert_eq!(of(&asked, &[&child.name]), [anew]);
}

#[tokio::test]
async fn the_schema_is_brought_up_to_date_once_no_other_version_is_at_it() {
    let children = children(&media(), true);
    let new = children.migrate.as_ref().unwrap().name.as_str();
    let found = |phase: &str, condition| Found {
        jobs: vec![job("old", "migrate", condition)],
        pods: vec![pod("old", phase, None)],
        ..Found::default()
    };
    let asked = asked_for(&found("Running", None), Step::Apply(&children)).await;
    assert_eq!(of(&asked, &["old", new]), <[&str; 0]>::default());
    // One that has not begun may begin any moment: it goes first, and its pods with it.
    let asked = asked_for(&found("Pending", None), Step::Apply(&children)).await;
    assert_eq!(of(&asked, &["old", new]), [r#"DELETE old "Foreground""#]);
    let asked = asked_for(&found("Failed", Some("Failed")), Step::Apply(&children)).await;
    let made = format!("PATCH {new}");
    let gone = r#"DELETE old "Background""#;
    assert_eq!(of(&asked, &["old", new]), [made.as_str(), gone]);
}

#[tokio::test]
async fn the_file_of_a_source_that_has_gone_stays_until_its_last_run_has_ended() {
    let children = children(&media(), false);
    let found = |condition| Found {
        config_maps: vec![object(json!({
            "metadata": metadata("wiki-workers", ""),
            "data": {"views.json": "{}", "old.json": "{}"},
        }))],
        jobs: vec![job("run", "batch", condition)],
        ..Found::default()
    };
    let files = |asked: Vec<String>| of(&asked, &["wiki-workers"]).join("; ");
    let account = "PATCH wiki-workers; ";
    let asked = asked_for(&found(None), Step::Apply(&children)).await;
    assert_eq!(
        files(asked),
        format!("{account}PATCH wiki-workers media.json views.json")
    );
    let asked = asked_for(&found(Some("Complete")), Step::Apply(&children)).await;
    assert_eq!(
        files(asked),
        format!("{account}PATCH wiki-workers media.json")
    );
    // What is kept is no other each time, and what is kept no longer is.
    let live = |condition| {
        let found = found(condition);
        let config = children.config_in_use(&found.config_maps, &found.jobs);
        (config.object["metadata"]["annotations"].clone(), config)
    };
    let (kept, config) = live(None);
    let again = Found {
        config_maps: vec![object(config.object)],
        ..found(None)
    };
    let config = children.config_in_use(&again.config_maps, &again.jobs);
    assert_eq!(config.object["metadata"]["annotations"], kept);
    assert_ne!(live(Some("Failed")).0, kept);
}
