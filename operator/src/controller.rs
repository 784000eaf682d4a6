//! The loop: whatever changes of a resource, its children or its Secrets, the resource is reconciled.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::api::{
    apps::v1::Deployment,
    batch::v1::{CronJob, Job},
    core::v1::Secret,
};
use kube::{
    Api, Client, ResourceExt as _,
    api::{PartialObjectMeta, Patch, PatchParams},
    runtime::{
        Controller, WatchStreamExt as _,
        controller::{Action, Config},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{WikiIngest, WikiIngestStatus};

use crate::{
    admission,
    apply::{Applier, Done},
    build::build,
    dereference::{Found, dereference, secrets_of},
    error::{Error, call},
    events::{self, Publisher},
    metrics::Metrics,
    names,
    settings::Settings,
    status::{Outcome, status},
    validate::validate,
};

/// Reconciles at the same time.
const ABREAST: u16 = 8;
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How often a resource is looked at when nothing happens.
const EVERY: Duration = Duration::from_mins(5);
/// The same, while it is not ready: what its pods wait for is told by none of the objects that are watched.
const UNREADY: Duration = Duration::from_secs(10);
/// The first wait after a failure, and the longest.
const BACKOFF: (Duration, Duration) = (Duration::from_secs(1), Duration::from_mins(2));

/// What reconciles share.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// What the operator was installed with.
    pub settings: Settings,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Where events go.
    pub publisher: Publisher,
    /// The Jobs of all namespaces that are looked after.
    jobs: Store<Job>,
    /// How often each resource failed in a row.
    failures: Mutex<HashMap<String, u32>>,
}

/// Runs until it is stopped. An empty list of namespaces is all of them.
///
/// # Errors
/// When the CRD is not there and `stop` comes first: never.
pub async fn run(
    client: Client,
    settings: Settings,
    metrics: Arc<Metrics>,
    publisher: Publisher,
    namespace: Option<&str>,
    stop: CancellationToken,
) {
    let ours =
        watcher::Config::default().labels(&format!("{}={}", names::MANAGED_BY, names::MANAGER));
    let ingests: Api<WikiIngest> = api(&client, namespace);
    let (jobs, writer) = reflector::store();
    let context = Arc::new(Context {
        client: client.clone(),
        settings,
        metrics: Arc::clone(&metrics),
        publisher,
        jobs,
        failures: Mutex::default(),
    });
    let watching = reflector::reflector(
        writer,
        watcher(api::<Job>(&client, namespace), ours.clone()),
    )
    .default_backoff()
    .touched_objects()
    .for_each(|_| async {});
    tokio::spawn(stop.clone().run_until_cancelled_owned(watching));

    let controller = Controller::new(ingests, watcher::Config::default().any_semantic());
    let (of_jobs, of_secrets) = (controller.store(), controller.store());
    let synced = controller.store();
    tokio::spawn(async move {
        if synced.wait_until_ready().await.is_ok() {
            metrics.synced();
        }
    });
    let stopping = stop.clone();
    controller
        .with_config(Config::default().concurrency(ABREAST).debounce(DEBOUNCE))
        .owns(api::<CronJob>(&client, namespace), ours.clone())
        .owns(api::<Deployment>(&client, namespace), ours.clone())
        .watches(api::<Job>(&client, namespace), ours, move |job| {
            instances(&of_jobs, &job)
        })
        .watches(
            api::<PartialObjectMeta<Secret>>(&client, namespace),
            watcher::Config::default(),
            move |secret| users(&of_secrets, &secret),
        )
        .graceful_shutdown_on(async move { stopping.cancelled().await })
        .run(reconcile, on_error, context)
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, "Reconcile did not run");
            }
        })
        .await;
}

fn api<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope>,
    K::DynamicType: Default,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// The resource that a Job is a child of, directly or through a CronJob.
fn instances(ingests: &Store<WikiIngest>, job: &Job) -> Vec<ObjectRef<WikiIngest>> {
    let (namespace, instance) = (job.namespace(), job.labels().get(names::INSTANCE));
    let of = |ingest: &Arc<WikiIngest>| {
        ingest.namespace() == namespace && instance == Some(&names::instance(&ingest.name_any()))
    };
    let ingests = ingests.state();
    ingests
        .iter()
        .filter(|ingest| of(ingest))
        .map(|ingest| ObjectRef::from_obj(ingest.as_ref()))
        .collect()
}

/// The resources that name a Secret.
fn users(
    ingests: &Store<WikiIngest>,
    secret: &PartialObjectMeta<Secret>,
) -> Vec<ObjectRef<WikiIngest>> {
    let (namespace, name) = (secret.namespace(), secret.name_any());
    let names_it = |ingest: &Arc<WikiIngest>| {
        ingest.namespace() == namespace
            && secrets_of(&ingest.spec)
                .iter()
                .any(|var| var.secret == name)
    };
    let ingests = ingests.state();
    ingests
        .iter()
        .filter(|ingest| names_it(ingest))
        .map(|ingest| ObjectRef::from_obj(ingest.as_ref()))
        .collect()
}

async fn reconcile(ingest: Arc<WikiIngest>, context: Arc<Context>) -> Result<Action, Error> {
    let began = Instant::now();
    context.metrics.begin();
    let result = try_reconcile(&ingest, &context).await;
    let failed = result.as_ref().err().map(Error::reason);
    context.metrics.end(began.elapsed(), failed);
    if result.is_ok() {
        context.failures().remove(&key(&ingest));
    }
    result.map(|ready| Action::requeue(if ready { EVERY } else { UNREADY }))
}

/// Dereference, validate, build, apply, status. Whether the resource is ready, or left alone.
async fn try_reconcile(ingest: &WikiIngest, context: &Context) -> Result<bool, Error> {
    let paused = ingest.annotations().get(names::PAUSED).map(String::as_str) == Some("true");
    if ingest.metadata.deletion_timestamp.is_some() || paused {
        return Ok(true);
    }
    let found = dereference(&context.client, ingest).await?;
    let validated = match validate(ingest) {
        Ok(validated) => validated,
        Err(problems) => {
            let outcome = Outcome::Invalid(&problems);
            return tell(ingest, context, &found, &outcome, &Done::default()).await;
        }
    };
    if !found.unresolved.is_empty() {
        let outcome = Outcome::Unresolved(&found.unresolved);
        return tell(ingest, context, &found, &outcome, &Done::default()).await;
    }
    let children = build(validated, &context.settings, &found.secrets)?;
    let held = admission::held(&context.jobs.state(), validated.namespace);
    let mut applier = Applier {
        client: &context.client,
        namespace: validated.namespace,
        uid: validated.uid,
        found: &found,
        done: Done::default(),
    };
    let result = applier.apply(&children, &held).await;
    let done = applier.done;
    match result {
        Ok(()) => tell(ingest, context, &found, &Outcome::Applied(&children), &done).await,
        Err(error) => {
            tell(ingest, context, &found, &Outcome::Failed(&error), &done).await?;
            Err(error)
        }
    }
}

/// Writes the status, if it is another one, and tells of the turns. Whether the resource is ready.
async fn tell(
    ingest: &WikiIngest,
    context: &Context,
    found: &Found,
    outcome: &Outcome<'_>,
    done: &Done,
) -> Result<bool, Error> {
    let next = status(ingest, found, outcome, Timestamp::now());
    context.metrics.stands(ingest, &next);
    let turns = events::turns(ingest.status.as_ref(), &next, done);
    if ingest.status.as_ref() != Some(&next) {
        write(ingest, context, &next).await?;
    }
    context.publisher.publish(ingest, turns).await;
    let mut conditions = next.conditions.iter();
    Ok(conditions.any(|one| one.type_ == "Ready" && one.status == "True"))
}

async fn write(
    ingest: &WikiIngest,
    context: &Context,
    status: &WikiIngestStatus,
) -> Result<(), Error> {
    let api: Api<WikiIngest> = Api::namespaced(
        context.client.clone(),
        &ingest.namespace().unwrap_or_default(),
    );
    let patch = json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "status": status,
    });
    let params = PatchParams::apply(names::STATUS_MANAGER).force();
    let name = ingest.name_any();
    call(
        format!("write the status of {name}"),
        api.patch_status(&name, &params, &Patch::Apply(&patch)),
    )
    .await?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "the controller calls it so")]
fn on_error(ingest: Arc<WikiIngest>, error: &Error, context: Arc<Context>) -> Action {
    let mut failures = context.failures();
    let count = failures.entry(key(&ingest)).or_insert(0);
    let (first, longest) = BACKOFF;
    let wait = first
        .saturating_mul(2_u32.saturating_pow(*count))
        .min(longest);
    *count = count.saturating_add(1);
    tracing::warn!(
        resource = key(&ingest),
        seconds = wait.as_secs(),
        "{error}; trying again"
    );
    Action::requeue(wait)
}

fn key(ingest: &WikiIngest) -> String {
    format!(
        "{}/{}",
        ingest.namespace().unwrap_or_default(),
        ingest.name_any()
    )
}

impl Context {
    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<String, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
