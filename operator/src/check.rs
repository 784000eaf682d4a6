//! Asks an operator whether it is ready, until it is: what a test of an installation does.

use std::time::Duration;

use tokio::time::Instant;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(5);
/// How often is asked.
const EVERY: Duration = Duration::from_secs(1);
/// The most bytes of an answer that are looked at.
const LONGEST: usize = 4096;
/// What is asked for where a URL names no path.
const PATH: &str = "/readyz";

/// The operator is not ready.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// Nobody was asked.
    #[error("cannot ask {url}: {source}")]
    Client {
        /// Where.
        url: String,
        /// Why not.
        source: reqwest::Error,
    },
    /// It did not become ready in time.
    #[error("{url} was not ready within {} s; the last answer was: {last}", .timeout.as_secs())]
    NotReady {
        /// Where.
        url: String,
        /// How long it was asked.
        timeout: Duration,
        /// What it said last, or why it said nothing.
        last: String,
    },
}

/// Asks until the answer is yes.
///
/// # Errors
/// When it is not within `timeout`; with the last answer.
pub async fn check(url: reqwest::Url, timeout: Duration) -> Result<(), CheckError> {
    let url = with_path(url);
    let client = reqwest::Client::builder()
        .timeout(LIMIT)
        .redirect(reqwest::redirect::Policy::none())
        .no_proxy()
        .build();
    let client = client.map_err(|source| CheckError::Client {
        url: url.to_string(),
        source,
    })?;
    let deadline = Instant::now() + timeout;
    let mut last = "none".to_owned();
    loop {
        match tokio::time::timeout_at(deadline, ask(&client, &url)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(answer)) => last = answer,
            Err(_) => {}
        }
        if Instant::now() + EVERY >= deadline {
            return Err(CheckError::NotReady {
                url: url.to_string(),
                timeout,
                last,
            });
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn with_path(mut url: reqwest::Url) -> reqwest::Url {
    if url.path() == "/" {
        url.set_path(PATH);
    }
    url
}

/// Whether it is ready; if not, what it said.
async fn ask(client: &reqwest::Client, url: &reqwest::Url) -> Result<(), String> {
    let answer = client.get(url.clone()).send().await;
    let mut answer = answer.map_err(|error| in_words(&error))?;
    let status = answer.status();
    let mut said = Vec::new();
    while let Ok(Some(chunk)) = answer.chunk().await {
        said.extend_from_slice(&chunk);
        if said.len() > LONGEST {
            said.truncate(LONGEST);
            break;
        }
    }
    let said = String::from_utf8_lossy(&said);
    let said = said.trim();
    if status.is_success() && said == "ok" {
        return Ok(());
    }
    Err(format!("{status}: {said}"))
}

/// With its causes: the error itself says no more than that nothing came.
fn in_words(error: &reqwest::Error) -> String {
    let first: &dyn std::error::Error = error;
    let all = std::iter::successors(Some(first), |error| error.source());
    all.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    use axum::{Router, http::StatusCode, routing::get};
    use tokio::net::TcpListener;

    use super::*;

    /// A server that is ready from the `from`th answer on.
    async fn ready(from: u32) -> reqwest::Url {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let asked = Arc::new(AtomicU32::new(0));
        let answer = move || async move {
            if asked.fetch_add(1, Relaxed) + 1 >= from {
                (StatusCode::OK, "ok\n")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "starting\n")
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let app = Router::new().route("/readyz", get(answer));
        tokio::spawn(async move { axum::serve(listener, app).await });
        url.parse().unwrap()
    }

    #[tokio::test]
    async fn it_asks_until_the_operator_is_ready() {
        let url = ready(2).await;
        check(url, Duration::from_secs(10)).await.unwrap();
    }

    #[tokio::test]
    async fn it_tells_the_last_answer_when_the_time_is_over() {
        let url = ready(99).await;
        let error = check(url, Duration::from_millis(100)).await.unwrap_err();
        let said = error.to_string();
        assert!(said.contains("/readyz was not ready"), "{said}");
        assert!(
            said.ends_with("503 Service Unavailable: starting"),
            "{said}"
        );
        let nobody = "http://127.0.0.1:1/elsewhere".parse().unwrap();
        let error = check(nobody, Duration::from_millis(100)).await.unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with("http://127.0.0.1:1/elsewhere"), "{said}");
        assert!(said.contains("refused"), "{said}");
    }
}
