//! `/_replay/` of the stream.

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};

use super::Stream;
use crate::body::Body;
use crate::respond::{self, JSON, TEXT};

/// Events appended at once: more than a test has use for.
const MAX_EVENTS: usize = 64 * 1024 * 1024;

/// Whether it is here that this path is answered.
pub(crate) fn is_control(path: &str) -> bool {
    path == "/_replay/events" || path == "/_replay/stream" || path == "/_replay/stream/ids"
}

pub(crate) async fn control(stream: Option<&Stream>, request: Request<Incoming>) -> Response<Body> {
    let Some(stream) = stream else {
        let why = "there is no stream: start with --events\n";
        return respond::text(StatusCode::NOT_FOUND, TEXT, why.into());
    };
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/_replay/stream") => {
            let json = serde_json::to_string_pretty(&stream.counters()).unwrap_or_default();
            respond::text(StatusCode::OK, JSON, json + "\n")
        }
        (&Method::GET | &Method::HEAD, "/_replay/stream/ids") => {
            let ids = stream.published_ids().into_iter();
            respond::text(StatusCode::OK, TEXT, ids.map(|id| id + "\n").collect())
        }
        (&Method::POST, "/_replay/events") => match append(stream, request.into_body()).await {
            Ok(count) => respond::text(StatusCode::OK, TEXT, format!("{count}\n")),
            Err(why) => respond::text(StatusCode::BAD_REQUEST, TEXT, format!("{why}\n")),
        },
        _ => respond::page(StatusCode::METHOD_NOT_ALLOWED),
    }
}

async fn append(stream: &Stream, body: Incoming) -> Result<usize, String> {
    let body = Limited::new(body, MAX_EVENTS).collect().await;
    let bytes = body.map_err(|error| error.to_string())?.to_bytes();
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    let appended = stream.append(text.lines());
    appended.map_err(|error| error.to_string())
}
