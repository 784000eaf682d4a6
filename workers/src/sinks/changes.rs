//! Events of a stream on their way into a sink, with the sink's checkpoint.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::time::Instant;
use wikiingest_crds::StreamOptions;

use super::{
    Sink, SinkError, Store, lake, lake_error,
    warehouse::{mysql, sqlite},
    warehouse_error,
};
use crate::stream::{
    event::{Bad, Change, Event},
    position::Position,
};

/// Some events, and where the stream stands behind them.
#[derive(Debug, Default)]
pub struct Batch {
    /// The events.
    pub events: Vec<Arc<Event>>,
    /// Frames that could not be read.
    pub bad: Vec<Arc<Bad>>,
    /// Where the stream stood with the first of them: the frame's `id`.
    pub first: Bytes,
    /// Where the stream stands.
    pub position: Position,
    /// Time of the stream that was lost since the batch before.
    pub gap: Duration,
}

impl Batch {
    /// The newest time of its events.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        self.events.iter().map(|event| event.ts).max()
    }
}

/// How far a sink has got.
#[derive(Debug, Clone, Default)]
pub struct Checkpoint {
    /// Where the stream stood; empty if the sink never had any of it.
    pub position: Position,
    /// The newest time of what the sink holds.
    pub newest: Option<Timestamp>,
}

/// What a write came to.
#[derive(Debug, Default)]
pub struct Written {
    /// New events by type.
    pub kinds: Vec<(String, u64)>,
    /// New events by wiki.
    pub wikis: Vec<(String, u64)>,
    /// Events that the sink held already.
    pub held: u64,
    /// The checkpoint was written, too.
    pub durable: bool,
    /// The new events show.
    pub visible: bool,
}

impl Written {
    /// Of some new events, out of so many, in one transaction with the checkpoint.
    pub(super) fn of(changes: &[Change<'_>], all: usize) -> Self {
        Self {
            kinds: counted(changes.iter().map(Change::kind)),
            wikis: counted(changes.iter().map(Change::wiki)),
            held: (all - changes.len()) as u64,
            durable: true,
            visible: true,
        }
    }
}

fn counted<'a>(names: impl Iterator<Item = &'a str>) -> Vec<(String, u64)> {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for name in names {
        *counts.entry(name).or_default() += 1;
    }
    counts
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count))
        .collect()
}

/// Writes a stream's events into a sink, each once.
#[derive(Debug)]
pub struct ChangeWriter {
    /// The sink's name.
    pub name: String,
    writer: Writer,
}

#[derive(Debug)]
enum Writer {
    Mysql(Box<mysql::Changes>),
    Sqlite(Box<sqlite::Changes>),
    Lake(Box<lake::changes::Changes>),
}

impl Sink {
    /// A writer of a stream's events; `stream` is the source's name.
    #[must_use]
    pub fn changes(self, stream: &str, options: &StreamOptions) -> ChangeWriter {
        let writer = match self.store {
            Store::Mysql(store) => Writer::Mysql(Box::new(mysql::Changes::new(store, stream))),
            Store::Sqlite(store) => Writer::Sqlite(Box::new(sqlite::Changes::new(store, stream))),
            Store::Lake(lake) => {
                Writer::Lake(Box::new(lake::changes::Changes::new(lake, stream, options)))
            }
        };
        ChangeWriter {
            name: self.name,
            writer,
        }
    }
}

impl ChangeWriter {
    /// How far the sink has got. To be asked before anything is written.
    ///
    /// # Errors
    /// When the sink does not answer.
    pub async fn resume(&mut self) -> Result<Checkpoint, SinkError> {
        match &mut self.writer {
            Writer::Mysql(writer) => writer.resume().await.map_err(warehouse_error(&self.name)),
            Writer::Sqlite(writer) => writer.resume().await.map_err(warehouse_error(&self.name)),
            Writer::Lake(writer) => writer.resume().await.map_err(lake_error(&self.name)),
        }
    }

    /// Writes a batch: those of its events that the sink lacks. After an error the same batch can
    /// be written again.
    ///
    /// # Errors
    /// When the sink fails.
    pub async fn write(&mut self, batch: &Batch) -> Result<Written, SinkError> {
        match &mut self.writer {
            Writer::Mysql(writer) => writer
                .write(batch)
                .await
                .map_err(warehouse_error(&self.name)),
            Writer::Sqlite(writer) => writer
                .write(batch)
                .await
                .map_err(warehouse_error(&self.name)),
            Writer::Lake(writer) => writer.write(batch).await.map_err(lake_error(&self.name)),
        }
    }

    /// Whether events that were written are lost to this process, so that it must not go on: the
    /// next one reads them again from the checkpoint.
    #[must_use]
    pub fn lost(&self) -> bool {
        match &self.writer {
            Writer::Mysql(_) | Writer::Sqlite(_) => false,
            Writer::Lake(writer) => writer.lost(),
        }
    }

    /// When [`ChangeWriter::flush`] is due, if nothing else happens.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        match &self.writer {
            Writer::Mysql(_) | Writer::Sqlite(_) => None,
            Writer::Lake(writer) => writer.due(),
        }
    }

    /// Makes all that was written visible and durable. Whether there was anything to do.
    ///
    /// # Errors
    /// When the sink fails; what was written is still there for another try.
    pub async fn flush(&mut self) -> Result<bool, SinkError> {
        match &mut self.writer {
            Writer::Mysql(_) | Writer::Sqlite(_) => Ok(false),
            Writer::Lake(writer) => writer.flush().await.map_err(lake_error(&self.name)),
        }
    }
}
