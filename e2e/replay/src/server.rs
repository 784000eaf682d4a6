//! The server: listening, connections, and the handle that runs it.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::content::Content;
use crate::counters::{Counters, Recorder};
use crate::etiquette::Crowd;
use crate::fault_parse::FaultsError;
use crate::fault_spec::Faults;
use crate::fault_state::{FaultState, Place, Target};
use crate::handler::handle;
use crate::index::Entry;
use crate::options::{Options, ReplayError};
use crate::path::HostPath;
use crate::root::{MemoryFile, Node, Site};
use crate::stream::{Progress, Stream, StreamCounters};
use crate::wire::{Connection, Wire};

/// The stand-in for the host.
#[derive(Debug)]
pub struct Replay;

/// A server that runs. It stops when this is dropped.
#[derive(Debug)]
pub struct Running {
    addr: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Shared {
    site: Arc<Site>,
    pub(crate) faults: FaultState,
    pub(crate) recorder: Recorder,
    pub(crate) crowd: Crowd,
    pub(crate) rate: Option<NonZeroU64>,
    pub(crate) concurrent: usize,
    pub(crate) stream: Option<Arc<Stream>>,
}

impl Replay {
    /// Starts the server on the current tokio runtime; it accepts connections when this returns.
    ///
    /// # Errors
    /// When the root or the events cannot be read, the address cannot be listened on, or a fault names a
    /// replacement that is not there.
    pub async fn start(options: Options) -> Result<Running, ReplayError> {
        let listen = options.listen;
        let failed = |source| ReplayError::Listen {
            addr: listen,
            source,
        };
        let shared = Arc::new(Shared::new(options)?);
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let playing = shared.stream.clone().map(|stream| {
            let progress = stream.prepare();
            (stream, progress)
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared), playing));
        Ok(Running { addr, shared, task })
    }
}

impl Running {
    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What a source's `baseUrl` is set to, without a slash at its end.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// What it saw so far.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.shared.recorder.snapshot()
    }

    /// Replaces the faults; what is being sent keeps those it started with.
    ///
    /// # Errors
    /// When a fault names a replacement that is not there.
    pub fn set_faults(&self, faults: Faults) -> Result<(), FaultsError> {
        self.shared.set_faults(faults)
    }

    /// Publishes a file at `path`, over the one that may be there, with the date of now, or a
    /// second later than the file that it replaces. Nothing is written to the folder.
    ///
    /// # Errors
    /// When `path` is not that of a file.
    pub fn publish(&self, path: &str, bytes: impl Into<Bytes>) -> Result<(), ReplayError> {
        let path = HostPath::literal(path).ok_or_else(|| ReplayError::BadPath {
            path: path.to_owned(),
        })?;
        let now = SystemTime::now();
        let modified = match self.shared.site.find(&path) {
            Ok(Node::File { modified, .. }) => now.max(modified + Duration::from_secs(1)),
            _ => now,
        };
        self.shared.site.publish(
            &path,
            MemoryFile {
                bytes: bytes.into(),
                modified,
            },
        );
        Ok(())
    }

    /// What the stream saw so far; nothing where there is none.
    #[must_use]
    pub fn stream_counters(&self) -> StreamCounters {
        let stream = self.shared.stream.as_ref();
        stream.map_or_else(StreamCounters::default, |stream| stream.counters())
    }

    /// The `meta.id` of every event published so far, in order, canaries not included. An event
    /// without one is left out.
    #[must_use]
    pub fn published_ids(&self) -> Vec<String> {
        let stream = self.shared.stream.as_ref();
        stream.map_or_else(Vec::new, |stream| stream.published_ids())
    }

    /// Publishes these events at once, one JSON object a line; gives how many they are.
    ///
    /// # Errors
    /// When a line is not an event, in which case none is published, and where there is no stream.
    pub fn append_events<'a>(
        &self,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> Result<usize, ReplayError> {
        let stream = self.shared.stream.as_ref().ok_or(ReplayError::NoStream)?;
        stream.append(lines.into_iter())
    }

    /// Stops at once, connections included, and frees the address.
    pub async fn shutdown(mut self) {
        self.task.abort();
        // Ends as cancelled, which is what was asked for.
        let _ = (&mut self.task).await;
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Accepts until it is aborted; the connections and the stream end with it.
async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    playing: Option<(Arc<Stream>, Progress)>,
) {
    let mut connections = JoinSet::new();
    if let Some((stream, progress)) = playing {
        connections.spawn(async move { stream.play(progress).await });
    }
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => {
                    connections.spawn(talk(stream, peer, Arc::clone(&shared)));
                }
                // Out of file handles, or a client that left already: neither lasts.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn talk(stream: TcpStream, peer: SocketAddr, shared: Arc<Shared>) {
    // Small answers leave at once, large ones fill their packets anyway.
    let _ = stream.set_nodelay(true);
    let connection = Connection::new(peer.ip());
    let wire = Wire::new(stream, Arc::clone(&connection));
    let served = Arc::clone(&connection);
    let service = service_fn(move |request| {
        let (shared, connection) = (Arc::clone(&shared), Arc::clone(&served));
        async move { Ok::<_, Infallible>(handle(shared, connection, request).await) }
    });
    let serving = http1::Builder::new().serve_connection(wire, service);
    // An error is a client that left or a cut on demand: nobody is left to be told.
    tokio::select! {
        _ = serving => {}
        () = connection.overdue() => {}
    }
}

impl Shared {
    fn new(options: Options) -> Result<Self, ReplayError> {
        let shared = Self {
            site: Arc::new(
                Site::open(options.root)?
                    .listing(&options.listed)
                    .with_neighbours(options.neighbours),
            ),
            faults: FaultState::default(),
            recorder: Recorder::new(),
            crowd: Crowd::default(),
            rate: options.rate,
            concurrent: options.concurrent,
            stream: options.stream.map(Stream::open).transpose()?.map(Arc::new),
        };
        shared.set_faults(options.faults)?;
        Ok(shared)
    }

    pub(crate) fn set_faults(&self, faults: Faults) -> Result<(), FaultsError> {
        faults.check()?;
        self.faults.set(faults);
        Ok(())
    }

    pub(crate) async fn find(&self, path: &HostPath) -> io::Result<Node> {
        let path = path.clone();
        self.on_disk(move |site| site.find(&path)).await
    }

    pub(crate) async fn list(&self, path: &HostPath) -> io::Result<Vec<Entry>> {
        let path = path.clone();
        self.on_disk(move |site| site.list(&path)).await
    }

    /// Applies the truncation that strikes, if any.
    pub(crate) fn truncate(&self, target: Target<'_>, content: Content, strike: bool) -> Content {
        match self.faults.truncated(target, content.len(), strike) {
            None => content,
            Some(len) => {
                if strike {
                    self.recorder.struck("truncate");
                }
                content.slice(0..len)
            }
        }
    }

    /// A file is opened to be served: `republish@N` changes it for those who ask later.
    pub(crate) async fn file_asked(&self, target: Target<'_>) {
        let due = self.faults.asked(target);
        if !due.is_empty() {
            let path = target.path.to_owned();
            let recorder = self.recorder.clone();
            let done = self.on_disk(move |site| {
                republish(site, &recorder, &path, due);
                Ok(())
            });
            // Only a runtime that shuts down fails here.
            let _ = done.await;
        }
    }

    /// A file was sent to its end. Runs before the client can ask again, hence not on another thread.
    pub(crate) fn file_completed(&self, path: &str) {
        self.recorder.completed(path);
        let due = self.faults.completed(Target {
            path,
            place: Place::File,
        });
        republish(&self.site, &self.recorder, path, due);
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Site) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let site = Arc::clone(&self.site);
        tokio::task::spawn_blocking(move || work(&site))
            .await
            .map_err(io::Error::other)?
    }
}

fn republish(site: &Site, recorder: &Recorder, path: &str, due: Vec<Option<PathBuf>>) {
    for from in due {
        // A file that went missing meanwhile is not republished, nor is the strike counted.
        if site.republish(path, from.as_deref()).is_ok() {
            recorder.struck("republish");
        }
    }
}
