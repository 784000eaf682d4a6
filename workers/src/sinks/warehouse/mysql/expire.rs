//! Rows that are too old go, a moment or an hour at a time, and of those so many in a transaction.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};
use tokio_util::sync::CancellationToken;

use super::{Mysql, connect};
use crate::sinks::{
    expire::{Expired, Expiry},
    warehouse::{
        WarehouseError,
        expire::{EVER, Gone, ROWS, Slice},
        sql_time,
    },
};

/// How often a step that others are in the way of is tried.
const TRIES: u32 = 10;
/// The wait before it is tried again.
const PAUSE: Duration = Duration::from_millis(200);
/// Units whose rejected lines go in one transaction, each up to [`ROWS`].
const UNITS: usize = 5;

/// A statement that deletes, and what it is given.
type Delete = (String, Vec<String>);

impl Mysql {
    pub(in crate::sinks) async fn expire(
        &self,
        expiry: &Expiry,
        expired: &mut Expired,
        stop: &CancellationToken,
    ) -> Result<(), WarehouseError> {
        let mut conn = connect(&self.opts, &self.server).await?;
        self.no_gap_locks(&mut conn).await?;
        let mut from = EVER.to_owned();
        while !stop.is_cancelled() {
            let Some(oldest) = self.oldest(&mut conn, expiry, &from).await? else {
                break;
            };
            let slice = Slice::of(&oldest, expiry.step);
            let deletes: Vec<Delete> = (expiry.tables.iter())
                .map(|table| {
                    let of_agent = expiry.of_agent();
                    let condition = slice.condition;
                    let sql =
                        format!("DELETE FROM {table} WHERE {of_agent}{condition} LIMIT {ROWS}");
                    (sql, slice.bounds.clone())
                })
                .collect();
            let gone = self.patiently(&mut conn, &deletes).await?;
            expired.rows += gone.rows;
            if gone.is_all {
                from = slice.next;
            }
        }
        for rejects in &expiry.rejects {
            while !stop.is_cancelled() {
                let deletes = self.rejects(&mut conn, &rejects.source, expiry).await?;
                if deletes.is_empty() {
                    break;
                }
                expired.rows += self.patiently(&mut conn, &deletes).await?.rows;
            }
        }
        let _ = conn.disconnect().await;
        Ok(())
    }

    /// Without gap locks nobody who loads another time waits for this, nor this for them. `SingleStore` has none.
    async fn no_gap_locks(&self, conn: &mut Conn) -> Result<(), WarehouseError> {
        if self.server.single_store {
            return Ok(());
        }
        conn.query_drop("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
            .await
            .map_err(|error| self.server.explain(&error))
    }

    /// The time of the oldest row that has to go. Those from before `from` are gone, and the server need not wade through
    /// what it has not cleared away of them.
    async fn oldest(
        &self,
        conn: &mut Conn,
        expiry: &Expiry,
        from: &str,
    ) -> Result<Option<String>, WarehouseError> {
        let before = sql_time(expiry.before);
        let mut oldest: Option<String> = None;
        for table in &expiry.tables {
            let of_agent = expiry.of_agent();
            let sql = format!(
                "SELECT CAST(MIN(ts) AS CHAR) FROM {table} WHERE {of_agent}ts >= ? AND ts < ?"
            );
            let found: Option<Option<String>> = conn
                .exec_first(sql, (from, &before))
                .await
                .map_err(|error| self.server.explain(&error))?;
            oldest = oldest.into_iter().chain(found.flatten()).min();
        }
        Ok(oldest)
    }

    /// Some rejected lines that have to go. Their units are looked up first, since a search that deletes would wait for
    /// what others are writing.
    async fn rejects(
        &self,
        conn: &mut Conn,
        source: &str,
        expiry: &Expiry,
    ) -> Result<Vec<Delete>, WarehouseError> {
        let before = sql_time(expiry.before);
        let sql = format!(
            "SELECT DISTINCT unit FROM ingest_rejects WHERE source = ? AND ts < ? LIMIT {UNITS}"
        );
        let units: Vec<String> = conn
            .exec(sql, (source, &before))
            .await
            .map_err(|error| self.server.explain(&error))?;
        let delete = |unit: String| {
            let sql = format!(
                "DELETE FROM ingest_rejects WHERE source = ? AND unit = ? AND ts < ? LIMIT {ROWS}"
            );
            (sql, vec![source.to_owned(), unit, before.clone()])
        };
        Ok(units.into_iter().map(delete).collect())
    }

    /// Deletes in one transaction, again if others were in the way.
    async fn patiently(&self, conn: &mut Conn, deletes: &[Delete]) -> Result<Gone, WarehouseError> {
        let mut tries = 1;
        loop {
            let error = match delete(conn, deletes).await {
                Ok(gone) => return Ok(gone),
                Err(error) => self.server.explain(&error),
            };
            if !error.contended || tries == TRIES {
                return Err(error);
            }
            tries += 1;
            tracing::info!(%error, "Somebody else is in the way; trying again");
            conn.query_drop("ROLLBACK")
                .await
                .map_err(|error| self.server.explain(&error))?;
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// Statement after statement, until one meets its limit: what comes after it waits for the rest of its rows.
async fn delete(conn: &mut Conn, deletes: &[Delete]) -> mysql_async::Result<Gone> {
    conn.query_drop("START TRANSACTION").await?;
    let mut gone = Gone::default();
    for (sql, bounds) in deletes {
        conn.exec_drop(sql.as_str(), bounds.clone()).await?;
        if !gone.goes_on(conn.affected_rows()) {
            break;
        }
    }
    conn.query_drop("COMMIT").await?;
    Ok(gone)
}
