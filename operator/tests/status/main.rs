//! The status that is made of what there is.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

mod backfills;
mod outcomes;
mod runs;
mod streams;

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use wikiingest_crds::{WikiIngest, WikiIngestStatus, worker::StreamReport};
use wikiingest_operator::{
    apply::Done,
    build::build,
    dereference::Found,
    settings::Settings,
    status::{self, Outcome},
    validate::validate,
};

/// A resource whose sinks have no schema and no Secret.
fn ingest() -> WikiIngest {
    let object = json!({
        "metadata": {"name": "wiki", "namespace": "n", "uid": "u", "generation": 3},
        "spec": {
            "contact": "https://example.org/bot",
            "sinks": [{"name": "lake", "s3": {"bucket": "lake", "region": "eu-west-1"}}],
            "sources": [
                {"name": "views", "pageviews": {}, "schedule": {"cron": "25 * * * *"}, "sinks": ["lake"]},
                {"name": "edits", "recentChanges": {}, "sinks": ["lake"]},
            ],
        },
    });
    serde_json::from_value(object).unwrap()
}

fn object<T: DeserializeOwned>(value: Value) -> Arc<T> {
    Arc::new(serde_json::from_value(value).unwrap())
}

fn labels(component: &str, source: &str) -> Value {
    json!({"app.kubernetes.io/component": component, "wikiingest.dev/source": source})
}

/// What there is when the stream worker runs and says this of itself.
fn with_stream(report: Option<StreamReport>) -> Found {
    Found {
        deployments: vec![object(json!({
            "metadata": {"name": "wiki-edits", "generation": 1, "labels": labels("stream", "edits")},
            "status": {"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1},
        }))],
        streams: report
            .map(|report| ("edits".to_owned(), report))
            .into_iter()
            .collect(),
        ..Found::default()
    }
}

/// The same, after a run of `views` whose pod ended like this.
fn after_run(exit_code: i32, reason: &str, message: &str) -> Found {
    let end = "2026-01-01T00:10:00Z";
    let condition = if exit_code == 0 { "Complete" } else { "Failed" };
    Found {
        jobs: vec![object(json!({
            "metadata": {"name": "wiki-views-1", "uid": "j", "labels": labels("batch", "views")},
            "status": {"conditions": [{"type": condition, "status": "True", "lastTransitionTime": end}]},
        }))],
        pods: vec![object(json!({
            "metadata": {
                "name": "wiki-views-1-x", "labels": labels("batch", "views"),
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "wiki-views-1", "uid": "j"}],
            },
            "status": {"containerStatuses": [{
                "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
                "state": {"terminated": {
                    "exitCode": exit_code, "reason": reason, "message": message, "finishedAt": end,
                }},
            }]},
        }))],
        ..with_stream(None)
    }
}

fn settings() -> Settings {
    Settings {
        worker_image: "workers:1".to_owned(),
        dumps_connections: 2,
        mirror_connections: BTreeMap::new(),
    }
}

/// Two minutes after the runs here ended.
fn now() -> Timestamp {
    "2026-01-01T00:12:00Z".parse().unwrap()
}

fn status_of(ingest: &WikiIngest, found: &Found) -> WikiIngestStatus {
    status_at(now(), ingest, found)
}

fn status_at(now: Timestamp, ingest: &WikiIngest, found: &Found) -> WikiIngestStatus {
    let children = build(validate(ingest).unwrap(), &settings(), &BTreeMap::new()).unwrap();
    status::status(
        ingest,
        found,
        &Outcome::Applied(&children, &Done::default()),
        now,
    )
}

/// A condition as `status reason`; empty where there is none.
fn condition(status: &WikiIngestStatus, name: &str) -> String {
    let mut conditions = status.conditions.iter();
    conditions
        .find(|one| one.type_ == name)
        .map(|one| format!("{} {}", one.status, one.reason))
        .unwrap_or_default()
}

fn message(status: &WikiIngestStatus, name: &str) -> String {
    let mut conditions = status.conditions.iter();
    conditions
        .find(|one| one.type_ == name)
        .map(|one| one.message.clone())
        .unwrap_or_default()
}

#[test]
fn how_a_run_ended_is_told_and_only_what_a_person_has_to_mend_stalls() {
    let report = |exit_code| {
        json!({
            "source": "views", "window": {"from": "2025-12-30T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
            "loaded": 1, "skipped": 46, "rows": 10, "rejected": 1, "bytes": 99, "seconds": 1.5,
            "missing": ["pageviews-20251231-230000"], "missingCount": 1,
            "through": "2025-12-31T23:00:00Z", "exitCode": exit_code,
        })
        .to_string()
    };
    let error = r#"{"fields": {"message": "no such bucket: lake; make it"}}"#;
    for (exit_code, reason, said, ready, last_run, told) in [
        (
            2,
            "Error",
            report(2).as_str(),
            "True Ready",
            "True Succeeded",
            "",
        ),
        (
            1,
            "Error",
            error,
            "True Ready",
            "False RunFailed",
            "no such bucket",
        ),
        (
            64,
            "Error",
            error,
            "False BadConfiguration",
            "False BadConfiguration",
            "make it",
        ),
        (
            77,
            "Error",
            error,
            "False Refused",
            "False Refused",
            "no such bucket",
        ),
        (
            137,
            "OOMKilled",
            "",
            "True Ready",
            "False RunFailed",
            "raise spec.workers.resources",
        ),
        (
            137,
            "Error",
            "",
            "True Ready",
            "False RunFailed",
            "exit code 137",
        ),
    ] {
        let status = status_of(&ingest(), &after_run(exit_code, reason, said));
        assert_eq!(condition(&status, "Ready"), ready, "{exit_code}");
        assert_eq!(
            condition(&status, "LastRunSucceeded"),
            last_run,
            "{exit_code}"
        );
        assert!(
            message(&status, "LastRunSucceeded").contains(told),
            "{status:?}"
        );
        let is_stalled = !condition(&status, "Stalled").is_empty();
        assert_eq!(is_stalled, matches!(exit_code, 64 | 77), "{exit_code}");
        // Who did not look does not know.
        let is_complete = condition(&status, "DataComplete");
        assert_eq!(is_complete.is_empty(), exit_code != 2, "{is_complete}");
    }
    let status = status_of(&ingest(), &after_run(2, "Error", &report(2)));
    assert_eq!(condition(&status, "DataComplete"), "False FilesMissing");
    let source = &status.sources[0];
    assert_eq!((source.rows, source.rejected), (Some(10), Some(1)));
    assert_eq!(source.lag_seconds, Some(70 * 60));
}

#[test]
fn what_was_mended_since_does_not_stall() {
    let mut found = after_run(77, "Error", "refused");
    let job = Arc::make_mut(&mut found.jobs[0]);
    let old = ("wikiingest.dev/started-with".to_owned(), "old".to_owned());
    job.metadata.annotations = Some(BTreeMap::from([old]));
    let status = status_of(&ingest(), &found);
    assert_eq!(condition(&status, "LastRunSucceeded"), "False Mended");
    assert_eq!(condition(&status, "Ready"), "True Ready");
}

#[test]
fn a_run_whose_image_is_missing_is_told() {
    let mut found = with_stream(None);
    found.jobs = vec![object(json!({
        "metadata": {"name": "wiki-views-2", "uid": "j", "labels": labels("batch", "views")},
    }))];
    let a_pod = |labels: Value, status: Value| {
        vec![object(json!({
            "metadata": {
                "name": "wiki-views-2-x", "labels": labels,
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "wiki-views-2", "uid": "j"}],
            },
            "status": status,
        }))]
    };
    let waiting = json!({"waiting": {"reason": "ErrImagePull", "message": "no such image"}});
    let container = json!({
        "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "", "state": waiting,
    });
    found.pods = a_pod(json!({}), json!({"containerStatuses": [container]}));
    let status = status_of(&ingest(), &found);
    assert_eq!(condition(&status, "Ready"), "False PodWaiting");
    assert!(message(&status, "Ready").contains("ErrImagePull: no such image"));
    // One that waits for its turn at the dumps host is as it should be.
    let queues = json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "message": "0/1 nodes match pod anti-affinity rules",
    }]});
    found.pods = a_pod(
        json!({"wikiingest.dev/dumps-connection": "0"}),
        queues.clone(),
    );
    assert_eq!(
        condition(&status_of(&ingest(), &found), "Ready"),
        "True Ready"
    );
    // One of its kind that fits nowhere is not.
    let too_large = json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available: 1 Insufficient memory",
    }]});
    found.pods = a_pod(json!({"wikiingest.dev/dumps-connection": "0"}), too_large);
    let status = status_of(&ingest(), &found);
    assert_eq!(condition(&status, "Ready"), "False PodWaiting");
    assert!(message(&status, "Ready").contains("Insufficient memory"));
    found.pods = a_pod(json!({}), queues);
    let status = status_of(&ingest(), &found);
    assert_eq!(condition(&status, "Ready"), "False PodWaiting");
}

#[test]
fn what_was_changed_a_moment_ago_is_not_ready_yet() {
    let found = with_stream(None);
    let ingest = ingest();
    let children = build(validate(&ingest).unwrap(), &settings(), &BTreeMap::new()).unwrap();
    let done = Done {
        applied: vec!["Deployment wiki-edits".to_owned()],
        ..Done::default()
    };
    let outcome = Outcome::Applied(&children, &done);
    let status = status::status(&ingest, &found, &outcome, Timestamp::UNIX_EPOCH);
    assert_eq!(condition(&status, "Ready"), "False StreamStarting");
}

#[test]
fn a_run_is_counted_once() {
    let found = after_run(
        0,
        "Completed",
        r#"{"source": "views", "window": {"from": "2025-12-30T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
            "loaded": 1, "skipped": 0, "rows": 10, "rejected": 0, "bytes": 99, "seconds": 1.5, "exitCode": 0}"#,
    );
    let mut ingest = ingest();
    let first = status_of(&ingest, &found);
    assert_eq!(first.sources[0].rows, Some(10));
    assert_eq!(condition(&first, "DataComplete"), "True Complete");
    ingest.status = Some(first.clone());
    assert_eq!(status_of(&ingest, &found), first);
}

#[test]
fn a_stream_tells_how_far_it_is_behind_and_what_it_lost() {
    let mut ingest = ingest();
    let says = |behind, gap| {
        with_stream(Some(StreamReport {
            behind_seconds: Some(behind),
            gap_seconds: gap,
        }))
    };
    let well = status_of(&ingest, &says(3.7, 0.0));
    assert_eq!(well.sources[1].lag_seconds, Some(0));
    assert_eq!(condition(&well, "DataComplete"), "");
    // Seconds come and go: the same status.
    ingest.status = Some(well.clone());
    assert_eq!(status_of(&ingest, &says(59.0, 0.0)), well);

    let lost = status_of(&ingest, &says(200.0, 7200.4));
    assert_eq!(lost.sources[1].lag_seconds, Some(180));
    assert_eq!(lost.sources[1].stream.as_ref().unwrap().gap_seconds, 7200);
    assert_eq!(condition(&lost, "DataComplete"), "False StreamGap");
    assert!(message(&lost, "DataComplete").contains("7200 s of the stream are lost"));
    // One look without an answer changes nothing; a worker that is gone has no lag.
    ingest.status = Some(lost.clone());
    assert_eq!(status_of(&ingest, &with_stream(None)), lost);
    let gone = status_of(&ingest, &Found::default());
    assert_eq!(gone.sources[1].lag_seconds, None);
}

#[test]
fn a_paused_resource_stands_as_it_stood_and_says_so() {
    let mut ingest = ingest();
    let before = status_of(&ingest, &with_stream(None));
    ingest.status = Some(before.clone());
    ingest.metadata.generation = Some(4);
    let now = "2026-01-01T01:00:00Z".parse().unwrap();
    let paused = status::paused(&ingest, now);
    assert_eq!(condition(&paused, "Suspended"), "True Paused");
    assert_eq!(condition(&paused, "Ready"), "True Ready");
    assert_eq!(paused.observed_generation, before.observed_generation);
    ingest.status = Some(paused.clone());
    let later = "2026-01-01T02:00:00Z".parse().unwrap();
    assert_eq!(status::paused(&ingest, later), paused);
    // Told to go on, it says nothing of it any more.
    let after = status_of(&ingest, &with_stream(None));
    assert_eq!(condition(&after, "Suspended"), "");
}

/// The same resource, whose lake keeps page views for a month.
fn with_retention() -> WikiIngest {
    let mut ingest = ingest();
    let lake = ingest.spec.sinks[0].s3.as_mut().unwrap();
    lake.retention = serde_json::from_value(json!({"pageviews": "30d"})).unwrap();
    ingest
}

/// What there is after a run that deletes, whose pod ended like this.
fn after_deletion(job: &str, exit_code: i32, message: &str) -> Found {
    let end = "2026-01-01T00:10:00Z";
    let labels = json!({"app.kubernetes.io/component": "retention"});
    let condition = if exit_code == 0 { "Complete" } else { "Failed" };
    Found {
        jobs: vec![object(json!({
            "metadata": {"name": job, "uid": "r", "labels": labels},
            "status": {"conditions": [{"type": condition, "status": "True", "lastTransitionTime": end}]},
        }))],
        pods: vec![object(json!({
            "metadata": {
                "name": "x", "labels": labels,
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": job, "uid": "r"}],
            },
            "status": {"containerStatuses": [{
                "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
                "state": {"terminated": {"exitCode": exit_code, "message": message, "finishedAt": end}},
            }]},
        }))],
        ..with_stream(None)
    }
}

fn deleted(exit_code: i32) -> String {
    let failed =
        json!([{"sink": "lake", "kind": "pageviews", "error": "no such bucket: lake; make it"}]);
    let failed = if exit_code == 0 { json!([]) } else { failed };
    json!({"rows": 7, "objects": 48, "failed": failed, "failedCount": 1, "seconds": 2.5, "exitCode": exit_code})
        .to_string()
}

#[test]
fn a_deletion_that_fails_is_told_as_any_run_and_leaves_the_sources_as_they_are() {
    for (exit_code, ready, last_run) in [
        (0, "True Ready", "True Succeeded"),
        (1, "True Ready", "False RunFailed"),
        (64, "False BadConfiguration", "False BadConfiguration"),
        (77, "False Refused", "False Refused"),
    ] {
        let found = after_deletion("r-1", exit_code, &deleted(exit_code));
        let status = status_of(&with_retention(), &found);
        assert_eq!(condition(&status, "Ready"), ready);
        assert_eq!(condition(&status, "LastRunSucceeded"), last_run);
        let is_stalled = !condition(&status, "Stalled").is_empty();
        assert_eq!(is_stalled, matches!(exit_code, 64 | 77));
        assert_eq!(status.sources_ready.as_deref(), Some("2/2"));
        let retention = status.retention.clone().unwrap();
        let run = retention.last_run.unwrap();
        assert_eq!((run.rows, run.objects, run.exit_code), (7, 48, exit_code));
        assert_eq!(retention.last_success_time.is_some(), exit_code == 0);
        assert!(retention.next_run_time.is_some());
        let why = message(&status, "LastRunSucceeded");
        let told = "retention: what sink lake keeps no longer of pageviews was not deleted: no such bucket";
        assert_eq!(why.contains(told), exit_code != 0, "{why}");
    }
}

#[test]
fn a_deletion_that_was_killed_or_stopped_is_told_in_words() {
    let status = status_of(&with_retention(), &after_deletion("r-1", 137, ""));
    assert!(message(&status, "LastRunSucceeded").contains("exit code 137"));
    let stopped = json!({"rows": 7, "objects": 0, "seconds": 2.5, "exitCode": 1}).to_string();
    let status = status_of(&with_retention(), &after_deletion("r-1", 1, &stopped));
    assert!(message(&status, "LastRunSucceeded").contains("the next run deletes the rest"));
}

#[test]
fn what_a_deletion_was_refused_and_was_mended_since_does_not_stall() {
    let mut found = after_deletion("r-1", 77, &deleted(77));
    let job = Arc::make_mut(&mut found.jobs[0]);
    let old = ("wikiingest.dev/started-with".to_owned(), "old".to_owned());
    job.metadata.annotations = Some(BTreeMap::from([old]));
    let status = status_of(&with_retention(), &found);
    assert_eq!(condition(&status, "LastRunSucceeded"), "False Mended");
    assert_eq!(condition(&status, "Ready"), "True Ready");
}

#[test]
fn nothing_is_told_of_deletions_where_everything_is_kept() {
    let found = after_deletion("r-1", 77, &deleted(77));
    let mut ingest = with_retention();
    ingest.status = Some(status_of(&ingest, &found));
    ingest.spec.sinks[0].s3.as_mut().unwrap().retention = None;
    let status = status_of(&ingest, &found);
    assert_eq!(status.retention, None);
    assert_eq!(condition(&status, "LastRunSucceeded"), "");
    // Suspended, none is due.
    let mut ingest = with_retention();
    ingest.spec.suspend = true;
    let retention = status_of(&ingest, &Found::default()).retention.unwrap();
    assert_eq!((retention.next_run_time, retention.last_run), (None, None));
}

#[test]
fn a_deletion_is_taken_up_once() {
    let mut ingest = with_retention();
    let first = status_of(&ingest, &after_deletion("r-1", 0, &deleted(0)));
    ingest.status = Some(first.clone());
    // Its pod is gone by now.
    let mut found = after_deletion("r-1", 0, &deleted(0));
    found.pods.clear();
    assert_eq!(status_of(&ingest, &found), first);
}
