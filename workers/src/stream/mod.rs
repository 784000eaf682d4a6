//! Changes as they happen: from Wikimedia's stream of server-sent events to the sinks.
//!
//! ```text
//!  connect ──► frame ──► event ──► seen ──┬──► gather ──► warehouse: rows + checkpoint
//!  HTTP        SSE       JSON      once   └──► gather ──► lake: object, then checkpoint
//! ```
//!
//! One consumer reads. Each sink has a queue and a pace of its own and keeps its own checkpoint,
//! so that a sink which is down stops the reading (its queue is full) and nothing else; the
//! stream's retention is the buffer. After a restart the reader begins at the earliest
//! checkpoint, some seconds before it since events are not in the order of their times, and each
//! sink leaves out what it has.

pub mod connect;
pub mod event;
pub mod events;
pub mod frame;
pub mod gather;
pub mod metrics;
pub mod minute;
pub mod position;
pub mod reader;
pub mod run;
pub mod seen;
pub mod serve;
