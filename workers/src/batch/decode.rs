//! From compressed bytes to blocks of whole lines.

use std::{
    io::{self, BufRead, Read},
    num::NonZeroUsize,
};

use bytes::{Buf, Bytes};
use flate2::bufread::MultiGzDecoder;
use tokio::sync::mpsc::Receiver;

use super::{bzip2::Bzip2Decoder, dataset::Compression, fetch::FetchError};

/// How much text is handled at a time: it stays in the second-level cache from inflating to
/// parsing.
pub const BLOCK: usize = 256 << 10;

/// The most threads that decode one file: what more would decode, one thread cannot parse.
const THREADS: NonZeroUsize = NonZeroUsize::MIN.saturating_add(3);

/// A download as something to read from, on a thread that may block.
#[derive(Debug)]
pub struct Incoming {
    queue: Receiver<Result<Bytes, FetchError>>,
    current: Bytes,
    /// Why reading failed, when it was the download and not the file.
    pub failed: Option<FetchError>,
}

impl Incoming {
    /// Reads what comes through a queue, until it closes.
    #[must_use]
    pub fn new(queue: Receiver<Result<Bytes, FetchError>>) -> Self {
        Self {
            queue,
            current: Bytes::new(),
            failed: None,
        }
    }
}

impl BufRead for Incoming {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.current.is_empty() {
            match self.queue.blocking_recv() {
                None => break,
                Some(Ok(bytes)) => self.current = bytes,
                Some(Err(error)) => {
                    self.failed = Some(error);
                    return Err(io::Error::other("the download failed"));
                }
            }
        }
        Ok(&self.current)
    }

    fn consume(&mut self, amount: usize) {
        self.current.advance(amount);
    }
}

impl Read for Incoming {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

/// Some of a file's text.
#[derive(Debug, PartialEq, Eq)]
pub enum Block<'a> {
    /// Whole lines, each with its line feed, but perhaps the file's last.
    Lines(&'a [u8]),
    /// The start of a line that is longer than a block; the rest of it is dropped.
    Overlong(&'a [u8]),
}

/// What undoes the compression. Checksums are verified, and several members or streams are one text.
#[derive(Debug)]
enum Decoder<R> {
    Gzip(Box<MultiGzDecoder<R>>),
    Bzip2(Box<Bzip2Decoder<R>>),
}

impl<R: BufRead> Read for Decoder<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Gzip(decoder) => decoder.read(buffer),
            Self::Bzip2(decoder) => decoder.read(buffer),
        }
    }
}

/// Compressed text in blocks of whole lines.
#[derive(Debug)]
pub struct Blocks<R> {
    decoder: Decoder<R>,
    buffer: Vec<u8>,
    /// `buffer[start..end]` is text that was not handed out.
    start: usize,
    end: usize,
    overlong: bool,
    done: bool,
}

impl<R: BufRead> Blocks<R> {
    /// Decodes what `reader` gives.
    pub fn new(reader: R, compression: Compression, block: usize) -> Self {
        let decoder = match compression {
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(reader))),
            Compression::Bzip2 => Decoder::Bzip2(Box::new(Bzip2Decoder::new(reader, THREADS))),
        };
        Self {
            decoder,
            buffer: vec![0; block],
            start: 0,
            end: 0,
            overlong: false,
            done: false,
        }
    }

    /// The reader beneath.
    pub fn reader(&mut self) -> &mut R {
        match &mut self.decoder {
            Decoder::Gzip(decoder) => decoder.get_mut(),
            Decoder::Bzip2(decoder) => decoder.get_mut(),
        }
    }

    /// The next block, or `None` at the end.
    ///
    /// # Errors
    /// When the download fails, the file is cut short, or its checksum is wrong.
    #[expect(clippy::should_implement_trait, reason = "it lends out its own buffer")]
    pub fn next(&mut self) -> io::Result<Option<Block<'_>>> {
        loop {
            self.refill()?;
            let text = self.start..self.end;
            if text.is_empty() {
                return Ok(None);
            }
            let newline = memchr::memrchr(b'\n', &self.buffer[text.clone()]);
            match newline {
                Some(at) if self.overlong => {
                    // The tail of the long line ends at the first line feed.
                    let first = memchr::memchr(b'\n', &self.buffer[text.clone()]).unwrap_or(at);
                    self.start += first + 1;
                    self.overlong = false;
                }
                Some(at) => {
                    self.start += at + 1;
                    return Ok(Some(Block::Lines(
                        &self.buffer[text.start..=text.start + at],
                    )));
                }
                None if self.overlong => self.start = self.end,
                None if self.done => {
                    self.start = self.end;
                    return Ok(Some(Block::Lines(&self.buffer[text])));
                }
                None => {
                    self.overlong = true;
                    self.start = self.end;
                    return Ok(Some(Block::Overlong(&self.buffer[text])));
                }
            }
        }
    }

    /// Moves what is left to the front and fills the rest.
    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        while !self.done && self.end < self.buffer.len() {
            match self.decoder.read(&mut self.buffer[self.end..]) {
                Ok(0) => self.done = true,
                Ok(read) => self.end += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn blocks(gz: &[u8], block: usize) -> io::Result<Vec<(bool, Vec<u8>)>> {
        let mut blocks = Blocks::new(gz, Compression::Gzip, block);
        let mut all = Vec::new();
        while let Some(block) = blocks.next()? {
            all.push(match block {
                Block::Lines(text) => (false, text.to_vec()),
                Block::Overlong(text) => (true, text.to_vec()),
            });
        }
        Ok(all)
    }

    #[test]
    fn lines_stay_whole_over_blocks_and_members() {
        let gz = [gzip(b"aaa\nbbb\ncc"), gzip(b"c\nd")].concat();
        let all = blocks(&gz, 6).unwrap();
        assert!(all.iter().all(|(overlong, _)| !overlong));
        let text: Vec<u8> = all.into_iter().flat_map(|(_, text)| text).collect();
        assert_eq!(text, b"aaa\nbbb\nccc\nd");
    }

    #[test]
    fn a_line_longer_than_a_block_is_told_and_the_next_one_kept() {
        let all = blocks(&gzip(b"a\n0123456789abcdef\nb\nc\n"), 8).unwrap();
        assert_eq!(all[0], (false, b"a\n".to_vec()));
        assert_eq!(all[1], (true, b"01234567".to_vec()));
        let rest: Vec<u8> = all[2..].iter().flat_map(|(_, text)| text.clone()).collect();
        assert_eq!(rest, b"b\nc\n");
    }

    #[test]
    fn a_cut_or_damaged_file_is_an_error() {
        let gz = gzip(&b"some line\n".repeat(1000));
        assert!(blocks(&gz[..gz.len() - 3], BLOCK).is_err());
        let mut damaged = gz.clone();
        let crc = gz.len() - 6;
        damaged[crc] ^= 1;
        assert!(blocks(&damaged, BLOCK).is_err());
        assert!(blocks(b"", BLOCK).is_err() || blocks(b"", BLOCK).unwrap().is_empty());
    }
}
