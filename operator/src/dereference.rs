//! What is there: the Secrets that a resource names, and its children. Reads only.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use k8s_openapi::{
    ByteString,
    api::{
        apps::v1::Deployment,
        batch::v1::{CronJob, Job},
        core::v1::{ConfigMap, Pod, Secret, ServiceAccount},
    },
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
    /// What stands for the data that are used of the Secrets that there are: another value, another word.
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

/// The keys of each Secret are looked at; of their values only whether they are others.
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
        let used = || needed.iter().filter(|var| var.secret == name);
        let version = version(&secret, used().map(|var| var.key.as_str()));
        found.secrets.insert(name.to_owned(), version);
        let keys = secret.data.unwrap_or_default();
        let lacking = used().filter(|var| !var.optional && !keys.contains_key(&var.key));
        found.unresolved.extend(lacking.map(|var| Unresolved {
            secret: name.to_owned(),
            key: Some(var.key.clone()),
        }));
    }
    found.unresolved.dedup();
    Ok(())
}

/// A word for what is used of a Secret. It goes, hashed again, into annotations that more people may read than the
/// Secret: its uid, which they cannot, keeps them from trying passwords on it.
fn version<'a>(secret: &Secret, keys: impl Iterator<Item = &'a str>) -> String {
    let data = secret.data.as_ref();
    let used: BTreeMap<&str, Option<&ByteString>> = keys
        .map(|key| (key, data.and_then(|data| data.get(key))))
        .collect();
    names::hash(&format!("{:?}/{used:?}", secret.metadata.uid))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_is_another_when_what_is_used_of_it_is() {
        let of = |object: serde_json::Value| {
            let secret: Secret = serde_json::from_value(object).unwrap();
            version(&secret, ["password", "username"].into_iter())
        };
        let secret = |password: &str, unused: &str, label: &str, uid: &str| {
            of(json!({
                "metadata": {"uid": uid, "resourceVersion": label, "labels": {"label": label}},
                "data": {"username": "dQ==", "password": password, "unused": unused},
            }))
        };
        let before = secret("cA==", "", "1", "u");
        assert_eq!(before, secret("cA==", "eA==", "2", "u"));
        assert_ne!(before, secret("cQ==", "", "1", "u"));
        // The same password in two Secrets does not show.
        assert_ne!(before, secret("cA==", "", "1", "v"));
        assert_ne!(before, of(json!({"metadata": {"uid": "u"}})));
    }
}
