//! The conditions of a resource, as kstatus and people read them.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt as _;
use wikiingest_crds::{BackfillPhase, WikiIngest, WikiIngestStatus};

use super::{
    Outcome, backfills,
    findings::{
        Finding, backfill_trouble, files_missing, is_mended, pods_waiting, run_trouble,
        schema_trouble, stream_lost, stream_trouble, stuck, unresolved, wait, worst,
    },
    retention,
    sources::{current_run, is_success},
};
use crate::{
    apply::Done,
    build::{Child, Children},
    dereference::Found,
    error::Error,
    names,
};

/// The most bytes of a message.
const LONGEST: usize = 1024;

/// The condition of a resource that nothing new is started of.
const SUSPENDED: &str = "Suspended";

/// The conditions that are made of all others.
const SUMMARY: [&str; 4] = ["Ready", "Reconciling", "Stalled", SUSPENDED];

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

    fn has(&self, name: &str) -> bool {
        self.list.iter().any(|one| one.type_ == name)
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

    /// Tells that a resource is left alone. All else is as it was; Ready is always there.
    pub fn pause(&mut self) {
        let others = self.before.iter().filter(|one| one.type_ != SUSPENDED);
        self.list = others.cloned().collect();
        if !self.has("Ready") {
            self.put(
                "Ready",
                false,
                "Paused",
                "nothing is set up while the annotation wikiingest.dev/paused is set: remove it",
            );
        }
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
            Outcome::Failed(error) => self.find("SchedulesSynced", Some(failed(error)), "", ""),
            Outcome::Applied(children, done) => self.of_children(ingest, found, children, done),
        };
        let trouble = if matches!(outcome, Outcome::Failed(_)) {
            // What is refused or mended is told from what was applied, which is not known now.
            self.keep_others();
            trouble
        } else {
            let of_runs = self.of_runs(ingest, status, outcome);
            let of_backfills = self.of_backfills(found, status, outcome);
            match outcome {
                Outcome::Applied(..) => {
                    worst([trouble, of_runs, of_backfills].into_iter().flatten())
                }
                // Whether anything of the past is mended by what was not applied yet nobody knows.
                _ => trouble,
            }
        };
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

    /// What was not looked at stands as it stood.
    fn keep_others(&mut self) {
        let is_other =
            |one: &&Condition| !SUMMARY.contains(&one.type_.as_str()) && !self.has(&one.type_);
        let others: Vec<_> = self.before.iter().filter(is_other).cloned().collect();
        self.list.extend(others);
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

    /// The worst that is wrong.
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
        let stream = if children.streams.is_empty() || ingest.spec.suspend {
            None
        } else {
            let streams = self.of_streams(found, children, done);
            self.find(
                "StreamAvailable",
                streams,
                "Available",
                "the stream is read and written",
            )
        };
        worst(pods_waiting(found).into_iter().chain(stream))
    }

    fn of_streams(&self, found: &Found, children: &Children, done: &Done) -> Option<Finding> {
        worst(children.streams.iter().filter_map(|child| {
            // What was changed a moment ago is not what was looked at before.
            if done.applied.contains(&format!("Deployment {}", child.name)) {
                return Some(wait("StreamStarting", "the stream worker is being started"));
            }
            let mut deployments = found.deployments.iter();
            let deployment = deployments.find(|live| live.name_any() == child.name);
            stream_trouble(deployment.map(Arc::as_ref), &found.pods, self.now)
        }))
    }

    /// What the last runs came to; only what a person has to mend makes the resource not ready.
    fn of_runs(
        &mut self,
        ingest: &WikiIngest,
        status: &WikiIngestStatus,
        outcome: &Outcome<'_>,
    ) -> Option<Finding> {
        let runs: Vec<_> = status
            .sources
            .iter()
            .filter_map(|source| Some((source, current_run(ingest, source)?)))
            .collect();
        self.complete(status);
        let retention = status.retention.as_ref();
        let deleted = retention.and_then(|retention| retention.last_run.as_ref());
        if runs.is_empty() && deleted.is_none() {
            return None;
        }
        let failed = runs.iter().filter(|(_, run)| !is_success(run.exit_code));
        let of_sources = failed.map(|(source, run)| {
            let is_of =
                |child: &Child| child.object["metadata"]["labels"][names::SOURCE] == source.name;
            let mended = is_mended(run.started_with.as_deref(), outcome, is_of);
            let what = format!("source {}", source.name);
            run_trouble(&what, run.exit_code, run.message.as_deref(), mended)
        });
        let failed = deleted.filter(|run| run.exit_code != 0);
        let of_retention = failed.map(|run| {
            let mended = is_mended(run.started_with.as_deref(), outcome, retention::is_for);
            let message = run.message.as_deref();
            run_trouble("retention", run.exit_code, message, mended)
        });
        let finding = self.find(
            "LastRunSucceeded",
            worst(of_sources.chain(of_retention)),
            "Succeeded",
            "the last run of each source succeeded",
        );
        finding.filter(|finding| finding.terminal)
    }

    /// Whether past ranges are loaded, as far as they are tried.
    fn of_backfills(
        &mut self,
        found: &Found,
        status: &WikiIngestStatus,
        outcome: &Outcome<'_>,
    ) -> Option<Finding> {
        if status.backfills.is_empty() {
            return None;
        }
        let refusal = |source: &str, name: &str| {
            let Outcome::Applied(children, _) = outcome else {
                return None;
            };
            let mut plans = children.backfills.iter();
            let plan = plans.find(|plan| plan.source == source && plan.name == name)?;
            backfills::refusal(plan, found)
        };
        let findings = status.backfills.iter().filter_map(|backfill| {
            let refusal = refusal(&backfill.source, &backfill.name);
            let failed = backfill.phase == BackfillPhase::Failed || refusal.is_some();
            failed.then(|| backfill_trouble(backfill, refusal))
        });
        self.find(
            "BackfillsSucceeded",
            worst(findings),
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

/// What a reconcile did not get to its end for. What the API server does not take it will not take the next time.
fn failed(error: &Error) -> Finding {
    match error.reason() {
        reason @ ("Rejected" | "NameTaken") => stuck(reason, error.to_string()),
        _ => wait("ApplyFailed", error.to_string()),
    }
}
