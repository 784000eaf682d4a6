//! The workers of wikiingest: what fetches Wikimedia's data and lands it, exactly once, in a
//! warehouse and a lake.
//!
//! There are two: [`batch`] for the dumps, and [`stream`] for changes as they happen. Of the
//! dumps, one unit of work is one file. A run walks each unit through the same stages, which are
//! the modules of [`batch`]:
//!
//! ```text
//!  list ──► fetch ──► decode ──► parse ──┬──► sink (warehouse) ──► ledger
//!  index    HTTP      gzip       rows    └──► sink (lake)      ──► object
//! ```
//!
//! `fetch` runs on the async runtime, `decode` and `parse` on a thread of their own, and every
//! sink on another; bounded queues lie between them, so memory does not grow with the file.

pub mod batch;
#[cfg(feature = "cli")]
pub mod cli;
pub mod doctor;
pub mod failure;
mod hex;
pub mod http;
pub mod program;
pub mod retention;
pub mod rows;
pub mod scratch;
pub mod sinks;
pub mod stream;
pub mod telemetry;
pub mod trouble;
