//! The worker under measurement, and its configuration.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::DATABASE;
use crate::bench::service::Service;
use crate::binaries::Binaries;
use crate::error::{Doing, Result};
use crate::process::guarded;
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

impl Setup<'_> {
    /// Starts it.
    pub(super) fn start(&self) -> Result<Service> {
        let dir = scratch::dir("stream")?;
        let config = dir.path().join("config.json");
        fs::write(&config, self.config().to_string()).doing_to("writing", &config)?;
        let mut command = guarded(self.binaries.path("wikiingest-stream")?);
        command
            .args(["run", "--config"])
            .arg(config)
            .env("WIKIINGEST_WAREHOUSE_USERNAME", mariadb::USER)
            .env("WIKIINGEST_WAREHOUSE_PASSWORD", mariadb::PASSWORD)
            // As the operator starts it.
            .env("MALLOC_ARENA_MAX", "1");
        Service::start(&mut command, dir)
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
