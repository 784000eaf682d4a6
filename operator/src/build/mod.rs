//! What a resource's children have to be. Pure: asks no server and no clock.

mod account;
mod backfill;
mod batch;
mod config;
mod connection;
mod migrate;
mod pod;
pub mod retention;
mod stream;

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::{batch::v1::Job, core::v1::ConfigMap};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use wikiingest_crds::worker::ResolveError;

use crate::{
    names,
    settings::{Component, Settings},
    validate::Validated,
};

pub use self::{
    backfill::{Lane, Plan},
    connection::Connection,
};
use self::{config::Files, connection::Upstream};

/// What kind of object a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `v1`
    ServiceAccount,
    /// `v1`
    ConfigMap,
    /// `batch/v1`
    Job,
    /// `batch/v1`
    CronJob,
    /// `apps/v1`
    Deployment,
}

impl Kind {
    /// Its API version and its name.
    #[must_use]
    pub fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::ServiceAccount => ("v1", "ServiceAccount"),
            Self::ConfigMap => ("v1", "ConfigMap"),
            Self::Job => ("batch/v1", "Job"),
            Self::CronJob => ("batch/v1", "CronJob"),
            Self::Deployment => ("apps/v1", "Deployment"),
        }
    }
}

/// An object that has to be there, as it is applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Child {
    /// What it is.
    pub kind: Kind,
    /// Its name, in the namespace of the resource.
    pub name: String,
    /// All of it that is ours.
    pub object: Value,
}

/// All that has to be there.
#[derive(Debug)]
pub struct Children {
    /// What the workers run as.
    pub account: Child,
    /// What the workers are told.
    pub config: Child,
    /// Brings the databases to the current schema; none where there are none.
    pub migrate: Option<Child>,
    /// One a scheduled source, and one that deletes what is kept no longer, if anything is kept for a time only.
    pub schedules: Vec<Child>,
    /// Runs that were asked for, each a source's.
    pub runs: Vec<Child>,
    /// One a stream.
    pub streams: Vec<Child>,
    /// One a backfill.
    pub backfills: Vec<Plan>,
}

/// What is built, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    ingest: Validated<'a>,
    settings: &'a Settings,
    /// The versions of the Secrets that the resource names.
    secrets: &'a BTreeMap<String, String>,
}

/// Builds all children.
///
/// # Errors
/// When a source has no configuration, which [`validate`](crate::validate::validate) rules out.
pub fn build(
    ingest: Validated<'_>,
    settings: &Settings,
    secrets: &BTreeMap<String, String>,
) -> Result<Children, ResolveError> {
    let context = Context {
        ingest,
        settings,
        secrets,
    };
    let files = config::files(&context)?;
    let backfills = backfill::plans(&context);
    Ok(Children {
        account: account::account(&context),
        config: config::config_map(&context, &files),
        migrate: migrate::job(&context, &files),
        schedules: batch::schedules(&context)
            .into_iter()
            .chain(retention::cron_job(&context, &files))
            .collect(),
        runs: batch::runs(&context),
        streams: stream::deployments(&context, &files),
        backfills,
    })
}

impl Context<'_> {
    /// An object with metadata and `body`'s fields.
    fn child(
        &self,
        kind: Kind,
        name: String,
        labels: &BTreeMap<String, String>,
        body: Value,
    ) -> Child {
        let (api_version, kind_name) = kind.names();
        let mut object = json!({
            "apiVersion": api_version,
            "kind": kind_name,
            "metadata": {
                "name": name,
                "namespace": self.ingest.namespace,
                "labels": labels,
                "ownerReferences": [self.ingest.owner()],
            },
        });
        merge(&mut object, body);
        seal(&mut object);
        Child { kind, name, object }
    }

    /// What is done for a source, or for something of it, by a name that no other in the cluster has.
    fn task(&self, name: &str) -> String {
        format!("{}/{}/{name}", self.ingest.namespace, self.ingest.name)
    }

    fn labels(&self, component: Component, source: &str) -> BTreeMap<String, String> {
        let mut labels = names::labels(self.ingest.name, Some(component));
        labels.insert(names::SOURCE.to_owned(), source.to_owned());
        labels
    }
}

impl Children {
    /// What the workers are told, with the files that runs still need of those that are there now: of a source, say, that
    /// has gone, and whose last run has not ended.
    #[must_use]
    pub fn config_in_use(&self, live: &[Arc<ConfigMap>], jobs: &[Arc<Job>]) -> Child {
        let mut config = self.config.clone();
        let live = live.iter().find(|live| live.name_any() == config.name);
        let kept = live.map_or_else(Files::new, |live| {
            config::in_use(live.data.as_ref(), &config.object["data"], jobs)
        });
        if !kept.is_empty() {
            merge(&mut config.object, json!({"data": kept}));
            seal(&mut config.object);
        }
        config
    }
}

/// Notes in an object what it is, so that it shows when it has to be another.
fn seal(object: &mut Value) {
    let applied = names::short_hash(&object.to_string());
    object["metadata"]["annotations"][names::APPLIED] = applied.into();
}

/// Adds the fields of one object to another, level by level.
fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
