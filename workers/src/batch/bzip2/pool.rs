//! Threads that decode blocks.

use std::{
    io,
    num::NonZeroUsize,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError, Weak,
        mpsc::{Receiver, Sender, SyncSender, channel, sync_channel},
    },
    thread::{self, JoinHandle},
};

use super::{
    bits::Bits,
    block::{Block, BlockDecoder},
    cut::Piece,
    fault::Fault,
};

/// A few threads. They start with the first block, and end with the pool.
#[derive(Debug)]
pub(super) struct Pool {
    threads: usize,
    /// One for each block that waits, is being decoded, or was decoded and not taken.
    tickets: Arc<()>,
    jobs: Option<Sender<Job>>,
    handles: Vec<JoinHandle<()>>,
    spares: Vec<Vec<u8>>,
}

/// A block to decode.
struct Job {
    piece: Piece,
    room: Vec<u8>,
    reply: SyncSender<Done>,
    /// Gone when nobody wants the reply any more.
    wanted: Weak<()>,
    ticket: Arc<()>,
}

/// A block that was decoded, or could not be.
struct Done {
    result: Result<Block, Fault>,
    /// Returned when this is taken.
    _ticket: Arc<()>,
}

/// A block that will be decoded.
#[derive(Debug)]
pub(super) struct Promise {
    reply: Receiver<Done>,
    _wanted: Arc<()>,
}

impl Promise {
    /// Waits for it.
    ///
    /// # Errors
    /// When it could not be decoded.
    pub(super) fn wait(self) -> Result<Block, Fault> {
        self.reply
            .recv()
            .map_or(Err(Fault::Stopped), |done| done.result)
    }
}

impl Pool {
    pub(super) fn new(threads: NonZeroUsize) -> Self {
        Self {
            threads: threads.get(),
            tickets: Arc::default(),
            jobs: None,
            handles: Vec::new(),
            spares: Vec::new(),
        }
    }

    /// Whether it takes another block. Two for each thread and one more may be under way, so that a
    /// thread finds its next one while whoever reads is busy with a text.
    pub(super) fn has_room(&self) -> bool {
        Arc::strong_count(&self.tickets) <= 2 * self.threads + 1
    }

    /// Has a block decoded. Nothing when there are no threads for it.
    pub(super) fn decode(&mut self, piece: &Piece) -> Option<Promise> {
        if self.jobs.is_none() {
            self.start().ok()?;
        }
        let (reply, promised) = sync_channel(1);
        let wanted = Arc::new(());
        let job = Job {
            piece: piece.clone(),
            room: self.spares.pop().unwrap_or_default(),
            reply,
            wanted: Arc::downgrade(&wanted),
            ticket: Arc::clone(&self.tickets),
        };
        self.jobs.as_ref()?.send(job).ok()?;
        Some(Promise {
            reply: promised,
            _wanted: wanted,
        })
    }

    /// Takes back the room of a text that was read.
    pub(super) fn reuse(&mut self, room: Vec<u8>) {
        if self.spares.len() < 2 {
            self.spares.push(room);
        }
    }

    fn start(&mut self) -> io::Result<()> {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..self.threads {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new()
                .name("bzip2".to_owned())
                .spawn(move || work(&queue));
            match thread {
                Ok(handle) => self.handles.push(handle),
                // The others do.
                Err(_) if !self.handles.is_empty() => break,
                Err(error) => return Err(error),
            }
        }
        self.jobs = Some(jobs);
        Ok(())
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.jobs = None;
        for handle in self.handles.drain(..) {
            // It does not panic; and who drops us could do nothing about it.
            let _ = handle.join();
        }
    }
}

/// Decodes blocks until there is nobody who has any.
fn work(queue: &Mutex<Receiver<Job>>) {
    let mut decoder = BlockDecoder::default();
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        if job.wanted.strong_count() == 0 {
            continue;
        }
        let decode = || {
            let mut bits = Bits::new(&*job.piece.bytes, job.piece.start);
            bits.take_mark()?;
            decoder.decode(&mut bits, job.room)
        };
        // After a panic the reply is missed, and the decoder starts every block anew.
        if let Ok(result) = catch_unwind(AssertUnwindSafe(decode)) {
            // Who waited may have gone.
            let _ = job.reply.send(Done {
                result,
                _ticket: job.ticket,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_thread_that_is_gone_is_told() {
        let (reply, promised) = sync_channel(1);
        drop(reply);
        let promise = Promise {
            reply: promised,
            _wanted: Arc::default(),
        };
        assert_eq!(promise.wait().unwrap_err(), Fault::Stopped);
    }
}
