//! Which backfills may run. Pure.
//!
//! The scheduler lets one pod at a time use a connection to a host ([`Connection`](crate::build::Connection)); this decides
//! whose turn it is: scheduled runs first, then backfills by age.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use wikiingest_crds::WikiIngest;

use crate::{cache::Owner, names, settings::Component, status::job};

/// A Job, wherever in the cluster.
type Place = (Option<String>, String);

/// For what a resource is `Stalled` before its backfills are reached. Whatever else stalls it, such as a run that was
/// refused, they go on.
const BEFORE_BACKFILLS: [&str; 6] = [
    "InvalidSpec",
    "KeyNotFound",
    "MigrationFailed",
    "NameTaken",
    "Rejected",
    "SecretNotFound",
];

/// The names of a namespace's backfill Jobs that have to wait: their connection is wanted by a scheduled run, or by a
/// backfill that is older. `jobs` are those of the whole cluster; a backfill whose owner is one of `idle` waits for
/// something else, and in nobody's way unless it has pods. It waits for the others all the same: let go because it has
/// no pods, it would have some.
#[must_use]
pub fn held(jobs: &[impl AsRef<Job>], namespace: &str, idle: &BTreeSet<Owner>) -> HashSet<String> {
    let is_in_the_way = |job: &Job| {
        let has_pods = job.status.as_ref().and_then(|status| status.active) > Some(0);
        has_pods || !idle.contains(&Owner::of(job))
    };
    let open = || {
        let jobs = jobs.iter().map(AsRef::as_ref);
        jobs.filter(|job| job::finished(job).is_none() && job.metadata.deletion_timestamp.is_none())
            .filter_map(|job| Some((connection(job)?, job)))
    };
    let wanted: HashSet<&str> = open()
        .filter(|(_, job)| !is_backfill(job))
        .map(|(connection, _)| connection)
        .collect();
    let mut first: BTreeMap<&str, (_, Place)> = BTreeMap::new();
    for (connection, job) in open().filter(|(_, job)| is_backfill(job) && is_in_the_way(job)) {
        let age = (job.creation_timestamp(), place(job));
        let oldest = first.entry(connection).or_insert_with(|| age.clone());
        if age < *oldest {
            *oldest = age;
        }
    }
    open()
        .filter(|(_, job)| is_backfill(job) && job.namespace().as_deref() == Some(namespace))
        .filter(|(connection, job)| {
            let is_another_s = first
                .get(connection)
                .is_some_and(|(_, first)| *first != place(job));
            wanted.contains(connection) || is_another_s
        })
        .map(|(_, job)| job.name_any())
        .collect()
}

/// Whether no backfill of a resource is started: it is suspended, left alone, or waits for a person before that.
#[must_use]
pub fn is_idle(ingest: &WikiIngest) -> bool {
    let status = ingest.status.as_ref();
    let mut conditions = status.iter().flat_map(|status| &status.conditions);
    ingest.spec.suspend
        || names::is_paused(ingest)
        || conditions.any(|one| {
            one.type_ == "Stalled"
                && one.status == "True"
                && BEFORE_BACKFILLS.contains(&one.reason.as_str())
        })
}

fn place(job: &Job) -> Place {
    (job.namespace(), job.name_any())
}

/// Whether a Job is a part of a backfill.
pub(crate) fn is_backfill(job: &Job) -> bool {
    job.labels().get(names::COMPONENT).map(String::as_str) == Some(Component::Backfill.as_str())
}

/// The connection to a host that a Job uses, by its label; none for one that reads no files.
#[must_use]
pub fn connection(job: &Job) -> Option<&str> {
    let template = &job.spec.as_ref()?.template;
    let labels = template.metadata.as_ref()?.labels.as_ref()?;
    labels.get(names::CONNECTION).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;

    fn a_job(name: &str, component: &str, connection: &str, age: u32, done: bool) -> Arc<Job> {
        let conditions = if done {
            json!([{"type": "Complete", "status": "True"}])
        } else {
            json!([])
        };
        let job = json!({
            "metadata": {
                "name": name, "namespace": "n",
                "creationTimestamp": format!("2026-01-01T00:00:{:02}Z", 59 - age),
                "labels": {"app.kubernetes.io/component": component, "app.kubernetes.io/instance": name},
            },
            "spec": {"template": {"metadata": {"labels": {"wikiingest.dev/dumps-connection": connection}}}},
            "status": {"conditions": conditions},
        });
        Arc::new(serde_json::from_value(job).unwrap())
    }

    #[test]
    fn scheduled_runs_go_first_and_backfills_by_age() {
        let old = a_job("old", "backfill", "0", 9, false);
        let young = a_job("young", "backfill", "0", 1, false);
        let other = a_job("other", "backfill", "1", 1, false);
        let jobs = vec![young.clone(), old.clone(), other.clone()];
        assert_eq!(
            held(&jobs, "n", &BTreeSet::new()),
            HashSet::from(["young".to_owned()])
        );
        assert_eq!(held(&jobs, "elsewhere", &BTreeSet::new()), HashSet::new());
        // A scheduled run takes the connection from all of them, until it is done.
        let run = |done| a_job("run", "batch", "0", 0, done);
        let with = |run| vec![young.clone(), old.clone(), other.clone(), run];
        let both = HashSet::from(["young".to_owned(), "old".to_owned()]);
        assert_eq!(held(&with(run(false)), "n", &BTreeSet::new()), both);
        assert_eq!(
            held(&with(run(true)), "n", &BTreeSet::new()),
            HashSet::from(["young".to_owned()])
        );
        // One that would not start anyway is in nobody's way, and does not start beside another one.
        let idle = BTreeSet::from([Owner::of(old.as_ref())]);
        assert_eq!(held(&jobs, "n", &idle), HashSet::from(["old".to_owned()]));
        // Another host's connections are others, whatever their numbers.
        let elsewhere = a_job("elsewhere", "backfill", "mirror.example.org_0", 1, false);
        let mut jobs = with(run(false));
        jobs.push(elsewhere);
        assert_eq!(held(&jobs, "n", &BTreeSet::new()), both);
        // One that is done makes room for the next.
        let done = a_job("old", "backfill", "0", 9, true);
        assert_eq!(
            held(&[young.clone(), done], "n", &BTreeSet::new()),
            HashSet::new()
        );
    }

    /// The same with pods, as many as a lane has.
    fn at_work(job: &Job) -> Arc<Job> {
        let mut job = job.clone();
        job.status.get_or_insert_default().active = Some(1);
        Arc::new(job)
    }

    #[test]
    fn a_backfill_that_waits_goes_on_waiting_once_its_pods_are_gone() {
        let run = a_job("run", "batch", "0", 0, false);
        let lane = a_job("lane", "backfill", "0", 1, false);
        let older = a_job("older", "backfill", "0", 9, false);
        for idle in [BTreeSet::new(), BTreeSet::from([Owner::of(lane.as_ref())])] {
            for other in [&run, &older] {
                for lane in [at_work(&lane), lane.clone()] {
                    let waits = held(&[other.clone(), lane], "n", &idle);
                    assert_eq!(waits, HashSet::from(["lane".to_owned()]));
                }
            }
            assert_eq!(
                held(std::slice::from_ref(&lane), "n", &idle),
                HashSet::new()
            );
        }
    }

    #[test]
    fn a_run_that_was_refused_stops_no_backfill_and_a_secret_that_is_missing_does() {
        let stalled = |reason: &str| {
            let ingest = json!({
                "metadata": {"name": "wiki"},
                "spec": {"contact": "https://example.org/bot", "sinks": [], "sources": []},
                "status": {"conditions": [{
                    "type": "Stalled", "status": "True", "reason": reason, "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                }]},
            });
            is_idle(&serde_json::from_value(ingest).unwrap())
        };
        for reason in BEFORE_BACKFILLS {
            assert!(stalled(reason), "{reason}");
        }
        for reason in ["BadConfiguration", "Refused", "StreamRefused"] {
            assert!(!stalled(reason), "{reason}");
        }
    }
}
