//! Flux: its kustomize-controller. What source-controller and helm-controller do, which are not to be had, is done here by
//! hand: a revision is published, and a `HelmRelease` is installed by helm itself.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::Repository;
use super::process::Controller;
use crate::cluster::client::{Chart, Cluster, Kubectl};
use crate::cluster::gitops;
use crate::error::{Error, Result};
use crate::process::free_port;

const NAMESPACE: &str = "flux-system";

/// For what one controller waits for of another.
const PATIENCE: Duration = Duration::from_mins(2);

/// Running, with the namespace `flux-system`.
#[derive(Debug)]
pub struct Flux {
    cluster: Cluster,
    kubectl: Kubectl,
    _controller: Controller,
    _dir: TempDir,
}

impl Flux {
    /// Installs its CRDs, and starts kustomize-controller with the administrator's credentials.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        let programs = gitops::flux(cluster.home())?;
        let kubectl = cluster.kubectl()?;
        let namespace =
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        kubectl.apply(&namespace.to_string())?;
        kubectl.apply_crds(&programs.join("crds"))?;
        kubectl.apply(&helm_releases().to_string())?;
        let dir = crate::scratch::dir("flux")?;
        let (metrics, health) = (free_port()?, free_port()?);
        let program = programs.join("kustomize-controller");
        let start = Controller::start("kustomize-controller", &program, dir.path(), |command| {
            command
                .arg(format!("--metrics-addr=127.0.0.1:{metrics}"))
                .arg(format!("--health-addr=127.0.0.1:{health}"))
                // Else a Kustomization is told half a minute late that what it depends on is ready.
                .arg("--requeue-dependency=2s")
                .env("RUNTIME_NAMESPACE", NAMESPACE)
                .env("KUBECONFIG", cluster.kubeconfig());
        });
        let mut controller = start?;
        controller.listens(health)?;
        Ok(Self {
            cluster: cluster.clone(),
            kubectl: kubectl.in_namespace(NAMESPACE),
            _controller: controller,
            _dir: dir,
        })
    }

    /// `kubectl` in its namespace.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Tells of what was pushed, as source-controller does after it fetched it; gives the revision.
    ///
    /// # Errors
    /// If there is no such source.
    pub fn publish(&self, source: &str, fork: &Repository) -> Result<String> {
        let archive = fork.archive()?;
        let found = self.kubectl.get("gitrepository", source)?;
        let generation = &found["metadata"]["generation"];
        let status = json!({
            "observedGeneration": generation,
            "artifact": {
                "url": archive.url,
                "path": archive.path,
                "revision": archive.revision,
                "digest": archive.digest,
                "size": archive.size,
                "lastUpdateTime": now(),
            },
            "conditions": [ready("Succeeded", "stored artifact", generation)],
        });
        set_status(&self.kubectl, "gitrepository", source, &status)?;
        Ok(archive.revision)
    }

    /// Installs a release as helm-controller does, once kustomize-controller made the `HelmRelease`: from its values, with
    /// the chart's test; then tells that it is ready.
    ///
    /// # Errors
    /// If helm refuses.
    pub fn release(&self, namespace: &str, name: &str, fork: &Repository) -> Result<()> {
        let kubectl = self.kubectl.in_namespace(namespace);
        let wanted = kubectl.wait(PATIENCE, "helmrelease", name, |_| true)?;
        let spec = &wanted["spec"];
        let (Some(release), Some(chart)) = (
            spec["releaseName"].as_str(),
            spec["chart"]["spec"]["chart"].as_str(),
        ) else {
            return Err(Error::other(format!(
                "not a HelmRelease as expected: {wanted}"
            )));
        };
        let chart = Chart::at(&fork.dir().join(chart));
        let helm = self.cluster.helm(namespace)?;
        let install = ["install", release, "--wait=watcher", "--timeout=3m"];
        helm.with(&install, &chart, &spec["values"].to_string())?;
        helm.run(&["test", release, "--timeout=1m"])?;
        let generation = &wanted["metadata"]["generation"];
        let status = json!({
            "observedGeneration": generation,
            "conditions": [ready("TestSucceeded", "Helm test succeeded", generation)],
        });
        set_status(&kubectl, "helmrelease", name, &status)
    }

    /// Looks at a Kustomization now, as `flux reconcile kustomization` does, and waits until it was looked at.
    ///
    /// # Errors
    /// If it is not there.
    pub fn reconcile(&self, name: &str) -> Result<()> {
        let asked = Timestamp::now().to_string();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={asked}");
        self.kubectl.run(&[
            "annotate",
            "kustomization",
            name,
            "--overwrite",
            &annotation,
        ])?;
        let is_handled = |it: &Value| it["status"]["lastHandledReconcileAt"] == asked.as_str();
        self.kubectl
            .wait(PATIENCE, "kustomization", name, is_handled)
            .map(drop)
    }
}

fn set_status(kubectl: &Kubectl, kind: &str, name: &str, status: &Value) -> Result<()> {
    let patch = json!({"status": status}).to_string();
    let args = ["patch", kind, name, "--subresource=status", "--type=merge"];
    kubectl
        .run(&[&args[..], &["--patch", &patch]].concat())
        .map(drop)
}

fn ready(reason: &str, message: &str, generation: &Value) -> Value {
    json!({
        "type": "Ready", "status": "True", "reason": reason, "message": message,
        "observedGeneration": generation, "lastTransitionTime": now(),
    })
}

fn now() -> String {
    Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The kind, with any fields.
fn helm_releases() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "helmreleases.helm.toolkit.fluxcd.io"},
        "spec": {
            "group": "helm.toolkit.fluxcd.io",
            "names": {"kind": "HelmRelease", "plural": "helmreleases", "singular": "helmrelease"},
            "scope": "Namespaced",
            "versions": [{
                "name": "v2", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
                "subresources": {"status": {}},
            }],
        },
    })
}
