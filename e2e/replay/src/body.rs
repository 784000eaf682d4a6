//! The body of a response, with what the faults do to it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep, sleep_until};

use crate::content::{Content, Reader};
use crate::etiquette::Slot;
use crate::fault_state::{BodyFaults, Ending};
use crate::server::Shared;
use crate::wire::Connection;

/// What a reset may discard is given this long to reach the client first.
pub(crate) const BEFORE_RESET: Duration = Duration::from_millis(30);

/// A response's body.
pub(crate) struct Body {
    reader: Reader,
    /// The length announced; `None` sends chunks of no announced number, as nginx's index pages.
    announced: Option<u64>,
    /// What will really be sent.
    planned: u64,
    sent: u64,
    ending: Option<Ending>,
    stalled: bool,
    flips: Vec<u64>,
    pace: Option<Pace>,
    wait: Option<Pin<Box<Sleep>>>,
    serving: Option<Serving>,
}

/// The request that a body answers.
pub(crate) struct Serving {
    pub(crate) shared: Arc<Shared>,
    pub(crate) connection: Arc<Connection>,
    pub(crate) path: String,
    /// Whether the body's end is the file's end.
    pub(crate) to_the_end: bool,
    /// Held until the body is done, so that the request counts as being served.
    pub(crate) slot: Slot,
}

struct Pace {
    rate: u64,
    started: Instant,
}

impl Body {
    /// A body of known length, served as it is.
    pub(crate) fn plain(content: Content) -> Self {
        let planned = content.len();
        Self {
            reader: Reader::new(content),
            announced: Some(planned),
            planned,
            sent: 0,
            ending: None,
            stalled: false,
            flips: Vec::new(),
            pace: None,
            wait: None,
            serving: None,
        }
    }

    /// A body that the faults strike, at `rate` at most.
    pub(crate) fn faulty(content: &Content, faults: BodyFaults, rate: Option<u64>) -> Self {
        let announced = content.len();
        let (planned, ending) = match faults.ending {
            Some((at, ending)) => (at, Some(ending)),
            None => (announced, None),
        };
        let rate = [faults.rate, rate].into_iter().flatten().min();
        Self {
            announced: Some(announced),
            ending,
            flips: faults.flips,
            pace: rate.map(|rate| Pace {
                rate,
                started: Instant::now(),
            }),
            ..Self::plain(content.slice(0..planned))
        }
    }

    /// Does not announce the length.
    #[must_use]
    pub(crate) fn unannounced(self) -> Self {
        Self {
            announced: None,
            ..self
        }
    }

    /// Counts what is sent, and the request as being served until it is.
    #[must_use]
    pub(crate) fn serving(self, serving: Serving) -> Self {
        Self {
            serving: Some(serving),
            ..self
        }
    }

    fn poll_wait(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(wait) = &mut self.wait {
            ready!(wait.as_mut().poll(cx));
            self.wait = None;
        }
        Poll::Ready(())
    }

    fn poll_chunk(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let mut limit = u64::MAX;
        if let Some(pace) = &self.pace {
            let due = pace.started + Duration::from_secs_f64(self.sent as f64 / pace.rate as f64);
            if due > Instant::now() && self.wait.is_none() {
                self.wait = Some(Box::pin(sleep_until(due)));
            }
            limit = (pace.rate / 10).max(1);
            ready!(self.poll_wait(cx));
        }
        let Some(chunk) = ready!(self.reader.poll_next(limit, cx)?) else {
            return Poll::Ready(None);
        };
        let chunk = self.flip(chunk);
        self.sent += chunk.len() as u64;
        if let Some(serving) = &self.serving {
            serving
                .shared
                .recorder
                .sent(&serving.path, chunk.len() as u64);
        }
        if self.is_done() {
            self.finish();
        }
        Poll::Ready(Some(Ok(chunk)))
    }

    /// Flips the bytes of this chunk that a fault meant.
    fn flip(&self, chunk: Bytes) -> Bytes {
        let here = |at: &u64| {
            usize::try_from(at.checked_sub(self.sent)?)
                .ok()
                .filter(|at| *at < chunk.len())
        };
        let flips: Vec<usize> = self.flips.iter().filter_map(here).collect();
        if flips.is_empty() {
            return chunk;
        }
        let mut chunk = BytesMut::from(chunk);
        for at in flips {
            chunk[at] ^= 0xff;
        }
        chunk.freeze()
    }

    fn is_done(&self) -> bool {
        self.ending.is_none() && self.sent == self.planned
    }

    /// The last byte is on its way: the request is served, before the client can know it.
    fn finish(&mut self) {
        if let Some(serving) = self.serving.take() {
            drop(serving.slot);
            if serving.to_the_end {
                serving.shared.file_completed(&serving.path);
            }
        }
    }

    fn poll_ending(
        &mut self,
        ending: Ending,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        match ending {
            Ending::Cut => {
                let wait = self
                    .wait
                    .get_or_insert_with(|| Box::pin(sleep(BEFORE_RESET)));
                ready!(wait.as_mut().poll(cx));
                if let Some(serving) = self.serving.take() {
                    serving.shared.recorder.struck("cut");
                    serving.connection.reset();
                }
                Poll::Ready(Some(Err(io::Error::other("cut on demand"))))
            }
            Ending::Stall => {
                let first = !std::mem::replace(&mut self.stalled, true);
                if let Some(serving) = self.serving.as_ref().filter(|_| first) {
                    serving.shared.recorder.struck("stall");
                }
                // Nothing wakes it: hyper drops it when the client leaves.
                Poll::Pending
            }
        }
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = &mut *self;
        let next = match this.ending {
            Some(ending) if this.sent == this.planned => ready!(this.poll_ending(ending, cx)),
            _ => ready!(this.poll_chunk(cx)),
        };
        Poll::Ready(next.map(|chunk| chunk.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.announced.map_or_else(SizeHint::default, |announced| {
            SizeHint::with_exact(announced - self.sent)
        })
    }
}
