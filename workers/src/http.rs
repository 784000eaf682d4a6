//! What all our HTTP clients have in common: who they say they are, and which URLs they take.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use reqwest::{
    Client, ClientBuilder, Url,
    header::{HeaderMap, RETRY_AFTER},
};

/// A source's base URL that cannot be asked anything.
#[derive(Debug, Clone, thiserror::Error)]
#[error("baseUrl must be an http or https URL without a login, such as {example}")]
pub struct BadBaseUrl {
    /// One that could.
    pub example: &'static str,
}

/// A client under construction, which introduces itself with `contact`, and its base URL without
/// a slash at the end.
///
/// # Errors
/// When `base_url` is none.
pub fn client(
    base_url: Option<&str>,
    default: &'static str,
    contact: &str,
) -> Result<(ClientBuilder, String), BadBaseUrl> {
    crate::telemetry::install_crypto();
    let bad = BadBaseUrl { example: default };
    let base = base_url.unwrap_or(default);
    let url = Url::parse(base).map_err(|_| bad.clone())?;
    let has_login = !url.username().is_empty() || url.password().is_some();
    if !matches!(url.scheme(), "http" | "https") || has_login {
        return Err(bad);
    }
    let agent = format!("wikiingest/{} ({contact})", env!("CARGO_PKG_VERSION"));
    let mut builder = Client::builder()
        .user_agent(agent)
        .http1_only()
        .connect_timeout(Duration::from_secs(10));
    if is_loopback(&url) {
        builder = builder.no_proxy();
    }
    Ok((builder, base.trim_end_matches('/').to_owned()))
}

/// Whether a URL is of this machine, which a proxy would take for itself.
pub(crate) fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let address = host.trim_matches(['[', ']']).parse::<IpAddr>();
        host == "localhost" || address.is_ok_and(|address| address.is_loopback())
    })
}

/// The longest that a host may make us wait: what asks for more was not meant for us.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// How long the host asks us to wait.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds).min(LONGEST_WAIT));
    }
    let moment = httpdate::parse_http_date(text).ok()?;
    let wait = moment.duration_since(SystemTime::now()).unwrap_or_default();
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(Duration::from_secs(7)));
        headers.insert(
            RETRY_AFTER,
            "Sun, 06 Nov 1994 08:49:37 GMT".parse().unwrap(),
        );
        assert_eq!(retry_after(&headers), Some(Duration::ZERO));
        headers.insert(RETRY_AFTER, "99999999".parse().unwrap());
        assert_eq!(retry_after(&headers), Some(LONGEST_WAIT));
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers), None);
    }

    #[test]
    fn only_this_machine_is_asked_past_a_proxy() {
        for here in [
            "http://127.0.0.1:80/x",
            "http://[::1]:8080",
            "http://localhost",
        ] {
            assert!(is_loopback(&here.parse().unwrap()), "{here}");
        }
        for elsewhere in [
            "https://dumps.wikimedia.org",
            "http://10.0.0.1",
            "http://localhost.example.org",
        ] {
            assert!(!is_loopback(&elsewhere.parse().unwrap()), "{elsewhere}");
        }
    }
}
