//! The `WikiIngest` custom resource, `wikiingest.dev/v1alpha1`: which Wikimedia data sets to load, and where to.
//!
//! One crate for all who read the resource or what follows from it, and no client of anything in it:
//!
//! - the types themselves ([`WikiIngest`], [`WikiIngestSpec`], [`WikiIngestStatus`]) with their documentation, bounds
//!   and CEL rules, which is all that `kubectl explain` and the API server know of them;
//! - [`MIRRORS`]: the known mirrors of Wikimedia's files, and [`Host`], which tells when two URLs lead to the same one;
//! - [`crd`]: the CRD object made of the types, and its YAML (`cargo run -p wikiingest-crds`);
//! - [`worker`]: what the operator passes to a worker (configuration, names of secrets) and what comes back (report, exit code);
//! - [`names`]: how what the operator makes of a resource is called and labelled;
//! - [`validate`]: what makes a resource valid, beyond what a schema can say, and, with the feature `offline`, all of it.

#![allow(
    unreachable_pub,
    reason = "KubeSchema derives its schemas on a public copy of each type inside a function"
)]
#![allow(
    clippy::doc_markdown,
    reason = "the documentation of fields is what `kubectl explain` shows, as plain text"
)]

pub mod crd;
mod cron;
mod host;
mod kind;
mod mirror;
pub mod names;
mod schedule;
mod sink;
mod source;
mod span;
mod spec;
mod status;
pub mod validate;
pub mod worker;
mod workers;

pub use cron::ScheduleError;
pub use host::Host;
pub use kind::Kind;
pub use mirror::{DEFAULT_CONNECTIONS, DUMPS_URL, MIRRORS, Mirror, mirror_at, usual_connections};
pub use schedule::{Backfill, Schedule, StreamOptions};
pub use sink::{
    Compression, DEFAULT_ZSTD_LEVEL, FolderSink, LocalSecretRef, Retention, S3Sink, SecretKeyRef,
    SingleStoreSink, Sink, SinkKind, SqliteSink, Tls, TlsMode,
};
pub use source::{
    Agent, ChangeType, Mediacounts, PagecountsRaw, PageviewComplete, Pageviews, RecentChanges,
    Source, SourceKind, Unit,
};
pub use span::{InvalidSpan, Span};
pub use spec::{WikiIngest, WikiIngestSpec};
pub use status::{
    BackfillPhase, BackfillStatus, LastRun, RetentionRun, RetentionStatus, SourceStatus,
    StreamStatus, WikiIngestStatus, WindowStatus,
};
pub use workers::{PullPolicy, Workers};
