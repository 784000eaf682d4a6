//! What the server saw, for tests to assert on.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::etiquette::Inside;

/// What the server saw so far. `/_replay/` itself is not counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// All requests, refused ones included.
    pub requests: u64,
    /// Requests by the status they were answered with.
    pub by_status: BTreeMap<u16, u64>,
    /// Requests by method.
    pub by_method: BTreeMap<String, u64>,
    /// Requests by user agent, the empty name for none.
    pub by_user_agent: BTreeMap<String, u64>,
    /// What was asked of each path, such as `/other/pageviews/`.
    pub by_path: BTreeMap<String, PathCounters>,
    /// The most requests served or refused at the same time.
    pub peak_requests: usize,
    /// The most at the same time of one address and user agent.
    pub peak_requests_per_client: usize,
    /// The most connections open at the same time. One counts from its first request to its end.
    pub peak_connections: usize,
    /// The most connections open at the same time of one address.
    pub peak_connections_per_client: usize,
    /// Connections opened in all.
    pub connections: u64,
    /// Bytes of bodies handed to connections.
    pub bytes_sent: u64,
    /// Requests refused for their user agent.
    pub rejected_user_agents: u64,
    /// Requests refused because the client had too many at once.
    pub rejected_for_concurrency: u64,
    /// How often each kind of fault struck, by [`FaultKind::name`](crate::FaultKind::name).
    pub faults_struck: BTreeMap<String, u64>,
}

/// What was asked of one path.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PathCounters {
    /// Every request, in the order of arrival of their answers.
    pub requests: Vec<RequestRecord>,
    /// Bytes of bodies handed to connections.
    pub bytes_sent: u64,
    /// Responses that sent the last byte of the file.
    pub completed: u64,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestRecord {
    /// When it arrived: milliseconds since the server started.
    pub at_ms: u64,
    /// Its method.
    pub method: String,
    /// Its `Range`.
    pub range: Option<String>,
    /// What it was answered with.
    pub status: u16,
    /// The `Retry-After` of the answer, in seconds.
    pub retry_after: Option<u64>,
}

/// What a client made of one `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryWait {
    /// The path that was asked for.
    pub path: String,
    /// The seconds it was told to wait.
    pub asked_seconds: u64,
    /// The milliseconds until it asked for the path again; `None` if it did not.
    pub waited_ms: Option<u64>,
}

impl RetryWait {
    /// Whether the client waited as long as it was told.
    #[must_use]
    pub fn honoured(&self) -> bool {
        self.waited_ms
            .is_none_or(|waited| waited >= self.asked_seconds * 1000)
    }
}

impl Counters {
    /// Every `Retry-After` that was sent, and how long the client waited.
    #[must_use]
    pub fn retry_waits(&self) -> Vec<RetryWait> {
        let mut waits = Vec::new();
        for (path, seen) in &self.by_path {
            for (n, request) in seen.requests.iter().enumerate() {
                if let Some(asked_seconds) = request.retry_after {
                    let next = seen.requests.get(n + 1);
                    let waited_ms = next.map(|next| next.at_ms.saturating_sub(request.at_ms));
                    waits.push(RetryWait {
                        path: path.clone(),
                        asked_seconds,
                        waited_ms,
                    });
                }
            }
        }
        waits
    }

    /// How often a status was answered.
    #[must_use]
    pub fn status(&self, status: u16) -> u64 {
        self.by_status.get(&status).copied().unwrap_or(0)
    }

    /// How often a kind of fault struck.
    #[must_use]
    pub fn struck(&self, kind: &str) -> u64 {
        self.faults_struck.get(kind).copied().unwrap_or(0)
    }
}

/// Keeps the counters.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    started: Instant,
    book: Arc<Mutex<Book>>,
}

#[derive(Debug, Default)]
struct Book {
    counters: Counters,
    open: BTreeMap<IpAddr, usize>,
}

/// A request that is not answered yet.
#[derive(Debug)]
pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) method: String,
    pub(crate) agent: String,
    pub(crate) range: Option<String>,
    pub(crate) at: Instant,
}

/// An open connection; it counts until it is dropped.
#[derive(Debug)]
pub(crate) struct OpenConnection {
    recorder: Recorder,
    address: IpAddr,
}

impl Recorder {
    pub(crate) fn new() -> Self {
        Self {
            started: Instant::now(),
            book: Arc::default(),
        }
    }

    pub(crate) fn snapshot(&self) -> Counters {
        self.lock().counters.clone()
    }

    pub(crate) fn connection(&self, address: IpAddr) -> OpenConnection {
        let mut book = self.lock();
        let of_client = book.open.entry(address).or_default();
        *of_client += 1;
        let of_client = *of_client;
        let of_all = book.open.values().sum();
        let counters = &mut book.counters;
        counters.connections += 1;
        counters.peak_connections = counters.peak_connections.max(of_all);
        counters.peak_connections_per_client = counters.peak_connections_per_client.max(of_client);
        OpenConnection {
            recorder: self.clone(),
            address,
        }
    }

    pub(crate) fn entered(&self, inside: Inside) {
        let counters = &mut self.lock().counters;
        counters.peak_requests = counters.peak_requests.max(inside.of_all);
        counters.peak_requests_per_client = counters.peak_requests_per_client.max(inside.of_client);
    }

    pub(crate) fn rejected_user_agent(&self) {
        self.lock().counters.rejected_user_agents += 1;
    }

    pub(crate) fn rejected_for_concurrency(&self) {
        self.lock().counters.rejected_for_concurrency += 1;
    }

    pub(crate) fn answered(&self, arrival: Arrival, status: u16, retry_after: Option<u64>) {
        let at_ms = arrival
            .at
            .saturating_duration_since(self.started)
            .as_millis();
        let record = RequestRecord {
            at_ms: u64::try_from(at_ms).unwrap_or(u64::MAX),
            method: arrival.method.clone(),
            range: arrival.range,
            status,
            retry_after,
        };
        let counters = &mut self.lock().counters;
        counters.requests += 1;
        *counters.by_status.entry(status).or_default() += 1;
        *counters.by_method.entry(arrival.method).or_default() += 1;
        *counters.by_user_agent.entry(arrival.agent).or_default() += 1;
        counters
            .by_path
            .entry(arrival.path)
            .or_default()
            .requests
            .push(record);
    }

    pub(crate) fn sent(&self, path: &str, bytes: u64) {
        let counters = &mut self.lock().counters;
        counters.bytes_sent += bytes;
        if let Some(seen) = counters.by_path.get_mut(path) {
            seen.bytes_sent += bytes;
        }
    }

    pub(crate) fn completed(&self, path: &str) {
        if let Some(seen) = self.lock().counters.by_path.get_mut(path) {
            seen.completed += 1;
        }
    }

    pub(crate) fn struck(&self, kind: &str) {
        *self
            .lock()
            .counters
            .faults_struck
            .entry(kind.to_owned())
            .or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        if let Some(open) = self.recorder.lock().open.get_mut(&self.address) {
            *open -= 1;
        }
    }
}
