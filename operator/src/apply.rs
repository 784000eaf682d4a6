//! Makes what is there what it has to be: server-side apply of what differs, removal of what is too much.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::GroupVersionKind,
};
use serde::Serialize;
use serde_json::{Value, json};

use crate::{
    build::{Child, Children, Kind, Lane},
    dereference::Found,
    error::{Error, call},
    names,
    status::{job, schema},
};

/// A version that no object is ever at: applied with it, an object is made, or is a conflict when it is there.
const NONE_HAS: &str = "1";

/// How long a backfill's Job is kept after its end.
const KEPT: u32 = 24 * 3600;

/// How long a backfill that failed waits before it is tried again as it is.
const RETRY: SignedDuration = SignedDuration::from_mins(30);

/// The same of the schema, which everything waits for.
const RETRY_MIGRATION: SignedDuration = SignedDuration::from_mins(2);

/// What the API server made of what was applied: the hash of that, and the generation of the object since then.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, (String, i64)>>);

impl Memory {
    fn note(&self, live: &impl ResourceExt, child: &Child) {
        if let (Some(uid), Some(generation)) = (live.uid(), live.meta().generation) {
            self.lock().insert(uid, (applied(child), generation));
        }
    }

    /// Whether the object is as it was when this was applied.
    fn knows(&self, live: &impl ResourceExt, child: &Child) -> bool {
        let (Some(uid), Some(generation)) = (live.uid(), live.meta().generation) else {
            return false;
        };
        self.lock().get(&uid) == Some(&(applied(child), generation))
    }

    fn forget(&self, live: &impl ResourceExt) {
        if let Some(uid) = live.uid() {
            self.lock().remove(&uid);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (String, i64)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn applied(child: &Child) -> String {
    let hash = child.object["metadata"]["annotations"][names::APPLIED].as_str();
    hash.unwrap_or_default().to_owned()
}

/// What was done, for events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Children that were made or changed: kind and name.
    pub applied: Vec<String>,
    /// Children that were removed.
    pub pruned: Vec<String>,
}

/// Applies to one namespace, for one owner.
pub struct Applier<'a> {
    /// The API server.
    pub client: &'a Client,
    /// Where the children are.
    pub namespace: &'a str,
    /// Whose children they are.
    pub uid: &'a str,
    /// What is there.
    pub found: &'a Found,
    /// What was applied before.
    pub memory: &'a Memory,
    /// The time.
    pub now: Timestamp,
    /// What was done so far.
    pub done: Done,
}

impl<'a> Applier<'a> {
    /// Applies all children, in an order in which none waits for a later one; whatever writes only once the schema is
    /// ready. Backfills run on the connections that `may_run` grants.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn apply(
        &mut self,
        children: &Children,
        held: &HashSet<String>,
    ) -> Result<(), Error> {
        self.one(&children.account, &self.found.accounts).await?;
        self.one(&children.config, &self.found.config_maps).await?;
        if let Some(migrate) = &children.migrate {
            // Another version's may still be at work: never two at once.
            if !schema::other_is_running(&migrate.name, &self.found.jobs, &self.found.pods) {
                self.migrate(migrate).await?;
            }
        }
        if !schema::is_ready(children.migrate.as_ref(), &self.found.jobs) {
            return self.prune(children).await;
        }
        for child in &children.schedules {
            self.one(child, &self.found.cron_jobs).await?;
        }
        for child in &children.streams {
            self.one(child, &self.found.deployments).await?;
        }
        for child in &children.runs {
            self.once(child).await?;
        }
        // What is wrong with one backfill keeps none of the others, and nothing that is too much.
        let mut result = Ok(());
        for plan in &children.backfills {
            for Lane { job, .. } in &plan.lanes {
                let lane = if plan.done {
                    self.expire(job).await
                } else {
                    self.lane(job, held.contains(&job.name)).await
                };
                result = result.and(lane);
            }
        }
        self.prune(children).await?;
        result
    }

    /// A child that may change.
    async fn one<K: ResourceExt + Serialize>(
        &mut self,
        child: &Child,
        live: &[Arc<K>],
    ) -> Result<(), Error> {
        let live = live.iter().find(|live| live.name_any() == child.name);
        let same = live.is_some_and(|live| {
            let Ok(value) = serde_json::to_value(live.as_ref()) else {
                return false;
            };
            // Some values the API server writes in another way than they were given, such as `0.5` as `500m`.
            holds(&value, &child.object)
                || (self.memory.knows(live.as_ref(), child)
                    && holds(&value["metadata"], &child.object["metadata"]))
        });
        match live {
            Some(_) if same => Ok(()),
            Some(_) => self.patch(child).await,
            None => self.make(child).await,
        }
    }

    /// A Job: most of it cannot change once it is there.
    async fn once(&mut self, child: &Child) -> Result<(), Error> {
        match self.job(child) {
            Some(_) => Ok(()),
            None => self.make(child).await,
        }
    }

    /// The schema's Job. One that failed for what may pass is made again in a while.
    async fn migrate(&mut self, child: &Child) -> Result<(), Error> {
        let Some(live) = self.job(child) else {
            return self.make(child).await;
        };
        match job::finished(live) {
            Some(finished)
                if !finished.succeeded
                    && !schema::is_hopeless(live, &self.found.pods)
                    && self.now.duration_since(finished.at) > RETRY_MIGRATION =>
            {
                self.delete(Kind::Job, live).await
            }
            _ => Ok(()),
        }
    }

    /// A Job that is suspended and resumed.
    async fn lane(&mut self, child: &Child, held: bool) -> Result<(), Error> {
        let suspend = held || child.object["spec"]["suspend"] == json!(true);
        let Some(live) = self.job(child) else {
            let mut child = child.clone();
            child.object["spec"]["suspend"] = suspend.into();
            return self.make(&child).await;
        };
        if let Some(finished) = job::finished(live) {
            // What made it fail may be mended: it is made again at the next look, and finds what it loaded.
            let waits = self.now.duration_since(finished.at) < RETRY;
            return if finished.succeeded || (waits && same_start(live, child)) {
                Ok(())
            } else {
                self.delete(Kind::Job, live).await
            };
        }
        // What it was started with has changed, and nothing of it runs: perhaps it cannot.
        if !same_start(live, child) && !schema::is_running(live, &self.found.pods) {
            return self.delete(Kind::Job, live).await;
        }
        let is = live.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
        if is == suspend {
            return Ok(());
        }
        self.merge(child, json!({"suspend": suspend})).await
    }

    /// Lets the cluster remove a Job some time after its end. Not before its outcome is in the status of the resource,
    /// or it would be made, and run, again.
    async fn expire(&mut self, child: &Child) -> Result<(), Error> {
        let spec = self.job(child).and_then(|job| job.spec.as_ref());
        match spec {
            Some(spec) if spec.ttl_seconds_after_finished.is_none() => {
                self.merge(child, json!({"ttlSecondsAfterFinished": KEPT}))
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Changes what may be changed of a Job.
    async fn merge(&mut self, child: &Child, spec: Value) -> Result<(), Error> {
        let api: Api<Job> = Api::namespaced(self.client.clone(), self.namespace);
        let params = PatchParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"spec": spec}));
        let what = format!("change Job {}", child.name);
        call(what, api.patch(&child.name, &params, &patch)).await?;
        self.done.applied.push(format!("Job {}", child.name));
        Ok(())
    }

    fn job(&self, child: &Child) -> Option<&'a Job> {
        let mut jobs = self.found.jobs.iter();
        jobs.find(|job| job.name_any() == child.name)
            .map(Arc::as_ref)
    }

    async fn patch(&mut self, child: &Child) -> Result<(), Error> {
        self.send(child, &child.object).await
    }

    async fn send(&mut self, child: &Child, object: &Value) -> Result<(), Error> {
        let (_, kind) = child.kind.names();
        let api = self.api(child.kind);
        let params = PatchParams::apply(names::MANAGER)
            .force()
            .validation_strict();
        let what = format!("apply {kind} {}", child.name);
        let live = call(what, api.patch(&child.name, &params, &Patch::Apply(object))).await?;
        self.memory.note(&live, child);
        self.done.applied.push(format!("{kind} {}", child.name));
        Ok(())
    }

    /// A child that is not there, as far as is known. What has its name all the same is never taken over when it is
    /// somebody else's.
    async fn make(&mut self, child: &Child) -> Result<(), Error> {
        let mut object = child.object.clone();
        object["metadata"]["resourceVersion"] = json!(NONE_HAS);
        match self.send(child, &object).await {
            Err(Error::Api { source, .. }) if is_conflict(&source) => {}
            made => return made,
        }
        let ((_, kind), name) = (child.kind.names(), child.name.as_str());
        let api = self.api(child.kind);
        let found = api.get_metadata_opt(name);
        match call(format!("look for {kind} {name}"), found).await? {
            Some(found) if !self.owns(&found) => Err(Error::NameTaken {
                kind,
                name: name.to_owned(),
            }),
            _ => self.patch(child).await,
        }
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), self.namespace, &resource(kind))
    }

    fn owns(&self, live: &impl ResourceExt) -> bool {
        let mut owners = live.owner_references().iter();
        owners.any(|owner| owner.uid == self.uid)
    }

    /// Removes children of this owner that are not wanted any more. A run that has begun finishes: its CronJob is only
    /// suspended until then.
    async fn prune(&mut self, children: &Children) -> Result<(), Error> {
        let wanted: HashSet<(Kind, &str)> = wanted(children)
            .map(|child| (child.kind, child.name.as_str()))
            .collect();
        for cron_job in &self.found.cron_jobs {
            if self.is_surplus(cron_job.as_ref(), Kind::CronJob, &wanted) {
                self.retire(cron_job).await?;
            }
        }
        for deployment in &self.found.deployments {
            if self.is_surplus(deployment.as_ref(), Kind::Deployment, &wanted) {
                self.delete(Kind::Deployment, deployment.as_ref()).await?;
            }
        }
        for job in &self.found.jobs {
            let surplus = self.is_surplus(job.as_ref(), Kind::Job, &wanted);
            // Runs that were asked for end by themselves and are removed by their own clock.
            let expires = job.labels().get(names::COMPONENT).map(String::as_str) == Some("batch");
            let migrates = schema::is_migration(job) && schema::is_running(job, &self.found.pods);
            if surplus && !expires && !migrates {
                self.delete(Kind::Job, job.as_ref()).await?;
            }
        }
        Ok(())
    }

    fn is_surplus<K: ResourceExt>(
        &self,
        live: &K,
        kind: Kind,
        wanted: &HashSet<(Kind, &str)>,
    ) -> bool {
        self.owns(live)
            && live.meta().deletion_timestamp.is_none()
            && !wanted.contains(&(kind, live.name_any().as_str()))
    }

    async fn retire(&mut self, cron_job: &CronJob) -> Result<(), Error> {
        let status = cron_job.status.as_ref();
        let busy = status
            .and_then(|status| status.active.as_ref())
            .is_some_and(|active| !active.is_empty());
        if !busy {
            return self.delete(Kind::CronJob, cron_job).await;
        }
        if cron_job.spec.suspend == Some(true) {
            return Ok(());
        }
        let api: Api<CronJob> = Api::namespaced(self.client.clone(), self.namespace);
        let name = cron_job.name_any();
        let patch = Patch::Merge(json!({"spec": {"suspend": true}}));
        call(
            format!("suspend CronJob {name}"),
            api.patch(&name, &PatchParams::default(), &patch),
        )
        .await?;
        Ok(())
    }

    async fn delete<K: ResourceExt>(&mut self, kind: Kind, live: &K) -> Result<(), Error> {
        let (_, kind_name) = kind.names();
        let name = live.name_any();
        let api = self.api(kind);
        let params = DeleteParams::background().preconditions(Preconditions {
            uid: live.uid(),
            resource_version: None,
        });
        match call(
            format!("delete {kind_name} {name}"),
            api.delete(&name, &params),
        )
        .await
        {
            Err(Error::Api { source, .. }) if is_not_found(&source) => {}
            other => drop(other?),
        }
        self.memory.forget(live);
        self.done.pruned.push(format!("{kind_name} {name}"));
        Ok(())
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
}

fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

fn wanted(children: &Children) -> impl Iterator<Item = &Child> {
    let lanes = children.backfills.iter().flat_map(|plan| &plan.lanes);
    (children.migrate.iter())
        .chain(&children.schedules)
        .chain(&children.runs)
        .chain(&children.streams)
        .chain(lanes.map(|lane| &lane.job))
}

fn resource(kind: Kind) -> ApiResource {
    let (api_version, kind) = kind.names();
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
}

fn same_start(live: &Job, child: &Child) -> bool {
    let started_with = live.annotations().get(names::STARTED_WITH);
    let would = child.object["metadata"]["annotations"][names::STARTED_WITH].as_str();
    started_with.map(String::as_str) == would
}

/// Whether an object has all that another one says, whatever else the API server and others have added.
fn holds(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            // The typed form leaves them out.
            matches!(key.as_str(), "apiVersion" | "kind")
                || live
                    .get(key)
                    .map_or(is_empty(wanted), |live| holds(live, wanted))
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| holds(live, wanted))
        }
        (live, wanted) => live == wanted,
    }
}

/// The API server leaves out what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_add_is_no_difference_and_what_they_change_is() {
        let wanted = json!({"kind": "CronJob", "spec": {"suspend": false, "list": [{"a": 1}], "selector": {}}});
        let live = json!({"spec": {"list": [{"a": 1, "default": "x"}], "added": 2}, "status": {}});
        assert!(holds(&live, &wanted));
        for changed in [
            json!({"spec": {"suspend": true, "list": [{"a": 1}]}}),
            json!({"spec": {"list": [{"a": 2}]}}),
            json!({"spec": {"list": [{"a": 1}, {"b": 1}]}}),
            json!({"spec": {}}),
        ] {
            assert!(!holds(&changed, &wanted), "{changed}");
        }
    }
}
