//! The worker under measurement: its configuration, and where its output goes.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::format::Format;
use super::measure::{Measured, measure};
use crate::binaries::Binaries;
use crate::error::{Doing, Result};
use crate::process::{capture, guarded};
use crate::scratch;
use crate::servers::mariadb::{self, MariaDb};

/// The database that the worker fills.
pub(super) const DATABASE: &str = "wikimedia";

/// A job: one file from a host into a folder, and into a warehouse if there is one.
#[derive(Debug, Clone)]
pub(super) struct Job<'a> {
    pub(super) format: &'static Format,
    pub(super) binaries: &'a Binaries,
    pub(super) base_url: String,
    pub(super) mariadb: Option<&'a MariaDb>,
    /// ZSTD's level; the worker's own choice if none.
    pub(super) zstd: Option<i32>,
}

impl Job<'_> {
    /// Brings the warehouse to the current schema.
    pub(super) fn migrate(&self) -> Result<()> {
        let dir = scratch::dir("job")?;
        capture(&mut self.command("migrate", &dir)?).map(drop)
    }

    /// Runs it once, into a folder that is removed again.
    pub(super) fn run(&self) -> Result<Measured> {
        let dir = scratch::dir("job")?;
        self.run_in(&dir)
    }

    /// Runs it once; its lake is the folder `lake` of `dir`.
    pub(super) fn run_in(&self, dir: &TempDir) -> Result<Measured> {
        measure(&mut self.command("run", dir)?)
    }

    fn command(&self, command: &str, dir: &TempDir) -> Result<Command> {
        let config = dir.path().join("config.json");
        fs::write(&config, self.config(dir).to_string()).doing_to("writing", &config)?;
        let mut process = guarded(self.binaries.path("wikiingest-batch")?);
        process
            .arg(command)
            .arg("--config")
            .arg(config)
            .env("WIKIINGEST_WAREHOUSE_USERNAME", mariadb::USER)
            .env("WIKIINGEST_WAREHOUSE_PASSWORD", mariadb::PASSWORD);
        Ok(process)
    }

    fn config(&self, dir: &TempDir) -> Value {
        let mut folder = json!({"path": dir.path().join("lake")});
        if let Some(level) = self.zstd {
            folder["compression"] = json!({"zstd": level});
        }
        let mut sinks = vec![json!({"name": "lake", "folder": folder})];
        sinks.extend(self.mariadb.map(|mariadb| {
            json!({"name": "warehouse", "singleStore": {
                "host": "127.0.0.1",
                "port": mariadb.port(),
                "database": DATABASE,
                "credentialsSecretRef": {"name": "warehouse"},
                "tls": {"mode": "Disabled"},
            }})
        }));
        let Format { kind, from, to, .. } = self.format;
        let names: Vec<&Value> = sinks.iter().map(|sink| &sink["name"]).collect();
        json!({
            "contact": "https://example.org/wikiingest-bench",
            "source": {
                "name": self.format.name,
                *kind: (self.format.options)(),
                "backfill": [{"name": "once", "from": from, "to": to}],
                "baseUrl": self.base_url,
                "sinks": names,
            },
            "sinks": sinks,
            "window": {"from": from, "to": to},
        })
    }
}
