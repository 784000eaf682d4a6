//! What there is of the children of all resources, kept by watches, and found by whose it is.

use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::{ResourceExt, runtime::watcher};
use serde::{Serialize, de::DeserializeOwned};

use crate::names;

/// The resource that an object is a child of, directly or through a CronJob or a Job.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// Its namespace.
    pub namespace: String,
    /// What its children have as their label [`INSTANCE`](names::INSTANCE).
    pub instance: String,
}

impl Owner {
    /// The owner of a child.
    #[must_use]
    pub fn of(child: &impl ResourceExt) -> Self {
        Self {
            namespace: child.namespace().unwrap_or_default(),
            instance: child
                .labels()
                .get(names::INSTANCE)
                .cloned()
                .unwrap_or_default(),
        }
    }
}

/// How an object is kept.
pub trait Kept<K>: Sized {
    /// For keeping.
    fn keep(object: K) -> Self;
    /// As it is wanted.
    fn get(kept: &Arc<Self>) -> Option<Arc<K>>;
}

/// As it is.
impl<K> Kept<K> for K {
    fn keep(object: K) -> Self {
        object
    }

    fn get(kept: &Arc<Self>) -> Option<Arc<K>> {
        Some(Arc::clone(kept))
    }
}

/// As JSON, which takes a tenth of the memory: pod templates are mostly fields that are not set.
#[derive(Debug)]
pub struct Packed(Box<[u8]>);

impl<K: Serialize + DeserializeOwned> Kept<K> for Packed {
    fn keep(object: K) -> Self {
        // What came as JSON becomes JSON.
        Self(serde_json::to_vec(&object).unwrap_or_default().into())
    }

    fn get(kept: &Arc<Self>) -> Option<Arc<K>> {
        serde_json::from_slice(&kept.0).ok().map(Arc::new)
    }
}

type Groups<V> = HashMap<Owner, HashMap<String, Arc<V>>>;

/// The objects of a kind.
#[derive(Debug)]
pub struct Cache<K, V = K> {
    groups: RwLock<Groups<V>>,
    kind: PhantomData<fn() -> K>,
}

impl<K, V> Default for Cache<K, V> {
    fn default() -> Self {
        Self {
            groups: RwLock::default(),
            kind: PhantomData,
        }
    }
}

impl<K: ResourceExt + Clone, V: Kept<K>> Cache<K, V> {
    /// The children of a resource.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Vec<Arc<K>> {
        let groups = self.read();
        let group = groups.get(owner);
        let kept = group.into_iter().flat_map(HashMap::values);
        kept.filter_map(V::get).collect()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        let groups = self.read();
        let kept = groups.values().flat_map(HashMap::values);
        kept.filter_map(V::get).collect()
    }

    /// Does what the events of a watch of one namespace, or of all, say, as long as there are any. `changed` hears of
    /// every object that came, changed or went, after it can be found here as it is now; of none of the first list, and
    /// of only whose they are after a watch was broken. `filled` is called when the first list is complete.
    pub async fn keep(
        &self,
        namespace: Option<&str>,
        events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
        changed: impl Fn(&Owner, Option<&K>),
        filled: impl FnOnce(),
    ) {
        let mut filled = Some(filled);
        // What a new list has so far.
        let mut listed = Groups::default();
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => insert(&mut listed, object),
                Ok(watcher::Event::InitDone) => {
                    let owners = self.replace(namespace, std::mem::take(&mut listed));
                    match filled.take() {
                        Some(filled) => filled(),
                        None => owners.iter().for_each(|owner| changed(owner, None)),
                    }
                }
                Ok(watcher::Event::Apply(object)) => {
                    let (owner, told) = (Owner::of(&object), object.clone());
                    insert(&mut self.write(), object);
                    changed(&owner, Some(&told));
                }
                Ok(watcher::Event::Delete(object)) => {
                    remove(&mut self.write(), &object);
                    changed(&Owner::of(&object), Some(&object));
                }
                Err(error) => tracing::warn!(%error, "Watch is broken; trying again"),
            }
        }
    }

    /// Puts a new list in the place of the old one. Whose they were and are.
    fn replace(&self, namespace: Option<&str>, listed: Groups<V>) -> HashSet<Owner> {
        let mut groups = self.write();
        let is_listed =
            |owner: &Owner| namespace.is_none_or(|namespace| namespace == owner.namespace);
        let mut owners: HashSet<Owner> = listed.keys().cloned().collect();
        groups.retain(|owner, _| {
            let keeps = !is_listed(owner);
            if !keeps {
                owners.insert(owner.clone());
            }
            keeps
        });
        groups.extend(listed);
        owners
    }

    fn read(&self) -> RwLockReadGuard<'_, Groups<V>> {
        self.groups.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Groups<V>> {
        self.groups.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<K: ResourceExt, V: Kept<K>>(groups: &mut Groups<V>, object: K) {
    let (owner, name) = (Owner::of(&object), object.name_any());
    let group = groups.entry(owner).or_default();
    group.insert(name, Arc::new(V::keep(object)));
}

fn remove<K: ResourceExt, V>(groups: &mut Groups<V>, object: &K) {
    let owner = Owner::of(object);
    if let Some(group) = groups.get_mut(&owner) {
        group.remove(&object.name_any());
        if group.is_empty() {
            groups.remove(&owner);
        }
    }
}

/// The children of all resources.
#[derive(Debug, Default)]
pub struct Caches {
    /// What workers run as.
    pub accounts: Cache<ServiceAccount, Packed>,
    /// Their configuration.
    pub config_maps: Cache<ConfigMap, Packed>,
    /// Schedules.
    pub cron_jobs: Cache<CronJob, Packed>,
    /// Those of the resources themselves, and those that CronJobs made, without the specs of their pods.
    pub jobs: Cache<Job>,
    /// Streams.
    pub deployments: Cache<Deployment, Packed>,
    /// The pods of all of them, without their specs.
    pub pods: Cache<Pod>,
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use futures::stream;
    use serde_json::json;
    use watcher::Event;

    use super::*;

    fn account(namespace: &str, instance: &str, name: &str) -> ServiceAccount {
        let object = json!({"metadata": {
            "namespace": namespace, "name": name, "labels": {"app.kubernetes.io/instance": instance},
        }});
        serde_json::from_value(object).unwrap()
    }

    fn names(some: &[Arc<ServiceAccount>]) -> Vec<String> {
        let mut names: Vec<_> = some.iter().map(|one| one.name_any()).collect();
        names.sort();
        names
    }

    #[tokio::test]
    async fn a_new_list_replaces_what_was_known_of_its_namespace_only() {
        let cache = Cache::<ServiceAccount, Packed>::default();
        let elsewhere = Event::InitApply(account("other", "wiki", "x"));
        let first = [Event::Init, elsewhere, Event::InitDone].map(Ok);
        cache
            .keep(Some("other"), stream::iter(first), |_, _| {}, || {})
            .await;

        let told = RefCell::new(Vec::new());
        let filled = RefCell::new(0);
        let events = vec![
            Event::Init,
            Event::InitApply(account("n", "wiki", "a")),
            Event::InitApply(account("n", "wiki", "b")),
            Event::InitDone,
            Event::Apply(account("n", "wiki", "c")),
            Event::Delete(account("n", "wiki", "a")),
            // The watch broke, `b` went meanwhile.
            Event::Init,
            Event::InitApply(account("n", "wiki", "c")),
            Event::InitDone,
        ];
        let changed = |owner: &Owner, one: Option<&ServiceAccount>| {
            let name = one.map_or(owner.instance.clone(), ResourceExt::name_any);
            told.borrow_mut().push(name);
        };
        cache
            .keep(
                Some("n"),
                stream::iter(events.into_iter().map(Ok)),
                changed,
                || {
                    *filled.borrow_mut() += 1;
                },
            )
            .await;
        let mine = Owner::of(&account("n", "wiki", ""));
        assert_eq!(names(&cache.of(&mine)), ["c"]);
        assert_eq!(names(&cache.all()), ["c", "x"]);
        assert_eq!(*filled.borrow(), 1);
        // Whoever was in the list before, or is now, is looked at.
        assert_eq!(told.into_inner(), ["c", "a", "wiki"]);
        assert!(cache.of(&Owner::of(&account("n", "other", ""))).is_empty());
    }
}
