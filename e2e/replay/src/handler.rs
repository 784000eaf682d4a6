//! From a request to its response.

use std::io;
use std::sync::Arc;
use std::time::{Instant, SystemTime};

use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use hyper::header;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};

use crate::body::{Body, Serving};
use crate::conditions::{Verdict, Version};
use crate::content::Content;
use crate::counters::Arrival;
use crate::etiquette::{Slot, objection};
use crate::fault_spec::Faults;
use crate::fault_state::{Place, Refusal, Target};
use crate::index;
use crate::path::HostPath;
use crate::range::{Requested, requested};
use crate::respond::{self, HTML, JSON, TEXT};
use crate::root::Node;
use crate::server::Shared;
use crate::stream::{self, Reply};
use crate::wire::Connection;

/// A fault list is a line; more than this is a mistake.
const MAX_FAULTS: usize = 64 * 1024;

/// Answers one request.
pub(crate) async fn handle(
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    request: Request<Incoming>,
) -> Response<Reply> {
    if request.uri().path().starts_with("/_replay/") {
        return control(&shared, request).await.map(Reply::from);
    }
    connection.count(&shared.recorder);
    let arrival = arrival(&request);
    let stream = shared.stream.as_ref();
    let response = match stream.filter(|_| stream::is_stream(&arrival.path)) {
        Some(stream) => {
            let visit = stream::Visit {
                shared: &shared,
                stream,
                connection: &connection,
                path: &arrival.path,
                agent: &arrival.agent,
            };
            stream::serve(&visit, &request)
        }
        None => dump(&shared, connection, &arrival, &request)
            .await
            .map(Reply::from),
    };
    let retry_after = response.headers().get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    shared
        .recorder
        .answered(arrival, response.status().as_u16(), retry_after);
    response
}

/// Answers as the dumps host.
async fn dump(
    shared: &Arc<Shared>,
    connection: Arc<Connection>,
    arrival: &Arrival,
    request: &Request<Incoming>,
) -> Response<Body> {
    let (slot, inside) = shared.crowd.enter(connection.address, &arrival.agent);
    shared.recorder.entered(inside);
    if let Some(forbidden) = forbidden_agent(shared, &arrival.agent) {
        return forbidden;
    }
    if inside.of_client > shared.concurrent {
        shared.recorder.rejected_for_concurrency();
        return respond::page(StatusCode::SERVICE_UNAVAILABLE);
    }
    let visit = Visit {
        shared: Arc::clone(shared),
        connection,
        slot,
        path: arrival.path.clone(),
    };
    serve(visit, request).await
}

fn arrival(request: &Request<Incoming>) -> Arrival {
    let text = |name| {
        request
            .headers()
            .get(name)
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let raw = request.uri().path();
    Arrival {
        // A path that cannot be read is counted as it came.
        path: HostPath::parse(raw).map_or_else(|| raw.to_owned(), |path| path.as_str().to_owned()),
        method: request.method().to_string(),
        agent: text(header::USER_AGENT).unwrap_or_default(),
        range: text(header::RANGE),
        at: Instant::now(),
    }
}

/// The answer to a guest who does not say who it is; none to others.
pub(crate) fn forbidden_agent(shared: &Shared, agent: &str) -> Option<Response<Body>> {
    let why = objection(Some(agent))?;
    shared.recorder.rejected_user_agent();
    let text = refused_agent(why);
    Some(respond::text(StatusCode::FORBIDDEN, TEXT, text))
}

fn refused_agent(why: &str) -> String {
    format!(
        "403 Forbidden: {why}.\n\
         Set a User-Agent with a way to reach you, such as `mytool/1.0 (https://example.org; ops@example.org)`.\n\
         See https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy\n"
    )
}

/// A request that is let in.
struct Visit {
    shared: Arc<Shared>,
    connection: Arc<Connection>,
    slot: Slot,
    path: String,
}

async fn serve(visit: Visit, request: &Request<Incoming>) -> Response<Body> {
    let Some(path) = HostPath::parse(request.uri().path()) else {
        return respond::page(StatusCode::BAD_REQUEST);
    };
    let node = match visit.shared.find(&path).await {
        Ok(node) => node,
        Err(error) => return failure(&error),
    };
    let index = matches!(node, Node::Folder);
    let is_read = matches!(*request.method(), Method::GET | Method::HEAD);
    if !is_read && !matches!(node, Node::Missing) {
        // As nginx: files do not allow it, folders forbid it.
        return respond::page(if index {
            StatusCode::FORBIDDEN
        } else {
            StatusCode::METHOD_NOT_ALLOWED
        });
    }
    let target = Target {
        path: path.as_str(),
        place: if index { Place::Index } else { Place::File },
    };
    if let Some(refusal) = visit.shared.faults.refusal(target) {
        return refused(&visit.shared, refusal);
    }
    match node {
        Node::Missing => respond::page(StatusCode::NOT_FOUND),
        Node::Folder if !path.is_folder() => moved(request),
        Node::Folder => folder(visit, &path, request.method()).await,
        Node::File { content, modified } => {
            visit.shared.file_asked(target).await;
            file(visit, content, modified, request)
        }
    }
}

fn failure(error: &io::Error) -> Response<Body> {
    let denied = error.kind() == io::ErrorKind::PermissionDenied;
    respond::page(if denied {
        StatusCode::FORBIDDEN
    } else {
        StatusCode::INTERNAL_SERVER_ERROR
    })
}

/// The answer that a fault asks for.
pub(crate) fn refused(shared: &Shared, refusal: Refusal) -> Response<Body> {
    shared.recorder.struck(&refusal.code.to_string());
    let status = StatusCode::from_u16(refusal.code).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut response = respond::page(status);
    if let Some(seconds) = refusal.retry_after {
        respond::set(
            response.headers_mut(),
            header::RETRY_AFTER,
            &seconds.to_string(),
        );
    }
    response
}

/// A folder asked for without its slash.
fn moved(request: &Request<Incoming>) -> Response<Body> {
    let path = request.uri().path();
    let host = request
        .headers()
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let location = host.map_or_else(
        || format!("{path}/"),
        |host| format!("http://{host}{path}/"),
    );
    let mut response = respond::page(StatusCode::MOVED_PERMANENTLY);
    respond::set(response.headers_mut(), header::LOCATION, &location);
    response
}

async fn folder(visit: Visit, path: &HostPath, method: &Method) -> Response<Body> {
    let mut entries = match visit.shared.list(path).await {
        Ok(entries) => entries,
        Err(error) => return failure(&error),
    };
    for entry in entries.iter_mut().filter(|entry| !entry.folder) {
        // A file that is served truncated is as short on the host's disk.
        let path = format!("{}{}", path.as_str(), entry.name);
        let target = Target {
            path: &path,
            place: Place::File,
        };
        entry.len = visit
            .shared
            .faults
            .truncated(target, entry.len, false)
            .unwrap_or(entry.len);
    }
    let page = Content::from(index::page(path.as_str(), entries));
    let len = page.len();
    let target = Target {
        path: path.as_str(),
        place: Place::Index,
    };
    let page = visit.shared.truncate(target, page, method == Method::GET);
    let body = visit.body(target, &page, len, 0, method).unannounced();
    respond::with_body(StatusCode::OK, HTML, body)
}

fn file(
    visit: Visit,
    whole: Content,
    modified: SystemTime,
    request: &Request<Incoming>,
) -> Response<Body> {
    let path = visit.path.clone();
    let target = Target {
        path: &path,
        place: Place::File,
    };
    let whole = visit
        .shared
        .truncate(target, whole, request.method() == Method::GET);
    let len = whole.len();
    let version = Version::new(modified, len);
    match version.judge(request.headers()) {
        Verdict::Failed => return respond::page(StatusCode::PRECONDITION_FAILED),
        Verdict::NotModified => return not_modified(&version),
        Verdict::Send => {}
    }
    let (status, sent) = match wanted(request.headers(), &version, len) {
        Requested::Whole => (StatusCode::OK, 0..len),
        Requested::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Requested::Unsatisfiable => return unsatisfiable(len),
    };
    let body = visit.body(
        target,
        &whole.slice(sent.clone()),
        len,
        sent.start,
        request.method(),
    );
    let mut response = respond::with_body(status, content_type(&path), body);
    let headers = response.headers_mut();
    respond::set(
        headers,
        header::CONTENT_LENGTH,
        &(sent.end - sent.start).to_string(),
    );
    describe(headers, &version);
    if status == StatusCode::PARTIAL_CONTENT {
        let range = format!("bytes {}-{}/{len}", sent.start, sent.end - 1);
        respond::set(headers, header::CONTENT_RANGE, &range);
    } else {
        respond::set(headers, header::ACCEPT_RANGES, "bytes");
    }
    response
}

fn wanted(headers: &HeaderMap, version: &Version, len: u64) -> Requested {
    match headers
        .get(header::RANGE)
        .and_then(|range| range.to_str().ok())
    {
        Some(range) if version.allows_range(headers) => requested(range, len),
        _ => Requested::Whole,
    }
}

fn describe(headers: &mut HeaderMap, version: &Version) {
    respond::set(headers, header::LAST_MODIFIED, &version.last_modified());
    respond::set(headers, header::ETAG, &version.etag);
}

fn not_modified(version: &Version) -> Response<Body> {
    let mut response = respond::with_body(
        StatusCode::NOT_MODIFIED,
        HTML,
        Body::plain(Content::default()),
    );
    response.headers_mut().remove(header::CONTENT_TYPE);
    describe(response.headers_mut(), version);
    response
}

fn unsatisfiable(len: u64) -> Response<Body> {
    let mut response = respond::page(StatusCode::RANGE_NOT_SATISFIABLE);
    respond::set(
        response.headers_mut(),
        header::CONTENT_RANGE,
        &format!("bytes */{len}"),
    );
    response
}

/// nginx's types for what dumps hold; what it does not know, packed files included, are just bytes.
fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html" | "htm") => HTML,
        Some("txt") => "text/plain",
        Some("json") => "application/json",
        Some("zip") => "application/zip",
        _ => "application/octet-stream",
    }
}

impl Visit {
    /// The body of the bytes of a file of `len` bytes from `start`, with the faults that strike it.
    fn body(
        self,
        target: Target<'_>,
        content: &Content,
        len: u64,
        start: u64,
        method: &Method,
    ) -> Body {
        let end = start + content.len();
        if method == Method::HEAD {
            // hyper drops it without a look at its bytes.
            return Body::plain(content.clone());
        }
        let faults = self.shared.faults.body(target, len, &(start..end));
        for _ in &faults.flips {
            self.shared.recorder.struck("corrupt");
        }
        if faults.rate.is_some() {
            self.shared.recorder.struck("slow");
        }
        let rate = self.shared.rate.map(std::num::NonZeroU64::get);
        let to_the_end = target.place == Place::File && end == len;
        let Self {
            shared,
            connection,
            slot,
            path,
        } = self;
        Body::faulty(content, faults, rate).serving(Serving {
            shared,
            connection,
            path,
            to_the_end,
            slot,
        })
    }
}

/// `/_replay/`: for those who run the server, not for its guests.
async fn control(shared: &Arc<Shared>, request: Request<Incoming>) -> Response<Body> {
    if stream::is_control(request.uri().path()) {
        return stream::control(shared.stream.as_deref(), request).await;
    }
    match (request.method(), request.uri().path()) {
        (&Method::GET | &Method::HEAD, "/_replay/healthz") => {
            respond::text(StatusCode::OK, TEXT, "ok\n".into())
        }
        (&Method::GET | &Method::HEAD, "/_replay/counters") => {
            let json =
                serde_json::to_string_pretty(&shared.recorder.snapshot()).unwrap_or_default();
            respond::text(StatusCode::OK, JSON, json + "\n")
        }
        (&Method::POST, "/_replay/faults") => match new_faults(shared, request.into_body()).await {
            Ok(faults) => respond::text(StatusCode::OK, TEXT, format!("{faults}\n")),
            Err(why) => respond::text(StatusCode::BAD_REQUEST, TEXT, format!("{why}\n")),
        },
        _ => respond::text(
            StatusCode::NOT_FOUND,
            TEXT,
            "there are GET /_replay/healthz, GET /_replay/counters, POST /_replay/faults, GET /_replay/stream, \
             GET /_replay/stream/ids and POST /_replay/events\n"
                .into(),
        ),
    }
}

async fn new_faults(shared: &Shared, body: Incoming) -> Result<Faults, String> {
    let bytes = Limited::new(body, MAX_FAULTS)
        .collect()
        .await
        .map_err(|error| error.to_string())?
        .to_bytes();
    let text = std::str::from_utf8(&bytes).map_err(|error| error.to_string())?;
    let faults: Faults = text
        .parse()
        .map_err(|error: crate::FaultsError| error.to_string())?;
    shared
        .set_faults(faults.clone())
        .map_err(|error| error.to_string())?;
    Ok(faults)
}
