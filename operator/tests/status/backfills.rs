//! What is told of backfills.

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use wikiingest_crds::BackfillStatus;

use super::*;

/// The resource with a range of two hours of its views.
fn with_range() -> WikiIngest {
    let mut ingest = ingest();
    let range =
        json!([{"name": "past", "from": "2024-08-03T00:00:00Z", "to": "2024-08-03T02:00:00Z"}]);
    ingest.spec.sources[0].backfill = serde_json::from_value(range).unwrap();
    ingest
}

/// Its Job, made as it would be now, with this status.
fn a_job(uid: &str, status: Value) -> Arc<Job> {
    let ingest = with_range();
    let children = build(validate(&ingest).unwrap(), &settings(), &BTreeMap::new()).unwrap();
    let mut job = children.backfills[0].lanes[0].job.object.clone();
    job["metadata"]["uid"] = uid.into();
    job["status"] = status;
    object(job)
}

fn a_pod(job: &Job, name: &str, at: &str, exit_code: i32, message: &str) -> Arc<Pod> {
    object(json!({
        "metadata": {
            "name": name, "labels": job.metadata.labels,
            "ownerReferences": [{
                "apiVersion": "batch/v1", "kind": "Job", "name": job.metadata.name, "uid": job.metadata.uid,
            }],
        },
        "status": {"containerStatuses": [{
            "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
            "state": {"terminated": {"exitCode": exit_code, "message": message, "finishedAt": at}},
        }]},
    }))
}

fn report(rows: i64, missing: u32, exit_code: u8) -> String {
    json!({
        "source": "views", "window": {"from": "2024-08-03T00:00:00Z", "to": "2024-08-03T01:00:00Z"},
        "loaded": 1, "skipped": 0, "rows": rows, "rejected": 0, "bytes": 9, "seconds": 1.5,
        "missingCount": missing, "exitCode": exit_code,
    })
    .to_string()
}

/// After a look at these.
fn look(ingest: &mut WikiIngest, jobs: &[&Arc<Job>], pods: &[&Arc<Pod>]) -> BackfillStatus {
    let found = Found {
        jobs: jobs.iter().map(|job| Arc::clone(job)).collect(),
        pods: pods.iter().map(|pod| Arc::clone(pod)).collect(),
        ..with_stream(None)
    };
    let status = status_of(ingest, &found);
    ingest.status = Some(status.clone());
    status.backfills[0].clone()
}

#[test]
fn rows_of_a_backfill_are_counted_once_whatever_becomes_of_its_pods() {
    let mut ingest = with_range();
    let job = a_job("a", json!({"active": 1}));
    // What an attempt that failed loaded, the next one leaves out.
    let failed = a_pod(&job, "f", "2026-01-01T00:01:00Z", 1, &report(5, 0, 1));
    assert_eq!(look(&mut ingest, &[&job], &[&failed]).rows, 5);
    let first = a_pod(&job, "0", "2026-01-01T00:02:00Z", 0, &report(10, 1, 0));
    for _ in 0..2 {
        let now = look(&mut ingest, &[&job], &[&failed, &first]);
        assert_eq!((now.rows, now.missing), (15, 1));
    }
    // Their node is gone, and they with it.
    let second = a_pod(&job, "1", "2026-01-01T00:03:00Z", 0, &report(20, 0, 0));
    let now = look(&mut ingest, &[&job], &[&second]);
    assert_eq!((now.rows, now.missing), (35, 1));
    assert_eq!(look(&mut ingest, &[&job], &[]).rows, 35);
    // Made anew, it finds what was loaded, and the same missing.
    let again = a_job("b", json!({"active": 1}));
    let skipped = a_pod(&again, "2", "2026-01-01T00:50:00Z", 0, &report(0, 1, 0));
    let more = a_pod(&again, "3", "2026-01-01T00:51:00Z", 0, &report(7, 0, 0));
    let now = look(&mut ingest, &[&again], &[&skipped, &more]);
    assert_eq!((now.rows, now.missing), (42, 1));
}

#[test]
fn rows_are_counted_of_pods_that_are_seen_to_end_after_their_backfill() {
    let mut ingest = with_range();
    let done = json!([{"type": "Complete", "status": "True", "lastTransitionTime": "2026-01-01T00:03:00Z"}]);
    let job = a_job("a", json!({"completedIndexes": "0-1", "conditions": done}));
    let first = a_pod(&job, "0", "2026-01-01T00:02:00Z", 0, &report(10, 0, 0));
    let second = a_pod(&job, "1", "2026-01-01T00:03:00Z", 0, &report(20, 0, 0));
    let now = look(&mut ingest, &[&job], &[&first]);
    assert_eq!(
        (now.rows, now.phase),
        (10, wikiingest_crds::BackfillPhase::Complete)
    );
    for _ in 0..2 {
        assert_eq!(look(&mut ingest, &[&job], &[&first, &second]).rows, 30);
    }
    assert_eq!(look(&mut ingest, &[], &[]).rows, 30);
}

#[test]
fn a_backfill_that_only_a_person_can_mend_stalls_and_says_how() {
    let failed =
        json!([{"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:03:00Z"}]);
    let job = a_job("a", json!({"conditions": failed}));
    for (exit_code, ready, other) in [
        (1, "False BackfillFailed", "Reconciling"),
        (64, "False BadConfiguration", "Stalled"),
        (77, "False Refused", "Stalled"),
    ] {
        let mut ingest = with_range();
        let pod = a_pod(&job, "0", "2026-01-01T00:03:00Z", exit_code, "by its rules");
        look(&mut ingest, &[&job], &[&pod]);
        let status = ingest.status.clone().unwrap();
        assert_eq!(condition(&status, "Ready"), ready);
        assert_eq!(condition(&status, "BackfillsSucceeded"), ready);
        assert!(!condition(&status, other).is_empty(), "{exit_code}");
        let said = message(&status, "Ready");
        assert!(
            said.contains("backfill past of source views: by its rules"),
            "{said}"
        );
        let name = job.metadata.name.as_ref().unwrap();
        assert_eq!(
            said.contains(&format!("or Job {name} is deleted")),
            other == "Stalled"
        );
        // Changed since, it is made anew: nobody has to do more.
        let mut old = job.clone();
        let started_with = ("wikiingest.dev/started-with".to_owned(), "old".to_owned());
        Arc::make_mut(&mut old).metadata.annotations = Some(BTreeMap::from([started_with]));
        look(&mut ingest, &[&old], &[&pod]);
        let status = ingest.status.clone().unwrap();
        assert_eq!(condition(&status, "Ready"), "False BackfillFailed");
        assert_eq!(condition(&status, "Stalled"), "");
    }
}
