//! Hosts, whichever way their URLs are written.

use std::fmt;

/// What the cluster's own names end with where nobody chose another ending. Without it they are the same.
const CLUSTER: &str = ".cluster.local";

/// A host that is read from: its name in lower case, and its port unless that is the usual one of http or https.
///
/// URLs with the same host here lead to the same machines, so that they share its limit of connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Host(String);

impl Host {
    /// The host of a URL.
    #[must_use]
    pub fn of(url: &str) -> Self {
        let after_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
        let end = after_scheme.find(['/', '?', '#']);
        let authority = end.map_or(after_scheme, |end| &after_scheme[..end]);
        let (name, port) = split(authority);
        let mut name = name.trim_end_matches('.').to_ascii_lowercase();
        if name.ends_with(&format!(".svc{CLUSTER}")) {
            name.truncate(name.len() - CLUSTER.len());
        }
        Self(match port {
            Some(port) => format!("{name}:{port}"),
            None => name,
        })
    }

    /// The host as all of the cluster can tell it: a name of one part is a Service of the namespace that it is used in.
    #[must_use]
    pub fn within(&self, namespace: &str) -> Self {
        let (name, port) = split(&self.0);
        if name.is_empty() || name.contains(['.', ':', '[']) {
            return self.clone();
        }
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        Self(format!("{name}.{namespace}.svc{port}"))
    }

    /// As text: `NAME` or `NAME:PORT`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name and its port, where it has one that is not a usual one.
fn split(authority: &str) -> (&str, Option<u16>) {
    let Some((name, port)) = authority.rsplit_once(':') else {
        return (authority, None);
    };
    // A colon inside of brackets is an address's own.
    if port.ends_with(']') {
        return (authority, None);
    }
    match port.parse() {
        // Whoever has one of them has the other, too.
        Ok(80 | 443) => (name, None),
        Ok(port) => (name, Some(port)),
        Err(_) if port.is_empty() => (name, None),
        Err(_) => (authority, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spellings_of_one_host_are_one() {
        for (url, host) in [
            ("https://mirror.example.org", "mirror.example.org"),
            ("https://MIRROR.example.ORG", "mirror.example.org"),
            ("https://mirror.example.org/", "mirror.example.org"),
            (
                "https://mirror.example.org/wikimedia/",
                "mirror.example.org",
            ),
            ("https://mirror.example.org.", "mirror.example.org"),
            ("https://mirror.example.org:443", "mirror.example.org"),
            ("https://mirror.example.org:/x", "mirror.example.org"),
            ("http://mirror.example.org", "mirror.example.org"),
            ("http://mirror.example.org:80/", "mirror.example.org"),
            (
                "http://mirror.example.org:08080/x",
                "mirror.example.org:8080",
            ),
            ("http://[2001:DB8::1]/x", "[2001:db8::1]"),
            ("http://[2001:db8::1]:8080", "[2001:db8::1]:8080"),
            ("http://replay:8080", "replay:8080"),
            (
                "http://replay.n.svc.cluster.local:8080",
                "replay.n.svc:8080",
            ),
        ] {
            assert_eq!(Host::of(url).as_str(), host, "{url}");
        }
    }

    #[test]
    fn a_name_of_one_part_is_of_its_namespace() {
        for (url, host) in [
            ("http://replay:8080", "replay.n.svc:8080"),
            ("http://replay", "replay.n.svc"),
            ("http://replay.other.svc", "replay.other.svc"),
            ("https://mirror.example.org", "mirror.example.org"),
            ("http://[::1]:8080", "[::1]:8080"),
        ] {
            assert_eq!(Host::of(url).within("n").as_str(), host, "{url}");
        }
    }

    #[test]
    fn what_is_no_url_is_some_host() {
        for text in ["", "https://", "http://:80", "a:b:c", "http://..", "é/x"] {
            let _ = Host::of(text).within("n");
        }
    }
}
