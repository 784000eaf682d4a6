//! A namespace for each test, under the strictest of the pod security profiles.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::json;

use super::Kubectl;
use crate::error::Result;
use crate::say::say;

/// Tells whose it is: the number of the process that made it, so that it can be removed when that was killed.
const OWNER: &str = "wikiingest.dev/e2e-owner";

/// Set, it lets namespaces stay, to look at what is in them.
const KEEP: &str = "WIKIINGEST_E2E_KEEP";

static NUMBERS: AtomicU32 = AtomicU32::new(0);

/// A namespace; dropped, it is deleted with all that is in it, unless `WIKIINGEST_E2E_KEEP` is set.
#[derive(Debug)]
pub struct Namespace {
    name: String,
    kubectl: Kubectl,
}

impl Namespace {
    /// Makes one whose name starts with this.
    pub(crate) fn new(kubectl: &Kubectl, name: &str) -> Result<Self> {
        let pid = std::process::id();
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("e2e-{name}-{pid}-{number}");
        let object = json!({
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": {
                OWNER: pid.to_string(),
                "pod-security.kubernetes.io/enforce": "restricted",
            }},
        });
        kubectl.apply(&object.to_string())?;
        let namespace = Self {
            kubectl: kubectl.in_namespace(&name),
            name,
        };
        // No pod is let in before.
        let wait = Duration::from_secs(30);
        namespace
            .kubectl
            .wait(wait, "serviceaccount", "default", |_| true)?;
        Ok(namespace)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The client, in this namespace.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Deletes it and waits until it is gone, which many objects take a while to be; unless namespaces stay.
    ///
    /// # Errors
    /// If it is not gone within `patience`; it goes on going.
    pub fn remove(self, patience: Duration) -> Result<()> {
        if std::env::var_os(KEEP).is_some() {
            return Ok(());
        }
        let timeout = format!("--timeout={}s", patience.as_secs());
        let args = ["delete", "namespace", &self.name, &timeout];
        self.kubectl.run(&args).map(drop)
    }

    /// For the log of a test that failed: what is here, and what happened to it.
    fn tell(&self) {
        for what in ["pods", "events"] {
            if let Ok(text) = self.kubectl.run(&["get", what, "--output", "wide"]) {
                say!("--- {what} of {}\n{text}", self.name);
            }
        }
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tell();
        }
        if std::env::var_os(KEEP).is_some() {
            say!("{KEEP} is set: the namespace {} stays", self.name);
            let _ = unown(&self.kubectl, &self.name);
        } else {
            // Nobody waits for the end of it.
            let args = ["delete", "namespace", &self.name, "--wait=false"];
            let _ = self.kubectl.run(&args);
        }
    }
}

/// What stays on purpose is nobody's to remove.
fn unown(kubectl: &Kubectl, name: &str) -> Result<String> {
    kubectl.run(&["label", "namespace", name, &format!("{OWNER}-")])
}

/// Deletes the namespaces of processes that are gone.
pub(crate) fn remove_leftovers(kubectl: &Kubectl) -> Result<()> {
    for namespace in kubectl.list("namespace", OWNER)? {
        let owner = namespace["metadata"]["labels"][OWNER].as_str();
        let is_gone = owner.is_some_and(|pid| !Path::new("/proc").join(pid).exists());
        if let (true, Some(name)) = (is_gone, namespace["metadata"]["name"].as_str()) {
            let args = ["delete", "namespace", name, "--wait=false"];
            kubectl.run(&[&args[..], &["--ignore-not-found"]].concat())?;
        }
    }
    Ok(())
}
