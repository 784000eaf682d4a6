//! The daily run that deletes what the sinks keep no longer: one CronJob, where anything is kept for a time only.

use serde_json::json;
use wikiingest_crds::{Schedule, Sink, worker::ExpireConfig};

use super::{Child, Context, Kind, config, config::Files, pod};
use crate::{names, settings::Component};

/// A run that takes longer goes on the next day.
const LONGEST_RUN: u32 = 12 * 3600;
/// How late a run may start at most. It is in nobody's way, and late is better than a day later.
const DEADLINE: u32 = 6 * 3600;
/// Minutes of a day.
const DAY: u32 = 24 * 60;

/// When a resource's run is due: once a day, each at a time of its own, since many may share a database.
#[must_use]
pub fn schedule(namespace: &str, ingest: &str) -> Schedule {
    let hash = names::short_hash(&format!("{namespace}/{ingest}/retention"));
    let minute = u32::from_str_radix(&hash, 16).unwrap_or_default() % DAY;
    Schedule {
        cron: format!("{} {} * * *", minute % 60, minute / 60),
        time_zone: None,
        lookback: None,
    }
}

pub(super) fn cron_job(context: &Context<'_>, files: &Files) -> Option<Child> {
    let file = files.get(config::RETENTION)?;
    let sinks = sinks(context);
    let labels = names::labels(context.ingest.name, Some(Component::Retention));
    let pod = pod::Worker {
        component: Component::Retention,
        labels: labels.clone(),
        command: &["wikiingest-batch", "expire"],
        file: config::RETENTION,
        sinks: &sinks,
        connection: None,
    };
    let template = pod.template(context);
    let secrets = pod.secret_versions(context);
    let started_with = names::short_hash(&format!("{template}/{secrets:?}/{file}"));
    let schedule = schedule(context.ingest.namespace, context.ingest.name);
    Some(context.child(
        Kind::CronJob,
        names::of_retention(context.ingest.name),
        &labels,
        json!({"spec": {
            "schedule": schedule.cron,
            "timeZone": schedule.time_zone(),
            "startingDeadlineSeconds": DEADLINE,
            "concurrencyPolicy": "Forbid",
            "suspend": context.ingest.spec.suspend,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {
                    "labels": labels,
                    "annotations": {(names::STARTED_WITH): started_with},
                },
                "spec": {
                    "backoffLimit": 3,
                    "activeDeadlineSeconds": LONGEST_RUN,
                    "podReplacementPolicy": "Failed",
                    "podFailurePolicy": pod::failure_policy(&[64, 77]),
                    "template": template,
                },
            },
        }}),
    ))
}

/// The sinks that it deletes from.
fn sinks(context: &Context<'_>) -> Vec<Sink> {
    ExpireConfig::of(context.ingest.spec).map_or_else(Vec::new, |config| config.sinks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_resource_has_a_time_of_its_own() {
        let crons = ["a", "b", "c"].map(|name| schedule("default", name));
        assert_ne!(crons[0], crons[1]);
        assert_ne!(crons[1], crons[2]);
        for cron in crons {
            let now = jiff::Timestamp::UNIX_EPOCH;
            let first = cron.next_after(now).unwrap();
            let second = cron.next_after(first).unwrap();
            assert_eq!(second.duration_since(first).as_hours(), 24);
        }
    }
}
