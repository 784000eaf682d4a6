//! What is told of stream workers that are not ready.

use super::*;

/// A worker that is not ready, in this state, after one that ended with 77.
fn unready(state: &Value) -> Found {
    let mut found = with_stream(None);
    let deployment = Arc::make_mut(&mut found.deployments[0]);
    deployment.status.as_mut().unwrap().ready_replicas = None;
    found.pods = vec![object(json!({
        "metadata": {"name": "wiki-edits-x", "labels": labels("stream", "edits")},
        "status": {"phase": "Running", "containerStatuses": [{
            "name": "worker", "ready": false, "restartCount": 1, "image": "w", "imageID": "", "state": state,
            "lastState": {"terminated": {
                "exitCode": 77, "message": "the database refuses", "finishedAt": "2026-01-01T00:01:00Z",
            }},
        }]},
    }))];
    found
}

#[test]
fn a_worker_that_was_refused_stalls_until_the_next_one_runs_well() {
    let waits = json!({"waiting": {"reason": "CrashLoopBackOff"}});
    let began = |at: &str| json!({"running": {"startedAt": at}});
    for (state, reason) in [
        (waits, "StreamRefused"),
        (began("2026-01-01T00:11:00Z"), "StreamRefused"),
        (began("2026-01-01T00:01:30Z"), "StreamStarting"),
    ] {
        let status = status_of(&ingest(), &unready(&state));
        assert_eq!(
            condition(&status, "StreamAvailable"),
            format!("False {reason}")
        );
        let is_stalled = !condition(&status, "Stalled").is_empty();
        assert_eq!(is_stalled, reason == "StreamRefused", "{state}");
    }
}

#[test]
fn a_run_that_waits_for_its_image_hides_nothing_of_the_stream() {
    let waiting = |mut found: Found| {
        found.jobs = vec![object(json!({
            "metadata": {"name": "wiki-views-2", "uid": "j", "labels": labels("batch", "views")},
        }))];
        found.pods.push(object(json!({
            "metadata": {
                "name": "wiki-views-2-x",
                "ownerReferences": [{"apiVersion": "batch/v1", "kind": "Job", "name": "wiki-views-2", "uid": "j"}],
            },
            "status": {"containerStatuses": [{
                "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
                "state": {"waiting": {"reason": "ErrImagePull", "message": "no such image"}},
            }]},
        })));
        found
    };
    let status = status_of(&ingest(), &waiting(with_stream(None)));
    assert_eq!(condition(&status, "Ready"), "False PodWaiting");
    assert_eq!(condition(&status, "StreamAvailable"), "True Available");
    let refused = unready(&json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    let status = status_of(&ingest(), &waiting(refused));
    assert_eq!(condition(&status, "StreamAvailable"), "False StreamRefused");
    assert_eq!(condition(&status, "Stalled"), "True StreamRefused");
}
