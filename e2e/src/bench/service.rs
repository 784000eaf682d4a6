//! A program under measurement that runs until it is stopped.

use std::fs::File;
use std::process::{Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;

use crate::error::{Doing, Error, Result};
use crate::process::{Guard, line};

/// How long it may take to write what it has when it is asked to end.
const ENDS: Duration = Duration::from_secs(20);

/// A running program; its output is in a file.
#[derive(Debug)]
pub(super) struct Service {
    command: String,
    process: Guard,
    dir: TempDir,
}

impl Service {
    /// Starts a command. What it says goes into `dir`, beside what else it has there.
    pub(super) fn start(command: &mut Command, dir: TempDir) -> Result<Self> {
        let log = dir.path().join("log");
        let output = File::create(&log).doing_to("creating", &log)?;
        command
            .stdin(Stdio::null())
            .stdout(output.try_clone().doing_to("opening", &log)?)
            .stderr(output);
        Ok(Self {
            command: line(command),
            process: Guard::spawn(command)?,
            dir,
        })
    }

    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// It does not end by itself.
    pub(super) fn alive(&mut self) -> Result<()> {
        match self.process.exited()? {
            None => Ok(()),
            Some(status) => Err(Error::other(format!(
                "`{}` ended with {status}\n{}",
                self.command,
                self.log()
            ))),
        }
    }

    /// Asks it to end, and waits until it has written what it has.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.stop(ENDS);
        match self.process.exited()? {
            Some(status) if status.success() => Ok(()),
            ended => Err(Error::other(format!(
                "`{}` did not stop well: {ended:?}\n{}",
                self.command,
                self.log()
            ))),
        }
    }

    /// The end of what it said.
    pub(super) fn log(&self) -> String {
        crate::servers::tail(&self.dir.path().join("log"))
    }
}
