//! The Job whose pod is what the workers of a resource are, and examines instead of loading. Pure.

use std::collections::BTreeSet;

use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, EnvVar, Pod, PodSpec};
use serde_json::json;
use wikiingest_workers::cli::{Examine, Output};

/// The longest that an examination takes, its pod's start included.
const LONGEST: i64 = 600;
/// When the cluster removes it at the latest, should nobody be left who does.
const KEPT: i32 = 60;

/// A Job of a name, from the pods of a resource's workers; none if these are none.
///
/// One pod stands for all of them: it has the configurations and secrets of each. Neither the labels of the workers, by
/// which their owners would take it for theirs, nor their turn at the host's connections.
pub(super) fn job(name: &str, workers: &[PodSpec], how: Examine) -> Option<Job> {
    let mut pod = workers.first()?.clone();
    let mut container = pod.containers.first()?.clone();
    let all = || {
        workers
            .iter()
            .filter_map(|worker| worker.containers.first())
    };
    container.command = Some(vec!["wikiingest".to_owned(), "doctor".to_owned()]);
    container.args = Some(arguments(all(), how));
    container.env = Some(environment(all()));
    (container.liveness_probe, container.readiness_probe) = (None, None);
    (container.startup_probe, container.ports) = (None, None);
    pod.containers = vec![container];
    pod.restart_policy = Some("Never".to_owned());
    pod.affinity = None;
    let labels = json!({
        "app.kubernetes.io/name": "wikiingest-doctor",
        "app.kubernetes.io/part-of": "wikiingest",
    });
    serde_json::from_value(json!({
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "labels": labels},
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": LONGEST,
            "ttlSecondsAfterFinished": KEPT,
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    }))
    .ok()
}

/// The pod that a Job would make.
pub(super) fn pod(job: &Job) -> Option<Pod> {
    let template = job.spec.as_ref()?.template.clone();
    let mut metadata = template.metadata?;
    metadata.name.clone_from(&job.metadata.name);
    Some(Pod {
        metadata,
        spec: template.spec,
        status: None,
    })
}

fn arguments<'a>(workers: impl Iterator<Item = &'a Container>, how: Examine) -> Vec<String> {
    let mut arguments: Vec<String> = workers.flat_map(configuration).collect();
    if how.write {
        arguments.push("--write".to_owned());
    }
    if how.output == Output::Json {
        arguments.extend(["--output", "json"].map(str::to_owned));
    }
    arguments
}

/// A stream has other arguments, too.
fn configuration(worker: &Container) -> Vec<String> {
    let args = worker.args.as_deref().unwrap_or_default();
    let mut pairs = args.windows(2);
    let config = pairs.find(|pair| pair[0] == "--config");
    config.unwrap_or_default().to_vec()
}

fn environment<'a>(workers: impl Iterator<Item = &'a Container>) -> Vec<EnvVar> {
    let mut seen = BTreeSet::new();
    let all = workers.flat_map(|worker| worker.env.iter().flatten());
    all.filter(|var| seen.insert(var.name.clone()))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(file: &str, secret: &str) -> PodSpec {
        serde_json::from_value(json!({
            "serviceAccountName": "wikimedia-workers",
            "affinity": {"podAntiAffinity": {}},
            "containers": [{
                "name": "worker",
                "image": "wikiingest/workers",
                "command": ["wikiingest-batch", "run"],
                "args": ["--listen", "0.0.0.0:8080", "--config", format!("/etc/wikiingest/{file}")],
                "env": [
                    {"name": "WIKIINGEST_LOG_FORMAT", "value": "json"},
                    {"name": secret, "valueFrom": {"secretKeyRef": {"name": "logins", "key": secret}}},
                ],
                "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8080}},
                "ports": [{"containerPort": 8080}],
            }],
        }))
        .unwrap()
    }

    fn how(write: bool, output: Output) -> Examine {
        Examine { write, output }
    }

    #[test]
    fn one_pod_has_what_all_workers_have_and_loads_nothing() {
        let workers = [worker("views.json", "A"), worker("edits.json", "B")];
        let job = job("a-doctor", &workers, how(true, Output::Json)).unwrap();
        let pod = pod(&job).unwrap();
        let spec = pod.spec.unwrap();
        let container = &spec.containers[0];
        assert_eq!(
            [
                container.command.clone().unwrap(),
                container.args.clone().unwrap()
            ]
            .concat()
            .join(" "),
            "wikiingest doctor --config /etc/wikiingest/views.json --config /etc/wikiingest/edits.json --write --output json"
        );
        let env = container.env.iter().flatten().map(|var| var.name.as_str());
        let env: Vec<_> = env.collect();
        assert_eq!(env, ["WIKIINGEST_LOG_FORMAT", "A", "B"]);
        assert_eq!(
            spec.service_account_name.as_deref(),
            Some("wikimedia-workers")
        );
        assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
        assert_eq!((spec.affinity, &container.readiness_probe), (None, &None));
        assert_eq!(pod.metadata.name.as_deref(), Some("a-doctor"));
    }

    #[test]
    fn it_reads_only_unless_it_is_told_to_write() {
        let job = job("a", &[worker("views.json", "A")], how(false, Output::Text)).unwrap();
        let spec = pod(&job).unwrap().spec.unwrap();
        let args = spec.containers[0].args.clone().unwrap();
        assert_eq!(args, ["--config", "/etc/wikiingest/views.json"]);
    }

    #[test]
    fn without_workers_there_is_none() {
        assert_eq!(job("a", &[], how(false, Output::Text)), None);
    }
}
