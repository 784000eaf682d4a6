//! What became of a Job, from its conditions and from the last words of its pods.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{
    batch::v1::Job,
    core::v1::{ContainerStateTerminated, ContainerStatus, Pod},
};
use kube::ResourceExt as _;
use serde::de::DeserializeOwned;
use wikiingest_crds::worker::Report;

/// How a Job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finished {
    /// Whether it did what it should.
    pub succeeded: bool,
    /// When.
    pub at: Timestamp,
}

/// How a Job ended; none while it has not.
#[must_use]
pub fn finished(job: &Job) -> Option<Finished> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find_map(|condition| {
        let ended = matches!(condition.type_.as_str(), "Complete" | "Failed");
        (ended && condition.status == "True").then(|| Finished {
            succeeded: condition.type_ == "Complete",
            at: condition
                .last_transition_time
                .as_ref()
                .map_or(Timestamp::UNIX_EPOCH, |time| time.0),
        })
    })
}

/// The last words of a worker.
#[derive(Clone, Debug, PartialEq)]
pub struct LastWords {
    /// The exit code; 137 for one that was killed, by the kernel for its memory or by anybody else.
    pub exit_code: i32,
    /// Why, as the node says it, such as `OOMKilled`.
    pub reason: Option<String>,
    /// What the worker said.
    pub message: String,
}

impl LastWords {
    /// The worker's report, where it wrote one.
    #[must_use]
    pub fn report(&self) -> Option<Report> {
        serde_json::from_str(&self.message).ok()
    }

    /// What went wrong, in words.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if self.reason.as_deref() == Some("OOMKilled") {
            return Some(
                "the worker ran out of memory: raise spec.workers.resources.limits.memory"
                    .to_owned(),
            );
        }
        if self.exit_code == 0 {
            return None;
        }
        Some(match self.report() {
            Some(report) => of_report(&report, self.exit_code),
            None if self.message.trim().is_empty() => {
                format!("the worker ended with exit code {}", self.exit_code)
            }
            None => last_line(&self.message),
        })
    }
}

fn of_report(report: &Report, exit_code: i32) -> String {
    match (report.failed.first(), report.missing.first()) {
        (Some(failed), _) => format!(
            "{} of the files could not be loaded, such as {}: {}",
            report.failed_count, failed.unit, failed.error
        ),
        (None, Some(missing)) => format!(
            "{} files are not at the host, or not yet, such as {missing}",
            report.missing_count
        ),
        (None, None) => format!("the worker ended with exit code {exit_code}"),
    }
}

/// Logs are in JSON; of what the kubelet kept of them the last line tells most.
fn last_line(text: &str) -> String {
    let line = text.trim().lines().last().unwrap_or_default();
    let parsed: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let message = parsed
        .as_ref()
        .and_then(|line| line["fields"]["message"].as_str())
        .unwrap_or(line);
    message.chars().take(512).collect()
}

/// How long the end of a pod is waited for after that of its Job. Its node may be gone.
const PATIENCE: SignedDuration = SignedDuration::from_mins(5);

/// How long a container that runs is still told of by the death of the one before it. The kubelet, too, takes it for
/// healthy after that.
const RECENT: SignedDuration = SignedDuration::from_mins(10);

/// Whether the pods of a Job that ended are known as they ended. Jobs and pods are watched apart, and either may be
/// behind. Of one that has no pods any more nothing else will be known.
#[must_use]
pub fn is_told(job: &Job, finished: Finished, pods: &[Arc<Pod>], now: Timestamp) -> bool {
    let is_ours = is_of(job);
    let ours: Vec<&Arc<Pod>> = pods.iter().filter(|pod| is_ours(pod)).collect();
    let mut codes = ours
        .iter()
        .filter_map(|pod| Some(terminated(pod)?.exit_code));
    let is_whole = ours.iter().all(|pod| has_ended(pod))
        && (!finished.succeeded || ours.is_empty() || codes.any(|code| code == 0));
    is_whole || now.duration_since(finished.at) > PATIENCE
}

/// The last words of the pod that ended last, of those that `is_of` picks.
#[must_use]
pub fn last_words(pods: &[Arc<Pod>], is_of: impl Fn(&Pod) -> bool) -> Option<LastWords> {
    let of = pods.iter().filter(|pod| is_of(pod));
    latest(of.filter_map(|pod| terminated(pod)))
}

/// The same of pods that are started again in their place: what the one before said, until it runs well.
#[must_use]
pub fn words_before(
    pods: &[Arc<Pod>],
    is_of: impl Fn(&Pod) -> bool,
    now: Timestamp,
) -> Option<LastWords> {
    let of = pods.iter().filter(|pod| is_of(pod));
    latest(of.filter_map(|pod| terminated(pod).or_else(|| terminated_before(pod, now))))
}

/// The reports of the pods that `is_of` picks, each with when it ended, in that order.
#[must_use]
pub fn reports<T: DeserializeOwned>(
    pods: &[Arc<Pod>],
    is_of: impl Fn(&Pod) -> bool,
) -> Vec<(Timestamp, T)> {
    let of = pods.iter().filter(|pod| is_of(pod));
    let mut reports: Vec<(Timestamp, T)> = of
        .filter_map(|pod| {
            let ended = terminated(pod)?;
            let report = serde_json::from_str(ended.message.as_ref()?).ok()?;
            Some((ended.finished_at.as_ref()?.0, report))
        })
        .collect();
    reports.sort_by_key(|(at, _)| *at);
    reports
}

fn latest<'a>(ends: impl Iterator<Item = &'a ContainerStateTerminated>) -> Option<LastWords> {
    let ended = ends.max_by_key(|ended| ended.finished_at.as_ref().map(|time| time.0))?;
    Some(LastWords {
        exit_code: ended.exit_code,
        reason: ended.reason.clone(),
        message: ended.message.clone().unwrap_or_default(),
    })
}

/// Its only container.
fn container(pod: &Pod) -> Option<&ContainerStatus> {
    pod.status.as_ref()?.container_statuses.as_ref()?.first()
}

fn terminated(pod: &Pod) -> Option<&ContainerStateTerminated> {
    container(pod)?.state.as_ref()?.terminated.as_ref()
}

fn terminated_before(pod: &Pod, now: Timestamp) -> Option<&ContainerStateTerminated> {
    let container = container(pod)?;
    let running = container
        .state
        .as_ref()
        .and_then(|now| now.running.as_ref());
    let since = running.and_then(|running| running.started_at.as_ref());
    let runs_well = since.is_some_and(|since| now.duration_since(since.0) > RECENT);
    let before = container.last_state.as_ref()?.terminated.as_ref();
    before.filter(|_| !runs_well)
}

/// What keeps the container of a pod from starting, such as the want of its image; none for what is ordinary, and for one
/// that has started and failed: its last words tell more.
#[must_use]
pub fn waits_for(pod: &Pod) -> Option<String> {
    let waiting = container(pod)?.state.as_ref()?.waiting.as_ref()?;
    let reason = waiting.reason.as_deref().unwrap_or_default();
    let is_ordinary = matches!(
        reason,
        "" | "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff"
    );
    (!is_ordinary).then(|| {
        let message = waiting.message.as_deref().unwrap_or_default();
        format!("{reason}: {message}")
    })
}

/// Whether a pod of a Job is kept from starting.
#[must_use]
pub fn is_stuck(job: &Job, pods: &[Arc<Pod>]) -> bool {
    let is_its = is_of(job);
    pods.iter()
        .any(|pod| is_its(pod) && waits_for(pod).is_some())
}

/// Whether nothing of it runs, or will.
fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_ref());
    terminated(pod).is_some()
        || phase.is_some_and(|phase| phase == "Succeeded" || phase == "Failed")
}

/// Whether a pod is a Job's.
pub(crate) fn is_of(job: &Job) -> impl Fn(&Pod) -> bool {
    let uid = job.uid();
    move |pod: &Pod| {
        let mut owners = pod.owner_references().iter();
        owners.any(|owner| Some(&owner.uid) == uid.as_ref())
    }
}
