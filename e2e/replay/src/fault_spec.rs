//! Faults: what can be asked for, and how it is written.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;

use crate::stream::StreamFault;

/// The grammar of a fault list, as `--help` shows it.
pub const GRAMMAR: &str = "\
A fault list is FAULT[,FAULT...], and a FAULT is

    KIND[=ARG][@OFFSET][~PATH][*TIMES]

KIND       what it does
cut        resets the connection after OFFSET bytes of the body; a reset
           discards what a client that reads slowly has not been sent yet
stall      falls silent after OFFSET bytes of the body, and holds the
           connection until the client leaves
slow=RATE  sends RATE bytes a second
truncate   serves only the first OFFSET bytes of the file, with the length
           and ETag of such a file, as after a broken upload
corrupt    flips the bits of the byte at OFFSET of the file
429[=SEC]  answers 429 with Retry-After: SEC, 1 when not given
503[=SEC]  answers 503, with Retry-After only when SEC is given;
           so do 500, 502 and 504
403, 404   answers so
republish[=FROM]
           changes the file under its name, date and ETag included, once it
           was sent to its end; with @N once it was asked for N times.
           FROM is the file that takes its place, or a folder that holds it
           under the same path or name. Without FROM the file gains a line
           (a .gz as one more gzip member; other packed files keep their
           bytes and gain a date)

These strike streams only:

garbage    before event N, sends a frame with the id of the last event and
           JSON that breaks off in the middle
giant[=BYTES]
           pads the comment of event N until it is BYTES long, 1 MiB when
           not given
duplicate  sends event N twice
replay[=SEC]
           after event N, sends everything again that was published before
           it and is not older than SEC seconds by the log's own times,
           3600 when not given; then goes on
multiline  spreads event N over several data lines
comment    puts comments before event N and between its lines
crlf       ends the lines of event N with a carriage return as well
end        ends the response after event N
error      ends it after event N with the host's `event: error`

@OFFSET    bytes, with k, m or g for the powers of 1024; the middle when not
           given. For cut and stall it counts the bytes of each response,
           for truncate and corrupt those of the file. A stream has no
           middle: there it is 64 KiB when not given
@N         where the table says so, the number of an event of each connection,
           from 1 on; 10 when not given. Events sent again are not counted
~PATH      only where the path holds this text; with $ at its end, only
           where the path ends so. A fault without ~PATH strikes files
           only; one with it strikes index pages and streams too, as in
           cut@64k~/v2/stream. Streams know of the faults for files only
           cut, stall, slow and the statuses
*TIMES     how often it strikes in all, or `always`. Once when not given,
           but truncate, corrupt, slow, 403 and 404 strike always

A request meets the first status fault that has strikes left; all other
faults add up. What is being sent keeps the faults that it started with: a
stream meets other ones when its client connects again. A connection to a
stream uses up a strike as it begins.";

/// A list of faults, in the order in which they are tried. Reads from text, see [`GRAMMAR`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

/// One fault: what to do wrong, where, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// What to do wrong.
    pub kind: FaultKind,
    /// `@OFFSET`; for [`FaultKind::Republish`] the number of requests to wait for, for
    /// [`FaultKind::Stream`] the number of the event.
    pub offset: Option<u64>,
    /// `~PATH`.
    pub path: Option<String>,
    /// `*TIMES`.
    pub times: Times,
}

/// How often a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// This often in all.
    Limited(u64),
    /// On every request.
    Always,
}

/// What a fault does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FaultKind {
    /// Resets the connection inside the body.
    Cut,
    /// Falls silent inside the body.
    Stall,
    /// Sends slowly.
    Slow {
        /// Body bytes per second.
        rate: NonZeroU64,
    },
    /// Serves the file's beginning as if it were the file.
    Truncate,
    /// Flips one byte of the file.
    Corrupt,
    /// Answers with an error status.
    Status {
        /// The status.
        code: u16,
        /// Seconds for `Retry-After`.
        retry_after: Option<u64>,
    },
    /// Changes the file under its name.
    Republish {
        /// The file that takes its place, or a folder with such files; `None` adds a line.
        from: Option<PathBuf>,
    },
    /// Spoils one event of a stream.
    Stream(StreamFault),
}

impl FaultKind {
    /// The name that starts a fault's text, and that [`Counters`](crate::Counters) count it by.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Cut => "cut".into(),
            Self::Stall => "stall".into(),
            Self::Slow { .. } => "slow".into(),
            Self::Truncate => "truncate".into(),
            Self::Corrupt => "corrupt".into(),
            Self::Status { code, .. } => code.to_string(),
            Self::Republish { .. } => "republish".into(),
            Self::Stream(fault) => fault.name().into(),
        }
    }

    /// How often it strikes when nothing is said: what passes strikes once, what is broken stays so.
    pub(crate) fn usual_times(&self) -> Times {
        match self {
            Self::Truncate
            | Self::Corrupt
            | Self::Slow { .. }
            | Self::Status {
                code: 403 | 404, ..
            } => Times::Always,
            Self::Cut
            | Self::Stall
            | Self::Status { .. }
            | Self::Republish { .. }
            | Self::Stream(_) => Times::Limited(1),
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, fault) in self.0.iter().enumerate() {
            write!(f, "{}{fault}", if n == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind.name())?;
        match &self.kind {
            FaultKind::Slow { rate } => write!(f, "={rate}")?,
            FaultKind::Status {
                retry_after: Some(seconds),
                ..
            } => write!(f, "={seconds}")?,
            FaultKind::Republish { from: Some(from) } => write!(f, "={}", from.display())?,
            FaultKind::Stream(fault) => {
                if let Some(arg) = fault.arg() {
                    write!(f, "={arg}")?;
                }
            }
            _ => {}
        }
        if let Some(offset) = self.offset {
            write!(f, "@{offset}")?;
        }
        if let Some(path) = &self.path {
            write!(f, "~{path}")?;
        }
        match self.times {
            Times::Limited(times) => write!(f, "*{times}"),
            Times::Always => f.write_str("*always"),
        }
    }
}
