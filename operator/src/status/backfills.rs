//! How far each backfill is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;
use wikiingest_crds::{BackfillPhase, BackfillStatus, WikiIngest, worker::Report};

use super::{
    job::{self, LastWords},
    schema,
    sources::{is_for, is_terminal},
};
use crate::{
    apply::same_start,
    build::{Children, Lane, Plan},
    dereference::Found,
    names,
    settings::Component,
};

/// The status of each backfill that the resource has. One that is done stays done, whatever became of its Jobs.
#[must_use]
pub fn all(
    ingest: &WikiIngest,
    children: &Children,
    found: &Found,
    before: &[BackfillStatus],
) -> Vec<BackfillStatus> {
    let plans = children.backfills.iter();
    plans
        .map(|plan| {
            let before = before
                .iter()
                .find(|status| status.source == plan.source && status.name == plan.name);
            let now = one(ingest, plan, found, before);
            match before {
                // Its last pods may be seen to end after its Jobs are.
                Some(done) if done.phase == BackfillPhase::Complete => BackfillStatus {
                    rows: now.rows,
                    counted_through: now.counted_through,
                    missing: now.missing,
                    message: lacking(now.missing),
                    ..done.clone()
                },
                _ => now,
            }
        })
        .collect()
}

fn one(
    ingest: &WikiIngest,
    plan: &Plan,
    found: &Found,
    before: Option<&BackfillStatus>,
) -> BackfillStatus {
    let jobs: Vec<&Job> = plan
        .lanes
        .iter()
        .filter_map(|lane| schema::of(&lane.job.name, &found.jobs))
        .collect();
    let finished: Vec<_> = jobs.iter().filter_map(|job| job::finished(job)).collect();
    let total = i64::from(plan.parts);
    let completed = jobs.iter().map(|job| count(job, Indexes::Completed)).sum();
    let failed: i64 = jobs.iter().map(|job| count(job, Indexes::Failed)).sum();
    let all_ended = finished.len() == plan.lanes.len();
    let phase = if all_ended && completed == total {
        BackfillPhase::Complete
    } else if all_ended {
        BackfillPhase::Failed
    } else if ingest.spec.suspend {
        BackfillPhase::Suspended
    } else if jobs.iter().any(|job| is_active(job)) || completed > 0 {
        BackfillPhase::Running
    } else {
        BackfillPhase::Pending
    };
    let words = jobs
        .iter()
        .filter_map(|job| job::last_words(&found.pods, job::is_of(job)));
    let trouble = words
        .filter_map(|words| LastWords::trouble(&words))
        .next_back();
    let (rows, counted_through) = rows(plan, &found.pods, before);
    let reports = jobs
        .iter()
        .flat_map(|job| job::reports::<Report>(&found.pods, job::is_of(job)));
    // Another try at a part finds the same missing. Pods go with time, what they found stays.
    let missing = reports
        .filter(|(_, report)| report.exit_code == 0)
        .map(|(_, report)| i64::from(report.missing_count))
        .sum::<i64>()
        .max(before.map_or(0, |before| before.missing));
    let start = jobs
        .iter()
        .filter_map(|job| job.status.as_ref()?.start_time.as_ref())
        .map(|time| time.0)
        .min();
    BackfillStatus {
        source: plan.source.clone(),
        name: plan.name.clone(),
        phase,
        completed,
        failed,
        total,
        rows,
        counted_through,
        missing,
        percent: i32::try_from(completed * 100 / total.max(1)).unwrap_or(100),
        job: plan.lanes.first().map(|lane| lane.job.name.clone()),
        start_time: before.and_then(|before| before.start_time).or(start),
        completion_time: (phase == BackfillPhase::Complete)
            .then(|| finished.iter().map(|finished| finished.at).max())
            .flatten(),
        message: trouble
            .filter(|_| failed > 0 || phase == BackfillPhase::Failed)
            .or_else(|| lacking(missing)),
    }
}

/// The rows so far, and up to which pod of each Job they are counted. Whatever a pod loaded, another one leaves out, and
/// pods go with time: each is counted when it is seen to have ended. Those of a Job run one after another.
fn rows(
    plan: &Plan,
    pods: &[Arc<Pod>],
    before: Option<&BackfillStatus>,
) -> (i64, BTreeMap<String, Timestamp>) {
    let mut rows = before.map_or(0, |before| before.rows);
    let mut through = BTreeMap::new();
    let ours = pods.iter().filter(|pod| is_of(pod, plan));
    let jobs: BTreeSet<&str> = ours.filter_map(|pod| job_of(pod)).collect();
    for job in jobs {
        let counted = before.and_then(|before| before.counted_through.get(job));
        let is_of_job = |pod: &Pod| is_of(pod, plan) && job_of(pod) == Some(job);
        for (at, report) in job::reports::<Report>(pods, is_of_job) {
            through.insert(job.to_owned(), at);
            if counted.is_none_or(|counted| at > *counted) {
                rows += report.rows;
            }
        }
    }
    (rows, through)
}

fn is_of(pod: &Pod, plan: &Plan) -> bool {
    is_for(pod, &plan.source, Component::Backfill)
        && pod.labels().get(names::BACKFILL) == Some(&plan.name)
}

/// The name of the Job that a pod is of.
fn job_of(pod: &Pod) -> Option<&str> {
    let mut owners = pod.owner_references().iter();
    owners
        .find(|owner| owner.kind == "Job")
        .map(|owner| owner.name.as_str())
}

/// A Job of a backfill that ended with what only a person can mend, and why. One that would be started with something
/// else by now is tried again.
pub(super) fn refusal<'a>(plan: &'a Plan, found: &'a Found) -> Option<(&'a str, LastWords)> {
    let mut lanes = plan.lanes.iter().filter(|_| !plan.done);
    lanes.find_map(|Lane { job: child, .. }| {
        let job = schema::of(&child.name, &found.jobs)?;
        let failed = job::finished(job).is_some_and(|finished| !finished.succeeded);
        let words = job::last_words(&found.pods, job::is_of(job))?;
        let stays = failed && is_terminal(words.exit_code) && same_start(job, child);
        stays.then_some((child.name.as_str(), words))
    })
}

fn lacking(missing: i64) -> Option<String> {
    (missing > 0).then(|| format!("{missing} files of the range are not at the host"))
}

fn is_active(job: &Job) -> bool {
    let status = job.status.as_ref();
    status.and_then(|status| status.active).unwrap_or(0) > 0
}

#[derive(Clone, Copy)]
enum Indexes {
    Completed,
    Failed,
}

/// Kubernetes writes them as ranges: `0,3-5,7`.
fn count(job: &Job, which: Indexes) -> i64 {
    let Some(status) = &job.status else { return 0 };
    let text = match which {
        Indexes::Completed => status.completed_indexes.as_deref(),
        Indexes::Failed => status.failed_indexes.as_deref(),
    };
    let ranges = text.unwrap_or_default().split(',');
    ranges.filter_map(length).sum()
}

fn length(range: &str) -> Option<i64> {
    let (first, last) = range.split_once('-').unwrap_or((range, range));
    let (first, last): (i64, i64) = (first.parse().ok()?, last.parse().ok()?);
    Some(last - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_counted() {
        let count = |text: &str| text.split(',').filter_map(length).sum::<i64>();
        assert_eq!(count(""), 0);
        assert_eq!(count("0"), 1);
        assert_eq!(count("0,3-5,7"), 5);
        assert_eq!(count("0-3652"), 3653);
    }
}
