//! What is told of a reconcile that did not get to its end, or was not to.

use wikiingest_operator::error::Error;

use super::*;

fn refused() -> Error {
    Error::Timeout {
        what: "read Secret lake".to_owned(),
        limit: std::time::Duration::from_secs(30),
    }
}

/// The resource as it stood well, edited since.
fn edited() -> WikiIngest {
    let mut ingest = ingest();
    let report = r#"{"source": "views", "window": {"from": "2025-12-30T00:00:00Z", "to": "2026-01-01T00:00:00Z"},
        "loaded": 1, "skipped": 0, "rows": 10, "rejected": 0, "bytes": 99, "seconds": 1.5, "exitCode": 0}"#;
    ingest.status = Some(status_of(&ingest, &after_run(0, "Completed", report)));
    ingest.metadata.generation = Some(4);
    ingest
}

#[test]
fn a_resource_that_cannot_be_looked_at_says_why_and_stands_as_it_stood_otherwise() {
    let ingest = edited();
    let before = ingest.status.clone().unwrap();
    let status = status::unseen(&ingest, &refused(), now());
    assert_eq!(condition(&status, "Ready"), "False ApplyFailed");
    assert_eq!(condition(&status, "Reconciling"), "True ApplyFailed");
    assert!(message(&status, "Ready").contains("cannot read Secret lake"));
    assert_eq!(status.observed_generation, Some(4));
    assert_eq!(status.sources, before.sources);
    assert_eq!(condition(&status, "StreamAvailable"), "True Available");
    // It is not written again as long as nothing changes.
    let mut again = ingest.clone();
    again.status = Some(status.clone());
    let later = "2026-01-01T02:00:00Z".parse().unwrap();
    assert_eq!(status::unseen(&again, &refused(), later), status);
    // One that was never looked at has nothing else to tell.
    let status = status::unseen(&super::ingest(), &refused(), now());
    assert_eq!(condition(&status, "Ready"), "False ApplyFailed");
    assert_eq!(status.observed_generation, Some(3));
}

#[test]
fn what_could_not_be_applied_leaves_no_schedule_in_sync() {
    let ingest = edited();
    let (found, error) = (with_stream(None), refused());
    let status = status::status(&ingest, &found, &Outcome::Failed(&error), now());
    assert_eq!(condition(&status, "SchedulesSynced"), "False ApplyFailed");
    for (name, stands) in [
        ("SecretsResolved", "True Resolved"),
        ("SchemaReady", "True Ready"),
        ("StreamAvailable", "True Available"),
        ("LastRunSucceeded", "True Succeeded"),
    ] {
        assert_eq!(condition(&status, name), stands);
    }
    let synced = status
        .conditions
        .iter()
        .filter(|one| one.type_ == "SchedulesSynced");
    assert_eq!(synced.count(), 1);
}

#[test]
fn a_failure_of_the_past_does_not_stall_what_could_not_be_applied() {
    let (found, error) = (after_run(77, "Error", "refused"), refused());
    let status = status::status(&ingest(), &found, &Outcome::Failed(&error), now());
    assert_eq!(condition(&status, "Ready"), "False ApplyFailed");
    assert_eq!(condition(&status, "Stalled"), "");
}

#[test]
fn only_a_name_that_somebody_keeps_stalls() {
    let (kind, name) = ("CronJob", "wiki-views".to_owned());
    let leaving = Error::Leaving {
        kind,
        name: name.clone(),
    };
    let taken = Error::NameTaken { kind, name };
    for (error, stalled) in [(leaving, ""), (taken, "True NameTaken")] {
        let outcome = Outcome::Failed(&error);
        let status = status::status(&ingest(), &Found::default(), &outcome, now());
        assert_eq!(condition(&status, "Stalled"), stalled);
        assert_eq!(
            condition(&status, "Reconciling").is_empty(),
            !stalled.is_empty()
        );
    }
}

#[test]
fn a_resource_that_is_paused_before_it_is_seen_is_not_ready() {
    let mut ingest = ingest();
    let paused = status::paused(&ingest, now());
    assert_eq!(condition(&paused, "Ready"), "False Paused");
    assert_eq!(condition(&paused, "Suspended"), "True Paused");
    assert_eq!(condition(&paused, "Stalled"), "");
    ingest.status = Some(paused.clone());
    let later = "2026-01-01T02:00:00Z".parse().unwrap();
    assert_eq!(status::paused(&ingest, later), paused);
}

#[test]
fn a_run_that_is_asked_for_while_suspended_is_made_once_it_goes_on() {
    let mut ingest = ingest();
    let token = ("wikiingest.dev/run-now".to_owned(), "1".to_owned());
    ingest.metadata.annotations = Some(BTreeMap::from([token]));
    ingest.spec.suspend = true;
    let status = status_of(&ingest, &with_stream(None));
    assert_eq!(status.last_handled_reconcile_at, None);
    ingest.status = Some(status);
    ingest.spec.suspend = false;
    let children = build(validate(&ingest).unwrap(), &settings(), &BTreeMap::new()).unwrap();
    assert_eq!(children.runs.len(), 1);
    let status = status_of(&ingest, &with_stream(None));
    assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("1"));
}
