//! `ETag`, `Last-Modified` and the headers that ask about them, as nginx judges them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hyper::HeaderMap;
use hyper::header::{self, HeaderName};

/// What identifies one version of a file.
#[derive(Debug, Clone)]
pub(crate) struct Version {
    pub(crate) etag: String,
    pub(crate) modified: SystemTime,
}

/// What a request's conditions come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Send it.
    Send,
    /// 304: the client has this version.
    NotModified,
    /// 412: the client wanted another version.
    Failed,
}

impl Version {
    /// nginx's form: `"<mtime in hex>-<size in hex>"`.
    pub(crate) fn new(modified: SystemTime, len: u64) -> Self {
        let modified = whole_seconds(modified);
        let seconds = modified
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_secs();
        Self {
            etag: format!("\"{seconds:x}-{len:x}\""),
            modified,
        }
    }

    pub(crate) fn last_modified(&self) -> String {
        httpdate::fmt_http_date(self.modified)
    }

    /// Judges `If-Match`, `If-Unmodified-Since`, `If-None-Match` and `If-Modified-Since`.
    pub(crate) fn judge(&self, headers: &HeaderMap) -> Verdict {
        let text = |name| text(headers, name);
        let too_new = text(header::IF_UNMODIFIED_SINCE)
            .and_then(|date| httpdate::parse_http_date(date).ok())
            .is_some_and(|date| self.modified > date);
        if too_new || text(header::IF_MATCH).is_some_and(|list| !self.listed(list, false)) {
            return Verdict::Failed;
        }
        let same_tag = text(header::IF_NONE_MATCH).map(|list| self.listed(list, true));
        let same_date = text(header::IF_MODIFIED_SINCE).map(|date| self.is_date(date));
        // As nginx: where both are given, both must say that nothing changed.
        match (same_tag, same_date) {
            (None, None) => Verdict::Send,
            (tag, date) if tag.unwrap_or(true) && date.unwrap_or(true) => Verdict::NotModified,
            _ => Verdict::Send,
        }
    }

    /// Whether `If-Range` lets a range through: it names exactly this version, or is not there.
    pub(crate) fn allows_range(&self, headers: &HeaderMap) -> bool {
        text(headers, header::IF_RANGE).is_none_or(|value| {
            if value.ends_with('"') {
                value == self.etag
            } else {
                self.is_date(value)
            }
        })
    }

    /// nginx's default `if_modified_since exact`: a later date is as different as an earlier one.
    fn is_date(&self, date: &str) -> bool {
        httpdate::parse_http_date(date).is_ok_and(|date| date == self.modified)
    }

    fn listed(&self, list: &str, weak: bool) -> bool {
        list.trim() == "*"
            || list.split(',').map(str::trim).any(|tag| {
                let tag = if weak {
                    tag.strip_prefix("W/").unwrap_or(tag)
                } else {
                    tag
                };
                tag == self.etag
            })
    }
}

fn text(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> SystemTime {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    UNIX_EPOCH + Duration::from_secs(since.as_secs())
}
