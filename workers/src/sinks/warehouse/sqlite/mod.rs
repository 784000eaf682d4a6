//! SQLite: a warehouse in one file, for a laptop.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use arrow::array::RecordBatch;
use futures::StreamExt;
use jiff::Timestamp;
use sqlx::{
    AssertSqlSafe, ConnectOptions, Connection, Row, Sqlite as Driver, SqliteConnection, SqlitePool,
    Transaction,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::sync::mpsc::Receiver;

mod changes;
mod expire;

pub use self::changes::Changes;
use super::{
    WarehouseError,
    cells::{Cell, Cells},
    rows_of, schema, sql_time, tables,
};
use crate::{
    batch::{dataset::Dataset, fetch::Mark, list::Unit},
    failure::Class,
    rows::{Batch, Summary},
    sinks::Held,
};

/// Rows a statement.
const ROWS: usize = 1000;
/// The most parameters that SQLite takes.
const VARIABLES: usize = 32_766;

/// How long a worker waits for another one that writes: longer than any unit takes.
const BUSY: Duration = Duration::from_mins(30);

/// A SQLite file.
#[derive(Debug)]
pub struct Sqlite {
    path: String,
    pool: SqlitePool,
}

/// A write transaction. SQLite has one writer, so it is the claim on every unit at once.
#[derive(Debug)]
pub struct Claim {
    path: String,
    transaction: Transaction<'static, Driver>,
}

impl Sqlite {
    /// Opens the file, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub async fn open(path: &str) -> Result<Self, WarehouseError> {
        let fail = explain(path);
        if let Some(folder) = std::path::Path::new(path).parent() {
            std::fs::create_dir_all(folder).map_err(|error| fail(&sqlx::Error::Io(error)))?;
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Normal)
            .busy_timeout(BUSY)
            // What it needs to undo an insert of some hundred rows: not a file elsewhere, whose disk may be another one.
            .pragma("temp_store", "MEMORY")
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new()
            .max_connections(4)
            .acquire_timeout(BUSY)
            .connect_with(options)
            .await
            .map_err(|error| fail(&error))?;
        Ok(Self {
            path: path.to_owned(),
            pool,
        })
    }

    pub(in crate::sinks) fn place(&self) -> String {
        let path = std::fs::canonicalize(&self.path);
        path.map_or_else(|_| self.path.clone(), |path| path.display().to_string())
    }

    /// Runs the steps that the file lacks; says which.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn migrate(&self) -> Result<Vec<&'static str>, WarehouseError> {
        self.try_migrate()
            .await
            .map_err(|error| explain(&self.path)(&error))
    }

    async fn try_migrate(&self) -> sqlx::Result<Vec<&'static str>> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let ledger = "CREATE TABLE IF NOT EXISTS schema_migrations \
                      (version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at TEXT NOT NULL)";
        sqlx::query(ledger).execute(&mut *transaction).await?;
        let current: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(version), 0) FROM schema_migrations")
                .fetch_one(&mut *transaction)
                .await?;
        let mut run = Vec::new();
        for migration in schema::pending(schema::SQLITE, current) {
            for statement in migration.statements() {
                let query = sqlx::query(AssertSqlSafe(statement));
                match query.execute(&mut *transaction).await {
                    // It was run before.
                    Err(error) if error.to_string().contains("duplicate column name") => {}
                    run => {
                        run?;
                    }
                }
            }
            sqlx::query("INSERT INTO schema_migrations VALUES (?, ?, ?)")
                .bind(migration.version)
                .bind(migration.name)
                .bind(sql_time(Timestamp::now()))
                .execute(&mut *transaction)
                .await?;
            run.push(migration.name);
        }
        transaction.commit().await?;
        Ok(run)
    }

    /// What the ledger holds of the units' time.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub async fn held(
        &self,
        dataset: Dataset,
        units: &[Unit],
    ) -> Result<HashMap<String, Held>, WarehouseError> {
        let (Some(first), Some(last)) = (units.first(), units.last()) else {
            return Ok(HashMap::new());
        };
        let rows = sqlx::query(
            "SELECT unit, size, etag FROM ingest_ledger WHERE source = ? AND ts BETWEEN ? AND ?",
        )
        .bind(dataset.name())
        .bind(sql_time(first.ts))
        .bind(sql_time(last.ts))
        .fetch_all(&self.pool)
        .await
        .map_err(|error| explain(&self.path)(&error))?;
        Ok(rows
            .iter()
            .map(|row| {
                (
                    row.get(0),
                    Held::Exactly(Mark {
                        size: row.get(1),
                        etag: row.get(2),
                    }),
                )
            })
            .collect())
    }

    /// Begins a write transaction, and looks at what is held.
    ///
    /// # Errors
    /// When another worker holds the file for too long, or it cannot be read.
    pub async fn claim(&self, unit: &Unit) -> Result<(Option<Held>, Claim), WarehouseError> {
        self.try_claim(unit)
            .await
            .map_err(|error| explain(&self.path)(&error))
    }

    async fn try_claim(&self, unit: &Unit) -> sqlx::Result<(Option<Held>, Claim)> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let row = sqlx::query("SELECT size, etag FROM ingest_ledger WHERE source = ? AND unit = ?")
            .bind(unit.dataset.name())
            .bind(&unit.name)
            .fetch_optional(&mut *transaction)
            .await?;
        let held = row.map(|row| {
            Held::Exactly(Mark {
                size: row.get(0),
                etag: row.get(1),
            })
        });
        Ok((
            held,
            Claim {
                path: self.path.clone(),
                transaction,
            },
        ))
    }
}

impl Claim {
    /// Replaces the unit's rows.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn write(
        &mut self,
        unit: &Unit,
        batches: Receiver<Arc<Batch>>,
    ) -> Result<(), WarehouseError> {
        let path = self.path.clone();
        replace(&mut self.transaction, unit, batches)
            .await
            .map_err(|error| explain(&path)(&error))
    }

    /// Writes the roll-ups, the rejects and the ledger, and commits.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn commit(
        mut self,
        unit: &Unit,
        mark: &Mark,
        summary: &Summary,
    ) -> Result<(), WarehouseError> {
        let fail = explain(&self.path);
        let mut derived = pin!(summary.rollups.tables());
        while let Some(table) = derived.next().await {
            let table = table.map_err(|error| WarehouseError::scratch(&self.path, error))?;
            insert_table(&mut self.transaction, table.name, &table.rows)
                .await
                .map_err(|error| fail(&error))?;
        }
        close(&mut self.transaction, unit, mark, summary)
            .await
            .map_err(|error| fail(&error))?;
        self.transaction
            .commit()
            .await
            .map_err(|error| fail(&error))
    }
}

async fn replace(
    connection: &mut SqliteConnection,
    unit: &Unit,
    mut batches: Receiver<Arc<Batch>>,
) -> sqlx::Result<()> {
    let (condition, moments) = rows_of(unit);
    for table in tables(unit.dataset) {
        for values in &moments {
            let sql = format!("DELETE FROM {table} WHERE {condition}");
            let query = sqlx::query(AssertSqlSafe(sql));
            let query = values.iter().fold(query, sqlx::query::Query::bind);
            query.execute(&mut *connection).await?;
        }
    }
    let facts = unit.dataset.tables().facts;
    while let Some(batch) = batches.recv().await {
        insert_table(connection, facts, &batch.table(unit.ts)).await?;
    }
    Ok(())
}

async fn insert_table(
    connection: &mut SqliteConnection,
    name: &str,
    table: &RecordBatch,
) -> sqlx::Result<()> {
    let mut cells = Cells::new(table);
    let width = cells.width();
    let rows: Vec<usize> = (0..cells.rows()).collect();
    let at_once = (VARIABLES / width).min(ROWS);
    insert(connection, name, width, at_once, &rows, |query, row| {
        (0..width).fold(query, |query, column| match cells.get(column, *row) {
            Cell::Null => query.bind(None::<i64>),
            Cell::Text(text) => query.bind(text.to_owned()),
            Cell::Int(number) => query.bind(number),
            Cell::Flag(flag) => query.bind(flag),
        })
    })
    .await
}

type Query = sqlx::query::Query<'static, Driver, sqlx::sqlite::SqliteArguments>;

/// Multi-row inserts, of which all but the last have the same text and so are prepared once.
async fn insert<T>(
    connection: &mut SqliteConnection,
    table: &str,
    columns: usize,
    at_once: usize,
    rows: &[T],
    mut bind: impl FnMut(Query, &T) -> Query,
) -> sqlx::Result<()> {
    let row = format!("({})", vec!["?"; columns].join(","));
    for chunk in rows.chunks(at_once) {
        let sql = format!(
            "INSERT INTO {table} VALUES {}",
            vec![row.as_str(); chunk.len()].join(",")
        );
        let query = sqlx::query(AssertSqlSafe(sql)).persistent(chunk.len() == at_once);
        chunk
            .iter()
            .fold(query, &mut bind)
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

async fn close(
    connection: &mut SqliteConnection,
    unit: &Unit,
    mark: &Mark,
    summary: &Summary,
) -> sqlx::Result<()> {
    let ts = sql_time(unit.ts);
    let now = sql_time(Timestamp::now());
    let source = unit.dataset.name();
    // By hour: a file of another name (an odd second) was replaced with its rows.
    for table in ["ingest_rejects", "ingest_ledger"] {
        let sql = format!("DELETE FROM {table} WHERE source = ? AND ts = ?");
        sqlx::query(AssertSqlSafe(sql))
            .bind(source)
            .bind(&ts)
            .execute(&mut *connection)
            .await?;
    }
    insert(
        connection,
        "ingest_rejects",
        7,
        ROWS,
        &summary.rejects,
        |query, row| {
            query
                .bind(source)
                .bind(unit.name.clone())
                .bind(ts.clone())
                .bind(row.line_no)
                .bind(row.line.clone())
                .bind(row.reason.clone())
                .bind(now.clone())
        },
    )
    .await?;
    sqlx::query("INSERT INTO ingest_ledger (source, unit, ts, size, etag, rows, rejected, loaded_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        .bind(source)
        .bind(&unit.name)
        .bind(&ts)
        .bind(mark.size)
        .bind(&mark.etag)
        .bind(summary.rows)
        .bind(summary.rejected)
        .bind(&now)
        .execute(&mut *connection)
        .await?;
    connection.ping().await
}

/// Says what an error means here.
fn explain(path: &str) -> impl Fn(&sqlx::Error) -> WarehouseError + use<> {
    let place = format!("SQLite file {path}");
    move |error| {
        let what = crate::failure::chain(error);
        let (advice, class) = if what.contains("no such table") {
            ("run `wikiingest-batch migrate` first", Class::BadConfig)
        } else if what.contains("full") || what.contains("No space left") {
            ("make room on its disk, then run again", Class::TryAgain)
        } else if what.contains("locked") || what.contains("busy") {
            (
                "another program keeps it locked; close that, or run again later",
                Class::TryAgain,
            )
        } else if what.contains("not a database") {
            ("the file is something else; name another", Class::BadConfig)
        } else if what.contains("unable to open") || what.contains("denied") {
            (
                "check that the folder exists and may be written to",
                Class::BadConfig,
            )
        } else {
            (
                "look at the file and its disk, then run again",
                Class::TryAgain,
            )
        };
        WarehouseError {
            place: place.clone(),
            what,
            advice: Some(advice.to_owned()),
            class,
            contended: false,
            no_tls: false,
            code: None,
            trouble: None,
        }
    }
}
