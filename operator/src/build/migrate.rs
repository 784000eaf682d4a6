//! The Job that brings the databases to the current schema.

use serde_json::json;
use wikiingest_crds::{Sink, SinkKind, WikiIngestSpec};

use super::{Child, Context, Kind, config, config::Files, pod};
use crate::{names, settings::Component};

/// The sinks that have a schema.
pub(super) fn databases(spec: &WikiIngestSpec) -> Vec<Sink> {
    let is_database = |sink: &&Sink| matches!(sink.kind(), Some(SinkKind::SingleStore(_)));
    spec.sinks.iter().filter(is_database).cloned().collect()
}

/// Made once for each version of the workers, of the databases and of their Secrets: whichever changes, it runs again.
pub(super) fn job(context: &Context<'_>, files: &Files) -> Option<Child> {
    let file = files.get(config::MIGRATE)?;
    let sinks = databases(context.ingest.spec);
    let pod = pod::Worker {
        component: Component::Migrate,
        labels: names::labels(context.ingest.name, Some(Component::Migrate)),
        command: &["wikiingest-batch", "migrate"],
        file: config::MIGRATE,
        sinks: &sinks,
        connection: None,
    };
    let secrets = pod.secret_versions(context);
    let template = pod.template(context);
    let made_from = format!("{template}/{file}/{secrets:?}");
    Some(context.child(
        Kind::Job,
        names::of_job(context.ingest.name, "migrate", &made_from),
        &pod.labels,
        json!({"spec": {
            "backoffLimit": 6,
            "activeDeadlineSeconds": 1800,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": pod::failure_policy(&[64, 77]),
            "template": template,
        }}),
    ))
}
