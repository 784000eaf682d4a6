//! What the operator found and did.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator last saw of the resource, and how its sources stand. Written by the operator only.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct WikiIngestStatus {
    /// The generation of the spec that this status is about; -1 until the operator has seen the resource.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// How things stand. Ready is always there. Reconciling and Stalled are there only while true: Stalled means that
    /// nothing will change until the spec or a Secret does. The others are SecretsResolved, SchemaReady,
    /// SchedulesSynced, StreamAvailable, LastRunSucceeded, DataComplete and Suspended.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,

    /// The last value of the annotation that asks for a run at once, so that each value is acted on once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,

    /// Sources without trouble, of all sources. Example: 2/3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sources_ready: Option<String>,

    /// When a run of any source last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Timestamp>,

    /// Up to when data are loaded for every scheduled or streamed source: that of the one furthest behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_through: Option<Timestamp>,

    /// How each source stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub sources: Vec<SourceStatus>,

    /// How far each backfill is. A backfill that is done stays here, and is not run again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["source".into(), "name".into()]))]
    pub backfills: Vec<BackfillStatus>,

    /// How the daily run stands that deletes what the sinks keep no longer; not there where they keep everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<RetentionStatus>,
}

/// How a source stands.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// Name of the source.
    pub name: String,

    /// Kind of the source. Example: pageviews.
    pub kind: String,

    /// The last run that finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<LastRun>,

    /// When a run last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Timestamp>,

    /// When the next run is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_time: Option<Timestamp>,

    /// Up to when data are loaded: the end of the newest hour or day. Batch sources only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loaded_through: Option<Timestamp>,

    /// How far the data were behind the clock when this was written, in seconds; of a stream in whole minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag_seconds: Option<i64>,

    /// Rows loaded by all runs so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rows: Option<i64>,

    /// Lines that could not be parsed, in all runs so far. They are kept beside the data, each with the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<i64>,

    /// Files that should be there and are not, oldest first; a few when there are many.
    /// Example: `[pageviews-20240803-060000]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub missing_units: Vec<String>,

    /// How many files should be there and are not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing_count: Option<i64>,

    /// The worker that reads the stream. Streams only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamStatus>,
}

/// What a run reported when it finished.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastRun {
    /// Name of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,

    /// When the run finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Timestamp>,

    /// Which time of the data the run looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<WindowStatus>,

    /// Files loaded.
    pub loaded: i64,

    /// Files left out, since they were loaded before and have not changed, or are older than what the sinks keep.
    pub skipped: i64,

    /// Files that should be there and are not.
    pub missing: i64,

    /// Files that could not be loaded.
    pub failed: i64,

    /// Rows loaded.
    pub rows: i64,

    /// Lines that could not be parsed.
    pub rejected: i64,

    /// Rows loaded whose parts do not add up to the total that was published with them.
    #[serde(default)]
    pub inconsistent: i64,

    /// Bytes downloaded.
    pub bytes: i64,

    /// How long the run took, in seconds.
    pub seconds: f64,

    /// The worker's exit code: 0 done, 1 to be tried again, 2 files still missing, 64 bad configuration, 77 refused by
    /// the source or a sink.
    pub exit_code: i32,

    /// A hash of what it was started with: the source, its sinks, their Secrets and spec.workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_with: Option<String>,

    /// What went wrong, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A range of time, its end not included.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WindowStatus {
    /// Where the range begins, included.
    pub from: Timestamp,
    /// Where the range ends, not included.
    pub to: Timestamp,
}

/// The worker that reads a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StreamStatus {
    /// Name of the Deployment.
    pub deployment: String,
    /// Pods that are connected and writing.
    pub ready: i32,
    /// Pods that there should be: 1, or 0 while suspended.
    pub desired: i32,
    /// How much of the stream was lost, in seconds, since the worker was down for longer than the host keeps it. Counted
    /// anew when the worker starts.
    #[serde(default)]
    pub gap_seconds: i64,
}

/// How the daily run stands that deletes what the sinks keep no longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionStatus {
    /// The last run that finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_run: Option<RetentionRun>,

    /// When a run last succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success_time: Option<Timestamp>,

    /// When the next run is due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_run_time: Option<Timestamp>,
}

/// What a run reported that deleted what the sinks keep no longer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetentionRun {
    /// Name of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,

    /// When the run finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish_time: Option<Timestamp>,

    /// Rows deleted from databases, those of totals and of rejected lines among them.
    pub rows: i64,

    /// Objects deleted from lakes.
    pub objects: i64,

    /// How long the run took, in seconds.
    pub seconds: f64,

    /// The worker's exit code: 0 done, 1 to be tried again, 64 bad configuration, 77 refused by a sink.
    pub exit_code: i32,

    /// A hash of what it was started with: the sinks, the sources that feed them, their Secrets and spec.workers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_with: Option<String>,

    /// What went wrong, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How far a backfill is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackfillStatus {
    /// Name of the source.
    pub source: String,

    /// Name of the backfill.
    pub name: String,

    /// Where it stands: Pending (waits for room), Running, Suspended, Complete or Failed.
    pub phase: BackfillPhase,

    /// Parts of the range that are loaded.
    pub completed: i64,

    /// Rows loaded.
    #[serde(default)]
    pub rows: i64,

    /// When the last pod ended whose rows are counted, by the name of its Job, so that none is counted twice.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub counted_through: BTreeMap<String, Timestamp>,

    /// Files of the range that were never published, or that the host does not have.
    #[serde(default)]
    pub missing: i64,

    /// Parts of the range that could not be loaded.
    pub failed: i64,

    /// Parts that the range has.
    pub total: i64,

    /// How much of the range is loaded, from 0 to 100.
    #[schemars(range(min = 0, max = 100))]
    pub percent: i32,

    /// Name of the Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,

    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_time: Option<Timestamp>,

    /// When it was done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub completion_time: Option<Timestamp>,

    /// What went wrong, when something did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Where a backfill stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(
    missing_docs,
    reason = "documented variants become a schema that Kubernetes does not take"
)]
pub enum BackfillPhase {
    Pending,
    Running,
    Suspended,
    Complete,
    Failed,
}
