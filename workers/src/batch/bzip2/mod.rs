//! bzip2 on all cores.
//!
//! A bzip2 file is a row of streams, and a stream a row of blocks of up to 900,000 bytes, each with
//! its own codes and checksum. Nothing says where a block starts but 48 bits of π, at any bit; so a
//! file is cut where they are found, and all pieces are decoded at once. That is only a guess, since
//! compressed data may hold these bits by chance. What is handed out is what a reader finds that goes
//! through the file bit by bit: where a block ends, the next one must start, and a piece that starts
//! elsewhere is thrown away. When a block does not end with its piece, that reader goes on from the
//! block's first bit and through all cuts by itself. So a file that cannot be cut is decoded, only
//! slower.
//!
//! Checked are the checksum of each block, before any of its text is handed out, and that of each
//! stream. A file has to have a stream, and nothing else than streams up to its end: what the `bzip2`
//! program would leave out with a warning, as trailing garbage, is an error, since it may as well be
//! the damaged rest of the file.
//!
//! The format has no specification by its author; this follows his implementation,
//! [what Joe Tsai wrote down](https://github.com/dsnet/compress/blob/master/doc/bzip2-format.pdf) and
//! [its article](https://en.wikipedia.org/wiki/Bzip2). All of it is read but randomised blocks, which
//! only versions before 0.9.5 (1999) wrote: they are an error.

mod bits;
mod block;
mod bwt;
mod column;
mod crc;
mod cut;
mod fault;
mod feed;
mod huffman;
mod order;
mod pool;
mod runs;
mod scan;

use std::{
    io::{self, BufRead, Read},
    num::NonZeroUsize,
    thread,
};

pub use fault::Bzip2Error;

use block::{Block, BlockDecoder, Text};
use fault::Fault;
use feed::Feed;
use pool::Promise;

/// The bytes of a block for each step of a stream's level.
const LEVEL: usize = 100_000;

/// Decodes a bzip2 file.
///
/// Reading gives its text. Errors of the file are [`Bzip2Error`]s within an [`io::Error`]; those of
/// the reader beneath come as they are, after all text that could be decoded from what came before.
/// After an error there is nothing more to read.
///
/// Memory: about 11 MiB for each thread, whatever the size of the file: 7 to decode in, and twice a
/// block and its text. It is 17 MiB where blocks hardly compress or have long runs, of which no more
/// than 2 MiB a block are unpacked at a time.
#[derive(Debug)]
pub struct Bzip2Decoder<R> {
    feed: Feed<R>,
    /// Where it goes on, in bits of the file.
    at: u64,
    stage: Stage,
    text: Text,
    /// For what could not be decoded in advance.
    own: Option<Box<BlockDecoder>>,
}

#[derive(Debug, Clone, Copy)]
enum Stage {
    /// A stream is next: the first one, or another.
    Outside { first: bool },
    /// A block is next, or the stream's end.
    Stream { level: usize, crc: u32 },
    /// The file ended well.
    Over,
    /// It did not.
    Failed,
}

impl<R: BufRead> Bzip2Decoder<R> {
    /// Decodes what `reader` gives, on as many threads as there are cores to use, but at most so
    /// many. Whoever reads only cuts, unless the file defeats that.
    pub fn new(reader: R, at_most: NonZeroUsize) -> Self {
        let cores = thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Self::with(reader, cores.min(at_most), cut::LONGEST)
    }

    fn with(reader: R, threads: NonZeroUsize, longest: usize) -> Self {
        Self {
            feed: Feed::new(reader, threads, longest),
            at: 0,
            stage: Stage::Outside { first: true },
            text: Text::default(),
            own: None,
        }
    }

    /// The reader beneath, which is ahead of what was decoded.
    pub fn get_mut(&mut self) -> &mut R {
        &mut self.feed.cutter.inner
    }

    /// Does the next thing. False at the end of the file.
    fn step(&mut self) -> Result<bool, Fault> {
        match self.stage {
            Stage::Outside { first } => self.outside(first)?,
            Stage::Stream { level, crc } => self.stream(level, crc)?,
            Stage::Over | Stage::Failed => return Ok(false),
        }
        Ok(true)
    }

    /// The end of the file, unless it is only that of what could be had of it.
    fn over(&mut self) -> Result<(), Fault> {
        if !self.feed.ended_well() {
            return Err(Fault::Short);
        }
        self.stage = Stage::Over;
        Ok(())
    }

    /// The start of a stream, or the end of the file.
    fn outside(&mut self, first: bool) -> Result<(), Fault> {
        let mut bits = self.feed.bits(self.at);
        if !first && bits.is_empty() {
            return self.over();
        }
        for letter in *b"BZh" {
            if bits.take(8)? != u32::from(letter) {
                return Err(Fault::NoStream);
            }
        }
        let level = match bits.take(8)? {
            digit @ 0x31..=0x39 => LEVEL * (digit & 15) as usize,
            _ => return Err(Fault::NoStream),
        };
        self.at = bits.at();
        self.stage = Stage::Stream { level, crc: 0 };
        Ok(())
    }

    /// The next block of a stream, or its end.
    fn stream(&mut self, level: usize, crc: u32) -> Result<(), Fault> {
        self.feed.ahead(self.at);
        let block = match self.feed.promise(self.at).map(Promise::wait) {
            Some(Ok(block)) => Some(block),
            // It goes on behind the cut, or the file ends there; or this is no block.
            None | Some(Err(Fault::Short)) => self.uncut(crc)?,
            Some(Err(fault)) => return Err(fault),
        };
        let Some(block) = block else { return Ok(()) };
        if block.packed > level {
            return Err(Fault::Damaged("a block is longer than its stream allows"));
        }
        self.at = block.end;
        self.stage = Stage::Stream {
            level,
            crc: crc::combine(crc, block.crc),
        };
        let read = std::mem::replace(&mut self.text, block.text);
        self.feed.pool.reuse(read.into_room());
        Ok(())
    }

    /// The same, through all cuts. Nothing when the stream ended.
    fn uncut(&mut self, crc: u32) -> Result<Option<Block>, Fault> {
        let mut bits = self.feed.bits(self.at);
        let mark = bits.take_mark()?;
        if mark == scan::BLOCK {
            let decoder = self.own.get_or_insert_default();
            return decoder.decode(&mut bits, Vec::new()).map(Some);
        }
        if mark != scan::END {
            return Err(Fault::Damaged(
                "neither a block nor the end of its stream starts where one has to",
            ));
        }
        let stored = bits.take(32)?;
        if stored != crc {
            return Err(Fault::Checksum {
                part: "stream",
                stored,
                found: crc,
            });
        }
        self.at = bits.at().next_multiple_of(8);
        self.stage = Stage::Outside { first: false };
        Ok(None)
    }

    /// What a fault is for whoever reads. Where the source failed, the file is not cut short.
    fn error(&mut self, fault: Fault) -> io::Error {
        let failure = match fault {
            Fault::Short => self.feed.failure(),
            _ => None,
        };
        failure.unwrap_or_else(|| fault.at(self.at / 8).into())
    }

    /// Has some text at hand, unless the file is over.
    fn refill(&mut self) -> Result<(), Fault> {
        while self.text.refill()?.is_empty() && self.step()? {}
        Ok(())
    }
}

impl<R: BufRead> Read for Bzip2Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if matches!(self.stage, Stage::Failed) {
            return Err(Bzip2Error::Failed.into());
        }
        if let Err(fault) = self.refill() {
            self.stage = Stage::Failed;
            return Err(self.error(fault));
        }
        Ok(self.text.read(buffer))
    }
}

#[cfg(test)]
mod tests;
