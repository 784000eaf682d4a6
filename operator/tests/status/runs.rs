//! What runs leave in the status: once, in all their attempts, whatever is seen first.

use wikiingest_crds::SourceStatus;

use super::*;

const ENDED: &str = "2026-01-01T00:10:00Z";

/// What a run of `views` reports.
fn report(loaded: u32, skipped: u32, rows: i64, exit_code: u8) -> String {
    json!({
        "source": "views", "window": {"from": "2025-12-30T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        "loaded": loaded, "skipped": skipped, "rows": rows, "rejected": 1, "bytes": 99, "seconds": 1.5,
        "missing": ["pageviews-20251231-230000"], "missingCount": 1, "exitCode": exit_code,
    })
    .to_string()
}

/// A pod of the run that [`after_run`] tells of, in this state.
fn a_pod(name: &str, state: Value) -> Arc<k8s_openapi::api::core::v1::Pod> {
    let mut pod = after_run(0, "", "").pods.remove(0);
    let changed = Arc::make_mut(&mut pod);
    changed.metadata.name = Some(name.to_owned());
    let status = changed.status.as_mut().unwrap();
    let container = &mut status.container_statuses.as_mut().unwrap()[0];
    container.state = Some(serde_json::from_value(state).unwrap());
    pod
}

fn ended(
    name: &str,
    at: &str,
    exit_code: i32,
    message: &str,
) -> Arc<k8s_openapi::api::core::v1::Pod> {
    let end = json!({"exitCode": exit_code, "message": message, "finishedAt": at});
    a_pod(name, json!({"terminated": end}))
}

fn views(status: &WikiIngestStatus) -> &SourceStatus {
    &status.sources[0]
}

fn exit_code(status: &WikiIngestStatus) -> Option<i32> {
    Some(views(status).last_run.as_ref()?.exit_code)
}

#[test]
fn what_all_attempts_loaded_is_counted() {
    let mut found = after_run(0, "", "");
    found.pods = vec![
        ended("c", ENDED, 0, &report(2, 3, 20, 0)),
        ended("a", "2026-01-01T00:05:00Z", 1, &report(3, 0, 30, 1)),
        ended("b", "2026-01-01T00:07:00Z", 137, ""),
    ];
    let status = status_of(&ingest(), &found);
    let source = views(&status);
    assert_eq!((source.rows, source.rejected), (Some(50), Some(2)));
    assert_eq!(source.missing_count, Some(1));
    let run = source.last_run.as_ref().unwrap();
    assert_eq!((run.loaded, run.skipped, run.rows), (5, 0, 50));
    assert_eq!((run.bytes, run.exit_code), (198, 0));
}

#[test]
fn a_run_is_told_once_its_pod_is_known_to_have_ended() {
    let failed = ended("a", "2026-01-01T00:05:00Z", 1, "");
    let runs = a_pod(
        "b",
        json!({"running": {"startedAt": "2026-01-01T00:06:00Z"}}),
    );
    for (exit_code_of_job, pods) in [
        (0, vec![runs.clone()]),
        (0, vec![failed.clone()]),
        (1, vec![failed, runs]),
    ] {
        let mut found = after_run(exit_code_of_job, "", "");
        found.pods = pods;
        let status = status_of(&ingest(), &found);
        assert_eq!(views(&status).last_run, None, "{:?}", found.pods);
        // Its node may be gone for ever.
        let much_later = "2026-01-01T00:16:00Z".parse().unwrap();
        let status = status_at(much_later, &ingest(), &found);
        assert!(exit_code(&status).is_some(), "{:?}", found.pods);
    }
}

#[test]
fn a_run_that_is_not_told_yet_keeps_later_ones_waiting() {
    let mut found = after_run(0, "", "");
    found.pods = vec![a_pod("a", json!({"running": {}}))];
    let mut later = after_run(0, "", "").jobs.remove(0);
    let changed = Arc::make_mut(&mut later);
    changed.metadata.name = Some("wiki-views-2".to_owned());
    changed.metadata.uid = Some("k".to_owned());
    let conditions = changed
        .status
        .as_mut()
        .unwrap()
        .conditions
        .as_mut()
        .unwrap();
    conditions[0].last_transition_time =
        Some(serde_json::from_value(json!("2026-01-01T00:11:00Z")).unwrap());
    found.jobs.push(later);
    assert_eq!(views(&status_of(&ingest(), &found)).last_run, None);
    found.pods = vec![ended("a", ENDED, 0, &report(1, 0, 10, 0))];
    let status = status_of(&ingest(), &found);
    assert_eq!(views(&status).rows, Some(10));
    let last = views(&status).last_run.clone().unwrap();
    assert_eq!(last.job.as_deref(), Some("wiki-views-2"));
}

#[test]
fn a_report_that_is_seen_late_is_counted_once() {
    let mut ingest = ingest();
    let mut found = after_run(2, "", "");
    let pods = vec![ended("a", ENDED, 2, &report(1, 0, 10, 2))];
    found.pods.clear();
    let blind = status_of(&ingest, &found);
    assert_eq!((exit_code(&blind), views(&blind).rows), (Some(1), None));
    ingest.status = Some(blind);
    found.pods = pods;
    let seen = status_of(&ingest, &found);
    assert_eq!((exit_code(&seen), views(&seen).rows), (Some(2), Some(10)));
    ingest.status = Some(seen.clone());
    assert_eq!(status_of(&ingest, &found), seen);
    // The pod of one that reported nothing goes: what it said stays.
    let mut found = after_run(64, "Error", "no such bucket");
    ingest.status = Some(status_of(&super::ingest(), &found));
    found.pods.clear();
    assert_eq!(exit_code(&status_of(&ingest, &found)), Some(64));
}

#[test]
fn a_deletion_is_told_once_its_pod_is_known_to_have_ended() {
    let mut ingest = with_retention();
    let told = after_deletion("r-1", 0, &deleted(0));
    let mut found = after_deletion("r-1", 0, &deleted(0));
    let pod = Arc::make_mut(&mut found.pods[0]);
    let status = pod.status.as_mut().unwrap();
    let running = serde_json::from_value(json!({"running": {}})).unwrap();
    status.container_statuses.as_mut().unwrap()[0].state = Some(running);
    let rows = |status: &WikiIngestStatus| {
        let run = status.retention.clone()?.last_run?;
        Some(run.rows)
    };
    assert_eq!(rows(&status_of(&ingest, &found)), None);
    found.pods.clear();
    let blind = status_of(&ingest, &found);
    assert_eq!(rows(&blind), Some(0));
    ingest.status = Some(blind);
    let seen = status_of(&ingest, &told);
    assert_eq!(rows(&seen), Some(7));
    ingest.status = Some(seen.clone());
    assert_eq!(status_of(&ingest, &told), seen);
}

#[test]
fn what_all_attempts_deleted_is_counted() {
    let mut found = after_deletion("r-1", 0, &deleted(0));
    let mut first = found.pods[0].clone();
    let changed = Arc::make_mut(&mut first);
    let status = changed.status.as_mut().unwrap();
    let container = &mut status.container_statuses.as_mut().unwrap()[0];
    let end = json!({"exitCode": 1, "message": deleted(1), "finishedAt": "2026-01-01T00:05:00Z"});
    container.state = Some(serde_json::from_value(json!({"terminated": end})).unwrap());
    found.pods.insert(0, first);
    let run = status_of(&with_retention(), &found)
        .retention
        .unwrap()
        .last_run
        .unwrap();
    assert_eq!((run.rows, run.objects, run.exit_code), (14, 96, 0));
}

/// The same resource with another batch source, that comes after `views`.
fn with_media() -> WikiIngest {
    let mut ingest = ingest();
    let media = json!({"name": "media", "mediacounts": {}, "schedule": {"cron": "5 5 * * *"}, "sinks": ["lake"]});
    ingest
        .spec
        .sources
        .push(serde_json::from_value(media).unwrap());
    ingest
}

/// A run of `views` that ended with 1, as one of `media` with 77.
fn after_both() -> Found {
    let text = |found: &Found| {
        let jobs = serde_json::to_string(&found.jobs.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            .unwrap();
        let pods = serde_json::to_string(&found.pods.iter().map(AsRef::as_ref).collect::<Vec<_>>())
            .unwrap();
        (jobs, pods)
    };
    let mut found = after_run(1, "Error", "try again");
    let (jobs, pods) = text(&after_run(77, "Error", "forbidden"));
    let of_media = |text: &str| {
        text.replace("views", "media")
            .replace("\"uid\":\"j\"", "\"uid\":\"m\"")
    };
    found.jobs.extend(
        serde_json::from_str::<Vec<_>>(&of_media(&jobs))
            .unwrap()
            .into_iter()
            .map(Arc::new),
    );
    found.pods.extend(
        serde_json::from_str::<Vec<_>>(&of_media(&pods))
            .unwrap()
            .into_iter()
            .map(Arc::new),
    );
    found
}

#[test]
fn a_failure_that_may_pass_hides_none_that_a_person_has_to_mend() {
    let status = status_of(&with_media(), &after_both());
    assert_eq!(condition(&status, "LastRunSucceeded"), "False Refused");
    assert_eq!(condition(&status, "Stalled"), "True Refused");
    assert!(message(&status, "Ready").contains("source media: forbidden"));

    // So of a deletion beside a run,
    let mut found = after_run(1, "Error", "try again");
    let deletion = after_deletion("r-1", 64, &deleted(64));
    found.jobs.extend(deletion.jobs);
    found.pods.extend(deletion.pods);
    let status = status_of(&with_retention(), &found);
    assert_eq!(condition(&status, "Stalled"), "True BadConfiguration");

    // and of a run beside a stream that starts.
    let mut found = after_run(77, "Error", "forbidden");
    found.deployments.clear();
    let status = status_of(&ingest(), &found);
    assert_eq!(
        condition(&status, "StreamAvailable"),
        "False StreamStarting"
    );
    assert_eq!(condition(&status, "Stalled"), "True Refused");
}

/// `views` with a range of the past instead of a schedule.
fn unscheduled(ingest: &mut WikiIngest) {
    let source = &mut ingest.spec.sources[0];
    source.schedule = None;
    let range =
        json!([{"name": "past", "from": "2024-08-03T00:00:00Z", "to": "2024-08-04T00:00:00Z"}]);
    source.backfill = serde_json::from_value(range).unwrap();
}

#[test]
fn the_last_run_of_a_source_without_a_schedule_is_history() {
    for exit_code in [1, 2, 64, 77] {
        let message = if exit_code == 2 {
            report(1, 0, 10, 2)
        } else {
            String::new()
        };
        let found = after_run(exit_code, "Error", &message);
        let mut ingest = ingest();
        ingest.status = Some(status_of(&ingest, &found));
        unscheduled(&mut ingest);
        let status = status_of(&ingest, &found);
        assert_eq!(condition(&status, "LastRunSucceeded"), "", "{exit_code}");
        assert_eq!(condition(&status, "DataComplete"), "", "{exit_code}");
        assert_eq!(condition(&status, "Ready"), "True Ready", "{exit_code}");
        assert_eq!(status.sources_ready.as_deref(), Some("2/2"), "{exit_code}");
        assert_eq!(super::runs::exit_code(&status), Some(exit_code));
        assert!(views(&status).missing_units.is_empty());
    }
}

#[test]
fn a_source_of_another_kind_has_nothing_of_what_it_was() {
    let mut ingest = ingest();
    ingest.status = Some(status_of(
        &ingest,
        &after_run(2, "Error", &report(1, 0, 10, 2)),
    ));
    let was_stream = ingest.status.as_ref().unwrap().sources[1].clone();
    assert!(was_stream.stream.is_some());
    // The stream and the files change places.
    ingest.spec.sources[0].name = "edits".to_owned();
    ingest.spec.sources[1].name = "views".to_owned();
    let status = status_of(&ingest, &Found::default());
    let of = |name: &str| status.sources.iter().find(|one| one.name == name).unwrap();
    let (files, stream) = (of("edits"), of("views"));
    assert_eq!((&files.stream, files.lag_seconds), (&None, None));
    assert_eq!(files.kind, "pageviews");
    assert!(stream.stream.is_some());
    assert_eq!((stream.loaded_through, stream.missing_count), (None, None));
    assert_eq!(condition(&status, "LastRunSucceeded"), "");
}
