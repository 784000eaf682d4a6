//! Rows of any warehouse that workers write, as text.

use std::path::Path;

use mysql_async::{Conn, Value, prelude::Queryable as _};
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Row as _, SqliteConnection, sqlite::SqliteConnectOptions,
};
use wikiingest_crds::{Sink, SinkKind};

use crate::{
    failure::{Class, Classify},
    sinks::warehouse::{WarehouseError, mysql::Mysql},
};

/// A warehouse that cannot be read.
#[derive(Debug, thiserror::Error)]
pub(in crate::cli) enum ReadError {
    #[error(
        "{path} is not there: run `wikiingest demo`, or name a database with --sqlite or --file"
    )]
    NoFile { path: String },
    #[error("sink {0} is no database; name one that is with --sink")]
    NoDatabase(String),
    #[error("{path} cannot be read: {source}")]
    Sqlite { path: String, source: sqlx::Error },
    #[error(transparent)]
    Warehouse(#[from] WarehouseError),
}

impl Classify for ReadError {
    fn class(&self) -> Class {
        match self {
            Self::NoFile { .. } | Self::NoDatabase(_) => Class::BadConfig,
            Self::Sqlite { .. } => Class::TryAgain,
            Self::Warehouse(error) => error.class(),
        }
    }
}

/// A value; none where it is null.
pub(super) type Cell = Option<String>;

/// A connection that only reads.
#[derive(Debug)]
pub(in crate::cli) enum Reader {
    /// A file, and its connection.
    Sqlite(String, SqliteConnection),
    /// A server, and a connection to it.
    Mysql(Box<Mysql>, Box<Conn>),
}

impl Reader {
    /// A SQLite file.
    pub(in crate::cli) async fn sqlite(path: &Path) -> Result<Self, ReadError> {
        let told = path.display().to_string();
        if !path.is_file() {
            return Err(ReadError::NoFile { path: told });
        }
        let options = SqliteConnectOptions::new()
            .filename(path)
            .read_only(true)
            .disable_statement_logging();
        match options.connect().await {
            Ok(connection) => Ok(Self::Sqlite(told, connection)),
            Err(source) => Err(ReadError::Sqlite { path: told, source }),
        }
    }

    /// A sink's database.
    pub(in crate::cli) async fn of(sink: &Sink) -> Result<Self, ReadError> {
        match sink.kind() {
            Some(SinkKind::Sqlite(file)) => Self::sqlite(Path::new(&file.path)).await,
            Some(SinkKind::SingleStore(server)) => {
                let server = Mysql::open(&sink.name, server).await?;
                let connection = server.connection().await?;
                Ok(Self::Mysql(Box::new(server), Box::new(connection)))
            }
            _ => Err(ReadError::NoDatabase(sink.name.clone())),
        }
    }

    /// What a query gives. It has to be one that all dialects understand.
    pub(super) async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Cell>>, ReadError> {
        match self {
            Self::Sqlite(path, connection) => {
                let rows = sqlx::query(AssertSqlSafe(sql.to_owned())).fetch_all(connection);
                let explain = |source| ReadError::Sqlite {
                    path: path.clone(),
                    source,
                };
                let rows = rows.await.map_err(explain)?;
                let cells = |row: sqlx::sqlite::SqliteRow| {
                    let cells = (0..row.len()).map(|at| row.try_get_unchecked::<Cell, _>(at));
                    cells.collect::<Result<Vec<_>, _>>()
                };
                let rows: Result<Vec<_>, _> = rows.into_iter().map(cells).collect();
                rows.map_err(explain)
            }
            Self::Mysql(server, connection) => {
                let rows: Vec<mysql_async::Row> = (connection.query(sql).await)
                    .map_err(|error| ReadError::Warehouse(server.explain(&error)))?;
                let cells = |row: mysql_async::Row| row.unwrap().into_iter().map(cell).collect();
                Ok(rows.into_iter().map(cells).collect())
            }
        }
    }
}

/// The server sends text, whatever the column's type.
fn cell(value: Value) -> Cell {
    match value {
        Value::NULL => None,
        Value::Bytes(bytes) => Some(String::from_utf8_lossy(&bytes).into_owned()),
        Value::Int(number) => Some(number.to_string()),
        Value::UInt(number) => Some(number.to_string()),
        other => Some(other.as_sql(true)),
    }
}
