//! The way to one client: how fast its bytes go, and where they end.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};

use super::clients::Clients;
use crate::body::BEFORE_RESET;
use crate::counters::Recorder;
use crate::fault_state::Ending;
use crate::wire::Connection;

/// Chunks made ahead of the socket: enough to keep it busy, and no more is held for a slow client.
const AHEAD: usize = 2;

/// The client left, or was made to.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) type Chunks = mpsc::Receiver<io::Result<Bytes>>;

/// Where a response is written.
pub(crate) struct Pipe {
    out: mpsc::Sender<io::Result<Bytes>>,
    /// Bytes of the body so far.
    sent: u64,
    ending: Option<(u64, Ending)>,
    rate: Option<u64>,
    started: Instant,
    /// Where in the body each event ends that is on its way.
    ends: VecDeque<u64>,
    pub(crate) to: Guest,
}

/// Whom it is for, and who is told.
pub(crate) struct Guest {
    pub(crate) recorder: Recorder,
    pub(crate) clients: Clients,
    pub(crate) connection: Arc<Connection>,
    pub(crate) path: String,
}

impl Pipe {
    pub(crate) fn new(
        to: Guest,
        ending: Option<(u64, Ending)>,
        rate: Option<u64>,
    ) -> (Self, Chunks) {
        let (out, chunks) = mpsc::channel(AHEAD);
        let pipe = Self {
            out,
            sent: 0,
            ending,
            rate,
            started: Instant::now(),
            ends: VecDeque::new(),
            to,
        };
        (pipe, chunks)
    }

    /// Sends bytes in which events end at `ends`.
    pub(crate) async fn write(&mut self, bytes: Vec<u8>, ends: &[usize]) -> Result<(), Gone> {
        let before = self.sent;
        self.ends
            .extend(ends.iter().map(|end| before + *end as u64));
        let mut bytes = Bytes::from(bytes);
        while !bytes.is_empty() {
            let part = bytes.split_to(self.next_len(bytes.len()));
            self.pace().await;
            self.hand_over(part).await?;
            self.end_here().await?;
        }
        Ok(())
    }

    /// Waits until the client leaves.
    pub(crate) async fn closed(&self) {
        self.out.closed().await;
    }

    /// How many bytes may go at once.
    fn next_len(&self, len: usize) -> usize {
        let left = self.ending.map(|(at, _)| at.saturating_sub(self.sent));
        let drip = self.rate.map(|rate| (rate / 10).max(1));
        [left, drip]
            .into_iter()
            .flatten()
            .filter_map(|limit| usize::try_from(limit).ok())
            .fold(len, usize::min)
    }

    async fn pace(&self) {
        if let Some(rate) = self.rate {
            let due = Duration::from_secs_f64(self.sent as f64 / rate as f64);
            sleep_until(self.started + due).await;
        }
    }

    async fn hand_over(&mut self, part: Bytes) -> Result<(), Gone> {
        let len = part.len() as u64;
        if len == 0 {
            return Ok(());
        }
        let room = self.out.reserve().await.map_err(|_| Gone)?;
        // Counted before the client can know it.
        self.sent += len;
        let done = self.ends.partition_point(|end| *end <= self.sent);
        self.ends.drain(..done);
        self.to.clients.sent(done as u64);
        self.to.recorder.sent(&self.to.path, len);
        room.send(Ok(part));
        Ok(())
    }

    /// Ends the body as a fault wants it, once it has got so far.
    async fn end_here(&mut self) -> Result<(), Gone> {
        match self.ending {
            Some((at, ending)) if at <= self.sent => self.end(ending).await,
            _ => Ok(()),
        }
    }

    async fn end(&self, ending: Ending) -> Result<(), Gone> {
        match ending {
            Ending::Cut => {
                sleep(BEFORE_RESET).await;
                self.to.recorder.struck("cut");
                self.to.connection.reset();
                // Nobody listens any more where this fails.
                let _ = self.out.send(Err(io::Error::other("cut on demand"))).await;
            }
            Ending::Stall => {
                self.to.recorder.struck("stall");
                self.out.closed().await;
            }
        }
        Err(Gone)
    }
}
