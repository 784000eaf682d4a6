//! Reads the stream for ever: connects, parses, leaves out what came before, hands on the rest.

use std::{pin::Pin, sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, mpsc},
    time::Instant,
};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::worker::StreamLimits;

use super::{
    connect::{ConnectError, Connection, Connector},
    event::{self, Bad, Event, Filter, Parsed, parse},
    frame::Frame,
    metrics::Metrics,
    position::Position,
    seen::{Known, Seen},
};

/// A connection that lived so long may be replaced at once; a shorter one after a pause.
const LIVED: Duration = Duration::from_secs(5);
/// How much of events may be in memory at a time, in KiB. They are counted by their bytes, since a few of them are
/// thousands of times as large as the others.
pub const ROOM: u32 = 32 << 10;
/// How often sinks hear of a position that moved without an event for them.
const PASSED: Duration = Duration::from_secs(10);

/// What sinks are given, in the order of the stream.
#[derive(Debug, Clone)]
pub enum Item {
    /// A change.
    Event(Arc<Event>),
    /// A frame that cannot be read.
    Bad(Arc<Bad>),
    /// The stream stands here by now; what lies between is not wanted.
    Passed(Bytes),
    /// What the stream had before this time, and after the last item, is lost to its retention.
    Gap(Timestamp),
}

/// Reads one stream for several sinks.
#[derive(Debug)]
pub struct Reader {
    /// Opens connections.
    pub connector: Connector,
    /// Which events are wanted.
    pub filter: Filter,
    /// When to wait, and how long.
    pub limits: StreamLimits,
    /// How far before its position a connection starts.
    pub rewind: Duration,
    /// What is told of it.
    pub metrics: Arc<Metrics>,
    /// Where to begin; empty: now.
    pub position: Position,
    /// What was taken already.
    pub seen: Seen,
    /// The sinks' queues.
    pub queues: Vec<mpsc::Sender<Item>>,
    /// Room for events in memory, in KiB: [`ROOM`].
    pub room: Arc<Semaphore>,
    /// Cancelled to stop.
    pub stop: CancellationToken,
}

/// Ends the reading: a sink is gone, or somebody asked for it.
struct Stopped;

type Opening = Pin<Box<dyn Future<Output = Result<Connection, ConnectError>> + Send>>;

impl Reader {
    /// Reads until it is stopped, or a sink is gone.
    pub async fn run(mut self) {
        let stop = self.stop.clone();
        let _ = stop.run_until_cancelled(self.read()).await;
        self.metrics.disconnected();
    }

    async fn read(&mut self) -> Result<(), Stopped> {
        let mut waits = self.waits();
        loop {
            let mut connection = self.connect(&mut waits).await;
            let opened = connection.opened();
            let lost = self.follow(&mut connection).await?;
            self.metrics.disconnected();
            tracing::info!(reason = lost.reason, "{}", lost.text);
            self.metrics.reconnect(lost.reason);
            if lost.brought_frames {
                waits = self.waits();
            }
            if !(lost.brought_frames && opened.elapsed() >= LIVED) {
                tokio::time::sleep(next(&mut waits, &self.limits)).await;
            }
        }
    }

    /// Connects, however often that takes.
    async fn connect(&self, waits: &mut ExponentialBackoff) -> Connection {
        let mut refused = 0;
        loop {
            let error = match self.open().await {
                Ok(connection) => return connection,
                Err(error) => error,
            };
            let wait = self.pause(&error, next(waits, &self.limits), &mut refused);
            tracing::warn!(seconds = wait.as_secs_f64(), "{error}; trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// How long to leave the host alone after an error.
    fn pause(&self, error: &ConnectError, backoff: Duration, refused: &mut u32) -> Duration {
        match error {
            // One refusal may be a whim of the host's; whoever insists makes it worse.
            ConnectError::Refused { .. } => {
                *refused += 1;
                self.metrics.reconnect("refused");
                if *refused > 1 {
                    self.limits.refused_pause.to_std()
                } else {
                    backoff
                }
            }
            ConnectError::NotNow { wait, .. } => {
                self.metrics.reconnect("failed");
                wait.unwrap_or_default().max(backoff)
            }
        }
    }

    fn open(&self) -> impl Future<Output = Result<Connection, ConnectError>> + Send + use<> {
        let from = self.position.last_event_id(self.rewind);
        let connector = self.connector.clone();
        async move { connector.open(from).await }
    }

    /// Hands on what a connection brings until it is lost. Before the host would end it, another
    /// one takes its place, and the old one is read until that is there.
    async fn follow(&mut self, connection: &mut Connection) -> Result<End, Stopped> {
        self.metrics.connected();
        let mut resumed = self.position.newest();
        let mut successor: Option<Opening> = None;
        let mut handover = self.next_handover();
        let (mut waits, mut refused) = (self.waits(), 0);
        loop {
            let frame = tokio::select! {
                opened = async { successor.as_mut()?.await.into() }, if successor.is_some() => {
                    successor = None;
                    match opened {
                        Some(Ok(new)) => {
                            *connection = new;
                            self.metrics.reconnect("age");
                            handover = self.next_handover();
                            (waits, refused) = (self.waits(), 0);
                        }
                        Some(Err(error)) => {
                            let wait = self.pause(&error, next(&mut waits, &self.limits), &mut refused);
                            tracing::warn!(seconds = wait.as_secs_f64(), "{error}; keeping the connection that is there meanwhile");
                            handover = Instant::now() + wait;
                        }
                        None => {}
                    }
                    continue;
                }
                () = tokio::time::sleep_until(handover), if successor.is_none() => {
                    successor = Some(Box::pin(self.open()));
                    continue;
                }
                frame = connection.next() => match frame {
                    Ok(frame) => frame,
                    Err(lost) => return Ok(End {
                        reason: lost.reason(),
                        text: lost.to_string(),
                        brought_frames: connection.brought_frames(),
                    }),
                },
            };
            self.take(frame, &mut resumed).await?;
        }
    }

    fn next_handover(&self) -> Instant {
        Instant::now() + self.limits.connection_age.to_std()
    }

    async fn take(&mut self, frame: Frame, resumed: &mut Option<Timestamp>) -> Result<(), Stopped> {
        let cursor = frame.id.clone();
        self.metrics.received(frame.data.len());
        let item = match parse(frame, &self.filter) {
            Parsed::Event(event) => {
                self.look_for_gap(resumed, event.ts).await?;
                self.event(event).await
            }
            Parsed::Bad(bad) => self.bad(bad),
            Parsed::Canary => {
                self.metrics.canary();
                None
            }
            Parsed::Filtered(ts) => {
                self.look_for_gap(resumed, ts).await?;
                self.metrics.filtered();
                None
            }
        };
        self.position.advance(&cursor);
        let item = match item {
            Some(item) => item,
            None if self.metrics.passed_since(PASSED) => Item::Passed(cursor),
            None => return Ok(()),
        };
        self.send(item).await
    }

    /// An event that was not taken before, once there is room for it.
    async fn event(&mut self, mut event: Event) -> Option<Item> {
        match self.seen.take(event.key, event.ts) {
            Known::Seen => {
                self.metrics.duplicates(1);
                return None;
            }
            Known::New => {}
            Known::Perhaps => event.perhaps_held = true,
        }
        let size = u32::try_from(event.raw.len() >> 10).unwrap_or(ROOM) + 1;
        let room = Arc::clone(&self.room).acquire_many_owned(size.min(ROOM));
        event.room = room.await.ok();
        self.metrics.queued(self.queues.len());
        Some(Item::Event(Arc::new(event)))
    }

    /// A frame that cannot be read and did not come before.
    fn bad(&mut self, bad: Bad) -> Option<Item> {
        let key = event::key(&bad.unit());
        if self.seen.take(key, Timestamp::MIN) == Known::Seen {
            self.metrics.duplicates(1);
            return None;
        }
        self.metrics.bad();
        tracing::warn!(
            reason = bad.reason,
            "Frame cannot be read; it is kept in ingest_rejects"
        );
        Some(Item::Bad(Arc::new(bad)))
    }

    /// A connection begins some seconds before where the last one stood. If its first event is
    /// much later than that, the host no longer had what lies between.
    async fn look_for_gap(
        &mut self,
        resumed: &mut Option<Timestamp>,
        first: Timestamp,
    ) -> Result<(), Stopped> {
        let Some(from) = resumed.take() else {
            return Ok(());
        };
        let missed = between(from, first);
        if missed < self.limits.gap.to_std() {
            return Ok(());
        }
        tracing::error!(
            seconds = missed.as_secs(), %from, to = %first,
            "The host no longer has the events between; they are lost to the stream, and going on from the oldest there is"
        );
        self.metrics.gap(missed);
        self.send(Item::Gap(first)).await
    }

    async fn send(&mut self, item: Item) -> Result<(), Stopped> {
        for queue in &self.queues {
            queue.send(item.clone()).await.map_err(|_| Stopped)?;
        }
        Ok(())
    }

    fn waits(&self) -> ExponentialBackoff {
        waits(&self.limits)
    }
}

/// The time from one moment to a later one, or none.
pub(super) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or_default()
}

/// How a connection ended.
struct End {
    reason: &'static str,
    text: String,
    brought_frames: bool,
}

/// Waits that grow, with jitter, without end.
pub(super) fn waits(limits: &StreamLimits) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(limits.min_backoff.to_std())
        .with_max_delay(limits.max_backoff.to_std())
        .with_jitter()
        .without_max_times()
        .build()
}

pub(super) fn next(waits: &mut ExponentialBackoff, limits: &StreamLimits) -> Duration {
    waits.next().unwrap_or(limits.max_backoff.to_std())
}
