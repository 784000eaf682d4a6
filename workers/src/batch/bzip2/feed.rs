//! The pieces of a file that are not done with, and their bits.

use std::{
    collections::VecDeque,
    io::{self, BufRead},
    num::NonZeroUsize,
};

use super::{
    bits::{Bits, Source},
    cut::{Cutter, Piece},
    pool::{Pool, Promise},
};

/// The most pieces at a time: tiny ones add up, too.
const PIECES: usize = 64;
/// Enough bytes at a time.
const BYTES: usize = 6 << 20;

/// Reads ahead, and has what looks like a block decoded in advance.
#[derive(Debug)]
pub(super) struct Feed<R> {
    /// Dropped before the pool, whose threads then leave out what nobody waits for any more.
    pieces: VecDeque<Ahead>,
    pub(super) cutter: Cutter<R>,
    pub(super) pool: Pool,
    /// How the source ended.
    ended: Option<io::Result<()>>,
}

#[derive(Debug)]
struct Ahead {
    piece: Piece,
    /// Whether it is still to be handed out.
    waits: bool,
    promise: Option<Promise>,
}

impl<R: BufRead> Feed<R> {
    pub(super) fn new(inner: R, threads: NonZeroUsize, longest: usize) -> Self {
        Self {
            pieces: VecDeque::new(),
            cutter: Cutter::new(inner, longest),
            pool: Pool::new(threads),
            ended: None,
        }
    }

    /// Reads ahead from a bit on; what comes before it is forgotten. An error waits until what was
    /// read before it is used up.
    pub(super) fn ahead(&mut self, at: u64) {
        self.forget(at);
        self.hand_out();
        while self.pool.has_room() && self.pieces.len() < PIECES && self.bytes() < BYTES {
            if !self.pull() {
                return;
            }
            self.hand_out();
        }
    }

    /// What was started on a block, if one seems to start exactly here.
    pub(super) fn promise(&mut self, at: u64) -> Option<Promise> {
        let first = self.pieces.front_mut()?;
        if first.piece.start == at {
            first.promise.take()
        } else {
            None
        }
    }

    /// The bits from there on, piece after piece.
    pub(super) fn bits(&mut self, at: u64) -> Bits<Tail<'_, R>> {
        self.forget(at);
        let tail = Tail {
            feed: self,
            window: Vec::new(),
            base: at / 8,
            taken: 0,
        };
        Bits::new(tail, at)
    }

    /// Whether all of the source was read.
    pub(super) fn ended_well(&self) -> bool {
        matches!(self.ended, Some(Ok(())))
    }

    /// Why the source failed, after all that came before.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.ended.replace(Ok(()))?.err()
    }

    fn bytes(&self) -> usize {
        self.pieces
            .iter()
            .map(|ahead| ahead.piece.bytes.len())
            .sum()
    }

    fn forget(&mut self, at: u64) -> usize {
        let before = self.pieces.len();
        while self
            .pieces
            .front()
            .is_some_and(|first| first.piece.end <= at)
        {
            self.pieces.pop_front();
        }
        before - self.pieces.len()
    }

    fn hand_out(&mut self) {
        for ahead in self.pieces.iter_mut().filter(|ahead| ahead.waits) {
            if !self.pool.has_room() {
                return;
            }
            ahead.waits = false;
            ahead.promise = self.pool.decode(&ahead.piece);
        }
    }

    /// Gets a piece more. False when there is none.
    fn pull(&mut self) -> bool {
        if self.ended.is_some() {
            return false;
        }
        match self.cutter.next() {
            Ok(Some(piece)) => self.pieces.push_back(Ahead {
                waits: piece.block,
                piece,
                promise: None,
            }),
            Ok(None) => self.ended = Some(Ok(())),
            Err(error) => self.ended = Some(Err(error)),
        }
        self.ended.is_none()
    }
}

/// The rest of a file, wherever it was cut. Holds no more of it than a piece or two.
#[derive(Debug)]
pub(super) struct Tail<'a, R> {
    feed: &'a mut Feed<R>,
    window: Vec<u8>,
    /// Where in the file the window starts, in bytes.
    base: u64,
    /// How many of the pieces are in the window.
    taken: usize,
}

impl<R: BufRead> Source for Tail<'_, R> {
    fn bytes(&self) -> &[u8] {
        &self.window
    }

    fn more(&mut self, used: usize) -> bool {
        self.window.drain(..used);
        self.base += used as u64;
        self.taken -= self.feed.forget(8 * self.base);
        if self.taken == self.feed.pieces.len() && !self.feed.pull() {
            return false;
        }
        let piece = &self.feed.pieces[self.taken].piece;
        // Neighbours share a byte when the cut is in the middle of it.
        let end = self.base + self.window.len() as u64;
        let shared = usize::try_from(end - piece.start / 8).unwrap_or(usize::MAX);
        self.window
            .extend_from_slice(piece.bytes.get(shared..).unwrap_or_default());
        self.taken += 1;
        true
    }
}
