//! One client of the stream: what it is sent, and when.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::Stream;
use super::faults::StreamFault;
use super::frame::{self, Shape};
use super::id::Positions;
use super::log::{Reader, Record};
use super::pipe::{Gone, Pipe};

/// The bytes of events that make up one chunk.
const CHUNK: usize = 64 * 1024;

/// A client that is connected.
pub(crate) struct Client {
    stream: Arc<Stream>,
    pipe: Pipe,
    published: watch::Receiver<u64>,
    reader: Reader,
    /// What an id says now.
    ids: Positions,
    /// The faults that wait, each with the number of its event.
    faults: Vec<(u64, StreamFault)>,
    /// Events sent, without those sent again.
    count: u64,
    chunk: Vec<u8>,
    /// Where in the chunk events end.
    ends: Vec<usize>,
    next_canary: Option<Instant>,
    over: bool,
}

impl Client {
    pub(crate) fn new(
        stream: Arc<Stream>,
        pipe: Pipe,
        start: (Reader, Positions),
        faults: Vec<(u64, StreamFault)>,
    ) -> Self {
        Self {
            published: stream.log.watch(),
            next_canary: stream.options.canary.map(after),
            stream,
            pipe,
            reader: start.0,
            ids: start.1,
            faults,
            count: 0,
            chunk: Vec::new(),
            ends: Vec::new(),
            over: false,
        }
    }

    /// Sends until the client leaves or a fault ends it.
    pub(crate) async fn run(mut self) {
        // Whoever left need not be told.
        let _ = self.serve().await;
    }

    async fn serve(&mut self) -> Result<(), Gone> {
        self.chunk.extend_from_slice(frame::GREETING);
        self.flush().await?;
        while !self.over {
            // Seen before it is read, so that what comes in between wakes it.
            self.published.borrow_and_update();
            let events = self.stream.log.next(&mut self.reader, CHUNK);
            let idle = events.is_empty();
            for (place, record) in events {
                if let Some(again) = self.event(place, &record) {
                    self.flush().await?;
                    self.replay(again).await?;
                    break;
                }
                if self.over {
                    break;
                }
            }
            self.flush().await?;
            self.canary().await?;
            if idle {
                self.wait().await?;
            }
        }
        Ok(())
    }

    /// Writes one event; a reader when events before it are to be sent again.
    fn event(&mut self, place: u64, record: &Record) -> Option<Reader> {
        self.count += 1;
        let count = self.count;
        if !self.faults.iter().any(|(at, _)| *at == count) {
            self.ids.sent(record.topic(), record.ts);
            frame::message(&mut self.chunk, &self.ids, record);
            self.ends.push(self.chunk.len());
            return None;
        }
        let (strikes, left) = self.faults.iter().partition(|(at, _)| *at == count);
        self.faults = left;
        self.spoiled(place, record, &strikes)
    }

    /// Writes an event that faults strike.
    fn spoiled(
        &mut self,
        place: u64,
        record: &Record,
        strikes: &[(u64, StreamFault)],
    ) -> Option<Reader> {
        let mut data = Vec::new();
        record.write(&mut data);
        let (mut shape, mut times, mut again) = (Shape::default(), 1, None);
        for (_, fault) in strikes {
            self.pipe.to.recorder.struck(fault.name());
            match *fault {
                StreamFault::Garbage => frame::garbage(&mut self.chunk, &self.ids, &data),
                StreamFault::Giant { bytes } => data = frame::padded(&data, bytes),
                StreamFault::Duplicate => times += 1,
                StreamFault::Replay { seconds } => again = Some(back(place, record, seconds)),
                StreamFault::Multiline => shape.multiline = true,
                StreamFault::Comment => shape.comment = true,
                StreamFault::Crlf => shape.crlf = true,
                StreamFault::End | StreamFault::Error => self.over = true,
            }
        }
        self.ids.sent(record.topic(), record.ts);
        for _ in 0..times {
            frame::shaped(&mut self.chunk, &self.ids, &data, shape);
            self.ends.push(self.chunk.len());
        }
        if strikes
            .iter()
            .any(|(_, fault)| *fault == StreamFault::Error)
        {
            frame::error(&mut self.chunk);
        }
        if again.is_some() {
            // What else was read of this chunk is read again after the replay.
            self.reader.next = place + 1;
        }
        again
    }

    /// Sends events again, with the ids that they had, and goes on as if nothing was.
    async fn replay(&mut self, mut reader: Reader) -> Result<(), Gone> {
        let ids = self.ids;
        loop {
            let events = self.stream.log.next(&mut reader, CHUNK);
            if events.is_empty() {
                break;
            }
            for (_, record) in events {
                self.ids.sent(record.topic(), record.ts);
                frame::message(&mut self.chunk, &self.ids, &record);
                self.ends.push(self.chunk.len());
            }
            self.flush().await?;
        }
        self.ids = ids;
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), Gone> {
        let chunk = std::mem::take(&mut self.chunk);
        if chunk.is_empty() {
            return Ok(());
        }
        // The next chunk is about as long.
        self.chunk.reserve(chunk.len().min(2 * CHUNK));
        let sent = self.pipe.write(chunk, &self.ends).await;
        self.ends.clear();
        sent
    }

    /// Sends a canary when it is time.
    async fn canary(&mut self) -> Result<(), Gone> {
        if self.over || self.next_canary.is_none_or(|at| at > Instant::now()) {
            return Ok(());
        }
        self.next_canary = self.stream.options.canary.map(after);
        let (uuid, dt) = self.stream.next_canary();
        frame::canary(&mut self.chunk, &self.ids, &uuid, &dt);
        self.stream.clients.canary();
        self.flush().await
    }

    /// Waits for news, the next canary, or the client's end.
    async fn wait(&mut self) -> Result<(), Gone> {
        let canary = self.next_canary;
        tokio::select! {
            biased;
            () = self.pipe.closed() => Err(Gone),
            published = self.published.changed() => published.map_err(|_| Gone),
            () = sleep_until(canary.unwrap_or_else(Instant::now)), if canary.is_some() => Ok(()),
        }
    }
}

fn after(time: Duration) -> Instant {
    // Further than a run lasts is never.
    Instant::now() + time.min(Duration::from_hours(365 * 24))
}

/// Reads what was published before this event, as far back as that.
fn back(place: u64, record: &Record, seconds: u64) -> Reader {
    let millis = i64::try_from(seconds.saturating_mul(1000)).unwrap_or(i64::MAX);
    Reader {
        next: 0,
        end: place,
        floor: [i64::MIN; 2],
        oldest: record.ts.saturating_sub(millis),
    }
}
