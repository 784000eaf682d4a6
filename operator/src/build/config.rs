//! The workers' configuration files, in one ConfigMap. No secrets.

use std::{collections::BTreeMap, sync::Arc};

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;
use serde_json::{Value, json};
use wikiingest_crds::{
    Source, SourceKind,
    worker::{ExpireConfig, Limits, ResolveError, Window, WorkerConfig, resolve, resolve_stream},
};

use super::{Child, Context, Kind, backfill};
use crate::{names, settings::Component, status::job};

/// A file each: its name, and what it says.
pub(super) type Files = BTreeMap<String, String>;

/// Where pods find the files.
pub(super) const FOLDER: &str = "/etc/wikiingest";
/// The file of `migrate`.
pub(super) const MIGRATE: &str = "migrate.json";

/// The file of the run that deletes what is kept no longer. No source can be called so.
pub(super) const RETENTION: &str = "_retention.json";

/// The file of a source's own worker.
pub(super) fn file_of(source: &str) -> String {
    format!("{source}.json")
}

pub(super) fn files(context: &Context<'_>) -> Result<Files, ResolveError> {
    let spec = context.ingest.spec;
    let mut files = Files::new();
    for source in &spec.sources {
        if source.kind().is_some_and(SourceKind::is_stream) {
            let config = resolve_stream(spec, &source.name)?;
            files.insert(file_of(&source.name), json!(config).to_string());
            continue;
        }
        if let Some(lookback) = source.lookback() {
            let base_url = source.base_url.as_deref();
            let config = batch(context, source, base_url, Window::Lookback { lookback })?;
            files.insert(file_of(&source.name), json!(config).to_string());
        }
        for part in backfill::parts(context, source) {
            let config = batch(context, source, part.base_url, part.window)?;
            files.insert(part.file, json!(config).to_string());
        }
    }
    if let Some(config) = migrate(context)? {
        files.insert(MIGRATE.to_owned(), json!(config).to_string());
    }
    if let Some(config) = ExpireConfig::of(spec) {
        files.insert(RETENTION.to_owned(), json!(config).to_string());
    }
    Ok(files)
}

/// Of its host's connections a pod has one.
fn batch(
    context: &Context<'_>,
    source: &Source,
    base_url: Option<&str>,
    window: Window,
) -> Result<WorkerConfig, ResolveError> {
    let mut config = resolve(context.ingest.spec, &source.name, window)?;
    config.limits = Limits {
        connections: 1,
        ..config.limits
    };
    config.source.base_url = base_url.map(str::to_owned);
    // What is loaded when, a worker need not know.
    config.source.schedule = None;
    config.source.backfill = Vec::new();
    Ok(config)
}

/// `migrate` looks at the sinks only, and is given all that are databases.
fn migrate(context: &Context<'_>) -> Result<Option<WorkerConfig>, ResolveError> {
    let spec = context.ingest.spec;
    let databases = super::migrate::databases(spec);
    let Some(source) = spec.sources.first().filter(|_| !databases.is_empty()) else {
        return Ok(None);
    };
    let lookback = wikiingest_crds::Span::hours(1);
    let base_url = source.base_url.as_deref();
    let mut config = batch(context, source, base_url, Window::Lookback { lookback })?;
    config.sinks = databases;
    Ok(Some(config))
}

pub(super) fn config_map(context: &Context<'_>, files: &Files) -> Child {
    context.child(
        Kind::ConfigMap,
        names::of_ingest(context.ingest.name),
        &names::labels(context.ingest.name, None),
        json!({"data": files}),
    )
}

/// Of the files that are there, those that are not wanted any more and that Jobs which have not ended were told to read:
/// their next pods would find none. Of a backfill that is not wanted no further part is begun.
pub(super) fn in_use(live: Option<&Files>, wanted: &Value, jobs: &[Arc<Job>]) -> Files {
    let open = jobs.iter().filter(|job| job::finished(job).is_none());
    let needed = open.filter_map(|job| file_for(job));
    let unwanted = needed.filter(|file| wanted.get(file).is_none());
    unwanted
        .filter_map(|file| {
            let text = live?.get(&file)?.clone();
            Some((file, text))
        })
        .collect()
}

/// The file that the pods of a run read.
fn file_for(job: &Job) -> Option<String> {
    let labels = job.labels();
    let component = labels.get(names::COMPONENT)?;
    if component == Component::Retention.as_str() {
        return Some(RETENTION.to_owned());
    }
    let source = labels.get(names::SOURCE)?;
    (component == Component::Batch.as_str()).then(|| file_of(source))
}
