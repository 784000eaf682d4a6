//! Tables like ours, for as long as something is tried on them.

use std::time::Duration;

use mysql_async::prelude::Queryable as _;

use super::ddl;
use crate::{
    doctor::{finding::Verdict, random},
    sinks::warehouse::{WarehouseError, mysql::Mysql},
};

/// The server's numbers for a table that is not there.
const UNKNOWN_TABLE: [u16; 2] = [1051, 1146];

/// How long a table may be held by a connection of ours that is ending.
const PATIENCE: Duration = Duration::from_secs(15);

/// One of each kind: facts by columns, the ledger with its locks, a roll-up with its key.
#[derive(Debug)]
pub(super) struct Tables {
    pub(super) facts: String,
    pub(super) ledger: String,
    pub(super) minutes: String,
}

impl Tables {
    pub(super) fn new() -> Self {
        let suffix = random::suffix();
        let name = |kind: &str| format!("{}{suffix}_{kind}", random::PREFIX.replace('-', "_"));
        Self {
            facts: name("facts"),
            ledger: name("ledger"),
            minutes: name("minutes"),
        }
    }

    fn all(&self) -> [(&'static str, &str); 3] {
        [
            ("pageviews_hourly", &self.facts),
            ("ingest_ledger", &self.ledger),
            ("recent_changes_minute", &self.minutes),
        ]
    }

    /// Whether what is made could be removed: tried on a table that is not there.
    pub(super) async fn can_be_dropped(&self, mysql: &Mysql) -> Result<(), WarehouseError> {
        let mut conn = mysql.connection().await?;
        match conn.query_drop(format!("DROP TABLE {}", self.facts)).await {
            Err(mysql_async::Error::Server(error)) if UNKNOWN_TABLE.contains(&error.code) => Ok(()),
            dropped => dropped.map_err(|error| mysql.explain(&error)),
        }
    }

    /// The statements that make them, by name.
    pub(super) fn statements(&self, mysql: &Mysql) -> Vec<(String, String)> {
        let known = ddl::tables(mysql.migrations());
        let made = self.all().into_iter().filter_map(|(like, name)| {
            let table = known.iter().find(|table| table.name == like)?;
            Some((name.to_owned(), table.named(name)))
        });
        made.collect()
    }

    /// Removes them.
    pub(super) async fn drop(&self, mysql: &Mysql) -> Verdict {
        let dropping = async {
            let mut conn = mysql.connection().await?;
            for (_, name) in self.all() {
                let sql = format!("DROP TABLE IF EXISTS {name}");
                let dropped = conn.query_drop(sql).await;
                dropped.map_err(|error| mysql.explain(&error))?;
            }
            let _ = conn.disconnect().await;
            Ok::<_, WarehouseError>(())
        };
        let why = match tokio::time::timeout(PATIENCE, dropping).await {
            Ok(Ok(())) => return Verdict::ok("the tables that this was tried on are removed"),
            Ok(Err(error)) => error.what,
            Err(_) => "the server did not answer".to_owned(),
        };
        let names = self.all().map(|(_, name)| name).join(", ");
        Verdict::not_ok(
            format!("the tables that this was tried on could not be removed: {why}"),
            format!("DROP TABLE IF EXISTS {names}"),
        )
    }
}
