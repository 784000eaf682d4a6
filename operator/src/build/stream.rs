//! Streams: a Deployment each, of one worker.

use serde_json::json;
use wikiingest_crds::{Source, SourceKind, worker::StreamReport};

use super::{Child, Context, Kind, batch, config, config::Files, pod};
use crate::{names, settings::Component};

pub(super) fn deployments(context: &Context<'_>, files: &Files) -> Vec<Child> {
    let sources = context.ingest.spec.sources.iter();
    let streams = sources.filter(|source| source.kind().is_some_and(SourceKind::is_stream));
    streams
        .map(|source| deployment(context, source, files))
        .collect()
}

fn deployment(context: &Context<'_>, source: &Source, files: &Files) -> Child {
    let sinks = batch::sinks(context, source);
    let file = config::file_of(&source.name);
    let pod = pod::Worker {
        component: Component::Stream,
        labels: context.labels(Component::Stream, &source.name),
        command: &["wikiingest-stream", "run"],
        file: &file,
        sinks: &sinks,
        connection: None,
    };
    let probe = |path: &str| json!({"httpGet": {"path": path, "port": "metrics"}});
    let mut template = pod.template(context);
    let container = &mut template["spec"]["containers"][0];
    container["args"] = json!([
        "--config",
        format!("{}/{file}", config::FOLDER),
        "--listen",
        format!("0.0.0.0:{}", StreamReport::PORT),
    ]);
    // With a heap for each thread, as glibc has it by default, every one of them grows to the largest event.
    if let Some(env) = container["env"].as_array_mut() {
        env.push(json!({"name": "MALLOC_ARENA_MAX", "value": "1"}));
    }
    container["ports"] = json!([{"name": "metrics", "containerPort": StreamReport::PORT}]);
    container["livenessProbe"] = probe("/livez");
    container["readinessProbe"] = probe("/readyz");
    // A worker reads its file and its secrets once, as it starts.
    let started_with = format!("{:?}/{:?}", files.get(&file), pod.secret_versions(context));
    template["metadata"]["annotations"] =
        json!({(names::STARTED_WITH): names::short_hash(&started_with)});
    context.child(
        Kind::Deployment,
        names::of_source(context.ingest.name, &source.name),
        &pod.labels,
        json!({"spec": {
            "replicas": i32::from(!context.ingest.spec.suspend),
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            // Two workers at once would do every write twice, though no row.
            "strategy": {"type": "Recreate"},
            "selector": {"matchLabels": {
                (names::INSTANCE): names::instance(context.ingest.name),
                (names::COMPONENT): Component::Stream.as_str(),
                (names::SOURCE): source.name,
            }},
            "template": template,
        }}),
    )
}
