//! Real servers on loopback: random ports, temporary data, gone with the value that stands for them.

pub mod mariadb;
pub mod replay;
pub mod s3;
pub mod trino;

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Doing, Error, Result};
use crate::process::{Guard, until};

/// How long a server may take to answer: a busy two-core machine needs some of it.
const START: Duration = Duration::from_mins(1);

/// How often a server is started anew, each time on other ports, since a port that was free a moment ago may not be.
const ATTEMPTS: u32 = 3;

/// Starts a server, again when it did not come up.
fn retry<T>(mut start: impl FnMut() -> Result<T>) -> Result<T> {
    let mut attempt = 1;
    loop {
        match start() {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// Starts a server, with a log in its folder, and waits until it is ready. `name` and `port` are for the message that says
/// that it did not come up.
fn launch(
    command: &mut Command,
    dir: &Path,
    (name, port): (&str, u16),
    patience: Duration,
    ready: impl Fn() -> Result<()>,
) -> Result<Guard> {
    let log = dir.join("log");
    let output = File::create(&log).doing_to("creating", &log)?;
    command
        .stdin(Stdio::null())
        .stdout(output.try_clone().doing_to("opening", &log)?)
        .stderr(output);
    let mut server = Guard::spawn(command)?;
    until(patience, || {
        if server.exited()?.is_some() {
            return Err(Error::other("it ended at once"));
        }
        ready()
    })
    .map_err(|error| {
        let end = tail(&log);
        Error::other(format!(
            "{name} did not come up on port {port}: {error}\n{end}"
        ))
    })?;
    Ok(server)
}

/// The end of a server's log, for the message that says it did not come up.
pub(crate) fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
