//! The cluster's connections to Wikimedia's dumps host, which are few.
//!
//! Each has a number, each pod that needs one has the label of its number, and pods of one number keep each other off
//! the whole cluster: required anti-affinity over all namespaces, in a topology that all nodes share. So the scheduler
//! holds the limit, whatever the operator does, or while it is away; a pod whose connection is taken waits as Pending.

use serde_json::{Value, json};

use crate::names;

/// All nodes that run workers share a value of this label.
const TOPOLOGY: &str = "kubernetes.io/os";

/// One of the cluster's connections, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Connection(pub u32);

impl Connection {
    /// The connection of a scheduled source: always the same, so that its own runs never wait for each other elsewhere.
    pub(super) fn of_schedule(namespace: &str, ingest: &str, source: &str, limit: u32) -> Self {
        let hash = names::short_hash(&format!("{namespace}/{ingest}/{source}"));
        Self(u32::from_str_radix(&hash, 16).unwrap_or_default() % limit)
    }

    /// Another one, if there is one.
    pub(super) fn after(self, by: u32, limit: u32) -> Self {
        Self((self.0 + by) % limit)
    }

    pub(super) fn affinity(self) -> Value {
        json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{
            "topologyKey": TOPOLOGY,
            "namespaceSelector": {},
            "labelSelector": {"matchLabels": {(names::CONNECTION): self.0.to_string()}},
        }]}})
    }
}
