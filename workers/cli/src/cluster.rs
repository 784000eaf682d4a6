//! The calls to the API server.

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Event, Pod, PodSpec};
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DeleteParams, DynamicObject, ListParams, LogParams, Patch, PatchParams,
        PostParams,
    },
};
use serde_json::{Value, json};
use wikiingest_crds::{
    WikiIngest,
    names::{self, INSTANCE, SOURCE},
};

use crate::{args::Place, error::Error, kubeconfig};

/// The field manager of what is changed by hand.
const MANAGER: &str = "wikiingest";
/// How long a call may take, retries of the client's own included.
const LIMIT: Duration = Duration::from_secs(30);

/// A cluster, and a namespace of it.
#[derive(Clone)]
pub(crate) struct Cluster {
    client: Client,
    namespace: String,
}

impl Cluster {
    /// Reads the kubeconfig. Nothing is asked of the API server yet.
    pub(crate) async fn find(place: &Place) -> Result<Self, Error> {
        let config = kubeconfig::read(place).await?;
        let namespace = place.namespace.clone();
        let namespace = namespace.unwrap_or_else(|| config.default_namespace.clone());
        let client = kubeconfig::client(config)?;
        Ok(Self { client, namespace })
    }

    /// The namespace.
    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    fn what(&self, verb: &str, what: &str) -> String {
        format!("{verb} {what} in namespace {}", self.namespace)
    }

    fn ingests(&self) -> Api<WikiIngest> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// A resource.
    pub(crate) async fn get(&self, name: &str) -> Result<WikiIngest, Error> {
        let what = self.what("get", &format!("WikiIngest {name}"));
        match call(&what, self.ingests().get_opt(name)).await? {
            Some(ingest) => Ok(ingest),
            None => Err(self.missing(name).await),
        }
    }

    /// A resource, with all that this program knows nothing of.
    pub(crate) async fn get_raw(&self, name: &str) -> Result<Value, Error> {
        let what = self.what("get", &format!("WikiIngest {name}"));
        let kind = ApiResource::erase::<WikiIngest>(&());
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &self.namespace, &kind);
        match call(&what, api.get_opt(name)).await? {
            Some(ingest) => Ok(json!(ingest)),
            None => Err(self.missing(name).await),
        }
    }

    /// Why there is none of that name: there are others, or the cluster does not know what it is.
    async fn missing(&self, name: &str) -> Error {
        let others = match self.list().await {
            Ok(others) => others,
            Err(error @ Error::NoCrd) => return error,
            // The names would be of help, no more.
            Err(_) => Vec::new(),
        };
        let names: Vec<String> = others.iter().map(kube::ResourceExt::name_any).collect();
        Error::NoResource {
            name: name.to_owned(),
            namespace: self.namespace.clone(),
            instead: instead(&names),
        }
    }

    /// The resources of the namespace.
    pub(crate) async fn list(&self) -> Result<Vec<WikiIngest>, Error> {
        let what = self.what("list", "WikiIngests");
        let ingests = self.ingests();
        let list = call(&what, ingests.list(&ListParams::default())).await?;
        Ok(list.items)
    }

    /// The resources of all namespaces.
    pub(crate) async fn list_all(&self) -> Result<Vec<WikiIngest>, Error> {
        let ingests: Api<WikiIngest> = Api::all(self.client.clone());
        let what = "list WikiIngests in all namespaces";
        let list = call(what, ingests.list(&ListParams::default())).await?;
        Ok(list.items)
    }

    /// Changes a resource by a merge patch.
    pub(crate) async fn patch(&self, name: &str, patch: &Value) -> Result<WikiIngest, Error> {
        let what = self.what("patch", &format!("WikiIngest {name}"));
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let ingests = self.ingests();
        call(&what, ingests.patch(name, &params, &Patch::Merge(patch))).await
    }

    /// The warnings about a resource, of the last hour or so.
    pub(crate) async fn warnings(&self, ingest: &WikiIngest) -> Result<Vec<Event>, Error> {
        let events: Api<Event> = Api::namespaced(self.client.clone(), &self.namespace);
        let uid = ingest.uid().unwrap_or_default();
        let selector = format!("involvedObject.uid={uid},type=Warning");
        let params = ListParams::default().fields(&selector);
        let what = self.what("list", "events");
        Ok(call(&what, events.list(&params)).await?.items)
    }

    /// A Job, if it is there.
    pub(crate) async fn job(&self, name: &str) -> Result<Option<Job>, Error> {
        let what = self.what("get", &format!("Job {name}"));
        call(&what, self.jobs().get_opt(name)).await
    }

    /// Pods by a selector of their labels.
    pub(crate) async fn pods(&self, selector: &str) -> Result<Vec<Pod>, Error> {
        let what = self.what("list", "pods");
        let params = ListParams::default().labels(selector);
        Ok(call(&what, self.pod_api().list(&params)).await?.items)
    }

    /// The pods that the workers of a resource are started as: of each source with a schedule, and of each stream.
    pub(crate) async fn workers(&self, name: &str) -> Result<Vec<PodSpec>, Error> {
        let selector = format!("{INSTANCE}={}", names::instance(name));
        let params = ListParams::default().labels(&selector);
        let cron_jobs: Api<CronJob> = Api::namespaced(self.client.clone(), &self.namespace);
        let what = self.what("list", "CronJobs");
        let cron_jobs = call(&what, cron_jobs.list(&params)).await?;
        let streams: Api<Deployment> = Api::namespaced(self.client.clone(), &self.namespace);
        let what = self.what("list", "Deployments");
        let streams = call(&what, streams.list(&params)).await?;
        // The run that keeps to a retention reads from no host.
        let is_of_source = |cron_job: &CronJob| cron_job.labels().contains_key(SOURCE);
        let scheduled = cron_jobs.items.into_iter().filter(is_of_source);
        let scheduled = scheduled.filter_map(|one| one.spec.job_template.spec?.template.spec);
        let streams = streams.items.into_iter();
        let streams = streams.filter_map(|one| one.spec.template.spec);
        Ok(scheduled.chain(streams).collect())
    }

    /// What the API server is.
    pub(crate) async fn version(&self) -> Result<Info, Error> {
        call("ask for the version", self.client.apiserver_version()).await
    }

    /// Whether the API server would take a pod; none is made.
    pub(crate) async fn would_take(&self, pod: &Pod) -> Result<(), Error> {
        let params = PostParams {
            dry_run: true,
            field_manager: Some(MANAGER.to_owned()),
        };
        let what = self.what("try to create", "a worker's pod");
        let pods = self.pod_api();
        call(&what, pods.create(&params, pod)).await.map(drop)
    }

    /// Makes a Job.
    pub(crate) async fn make(&self, job: &Job) -> Result<(), Error> {
        let params = PostParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PostParams::default()
        };
        let what = self.what("create", "a Job");
        call(&what, self.jobs().create(&params, job))
            .await
            .map(drop)
    }

    /// Removes a Job and its pod.
    pub(crate) async fn remove(&self, name: &str) -> Result<(), Error> {
        let what = self.what("remove", &format!("Job {name}"));
        let params = DeleteParams::background();
        match call(&what, self.jobs().delete(name, &params)).await {
            Err(Error::Refused { said, .. }) if said.contains("not found") => Ok(()),
            other => other.map(drop),
        }
    }

    /// All that a pod has said.
    pub(crate) async fn log(&self, pod: &str) -> Result<String, Error> {
        let what = self.what("get", &format!("the log of pod {pod}"));
        call(&what, self.pod_api().logs(pod, &LogParams::default())).await
    }

    fn jobs(&self) -> Api<Job> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All pods of the namespace, for their logs.
    pub(crate) fn pod_api(&self) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }
}

/// What can be named instead.
fn instead(names: &[String]) -> String {
    if names.is_empty() {
        return "there is none here; name another namespace with --namespace, or look at all with `wikiingest status -A`"
            .to_owned();
    }
    format!(
        "there are {}; or name another namespace with --namespace",
        names.join(", ")
    )
}

/// Makes a call; `what` completes the sentence "cannot …".
pub(crate) async fn call<T>(
    what: &str,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer.map_err(|error| Error::of(what, &error)),
        Err(_) => Err(Error::Timeout {
            what: what.to_owned(),
            limit: LIMIT,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_names_are_told_where_there_are_any() {
        let told = instead(&["a".to_owned(), "b".to_owned()]);
        assert!(told.starts_with("there are a, b; "), "{told}");
        assert!(instead(&[]).contains("wikiingest status -A"));
    }
}
