//! The cluster's connections to the hosts that are read, which are few.
//!
//! Each host's have numbers, each pod that needs one has the label of its host and number, and pods of one label keep each
//! other off the whole cluster: required anti-affinity over all namespaces, in a topology that all nodes share. So the
//! scheduler holds the limits, whatever the operator does, or while it is away; a pod whose connection is taken waits as
//! Pending.

use serde_json::{Value, json};
use wikiingest_crds::{DUMPS_URL, Host};

use crate::{names, settings::Settings};

/// All nodes that run workers share a value of this label.
const TOPOLOGY: &str = "kubernetes.io/os";

/// A host, and how many connections the cluster has to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upstream {
    host: Host,
    /// 1 at least.
    pub(super) connections: u32,
}

impl Upstream {
    /// The host at a base URL, Wikimedia's own where there is none, as it is seen from a namespace.
    pub(super) fn at(base_url: Option<&str>, namespace: &str, settings: &Settings) -> Self {
        let host = Host::of(base_url.unwrap_or(DUMPS_URL));
        Self {
            connections: settings.connections(&host, namespace).max(1),
            host: host.within(namespace),
        }
    }

    /// The connection of a task, always the same: a scheduled source's own runs never wait for each other elsewhere.
    pub(super) fn connection_of(&self, task: &str) -> Connection {
        let hash = u32::from_str_radix(&names::short_hash(task), 16);
        Connection {
            host: self.host.clone(),
            number: hash.unwrap_or_default() % self.connections,
        }
    }

    /// Another one, if there is one.
    pub(super) fn after(&self, connection: &Connection, by: u32) -> Connection {
        Connection {
            host: self.host.clone(),
            number: (connection.number + by) % self.connections,
        }
    }
}

/// One of the cluster's connections: to which host, and its number.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection {
    host: Host,
    number: u32,
}

impl Connection {
    /// The label of pods that use it. Of the dumps host's connections it is the number alone.
    #[must_use]
    pub fn label(&self) -> String {
        if self.host == Host::of(DUMPS_URL) {
            self.number.to_string()
        } else {
            names::connection(self.host.as_str(), self.number)
        }
    }

    pub(super) fn affinity(&self) -> Value {
        json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
            "topologyKey": TOPOLOGY,
            "namespaceSelector": {},
            "labelSelector": {"matchLabels": {(names::CONNECTION): self.label()}},
        }]}})
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn settings() -> Settings {
        Settings {
            worker_image: "workers".to_owned(),
            dumps_connections: 3,
            mirror_connections: BTreeMap::from([
                (Host::of("https://fast.example.org"), 16),
                (Host::of("http://replay:8080"), 5),
                (Host::of("http://replay.special.svc:8080"), 7),
            ]),
        }
    }

    #[test]
    fn a_host_has_the_limit_it_was_given_or_the_mirror_s_or_two() {
        let limit = |url| Upstream::at(url, "n", &settings()).connections;
        assert_eq!(limit(None), 3);
        // The dumps host is one, whether it is named or not.
        assert_eq!(limit(Some("http://DUMPS.wikimedia.org:80/")), 3);
        assert_eq!(limit(Some("https://fast.example.org:443/wikimedia")), 16);
        assert_eq!(limit(Some("https://mirror.accum.se/elsewhere")), 4);
        assert_eq!(limit(Some("https://mirror.example.org")), 2);
        // A Service's limit is the one told of its namespace, or that of its name in any.
        assert_eq!(limit(Some("http://replay:8080")), 5);
        let special = Upstream::at(Some("http://replay:8080"), "special", &settings());
        assert_eq!(special.connections, 7);
    }

    #[test]
    fn labels_tell_hosts_apart_and_keep_the_dumps_host_s_numbers() {
        let label = |url, namespace| {
            let upstream = Upstream::at(url, namespace, &settings());
            upstream.connection_of("n/wiki/views").label()
        };
        let number: u32 = label(None, "n").parse().unwrap();
        assert!(number < 3);
        assert_eq!(
            label(Some("https://dumps.wikimedia.org/"), "n"),
            label(None, "n")
        );
        let mirror = label(Some("https://mirror.accum.se/a"), "n");
        assert!(mirror.starts_with("mirror.accum.se_"), "{mirror}");
        assert_eq!(mirror, label(Some("http://mirror.ACCUM.se:80"), "other"));
        // Services of one name in two namespaces are two hosts.
        let replay = label(Some("http://replay:8080"), "n");
        assert!(replay.starts_with("replay.n.svc_8080_"), "{replay}");
        assert_ne!(replay, label(Some("http://replay:8080"), "other"));
    }

    #[test]
    fn lanes_go_round_all_connections_of_their_host() {
        let upstream = Upstream::at(None, "n", &settings());
        let first = upstream.connection_of("n/wiki/views");
        let all: Vec<_> = (0..4).map(|by| upstream.after(&first, by)).collect();
        assert_eq!(all[0], all[3]);
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2]);
    }
}
