//! Cutting a file where blocks seem to start.

use std::{
    io::{self, BufRead, ErrorKind},
    sync::Arc,
};

use super::scan::{self, MARK_BITS};

/// Longer than any compressed block: 900,000 symbols of 20 bits, and 32 KiB of codes before them.
/// (Codes can be padded without end, which no compressor does. Such a block is cut, and put together
/// again when it is decoded.)
pub(super) const LONGEST: usize = 2_400_000;
/// How much is taken from the source at a time.
const READ: usize = 64 << 10;

/// Bits of the file. Each piece starts where the one before ends.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The first bit.
    pub(super) start: u64,
    /// The bit behind the last.
    pub(super) end: u64,
    /// Whether it looks like a block.
    pub(super) block: bool,
    /// The bytes that have the bits, the first and the last as a whole.
    pub(super) bytes: Arc<[u8]>,
}

/// Cuts what a reader gives.
#[derive(Debug)]
pub(super) struct Cutter<R> {
    pub(super) inner: R,
    /// What was read and is not in a piece yet, or only with some of its bits.
    held: Vec<u8>,
    /// Where in the file that is, in bytes.
    base: u64,
    /// Where the next piece starts, in bits.
    start: u64,
    /// Whether it looks like a block.
    block: bool,
    /// No mark that matters starts before this bit.
    searched: u64,
    /// The most bytes of a piece, or little more.
    longest: usize,
    over: bool,
}

impl<R: BufRead> Cutter<R> {
    pub(super) fn new(inner: R, longest: usize) -> Self {
        Self {
            inner,
            held: Vec::new(),
            base: 0,
            start: 0,
            block: false,
            searched: 0,
            longest,
            over: false,
        }
    }

    /// The next piece, or nothing at the end of the file.
    ///
    /// # Errors
    /// When the reader fails. It is asked again next time.
    pub(super) fn next(&mut self) -> io::Result<Option<Piece>> {
        loop {
            if let Some(mark) = scan::find(&self.held, self.searched - 8 * self.base) {
                let at = 8 * self.base + mark.bit;
                self.searched = at + 1;
                let piece = (at > self.start).then(|| self.cut(at));
                self.block = mark.block;
                if piece.is_some() {
                    return Ok(piece);
                }
                continue;
            }
            let end = self.end();
            if self.over {
                return Ok((end > self.start).then(|| self.cut(end)));
            }
            // The start of a mark may be there.
            self.searched = self
                .searched
                .max((end + 1).saturating_sub(MARK_BITS.into()));
            if self.searched > self.start + 8 * self.longest as u64 {
                let piece = self.cut(self.searched);
                self.block = false;
                return Ok(Some(piece));
            }
            self.read()?;
        }
    }

    /// Where what is held ends, in bits.
    fn end(&self) -> u64 {
        8 * (self.base + self.held.len() as u64)
    }

    /// Everything up to a bit.
    fn cut(&mut self, end: u64) -> Piece {
        let start = std::mem::replace(&mut self.start, end);
        let bytes = self.held(start / 8)..self.held(end.div_ceil(8));
        Piece {
            start,
            end,
            block: self.block,
            bytes: Arc::from(&self.held[bytes]),
        }
    }

    /// Where a byte of the file is held.
    fn held(&self, byte: u64) -> usize {
        usize::try_from(byte - self.base).unwrap_or(usize::MAX)
    }

    fn read(&mut self) -> io::Result<()> {
        self.held.drain(..self.held(self.start / 8));
        self.base = self.start / 8;
        let bytes = loop {
            match self.inner.fill_buf() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                bytes => break bytes?,
            }
        };
        let amount = bytes.len().min(READ);
        self.held.extend_from_slice(&bytes[..amount]);
        self.inner.consume(amount);
        self.over = amount == 0;
        Ok(())
    }
}
