//! A file's bytes, wherever they are: pieces in memory and on disk, read in chunks.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::task::JoinHandle;

/// What is read from disk at once: bounds the memory of a response.
const CHUNK: u64 = 64 * 1024;

/// One run of bytes.
#[derive(Debug, Clone)]
pub(crate) enum Piece {
    Memory(Bytes),
    Disk { file: Arc<File>, bytes: Range<u64> },
}

impl Piece {
    fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Disk { bytes, .. } => bytes.end - bytes.start,
        }
    }

    /// Takes the bytes `range` of this piece; none where it lies outside.
    fn slice(&self, range: &Range<u64>) -> Option<Self> {
        let (start, end) = (range.start.min(self.len()), range.end.min(self.len()));
        if start >= end {
            return None;
        }
        Some(match self {
            // Both lie within the length of something in memory.
            Self::Memory(bytes) => Self::Memory(bytes.slice(index(start)..index(end))),
            Self::Disk { file, bytes } => Self::Disk {
                file: Arc::clone(file),
                bytes: bytes.start + start..bytes.start + end,
            },
        })
    }
}

/// The bytes of one response, or of one file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pieces: Vec<Piece>,
}

impl Content {
    pub(crate) fn new(pieces: Vec<Piece>) -> Self {
        Self { pieces }
    }

    pub(crate) fn len(&self) -> u64 {
        self.pieces.iter().map(Piece::len).sum()
    }

    /// All of it at once, for what is small or has to be summed up. Blocks.
    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut all = Vec::new();
        for piece in &self.pieces {
            match piece {
                Piece::Memory(bytes) => all.extend_from_slice(bytes),
                Piece::Disk { file, bytes } => all.extend_from_slice(&read_at(file, bytes)?),
            }
        }
        Ok(all)
    }

    pub(crate) fn slice(&self, range: Range<u64>) -> Self {
        let mut before = 0;
        let pieces = self.pieces.iter().filter_map(|piece| {
            let here = range.start.saturating_sub(before)..range.end.saturating_sub(before);
            before += piece.len();
            piece.slice(&here)
        });
        Self {
            pieces: pieces.collect(),
        }
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self {
            pieces: vec![Piece::Memory(text.into())],
        }
    }
}

/// Reads a [`Content`] from its beginning.
#[derive(Debug)]
pub(crate) struct Reader {
    rest: Content,
    /// The read under way, if the next bytes are on disk, and how long it will be.
    disk: Option<JoinHandle<io::Result<Bytes>>>,
}

impl Reader {
    pub(crate) fn new(content: Content) -> Self {
        Self {
            rest: content,
            disk: None,
        }
    }

    /// The next bytes, at most `limit`; `None` at the end.
    pub(crate) fn poll_next(
        &mut self,
        limit: u64,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        if let Some(read) = &mut self.disk {
            let done = ready!(Pin::new(read).poll(cx));
            self.disk = None;
            return Poll::Ready(Some(done.map_err(io::Error::other).flatten()));
        }
        let Some(next) = self.take(limit.clamp(1, CHUNK)) else {
            return Poll::Ready(None);
        };
        match next {
            Piece::Memory(bytes) => Poll::Ready(Some(Ok(bytes))),
            Piece::Disk { file, bytes } => {
                self.disk = Some(tokio::task::spawn_blocking(move || read_at(&file, &bytes)));
                self.poll_next(limit, cx)
            }
        }
    }

    fn take(&mut self, most: u64) -> Option<Piece> {
        let len = self.rest.pieces.first()?.len().min(most);
        let next = self.rest.slice(0..len);
        self.rest = self.rest.slice(len..u64::MAX);
        next.pieces.into_iter().next()
    }
}

/// Reads exactly `bytes`; a file that shrank meanwhile is an error, and so ends the connection.
fn read_at(file: &File, bytes: &Range<u64>) -> io::Result<Bytes> {
    let len = bytes.end - bytes.start;
    let mut chunk = Vec::with_capacity(index(len));
    // The handle belongs to one response, whose reads follow one another.
    let mut file = file;
    file.seek(SeekFrom::Start(bytes.start))?;
    file.take(len).read_to_end(&mut chunk)?;
    if chunk.len() as u64 == len {
        Ok(chunk.into())
    } else {
        Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the file became shorter while it was served",
        ))
    }
}

/// Lengths here are bounded by what is in memory, or by the chunk.
fn index(len: u64) -> usize {
    usize::try_from(len).unwrap_or(usize::MAX)
}
