//! The hosts that files are read from: Wikimedia's own, and the mirrors of it that are known.

use crate::Host;

/// Where files are read from when a resource names no other host.
pub const DUMPS_URL: &str = "https://dumps.wikimedia.org";

/// How many connections a host is given of which nothing is known.
pub const DEFAULT_CONNECTIONS: u32 = 2;

/// A mirror of Wikimedia's files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirror {
    /// Who runs it.
    pub name: &'static str,
    /// What to write as `baseUrl`: what stands before `/other/pageviews/`.
    pub base_url: &'static str,
    /// How many connections from one cluster it is given.
    pub connections: u32,
    /// Whether somebody has seen it serve what is read here. Of one that is not verified, only its name is known.
    pub verified: bool,
}

/// The mirrors that are known. They lag behind Wikimedia's own host, and may have gaps: a file that one of them lacks
/// counts as never published only if Wikimedia's index does not list it either.
///
/// Wikimedia names its mirrors at <https://dumps.wikimedia.org/mirrors.html>. Whoever adds one also names it in the
/// documentation of a backfill's `baseUrl`, and in the README; a test sees to that.
pub const MIRRORS: &[Mirror] = &[
    Mirror {
        name: "Academic Computer Club, Umeå University",
        base_url: "https://mirror.accum.se/mirror/wikimedia.org",
        // It refuses one address more than 10 (https://mirror.accum.se/about/), which others behind it may need, too.
        connections: 4,
        verified: false,
    },
    Mirror {
        name: "Your.org",
        base_url: "https://dumps.wikimedia.your.org",
        connections: DEFAULT_CONNECTIONS,
        verified: false,
    },
    Mirror {
        name: "Center for Research Computing, University of Notre Dame",
        base_url: "https://wikimedia.crc.nd.edu",
        connections: DEFAULT_CONNECTIONS,
        verified: false,
    },
];

/// The known mirror at a host.
#[must_use]
pub fn mirror_at(host: &Host) -> Option<&'static Mirror> {
    let mut mirrors = MIRRORS.iter();
    mirrors.find(|mirror| Host::of(mirror.base_url) == *host)
}

/// How many connections a host is given by whoever was told nothing else.
#[must_use]
pub fn usual_connections(host: &Host) -> u32 {
    mirror_at(host).map_or(DEFAULT_CONNECTIONS, |mirror| mirror.connections)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_mirror_is_a_host_of_its_own_and_found_by_any_url_of_it() {
        let hosts: BTreeSet<Host> = MIRRORS.iter().map(|one| Host::of(one.base_url)).collect();
        assert_eq!(hosts.len(), MIRRORS.len());
        assert!(!hosts.contains(&Host::of(DUMPS_URL)));
        for mirror in MIRRORS {
            assert!(mirror.connections > 0, "{mirror:?}");
            assert!(!mirror.base_url.ends_with('/'), "{mirror:?}");
        }
        let found = mirror_at(&Host::of("http://MIRROR.accum.se:80/elsewhere/"));
        assert_eq!(found, MIRRORS.first());
        assert_eq!(mirror_at(&Host::of("https://accum.se")), None);
    }
}
