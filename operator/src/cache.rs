//! What there is of the children of all resources, kept by watches, and found by whose it is.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use futures::{Stream, StreamExt as _};
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::{CronJob, Job},
    core::v1::{ConfigMap, Pod, ServiceAccount},
};
use kube::{ResourceExt, runtime::watcher};

use crate::names;

/// The resource that an object is a child of, directly or through a CronJob or a Job.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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

type Groups<K> = HashMap<Owner, HashMap<String, Arc<K>>>;

/// The objects of a kind.
#[derive(Debug)]
pub struct Cache<K>(RwLock<Groups<K>>);

impl<K> Default for Cache<K> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<K: ResourceExt + 'static> Cache<K> {
    /// The children of a resource.
    #[must_use]
    pub fn of(&self, owner: &Owner) -> Vec<Arc<K>> {
        let groups = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let group = groups.get(owner);
        group
            .into_iter()
            .flat_map(HashMap::values)
            .cloned()
            .collect()
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<K>> {
        let groups = self.0.read().unwrap_or_else(PoisonError::into_inner);
        groups.values().flat_map(HashMap::values).cloned().collect()
    }

    /// Does what the events of a watch of one namespace, or of all, say, as long as there are any. `changed` hears of
    /// every object that came, changed or went, after it can be found here as it is now; of none of the first list.
    /// `filled` is called when that is complete.
    pub async fn keep(
        &self,
        namespace: Option<&str>,
        events: impl Stream<Item = watcher::Result<watcher::Event<K>>>,
        changed: impl Fn(&K),
        filled: impl FnOnce(),
    ) {
        let mut filled = Some(filled);
        // What a new list has so far.
        let mut listed = Groups::default();
        let mut events = std::pin::pin!(events);
        while let Some(event) = events.next().await {
            match event {
                Ok(watcher::Event::Init) => listed.clear(),
                Ok(watcher::Event::InitApply(object)) => insert(&mut listed, Arc::new(object)),
                Ok(watcher::Event::InitDone) => {
                    let others = self.replace(namespace, std::mem::take(&mut listed));
                    match filled.take() {
                        Some(filled) => filled(),
                        // The watch was broken: anything may have happened.
                        None => others.iter().for_each(|object| changed(object)),
                    }
                }
                Ok(watcher::Event::Apply(object)) => {
                    let object = Arc::new(object);
                    insert(&mut self.write(), Arc::clone(&object));
                    changed(&object);
                }
                Ok(watcher::Event::Delete(object)) => {
                    remove(&mut self.write(), &object);
                    changed(&object);
                }
                Err(error) => tracing::warn!(%error, "Watch is broken; trying again"),
            }
        }
    }

    /// Puts a new list in the place of the old one. All that were or are in it.
    fn replace(&self, namespace: Option<&str>, listed: Groups<K>) -> Vec<Arc<K>> {
        let mut groups = self.write();
        let is_listed =
            |owner: &Owner| namespace.is_none_or(|namespace| namespace == owner.namespace);
        let mut all = Vec::new();
        groups.retain(|owner, group| {
            if is_listed(owner) {
                all.extend(group.values().cloned());
            }
            !is_listed(owner)
        });
        all.extend(listed.values().flat_map(HashMap::values).cloned());
        groups.extend(listed);
        all
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Groups<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<K: ResourceExt>(groups: &mut Groups<K>, object: Arc<K>) {
    let group = groups.entry(Owner::of(object.as_ref())).or_default();
    group.insert(object.name_any(), object);
}

fn remove<K: ResourceExt>(groups: &mut Groups<K>, object: &K) {
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
    pub accounts: Cache<ServiceAccount>,
    /// Their configuration.
    pub config_maps: Cache<ConfigMap>,
    /// Schedules.
    pub cron_jobs: Cache<CronJob>,
    /// Those of the resources themselves, and those that CronJobs made.
    pub jobs: Cache<Job>,
    /// Streams.
    pub deployments: Cache<Deployment>,
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
        let cache = Cache::default();
        let elsewhere = Event::InitApply(account("other", "wiki", "x"));
        let first = [Event::Init, elsewhere, Event::InitDone].map(Ok);
        cache
            .keep(Some("other"), stream::iter(first), |_| {}, || {})
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
        let changed = |one: &ServiceAccount| told.borrow_mut().push(one.name_any());
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
        let mut told = told.into_inner();
        assert_eq!(told[..2], ["c", "a"]);
        // Whoever was in the list before, or is now, is looked at.
        told[2..].sort();
        assert_eq!(told[2..], ["b", "c", "c"]);
        assert!(cache.of(&Owner::of(&account("n", "other", ""))).is_empty());
    }
}
