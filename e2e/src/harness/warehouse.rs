//! The warehouse as someone else sees it: MariaDB through its own client, SQLite through Python's.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::env::{self, Env};
use super::format::{Row, row};
use super::tally::Tally;
use crate::bench::generate::Archive;
use crate::process::capture;
use crate::servers::mariadb;

/// A warehouse of a test's own.
#[derive(Debug, Clone)]
pub enum Warehouse {
    /// A database of MariaDB.
    MariaDb {
        /// The server.
        port: u16,
        /// The database.
        database: String,
    },
    /// A SQLite file.
    Sqlite {
        /// The file.
        path: PathBuf,
    },
}

static DATABASES: AtomicU32 = AtomicU32::new(0);

impl Warehouse {
    /// A new, empty database.
    #[must_use]
    pub fn mariadb(env: &Env) -> Self {
        Self::mariadb_on(env.mariadb)
    }

    /// A new, empty database of the server on this port.
    #[must_use]
    pub fn mariadb_on(port: u16) -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let database = format!("e2e_{}_{number}", std::process::id());
        mariadb::sql(port, &format!("CREATE DATABASE {database}")).expect("a database can be made");
        Self::MariaDb { port, database }
    }

    /// A SQLite file that is not there yet.
    #[must_use]
    pub fn sqlite(dir: &Path) -> Self {
        Self::Sqlite {
            path: dir.join("warehouse.db"),
        }
    }

    /// As a sink of the API, without its name.
    #[must_use]
    pub fn sink(&self) -> Value {
        match self {
            Self::MariaDb { port, database } => json!({"singleStore": {
                "host": "127.0.0.1",
                "port": port,
                "database": database,
                "credentialsSecretRef": {"name": "warehouse"},
                "tls": {"mode": "Disabled"},
            }}),
            Self::Sqlite { path } => json!({"sqlite": {"path": path}}),
        }
    }

    /// What its Secret holds.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::MariaDb { .. } => {
                vec![("USERNAME", mariadb::USER), ("PASSWORD", mariadb::PASSWORD)]
            }
            Self::Sqlite { .. } => Vec::new(),
        }
    }

    /// Asks it something; gives rows of texts.
    #[must_use]
    pub fn query(&self, statement: &str) -> Vec<Vec<String>> {
        let text = match self {
            Self::MariaDb { port, database } => {
                mariadb::sql(*port, &format!("USE {database}; {statement}"))
            }
            Self::Sqlite { path } => {
                let script = env::file("readers/query_sqlite.py");
                capture(Command::new("python3").arg(script).arg(path).arg(statement))
            }
        };
        let text = text.unwrap_or_else(|error| panic!("{statement}: {error}"));
        text.lines()
            .map(|line| line.split('\t').map(str::to_owned).collect())
            .collect()
    }

    /// The one number that a statement gives.
    #[must_use]
    pub fn number(&self, statement: &str) -> u64 {
        let rows = self.query(statement);
        let number = rows
            .first()
            .and_then(|row| row.first())
            .and_then(|cell| cell.parse().ok());
        number.unwrap_or_else(|| panic!("{statement} gave {rows:?}, not a number"))
    }

    /// What is in a fact table.
    #[must_use]
    pub fn tally(&self, facts: &str) -> Tally {
        let Row { key, title, number } = row(facts);
        let rows = self.query(&format!(
            "SELECT COUNT(*), COALESCE(SUM({number}), 0), \
             COALESCE(SUM(CRC32(CONCAT({key}, '\t', {title}, '\t', {number}))), 0) FROM {facts}"
        ));
        let number = |n: usize| {
            rows[0][n]
                .parse()
                .unwrap_or_else(|_| panic!("{facts}: {rows:?}"))
        };
        Tally {
            rows: number(0),
            views: number(1),
            crc: number(2),
        }
    }

    /// The columns of a table, in order.
    #[must_use]
    pub fn columns(&self, table: &str) -> Vec<String> {
        let rows = match self {
            Self::MariaDb { .. } => self.query(&format!("SHOW COLUMNS FROM {table}")),
            Self::Sqlite { .. } => {
                self.query(&format!("SELECT name FROM pragma_table_info('{table}')"))
            }
        };
        rows.into_iter().map(|mut row| row.swap_remove(0)).collect()
    }

    /// Empties every table that a batch source feeds.
    pub fn clear(&self) {
        let facts = Archive::ALL.into_iter().flat_map(Archive::tables).copied();
        for table in facts.chain(["ingest_ledger", "ingest_rejects"]) {
            let _ = self.query(&format!("DELETE FROM {table}"));
        }
    }

    /// Rows of one statement that another does not give, either way: how two tables differ.
    #[must_use]
    pub fn difference(&self, one: &str, other: &str) -> Vec<Vec<String>> {
        let mut rows = self.query(&format!(
            "SELECT * FROM ({one}) a EXCEPT SELECT * FROM ({other}) b"
        ));
        rows.extend(self.query(&format!(
            "SELECT * FROM ({other}) b EXCEPT SELECT * FROM ({one}) a"
        )));
        rows
    }
}
