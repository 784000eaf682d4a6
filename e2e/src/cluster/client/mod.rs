//! The cluster as its users see it: `kubectl`, and namespaces of their own.

mod helm;
mod kubectl;
mod namespace;
mod writes;

use std::path::PathBuf;
use std::process::Command;

pub use helm::{Chart, Helm};
pub use kubectl::Kubectl;
pub use namespace::Namespace;
pub use writes::Writes;

use super::Home;
use crate::error::{Doing, Result};
use crate::steps::Workspace;

/// The cluster that is up.
#[derive(Debug, Clone)]
pub struct Cluster {
    home: Home,
}

impl Cluster {
    /// Finds it, and removes what suites that were killed left in it.
    ///
    /// # Errors
    /// If it is not up; what to run is said.
    pub fn connect() -> Result<Self> {
        let cluster = Self::up()?;
        namespace::remove_leftovers(&cluster.kubectl()?)?;
        Ok(cluster)
    }

    /// Finds it, and leaves it as it is.
    pub(crate) fn up() -> Result<Self> {
        super::ready().map(|home| Self { home })
    }

    /// `kubectl` as the administrator, in no namespace.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Ok(Kubectl::new(self.home.kubectl()?, self.kubeconfig()))
    }

    /// Where its programs are kept.
    #[must_use]
    pub fn home(&self) -> &Home {
        &self.home
    }

    /// `helm` as the administrator, in a namespace.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn helm(&self, namespace: &str) -> Result<Helm> {
        Ok(Helm::new(self.home.helm()?, self.kubeconfig(), namespace))
    }

    /// The credentials of the administrator, for other clients.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.home.kubeconfig()
    }

    /// The client of the engine that the node runs on, to pause, kill or restart [`super::NODE`].
    ///
    /// # Errors
    /// If no engine answers.
    pub fn docker(&self) -> Result<Command> {
        super::docker()
    }

    /// A namespace of a test's own.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn namespace(&self, name: &str) -> Result<Namespace> {
        Namespace::new(&self.kubectl()?, name)
    }
}

/// Brings the CRD of the work tree into the cluster.
///
/// # Errors
/// If the server does not take it.
pub fn crd(kubectl: &Kubectl) -> Result<()> {
    let path = Workspace::find()?.root().join("crds/wikiingests.yaml");
    let crd = std::fs::read_to_string(&path).doing_to("reading", &path)?;
    kubectl.apply(&crd)?;
    kubectl.established("wikiingests.wikiingest.dev")
}
