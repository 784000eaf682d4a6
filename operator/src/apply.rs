//! Makes what is there what it has to be: server-side apply of what differs, removal of what is too much.

mod stop;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::{
    api::{
        batch::v1::{CronJob, Job},
        core::v1::Pod,
    },
    apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference},
};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, Preconditions},
    core::GroupVersionKind,
};
use serde::Serialize;
use serde_json::{Value, json};
use wikiingest_crds::worker::ExitCode;

use crate::{
    admission,
    build::{Child, Children, Kind, Lane},
    dereference::Found,
    error::{Error, call, is_not_found},
    names,
    status::{job, schema},
};

/// A version that no object is ever at: applied with it, an object is made, or is a conflict when it is there.
const NONE_HAS: &str = "1";

/// How long a backfill's Job is kept after its end.
const KEPT: u32 = 24 * 3600;

/// How long a backfill that failed waits before it is tried again as it is.
const RETRY: SignedDuration = SignedDuration::from_mins(30);

/// The same where its host lacks files: what a mirror has not, it will not have in half an hour.
const RETRY_INCOMPLETE: SignedDuration = SignedDuration::from_hours(24);

/// The same of the schema, which everything waits for.
const RETRY_MIGRATION: SignedDuration = SignedDuration::from_mins(2);

/// What the API server made of what was applied.
#[derive(Debug, Default)]
pub struct Memory {
    /// Of each object, by its uid: the hash of what was applied, and the generation of the object since then.
    objects: Mutex<HashMap<String, (String, i64)>>,
    /// The kinds all of whose fields the API server knows. To look for others costs it a tenth of an apply.
    kinds: Mutex<HashSet<Kind>>,
}

impl Memory {
    fn note(&self, live: &impl ResourceExt, child: &Child) {
        if let (Some(uid), Some(generation)) = (live.uid(), live.meta().generation) {
            self.lock().insert(uid, (applied(child), generation));
        }
        self.kinds().insert(child.kind);
    }

    /// How an object is applied: an API server that is too old to know a field is to say so, and not to drop it.
    fn params(&self, kind: Kind) -> PatchParams {
        let params = PatchParams::apply(names::MANAGER).force();
        if self.kinds().contains(&kind) {
            params.validation_ignore()
        } else {
            params.validation_strict()
        }
    }

    fn kinds(&self) -> MutexGuard<'_, HashSet<Kind>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
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
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Done {
    /// Notes a child that was made or changed, once.
    fn applied(&mut self, child: String) {
        if !self.applied.contains(&child) {
            self.applied.push(child);
        }
    }
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
    /// ready. The backfill Jobs in `held` wait.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn apply(
        &mut self,
        children: &Children,
        held: &HashSet<String>,
    ) -> Result<(), Error> {
        self.one(&children.account, &self.found.accounts).await?;
        let config = children.config_in_use(&self.found.config_maps, &self.found.jobs);
        self.one(&config, &self.found.config_maps).await?;
        self.migrations(children.migrate.as_ref()).await?;
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

    /// The schema's Jobs, never two at once: this one is made when no other one, nor any pod of it, is there. One that
    /// is at work ends first; one that has not begun, for want of its image, say, never does.
    async fn migrations(&mut self, wanted: Option<&Child>) -> Result<(), Error> {
        let found = self.found;
        let others: Vec<&Job> = (found.jobs.iter().map(Arc::as_ref))
            .filter(|job| schema::is_migration(job) && job::finished(job).is_none())
            .filter(|job| wanted.is_none_or(|wanted| wanted.name != job.name_any()))
            .collect();
        for other in &others {
            if other.metadata.deletion_timestamp.is_none()
                && !schema::is_running(other, &found.pods)
            {
                // It is there until its pods are gone.
                let params = DeleteParams::foreground();
                self.delete_by(params, Kind::Job, *other).await?;
            }
        }
        match wanted {
            Some(wanted) if others.is_empty() => self.migrate(wanted).await,
            _ => Ok(()),
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
            return if finished.succeeded || stays(live, child, &self.found.pods, self.now) {
                Ok(())
            } else {
                self.delete(Kind::Job, live).await
            };
        }
        // What it is told has changed: the part that is under way is loaded, and the rest is done anew. Another image
        // alone is a reason only if this one cannot be had: all parts would be looked at again.
        let is_outdated = !same_told(live, child) && !schema::is_running(live, &self.found.pods);
        let is_stuck = !same_image(live, child) && job::is_stuck(live, &self.found.pods);
        if is_outdated || is_stuck {
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
        self.adjust(Kind::Job, &child.name, spec).await
    }

    /// Changes some fields of what is there, if it is still there.
    async fn adjust(&mut self, kind: Kind, name: &str, spec: Value) -> Result<(), Error> {
        let (_, kind_name) = kind.names();
        let api = self.api(kind);
        let params = PatchParams {
            field_manager: Some(names::MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(json!({"spec": spec}));
        let what = format!("change {kind_name} {name}");
        match call(what, api.patch(name, &params, &patch)).await {
            // Gone meanwhile: its watch tells.
            Err(Error::Api { source, .. }) if is_not_found(&source) => return Ok(()),
            other => drop(other?),
        }
        self.done.applied(format!("{kind_name} {name}"));
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
        let params = self.memory.params(child.kind);
        let what = format!("apply {kind} {}", child.name);
        let patch = Patch::Apply(object);
        let live = call(what, api.patch_metadata(&child.name, &params, &patch)).await?;
        self.memory.note(&live, child);
        self.done.applied(format!("{kind} {}", child.name));
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
        let Some(found) = call(format!("look for {kind} {name}"), found).await? else {
            return self.patch(child).await;
        };
        let name = name.to_owned();
        match whose(&found.metadata, &child.object["metadata"]) {
            Whose::Its => self.patch(child).await,
            Whose::ItsPredecessor => Err(Error::Leaving { kind, name }),
            Whose::SomebodyElse => Err(Error::NameTaken { kind, name }),
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
    /// suspended until then, and of a backfill the part that is under way is loaded.
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
            // These go in their own way.
            let migrates = schema::is_migration(job) && job::finished(job).is_none();
            let loads = admission::is_backfill(job) && schema::is_running(job, &self.found.pods);
            if surplus && !expires && !migrates && !loads {
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
        let spec = json!({"suspend": true});
        self.adjust(Kind::CronJob, &cron_job.name_any(), spec).await
    }

    async fn delete<K: ResourceExt>(&mut self, kind: Kind, live: &K) -> Result<(), Error> {
        self.delete_by(DeleteParams::background(), kind, live).await
    }

    async fn delete_by<K: ResourceExt>(
        &mut self,
        params: DeleteParams,
        kind: Kind,
        live: &K,
    ) -> Result<(), Error> {
        let (_, kind_name) = kind.names();
        let name = live.name_any();
        let api = self.api(kind);
        let params = params.preconditions(Preconditions {
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

/// Whose an object is that has the name of a child.
#[derive(Debug, PartialEq, Eq)]
enum Whose {
    Its,
    /// It goes with a resource of the same name that was deleted, or goes anyway.
    ItsPredecessor,
    SomebodyElse,
}

fn whose(found: &ObjectMeta, child: &Value) -> Whose {
    let would_own = &child["ownerReferences"][0];
    let owners = || found.owner_references.iter().flatten();
    let is_named_so = |owner: &OwnerReference| {
        let is_so = |field: &str, value: &str| would_own[field].as_str() == Some(value);
        is_so("kind", &owner.kind)
            && is_so("apiVersion", &owner.api_version)
            && is_so("name", &owner.name)
    };
    if owners().any(|owner| would_own["uid"].as_str() == Some(&owner.uid)) {
        Whose::Its
    } else if found.deletion_timestamp.is_some() || owners().any(is_named_so) {
        Whose::ItsPredecessor
    } else {
        Whose::SomebodyElse
    }
}

fn is_conflict(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 409)
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

/// Whether a Job that failed is left as it is: for a while, and for good where only a person can mend what it failed for.
fn stays(live: &Job, child: &Child, pods: &[Arc<Pod>], now: Timestamp) -> bool {
    let ended = job::finished(live).map(|finished| finished.at);
    let words = job::last_words(pods, job::is_of(live));
    let is_incomplete =
        words.is_some_and(|words| words.exit_code == i32::from(ExitCode::UnitsMissing.code()));
    let wait = if is_incomplete {
        RETRY_INCOMPLETE
    } else {
        RETRY
    };
    let is_recent = ended.is_some_and(|ended| now.duration_since(ended) < wait);
    (is_recent || schema::is_hopeless(live, pods)) && same_start(live, child)
}

/// Whether a backfill's Job was started with what it would be started with now.
pub(crate) fn same_start(live: &Job, child: &Child) -> bool {
    same_told(live, child) && same_image(live, child)
}

/// Whether it is told what it would be told now.
fn same_told(live: &Job, child: &Child) -> bool {
    let told = live.annotations().get(names::STARTED_WITH);
    let would = child.object["metadata"]["annotations"][names::STARTED_WITH].as_str();
    told.map(String::as_str) == would
}

fn same_image(live: &Job, child: &Child) -> bool {
    let pod = (live.spec.as_ref()).and_then(|spec| spec.template.spec.as_ref());
    let image = pod.and_then(|pod| pod.containers.first()?.image.as_deref());
    image == child.object["spec"]["template"]["spec"]["containers"][0]["image"].as_str()
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

    /// A Job, and as it would be started now.
    fn a_lane(started_with: &str, would: &str) -> (Job, Child) {
        let job = json!({
            "metadata": {
                "name": "lane", "uid": "j",
                "annotations": {(names::STARTED_WITH): started_with},
            },
            "status": {"conditions": [
                {"type": "Failed", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"},
            ]},
        });
        let child = Child {
            kind: Kind::Job,
            name: "lane".to_owned(),
            object: json!({"metadata": {"annotations": {(names::STARTED_WITH): would}}}),
        };
        (serde_json::from_value(job).unwrap(), child)
    }

    fn its_pod(exit_code: i32) -> Arc<Pod> {
        let pod = json!({
            "metadata": {"ownerReferences": [
                {"apiVersion": "batch/v1", "kind": "Job", "name": "lane", "uid": "j"},
            ]},
            "status": {"containerStatuses": [{
                "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
                "state": {"terminated": {"exitCode": exit_code, "finishedAt": "2026-01-01T00:00:00Z"}},
            }]},
        });
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_backfill_that_failed_is_tried_again_unless_only_a_person_can_mend_it() {
        let (job, same) = a_lane("a", "a");
        let soon = "2026-01-01T00:29:00Z".parse().unwrap();
        let late = "2026-01-01T00:31:00Z".parse().unwrap();
        // What a mirror lacks is not asked for all the time.
        let next_day = "2026-01-02T00:01:00Z".parse().unwrap();
        assert!(stays(&job, &same, &[its_pod(2)], late));
        assert!(!stays(&job, &same, &[its_pod(2)], next_day));
        for exit_code in [1, 137] {
            assert!(
                stays(&job, &same, &[its_pod(exit_code)], soon),
                "{exit_code}"
            );
            assert!(
                !stays(&job, &same, &[its_pod(exit_code)], late),
                "{exit_code}"
            );
        }
        let (_, changed) = a_lane("a", "b");
        for exit_code in [64, 77] {
            assert!(
                stays(&job, &same, &[its_pod(exit_code)], late),
                "{exit_code}"
            );
            assert!(
                !stays(&job, &changed, &[its_pod(exit_code)], soon),
                "{exit_code}"
            );
        }
    }

    #[test]
    fn what_goes_with_a_resource_that_was_deleted_is_waited_for_and_no_one_else_s() {
        let owner = |kind: &str, name: &str, uid: &str| json!({"apiVersion": "wikiingest.dev/v1alpha1", "kind": kind, "name": name, "uid": uid});
        let child = json!({"ownerReferences": [owner("WikiIngest", "wiki", "new")]});
        let of = |metadata: Value| whose(&serde_json::from_value(metadata).unwrap(), &child);
        let owned_by = |owner: Value| of(json!({"ownerReferences": [owner]}));
        let its = owned_by(owner("WikiIngest", "wiki", "new"));
        assert_eq!(its, Whose::Its);
        let predecessor = owned_by(owner("WikiIngest", "wiki", "old"));
        assert_eq!(predecessor, Whose::ItsPredecessor);
        let going = of(json!({"deletionTimestamp": "2026-01-01T00:00:00Z"}));
        assert_eq!(going, Whose::ItsPredecessor);
        for other in [
            of(json!({})),
            owned_by(owner("WikiIngest", "other", "old")),
            owned_by(owner("CronJob", "wiki", "old")),
        ] {
            assert_eq!(other, Whose::SomebodyElse);
        }
    }
}
