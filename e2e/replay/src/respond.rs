//! Answers in the words of nginx.

use hyper::header::{self, HeaderValue};
use hyper::{HeaderMap, Response, StatusCode};

use crate::body::Body;
use crate::content::Content;

const NGINX: HeaderValue = HeaderValue::from_static("nginx");
pub(crate) const HTML: &str = "text/html";
pub(crate) const TEXT: &str = "text/plain; charset=utf-8";
pub(crate) const JSON: &str = "application/json";

/// A response with this body, and no more headers than every response has.
pub(crate) fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: Body,
) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::SERVER, NGINX);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// A short text.
pub(crate) fn text(status: StatusCode, content_type: &'static str, text: String) -> Response<Body> {
    with_body(status, content_type, Body::plain(Content::from(text)))
}

/// nginx's own page for a status.
pub(crate) fn page(status: StatusCode) -> Response<Body> {
    let reason = match status {
        StatusCode::METHOD_NOT_ALLOWED => "Not Allowed",
        StatusCode::RANGE_NOT_SATISFIABLE => "Requested Range Not Satisfiable",
        StatusCode::SERVICE_UNAVAILABLE => "Service Temporarily Unavailable",
        StatusCode::GATEWAY_TIMEOUT => "Gateway Time-out",
        status => status.canonical_reason().unwrap_or("Error"),
    };
    let title = format!("{} {reason}", status.as_u16());
    text(
        status,
        HTML,
        format!(
            "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
             <hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        ),
    )
}

/// Sets a header to a value made here; one that cannot be a header is left out.
pub(crate) fn set(headers: &mut HeaderMap, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
