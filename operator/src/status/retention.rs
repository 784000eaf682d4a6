//! How the daily run stands that deletes what the sinks keep no longer.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;
use wikiingest_crds::{
    RetentionRun, RetentionStatus, WikiIngest,
    worker::{ExpireConfig, ExpireReport},
};

use super::{
    job::{self, Finished, LastWords},
    sources::exit_code,
};
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
        && job::is_told(job, finished, &found.pods, now)
        && is_new(job, finished, &found.pods, status.last_run.as_ref())
    {
        let run = run(job, finished, &found.pods);
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

/// Whether it is not told of yet, or only without the report that is known by now.
fn is_new(job: &Job, finished: Finished, pods: &[Arc<Pod>], last: Option<&RetentionRun>) -> bool {
    let name = job.name_any();
    let Some(last) = last else { return true };
    if last.job.as_ref() == Some(&name) {
        let had_report = last.seconds > 0.0;
        return !had_report && job::last_words(pods, job::is_of(job)).is_some();
    }
    (Some(finished.at), Some(&name)) > (last.finish_time, last.job.as_ref())
}

fn run(job: &Job, finished: Finished, pods: &[Arc<Pod>]) -> RetentionRun {
    let words = job::last_words(pods, job::is_of(job));
    // What an attempt deleted the next one does not find.
    let reports: Vec<(Timestamp, ExpireReport)> = job::reports(pods, job::is_of(job));
    let sum = |of: fn(&ExpireReport) -> u64| {
        let all: u64 = reports.iter().map(|(_, report)| of(report)).sum();
        i64::try_from(all).unwrap_or(i64::MAX)
    };
    let message = words.as_ref().and_then(report).as_ref().and_then(trouble);
    RetentionRun {
        job: Some(job.name_any()),
        finish_time: Some(finished.at),
        rows: sum(|report| report.rows),
        objects: sum(|report| report.objects),
        seconds: reports.iter().map(|(_, report)| report.seconds).sum(),
        exit_code: exit_code(words.as_ref(), finished),
        started_with: job.annotations().get(names::STARTED_WITH).cloned(),
        message: message
            .or_else(|| words.as_ref().and_then(LastWords::trouble))
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
        "what sink {} keeps no longer of {} was not deleted: {}{more}",
        failed.sink, failed.kind, failed.error
    ))
}
