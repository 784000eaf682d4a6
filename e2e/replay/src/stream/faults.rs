//! What can go wrong with single events of a stream.

/// A fault that strikes one event of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamFault {
    /// A frame of broken JSON before the event.
    Garbage,
    /// The event is padded to this size.
    Giant {
        /// The bytes of its data.
        bytes: u64,
    },
    /// The event is sent twice.
    Duplicate,
    /// What was published before the event is sent again after it.
    Replay {
        /// How far back, by the log's own times.
        seconds: u64,
    },
    /// The event's data is spread over several lines.
    Multiline,
    /// Comments stand before the event's frame and within it.
    Comment,
    /// The event's lines end with a carriage return as well.
    Crlf,
    /// The response ends after the event, as if that were its end.
    End,
    /// The response ends after the event with the host's own word for a failure.
    Error,
}

/// The event that is struck when nothing is said.
pub(crate) const USUAL_EVENT: u64 = 10;
/// The bytes after which a stream is cut or stalled when nothing is said: it has no middle.
pub(crate) const USUAL_BYTES: u64 = 64 * 1024;

impl StreamFault {
    /// The name that starts a fault's text.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Garbage => "garbage",
            Self::Giant { .. } => "giant",
            Self::Duplicate => "duplicate",
            Self::Replay { .. } => "replay",
            Self::Multiline => "multiline",
            Self::Comment => "comment",
            Self::Crlf => "crlf",
            Self::End => "end",
            Self::Error => "error",
        }
    }

    /// The fault of this name, with its usual argument.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [
            Self::Garbage,
            Self::Giant { bytes: 1 << 20 },
            Self::Duplicate,
            Self::Replay { seconds: 3600 },
            Self::Multiline,
            Self::Comment,
            Self::Crlf,
            Self::End,
            Self::Error,
        ]
        .into_iter()
        .find(|fault| fault.name() == name)
    }

    /// What stands after its `=`.
    pub(crate) fn arg(self) -> Option<u64> {
        match self {
            Self::Giant { bytes } => Some(bytes),
            Self::Replay { seconds } => Some(seconds),
            _ => None,
        }
    }
}
