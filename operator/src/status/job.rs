//! What became of a Job, from its conditions and from the last words of its pods.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;
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
            "{} files are not published yet, such as {missing}",
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

/// The last words of the pod that ended last, of those that `is_of` picks.
#[must_use]
pub fn last_words(pods: &[Arc<Pod>], is_of: impl Fn(&Pod) -> bool) -> Option<LastWords> {
    let (_, words) = all_words(pods, is_of).max_by_key(|(at, _)| *at)?;
    Some(words)
}

/// The reports of the pods that did what they should, of those that `is_of` picks.
pub fn reports(pods: &[Arc<Pod>], is_of: impl Fn(&Pod) -> bool) -> impl Iterator<Item = Report> {
    all_words(pods, is_of)
        .filter(|(_, words)| words.exit_code == 0)
        .filter_map(|(_, words)| words.report())
}

fn all_words(
    pods: &[Arc<Pod>],
    is_of: impl Fn(&Pod) -> bool,
) -> impl Iterator<Item = (Option<Timestamp>, LastWords)> {
    let of = pods.iter().filter(move |pod| is_of(pod));
    of.filter_map(|pod| {
        let containers = pod.status.as_ref()?.container_statuses.as_ref()?;
        let state = containers.first()?;
        let ended = state
            .state
            .as_ref()
            .and_then(|state| state.terminated.as_ref())
            .or_else(|| {
                state
                    .last_state
                    .as_ref()
                    .and_then(|state| state.terminated.as_ref())
            })?;
        let at = ended.finished_at.as_ref().map(|time| time.0);
        let words = LastWords {
            exit_code: ended.exit_code,
            reason: ended.reason.clone(),
            message: ended.message.clone().unwrap_or_default(),
        };
        Some((at, words))
    })
}

/// Whether a pod is a Job's.
pub(super) fn is_of(job: &Job) -> impl Fn(&Pod) -> bool {
    let uid = job.uid();
    move |pod: &Pod| {
        let mut owners = pod.owner_references().iter();
        owners.any(|owner| Some(&owner.uid) == uid.as_ref())
    }
}
