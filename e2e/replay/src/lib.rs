//! A stand-in for `dumps.wikimedia.org` and `stream.wikimedia.org`, for tests, benches and the offline demo.
//!
//! It serves a folder (or files held in memory) as the real host's nginx does: index pages, `ETag`,
//! `Last-Modified`, ranges and conditional requests, and the same etiquette: a `User-Agent` with a
//! contact, and three requests at once per client. It fails on demand, see [`Faults`], and counts
//! what it saw, see [`Counters`], so that a test can assert how a client behaved.
//!
//! With [`Options::stream`] it also serves the stream of recent changes at
//! `/v2/stream/recentchange`, as the real host's `EventStreams` does: ids over both topics, resuming by
//! `Last-Event-ID` or `since` with the losses that Kafka's timestamps bring, two connections for each
//! address, a cut after fifteen minutes, canaries. See [`StreamOptions`], and
//! [`Running::published_ids`] for what a client should have seen.
//!
//! ```
//! # async fn example() -> Result<(), wikimedia_replay::ReplayError> {
//! use wikimedia_replay::{Options, Replay, Root};
//!
//! let mut options = Options::new(Root::Folder("tests/data".into()));
//! options.faults = "429=2~pageviews-2026, cut@64k*2".parse()?;
//! let replay = Replay::start(options).await?;
//! // … point a client at `replay.base_url()` …
//! assert!(replay.counters().peak_requests_per_client <= 2);
//! replay.shutdown().await;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        reason = "a test that fails should say so at once"
    )
)]

mod body;
mod conditions;
mod content;
mod counters;
mod etiquette;
mod fault_parse;
mod fault_spec;
mod fault_state;
mod gzip;
mod handler;
mod index;
mod listed;
mod neighbours;
mod options;
mod path;
mod range;
mod respond;
mod root;
mod server;
mod stream;
mod wire;

pub use counters::{Counters, PathCounters, RequestRecord, RetryWait};
pub use fault_parse::FaultsError;
pub use fault_spec::{Fault, FaultKind, Faults, GRAMMAR, Times};
pub use listed::{HourlyArchive, Listed, ListedError};
pub use options::{DEFAULT_CONCURRENT, Options, ReplayError};
pub use root::{MemoryFile, Root};
pub use server::{Replay, Running};
pub use stream::{
    DEFAULT_CANARY, DEFAULT_CUT_AFTER, DEFAULT_STREAM_CLIENTS, EventError, Events, Pace, PaceError,
    StreamCounters, StreamFault, StreamOptions,
};
