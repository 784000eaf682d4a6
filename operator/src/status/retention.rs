//! How the daily run stands that deletes what the sinks keep no longer.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use wikiingest_crds::{
    RetentionRun, RetentionStatus, WikiIngest,
    worker::{ExpireConfig, ExpireReport},
};

use super::job::{self, Finished, LastWords};
use crate::{
    build::{Child, retention::schedule},
    dereference::Found,
    names,
    settings::Component,
};

/// Its status; none where the sinks keep everything.
#[must_use]
pub fn of(
    ingest: &WikiIngest,
    found: &Found,
    before: Option<&RetentionStatus>,
    now: Timestamp,
) -> Option<RetentionStatus> {
    ExpireConfig::of(&ingest.spec)?;
    let mut status = before.cloned().unwrap_or_default();
    let namespace = ingest.namespace().unwrap_or_default();
    let schedule = schedule(&namespace, &ingest.name_any());
    status.next_run_time = (!ingest.spec.suspend)
        .then(|| schedule.next_after(now).ok())
        .flatten();
    if let Some((job, finished)) = last_run(found)
        && is_new(job, finished, status.last_run.as_ref())
    {
        let words = job::last_words(&found.pods, job::is_of(job));
        let run = run(job, finished, words.as_ref());
        if run.exit_code == 0 {
            status.last_success_time = run.finish_time;
        }
        status.last_run = Some(run);
    }
    Some(status)
}

/// Whether a schedule is that of this run.
pub(super) fn is_for(child: &Child) -> bool {
    let component = &child.object["metadata"]["labels"][names::COMPONENT];
    component == Component::Retention.as_str()
}

fn last_run(found: &Found) -> Option<(&Job, Finished)> {
    let is_ours = |job: &&Job| {
        let component = job.labels().get(names::COMPONENT);
        component.map(String::as_str) == Some(Component::Retention.as_str())
    };
    let jobs = found.jobs.iter().map(Arc::as_ref).filter(is_ours);
    jobs.filter_map(|job| Some((job, job::finished(job)?)))
        .max_by_key(|(job, finished)| (finished.at, job.name_any()))
}

fn is_new(job: &Job, finished: Finished, last: Option<&RetentionRun>) -> bool {
    let last = last.map(|last| (last.finish_time, last.job.as_ref()));
    Some((Some(finished.at), Some(&job.name_any()))) > last
}

fn run(job: &Job, finished: Finished, words: Option<&LastWords>) -> RetentionRun {
    let report = words.and_then(report);
    let told = report.clone().unwrap_or_default();
    let message = report.as_ref().and_then(trouble);
    RetentionRun {
        job: Some(job.name_any()),
        finish_time: Some(finished.at),
        rows: i64::try_from(told.rows).unwrap_or(i64::MAX),
        objects: i64::try_from(told.objects).unwrap_or(i64::MAX),
        seconds: told.seconds,
        exit_code: words.map_or(i32::from(!finished.succeeded), |words| words.exit_code),
        started_with: job.annotations().get(names::STARTED_WITH).cloned(),
        message: message
            .or_else(|| words.and_then(LastWords::trouble))
            .or_else(|| {
                let what = "the run did not end in time, or its pod is gone";
                (!finished.succeeded).then(|| what.to_owned())
            }),
    }
}

fn report(words: &LastWords) -> Option<ExpireReport> {
    serde_json::from_str(&words.message).ok()
}

fn trouble(report: &ExpireReport) -> Option<String> {
    if report.exit_code == 0 {
        return None;
    }
    let Some(failed) = report.failed.first() else {
        return Some("it was stopped; the next run deletes the rest".to_owned());
    };
    let more = match report.failed_count {
        0 | 1 => String::new(),
        count => format!("; {} more failed", count - 1),
    };
    Some(format!(
        "what sink {} keeps no longer of source {} was not deleted: {}{more}",
        failed.sink, failed.source, failed.error
    ))
}
