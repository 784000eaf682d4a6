//! Events of a stream: rows, roll-up and checkpoint in one transaction.

use std::{collections::HashSet, time::Duration};

use mysql_async::{Conn, Value, prelude::Queryable};

use super::{Mysql, connect, load};
use crate::{
    failure::Class,
    sinks::{
        changes::{Batch, Checkpoint, Written},
        warehouse::{Row, WarehouseError, changes_of, precise, sql_time},
    },
    stream::{
        event::Change,
        minute::{Key, Minute, minutes},
    },
};

/// The roll-up of events.
const MINUTES: &str = "recent_changes_minute";

/// Ids that are asked for at a time.
const IDS: usize = 1_000;

/// How long the server may take for a batch: a network that swallows everything gives no sign.
const PATIENCE: Duration = Duration::from_mins(2);

/// Writes one stream.
#[derive(Debug)]
pub struct Changes {
    mysql: Mysql,
    stream: String,
    /// None before the first use and after an error.
    conn: Option<Conn>,
    /// The checkpoint as this process knows it.
    known: Row,
    /// Somebody else moved the checkpoint, or a commit may or may not have been done: every
    /// event may be held already.
    doubt: bool,
}

impl Changes {
    pub(in crate::sinks) fn new(mysql: Mysql, stream: &str) -> Self {
        Self {
            mysql,
            stream: stream.to_owned(),
            conn: None,
            known: Row::default(),
            doubt: false,
        }
    }

    /// How far the database has got.
    ///
    /// # Errors
    /// When the server does not answer.
    pub async fn resume(&mut self) -> Result<Checkpoint, WarehouseError> {
        let resuming = tokio::time::timeout(PATIENCE, self.try_resume());
        let (row, conn) = resuming.await.unwrap_or_else(|_| Err(self.silent()))?;
        self.known = row;
        self.conn = Some(conn);
        Ok(self.known.checkpoint())
    }

    async fn try_resume(&self) -> Result<(Row, Conn), WarehouseError> {
        let mut conn = connect(&self.mysql.opts, &self.mysql.server).await?;
        let explain = |error| self.mysql.server.explain(&error);
        conn.exec_drop(
            "INSERT INTO stream_checkpoint (stream, position, newest, events, gap_seconds, version, updated_at) \
             VALUES (?, '{}', NULL, 0, 0, 0, ?) ON DUPLICATE KEY UPDATE stream = stream",
            (&self.stream, precise(jiff::Timestamp::now())),
        )
        .await
        .map_err(explain)?;
        let row = row(&mut conn, &self.stream, false).await.map_err(explain)?;
        Ok((row, conn))
    }

    fn silent(&self) -> WarehouseError {
        let what = format!("no answer within {} s", PATIENCE.as_secs());
        self.mysql.server.error(what, super::DOWN, Class::TryAgain)
    }

    /// Writes a batch and the checkpoint.
    ///
    /// # Errors
    /// When the server fails; nothing of the batch is there then, or all of it.
    pub async fn write(&mut self, batch: &Batch) -> Result<Written, WarehouseError> {
        let mut conn = match self.conn.take() {
            Some(conn) => conn,
            None => connect(&self.mysql.opts, &self.mysql.server).await?,
        };
        // Until it is known to be committed, it may or may not be.
        let doubt = std::mem::replace(&mut self.doubt, true);
        let transaction = self.transaction(&mut conn, batch, doubt);
        let (written, row, others) = tokio::time::timeout(PATIENCE, transaction)
            .await
            .unwrap_or_else(|_| Err(self.silent()))?;
        self.known = row;
        self.doubt = others;
        self.conn = Some(conn);
        Ok(written)
    }

    async fn transaction(
        &self,
        conn: &mut Conn,
        batch: &Batch,
        doubt: bool,
    ) -> Result<(Written, Row, bool), WarehouseError> {
        let server = &self.mysql.server;
        let explain = |error| server.explain(&error);
        conn.query_drop("START TRANSACTION")
            .await
            .map_err(explain)?;
        // The lock makes workers that write the same stream take turns.
        let mut found = row(conn, &self.stream, true).await.map_err(explain)?;
        found.newest = found.newest.max(self.known.newest);
        let others = found.version != self.known.version;
        if others && !doubt {
            tracing::warn!(
                stream = self.stream,
                "Another worker writes the same stream; looking at every event twice"
            );
        }
        let changes = self.lacking(conn, batch, doubt || others).await?;
        if !changes.is_empty() {
            load(conn, server, "recent_changes", |mut rows| async {
                for change in &changes {
                    if !rows.change(change).await {
                        break;
                    }
                }
                rows
            })
            .await?;
            let sql = add_minutes(MINUTES, minutes(&changes));
            conn.query_drop(sql).await.map_err(explain)?;
        }
        self.keep_bad(conn, batch).await.map_err(explain)?;
        let next = found.after(batch);
        conn.exec_drop(
            "UPDATE stream_checkpoint SET position = ?, newest = ?, events = events + ?, \
             gap_seconds = gap_seconds + ?, version = ?, updated_at = ? WHERE stream = ?",
            (
                serde_json::to_string(&next.position).unwrap_or_default(),
                next.newest.map(precise),
                changes.len() as u64,
                found.gap(batch).as_secs(),
                next.version,
                precise(jiff::Timestamp::now()),
                &self.stream,
            ),
        )
        .await
        .map_err(explain)?;
        conn.query_drop("COMMIT").await.map_err(explain)?;
        let written = Written::of(&changes, batch.events.len());
        Ok((written, next, others))
    }

    /// The changes that the table lacks.
    async fn lacking<'a>(
        &self,
        conn: &mut Conn,
        batch: &'a Batch,
        doubt: bool,
    ) -> Result<Vec<Change<'a>>, WarehouseError> {
        let server = &self.mysql.server;
        let (mut changes, suspects) = changes_of(batch, doubt)
            .map_err(|what| server.error(what, "report this as a bug", Class::TryAgain))?;
        let mut held: HashSet<String> = HashSet::new();
        for ids in suspects.chunks(IDS) {
            let ids: Vec<_> = ids.iter().map(|id| Value::from(id).as_sql(false)).collect();
            let sql = format!(
                "SELECT event_id FROM recent_changes WHERE event_id IN ({})",
                ids.join(",")
            );
            let found: Vec<String> = conn
                .query(sql)
                .await
                .map_err(|error| server.explain(&error))?;
            held.extend(found);
        }
        changes.retain(|change| !held.contains(change.event_id()));
        Ok(changes)
    }

    async fn keep_bad(&self, conn: &mut Conn, batch: &Batch) -> mysql_async::Result<()> {
        for bad in &batch.bad {
            let unit = bad.unit();
            let now = sql_time(jiff::Timestamp::now());
            conn.exec_drop(
                "DELETE FROM ingest_rejects WHERE source = ? AND unit = ?",
                (&self.stream, &unit),
            )
            .await?;
            conn.exec_drop(
                "INSERT INTO ingest_rejects (source, unit, ts, line_no, line, reason, loaded_at) VALUES (?, ?, ?, 0, ?, ?, ?)",
                (&self.stream, &unit, &now, bad.raw.as_ref(), &bad.reason, &now),
            )
            .await?;
        }
        Ok(())
    }
}

async fn row(conn: &mut Conn, stream: &str, lock: bool) -> mysql_async::Result<Row> {
    let (newest, lock) = if lock {
        ("newest", " FOR UPDATE")
    } else {
        ("COALESCE(newest, (SELECT MAX(ts) FROM recent_changes))", "")
    };
    let sql = format!(
        "SELECT position, CAST({newest} AS CHAR), version FROM stream_checkpoint WHERE stream = ?{lock}"
    );
    let row: Option<(String, Option<String>, i64)> = conn.exec_first(sql, (stream,)).await?;
    Ok(
        row.map_or_else(Row::default, |(position, newest, version)| {
            Row::read(&position, newest.as_deref(), version)
        }),
    )
}

/// Adds to what the minutes have.
pub(super) fn add_minutes(table: &str, minutes: impl IntoIterator<Item = (Key, Minute)>) -> String {
    let rows: Vec<_> = minutes
        .into_iter()
        .map(|(key, minute)| {
            let text = |text: String| Value::from(text).as_sql(false);
            format!(
                "({}, {}, {}, {}, {}, {})",
                text(sql_time(key.ts)),
                text(key.wiki),
                text(key.kind),
                minute.events,
                minute.bots,
                minute.bytes_changed
            )
        })
        .collect();
    format!(
        "INSERT INTO {table} (ts, wiki, type, events, bots, bytes_changed) VALUES {} \
         ON DUPLICATE KEY UPDATE events = events + VALUES(events), bots = bots + VALUES(bots), \
         bytes_changed = bytes_changed + VALUES(bytes_changed)",
        rows.join(",")
    )
}
