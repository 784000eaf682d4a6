//! The loop: whatever changes of a resource, its children or its Secrets, the resource is reconciled.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{join_all, ready},
};
use jiff::Timestamp;
use json_patch::{AddOperation, PatchOperation, TestOperation, jsonptr::PointerBuf};
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
use tokio::sync::oneshot;
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
    readiness::{Part, Readiness},
    scrape::Scraper,
    settings::Settings,
    status::{self, Outcome, status, unseen},
    validate::validate,
    watch::{self, Scope, all_or_some},
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
/// How long all namespaces are waited for, before those go on of which it is known what there is.
const GRACE: Duration = Duration::from_secs(10);
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
pub async fn run(
    mut context: Context,
    namespaces: &[String],
    readiness: Arc<Readiness>,
    stop: CancellationToken,
) {
    let namespaces = watch::scopes(namespaces);
    let (mut scopes, mut controllers, mut listed) = (Vec::new(), Vec::new(), Vec::new());
    for namespace in &namespaces {
        let (client, namespace) = (&context.client, namespace.clone());
        let made = controller(client, namespace, &context.metrics, &stop);
        scopes.push(made.0);
        controllers.push(made.1);
        listed.push(made.2);
    }
    context.ingests = controllers.iter().map(Controller::store).collect();
    let context = Arc::new(context);
    let filled = watch::children(
        &context.client,
        scopes,
        &context.caches,
        &context.metrics,
        &stop,
    );
    // One that may not be read, for want of a Role, say, keeps the others waiting for a while only: whose turn it is at
    // a host is best known by all of them.
    if stop
        .run_until_cancelled(all_or_some(filled.clone(), GRACE))
        .await
        .is_none()
    {
        return;
    }
    for (namespace, filled) in namespaces.iter().zip(&filled) {
        if filled.peek().is_none() {
            tracing::warn!(
                namespace,
                "It is not known yet what there is; this goes on without, and is tried again. Is there a Role?"
            );
        }
    }
    tokio::spawn(async move {
        // An error means that the operator ends.
        let listed = listed.into_iter().map(|listed| listed.map(drop));
        all_or_some(listed, GRACE).await;
        readiness.is(Part::Acting);
    });
    let running = controllers
        .into_iter()
        .zip(filled)
        .map(|(controller, filled)| {
            let context = Arc::clone(&context);
            // Without knowing what there is, everything would be made again.
            let known = stop.clone().run_until_cancelled_owned(filled);
            let reconciling = controller
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
                });
            async move {
                if known.await.is_some() {
                    reconciling.await;
                }
            }
        });
    join_all(running).await;
}

/// What reconciles the resources of a scope when they, or their Secrets, change, or the scope is told to. The receiver
/// hears when all resources that there are are known; to wait for the store would keep the controller from hearing it.
fn controller(
    client: &Client,
    namespace: Option<String>,
    metrics: &Arc<Metrics>,
    stop: &CancellationToken,
) -> (Scope, Controller<WikiIngest>, oneshot::Receiver<()>) {
    let ingests = watch::api::<DeserializeGuard<WikiIngest>>(client, namespace.as_deref());
    let secrets = watch::api::<PartialObjectMeta<Secret>>(client, namespace.as_deref());
    let (store, writer) = reflector::store();
    let (tell, listed) = oneshot::channel();
    let mut tell = Some(tell);
    let (is_changed, is_used, is_woken) = (waits(metrics), waits(metrics), waits(metrics));
    let ingests = watcher(ingests, watcher::Config::default().any_semantic())
        .default_backoff()
        .inspect_err(broken("WikiIngest", metrics))
        .filter_map(|event| ready(watch::readable(event)))
        .modify(|ingest: &mut WikiIngest| ingest.managed_fields_mut().clear())
        .reflect(writer)
        .inspect_ok(move |event| {
            if matches!(event, watcher::Event::InitDone)
                && let Some(tell) = tell.take()
            {
                let _ = tell.send(());
            }
        })
        // Those that are deleted, too: they are forgotten.
        .touched_objects()
        .inspect_ok(move |ingest| is_changed(&ObjectRef::from_obj(ingest)));
    let secrets = watcher(secrets, watcher::Config::default())
        .inspect_err(broken("Secret", metrics))
        .touched_objects();
    let (scope, triggered) = Scope::new(namespace, store.clone());
    let controller = Controller::for_stream(ingests, store.clone())
        .with_config(Config::default().concurrency(ABREAST).debounce(DEBOUNCE))
        .watches_stream(secrets, move |secret| {
            let users = users(&store, &secret);
            users.iter().for_each(&is_used);
            users
        })
        .reconcile_on(triggered.inspect(is_woken))
        .graceful_shutdown_on(stop.clone().cancelled_owned());
    (scope, controller, listed)
}

/// Counts what something happened to.
fn waits(metrics: &Arc<Metrics>) -> impl Fn(&ObjectRef<WikiIngest>) + use<> {
    let metrics = Arc::clone(metrics);
    move |ingest| {
        metrics.waits(
            ingest.namespace.as_deref().unwrap_or_default(),
            &ingest.name,
        );
    }
}

/// Counts the ends of a watch, which begins again by itself.
fn broken(kind: &'static str, metrics: &Arc<Metrics>) -> impl Fn(&watcher::Error) + use<> {
    let metrics = Arc::clone(metrics);
    move |error| {
        tracing::warn!(%error, kind, "Watch is broken; trying again");
        metrics.watch_failed(kind);
    }
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
    let namespace = ingest.namespace().unwrap_or_default();
    context.metrics.begin(&namespace, &ingest.name_any());
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
    let found = match dereference(&context.client, &context.caches, &context.scraper, ingest).await
    {
        Ok(found) => found,
        Err(error) => {
            let next = unseen(ingest, &error, Timestamp::now());
            publish(ingest, context, &next, &Done::default()).await?;
            return Err(error);
        }
    };
    let mut applier = Applier {
        client: &context.client,
        namespace: ingest.metadata.namespace.as_deref().unwrap_or_default(),
        uid: ingest.metadata.uid.as_deref().unwrap_or_default(),
        found: &found,
        memory: &context.memory,
        now: Timestamp::now(),
        done: Done::default(),
    };
    // Whatever else is wrong with it.
    if let Err(error) = applier.stop(ingest.spec.suspend).await {
        return fails(ingest, context, &found, error, &applier.done).await;
    }
    let validated = match validate(ingest) {
        Ok(validated) => validated,
        Err(problems) => {
            let outcome = Outcome::Invalid(&problems);
            return tell(ingest, context, &found, &outcome, &applier.done).await;
        }
    };
    if !found.unresolved.is_empty() {
        let outcome = Outcome::Unresolved(&found.unresolved);
        return tell(ingest, context, &found, &outcome, &applier.done).await;
    }
    let children = match build(validated, &context.settings, &found.secrets) {
        Ok(children) => children,
        Err(error) => return fails(ingest, context, &found, error.into(), &applier.done).await,
    };
    let held = if children.backfills.is_empty() {
        HashSet::new()
    } else {
        let jobs = context.caches.jobs.all();
        admission::held(&jobs, validated.namespace, &context.idle())
    };
    let result = applier.apply(&children, &held).await;
    let done = applier.done;
    match result {
        Ok(()) => {
            let outcome = Outcome::Applied(&children, &done);
            tell(ingest, context, &found, &outcome, &done).await
        }
        Err(error) => fails(ingest, context, &found, error, &done).await,
    }
}

/// Tells that a reconcile did not get to its end.
async fn fails(
    ingest: &WikiIngest,
    context: &Context,
    found: &Found,
    error: Error,
    done: &Done,
) -> Result<bool, Error> {
    tell(ingest, context, found, &Outcome::Failed(&error), done).await?;
    Err(error)
}

/// Tells how the resource stands after a reconcile. Whether it is ready.
async fn tell(
    ingest: &WikiIngest,
    context: &Context,
    found: &Found,
    outcome: &Outcome<'_>,
    done: &Done,
) -> Result<bool, Error> {
    let next = status(ingest, found, outcome, Timestamp::now());
    publish(ingest, context, &next, done).await
}

/// Writes the status, and tells of the turns. Whether the resource is ready.
async fn publish(
    ingest: &WikiIngest,
    context: &Context,
    next: &WikiIngestStatus,
    done: &Done,
) -> Result<bool, Error> {
    context.metrics.stands(ingest, next);
    let turns = events::turns(ingest.status.as_ref(), next, done);
    write(ingest, context, next).await?;
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
    // Whole, as nobody else writes it: the API server has no owners of fields to merge, as it has when it applies.
    let patch = json_patch::Patch(vec![
        // Not that of one that was made anew meanwhile.
        PatchOperation::Test(TestOperation {
            path: PointerBuf::from_tokens(["metadata", "uid"]),
            value: json!(ingest.metadata.uid),
        }),
        PatchOperation::Add(AddOperation {
            path: PointerBuf::from_tokens(["status"]),
            value: json!(status),
        }),
    ]);
    let params = PatchParams {
        field_manager: Some(names::STATUS_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let name = ingest.name_any();
    call(
        format!("write the status of {name}"),
        api.patch_status(&name, &params, &Patch::<()>::Json(patch)),
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
