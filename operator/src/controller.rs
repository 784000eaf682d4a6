//! The loop: whatever changes of a resource, its children or its Secrets, the resource is reconciled.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    StreamExt as _,
    future::{join_all, ready},
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client, ResourceExt as _,
    api::{PartialObjectMeta, Patch, PatchParams},
    core::DeserializeGuard,
    runtime::{
        Controller, WatchStreamExt as _,
        controller::{self, Action, Config},
        reflector::{self, ObjectRef, Store},
        watcher,
    },
};
use serde_json::json;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{Source, SourceKind, WikiIngest, WikiIngestStatus};

use crate::{
    admission,
    apply::{Applier, Done, Memory},
    build::build,
    cache::{Caches, Owner},
    dereference::{Found, dereference, secrets_of},
    error::{Error, call},
    events::{self, Publisher},
    metrics::Metrics,
    names,
    scrape::Scraper,
    settings::Settings,
    status::{self, Outcome, status},
    validate::validate,
    watch::{self, Scope},
};

/// Reconciles at the same time.
const ABREAST: u16 = 8;
/// Changes that come together are looked at together.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// How often a resource is looked at when nothing happens.
const EVERY: Duration = Duration::from_mins(5);
/// The same, while it is not ready, for what no object tells that is watched.
const UNREADY: Duration = Duration::from_secs(30);
/// The same, where a stream is read: how far behind it is only its worker knows.
const STREAM: Duration = Duration::from_mins(1);
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
    /// What asks stream workers.
    scraper: Scraper,
    /// What there is.
    caches: Arc<Caches>,
    /// All resources, scope by scope.
    ingests: Vec<Store<WikiIngest>>,
    /// What was applied.
    memory: Memory,
    /// How often each resource failed in a row.
    failures: Mutex<HashMap<ObjectRef<WikiIngest>, u32>>,
}

impl Context {
    /// For reconciles with these.
    #[must_use]
    pub fn new(
        client: Client,
        settings: Settings,
        metrics: Arc<Metrics>,
        publisher: Publisher,
        scraper: Scraper,
    ) -> Self {
        Self {
            client,
            settings,
            metrics,
            publisher,
            scraper,
            caches: Arc::default(),
            ingests: Vec::new(),
            memory: Memory::default(),
            failures: Mutex::default(),
        }
    }

    /// The resources of which nothing new is started.
    fn idle(&self) -> BTreeSet<Owner> {
        let all = self.ingests.iter().flat_map(Store::state);
        all.filter(|ingest| admission::is_idle(ingest))
            .map(|ingest| Owner {
                namespace: ingest.namespace().unwrap_or_default(),
                instance: names::instance(&ingest.name_any()),
            })
            .collect()
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<ObjectRef<WikiIngest>, u32>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A resource is gone.
    fn forget(&self, ingest: &ObjectRef<WikiIngest>) {
        self.failures().remove(ingest);
        self.metrics.forget(
            ingest.namespace.as_deref().unwrap_or_default(),
            &ingest.name,
        );
    }
}

/// Looks after the resources of some namespaces, or of all where none is named, until it is stopped.
pub async fn run(mut context: Context, namespaces: &[String], stop: CancellationToken) {
    let scopes: Vec<Option<String>> = match namespaces {
        [] => vec![None],
        some => {
            let each: BTreeSet<_> = some.iter().cloned().collect();
            each.into_iter().map(Some).collect()
        }
    };
    let (scopes, controllers): (Vec<_>, Vec<_>) = scopes
        .into_iter()
        .map(|namespace| controller(&context.client, namespace, &stop))
        .unzip();
    context.ingests = controllers.iter().map(Controller::store).collect();
    let context = Arc::new(context);
    let filled = watch::children(&context.client, scopes, &context.caches, &stop);
    // Without knowing what there is, everything would be made again.
    if stop.run_until_cancelled(filled).await.is_none() {
        return;
    }
    let looking = Arc::clone(&context);
    tokio::spawn(async move {
        let synced = join_all(looking.ingests.iter().map(Store::wait_until_ready)).await;
        if synced.iter().all(Result::is_ok) {
            looking.metrics.synced();
        }
    });
    let running = controllers.into_iter().map(|controller| {
        let context = Arc::clone(&context);
        controller
            .run(reconcile, on_error, Arc::clone(&context))
            .for_each(move |result| {
                match result {
                    Err(controller::Error::ObjectNotFound(ingest)) => {
                        context.forget(&ingest.into_kind_unchecked(()));
                    }
                    Err(error) => tracing::debug!(%error, "Reconcile did not run"),
                    Ok(_) => {}
                }
                ready(())
            })
    });
    join_all(running).await;
}

/// What reconciles the resources of a scope when they, or their Secrets, change, or the scope is told to.
fn controller(
    client: &Client,
    namespace: Option<String>,
    stop: &CancellationToken,
) -> (Scope, Controller<WikiIngest>) {
    let ingests = watch::api::<DeserializeGuard<WikiIngest>>(client, namespace.as_deref());
    let secrets = watch::api::<PartialObjectMeta<Secret>>(client, namespace.as_deref());
    let (store, writer) = reflector::store();
    let ingests = watcher(ingests, watcher::Config::default().any_semantic())
        .default_backoff()
        .filter_map(|event| ready(watch::readable(event)))
        .modify(|ingest: &mut WikiIngest| ingest.managed_fields_mut().clear())
        .reflect(writer)
        // Those that are deleted, too: they are forgotten.
        .touched_objects();
    let (scope, triggered) = Scope::new(namespace, store.clone());
    let controller = Controller::for_stream(ingests, store.clone())
        .with_config(Config::default().concurrency(ABREAST).debounce(DEBOUNCE))
        .watches(secrets, watcher::Config::default(), move |secret| {
            users(&store, &secret)
        })
        .reconcile_on(triggered)
        .graceful_shutdown_on(stop.clone().cancelled_owned());
    (scope, controller)
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
        context
            .failures()
            .remove(&ObjectRef::from_obj(ingest.as_ref()));
    }
    result.map(|ready| Action::requeue(next_look(&ingest, ready)))
}

fn next_look(ingest: &WikiIngest, ready: bool) -> Duration {
    let mut kinds = ingest.spec.sources.iter().filter_map(Source::kind);
    match ready {
        false => UNREADY,
        true if kinds.any(SourceKind::is_stream) => STREAM,
        true => EVERY,
    }
}

/// Dereference, validate, build, apply, status. Whether the resource is ready, or left alone.
async fn try_reconcile(ingest: &WikiIngest, context: &Context) -> Result<bool, Error> {
    if ingest.metadata.deletion_timestamp.is_some() {
        return Ok(true);
    }
    if names::is_paused(ingest) {
        let paused = status::paused(ingest, Timestamp::now());
        write(ingest, context, &paused).await?;
        return Ok(true);
    }
    let found = dereference(&context.client, &context.caches, &context.scraper, ingest).await?;
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
    let held = if children.backfills.is_empty() {
        HashSet::new()
    } else {
        let jobs = context.caches.jobs.all();
        admission::held(&jobs, validated.namespace, &context.idle())
    };
    let mut applier = Applier {
        client: &context.client,
        namespace: validated.namespace,
        uid: validated.uid,
        found: &found,
        memory: &context.memory,
        now: Timestamp::now(),
        done: Done::default(),
    };
    let result = applier.apply(&children, &held).await;
    let done = applier.done;
    match result {
        Ok(()) => {
            let outcome = Outcome::Applied(&children, &done);
            tell(ingest, context, &found, &outcome, &done).await
        }
        Err(error) => {
            tell(ingest, context, &found, &Outcome::Failed(&error), &done).await?;
            Err(error)
        }
    }
}

/// Writes the status, and tells of the turns. Whether the resource is ready.
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
    write(ingest, context, &next).await?;
    context.publisher.publish(ingest, turns);
    let mut conditions = next.conditions.iter();
    Ok(conditions.any(|one| one.type_ == "Ready" && one.status == "True"))
}

/// Writes the status, if it is another one.
async fn write(
    ingest: &WikiIngest,
    context: &Context,
    status: &WikiIngestStatus,
) -> Result<(), Error> {
    if ingest.status.as_ref() == Some(status) {
        return Ok(());
    }
    let api: Api<WikiIngest> = Api::namespaced(
        context.client.clone(),
        &ingest.namespace().unwrap_or_default(),
    );
    let patch = json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        // Not that of one that was made anew meanwhile.
        "metadata": {"uid": ingest.metadata.uid},
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
    let resource = ObjectRef::from_obj(ingest.as_ref());
    let mut failures = context.failures();
    let count = failures.entry(resource.clone()).or_insert(0);
    let (first, longest) = BACKOFF;
    let wait = first
        .saturating_mul(2_u32.saturating_pow(*count))
        .min(longest);
    *count = count.saturating_add(1);
    tracing::warn!(
        %resource,
        seconds = wait.as_secs(),
        "{error}; trying again"
    );
    Action::requeue(wait)
}
