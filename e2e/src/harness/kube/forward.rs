//! Ports of a pod on this machine's loopback, so that clients here reach it whatever the cluster's network is.

use std::io::{BufReader, Read as _};
use std::process::Stdio;

use super::Kubectl;
use crate::error::{Doing, Error, Result};
use crate::process::Guard;

/// Forwarded ports; they end with the value, and with the pod: forward again when it is another one.
#[derive(Debug)]
pub struct Forward {
    guard: Guard,
    ports: Vec<u16>,
}

impl Forward {
    /// Forwards ports of a pod, or of one of the pods of `deployment/NAME`.
    ///
    /// # Errors
    /// If there is no such pod that runs.
    pub fn new(kubectl: &Kubectl, target: &str, ports: &[u16]) -> Result<Self> {
        let mut command = kubectl.command();
        command
            .args(["port-forward", "--address", "127.0.0.1", target])
            .args(ports.iter().map(|port| format!(":{port}")))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut guard = Guard::spawn(&mut command)?;
        let Some(stdout) = guard.child().stdout.take() else {
            return Err(Error::other("kubectl port-forward has no pipe"));
        };
        let mut lines = BufReader::new(stdout);
        let ports = ports
            .iter()
            .map(|port| local(&mut lines, target, *port))
            .collect::<Result<_>>()?;
        // It says a word about each connection, and would stop when nobody listens.
        std::thread::spawn(move || {
            let mut rest = [0; 4096];
            while matches!(lines.read(&mut rest), Ok(1..)) {}
        });
        Ok(Self { guard, ports })
    }

    /// The local ports, in the order in which they were asked for.
    #[must_use]
    pub fn ports(&self) -> &[u16] {
        &self.ports
    }

    /// The first of them.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.ports.first().copied().unwrap_or_default()
    }

    pub(crate) fn into_guard(self) -> Guard {
        self.guard
    }
}

/// From `Forwarding from 127.0.0.1:43211 -> 8080`.
fn local(lines: &mut impl std::io::BufRead, target: &str, port: u16) -> Result<u16> {
    let mut line = String::new();
    lines
        .read_line(&mut line)
        .doing("reading from kubectl port-forward")?;
    let local = line.split(" -> ").next().and_then(|from| {
        let (_, local) = from.rsplit_once(':')?;
        local.parse().ok()
    });
    local.ok_or_else(|| Error::other(format!("port {port} of {target} was not forwarded: {line}")))
}
