//! The operator at work in a namespace of its own.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Cluster, Content, MariaDbPod, Namespace, ReplayPod, S3Pod};
use crate::bench::generate::Archive;
use crate::harness::{Dump, Hour, Tally};

/// A namespace with the operator, the servers, and some hours of page views to load.
#[derive(Debug)]
pub struct OperatorWorld {
    /// The warehouse.
    pub mariadb: MariaDbPod,
    /// The lake.
    pub s3: S3Pod,
    /// The host.
    pub replay: ReplayPod,
    /// What is in the page views.
    pub expected: Tally,
    /// Where all of it is.
    pub namespace: Namespace,
}

impl OperatorWorld {
    /// Two hours of page views, of 300 lines each.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self::with(name, 5..7, 300)
    }

    /// Other hours, by their numbers.
    #[must_use]
    pub fn with(name: &str, hours: std::ops::Range<u16>, lines: usize) -> Self {
        let world = Self::without_operator(name, hours, lines);
        world.namespace.operator().expect("the operator starts");
        world
    }

    /// A unit of each archive, and what is in them.
    #[must_use]
    pub fn of_all_archives(name: &str) -> (Self, Vec<(Archive, Tally)>) {
        let dir = crate::scratch::dir("dumps").expect("a temporary folder");
        let dump = Dump::new(dir.path());
        let publish = |archive: Archive| (archive, dump.publish(archive, Hour(0), 400, ""));
        let published = Archive::ALL.map(publish).to_vec();
        let world = Self::servers(name, &dump, Tally::default());
        world.namespace.operator().expect("the operator starts");
        (world, published)
    }

    /// The servers and hours as in [`Self::with`], and nobody who looks after a resource.
    #[must_use]
    pub fn without_operator(name: &str, hours: std::ops::Range<u16>, lines: usize) -> Self {
        let dir = crate::scratch::dir("dumps").expect("a temporary folder");
        let dump = Dump::new(dir.path());
        let mut expected = Tally::default();
        for hour in hours {
            expected += dump.generated(Hour(hour), lines);
        }
        Self::servers(name, &dump, expected)
    }

    fn servers(name: &str, dump: &Dump, expected: Tally) -> Self {
        let cluster = Cluster::connect().expect("the cluster is up");
        let namespace = cluster.namespace(name).expect("a namespace");
        let stream = "/samples/recentchange/stream-2025-05-03.ndjson";
        let replay = namespace
            .replay(Content::Dump(dump), &["--events", stream, "--pace", "max"])
            .expect("the stand-in starts");
        let (mariadb, s3) = namespace.stores().expect("the stores start");
        Self {
            mariadb,
            s3,
            replay,
            expected,
            namespace,
        }
    }

    /// A resource of page views with a backfill of two hours, and of the stream.
    #[must_use]
    pub fn resource(&self) -> Value {
        let mut warehouse = self.mariadb.sink();
        warehouse["name"] = json!("warehouse");
        let mut lake = self.s3.sink();
        lake["name"] = json!("lake");
        json!({
            "apiVersion": "wikiingest.dev/v1alpha1",
            "kind": "WikiIngest",
            "metadata": {"name": "wikimedia"},
            "spec": {
                "contact": "https://example.org/wikiingest-tests",
                "sinks": [warehouse, lake],
                "sources": [
                    {
                        "name": "pageviews",
                        "pageviews": {},
                        "schedule": {"cron": "0 0 1 1 *"},
                        "baseUrl": ReplayPod::BASE_URL,
                        "sinks": ["warehouse", "lake"],
                        "backfill": [{"name": "morning", "from": Hour(5).timestamp(), "to": Hour(7).timestamp()}],
                    },
                    {
                        "name": "edits",
                        "recentChanges": {},
                        "startFrom": "2025-05-03T00:00:00Z",
                        "baseUrl": ReplayPod::BASE_URL,
                        "sinks": ["warehouse"],
                    },
                ],
                "workers": {"imagePullPolicy": "Never"},
            },
        })
    }

    /// A resource of all kinds of source, with a backfill of a unit each.
    #[must_use]
    pub fn all_kinds(&self) -> Value {
        let mut resource = self.resource();
        let sources = &mut resource["spec"]["sources"];
        let sources = sources.as_array_mut().expect("sources");
        sources.remove(0);
        for archive in Archive::ALL {
            let kind = archive.kind();
            sources.push(json!({
                "name": kind.to_lowercase(),
                kind: archive.options(),
                "baseUrl": ReplayPod::BASE_URL,
                "sinks": ["warehouse", "lake"],
                "backfill": [{
                    "name": "first",
                    "from": archive.timestamp(Hour(0)),
                    "to": archive.timestamp(Hour(1)),
                }],
            }));
        }
        resource
    }

    /// The same of page views only, with these backfills.
    #[must_use]
    pub fn views_only(&self, backfills: &Value) -> Value {
        let mut resource = self.resource();
        let sources = &mut resource["spec"]["sources"];
        sources.as_array_mut().expect("sources").truncate(1);
        sources[0]["backfill"] = backfills.clone();
        resource
    }

    /// Both logins.
    pub fn secrets(&self) {
        self.namespace.warehouse_secret().expect("a Secret");
        self.namespace.lake_secret().expect("a Secret");
    }

    /// Applies a resource.
    pub fn apply(&self, resource: &Value) {
        let applied = self.namespace.kubectl().apply(&resource.to_string());
        applied.expect("the server takes it");
    }

    /// Waits until a condition of the resource has a status and a reason; its whole status.
    #[expect(
        clippy::must_use_candidate,
        reason = "that it comes to stand so may be all that is asked"
    )]
    pub fn stands(&self, patience: Duration, condition: &str, status: &str, reason: &str) -> Value {
        let stands = self
            .namespace
            .stands(patience, "wikimedia", condition, status, reason);
        stands.unwrap_or_else(|error| {
            let logs = self
                .namespace
                .kubectl()
                .logs("deployment/wikiingest-operator");
            panic!("{error}\nthe operator said:\n{}", logs.unwrap_or_default())
        })
    }

    /// The versions of all children.
    #[must_use]
    pub fn versions(&self) -> BTreeMap<String, String> {
        let ours = "app.kubernetes.io/managed-by=wikiingest-operator";
        let kinds = [
            "cronjob",
            "job",
            "deployment",
            "configmap",
            "serviceaccount",
        ];
        let mut versions = BTreeMap::new();
        for kind in kinds {
            for child in self.namespace.kubectl().list(kind, ours).expect("a list") {
                let name = child["metadata"]["name"].as_str().expect("a name");
                versions.insert(
                    format!("{kind}/{name}"),
                    child["metadata"]["resourceVersion"].to_string(),
                );
            }
        }
        versions
    }

    /// Looks at the stores again, which may run in other pods now.
    pub fn again(&mut self) {
        self.mariadb = self.namespace.mariadb_again("wikimedia").expect("MariaDB");
        self.s3 = self.namespace.s3_again().expect("the S3 server");
    }
}
