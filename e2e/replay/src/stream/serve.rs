//! From a request for the stream to its response.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use hyper::body::Incoming;
use hyper::header::{self, HeaderName};
use hyper::{Method, Request, Response, StatusCode};

use super::Stream;
use super::body::{Reply, StreamBody};
use super::client::Client;
use super::clients::Seat;
use super::id::{PositionError, Positions};
use super::pipe::{Guest, Pipe};
use crate::content::Content;
use crate::fault_state::{Place, Target};
use crate::handler::{forbidden_agent, refused};
use crate::path::query_value;
use crate::respond;
use crate::server::Shared;
use crate::wire::Connection;

const FOLDER: &str = "/v2/stream/";
const NAMES: [&str; 2] = ["recentchange", "mediawiki.recentchange"];
const TYPE: &str = "text/event-stream; charset=utf-8";
const CACHE: &str = "private, no-cache, no-store, must-revalidate, max-age=0";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Whether a path is one of the streams', known or not.
pub(crate) fn is_stream(path: &str) -> bool {
    path.starts_with(FOLDER)
}

/// What a request needs to be answered.
pub(crate) struct Visit<'a> {
    pub(crate) shared: &'a Shared,
    pub(crate) stream: &'a Arc<Stream>,
    pub(crate) connection: &'a Arc<Connection>,
    pub(crate) path: &'a str,
    pub(crate) agent: &'a str,
}

/// Answers a request for a stream.
pub(crate) fn serve(visit: &Visit<'_>, request: &Request<Incoming>) -> Response<Reply> {
    let target = Target {
        path: visit.path,
        place: Place::Stream,
    };
    let whole = |response: Response<_>| response.map(Reply::from);
    if let Some(response) = forbidden_agent(visit.shared, visit.agent) {
        return whole(response);
    }
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return whole(respond::page(StatusCode::METHOD_NOT_ALLOWED));
    }
    if let Some(refusal) = visit.shared.faults.refusal(target) {
        return whole(refused(visit.shared, refusal));
    }
    if let Some(unknown) = unknown(visit.path) {
        return problem(request, StatusCode::BAD_REQUEST, &unknown);
    }
    let asked = match asked(request) {
        Ok(asked) => asked,
        Err(why) => return problem(request, StatusCode::BAD_REQUEST, &why.to_string()),
    };
    if request.method() == Method::HEAD {
        let body = crate::body::Body::plain(Content::default()).unannounced();
        return response(body.into());
    }
    match enter(visit, visit.connection.address) {
        Some(seat) => open(visit, target, &asked, seat),
        None => problem(
            request,
            StatusCode::TOO_MANY_REQUESTS,
            "Too Many Concurrent Connections From Your Client IP",
        ),
    }
}

fn enter(visit: &Visit<'_>, address: IpAddr) -> Option<Seat> {
    let seat = visit
        .stream
        .clients
        .enter(address, visit.stream.options.clients);
    if seat.is_none() {
        visit.shared.recorder.rejected_for_concurrency();
    }
    seat
}

fn unknown(path: &str) -> Option<String> {
    let mut names = path.trim_start_matches(FOLDER).split(',');
    let name = names.find(|name| !NAMES.contains(name))?;
    Some(format!("{name:?} is not a stream: there is recentchange"))
}

fn asked(request: &Request<Incoming>) -> Result<Positions, PositionError> {
    let id = request.headers().get(LAST_EVENT_ID);
    // Bytes that are no text are no JSON either.
    let id = id.map(|id| String::from_utf8_lossy(id.as_bytes()));
    let since = query_value(request.uri().query().unwrap_or_default(), "since");
    Positions::asked(id.as_deref(), since.as_deref())
}

/// Starts to send.
fn open(visit: &Visit<'_>, target: Target<'_>, asked: &Positions, seat: Seat) -> Response<Reply> {
    let faults = visit.shared.faults.stream(target);
    if faults.rate.is_some() {
        visit.shared.recorder.struck("slow");
    }
    let guest = Guest {
        recorder: visit.shared.recorder.clone(),
        clients: visit.stream.clients.clone(),
        connection: Arc::clone(visit.connection),
        path: visit.path.to_owned(),
    };
    let (pipe, chunks) = Pipe::new(guest, faults.ending, faults.rate);
    let start = visit.stream.log.start(asked);
    // The first event is published after the first client's place is known.
    visit.stream.begin();
    let stream = Arc::clone(visit.stream);
    let cut_after = stream.options.cut_after;
    tokio::spawn(Client::new(stream, pipe, start, faults.events).run());
    let cut_at = cut_after.and_then(|after| Instant::now().checked_add(after));
    visit.connection.cut_at(cut_at.map(Into::into));
    response(Reply::Stream(StreamBody {
        chunks,
        connection: Arc::clone(visit.connection),
        _seat: seat,
    }))
}

fn response(body: Reply) -> Response<Reply> {
    let mut response = Response::new(body);
    respond::set(response.headers_mut(), header::CONTENT_TYPE, TYPE);
    respond::set(response.headers_mut(), header::CACHE_CONTROL, CACHE);
    response
}

/// An error in the words of the host's service.
fn problem(request: &Request<Incoming>, status: StatusCode, detail: &str) -> Response<Reply> {
    let title = status.canonical_reason().unwrap_or_default();
    let json = serde_json::json!({
        "status": status.as_u16(),
        "type": title.to_lowercase().replace(' ', "_"),
        "title": title,
        "detail": detail,
        "method": request.method().as_str().to_lowercase(),
        "uri": request.uri().path(),
    });
    respond::text(status, "application/json; charset=utf-8", json.to_string()).map(Reply::from)
}
