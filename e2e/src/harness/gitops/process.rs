//! A controller as a process beside the cluster.

use std::fs::{self, File};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::error::{Doing, Error, Result};
use crate::process::{Guard, guarded, until};
use crate::say::say;
use crate::servers::tail;

/// How long one may take to listen, on a machine that does something else.
const START: Duration = Duration::from_mins(1);

/// A running one, with a log that is shown when the test fails.
#[derive(Debug)]
pub(super) struct Controller {
    name: &'static str,
    guard: Guard,
    log: PathBuf,
}

impl Controller {
    /// Starts it in a folder of its own, which is its home and takes its temporary files.
    pub(super) fn start(
        name: &'static str,
        program: &Path,
        dir: &Path,
        set_up: impl FnOnce(&mut Command),
    ) -> Result<Self> {
        let dir = dir.join(name);
        fs::create_dir_all(&dir).doing_to("making", &dir)?;
        let log = dir.join("log");
        let output = File::create(&log).doing_to("creating", &log)?;
        let mut command = guarded(program);
        command
            .current_dir(&dir)
            .env("HOME", &dir)
            .env("TMPDIR", &dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone().doing_to("opening", &log)?)
            .stderr(output);
        set_up(&mut command);
        let guard = Guard::spawn(&mut command)?;
        Ok(Self { name, guard, log })
    }

    /// Waits until something listens on a port.
    pub(super) fn listens(&mut self, port: u16) -> Result<()> {
        let listens = until(START, || {
            if let Some(status) = self.guard.exited()? {
                return Err(Error::other(format!("it ended with {status}")));
            }
            TcpStream::connect(("127.0.0.1", port)).doing("connecting")
        });
        listens.map(drop).map_err(|error| {
            let (name, log) = (self.name, tail(&self.log));
            Error::other(format!("{name} does not come up: {error}\n{log}"))
        })
    }
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            say!("--- {} said last\n{}", self.name, tail(&self.log));
        }
    }
}
