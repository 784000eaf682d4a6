//! What is there: the Secrets that a resource names, and its children. Reads only.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Pod, Secret, ServiceAccount},
};
use kube::{Api, Client, ResourceExt};
use wikiingest_crds::{
    WikiIngest, WikiIngestSpec,
    worker::{SecretVar, StreamReport, secret_vars},
};

use crate::{
    cache::{Caches, Owner},
    error::{Error, call},
    names,
    scrape::Scraper,
};

/// What is there.
#[derive(Debug, Default)]
pub struct Found {
    /// The versions of the Secrets that there are.
    pub secrets: BTreeMap<String, String>,
    /// What is wrong with Secrets, in words; empty when every key that is needed is there.
    pub unresolved: Vec<Unresolved>,
    /// Children by kind.
    pub accounts: Vec<Arc<ServiceAccount>>,
    /// Children by kind.
    pub config_maps: Vec<Arc<ConfigMap>>,
    /// Children by kind.
    pub cron_jobs: Vec<Arc<CronJob>>,
    /// Those of the resource itself, and those that its CronJobs made.
    pub jobs: Vec<Arc<Job>>,
    /// Children by kind.
    pub deployments: Vec<Arc<Deployment>>,
    /// The pods of all of them.
    pub pods: Vec<Arc<Pod>>,
    /// How the stream worker of a source stands, where it answers.
    pub streams: HashMap<String, StreamReport>,
}

/// A Secret or a key of one that is not there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unresolved {
    /// The Secret.
    pub secret: String,
    /// The key, where the Secret is there without it.
    pub key: Option<String>,
}

/// What the sinks of a resource need of Secrets.
#[must_use]
pub fn secrets_of(spec: &WikiIngestSpec) -> Vec<SecretVar> {
    spec.sinks.iter().flat_map(secret_vars).collect()
}

/// Looks at everything that the resource names or owns.
///
/// # Errors
/// When the API server does not answer.
pub async fn dereference(
    client: &Client,
    caches: &Caches,
    scraper: &Scraper,
    ingest: &WikiIngest,
) -> Result<Found, Error> {
    let owner = Owner {
        namespace: ingest.namespace().unwrap_or_default(),
        instance: names::instance(&ingest.name_any()),
    };
    // A resource that was deleted and made anew has nothing of the one before.
    let uid = ingest.uid().unwrap_or_default();
    let cron_jobs = owned(caches.cron_jobs.of(&owner), &[&uid]);
    let runs: Vec<String> = cron_jobs.iter().filter_map(|one| one.uid()).collect();
    let owners: Vec<&String> = runs.iter().chain([&uid]).collect();
    let jobs = owned(caches.jobs.of(&owner), &owners);
    let mut found = Found {
        accounts: owned(caches.accounts.of(&owner), &[&uid]),
        config_maps: owned(caches.config_maps.of(&owner), &[&uid]),
        deployments: owned(caches.deployments.of(&owner), &[&uid]),
        pods: caches.pods.of(&owner),
        cron_jobs,
        jobs,
        ..Found::default()
    };
    found.streams = scraper.ask(&found.pods).await.into_iter().collect();
    secrets(client, &owner.namespace, &ingest.spec, &mut found).await?;
    Ok(found)
}

fn owned<K: ResourceExt>(children: Vec<Arc<K>>, uids: &[&String]) -> Vec<Arc<K>> {
    let is_owned = |child: &Arc<K>| {
        let mut owners = child.owner_references().iter();
        owners.any(|owner| uids.contains(&&owner.uid))
    };
    children.into_iter().filter(is_owned).collect()
}

/// The keys of each Secret are looked at, their values are not.
async fn secrets(
    client: &Client,
    namespace: &str,
    spec: &WikiIngestSpec,
    found: &mut Found,
) -> Result<(), Error> {
    let needed = secrets_of(spec);
    let api: Api<Secret> = Api::namespaced(client.clone(), namespace);
    let names: BTreeSet<&str> = needed.iter().map(|var| var.secret.as_str()).collect();
    for name in names {
        let Some(secret) = call(format!("read Secret {name}"), api.get_opt(name)).await? else {
            found.unresolved.push(Unresolved {
                secret: name.to_owned(),
                key: None,
            });
            continue;
        };
        let version = secret.resource_version().unwrap_or_default();
        found.secrets.insert(name.to_owned(), version);
        let keys = secret.data.unwrap_or_default();
        let lacking = needed
            .iter()
            .filter(|var| var.secret == name && !var.optional && !keys.contains_key(&var.key));
        found.unresolved.extend(lacking.map(|var| Unresolved {
            secret: name.to_owned(),
            key: Some(var.key.clone()),
        }));
    }
    found.unresolved.dedup();
    Ok(())
}
