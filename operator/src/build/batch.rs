//! Scheduled sources: a CronJob each, and a Job for each run that was asked for.

use jiff::{Timestamp, Unit};
use serde_json::{Value, json};
use wikiingest_crds::{Schedule, Sink, Source};

use super::{Child, Connection, Context, Kind, Upstream, config, pod};
use crate::{names, settings::Component};

/// A run that takes longer hangs: a file of an hour takes less than a minute, one of a day less than an hour.
const LONGEST_RUN: u32 = 12 * 3600;
/// How late a run may start at most.
const DEADLINE: i64 = 3600;
/// How long a run that was asked for is kept after its end.
const KEPT: u32 = 24 * 3600;

pub(super) fn schedules(context: &Context<'_>) -> Vec<Child> {
    let scheduled = scheduled(context);
    scheduled
        .map(|(source, schedule)| cron_job(context, source, schedule))
        .collect()
}

/// A Job for each scheduled source, once for each token.
pub(super) fn runs(context: &Context<'_>) -> Vec<Child> {
    let Some(token) = context.ingest.run_now else {
        return Vec::new();
    };
    if context.ingest.spec.suspend {
        return Vec::new();
    }
    let run = |(source, _): (&Source, &Schedule)| {
        let (mut spec, annotations) = job(context, source);
        spec["ttlSecondsAfterFinished"] = KEPT.into();
        context.child(
            Kind::Job,
            names::of_job(context.ingest.name, &source.name, token),
            &context.labels(Component::Batch, &source.name),
            json!({"metadata": {"annotations": annotations}, "spec": spec}),
        )
    };
    scheduled(context).map(run).collect()
}

fn scheduled<'a>(context: &Context<'a>) -> impl Iterator<Item = (&'a Source, &'a Schedule)> {
    let sources = context.ingest.spec.sources.iter();
    sources.filter_map(|source| Some((source, source.schedule.as_ref()?)))
}

fn cron_job(context: &Context<'_>, source: &Source, schedule: &Schedule) -> Child {
    let labels = context.labels(Component::Batch, &source.name);
    let (spec, annotations) = job(context, source);
    context.child(
        Kind::CronJob,
        names::of_source(context.ingest.name, &source.name),
        &labels,
        json!({"spec": {
            "schedule": schedule.cron,
            "timeZone": schedule.time_zone(),
            "startingDeadlineSeconds": starting_deadline(schedule),
            "concurrencyPolicy": "Forbid",
            "suspend": context.ingest.spec.suspend,
            "successfulJobsHistoryLimit": 3,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "metadata": {"labels": labels, "annotations": annotations},
                "spec": spec,
            },
        }}),
    )
}

/// What a Job of the source is, and its annotations.
fn job(context: &Context<'_>, source: &Source) -> (Value, Value) {
    let sinks = sinks(context, source);
    let pod = pod::Worker {
        component: Component::Batch,
        labels: context.labels(Component::Batch, &source.name),
        command: &["wikiingest-batch", "run"],
        file: &config::file_of(&source.name),
        sinks: &sinks,
        connection: Some(connection(context, source)),
    };
    let spec = json!({
        "backoffLimit": 3,
        "activeDeadlineSeconds": LONGEST_RUN,
        "podReplacementPolicy": "Failed",
        // What is not published yet the next scheduled run looks for.
        "podFailurePolicy": pod::failure_policy(&[2, 64, 77]),
        "template": pod.template(context),
    });
    let started_with = pod.started_with(context, source);
    (spec, json!({(names::STARTED_WITH): started_with}))
}

/// The sinks that a source feeds.
pub(super) fn sinks(context: &Context<'_>, source: &Source) -> Vec<Sink> {
    let all = context.ingest.spec.sinks.iter();
    all.filter(|sink| source.sinks.contains(&sink.name))
        .cloned()
        .collect()
}

/// The connection of the source's scheduled runs.
pub(super) fn connection(context: &Context<'_>, source: &Source) -> Connection {
    let upstream = upstream(context, source.base_url.as_deref());
    upstream.connection_of(&context.task(&source.name))
}

/// The host at a base URL.
pub(super) fn upstream(context: &Context<'_>, base_url: Option<&str>) -> Upstream {
    Upstream::at(base_url, context.ingest.namespace, context.settings)
}

/// Half of the time to the next run, and an hour at most: a run that starts later is in the next one's way.
fn starting_deadline(schedule: &Schedule) -> i64 {
    let next = |after: Timestamp| schedule.next_after(after).ok();
    let first = next(Timestamp::UNIX_EPOCH);
    let period = first.and_then(|first| next(first)?.since(first).ok());
    let seconds = period.and_then(|period| period.total(Unit::Second).ok());
    #[expect(clippy::cast_possible_truncation, reason = "it is bounded at once")]
    seconds.map_or(DEADLINE, |seconds| {
        ((seconds / 2.0) as i64).clamp(60, DEADLINE)
    })
}
