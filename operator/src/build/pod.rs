//! The pod of a worker: as little as it needs, under the restricted profile.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use wikiingest_crds::{Sink, Source, worker::secret_vars};

use super::{Connection, Context, config};
use crate::{
    names,
    settings::{Component, Settings},
};

/// The container's name.
pub(super) const CONTAINER: &str = "worker";
/// Room for temporary files: parts of objects, and lists that are sorted on disk.
const SCRATCH: &str = "8Gi";

/// A worker to be.
pub(super) struct Worker<'a> {
    pub(super) component: Component,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) command: &'a [&'a str],
    /// Its configuration file.
    pub(super) file: &'a str,
    /// The sinks whose secrets it needs.
    pub(super) sinks: &'a [Sink],
    /// Which of its host's connections it uses; none where it reads no files.
    pub(super) connection: Option<Connection>,
}

impl Context<'_> {
    pub(super) fn image(&self) -> &str {
        let workers = self.ingest.spec.workers.as_ref();
        workers
            .and_then(|workers| workers.image.as_deref())
            .unwrap_or(&self.settings.worker_image)
    }
}

impl Worker<'_> {
    /// The versions of the Secrets that it needs, by their names.
    pub(super) fn secret_versions<'a>(
        &self,
        context: &Context<'a>,
    ) -> BTreeMap<String, Option<&'a String>> {
        let names: BTreeSet<String> = self
            .sinks
            .iter()
            .flat_map(secret_vars)
            .map(|var| var.secret)
            .collect();
        names
            .into_iter()
            .map(|name| {
                let version = context.secrets.get(&name);
                (name, version)
            })
            .collect()
    }

    /// A hash of all that decides how it ends: what it is told, what it runs on, and the Secrets that it is given.
    pub(super) fn started_with(&self, context: &Context<'_>, source: &Source) -> String {
        self.hash(&self.template(context), context, source)
    }

    /// The same whatever its image: another version of the workers loads the rest of a range as well.
    pub(super) fn told(&self, context: &Context<'_>, source: &Source) -> String {
        let mut template = self.template(context);
        template["spec"]["containers"][0]["image"] = Value::Null;
        self.hash(&template, context, source)
    }

    fn hash(&self, template: &Value, context: &Context<'_>, source: &Source) -> String {
        let (sinks, secrets) = (self.sinks, self.secret_versions(context));
        names::short_hash(&format!("{template}/{secrets:?}/{source:?}/{sinks:?}"))
    }

    /// Its pod template.
    pub(super) fn template(&self, context: &Context<'_>) -> Value {
        let mut labels = self.labels.clone();
        if let Some(connection) = &self.connection {
            labels.insert(names::CONNECTION.to_owned(), connection.label());
        }
        json!({
            "metadata": {"labels": labels},
            "spec": self.pod(context),
        })
    }

    fn pod(&self, context: &Context<'_>) -> Value {
        let workers = context.ingest.spec.workers.clone().unwrap_or_default();
        let mut node_selector = workers.node_selector.clone();
        node_selector.insert("kubernetes.io/os".to_owned(), "linux".to_owned());
        let mut pod = json!({
            "serviceAccountName": names::of_ingest(context.ingest.name),
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "terminationGracePeriodSeconds": 30,
            "nodeSelector": node_selector,
            "securityContext": {
                "runAsNonRoot": true,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [self.container(context)],
            "volumes": [
                {"name": "config", "configMap": {"name": names::of_ingest(context.ingest.name)}},
                {"name": "tmp", "emptyDir": {"sizeLimit": SCRATCH}},
            ],
        });
        if self.component != Component::Stream {
            pod["restartPolicy"] = "Never".into();
        }
        if let Some(connection) = &self.connection {
            pod["affinity"] = connection.affinity();
        }
        if !workers.tolerations.is_empty() {
            pod["tolerations"] = json!(workers.tolerations);
        }
        if !workers.image_pull_secrets.is_empty() {
            pod["imagePullSecrets"] = json!(workers.image_pull_secrets);
        }
        pod
    }

    fn container(&self, context: &Context<'_>) -> Value {
        let workers = context.ingest.spec.workers.as_ref();
        let resources = workers
            .and_then(|workers| workers.resources.clone())
            .unwrap_or_else(|| Settings::resources(self.component));
        let config = format!("{}/{}", config::FOLDER, self.file);
        let mut container = json!({
            "name": CONTAINER,
            "image": context.image(),
            "command": self.command,
            "args": ["--config", config],
            "env": self.env(),
            "resources": resources,
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "securityContext": {
                "allowPrivilegeEscalation": false,
                "readOnlyRootFilesystem": true,
                "capabilities": {"drop": ["ALL"]},
            },
            "volumeMounts": [
                {"name": "config", "mountPath": config::FOLDER, "readOnly": true},
                {"name": "tmp", "mountPath": "/tmp"},
            ],
        });
        if let Some(policy) = workers.and_then(|workers| workers.image_pull_policy) {
            container["imagePullPolicy"] = policy.as_str().into();
        }
        container
    }

    fn env(&self) -> Vec<Value> {
        let log = json!({"name": "WIKIINGEST_LOG_FORMAT", "value": "json"});
        let secrets = self.sinks.iter().flat_map(secret_vars).map(|var| {
            let mut from = json!({"name": var.secret, "key": var.key});
            if var.optional {
                from["optional"] = true.into();
            }
            json!({"name": var.env, "valueFrom": {"secretKeyRef": from}})
        });
        [log].into_iter().chain(secrets).collect()
    }
}

/// The same for a Job that counts its pods; what ends with `part` ends its part only.
pub(super) fn failure_policy_by_index(fatal: &[u8], part: u8) -> Value {
    let mut policy = failure_policy(fatal);
    if let Some(rules) = policy["rules"].as_array_mut() {
        rules.push(json!({
            "action": "FailIndex",
            "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": [part]},
        }));
    }
    policy
}

/// What a pod's end means for its Job: evictions do not count, these exit codes end the Job, any other is tried again.
pub(super) fn failure_policy(fatal: &[u8]) -> Value {
    json!({"rules": [
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
        {"action": "FailJob", "onExitCodes": {"containerName": CONTAINER, "operator": "In", "values": fatal}},
    ]})
}
