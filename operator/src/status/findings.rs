//! What is wrong with a resource, or with a part of it, in words. Pure.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    core::v1::{Pod, PodCondition},
};
use kube::ResourceExt as _;
use wikiingest_crds::{BackfillStatus, SourceStatus};

use super::{
    Outcome,
    job::{self, LastWords},
    schema,
    sources::{is_for, is_terminal},
};
use crate::{
    build::{Child, Children},
    dereference::{Found, Unresolved},
    names,
    settings::Component,
};

/// Something that is so, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// A word for it.
    pub(super) reason: &'static str,
    /// What is so, and what to do about it.
    pub(super) message: String,
    /// Nothing will change until a person does something.
    pub(super) terminal: bool,
}

/// What may pass by itself.
pub(super) fn wait(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        reason,
        message: message.into(),
        terminal: false,
    }
}

/// What only a person can mend.
pub(super) fn stuck(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        terminal: true,
        ..wait(reason, message)
    }
}

/// What only a person can mend, before all that may pass; the first of equals.
pub(super) fn worst(findings: impl IntoIterator<Item = Finding>) -> Option<Finding> {
    findings.into_iter().min_by_key(|finding| !finding.terminal)
}

/// What a run that failed means.
pub(super) fn run_trouble(what: &str, exit_code: i32, why: Option<&str>, mended: bool) -> Finding {
    let message = format!("{what}: {}", why.unwrap_or("no reason is known"));
    match exit_code {
        _ if mended => wait(
            "Mended",
            format!("{message}; what it was started with has changed since, the next run tells"),
        ),
        64 => stuck("BadConfiguration", message),
        77 => stuck("Refused", message),
        _ => wait("RunFailed", message),
    }
}

/// What a backfill that failed means; `refusal` is its Job that ended with what only a person can mend, and why.
pub(super) fn backfill_trouble(
    backfill: &BackfillStatus,
    refusal: Option<(&str, LastWords)>,
) -> Finding {
    let what = format!("backfill {} of source {}", backfill.name, backfill.source);
    let changes = "its source, its sinks, their Secrets or spec.workers change";
    let Some((job, words)) = refusal else {
        let why = backfill.message.as_deref();
        let why = why.unwrap_or("some of its parts could not be loaded");
        let message =
            format!("{what}: {why}; it is tried again in a while, and at once when {changes}");
        return wait("BackfillFailed", message);
    };
    let why = words.trouble();
    let finding = run_trouble(&what, words.exit_code, why.as_deref(), false);
    let again = format!("it is tried again when {changes}, or Job {job} is deleted");
    Finding {
        message: format!("{}; {again}", finding.message),
        ..finding
    }
}

/// Whether what a run was started with is not what the next one will be, of the schedule that `is_of` picks.
pub(super) fn is_mended(
    started_with: Option<&str>,
    outcome: &Outcome<'_>,
    is_of: impl Fn(&Child) -> bool,
) -> bool {
    let Outcome::Applied(children, _) = outcome else {
        return false;
    };
    let mut schedules = children.schedules.iter();
    let next = schedules.find(|child| is_of(child)).and_then(|child| {
        let metadata = &child.object["spec"]["jobTemplate"]["metadata"];
        metadata["annotations"][names::STARTED_WITH].as_str()
    });
    started_with.is_some() && next.is_some() && started_with != next
}

pub(super) fn files_missing(source: &SourceStatus) -> Option<String> {
    let count = source.missing_count.filter(|count| *count > 0)?;
    let some = source.missing_units.join(", ");
    Some(format!(
        "source {}: {count} files are missing: {some}",
        source.name
    ))
}

pub(super) fn stream_lost(source: &SourceStatus) -> Option<String> {
    let seconds = source.stream.as_ref()?.gap_seconds;
    (seconds > 0).then(|| {
        format!(
            "source {}: {seconds} s of the stream are lost, since the worker was down for longer than the host keeps it",
            source.name
        )
    })
}

pub(super) fn unresolved(missing: &[Unresolved]) -> Finding {
    let all: Vec<_> = missing
        .iter()
        .map(|missing| match &missing.key {
            None => format!("there is no Secret {}: create it", missing.secret),
            Some(key) => format!("Secret {} has no key {key}: add it", missing.secret),
        })
        .collect();
    let reason = if missing.iter().any(|missing| missing.key.is_none()) {
        "SecretNotFound"
    } else {
        "KeyNotFound"
    };
    stuck(reason, all.join("; "))
}

pub(super) fn schema_trouble(found: &Found, children: &Children) -> Option<Finding> {
    let migrate = children.migrate.as_ref()?;
    let job = schema::of(&migrate.name, &found.jobs);
    let finished = job.and_then(job::finished);
    if finished.is_some_and(|finished| finished.succeeded) {
        return None;
    }
    let words = job.and_then(|job| job::last_words(&found.pods, job::is_of(job)));
    let why = words.as_ref().and_then(LastWords::trouble);
    if finished.is_some() {
        let why =
            why.unwrap_or_else(|| "the databases could not be brought to the schema".to_owned());
        let name = &migrate.name;
        let hopeless = job.is_some_and(|job| schema::is_hopeless(job, &found.pods));
        return Some(if hopeless {
            let mend = "another value in the Secret starts it again, and so does deleting the Job";
            stuck("MigrationFailed", format!("Job {name}: {why}; {mend}"))
        } else {
            wait(
                "MigrationFailed",
                format!("Job {name}: {why}; it is tried again"),
            )
        });
    }
    let blocked = job.and_then(|job| waiting(&found.pods, job::is_of(job)));
    let message = blocked
        .or(why)
        .map_or(String::new(), |why| format!(": {why}"));
    Some(wait(
        "Migrating",
        format!("the databases are being brought to the schema{message}"),
    ))
}

pub(super) fn stream_trouble(
    deployment: Option<&Deployment>,
    pods: &[Arc<Pod>],
    now: Timestamp,
) -> Option<Finding> {
    let Some(deployment) = deployment else {
        return Some(wait("StreamStarting", "the stream worker is being started"));
    };
    let status = deployment.status.clone().unwrap_or_default();
    let current = status.observed_generation >= deployment.metadata.generation;
    if current && status.ready_replicas >= Some(1) && status.updated_replicas >= Some(1) {
        return None;
    }
    let source = deployment
        .labels()
        .get(names::SOURCE)
        .cloned()
        .unwrap_or_default();
    let of_stream = |pod: &Pod| is_for(pod, &source, Component::Stream);
    let words = job::words_before(pods, of_stream, now);
    let why = words.as_ref().and_then(LastWords::trouble);
    let message = |why: &str| format!("source {source}: {why}");
    if let (Some(words), Some(why)) = (&words, &why)
        && is_terminal(words.exit_code)
    {
        return Some(stuck("StreamRefused", message(why)));
    }
    if let Some(why) = waiting(pods, of_stream).or(why) {
        return Some(wait("StreamUnavailable", message(&why)));
    }
    Some(wait(
        "StreamStarting",
        message("the worker is starting, or catching up"),
    ))
}

/// Why runs and backfills do not start. Who waits for a connection to a host waits as he should.
pub(super) fn pods_waiting(found: &Found) -> Option<Finding> {
    let open = found.jobs.iter().filter(|job| job::finished(job).is_none());
    open.filter(|job| !schema::is_migration(job))
        .find_map(|job| {
            let is_ours = job::is_of(job);
            let queues =
                |pod: &Pod| pod.labels().contains_key(names::CONNECTION) && is_kept_off(pod);
            let why = waiting(&found.pods, |pod| is_ours(pod) && !queues(pod))?;
            Some(wait("PodWaiting", format!("Job {}: {why}", job.name_any())))
        })
}

fn unschedulable(pod: &Pod) -> Option<&PodCondition> {
    let conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let mut conditions = conditions.filter(|one| one.type_ == "PodScheduled");
    conditions.find(|one| one.status == "False")
}

/// Whether other pods keep it from every node, or from the last one that would have it: the scheduler counts the reasons.
fn is_kept_off(pod: &Pod) -> bool {
    let message = unschedulable(pod).and_then(|condition| condition.message.as_ref());
    message.is_some_and(|message| message.contains("anti-affinity"))
}

/// Why a container does not start, where its node says so.
fn waiting(pods: &[Arc<Pod>], is_of: impl Fn(&Pod) -> bool) -> Option<String> {
    pods.iter()
        .filter(|pod| is_of(pod))
        .find_map(|pod| match unschedulable(pod) {
            Some(condition) => condition.message.clone(),
            None => job::waits_for(pod),
        })
}
