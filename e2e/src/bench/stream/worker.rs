//! The worker under measurement: its configuration, and its process.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::DATABASE;
use crate::binaries::Binaries;
use crate::error::{Doing, Error, Result};
use crate::process::{Guard, guarded};
use crate::scratch;
use crate::servers::mariadb::{self, MariaDb};

/// What it reads, and into what.
#[derive(Debug, Clone)]
pub(super) struct Setup<'a> {
    pub(super) binaries: &'a Binaries,
    pub(super) base_url: String,
    pub(super) mariadb: &'a MariaDb,
    pub(super) start_from: &'a str,
    /// A folder that is filled as well.
    pub(super) lake: Option<&'a Path>,
    /// The source's `stream`; what is not in it is as users have it.
    pub(super) options: Value,
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Worker {
    process: Guard,
    dir: TempDir,
}

impl Setup<'_> {
    /// Starts it.
    pub(super) fn start(&self) -> Result<Worker> {
        let dir = scratch::dir("stream")?;
        let config = dir.path().join("config.json");
        fs::write(&config, self.config().to_string()).doing_to("writing", &config)?;
        let log = dir.path().join("log");
        let output = File::create(&log).doing_to("creating", &log)?;
        let mut command = guarded(self.binaries.path("wikiingest-stream")?);
        command
            .args(["run", "--config"])
            .arg(config)
            .env("WIKIINGEST_WAREHOUSE_USERNAME", mariadb::USER)
            .env("WIKIINGEST_WAREHOUSE_PASSWORD", mariadb::PASSWORD)
            // As the operator starts it.
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::null())
            .stdout(output.try_clone().doing_to("opening", &log)?)
            .stderr(output);
        let process = Guard::spawn(&mut command)?;
        Ok(Worker { process, dir })
    }

    fn config(&self) -> Value {
        let mut sinks = vec![json!({"name": "warehouse", "singleStore": {
            "host": "127.0.0.1",
            "port": self.mariadb.port(),
            "database": DATABASE,
            "credentialsSecretRef": {"name": "warehouse"},
            "tls": {"mode": "Disabled"},
        }})];
        sinks.extend(
            self.lake
                .map(|path| json!({"name": "lake", "folder": {"path": path}})),
        );
        let names: Vec<&Value> = sinks.iter().map(|sink| &sink["name"]).collect();
        json!({
            "contact": "https://example.org/wikiingest-bench",
            "source": {
                "name": "changes",
                "recentChanges": {},
                "startFrom": self.start_from,
                "baseUrl": self.base_url,
                "stream": self.options,
                "sinks": names,
            },
            "sinks": sinks,
        })
    }
}

impl Worker {
    pub(super) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// It does not end by itself.
    pub(super) fn alive(&mut self) -> Result<()> {
        match self.process.exited()? {
            None => Ok(()),
            Some(status) => Err(Error::other(format!(
                "the worker ended with {status}\n{}",
                self.log()
            ))),
        }
    }

    /// Asks it to end, and waits until it has written what it has.
    pub(super) fn stop(mut self) -> Result<()> {
        self.process.stop(mariadb::PATIENCE);
        match self.process.exited()? {
            Some(status) if status.success() => Ok(()),
            ended => Err(Error::other(format!(
                "the worker did not stop well: {ended:?}\n{}",
                self.log()
            ))),
        }
    }

    /// The end of what it said.
    pub(super) fn log(&self) -> String {
        crate::servers::tail(&self.dir.path().join("log"))
    }
}
