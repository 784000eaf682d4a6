//! How many connections to a host there may be, as it is told on the command line.

use std::str::FromStr;

use wikiingest_crds::{DUMPS_URL, Host};

/// The most that a host can be given.
const MOST: u32 = 256;

/// A host and its limit: `https://mirror.example.org=4`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLimit {
    /// The host.
    pub host: Host,
    /// Connections from the whole cluster, 1 at least.
    pub connections: u32,
}

/// What is no such thing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidHostLimit {
    /// Not of the form.
    #[error("{0:?} must be a URL and a number, such as https://mirror.example.org=4")]
    Form(String),
    /// Not a number, or none that makes sense.
    #[error("{0:?} must be a number from 1 to {MOST}")]
    Number(String),
    /// The one host with a setting of its own.
    #[error("{0:?} is the dumps host, which has a setting of its own: use --dumps-connections")]
    Dumps(String),
}

impl FromStr for HostLimit {
    type Err = InvalidHostLimit;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = || InvalidHostLimit::Form(text.to_owned());
        let (url, number) = text.rsplit_once('=').ok_or_else(form)?;
        let mut schemes = ["http://", "https://"].into_iter();
        let is_url = schemes.any(|scheme| url.starts_with(scheme)) && !url.contains(['@', ' ']);
        let host = Host::of(url);
        if !is_url || host.as_str().is_empty() || host.as_str().starts_with(':') {
            return Err(form());
        }
        if host == Host::of(DUMPS_URL) {
            return Err(InvalidHostLimit::Dumps(url.to_owned()));
        }
        let connections = number
            .parse()
            .ok()
            .filter(|connections| (1..=MOST).contains(connections))
            .ok_or_else(|| InvalidHostLimit::Number(number.to_owned()))?;
        Ok(Self { host, connections })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_a_url_and_a_number() {
        let limit = |text: &str| text.parse::<HostLimit>();
        assert_eq!(
            limit("https://Mirror.example.org/wikimedia/=4"),
            Ok(HostLimit {
                host: Host::of("https://mirror.example.org"),
                connections: 4,
            })
        );
        for (text, says) in [
            ("https://mirror.example.org", "such as https://"),
            ("mirror.example.org=4", "such as https://"),
            ("https://=4", "such as https://"),
            ("http://:8080=4", "such as https://"),
            ("https://a@b.org=4", "such as https://"),
            ("", "such as https://"),
            ("https://mirror.example.org=0", "from 1 to 256"),
            ("https://mirror.example.org=257", "from 1 to 256"),
            ("https://mirror.example.org=many", "from 1 to 256"),
            ("http://dumps.wikimedia.org:80/=4", "--dumps-connections"),
        ] {
            let told = limit(text).unwrap_err().to_string();
            assert!(told.contains(says), "{text}: {told}");
        }
    }
}
