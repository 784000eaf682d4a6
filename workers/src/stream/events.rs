//! What a stream tells its audience while it is read. The command line draws it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use jiff::Timestamp;

use super::event;

/// A step of the reading.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// There is a connection.
    Connected,
    /// There is none any more; another is on its way.
    Disconnected,
    /// A connection was lost or refused, or gave its place to another.
    Reconnect {
        /// Why, in a word.
        reason: &'a str,
    },
    /// So much of the stream's time is lost: the host no longer had it.
    Gap {
        /// How much.
        lost: Duration,
    },
    /// A sink took a batch.
    Committed(Taken<'a>),
    /// A write failed and is tried again.
    SinkFailed {
        /// The sink's name.
        sink: &'a str,
    },
}

/// A batch that a sink took.
#[derive(Debug, Clone, Copy)]
pub struct Taken<'a> {
    /// The sink's name.
    pub sink: &'a str,
    /// All its events, in the order of the stream.
    pub events: &'a [Arc<event::Event>],
    /// Those that were new to the sink, by wiki.
    pub wikis: &'a [(String, u64)],
    /// How many the sink held already.
    pub held: u64,
    /// The newest time that the stream had, wanted or not.
    pub newest: Option<Timestamp>,
}

impl Taken<'_> {
    /// How many events were new to the sink.
    #[must_use]
    pub fn new_events(&self) -> u64 {
        self.wikis.iter().map(|(_, count)| count).sum()
    }
}

/// Somebody who wants to know.
pub trait Observer: Debug + Send + Sync {
    /// Called at every step; must not block.
    fn on(&self, event: &Event<'_>);
}
