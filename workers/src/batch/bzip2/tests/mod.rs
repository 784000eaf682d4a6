//! Whole files, good and bad, beside the decoder of the crate `bzip2`.

mod broken;
pub(super) mod craft;
mod crafted;
mod whole;

use std::{
    io::{self, BufRead, Read, Write},
    num::NonZeroUsize,
};

use bzip2::{Compression, bufread::MultiBzDecoder, write::BzEncoder};

use super::{Bzip2Decoder, cut};

/// Numbers that are the same in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next()).unwrap() % bound
    }

    pub(super) fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

/// A reader that gives little at a time, and may fail.
struct Source<'a> {
    rest: &'a [u8],
    chunk: usize,
    fails: bool,
    given: usize,
}

impl<'a> Source<'a> {
    fn new(file: &'a [u8], chunk: usize) -> Self {
        Self {
            rest: file,
            chunk,
            fails: false,
            given: 0,
        }
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() && self.fails {
            return Err(io::Error::other("the download failed"));
        }
        Ok(&self.rest[..self.rest.len().min(self.chunk)])
    }

    fn consume(&mut self, amount: usize) {
        self.rest = &self.rest[amount..];
        self.given += amount;
    }
}

impl Read for Source<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        unreachable!("it is read through its buffer")
    }
}

fn compress(text: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = BzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

/// What the other decoder makes of a file.
fn reference(file: &[u8]) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    let result = MultiBzDecoder::new(file).read_to_end(&mut text);
    result.is_ok().then_some(text)
}

/// A decoder with some threads, however many cores there are.
fn decoder(source: Source<'_>, longest: usize) -> Bzip2Decoder<Source<'_>> {
    Bzip2Decoder::with(source, NonZeroUsize::new(3).unwrap(), longest)
}

/// What is read in all, and how it ends.
fn decode(source: Source<'_>) -> (Vec<u8>, io::Result<()>) {
    drain(&mut decoder(source, cut::LONGEST))
}

fn drain(decoder: &mut impl Read) -> (Vec<u8>, io::Result<()>) {
    let mut text = Vec::new();
    let result = decoder.read_to_end(&mut text).map(drop);
    (text, result)
}

/// Decodes a file that is whole.
fn text(file: &[u8]) -> Vec<u8> {
    let (text, result) = decode(Source::new(file, 4096));
    result.unwrap();
    text
}

/// Lines with some order in them.
fn lines(random: &mut Random, bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes + 100);
    while text.len() < bytes {
        let (path, count) = (random.below(3000), random.below(50) * random.below(50));
        writeln!(
            text,
            "/wikipedia/commons/{path:x}/File_{path}.jpg\t{count}\t0\t0\t-"
        )
        .unwrap();
    }
    text.truncate(bytes);
    text
}

fn noise(random: &mut Random, bytes: usize) -> Vec<u8> {
    (0..bytes).map(|_| random.byte()).collect()
}
