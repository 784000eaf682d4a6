//! The conditions of a resource, as kstatus and people read them.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::{
    api::{
        apps::v1::Deployment,
        core::v1::{Pod, PodCondition},
    },
    apimachinery::pkg::apis::meta::v1::{Condition, Time},
};
use kube::ResourceExt as _;
use wikiingest_crds::{BackfillPhase, SourceStatus, WikiIngest, WikiIngestStatus};

use super::{
    Outcome,
    job::{self, LastWords},
    retention, schema,
    sources::{is_for, is_success, is_terminal},
};
use crate::{
    apply::Done,
    build::{Child, Children},
    dereference::{Found, Unresolved},
    names,
    settings::Component,
};

/// The most bytes of a message.
const LONGEST: usize = 1024;

/// The condition of a resource that nothing new is started of.
const SUSPENDED: &str = "Suspended";

/// Something that is so, or not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    reason: &'static str,
    message: String,
    /// Nothing will change until a person does something.
    terminal: bool,
}

fn wait(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        reason,
        message: message.into(),
        terminal: false,
    }
}

fn stuck(reason: &'static str, message: impl Into<String>) -> Finding {
    Finding {
        terminal: true,
        ..wait(reason, message)
    }
}

/// The conditions that are being made.
#[derive(Debug)]
pub struct Conditions {
    before: Vec<Condition>,
    generation: Option<i64>,
    now: Timestamp,
    list: Vec<Condition>,
}

impl Conditions {
    /// None yet.
    #[must_use]
    pub fn new(ingest: &WikiIngest, now: Timestamp) -> Self {
        let status = ingest.status.as_ref();
        Self {
            before: status
                .map(|status| status.conditions.clone())
                .unwrap_or_default(),
            generation: ingest.metadata.generation,
            now,
            list: Vec::new(),
        }
    }

    /// All of them, Ready first.
    #[must_use]
    pub fn into_list(self) -> Vec<Condition> {
        let mut list = self.list;
        let rank = |name: &str| match name {
            "Ready" => 0,
            "Reconciling" | "Stalled" => 1,
            _ => 2,
        };
        list.sort_by_key(|condition| rank(&condition.type_));
        list
    }

    fn put(&mut self, name: &str, holds: bool, reason: &str, message: &str) {
        let status = if holds { "True" } else { "False" };
        let before = self.before.iter().find(|before| before.type_ == name);
        let since = before
            .filter(|before| before.status == status)
            .map_or(Time(self.now), |before| before.last_transition_time.clone());
        let end = message.floor_char_boundary(LONGEST);
        self.list.push(Condition {
            type_: name.to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: message[..end].to_owned(),
            observed_generation: self.generation,
            last_transition_time: since,
        });
    }

    fn find(
        &mut self,
        name: &str,
        finding: Option<Finding>,
        reason: &str,
        message: &str,
    ) -> Option<Finding> {
        match &finding {
            None => self.put(name, true, reason, message),
            Some(finding) => self.put(name, false, finding.reason, &finding.message),
        }
        finding
    }

    /// Tells that a resource is left alone. All else is as it was.
    pub fn pause(&mut self) {
        let others = self.before.iter().filter(|one| one.type_ != SUSPENDED);
        self.list = others.cloned().collect();
        self.put(
            SUSPENDED,
            true,
            "Paused",
            "the annotation wikiingest.dev/paused is set: this resource and its children are left as they are",
        );
    }

    /// Tells how a resource stands after a reconcile.
    pub fn tell(
        &mut self,
        ingest: &WikiIngest,
        found: &Found,
        outcome: &Outcome<'_>,
        status: &WikiIngestStatus,
    ) {
        let trouble = match outcome {
            Outcome::Invalid(problems) => {
                let all: Vec<_> = problems.iter().map(ToString::to_string).collect();
                Some(stuck("InvalidSpec", all.join("; ")))
            }
            Outcome::Unresolved(missing) => {
                let finding = Some(unresolved(missing));
                self.find("SecretsResolved", finding, "", "")
            }
            // What the API server does not take it will not take the next time.
            Outcome::Failed(error) if error.reason() == "Rejected" => {
                Some(stuck("Rejected", error.to_string()))
            }
            Outcome::Failed(error) if error.reason() == "NameTaken" => {
                Some(stuck("NameTaken", error.to_string()))
            }
            Outcome::Failed(error) => Some(wait("ApplyFailed", error.to_string())),
            Outcome::Applied(children, done) => self.of_children(ingest, found, children, done),
        };
        let of_runs = self.of_runs(status, outcome);
        let of_backfills = self.of_backfills(status);
        let trouble = trouble.or(of_runs).or(of_backfills);
        if ingest.spec.suspend {
            self.put(
                SUSPENDED,
                true,
                "SpecSuspend",
                "spec.suspend is set: nothing new is started",
            );
        }
        self.ready(ingest, trouble);
    }

    fn ready(&mut self, ingest: &WikiIngest, trouble: Option<Finding>) {
        match trouble {
            None if ingest.spec.suspend => {
                self.put(
                    "Ready",
                    true,
                    "Suspended",
                    "everything is set up, and suspended",
                );
            }
            None => self.put("Ready", true, "Ready", "everything is set up and running"),
            Some(finding) => {
                let other = if finding.terminal {
                    "Stalled"
                } else {
                    "Reconciling"
                };
                self.put("Ready", false, finding.reason, &finding.message);
                self.put(other, true, finding.reason, &finding.message);
            }
        }
    }

    /// The first thing that is wrong.
    fn of_children(
        &mut self,
        ingest: &WikiIngest,
        found: &Found,
        children: &Children,
        done: &Done,
    ) -> Option<Finding> {
        self.put(
            "SecretsResolved",
            true,
            "Resolved",
            "every Secret and key that the sinks name is there",
        );
        let schema = self.find(
            "SchemaReady",
            schema_trouble(found, children),
            "Ready",
            if children.migrate.is_some() {
                "the databases are at the current schema"
            } else {
                "no sink has a schema"
            },
        );
        if schema.is_some() {
            return schema;
        }
        let schedules = format!(
            "{} schedules are as the spec says",
            children.schedules.len()
        );
        self.put("SchedulesSynced", true, "Synced", &schedules);
        if let Some(finding) = pods_waiting(found) {
            return Some(finding);
        }
        if children.streams.is_empty() || ingest.spec.suspend {
            return None;
        }
        let stream = children.streams.iter().find_map(|child| {
            // What was changed a moment ago is not what was looked at before.
            if done.applied.contains(&format!("Deployment {}", child.name)) {
                return Some(wait("StreamStarting", "the stream worker is being started"));
            }
            let mut deployments = found.deployments.iter();
            stream_trouble(
                deployments
                    .find(|live| live.name_any() == child.name)
                    .map(Arc::as_ref),
                &found.pods,
            )
        });
        self.find(
            "StreamAvailable",
            stream,
            "Available",
            "the stream is read and written",
        )
    }

    /// What the last runs came to; only what a person has to mend makes the resource not ready.
    fn of_runs(&mut self, status: &WikiIngestStatus, outcome: &Outcome<'_>) -> Option<Finding> {
        let runs: Vec<_> = status
            .sources
            .iter()
            .filter_map(|source| Some((source, source.last_run.as_ref()?)))
            .collect();
        self.complete(status);
        let retention = status.retention.as_ref();
        let deleted = retention.and_then(|retention| retention.last_run.as_ref());
        if runs.is_empty() && deleted.is_none() {
            return None;
        }
        let failed = runs.iter().find(|(_, run)| !is_success(run.exit_code));
        let finding = failed.map(|(source, run)| {
            let is_of =
                |child: &Child| child.object["metadata"]["labels"][names::SOURCE] == source.name;
            let mended = is_mended(run.started_with.as_deref(), outcome, is_of);
            let what = format!("source {}", source.name);
            run_trouble(&what, run.exit_code, run.message.as_deref(), mended)
        });
        let finding = finding.or_else(|| {
            let run = deleted.filter(|run| run.exit_code != 0)?;
            let mended = is_mended(run.started_with.as_deref(), outcome, retention::is_for);
            let message = run.message.as_deref();
            Some(run_trouble("retention", run.exit_code, message, mended))
        });
        let finding = self.find(
            "LastRunSucceeded",
            finding,
            "Succeeded",
            "the last run of each source succeeded",
        );
        finding.filter(|finding| finding.terminal)
    }

    /// Whether past ranges are loaded, as far as they are tried.
    fn of_backfills(&mut self, status: &WikiIngestStatus) -> Option<Finding> {
        if status.backfills.is_empty() {
            return None;
        }
        let mut failed = status
            .backfills
            .iter()
            .filter(|backfill| backfill.phase == BackfillPhase::Failed);
        let finding = failed.next().map(|backfill| {
            let why = backfill.message.as_deref();
            wait(
                "BackfillFailed",
                format!(
                    "backfill {} of source {}: {}; it is tried again in a while, and at once when its source, its sinks, their Secrets or spec.workers change",
                    backfill.name,
                    backfill.source,
                    why.unwrap_or("some of its parts could not be loaded")
                ),
            )
        });
        self.find(
            "BackfillsSucceeded",
            finding,
            "Succeeded",
            "no backfill has failed",
        )
    }

    /// Whether anything is missing. Nothing is told of it before a run has looked; one that failed may not have.
    fn complete(&mut self, status: &WikiIngestStatus) {
        let mut sources = status.sources.iter();
        let is_known = sources.any(|source| source.missing_count.is_some());
        let missing = status.sources.iter().filter_map(files_missing);
        let missing: Vec<String> = missing.collect();
        let lost: Vec<String> = status.sources.iter().filter_map(stream_lost).collect();
        let finding = if missing.is_empty() {
            (!lost.is_empty()).then(|| wait("StreamGap", lost.join("; ")))
        } else {
            Some(wait("FilesMissing", [missing, lost].concat().join("; ")))
        };
        if is_known || finding.is_some() {
            let _ = self.find(
                "DataComplete",
                finding,
                "Complete",
                "no file inside the lookback is missing",
            );
        }
    }
}

/// What a run that failed means.
fn run_trouble(what: &str, exit_code: i32, why: Option<&str>, mended: bool) -> Finding {
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

/// Whether what a run was started with is not what the next one will be, of the schedule that `is_of` picks.
fn is_mended(
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

fn files_missing(source: &SourceStatus) -> Option<String> {
    let count = source.missing_count.filter(|count| *count > 0)?;
    let some = source.missing_units.join(", ");
    Some(format!(
        "source {}: {count} files are missing: {some}",
        source.name
    ))
}

fn stream_lost(source: &SourceStatus) -> Option<String> {
    let seconds = source.stream.as_ref()?.gap_seconds;
    (seconds > 0).then(|| {
        format!(
            "source {}: {seconds} s of the stream are lost, since the worker was down for longer than the host keeps it",
            source.name
        )
    })
}

fn unresolved(missing: &[Unresolved]) -> Finding {
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

fn schema_trouble(found: &Found, children: &Children) -> Option<Finding> {
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
            let mend = "a new version of the Secret starts it again, and so does deleting the Job";
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

fn stream_trouble(deployment: Option<&Deployment>, pods: &[Arc<Pod>]) -> Option<Finding> {
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
    let words = job::last_words(pods, of_stream);
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
fn pods_waiting(found: &Found) -> Option<Finding> {
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
    pods.iter().filter(|pod| is_of(pod)).find_map(|pod| {
        let status = pod.status.as_ref()?;
        if let Some(condition) = unschedulable(pod) {
            return condition.message.clone();
        }
        let state = status
            .container_statuses
            .as_ref()?
            .first()?
            .state
            .as_ref()?;
        let waiting = state.waiting.as_ref()?;
        let reason = waiting.reason.clone().unwrap_or_default();
        let ordinary = matches!(
            reason.as_str(),
            "ContainerCreating" | "PodInitializing" | "CrashLoopBackOff"
        );
        (!ordinary).then(|| format!("{reason}: {}", waiting.message.clone().unwrap_or_default()))
    })
}
