//! What the operator was installed with.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::ResourceRequirements;
use serde_json::json;
use wikiingest_crds::{DUMPS_URL, Host, usual_connections};

/// What holds for all resources.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The image of the workers, where a resource names none.
    pub worker_image: String,
    /// How many connections to Wikimedia's dumps host there may be from the whole cluster, 1 at least.
    pub dumps_connections: u32,
    /// How many there may be to other hosts, where it is neither what is known of a mirror nor the default.
    pub mirror_connections: BTreeMap<Host, u32>,
}

impl Settings {
    /// How many connections to a host there may be from the whole cluster. A host whose name is of one part is a Service
    /// of the namespace that it is used in; a limit for that name holds for the Service of each namespace.
    #[must_use]
    pub fn connections(&self, host: &Host, namespace: &str) -> u32 {
        if *host == Host::of(DUMPS_URL) {
            return self.dumps_connections;
        }
        let told = self.mirror_connections.get(&host.within(namespace));
        told.or_else(|| self.mirror_connections.get(host))
            .copied()
            .unwrap_or_else(|| usual_connections(host))
    }

    /// What a worker asks of its node where a resource says nothing. A batch worker holds about 45 MiB whatever the size
    /// of the files, and of bzip2 11 to 17 MiB more for each of up to four threads that decode it; a stream worker 20 to
    /// 40. The limits leave room for lines and events out of the ordinary.
    #[must_use]
    pub fn resources(kind: Component) -> ResourceRequirements {
        let (cpu, memory, limit) = match kind {
            Component::Stream => ("50m", "64Mi", "192Mi"),
            Component::Migrate | Component::Retention => ("50m", "32Mi", "128Mi"),
            Component::Batch | Component::Backfill => ("500m", "128Mi", "256Mi"),
        };
        serde_json::from_value(json!({
            "requests": {"cpu": cpu, "memory": memory},
            "limits": {"memory": limit},
        }))
        .unwrap_or_default()
    }
}

/// What a child does, as its label says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// Scheduled runs, and those that were asked for.
    Batch,
    /// Runs over a past range.
    Backfill,
    /// The reading of a stream.
    Stream,
    /// The schema.
    Migrate,
    /// The deletion of what is kept no longer.
    Retention,
}

impl Component {
    /// The value of the label `app.kubernetes.io/component`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::Backfill => "backfill",
            Self::Stream => "stream",
            Self::Migrate => "migrate",
            Self::Retention => "retention",
        }
    }
}
