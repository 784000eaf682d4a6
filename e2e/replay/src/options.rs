//! What a caller chooses, and what can go wrong when the server starts.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::num::NonZeroU64;
use std::path::PathBuf;

use crate::fault_parse::FaultsError;
use crate::fault_spec::Faults;
use crate::listed::Listed;
use crate::root::Root;
use crate::stream::{EventError, Events, StreamOptions};

/// Requests that the real host serves at once for one address and user agent.
pub const DEFAULT_CONCURRENT: usize = 3;

/// How to start a [`Replay`](crate::Replay).
#[derive(Debug, Clone)]
pub struct Options {
    /// What to serve, laid out like the host's own paths.
    pub root: Root,
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// What to do wrong.
    pub faults: Faults,
    /// Body bytes per second on each connection, as nginx's `limit_rate`; `None` is unlimited.
    pub rate: Option<NonZeroU64>,
    /// Requests served at once per client address and user agent; one more gets 503.
    pub concurrent: usize,
    /// Hours that index pages list and that are not there: for a client that only plans.
    pub listed: Vec<Listed>,
    /// Whether the archives' folders have what else lies in them on the real host: totals by project, checksums, a
    /// readme.
    pub neighbours: bool,
    /// The stream to serve as well, at `/v2/stream/recentchange`.
    pub stream: Option<StreamOptions>,
}

impl Options {
    /// Serves `root` on a free loopback port, without faults.
    #[must_use]
    pub fn new(root: Root) -> Self {
        Self {
            root,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            faults: Faults::default(),
            rate: None,
            concurrent: DEFAULT_CONCURRENT,
            listed: Vec::new(),
            neighbours: false,
            stream: None,
        }
    }

    /// Serves no files, but a stream of these events.
    #[must_use]
    pub fn streaming(events: Events) -> Self {
        Self {
            stream: Some(StreamOptions::new(events)),
            ..Self::new(Root::Memory(BTreeMap::new()))
        }
    }
}

/// Why the server did not start, or did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The root is not a folder that can be read.
    #[error(
        "cannot serve {path}: {source}; give a folder that holds the host's paths, such as other/pageviews/"
    )]
    Root {
        /// The folder that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The address cannot be listened on.
    #[error("cannot listen on {addr}: {source}; choose another address, or port 0 for a free one")]
    Listen {
        /// The address that was asked for.
        addr: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
    /// A path to replace that no request could ever name.
    #[error(
        "cannot replace {path:?}: not a file's path on the host, such as /other/pageviews/x.gz"
    )]
    BadPath {
        /// The path that was given.
        path: String,
    },
    /// The file of events cannot be read.
    #[error("cannot read the events in {path}: {source}; give a file with one JSON object a line")]
    Events {
        /// The file that was asked for.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A line is not an event.
    #[error("line {line} of the events is wrong: {source}")]
    Event {
        /// The line's number, from 1 on.
        line: usize,
        /// What is wrong with it.
        source: EventError,
    },
    /// Events were given to a server without a stream.
    #[error("there is no stream to append events to: start it with `Options::stream`")]
    NoStream,
    /// The faults could not be read.
    #[error(transparent)]
    Faults(#[from] FaultsError),
}
