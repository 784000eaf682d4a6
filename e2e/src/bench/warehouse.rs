//! MariaDB beside a measurement: what its own client needs for the same rows, and whether all of them are there.

use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::format::Format;
use super::job::{DATABASE, Job};
use super::measure::{Measured, measure};
use crate::error::{Doing, Error, Result};
use crate::process::Guard;
use crate::say::say;
use crate::scratch;
use crate::servers::mariadb::{MariaDb, client};

/// The server, and what is done to it around a measurement.
pub(super) struct Warehouse<'a> {
    mariadb: &'a MariaDb,
    format: &'static Format,
    rows: usize,
}

impl<'a> Warehouse<'a> {
    pub(super) fn new(mariadb: &'a MariaDb, format: &'static Format, rows: usize) -> Result<Self> {
        mariadb.sql(&format!(
            "CREATE DATABASE IF NOT EXISTS {DATABASE}; CREATE DATABASE IF NOT EXISTS peer"
        ))?;
        Ok(Self {
            mariadb,
            format,
            rows,
        })
    }

    /// Runs the job once and writes the rows that it loaded, for the peer to load just those.
    pub(super) fn rows_as_tsv(&self, job: &Job<'_>) -> Result<Tsv> {
        job.run()?;
        self.check(DATABASE)?;
        say!("writing the loaded rows for mariadb-import");
        let dir = scratch::dir("tsv")?;
        let facts = self.format.facts;
        let columns = self.columns()?;
        // The file's name is the table's.
        let path = dir.path().join(format!("{facts}.tsv"));
        let file = File::create(&path).doing_to("creating", &path)?;
        let mut select = client("mariadb", self.mariadb.port())?;
        let query = format!("SELECT {columns} FROM {DATABASE}.{facts}");
        select
            .args(["--batch", "--quick", "--skip-column-names", "-e", &query])
            .stdout(file)
            .stdin(Stdio::null());
        let status = Guard::spawn(&mut select)?.wait()?;
        if !status.success() {
            return Err(Error::other(format!(
                "writing the loaded rows ended with {status}"
            )));
        }
        self.mariadb.sql(&format!(
            "CREATE OR REPLACE TABLE peer.{facts} LIKE {DATABASE}.{facts}"
        ))?;
        self.empty()?;
        Ok(Tsv {
            path,
            columns,
            _dir: dir,
        })
    }

    fn columns(&self) -> Result<String> {
        let facts = self.format.facts;
        let columns = self.mariadb.sql(&format!(
            "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns \
             WHERE table_schema = '{DATABASE}' AND table_name = '{facts}'"
        ))?;
        Ok(columns.trim().to_owned())
    }

    /// The peer: the same rows into a table like ours, with nothing else to do. What is NULL in ours is zero in its
    /// table, since the client writes the word, which costs it the same.
    pub(super) fn import(&self, tsv: &Tsv) -> Result<Measured> {
        let mut import: Command = client("mariadb-import", self.mariadb.port())?;
        let measured = measure(
            import
                .args(["--local", "--columns", &tsv.columns, "peer"])
                .arg(&tsv.path),
        )?;
        self.check("peer")?;
        self.empty()?;
        Ok(measured)
    }

    pub(super) fn measure(&self, job: &Job<'_>) -> Result<Measured> {
        let measured = job.run()?;
        self.check(DATABASE)?;
        self.empty()?;
        Ok(measured)
    }

    /// A job that loads too little is not fast.
    fn check(&self, database: &str) -> Result<()> {
        let facts = self.format.facts;
        let rows = self
            .mariadb
            .sql(&format!("SELECT COUNT(*) FROM {database}.{facts}"))?;
        if rows.trim() == self.rows.to_string() {
            return Ok(());
        }
        Err(Error::other(format!(
            "{database}.{facts} has {} rows, not {}",
            rows.trim(),
            self.rows
        )))
    }

    /// Right after each measurement, so that none pays for the pages of the one before.
    fn empty(&self) -> Result<()> {
        let family = self.format.family;
        let tables = self.mariadb.sql(&format!(
            "SELECT CONCAT(table_schema, '.', table_name) FROM information_schema.tables \
             WHERE table_schema = 'peer' OR (table_schema = '{DATABASE}' AND table_type = 'BASE TABLE' AND \
             (LEFT(table_name, {}) = '{family}_' OR table_name IN ('ingest_ledger', 'ingest_rejects')))",
            family.len() + 1
        ))?;
        tables.lines().try_for_each(|table| {
            self.mariadb
                .sql(&format!("TRUNCATE TABLE {table}"))
                .map(drop)
        })
    }
}

pub(super) struct Tsv {
    path: PathBuf,
    columns: String,
    _dir: tempfile::TempDir,
}
