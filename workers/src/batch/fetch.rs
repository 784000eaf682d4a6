//! Politely over HTTP: few connections, a contact in the User-Agent, patience when asked for it.
//!
//! A download that breaks goes on where it stopped (`Range` with `If-Range`), as long as each
//! try brings something; one that changes under our hands starts anew.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use bytes::{Buf as _, Bytes};
use reqwest::{
    Client, Method, RequestBuilder, Response, StatusCode,
    header::{CONTENT_LENGTH, ETAG, HeaderMap, IF_RANGE, LAST_MODIFIED, RANGE},
};
use sha2::{Digest, Sha256};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{DUMPS_URL, Host, worker::Limits};

use super::events::{Event, Observer};
use crate::{
    failure::{Class, Classify, chain},
    hex::hex,
    http::{self, BadBaseUrl},
};

/// Wikimedia's own host refuses one address more than these.
const MOST_CONNECTIONS: u8 = 3;

/// The longest `Retry-After` that is worth waiting for within a run.
const LONGEST_WAIT: Duration = Duration::from_mins(10);

/// Why something could not be fetched.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FetchError {
    /// The client could not be set up.
    #[error("cannot set up the HTTP client: {0}")]
    Client(String),
    /// The base URL is none.
    #[error(transparent)]
    BaseUrl(#[from] BadBaseUrl),
    /// The host answered with a refusal.
    #[error(
        "{url}: the host refused ({status}): {body}; check spec.contact and whether this address is blocked, then wait before trying again"
    )]
    Refused {
        /// What was asked for.
        url: String,
        /// The host's status.
        status: u16,
        /// The start of the host's answer.
        body: String,
    },
    /// The host answered with something that is neither a file nor a refusal.
    #[error("{url}: the host answered {status}: {body}; look at it with curl")]
    Odd {
        /// What was asked for.
        url: String,
        /// The host's status.
        status: u16,
        /// The start of the host's answer.
        body: String,
    },
    /// The host does not have the archive.
    #[error("{url}: not there (404), and so none of its files; correct baseUrl")]
    NoArchive {
        /// The archive's index page.
        url: String,
    },
    /// The host does not have the file.
    #[error("{url}: not there (404); it was listed a moment ago, so the next run looks again")]
    NotFound {
        /// What was asked for.
        url: String,
    },
    /// Every try failed.
    #[error("{url}: gave up after {attempts} tries in a row without progress: {last}")]
    Exhausted {
        /// What was asked for.
        url: String,
        /// How many.
        attempts: u32,
        /// What the last one said.
        last: String,
    },
    /// The host asks for more patience than a run has.
    #[error("{url}: the host asks to wait {seconds} s ({status}); leaving it to a later run")]
    TooBusy {
        /// What was asked for.
        url: String,
        /// How long it asks for.
        seconds: u64,
        /// Its status.
        status: u16,
    },
    /// Somebody asked the run to end.
    #[error("stopped before it was done; nothing of it was kept, and the next run begins it anew")]
    Stopped,
    /// The file was replaced during the download.
    #[error("{url}: changed upstream while it was read; the next run takes the new one")]
    Changed {
        /// What was asked for.
        url: String,
    },
}

impl Classify for FetchError {
    fn class(&self) -> Class {
        match self {
            Self::Client(_) | Self::BaseUrl(_) | Self::NoArchive { .. } => Class::BadConfig,
            Self::Refused { .. } => Class::Refused,
            _ => Class::TryAgain,
        }
    }
}

/// What stands before a date that stands in for an entity tag.
const MODIFIED: &str = "modified ";

/// Which version of a file: what the ledger remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Bytes, or -1 where the host does not say.
    pub size: i64,
    /// The entity tag, or what stands in for it where the host has none.
    pub etag: String,
}

impl Mark {
    fn of(headers: &HeaderMap, status: StatusCode) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &reqwest::header::HeaderValue| value.to_str().ok())
        };
        let size = if status == StatusCode::OK {
            text(CONTENT_LENGTH)
                .and_then(|size| size.parse().ok())
                .unwrap_or(-1)
        } else {
            -1
        };
        let etag = text(ETAG)
            .map(ToOwned::to_owned)
            .or_else(|| text(LAST_MODIFIED).map(|date| format!("{MODIFIED}{date}")))
            .unwrap_or_default();
        Self { size, etag }
    }

    /// Eight hex digits that stand for this version in the name of a lake object.
    #[must_use]
    pub fn short(&self) -> String {
        hex(&Sha256::digest(format!("{} {}", self.etag, self.size))[..4])
    }
}

/// How many connections a host is given; one at least.
fn connections(base_url: &str, limits: &Limits) -> usize {
    let most = if Host::of(base_url) == Host::of(DUMPS_URL) {
        MOST_CONNECTIONS
    } else {
        u8::MAX
    };
    usize::from(limits.connections.clamp(1, most))
}

/// A polite client of one host.
#[derive(Clone)]
pub struct Fetch {
    client: Client,
    base: String,
    limits: Limits,
    permits: Arc<Semaphore>,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
}

impl std::fmt::Debug for Fetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fetch")
            .field("base", &self.base)
            .finish_non_exhaustive()
    }
}

/// What one try led to.
enum Attempt {
    Answer(Response),
    Again {
        why: String,
        wait: Option<Duration>,
        status: u16,
    },
}

impl Fetch {
    /// A client for the host at `base_url`, which introduces itself with `contact`. Once `stop`
    /// is cancelled, whatever is under way ends with [`FetchError::Stopped`].
    ///
    /// # Errors
    /// When the contact cannot stand in a header.
    pub fn new(
        base_url: Option<&str>,
        contact: &str,
        limits: &Limits,
        observer: Arc<dyn Observer>,
        stop: CancellationToken,
    ) -> Result<Self, FetchError> {
        let (builder, base) = http::client(base_url, DUMPS_URL, contact)?;
        let connections = connections(&base, limits);
        let client = builder
            .pool_max_idle_per_host(connections)
            .read_timeout(limits.idle_timeout.to_std())
            .build()
            .map_err(|error| FetchError::Client(chain(&error)))?;
        Ok(Self {
            client,
            base,
            limits: limits.clone(),
            permits: Arc::new(Semaphore::new(connections)),
            observer,
            stop,
        })
    }

    /// The URL of a path on this host.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.base)
    }

    /// An index page, or `None` where there is none.
    ///
    /// # Errors
    /// When the host refuses or cannot be reached.
    pub async fn page(&self, url: &str) -> Result<Option<String>, FetchError> {
        let mut tries = self.tries(url);
        loop {
            let (response, _permit) = self
                .send(&Method::GET, url, HeaderMap::new(), &mut tries)
                .await?;
            if response.status() == StatusCode::NOT_FOUND {
                return Ok(None);
            }
            match self.unless_stopped(response.text()).await? {
                Ok(text) => return Ok(Some(text)),
                Err(error) => tries.wait(self, chain(&error), None, 0).await?,
            }
        }
    }

    /// The version of a file as it is now.
    ///
    /// # Errors
    /// When the host refuses, has no such file, or cannot be reached.
    pub async fn mark(&self, url: &str) -> Result<Mark, FetchError> {
        let mut tries = self.tries(url);
        let (response, _permit) = self
            .send(&Method::HEAD, url, HeaderMap::new(), &mut tries)
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(FetchError::NotFound {
                url: url.to_owned(),
            });
        }
        Ok(Mark::of(response.headers(), response.status()))
    }

    /// Begins a download.
    ///
    /// # Errors
    /// When the host refuses, has no such file, or cannot be reached.
    pub async fn open(&self, url: &str) -> Result<Download, FetchError> {
        let mut tries = self.tries(url);
        let (response, permit) = self
            .send(&Method::GET, url, HeaderMap::new(), &mut tries)
            .await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Err(FetchError::NotFound {
                url: url.to_owned(),
            });
        }
        let mark = Mark::of(response.headers(), response.status());
        Ok(Download {
            fetch: self.clone(),
            mark,
            read: 0,
            skip: 0,
            tries,
            state: Some((response, permit)),
        })
    }

    async fn unless_stopped<T>(&self, work: impl Future<Output = T>) -> Result<T, FetchError> {
        self.stop
            .run_until_cancelled(work)
            .await
            .ok_or(FetchError::Stopped)
    }

    fn tries(&self, url: &str) -> Tries {
        Tries {
            url: url.to_owned(),
            failed: 0,
            backoff: backoff(&self.limits),
        }
    }

    /// Sends until there is an answer to work with: a success or a 404.
    async fn send(
        &self,
        method: &Method,
        url: &str,
        headers: HeaderMap,
        tries: &mut Tries,
    ) -> Result<(Response, OwnedSemaphorePermit), FetchError> {
        loop {
            let permit = Arc::clone(&self.permits)
                .acquire_owned()
                .await
                .map_err(|error| FetchError::Client(error.to_string()))?;
            let request = self
                .client
                .request(method.clone(), url)
                .headers(headers.clone());
            match self.unless_stopped(attempt(url, request)).await?? {
                Attempt::Answer(response) => return Ok((response, permit)),
                Attempt::Again { why, wait, status } => {
                    drop(permit);
                    tries.wait(self, why, wait, status).await?;
                }
            }
        }
    }
}

async fn attempt(url: &str, request: RequestBuilder) -> Result<Attempt, FetchError> {
    let response = match request.send().await {
        Ok(response) => response,
        Err(error) => {
            return Ok(Attempt::Again {
                why: chain(&error.without_url()),
                wait: None,
                status: 0,
            });
        }
    };
    let status = response.status();
    if status.is_success() || status == StatusCode::NOT_FOUND {
        return Ok(Attempt::Answer(response));
    }
    let again = [
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_EARLY,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if again.contains(&status) || status.is_server_error() {
        let wait = http::retry_after(response.headers());
        return Ok(Attempt::Again {
            why: format!("the host answered {status}"),
            wait,
            status: status.as_u16(),
        });
    }
    let body = response.text().await.unwrap_or_default();
    let body = body.trim().chars().take(200).collect();
    let (url, status) = (url.to_owned(), status.as_u16());
    Err(match status {
        401 | 403 | 451 => FetchError::Refused { url, status, body },
        _ => FetchError::Odd { url, status, body },
    })
}

fn backoff(limits: &Limits) -> ExponentialBackoff {
    ExponentialBuilder::default()
        .with_min_delay(limits.min_backoff.to_std())
        .with_max_delay(limits.max_backoff.to_std())
        .with_jitter()
        .with_max_times(usize::try_from(limits.attempts.saturating_sub(1)).unwrap_or(usize::MAX))
        .build()
}

/// The tries of one request since the last progress.
#[derive(Debug)]
struct Tries {
    url: String,
    failed: u32,
    backoff: ExponentialBackoff,
}

impl Tries {
    async fn wait(
        &mut self,
        fetch: &Fetch,
        why: String,
        asked: Option<Duration>,
        status: u16,
    ) -> Result<(), FetchError> {
        self.failed += 1;
        let Some(own) = self.backoff.next() else {
            return Err(FetchError::Exhausted {
                url: self.url.clone(),
                attempts: self.failed,
                last: why,
            });
        };
        if let Some(asked) = asked.filter(|asked| *asked > LONGEST_WAIT) {
            return Err(FetchError::TooBusy {
                url: self.url.clone(),
                seconds: asked.as_secs(),
                status,
            });
        }
        // No sooner than asked, and not all at the same moment.
        let wait = asked.map_or(own, |asked| asked + own.min(Duration::from_secs(1)));
        let why = format!(
            "{}: {why}; trying again in {:.1} s",
            self.url,
            wait.as_secs_f64()
        );
        fetch.observer.on(&Event::Waiting { why: &why });
        fetch.unless_stopped(tokio::time::sleep(wait)).await
    }
}

/// A file on its way.
#[derive(Debug)]
pub struct Download {
    fetch: Fetch,
    /// The version that is being read.
    pub mark: Mark,
    read: u64,
    /// Bytes to come that were read before.
    skip: u64,
    tries: Tries,
    state: Option<(Response, OwnedSemaphorePermit)>,
}

impl Download {
    /// The next bytes, or `None` at the end of the file. Resumes a broken connection.
    ///
    /// # Errors
    /// When it cannot be resumed, or the file has changed.
    pub async fn next(&mut self) -> Result<Option<Bytes>, FetchError> {
        loop {
            let Some((response, _permit)) = &mut self.state else {
                self.resume().await?;
                continue;
            };
            match self.fetch.unless_stopped(response.chunk()).await? {
                Ok(Some(mut bytes)) => {
                    let known = self.skip.min(bytes.len() as u64);
                    self.skip -= known;
                    bytes.advance(usize::try_from(known).unwrap_or(bytes.len()));
                    if bytes.is_empty() {
                        continue;
                    }
                    self.read += bytes.len() as u64;
                    if self.tries.failed > 0 {
                        self.tries = self.fetch.tries(&self.tries.url);
                    }
                    return Ok(Some(bytes));
                }
                Ok(None) if self.mark.size < 0 || self.read >= self.mark.size.unsigned_abs() => {
                    return Ok(None);
                }
                Ok(None) => self.broke("the connection ended early".to_owned()).await?,
                Err(error) => self.broke(chain(&error.without_url())).await?,
            }
        }
    }

    async fn broke(&mut self, why: String) -> Result<(), FetchError> {
        self.state = None;
        let why = format!("{why} after {} bytes", self.read);
        self.tries.wait(&self.fetch, why, None, 0).await
    }

    async fn resume(&mut self) -> Result<(), FetchError> {
        let url = self.tries.url.clone();
        let mut headers = HeaderMap::new();
        let range = format!("bytes={}-", self.read);
        let version = self.mark.etag.strip_prefix(MODIFIED);
        let version = version.unwrap_or(&self.mark.etag);
        if let (Ok(range), Ok(etag)) = (range.parse(), version.parse()) {
            headers.insert(RANGE, range);
            headers.insert(IF_RANGE, etag);
        }
        let fetch = self.fetch.clone();
        let (response, permit) = fetch
            .send(&Method::GET, &url, headers, &mut self.tries)
            .await?;
        let same = Mark::of(response.headers(), response.status()).etag == self.mark.etag;
        if !same {
            return Err(FetchError::Changed { url });
        }
        // A host that knows no ranges begins anew.
        let resumed = response.status() == StatusCode::PARTIAL_CONTENT;
        self.skip = if resumed { 0 } else { self.read };
        self.state = Some((response, permit));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_dumps_host_is_never_given_more_than_three_connections() {
        let of = |base_url: &str, connections: u8| {
            let limits = Limits {
                connections,
                ..Limits::default()
            };
            super::connections(base_url, &limits)
        };
        assert_eq!(of("https://dumps.wikimedia.org", 4), 3);
        assert_eq!(of("https://mirror.accum.se/mirror/wikimedia.org", 4), 4);
        assert_eq!(of("https://mirror.accum.se/mirror/wikimedia.org", 0), 1);
    }

    #[test]
    fn versions_that_differ_have_other_short_names() {
        let one = Mark {
            size: 5,
            etag: "\"a\"".to_owned(),
        };
        let two = Mark {
            size: 6,
            etag: "\"a\"".to_owned(),
        };
        assert_ne!(one.short(), two.short());
        assert_eq!(one.short().len(), 8);
    }
}
