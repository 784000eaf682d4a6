//! The operator as a process of this machine, whose memory and time can be seen.

use std::path::Path;

use crate::bench::service::Service;
use crate::binaries::Binaries;
use crate::error::Result;
use crate::process::{free_port, guarded};
use crate::scratch;

/// What it looks after, and with whose rights.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operator<'a> {
    pub(super) binaries: &'a Binaries,
    pub(super) kubeconfig: &'a Path,
    pub(super) namespace: &'a str,
}

impl Operator<'_> {
    /// Starts it, as one of several that take turns, as it is installed.
    pub(super) fn start(&self) -> Result<Service> {
        let dir = scratch::dir("operator")?;
        let mut command = guarded(self.binaries.path("wikiingest-operator")?);
        command
            .args(["run", "--worker-image", "wikiingest/workers:bench"])
            .args(["--namespace", self.namespace])
            .args(["--lease-namespace", self.namespace])
            .args(["--listen", &format!("127.0.0.1:{}", free_port()?)])
            // As it is installed.
            .env("MALLOC_ARENA_MAX", "1")
            .env("KUBECONFIG", self.kubeconfig);
        Service::start(&mut command, dir)
    }
}
