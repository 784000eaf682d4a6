//! The test cluster as the suites use it: namespaces of their own, servers as pods, and the same views of the stores as
//! the other suites have, through forwarded ports.

mod forward;
mod kstatus;
mod kubectl;
mod namespace;
mod operator;
mod operator_world;
mod servers;
mod worker;

pub use forward::Forward;
pub use kstatus::{Answer, agrees, kstatus, meaning};
pub use kubectl::Kubectl;
pub use namespace::Namespace;
pub use operator_world::OperatorWorld;
pub use servers::{Content, MariaDbPod, ReplayPod, S3Pod};
pub use worker::{PodRun, restricted};

use std::process::Command;

use crate::cluster::{self, Home};
use crate::error::Result;

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
        let cluster = Self {
            home: cluster::ready()?,
        };
        namespace::remove_leftovers(&cluster.kubectl()?)?;
        Ok(cluster)
    }

    /// `kubectl` as the administrator, in no namespace.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn kubectl(&self) -> Result<Kubectl> {
        Ok(Kubectl::new(self.home.kubectl()?, self.home.kubeconfig()))
    }

    /// The client of the engine that the node runs on, to pause, kill or restart [`cluster::NODE`].
    ///
    /// # Errors
    /// If no engine answers.
    pub fn docker(&self) -> Result<Command> {
        cluster::docker()
    }

    /// A namespace of a test's own.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn namespace(&self, name: &str) -> Result<Namespace> {
        Namespace::new(&self.kubectl()?, name)
    }
}
