//! What can be wrong with a file.

use std::io;

/// A file that is not a whole, undamaged bzip2 file. Offsets are bytes of the file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Bzip2Error {
    /// It is something else.
    #[error("not a bzip2 file: it does not start with BZh and a digit from 1 to 9")]
    NotBzip2,
    /// It ends in the middle of a stream.
    #[error("cut short: the bzip2 stream that goes on at byte {at} has no end")]
    CutShort {
        /// Where what is not whole starts.
        at: u64,
    },
    /// It has something that no compressor writes.
    #[error("damaged: at byte {at} of the bzip2 file: {what}")]
    Damaged {
        /// Where the block starts.
        at: u64,
        /// What is wrong with it.
        what: &'static str,
    },
    /// What was decoded is not what was compressed.
    #[error(
        "damaged: the checksum of the bzip2 {part} at byte {at} is {stored:08x}, and that of its text {found:08x}"
    )]
    Checksum {
        /// A block, or a stream.
        part: &'static str,
        /// Where the block starts, or the stream ends.
        at: u64,
        /// What the file says.
        stored: u32,
        /// What it should be.
        found: u32,
    },
    /// Something follows that is not a stream.
    #[error("damaged: what follows a bzip2 stream at byte {at} is not another one")]
    Trailing {
        /// Where it starts.
        at: u64,
    },
    /// A decoding thread panicked.
    #[error("decoding the bzip2 block at byte {at} stopped unexpectedly")]
    Stopped {
        /// Where the block starts.
        at: u64,
    },
    /// The source failed, which was told already.
    #[error("reading a bzip2 file went on after it had failed")]
    Failed,
}

impl From<Bzip2Error> for io::Error {
    fn from(error: Bzip2Error) -> Self {
        let kind = match error {
            Bzip2Error::CutShort { .. } => io::ErrorKind::UnexpectedEof,
            Bzip2Error::Stopped { .. } | Bzip2Error::Failed => io::ErrorKind::Other,
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// Why some bits could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// They ended too early. More of them may help.
    Short,
    /// They mean nothing, whatever follows.
    Damaged(&'static str),
    /// They are not what was compressed.
    Checksum {
        /// A block, or a stream.
        part: &'static str,
        /// What the file says.
        stored: u32,
        /// What it should be.
        found: u32,
    },
    /// No stream starts with them.
    NoStream,
    /// The thread that had them panicked.
    Stopped,
}

impl Fault {
    /// What that is for whoever reads the file, at a byte of it.
    pub(super) fn at(self, at: u64) -> Bzip2Error {
        match self {
            Self::Short => Bzip2Error::CutShort { at },
            Self::Damaged(what) => Bzip2Error::Damaged { at, what },
            Self::Checksum {
                part,
                stored,
                found,
            } => Bzip2Error::Checksum {
                part,
                at,
                stored,
                found,
            },
            Self::NoStream if at == 0 => Bzip2Error::NotBzip2,
            Self::NoStream => Bzip2Error::Trailing { at },
            Self::Stopped => Bzip2Error::Stopped { at },
        }
    }
}
