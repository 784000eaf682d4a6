//! How each source stands.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;
use wikiingest_crds::{
    LastRun, Source, SourceKind, SourceStatus, StreamStatus, WikiIngest, WindowStatus,
    worker::{ExitCode, Report},
};

use super::job::{self, Finished, LastWords};
use crate::{dereference::Found, names, settings::Component};

/// Units that are named when there are many.
const NAMED: usize = 8;

/// The status of each source that the resource has.
#[must_use]
pub fn all(
    ingest: &WikiIngest,
    found: &Found,
    before: &[SourceStatus],
    now: Timestamp,
) -> Vec<SourceStatus> {
    let sources = ingest.spec.sources.iter();
    sources
        .map(|source| {
            let before = before.iter().find(|status| status.name == source.name);
            one(ingest, source, found, before, now)
        })
        .collect()
}

fn one(
    ingest: &WikiIngest,
    source: &Source,
    found: &Found,
    before: Option<&SourceStatus>,
    now: Timestamp,
) -> SourceStatus {
    let mut status = before.cloned().unwrap_or_default();
    status.name.clone_from(&source.name);
    source
        .kind()
        .map_or("", SourceKind::name)
        .clone_into(&mut status.kind);
    status.next_run_time = source
        .schedule
        .as_ref()
        .filter(|_| !ingest.spec.suspend)
        .and_then(|schedule| schedule.next_after(now).ok());
    for (job, finished) in new_runs(source, found, status.last_run.as_ref(), now) {
        ran(&mut status, job, finished, &found.pods);
    }
    if source.schedule.is_none() {
        forget_missing(&mut status);
    }
    let was_stream = status.stream.is_some();
    if source.kind().is_some_and(SourceKind::is_stream) {
        status.loaded_through = None;
        stream(ingest, source, found, &mut status);
    } else if was_stream || source.schedule.is_none() {
        status.stream = None;
        status.lag_seconds = None;
    }
    status
}

/// Nobody looks for it any more.
fn forget_missing(status: &mut SourceStatus) {
    status.missing_count = None;
    status.missing_units.clear();
}

/// The last run of a source that has a schedule. That of one that has none any more is history: no other follows it.
#[must_use]
pub fn current_run<'a>(ingest: &WikiIngest, status: &'a SourceStatus) -> Option<&'a LastRun> {
    let mut sources = ingest.spec.sources.iter();
    let source = sources.find(|source| source.name == status.name)?;
    source.schedule.as_ref()?;
    status.last_run.as_ref()
}

/// Runs that ended after the last one that is told of, in their order, up to one that not all is known of yet; before
/// them that last one, if it is known only now what it reported.
fn new_runs<'a>(
    source: &Source,
    found: &'a Found,
    last: Option<&LastRun>,
    now: Timestamp,
) -> Vec<(&'a Job, Finished)> {
    let since = last.and_then(|last| last.finish_time);
    let last_job = last.and_then(|last| last.job.as_ref());
    let had_no_report = last.is_some_and(|last| last.window.is_none());
    let is_known = |job: &Job, finished: &Finished| {
        let name = job.name_any();
        let is_late = had_no_report
            && last_job == Some(&name)
            && job::last_words(&found.pods, job::is_of(job)).is_some();
        let is_older =
            Some(finished.at) < since || (Some(finished.at) == since && last_job >= Some(&name));
        is_older && !is_late
    };
    let mut runs: Vec<_> = found
        .jobs
        .iter()
        .map(Arc::as_ref)
        .filter(|job| is_for(*job, &source.name, Component::Batch))
        .filter_map(|job| Some((job, job::finished(job)?)))
        .filter(|(job, finished)| !is_known(job, finished))
        .collect();
    runs.sort_by_key(|(job, finished)| (finished.at, job.name_any()));
    let is_told =
        |(job, finished): &(&Job, Finished)| job::is_told(job, *finished, &found.pods, now);
    let told = runs.iter().take_while(|run| is_told(run)).count();
    runs.truncate(told);
    runs
}

/// Whether an object is for a source.
pub(super) fn is_for(object: &impl kube::ResourceExt, source: &str, component: Component) -> bool {
    let labels = object.labels();
    labels.get(names::SOURCE).map(String::as_str) == Some(source)
        && labels.get(names::COMPONENT).map(String::as_str) == Some(component.as_str())
}

fn ran(status: &mut SourceStatus, job: &Job, finished: Finished, pods: &[Arc<Pod>]) {
    let words = job::last_words(pods, job::is_of(job));
    let reports = job::reports(pods, job::is_of(job));
    let reports: Vec<Report> = reports.into_iter().map(|(_, report)| report).collect();
    let mut run = of_reports(&reports).unwrap_or_default();
    run.job = Some(job.name_any());
    run.started_with = job.annotations().get(names::STARTED_WITH).cloned();
    run.finish_time = Some(finished.at);
    run.exit_code = exit_code(words.as_ref(), finished);
    run.message = words.as_ref().and_then(LastWords::trouble).or_else(|| {
        (!finished.succeeded).then(|| "the run did not end in time, or its pod is gone".to_owned())
    });
    if let Some(report) = reports.last() {
        *status.rows.get_or_insert(0) += run.rows;
        *status.rejected.get_or_insert(0) += run.rejected;
        status.missing_count = Some(i64::from(report.missing_count));
        status.missing_units = report.missing.iter().take(NAMED).cloned().collect();
        if let Some(through) = report.through {
            status.loaded_through = Some(through);
        }
    }
    // It grows with each run that brings nothing new.
    let lag = |through: Timestamp| finished.at.duration_since(through).as_secs();
    status.lag_seconds = status.loaded_through.map(lag);
    if is_success(run.exit_code) {
        status.last_success_time = Some(finished.at);
    }
    status.last_run = Some(run);
}

/// How a run ended; of one whose pods are gone only its Job is known.
pub(super) fn exit_code(words: Option<&LastWords>, finished: Finished) -> i32 {
    words.map_or(i32::from(!finished.succeeded), |words| words.exit_code)
}

/// What is not published yet is no failure of the run.
#[must_use]
pub fn is_success(exit_code: i32) -> bool {
    [ExitCode::Done, ExitCode::UnitsMissing]
        .iter()
        .any(|exit| i32::from(exit.code()) == exit_code)
}

/// Whether only a person can mend what a worker ended with.
#[must_use]
pub fn is_terminal(exit_code: i32) -> bool {
    [ExitCode::BadConfig, ExitCode::Refused]
        .iter()
        .any(|exit| i32::from(exit.code()) == exit_code)
}

/// What a run came to in all its attempts: each leaves out what the ones before it loaded.
fn of_reports(reports: &[Report]) -> Option<LastRun> {
    let last = reports.last()?;
    let sum = |of: fn(&Report) -> i64| reports.iter().map(of).sum::<i64>();
    let loaded = sum(|report| report.loaded.into());
    let loaded_before = loaded - i64::from(last.loaded);
    Some(LastRun {
        window: Some(WindowStatus {
            from: last.window.from,
            to: last.window.to,
        }),
        loaded,
        skipped: (i64::from(last.skipped) - loaded_before).max(0),
        missing: i64::from(last.missing_count),
        failed: i64::from(last.failed_count),
        rows: sum(|report| report.rows),
        rejected: sum(|report| report.rejected),
        inconsistent: sum(|report| report.inconsistent),
        bytes: sum(|report| i64::try_from(report.bytes).unwrap_or(i64::MAX)),
        seconds: reports.iter().map(|report| report.seconds).sum(),
        ..LastRun::default()
    })
}

/// Whole minutes, in seconds: a status that changed with every second would keep everybody who watches it busy.
fn minutes(seconds: f64) -> i64 {
    whole(seconds) / 60 * 60
}

fn whole(seconds: f64) -> i64 {
    SignedDuration::try_from_secs_f64(seconds).map_or(0, |duration| duration.as_secs())
}

fn stream(ingest: &WikiIngest, source: &Source, found: &Found, status: &mut SourceStatus) {
    let name = names::of_source(&ingest.name_any(), &source.name);
    let mut deployments = found.deployments.iter();
    let deployment = deployments.find(|deployment| deployment.name_any() == name);
    let ready = deployment
        .and_then(|deployment| deployment.status.as_ref()?.ready_replicas)
        .unwrap_or(0);
    let mut stream = StreamStatus {
        deployment: name,
        ready,
        desired: i32::from(!ingest.spec.suspend),
        ..status.stream.take().unwrap_or_default()
    };
    match found.streams.get(&source.name) {
        Some(report) => {
            status.lag_seconds = report.behind_seconds.map(minutes);
            stream.gap_seconds = whole(report.gap_seconds);
        }
        // One that is ready and did not answer this time stands as it stood.
        None if ready == 0 => status.lag_seconds = None,
        None => {}
    }
    status.stream = Some(stream);
}

/// The sources that something is wrong with.
#[must_use]
pub fn with_trouble<'a>(ingest: &WikiIngest, statuses: &'a [SourceStatus]) -> Vec<&'a str> {
    let suspended = ingest.spec.suspend;
    let has_trouble = |status: &&SourceStatus| {
        let failed = current_run(ingest, status).is_some_and(|run| !is_success(run.exit_code));
        let stream = status.stream.as_ref();
        failed || (!suspended && stream.is_some_and(|stream| stream.ready < stream.desired))
    };
    let troubled = statuses.iter().filter(has_trouble);
    troubled.map(|status| status.name.as_str()).collect()
}

/// That of the scheduled source furthest behind; none until each has loaded something.
#[must_use]
pub fn loaded_through(ingest: &WikiIngest, statuses: &[SourceStatus]) -> Option<Timestamp> {
    let scheduled = ingest
        .spec
        .sources
        .iter()
        .filter(|source| source.schedule.is_some());
    let through = scheduled.map(|source| {
        let status = statuses.iter().find(|status| status.name == source.name)?;
        status.loaded_through
    });
    through.collect::<Option<Vec<_>>>()?.into_iter().min()
}
