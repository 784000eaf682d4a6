//! `/metrics`, `/report`, `/livez` and `/readyz`.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header::CONTENT_TYPE},
    response::IntoResponse,
    routing::get,
};
use tokio::net::TcpListener;
use wikiingest_crds::worker::StreamReport;

use super::metrics::Metrics;
use crate::failure::{Class, Classify};

/// The address cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}; name another address with --listen")]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

impl Classify for ListenError {
    fn class(&self) -> Class {
        Class::BadConfig
    }
}

#[derive(Clone)]
struct About {
    metrics: Arc<Metrics>,
    ready_lag: Duration,
}

/// Answers until the process ends. Says where it listens.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    address: SocketAddr,
    metrics: Arc<Metrics>,
    ready_lag: Duration,
) -> Result<SocketAddr, ListenError> {
    let fail = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(fail)?;
    let bound = listener.local_addr().map_err(fail)?;
    let app = Router::new()
        .route("/metrics", get(prometheus))
        .route(StreamReport::PATH, get(report))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(About { metrics, ready_lag });
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, app).await {
            tracing::error!(%error, "Metrics are no longer served");
        }
    });
    Ok(bound)
}

async fn prometheus(State(about): State<About>) -> impl IntoResponse {
    const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    match about.metrics.encode() {
        Ok(text) => (StatusCode::OK, [(CONTENT_TYPE, FORMAT)], text),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            [(CONTENT_TYPE, "text/plain")],
            error.to_string(),
        ),
    }
}

async fn report(State(about): State<About>) -> Json<StreamReport> {
    Json(about.metrics.report())
}

async fn ready(State(about): State<About>) -> (StatusCode, String) {
    match about.metrics.unready(about.ready_lag) {
        None => (StatusCode::OK, "ok\n".to_owned()),
        Some(why) => (StatusCode::SERVICE_UNAVAILABLE, why + "\n"),
    }
}
