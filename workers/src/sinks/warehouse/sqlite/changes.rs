//! Events of a stream: rows, roll-up and checkpoint in one transaction.

use std::collections::HashSet;

use futures::TryFutureExt as _;
use jiff::Timestamp;
use sqlx::{AssertSqlSafe, QueryBuilder, Row as _, SqliteConnection};

use super::{Driver, Query, Sqlite, explain, insert};
use crate::{
    sinks::{
        changes::{Batch, Checkpoint, Written},
        warehouse::{Row, WarehouseError, changes_of, precise, sql_time},
    },
    stream::{
        event::{COLUMNS, Change, Value},
        minute::minutes,
    },
};

/// Ids that are asked for at a time. SQLite takes 32,766 parameters.
const IDS: usize = 1_000;
/// Rows a statement, for the same reason.
const ROWS: usize = 500;

/// Writes one stream.
#[derive(Debug)]
pub struct Changes {
    sqlite: Sqlite,
    stream: String,
    known: Row,
    /// Somebody else moved the checkpoint, or a batch failed: every event may be held already.
    doubt: bool,
}

impl Changes {
    pub(in crate::sinks) fn new(sqlite: Sqlite, stream: &str) -> Self {
        Self {
            sqlite,
            stream: stream.to_owned(),
            known: Row::default(),
            doubt: false,
        }
    }

    /// How far the file has got.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub async fn resume(&mut self) -> Result<Checkpoint, WarehouseError> {
        let fail = explain(&self.sqlite.path);
        self.known = self.try_resume().await.map_err(|error| fail(&error))?;
        Ok(self.known.checkpoint())
    }

    async fn try_resume(&self) -> sqlx::Result<Row> {
        let mut transaction = self.sqlite.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query(
            "INSERT INTO stream_checkpoint (stream, position, newest, events, gap_seconds, version, updated_at) \
             VALUES (?, '{}', NULL, 0, 0, 0, ?) ON CONFLICT DO NOTHING",
        )
        .bind(&self.stream)
        .bind(precise(Timestamp::now()))
        .execute(&mut *transaction)
        .await?;
        let row = row(&mut transaction, &self.stream).await?;
        transaction.commit().await?;
        Ok(row)
    }

    /// Writes a batch and the checkpoint.
    ///
    /// # Errors
    /// When the file cannot be written; nothing of the batch is there then.
    pub async fn write(&mut self, batch: &Batch) -> Result<Written, WarehouseError> {
        let fail = explain(&self.sqlite.path);
        let doubt = std::mem::replace(&mut self.doubt, true);
        let (written, row, others) = self
            .transaction(batch, doubt)
            .map_err(|error| fail(&error))
            .await?;
        self.known = row;
        self.doubt = others;
        Ok(written)
    }

    async fn transaction(&self, batch: &Batch, doubt: bool) -> sqlx::Result<(Written, Row, bool)> {
        let mut transaction = self.sqlite.pool.begin_with("BEGIN IMMEDIATE").await?;
        let connection = &mut *transaction;
        let found = row(connection, &self.stream).await?;
        let others = found.version != self.known.version;
        let changes = lacking(connection, batch, doubt || others).await?;
        insert(
            connection,
            "recent_changes",
            COLUMNS.len(),
            ROWS,
            &changes,
            change,
        )
        .await?;
        add_minutes(connection, &changes).await?;
        self.keep_bad(connection, batch).await?;
        let next = found.after(batch);
        sqlx::query(
            "UPDATE stream_checkpoint SET position = ?, newest = ?, events = events + ?, \
             gap_seconds = gap_seconds + ?, version = ?, updated_at = ? WHERE stream = ?",
        )
        .bind(serde_json::to_string(&next.position).unwrap_or_default())
        .bind(next.newest.map(precise))
        .bind(i64::try_from(changes.len()).unwrap_or(i64::MAX))
        .bind(i64::try_from(found.gap(batch).as_secs()).unwrap_or(i64::MAX))
        .bind(next.version)
        .bind(precise(Timestamp::now()))
        .bind(&self.stream)
        .execute(&mut *connection)
        .await?;
        let written = Written::of(&changes, batch.events.len());
        drop(changes);
        transaction.commit().await?;
        Ok((written, next, others))
    }

    async fn keep_bad(&self, connection: &mut SqliteConnection, batch: &Batch) -> sqlx::Result<()> {
        for bad in &batch.bad {
            let unit = bad.unit();
            let now = sql_time(Timestamp::now());
            sqlx::query("DELETE FROM ingest_rejects WHERE source = ? AND unit = ?")
                .bind(&self.stream)
                .bind(&unit)
                .execute(&mut *connection)
                .await?;
            sqlx::query("INSERT INTO ingest_rejects (source, unit, ts, line_no, line, reason, loaded_at) VALUES (?, ?, ?, 0, ?, ?, ?)")
                .bind(&self.stream)
                .bind(&unit)
                .bind(&now)
                .bind(bad.raw.as_ref())
                .bind(&bad.reason)
                .bind(&now)
                .execute(&mut *connection)
                .await?;
        }
        Ok(())
    }
}

async fn row(connection: &mut SqliteConnection, stream: &str) -> sqlx::Result<Row> {
    let row = sqlx::query(
        "SELECT position, COALESCE(newest, (SELECT MAX(ts) FROM recent_changes)), version \
         FROM stream_checkpoint WHERE stream = ?",
    )
    .bind(stream)
    .fetch_optional(connection)
    .await?;
    Ok(row.map_or_else(Row::default, |row| {
        Row::read(row.get(0), row.get(1), row.get(2))
    }))
}

/// The changes that the table lacks.
async fn lacking<'a>(
    connection: &mut SqliteConnection,
    batch: &'a Batch,
    doubt: bool,
) -> sqlx::Result<Vec<Change<'a>>> {
    let (mut changes, suspects) = changes_of(batch, doubt).map_err(sqlx::Error::Protocol)?;
    let mut held: HashSet<String> = HashSet::new();
    for ids in suspects.chunks(IDS) {
        let mut query: QueryBuilder<Driver> =
            QueryBuilder::new("SELECT event_id FROM recent_changes WHERE event_id IN (");
        let mut list = query.separated(",");
        for id in ids {
            list.push_bind(id);
        }
        query.push(")");
        let found = query
            .build()
            .persistent(false)
            .fetch_all(&mut *connection)
            .await?;
        held.extend(found.iter().map(|row| row.get::<String, _>(0)));
    }
    changes.retain(|change| !held.contains(change.event_id()));
    Ok(changes)
}

fn change(query: Query, change: &Change<'_>) -> Query {
    change
        .values()
        .iter()
        .fold(query, |query, value| match value {
            Value::Time(moment) => query.bind(precise(*moment)),
            Value::Text(text) => query.bind(text.map(ToOwned::to_owned)),
            Value::Int(number) => query.bind(*number),
            Value::Flag(flag) => query.bind(*flag),
        })
}

async fn add_minutes(
    connection: &mut SqliteConnection,
    changes: &[Change<'_>],
) -> sqlx::Result<()> {
    for (key, minute) in minutes(changes) {
        sqlx::query(AssertSqlSafe(
            "INSERT INTO recent_changes_minute (ts, wiki, type, events, bots, bytes_changed) VALUES (?, ?, ?, ?, ?, ?) \
             ON CONFLICT DO UPDATE SET events = events + excluded.events, bots = bots + excluded.bots, \
             bytes_changed = bytes_changed + excluded.bytes_changed",
        ))
        .bind(sql_time(key.ts))
        .bind(key.wiki)
        .bind(key.kind)
        .bind(minute.events)
        .bind(minute.bots)
        .bind(minute.bytes_changed)
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
