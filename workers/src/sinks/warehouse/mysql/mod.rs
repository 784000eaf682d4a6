//! SingleStore, MariaDB and MySQL. Rows go in by `LOAD DATA LOCAL INFILE`, streamed from memory.

use std::{collections::HashMap, pin::pin, sync::Arc, time::Duration};

use futures::StreamExt;
use jiff::Timestamp;
use mysql_async::{Conn, DriverError, Opts, OptsBuilder, SslOpts, params, prelude::Queryable};
use tokio::sync::mpsc::Receiver;
use wikiingest_crds::{
    SingleStoreSink, TlsMode,
    worker::{SecretKey, secret_env},
};

mod changes;
mod expire;
mod load;
mod probe;

pub use self::changes::Changes;
use self::load::{LARGEST_PACKET, load};
pub(crate) use self::probe::{PACKET, SETTINGS};
use super::{WarehouseError, rows_of, schema, sql_time, tables};
use crate::{
    batch::{dataset::Dataset, fetch::Mark, list::Unit},
    failure::Class,
    rows::{Batch, Summary},
    sinks::Held,
    trouble::Trouble,
};

/// The server's number for a column that is to be added and is there.
const DUPLICATE_COLUMN: u16 = 1060;

/// Which units have landed, and which are being loaded.
const LEDGER: &str = "ingest_ledger";

/// A download may rest for longer than the 30 s that servers wait for more rows.
const PATIENT: &str = "SET SESSION net_read_timeout = 3600, net_write_timeout = 3600";

/// How often a claim that timed out behind another worker's is made again.
const CLAIMS: u32 = 60;

/// A database behind the MySQL protocol.
#[derive(Debug)]
pub struct Mysql {
    opts: Opts,
    server: Server,
}

/// What errors and statements need to know of the server.
#[derive(Debug, Clone)]
struct Server {
    place: String,
    password_env: String,
    username_env: String,
    single_store: bool,
}

/// A transaction on a connection of its own, which holds the unit's row of the ledger locked.
#[derive(Debug)]
pub struct Claim {
    conn: Conn,
    server: Server,
}

impl Mysql {
    /// Connects, and asks the server which dialect it speaks.
    ///
    /// # Errors
    /// When the server is down or refuses, or a credential is not set.
    pub async fn open(name: &str, sink: &SingleStoreSink) -> Result<Self, WarehouseError> {
        crate::telemetry::install_crypto();
        let mut server = Server {
            place: format!("{}:{}/{}", sink.host, sink.port, sink.database),
            username_env: secret_env(name, SecretKey::Username),
            password_env: secret_env(name, SecretKey::Password),
            single_store: false,
        };
        let user = server.secret(&server.username_env)?;
        let password = server.secret(&server.password_env)?;
        let mut opts: Opts = OptsBuilder::default()
            .ip_or_hostname(sink.host.clone())
            .tcp_port(sink.port)
            .db_name(Some(sink.database.clone()))
            .user(Some(user))
            .pass(Some(password))
            .prefer_socket(false)
            .ssl_opts(tls(name, sink))
            .tcp_keepalive(Some(Duration::from_secs(30)))
            .into();
        let mut connected = connect(&opts, &server).await;
        let preferred = tls_mode(sink) == TlsMode::Preferred;
        if preferred && connected.as_ref().is_err_and(|error| error.no_tls) {
            opts = OptsBuilder::from_opts(opts)
                .ssl_opts(None::<SslOpts>)
                .into();
            connected = connect(&opts, &server).await;
        }
        let mut conn = connected?;
        server.single_store = is_single_store(&mut conn)
            .await
            .map_err(|error| server.explain(&error))?;
        let _ = conn.disconnect().await;
        Ok(Self { opts, server })
    }

    pub(in crate::sinks) fn place(&self) -> String {
        self.server.place.to_lowercase()
    }

    /// Runs the steps that the database lacks; says which.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn migrate(&self) -> Result<Vec<&'static str>, WarehouseError> {
        let mut conn = connect(&self.opts, &self.server).await?;
        self.try_migrate(&mut conn)
            .await
            .map_err(|error| self.server.explain(&error))
    }

    async fn try_migrate(&self, conn: &mut Conn) -> mysql_async::Result<Vec<&'static str>> {
        conn.query_drop(
            "CREATE TABLE IF NOT EXISTS schema_migrations \
             (version BIGINT NOT NULL PRIMARY KEY, name VARCHAR(255) NOT NULL, applied_at DATETIME NOT NULL)",
        )
        .await?;
        let current: Option<i64> = conn
            .query_first("SELECT COALESCE(MAX(version), 0) FROM schema_migrations")
            .await?;
        let mut run = Vec::new();
        for migration in schema::pending(self.server.migrations(), current.unwrap_or(0)) {
            for statement in migration.statements() {
                match conn.query_drop(statement).await {
                    // It was run before.
                    Err(mysql_async::Error::Server(error)) if error.code == DUPLICATE_COLUMN => {}
                    run => run?,
                }
            }
            conn.exec_drop(
                "INSERT IGNORE INTO schema_migrations VALUES (:version, :name, :now)",
                params! {
                    "version" => migration.version,
                    "name" => migration.name,
                    "now" => sql_time(Timestamp::now()),
                },
            )
            .await?;
            run.push(migration.name);
        }
        Ok(run)
    }

    /// What the ledger holds of the units' time.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn held(
        &self,
        dataset: Dataset,
        units: &[Unit],
    ) -> Result<HashMap<String, Held>, WarehouseError> {
        let (Some(first), Some(last)) = (units.first(), units.last()) else {
            return Ok(HashMap::new());
        };
        let mut conn = connect(&self.opts, &self.server).await?;
        let rows: Vec<(String, i64, String)> = conn
            .exec(
                "SELECT unit, size, etag FROM ingest_ledger WHERE source = ? AND ts BETWEEN ? AND ?",
                (dataset.name(), sql_time(first.ts), sql_time(last.ts)),
            )
            .await
            .map_err(|error| self.server.explain(&error))?;
        let _ = conn.disconnect().await;
        Ok(rows
            .into_iter()
            .map(|(unit, size, etag)| (unit, Held::Exactly(Mark { size, etag })))
            .collect())
    }

    /// Locks the unit's row of the ledger, waiting for whoever has it, and looks at what is held.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn claim(&self, unit: &Unit) -> Result<(Option<Held>, Claim), WarehouseError> {
        for _ in 1..CLAIMS {
            match self.try_claim(unit).await {
                // Another worker is loading this very unit.
                Err(error) if error.contended => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                settled => return settled,
            }
        }
        self.try_claim(unit).await
    }

    async fn try_claim(&self, unit: &Unit) -> Result<(Option<Held>, Claim), WarehouseError> {
        let server = &self.server;
        let mut conn = connect(&self.opts, server).await?;
        let held = lock(&mut conn, server, LEDGER, unit)
            .await
            .map_err(|error| server.explain(&error))?;
        Ok((
            held,
            Claim {
                conn,
                server: server.clone(),
            },
        ))
    }
}

async fn lock(
    conn: &mut Conn,
    server: &Server,
    ledger: &str,
    unit: &Unit,
) -> mysql_async::Result<Option<Held>> {
    if !server.single_store {
        // SingleStore has no other level. Elsewhere this spares the gap locks, which would let
        // two workers that load neighbouring hours block each other.
        conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            .await?;
    }
    conn.query_drop(PATIENT).await?;
    conn.query_drop("START TRANSACTION").await?;
    // A size of -2 is never committed: it stands for "not loaded" inside this transaction.
    conn.exec_drop(
        format!(
            "INSERT INTO {ledger} (source, unit, ts, size, etag, `rows`, rejected, loaded_at) \
             VALUES (?, ?, ?, -2, '', 0, 0, ?) ON DUPLICATE KEY UPDATE rejected = rejected"
        ),
        (
            unit.dataset.name(),
            &unit.name,
            sql_time(unit.ts),
            sql_time(Timestamp::now()),
        ),
    )
    .await?;
    let row: Option<(i64, String)> = conn
        .exec_first(
            format!("SELECT size, etag FROM {ledger} WHERE source = ? AND unit = ? FOR UPDATE"),
            (unit.dataset.name(), &unit.name),
        )
        .await?;
    Ok(row
        .filter(|(size, _)| *size != -2)
        .map(|(size, etag)| Held::Exactly(Mark { size, etag })))
}

async fn connect(opts: &Opts, server: &Server) -> Result<Conn, WarehouseError> {
    let connecting = tokio::time::timeout(Duration::from_secs(15), Conn::new(opts.clone()));
    connecting.await.map_or_else(
        |_| {
            let what = "no answer within 15 s".to_owned();
            let mut silent = server.error(what, DOWN, Class::TryAgain);
            silent.trouble = Some(Trouble::Silent);
            Err(silent)
        },
        |connected| connected.map_err(|error| server.explain(&error)),
    )
}

async fn is_single_store(conn: &mut Conn) -> mysql_async::Result<bool> {
    match conn
        .query_first::<String, _>("SELECT @@memsql_version")
        .await
    {
        Ok(version) => Ok(version.is_some()),
        // "Unknown system variable": MariaDB or MySQL.
        Err(mysql_async::Error::Server(error)) if error.code == 1193 => Ok(false),
        Err(error) => Err(error),
    }
}

fn tls_mode(sink: &SingleStoreSink) -> TlsMode {
    sink.tls.as_ref().map_or(TlsMode::Preferred, |tls| tls.mode)
}

/// TLS as asked for.
fn tls(name: &str, sink: &SingleStoreSink) -> Option<SslOpts> {
    let plain = SslOpts::default();
    let opts = match tls_mode(sink) {
        TlsMode::Disabled => return None,
        TlsMode::Preferred | TlsMode::Required => plain
            .with_danger_accept_invalid_certs(true)
            .with_danger_skip_domain_validation(true),
        TlsMode::VerifyCa => plain.with_danger_skip_domain_validation(true),
        TlsMode::VerifyIdentity => plain,
    };
    let ca = std::env::var(secret_env(name, SecretKey::CaPem)).ok();
    Some(match ca {
        Some(pem) => opts.with_root_certs(vec![pem.into_bytes().into()]),
        None => opts,
    })
}

impl Claim {
    /// Replaces the unit's rows.
    ///
    /// # Errors
    /// When the server fails or does not take a row.
    pub async fn write(
        &mut self,
        unit: &Unit,
        mut batches: Receiver<Arc<Batch>>,
    ) -> Result<(), WarehouseError> {
        let (condition, values) = rows_of(unit);
        for table in tables(unit.dataset) {
            let sql = format!("DELETE FROM {table} WHERE {condition}");
            self.conn
                .exec_batch(sql, values.clone())
                .await
                .map_err(|error| self.server.explain(&error))?;
        }
        let facts = unit.dataset.tables().facts;
        load(&mut self.conn, &self.server, facts, |mut rows| async move {
            while let Some(batch) = batches.recv().await {
                if !rows.table(&batch.table(unit.ts)).await {
                    break;
                }
            }
            rows
        })
        .await
    }

    /// Writes the roll-ups, the rejects and the ledger, and commits.
    ///
    /// # Errors
    /// When the server fails.
    pub async fn commit(
        mut self,
        unit: &Unit,
        mark: &Mark,
        summary: &Summary,
    ) -> Result<(), WarehouseError> {
        let mut derived = pin!(summary.rollups.tables());
        while let Some(table) = derived.next().await {
            let table =
                table.map_err(|error| WarehouseError::scratch(&self.server.place, error))?;
            load(&mut self.conn, &self.server, table.name, |mut rows| async {
                rows.table(&table.rows).await;
                rows
            })
            .await?;
        }
        let Self { mut conn, server } = self;
        close(&mut conn, unit, mark, summary)
            .await
            .map_err(|error| server.explain(&error))?;
        let _ = conn.disconnect().await;
        Ok(())
    }
}

async fn close(
    conn: &mut Conn,
    unit: &Unit,
    mark: &Mark,
    summary: &Summary,
) -> mysql_async::Result<()> {
    let source = unit.dataset.name();
    let (ts, now) = (sql_time(unit.ts), sql_time(Timestamp::now()));
    conn.exec_drop(
        "DELETE FROM ingest_rejects WHERE source = ? AND unit = ?",
        (source, &unit.name),
    )
    .await?;
    let rejects = summary.rejects.iter().map(|reject| {
        (
            source,
            &unit.name,
            &ts,
            reject.line_no,
            &reject.line,
            &reject.reason,
            &now,
        )
    });
    conn.exec_batch(
        "INSERT INTO ingest_rejects (source, unit, ts, line_no, line, reason, loaded_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        rejects,
    )
    .await?;
    // An hour has one file; one of another name (an odd second) was replaced with its rows. They
    // are looked up first, since a search that deletes would wait for other workers' claims.
    let others: Vec<String> = conn
        .exec(
            "SELECT unit FROM ingest_ledger WHERE source = ? AND ts = ? AND unit <> ?",
            (source, &ts, &unit.name),
        )
        .await?;
    for (other, table) in others
        .iter()
        .flat_map(|other| ["ingest_rejects", "ingest_ledger"].map(|table| (other, table)))
    {
        let sql = format!("DELETE FROM {table} WHERE source = ? AND unit = ?");
        conn.exec_drop(sql, (source, other)).await?;
    }
    conn.exec_drop(
        "UPDATE ingest_ledger SET ts = ?, size = ?, etag = ?, `rows` = ?, rejected = ?, loaded_at = ? \
         WHERE source = ? AND unit = ?",
        (&ts, mark.size, &mark.etag, summary.rows, summary.rejected, &now, source, &unit.name),
    )
    .await?;
    conn.query_drop("COMMIT").await
}

const DOWN: &str = "check that the server is up and reachable from here, then run again";

impl Server {
    fn migrations(&self) -> &'static [schema::Migration] {
        if self.single_store {
            schema::SINGLESTORE
        } else {
            schema::MYSQL
        }
    }

    fn secret(&self, variable: &str) -> Result<String, WarehouseError> {
        std::env::var(variable).map_err(|_| {
            let advice = format!("set the environment variable {variable}");
            self.error(format!("{variable} is not set"), &advice, Class::BadConfig)
        })
    }

    fn error(&self, what: String, advice: &str, class: Class) -> WarehouseError {
        WarehouseError {
            place: self.place.clone(),
            what,
            advice: Some(advice.to_owned()),
            class,
            contended: false,
            no_tls: false,
            code: None,
            trouble: None,
        }
    }

    /// Says what an error means here.
    fn explain(&self, error: &mysql_async::Error) -> WarehouseError {
        let what = crate::failure::chain(error);
        if matches!(
            error,
            mysql_async::Error::Driver(DriverError::NoClientSslFlagFromServer)
        ) {
            let advice =
                "let the server offer TLS, or set spec.sinks[].singleStore.tls.mode to Disabled";
            let mut error = self.error(
                "the server offers no TLS".to_owned(),
                advice,
                Class::BadConfig,
            );
            error.no_tls = true;
            return error;
        }
        let mysql_async::Error::Server(server) = error else {
            let mut down = self.error(what, DOWN, Class::TryAgain);
            down.trouble = Trouble::of(error);
            return down;
        };
        let credentials = format!("check {} and {}", self.username_env, self.password_env);
        let (advice, class) = match server.code {
            1045 | 1698 => (credentials.as_str(), Class::Refused),
            1044 | 1142 | 1227 | 1370 => (
                "grant the user SELECT, INSERT, UPDATE, DELETE, CREATE and ALTER for migrations",
                Class::Refused,
            ),
            1049 => (
                "create the database, or correct spec.sinks[].singleStore.database",
                Class::BadConfig,
            ),
            1146 | 1054 => ("run `wikiingest-batch migrate` first", Class::BadConfig),
            1148 | 3948 | 4166 => ("set local_infile=ON on the server", Class::BadConfig),
            1114 | 1021 | 1030 | 3 | 28 => (
                "make room on the server's disk, then run again",
                Class::TryAgain,
            ),
            1205 | 1213 => (
                "another worker is loading the same unit; run again later",
                Class::TryAgain,
            ),
            _ => ("look at the server, then run again", Class::TryAgain),
        };
        let mut error = self.error(what, advice, class);
        error.contended = matches!(server.code, 1205 | 1213);
        error.code = Some(server.code);
        error
    }
}
