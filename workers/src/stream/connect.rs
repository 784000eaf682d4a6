//! A connection to the stream. There are no heartbeats: only bytes tell that it lives.

use std::time::Duration;

use reqwest::{
    Client, Response, StatusCode,
    header::{ACCEPT, CONTENT_TYPE},
};
use tokio::time::{Instant, timeout_at};

use super::frame::{Frame, Framer};
use crate::{
    failure::chain,
    http::{self, BadBaseUrl},
};

/// Where Wikimedia publishes its streams.
pub const DEFAULT_BASE_URL: &str = "https://stream.wikimedia.org";
/// The stream of recent changes on every wiki.
const PATH: &str = "/v2/stream/recentchange";
/// How long the host may take to begin its answer.
const FIRST_BYTE: Duration = Duration::from_secs(30);

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The base URL is none.
    #[error(transparent)]
    BaseUrl(#[from] BadBaseUrl),
    /// The contact cannot stand in a header, or the like.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
}

/// There is no connection.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ConnectError {
    /// The host said no.
    #[error(
        "{url}: the host refused ({status}): {body}; check spec.contact and whether this address is blocked"
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// The host's status.
        status: u16,
        /// The start of its answer.
        body: String,
    },
    /// Not now.
    #[error("{url}: {why}")]
    NotNow {
        /// What was asked for.
        url: String,
        /// What happened.
        why: String,
        /// How long the host asks to wait.
        wait: Option<Duration>,
    },
}

/// No answer has begun.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unanswered {
    /// There is no way to the host.
    #[error("{}", chain(.0))]
    Failed(reqwest::Error),
    /// It is silent.
    #[error("no answer within 30 s")]
    Silent,
}

/// Why a connection is no more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The host ended it.
    #[error("the host ended the connection")]
    Ended,
    /// Nothing came for too long.
    #[error("nothing was received for {} s", .0.as_secs_f64())]
    Idle(Duration),
    /// It broke.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The host reported an error of its own.
    #[error("the host reports an error: {0}")]
    Reported(String),
}

impl Lost {
    /// A word for it, as a label of metrics.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::Idle(_) => "idle",
            Self::Broken(_) => "broken",
            Self::Reported(_) => "error",
        }
    }
}

/// Opens connections.
#[derive(Debug, Clone)]
pub struct Connector {
    client: Client,
    url: String,
    idle: Duration,
}

impl Connector {
    /// For the stream at `base_url`; we introduce ourselves with `contact`, and take a connection
    /// for dead when it was silent for `idle`.
    ///
    /// # Errors
    /// When the URL or the contact cannot be used.
    pub fn new(base_url: Option<&str>, contact: &str, idle: Duration) -> Result<Self, SetupError> {
        let (builder, base) = http::client(base_url, DEFAULT_BASE_URL, contact)?;
        let client = builder
            .pool_max_idle_per_host(0)
            .tcp_nodelay(true)
            .build()
            .map_err(|error| SetupError::Client(chain(&error)))?;
        let url = base + PATH;
        Ok(Self { client, url, idle })
    }

    /// Connects, from a position on, or from now.
    ///
    /// # Errors
    /// When the host does not answer with a stream.
    pub async fn open(&self, last_event_id: Option<String>) -> Result<Connection, ConnectError> {
        match self.ask(last_event_id).await {
            Ok(response) => self.connected(response).await,
            Err(unanswered) => Err(self.not_now(unanswered.to_string(), None)),
        }
    }

    /// Sends the request, and waits for the beginning of the answer, whatever that is.
    pub(crate) async fn ask(&self, last_event_id: Option<String>) -> Result<Response, Unanswered> {
        let mut request = self
            .client
            .get(&self.url)
            .header(ACCEPT, "text/event-stream");
        if let Some(id) = last_event_id {
            request = request.header("last-event-id", id);
        }
        match tokio::time::timeout(FIRST_BYTE, request.send()).await {
            Ok(answered) => answered.map_err(|error| Unanswered::Failed(error.without_url())),
            Err(_) => Err(Unanswered::Silent),
        }
    }

    /// What is asked for.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    fn not_now(&self, why: String, wait: Option<Duration>) -> ConnectError {
        ConnectError::NotNow {
            url: self.url.clone(),
            why,
            wait,
        }
    }

    /// A connection, if the answer is a stream.
    pub(crate) async fn connected(&self, response: Response) -> Result<Connection, ConnectError> {
        let status = response.status();
        let kind = response.headers().get(CONTENT_TYPE).cloned();
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if status == StatusCode::OK && is_stream {
            return Ok(Connection {
                response,
                framer: Framer::default(),
                opened: Instant::now(),
                idle: self.idle,
                heard: Instant::now(),
                frames: 0,
            });
        }
        let wait = http::retry_after(response.headers());
        let body = tokio::time::timeout(FIRST_BYTE, start_of(response))
            .await
            .unwrap_or_default();
        Err(match status.as_u16() {
            status @ (401 | 403 | 451) => ConnectError::Refused {
                url: self.url.clone(),
                status,
                body,
            },
            200 => self.not_now(
                format!("the host answered with something that is no event stream: {body}"),
                wait,
            ),
            status => self.not_now(format!("the host answered {status}: {body}"), wait),
        })
    }
}

async fn start_of(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk);
        if body.len() > 800 {
            break;
        }
    }
    String::from_utf8_lossy(&body)
        .trim()
        .chars()
        .take(200)
        .collect()
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    response: Response,
    framer: Framer,
    opened: Instant,
    idle: Duration,
    /// When bytes last came.
    heard: Instant,
    frames: u64,
}

impl Connection {
    /// When it was opened.
    #[must_use]
    pub fn opened(&self) -> Instant {
        self.opened
    }

    /// Whether it brought anything yet.
    #[must_use]
    pub fn brought_frames(&self) -> bool {
        self.frames > 0
    }

    /// The next frame. Nothing is lost when this is dropped before it ends.
    ///
    /// # Errors
    /// When the connection is no more.
    pub async fn next(&mut self) -> Result<Frame, Lost> {
        loop {
            if let Some(frame) = self.framer.next() {
                if frame.kind == "error" {
                    let text = String::from_utf8_lossy(&frame.data)
                        .chars()
                        .take(200)
                        .collect();
                    return Err(Lost::Reported(text));
                }
                self.frames += 1;
                return Ok(frame);
            }
            match timeout_at(self.heard + self.idle, self.response.chunk()).await {
                Ok(Ok(Some(bytes))) => {
                    self.heard = Instant::now();
                    self.framer.push(&bytes);
                }
                Ok(Ok(None)) => return Err(Lost::Ended),
                // The host cuts connections without the last chunk, too.
                Ok(Err(error)) => return Err(Lost::Broken(chain(&error.without_url()))),
                Err(_) => return Err(Lost::Idle(self.idle)),
            }
        }
    }
}
