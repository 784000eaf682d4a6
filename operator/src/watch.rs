//! What is watched, and which resources are looked at again when it changes.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
    future::{BoxFuture, Shared, join_all},
    stream::FuturesUnordered,
};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::{
    Api, Client, Resource, ResourceExt as _,
    core::{DeserializeGuard, NamespaceResourceScope},
    runtime::{
        WatchStreamExt as _,
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{BackfillPhase, WikiIngest};

use crate::{
    admission,
    cache::{Cache, Caches, Kept, Owner},
    metrics::Metrics,
    names,
};

/// A namespace that is looked after, or all of them.
#[derive(Debug)]
pub struct Scope {
    /// Its name; none for all of them.
    pub namespace: Option<String>,
    ingests: Store<WikiIngest>,
    trigger: UnboundedSender<ObjectRef<WikiIngest>>,
}

impl Scope {
    /// A scope, and the references of resources that have to be looked at.
    #[must_use]
    pub fn new(
        namespace: Option<String>,
        ingests: Store<WikiIngest>,
    ) -> (Self, UnboundedReceiver<ObjectRef<WikiIngest>>) {
        let (trigger, triggered) = unbounded();
        let scope = Self {
            namespace,
            ingests,
            trigger,
        };
        (scope, triggered)
    }

    fn has(&self, namespace: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
    }

    fn wake(&self, ingest: ObjectRef<WikiIngest>) {
        // Nobody listens any more when the operator ends.
        let _ = self.trigger.unbounded_send(ingest);
    }

    /// The owner, if it is still there.
    fn wake_owner(&self, owner: &Owner) {
        let ingest = ObjectRef::new(&owner.instance).within(&owner.namespace);
        if self.ingests.get(&ingest).is_some() {
            return self.wake(ingest);
        }
        // A long name is shortened in labels.
        let ingests = self.ingests.state();
        let named = ingests.iter().find(|ingest| {
            ingest.namespace().as_ref() == Some(&owner.namespace)
                && names::instance(&ingest.name_any()) == owner.instance
        });
        if let Some(ingest) = named {
            self.wake(ObjectRef::from_obj(ingest.as_ref()));
        }
    }

    /// Those that may wait for a connection to a host.
    fn wake_backfills(&self) {
        for ingest in self.ingests.state() {
            let status = ingest.status.as_ref();
            let mut backfills = status.iter().flat_map(|status| &status.backfills);
            let is_open = |phase| !matches!(phase, BackfillPhase::Complete | BackfillPhase::Failed);
            if backfills.any(|backfill| is_open(backfill.phase)) {
                self.wake(ObjectRef::from_obj(ingest.as_ref()));
            }
        }
    }
}

/// The namespaces that are looked after, each once; none where it is all of them.
#[must_use]
pub fn scopes(namespaces: &[String]) -> Vec<Option<String>> {
    if namespaces.is_empty() {
        return vec![None];
    }
    let each: BTreeSet<_> = namespaces.iter().cloned().collect();
    each.into_iter().map(Some).collect()
}

/// Over once all children that there are in a scope are in the caches.
pub type Filled = Shared<BoxFuture<'static, ()>>;

/// Over when all of them are, or, once `grace` is over, when one of them is.
pub async fn all_or_some(each: impl IntoIterator<Item: Future<Output = ()>>, grace: Duration) {
    let mut left: FuturesUnordered<_> = each.into_iter().collect();
    let all = left.len();
    let over = async { while left.next().await.is_some() {} };
    if tokio::time::timeout(grace, over).await.is_err() && left.len() == all {
        let _ = left.next().await;
    }
}

/// Watches the children of all resources until `stop`. For each scope, when they are known: of one that may not be read,
/// perhaps never.
#[must_use]
pub fn children(
    client: &Client,
    scopes: Vec<Scope>,
    caches: &Arc<Caches>,
    metrics: &Arc<Metrics>,
    stop: &CancellationToken,
) -> Vec<Filled> {
    let scopes = Arc::new(scopes);
    let watches = Watches {
        client,
        scopes: &scopes,
        caches,
        metrics,
        stop,
    };
    let filled = |scope| {
        let kinds = [
            watches.start(scope, |caches| &caches.accounts, |_| {}, wake_owner),
            watches.start(scope, |caches| &caches.config_maps, |_| {}, wake_owner),
            watches.start(scope, |caches| &caches.cron_jobs, |_| {}, wake_owner),
            watches.start(scope, |caches| &caches.deployments, |_| {}, wake_owner),
            watches.start(scope, |caches| &caches.pods, trim_pod, wake_owner),
            watches.start(scope, |caches| &caches.jobs, trim_job, wake_for_job),
        ];
        join_all(kinds).map(drop).boxed().shared()
    };
    (0..scopes.len()).map(filled).collect()
}

struct Watches<'a> {
    client: &'a Client,
    scopes: &'a Arc<Vec<Scope>>,
    caches: &'a Arc<Caches>,
    metrics: &'a Arc<Metrics>,
    stop: &'a CancellationToken,
}

impl Watches<'_> {
    /// Watches a kind in a scope. The receiver hears when its cache is filled.
    fn start<K, V>(
        &self,
        scope: usize,
        cache: fn(&Caches) -> &Cache<K, V>,
        trim: fn(&mut K),
        changed: fn(&[Scope], &Owner, Option<&K>),
    ) -> oneshot::Receiver<()>
    where
        V: Kept<K> + Send + Sync + 'static,
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + std::fmt::Debug
            + Send
            + Sync
            + 'static,
    {
        let (scopes, caches) = (Arc::clone(self.scopes), Arc::clone(self.caches));
        let metrics = Arc::clone(self.metrics);
        let api: Api<K> = api(self.client, scopes[scope].namespace.as_deref());
        let (tell, filled) = oneshot::channel();
        let keeping = async move {
            let ours = format!("{}={}", names::MANAGED_BY, names::MANAGER);
            let events = watcher(api, watcher::Config::default().labels(&ours))
                .default_backoff()
                .inspect_err(|_| metrics.watch_failed(&K::kind(&())))
                .modify(|object| {
                    object.managed_fields_mut().clear();
                    trim(object);
                });
            let namespace = scopes[scope].namespace.as_deref();
            let changed = |owner: &Owner, object: Option<&K>| changed(&scopes, owner, object);
            let filled = || {
                // Nobody waits for it any more when the operator ends.
                let _ = tell.send(());
            };
            cache(&caches)
                .keep(namespace, events, changed, filled)
                .await;
        };
        tokio::spawn(self.stop.clone().run_until_cancelled_owned(keeping));
        filled
    }
}

/// An event of resources that can be read. One that cannot is told of in the log, and is in nobody's way.
#[must_use]
pub fn readable(
    event: watcher::Result<watcher::Event<DeserializeGuard<WikiIngest>>>,
) -> Option<watcher::Result<watcher::Event<WikiIngest>>> {
    let read = |object: DeserializeGuard<WikiIngest>| match object.0 {
        Ok(ingest) => Some(ingest),
        Err(broken) => {
            let metadata = &broken.metadata;
            tracing::error!(
                namespace = metadata.namespace,
                name = metadata.name,
                "WikiIngest cannot be read, and is left alone: {broken}"
            );
            None
        }
    };
    Some(Ok(match event {
        Ok(watcher::Event::Apply(object)) => watcher::Event::Apply(read(object)?),
        Ok(watcher::Event::Delete(object)) => watcher::Event::Delete(read(object)?),
        Ok(watcher::Event::InitApply(object)) => watcher::Event::InitApply(read(object)?),
        Ok(watcher::Event::Init) => watcher::Event::Init,
        Ok(watcher::Event::InitDone) => watcher::Event::InitDone,
        Err(error) => return Some(Err(error)),
    }))
}

/// The client for a kind in a namespace, or in all of them.
#[must_use]
pub fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: Resource<Scope = NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Only how a pod stands is of interest.
fn trim_pod(pod: &mut Pod) {
    pod.spec = None;
}

/// So of a Job, and what its pods are labelled with.
fn trim_job(job: &mut Job) {
    if let Some(spec) = &mut job.spec {
        spec.template.spec = None;
    }
}

fn wake_owner<K>(scopes: &[Scope], owner: &Owner, _: Option<&K>) {
    scopes
        .iter()
        .filter(|scope| scope.has(&owner.namespace))
        .for_each(|scope| scope.wake_owner(owner));
}

/// A Job that uses a connection to a host keeps others waiting, whosever they are.
fn wake_for_job(scopes: &[Scope], owner: &Owner, job: Option<&Job>) {
    wake_owner(scopes, owner, job);
    if job.is_none_or(|job| admission::connection(job).is_some()) {
        scopes.iter().for_each(Scope::wake_backfills);
    }
}

#[cfg(test)]
mod tests {
    use futures::future::{pending, ready};
    use tokio::time::timeout;

    use super::*;

    const SHORT: Duration = Duration::from_millis(20);
    const LONG: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn a_namespace_that_cannot_be_read_keeps_the_others_for_a_while_only() {
        let two = || [ready(()).boxed(), pending().boxed()];
        assert!(timeout(LONG, all_or_some(two(), SHORT)).await.is_ok());
        assert!(timeout(SHORT, all_or_some(two(), LONG)).await.is_err());
        let none = [pending(), pending()];
        assert!(timeout(SHORT * 5, all_or_some(none, SHORT)).await.is_err());
        let all = [ready(()), ready(())];
        assert!(timeout(LONG, all_or_some(all, LONG * 2)).await.is_ok());
    }

    #[test]
    fn each_namespace_is_looked_after_once() {
        let scopes = |names: &[&str]| {
            super::scopes(
                &names
                    .iter()
                    .map(|name| (*name).to_owned())
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(scopes(&[]), [None]);
        assert_eq!(
            scopes(&["b", "a", "b"]),
            [Some("a".to_owned()), Some("b".to_owned())]
        );
    }
}
