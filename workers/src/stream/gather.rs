//! Batches for one sink: while one is written the next gathers.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::mpsc,
    time::{Instant, timeout_at},
};
use wikiingest_crds::{StreamOptions, worker::StreamLimits};

use super::{
    metrics::{Committed, Metrics},
    position::Position,
    reader::{self, Item, between},
};
use crate::{
    failure::{Class, Classify},
    retention::Keeping,
    sinks::{
        SinkError,
        changes::{Batch, ChangeWriter},
    },
};

/// Feeds one sink.
#[derive(Debug)]
pub struct Feeder {
    /// The sink.
    pub writer: ChangeWriter,
    /// Its place among the sinks, for metrics.
    pub number: usize,
    /// What it is given.
    pub queue: mpsc::Receiver<Item>,
    /// Where the sink stands.
    pub position: Position,
    /// What it keeps: older events are not written, only to be deleted again.
    pub keeping: Keeping,
    /// How large batches get, and how long they wait.
    pub options: StreamOptions,
    /// How long to wait before a write is tried again.
    pub limits: StreamLimits,
    /// What is told of it.
    pub metrics: Arc<Metrics>,
}

impl Feeder {
    /// Writes what comes until the queue closes, and completes what was begun.
    ///
    /// # Errors
    /// When the sink refuses, or its settings turn out to be wrong: trying again does not help.
    pub async fn run(mut self) -> Result<(), SinkError> {
        let size = self.options.batch_size as usize;
        let interval = self.options.batch_interval.to_std();
        let mut items = Vec::with_capacity(size.min(1_000));
        let mut open = true;
        let mut written = Instant::now();
        while open {
            open = self.gather(&mut items, size, written + interval).await?;
            if items.is_empty() {
                continue;
            }
            written = Instant::now();
            let now = Timestamp::now();
            let batch = batch(&mut items, &self.position, |ts| self.keeping.keeps(ts, now));
            self.write(&batch).await?;
            self.position.merge(&batch.position);
        }
        self.flush().await
    }

    /// Waits for something, and then for more of it until the batch is full or the time is over.
    /// False: nothing will come any more.
    async fn gather(
        &mut self,
        items: &mut Vec<Item>,
        size: usize,
        until: Instant,
    ) -> Result<bool, SinkError> {
        loop {
            let first = self.queue.recv_many(items, size);
            let came = match self.writer.due() {
                None => first.await,
                Some(due) => {
                    let Ok(came) = timeout_at(due, first).await else {
                        self.flush().await?;
                        continue;
                    };
                    came
                }
            };
            if came == 0 {
                return Ok(false);
            }
            break;
        }
        while items.len() < size {
            let more = self.queue.recv_many(items, size - items.len());
            match timeout_at(until, more).await {
                Ok(0) => return Ok(false),
                Ok(_) => {}
                Err(_) => break,
            }
        }
        Ok(true)
    }

    /// Writes a batch, however often that takes.
    async fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        let mut waits = reader::waits(&self.limits);
        loop {
            let started = Instant::now();
            match self.writer.write(batch).await {
                Ok(written) => {
                    self.metrics.duplicates(written.held);
                    self.metrics.committed(
                        self.number,
                        &Committed {
                            took: started.elapsed(),
                            events: &batch.events,
                            written: &written,
                            newest: batch.position.newest(),
                        },
                    );
                    return Ok(());
                }
                Err(error) if self.writer.lost() => return Err(error),
                Err(error) => {
                    self.metrics.sink_failed(self.number);
                    later(error, waits.next()).await?;
                }
            }
        }
    }

    async fn flush(&mut self) -> Result<(), SinkError> {
        let mut waits = reader::waits(&self.limits);
        loop {
            match self.writer.flush().await {
                Ok(flushed) => {
                    if flushed {
                        self.metrics.flushed(self.number);
                    }
                    return Ok(());
                }
                Err(error) if self.writer.lost() => return Err(error),
                Err(error) => {
                    self.metrics.sink_failed(self.number);
                    later(error, waits.next()).await?;
                }
            }
        }
    }
}

/// What to write of what came, with where the stream stands after it. What is not kept is passed over.
fn batch(items: &mut Vec<Item>, position: &Position, keeps: impl Fn(Timestamp) -> bool) -> Batch {
    let mut batch = Batch::default();
    for item in items.drain(..) {
        let cursor = match item {
            Item::Event(event) => {
                let cursor = event.cursor.clone();
                if keeps(event.ts) {
                    batch.events.push(event);
                }
                cursor
            }
            Item::Bad(bad) => {
                let cursor = bad.cursor.clone();
                batch.bad.push(bad);
                cursor
            }
            Item::Passed(cursor) => cursor,
            Item::Gap(to) => {
                // What is lost to another sink may be here already.
                let from = position.newest().max(batch.position.newest());
                batch.gap += from.map_or(Duration::ZERO, |from| between(from, to));
                continue;
            }
        };
        if batch.first.is_empty() {
            batch.first = cursor.clone();
        }
        batch.position.advance(&cursor);
    }
    batch
}

/// Waits before another try, if there is hope. The reading stops meanwhile: the queue is full.
async fn later(error: SinkError, wait: Option<Duration>) -> Result<(), SinkError> {
    if error.class() != Class::TryAgain {
        return Err(error);
    }
    let wait = wait.unwrap_or_default();
    tracing::warn!(
        seconds = wait.as_secs_f64(),
        "{error}; trying again, and reading no further meanwhile"
    );
    tokio::time::sleep(wait).await;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::event::Event;

    #[test]
    fn what_the_sink_keeps_no_longer_is_passed_over_and_not_read_again() {
        let limit = Timestamp::from_millisecond(1_790_487_700_000).unwrap();
        let event = |ms: i64| {
            let cursor = format!(
                r#"[{{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":{ms}}}]"#
            );
            Item::Event(Arc::new(Event {
                key: 0,
                ts: Timestamp::from_millisecond(ms).unwrap(),
                perhaps_held: false,
                raw: "{}".into(),
                cursor: cursor.into(),
                room: None,
            }))
        };
        let moments = [1_790_487_700_500, 1_790_487_600_000, 1_790_487_700_000];
        let mut items = moments.map(event).to_vec();
        let batch = batch(&mut items, &Position::default(), |ts| ts >= limit);
        let kept: Vec<_> = batch.events.iter().map(|event| event.ts).collect();
        assert_eq!(kept.len(), 2);
        assert!(kept.iter().all(|ts| *ts >= limit), "{kept:?}");

        let mut items = vec![event(1_790_487_600_000)];
        let none = self::batch(&mut items, &Position::default(), |ts| ts >= limit);
        assert!(none.events.is_empty() && !none.position.is_empty());
    }
}
