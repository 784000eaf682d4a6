//! How stream workers stand, asked of themselves.

use std::{sync::Arc, time::Duration};

use futures::future::join_all;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use wikiingest_crds::worker::StreamReport;

use crate::{names, settings::Component};

/// How long a worker may take to answer.
const LIMIT: Duration = Duration::from_secs(2);

/// The most bytes of an answer: the image of a worker is its author's choice, and so is what it says.
const LONGEST: usize = 4096;

/// A worker does not tell how it stands.
#[derive(Debug, thiserror::Error)]
enum ScrapeError {
    #[error(transparent)]
    Http(#[from] reqwest::Error),
    #[error("the answer is longer than {LONGEST} bytes")]
    TooLong,
    #[error("the answer is no report: {0}")]
    NoReport(#[from] serde_json::Error),
}

/// Asks stream workers.
#[derive(Clone, Debug)]
pub struct Scraper(reqwest::Client);

impl Scraper {
    /// One that goes to pods directly, whatever proxy there is.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new() -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        Ok(Self(client.build()?))
    }

    /// The report of each source's stream worker that answers.
    pub async fn ask(&self, pods: &[Arc<Pod>]) -> Vec<(String, StreamReport)> {
        let workers = pods.iter().filter_map(|pod| worker(pod));
        let asked = workers.map(|(source, url)| async move {
            match self.report(&url).await {
                Ok(report) => Some((source, report)),
                Err(error) => {
                    tracing::debug!(%error, "Stream worker does not answer");
                    None
                }
            }
        });
        join_all(asked).await.into_iter().flatten().collect()
    }

    async fn report(&self, url: &str) -> Result<StreamReport, ScrapeError> {
        let mut answer = self.0.get(url).send().await?.error_for_status()?;
        let mut text = Vec::new();
        while let Some(chunk) = answer.chunk().await? {
            text.extend_from_slice(&chunk);
            if text.len() > LONGEST {
                return Err(ScrapeError::TooLong);
            }
        }
        Ok(serde_json::from_slice(&text)?)
    }
}

/// The source of a stream worker that runs, and where to ask it.
fn worker(pod: &Pod) -> Option<(String, String)> {
    let labels = pod.labels();
    if labels.get(names::COMPONENT)? != Component::Stream.as_str() {
        return None;
    }
    let status = pod.status.as_ref()?;
    if status.phase.as_deref() != Some("Running") {
        return None;
    }
    let ip = status.pod_ip.as_ref()?;
    let host = if ip.contains(':') {
        format!("[{ip}]")
    } else {
        ip.clone()
    };
    let url = format!("http://{host}:{}{}", StreamReport::PORT, StreamReport::PATH);
    Some((labels.get(names::SOURCE)?.clone(), url))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn a_pod(component: &str, phase: &str, ip: Option<&str>) -> Pod {
        let object = json!({
            "metadata": {"labels": {
                "app.kubernetes.io/component": component, "wikiingest.dev/source": "edits",
            }},
            "status": {"phase": phase, "podIP": ip},
        });
        serde_json::from_value(object).unwrap()
    }

    #[test]
    fn only_stream_workers_that_run_are_asked() {
        let url = |pod: &Pod| worker(pod).map(|(source, url)| format!("{source} {url}"));
        let v4 = url(&a_pod("stream", "Running", Some("10.0.0.7")));
        assert_eq!(v4.as_deref(), Some("edits http://10.0.0.7:9090/report"));
        let v6 = url(&a_pod("stream", "Running", Some("fd00::7")));
        assert_eq!(v6.as_deref(), Some("edits http://[fd00::7]:9090/report"));
        for pod in [
            a_pod("batch", "Running", Some("10.0.0.7")),
            a_pod("stream", "Pending", Some("10.0.0.7")),
            a_pod("stream", "Running", None),
        ] {
            assert_eq!(url(&pod), None, "{pod:?}");
        }
    }
}
