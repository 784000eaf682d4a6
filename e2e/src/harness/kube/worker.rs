//! A worker in a pod, as the operator would run it: its configuration from a `ConfigMap`, secrets from a Secret.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Namespace;
use crate::error::Result;
use crate::harness::Config;

/// No run in these suites takes this long; one that does hangs.
const LIMIT: Duration = Duration::from_mins(2);

/// How a pod ended.
#[derive(Debug)]
pub struct PodRun {
    /// The exit code.
    pub code: i64,
    /// The termination message.
    pub message: String,
    /// What it printed.
    pub logs: String,
}

impl PodRun {
    /// Fails unless it ended with this code.
    #[must_use]
    pub fn expect(self, code: i64) -> Self {
        assert_eq!(
            self.code, code,
            "the worker said:\n{}\n{}",
            self.logs, self.message
        );
        self
    }

    /// The report, which is the termination message of a run.
    #[must_use]
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.message)
            .unwrap_or_else(|error| panic!("{:?} is no report: {error}", self.message))
    }
}

impl Namespace {
    /// Runs a program of the workers' image to its end: `command` with `--config` and the configuration's file.
    ///
    /// # Errors
    /// If the pod does not come to an end.
    pub fn run_worker(&self, name: &str, command: &[&str], config: &Config) -> Result<PodRun> {
        let command = [command, &["--config", "/etc/wikiingest/config.json"]].concat();
        let secrets: Map<String, Value> = config
            .env
            .iter()
            .map(|(name, value)| (name.clone(), json!(value)))
            .collect();
        let objects = json!({"apiVersion": "v1", "kind": "List", "items": [
            {
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name},
                "data": {"config.json": config.json.to_string()},
            },
            {
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                "stringData": secrets,
            },
            pod(name, &command),
        ]});
        self.kubectl().apply(&objects.to_string())?;
        let ended = self.kubectl().wait(LIMIT, "pod", name, |pod| {
            !terminated(pod)["exitCode"].is_null()
        })?;
        let ended = terminated(&ended);
        let run = PodRun {
            code: ended["exitCode"].as_i64().unwrap_or_default(),
            message: ended["message"].as_str().unwrap_or_default().to_owned(),
            logs: self.kubectl().logs(name)?,
        };
        for secret in config.secrets() {
            assert!(
                !run.logs.contains(secret) && !run.message.contains(secret),
                "a secret is in what the worker said:\n{}\n{}",
                run.logs,
                run.message
            );
        }
        Ok(run)
    }
}

fn terminated(pod: &Value) -> &Value {
    &pod["status"]["containerStatuses"][0]["state"]["terminated"]
}

fn pod(name: &str, command: &[&str]) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {
            "restartPolicy": "Never",
            "automountServiceAccountToken": false,
            "enableServiceLinks": false,
            "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "worker",
                "image": "wikiingest/workers:e2e",
                "imagePullPolicy": "Never",
                "command": command,
                "envFrom": [{"secretRef": {"name": name}}],
                "securityContext": restricted(),
                "volumeMounts": [
                    {"name": "config", "mountPath": "/etc/wikiingest", "readOnly": true},
                    {"name": "tmp", "mountPath": "/tmp"},
                ],
            }],
            "volumes": [
                {"name": "config", "configMap": {"name": name}},
                {"name": "tmp", "emptyDir": {}},
            ],
        },
    })
}

/// What the profile `restricted` wants of a container, and a root file system that nobody writes to.
#[must_use]
pub fn restricted() -> Value {
    json!({
        "allowPrivilegeEscalation": false,
        "readOnlyRootFilesystem": true,
        "capabilities": {"drop": ["ALL"]},
    })
}
