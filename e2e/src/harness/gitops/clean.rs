//! A cluster without what the examples make, before and after. They name their namespaces, as a user's files do, and some of
//! what they make is the whole cluster's: one test runs at a time.

use serde_json::json;

use crate::cluster::client::{Cluster, Kubectl, crd};
use crate::error::Result;

/// In which the examples and the controllers work.
const NAMESPACES: &[&str] = &["wikimedia", "wikiingest", "argocd", "flux-system"];

/// What has finalizers, which nobody answers when the controllers are gone.
const FINALIZED: &[&str] = &[
    "applications.argoproj.io",
    "kustomizations.kustomize.toolkit.fluxcd.io",
];

/// The kinds of the chart that are the whole cluster's.
const OF_CLUSTER: &str = "clusterroles,clusterrolebindings";

/// Whose CRDs go.
const GROUPS: &[&str] = &["argoproj.io", "toolkit.fluxcd.io", "wikiingest.dev"];

/// Nothing of the examples is there; when the value goes, neither. Make it first, so that it goes last.
#[derive(Debug)]
pub struct Clean {
    kubectl: Kubectl,
}

impl Clean {
    /// Removes what a run that was killed left, and the CRD, which the examples bring.
    ///
    /// # Errors
    /// If something does not go.
    pub fn new(cluster: &Cluster) -> Result<Self> {
        let kubectl = cluster.kubectl()?;
        clean(&kubectl)?;
        Ok(Self { kubectl })
    }
}

impl Drop for Clean {
    fn drop(&mut self) {
        let _ = clean(&self.kubectl);
        // The other suites' operators wait for it.
        let _ = crd(&self.kubectl);
    }
}

fn clean(kubectl: &Kubectl) -> Result<()> {
    for kind in FINALIZED {
        release(kubectl, kind);
    }
    let ours =
        "--selector=app.kubernetes.io/part-of=wikiingest,app.kubernetes.io/instance=wikiingest";
    kubectl.run(&["delete", OF_CLUSTER, ours])?;
    for namespace in NAMESPACES {
        kubectl.delete("namespace", namespace)?;
    }
    for found in kubectl.list("crd", "")? {
        let name = found["metadata"]["name"].as_str().unwrap_or_default();
        if GROUPS.iter().any(|group| name.ends_with(group)) {
            kubectl.delete("crd", name)?;
        }
    }
    Ok(())
}

/// Lets all of a kind go as soon as they are deleted.
fn release(kubectl: &Kubectl, kind: &str) {
    // There may be no such kind.
    for object in kubectl.list_all(kind).unwrap_or_default() {
        let metadata = &object["metadata"];
        let name = metadata["name"].as_str().unwrap_or_default();
        let namespace = metadata["namespace"].as_str().unwrap_or_default();
        let none = json!({"metadata": {"finalizers": null}}).to_string();
        let patch = ["patch", kind, name, "--type=merge", "--patch", &none];
        // It may be gone by now.
        let _ = kubectl.in_namespace(namespace).run(&patch);
        let _ = kubectl.in_namespace(namespace).delete(kind, name);
    }
}
