//! Rows that are too old go, a moment or an hour at a time, and of those so many in a transaction.

use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use super::{Sqlite, explain};
use crate::sinks::{
    expire::{Expired, Expiry},
    warehouse::{
        WarehouseError,
        expire::{EVER, Gone, ROWS, Slice},
        sql_time,
    },
};

/// Rejected lines that go at once.
const REJECTS: u32 = 10_000;

impl Sqlite {
    pub(in crate::sinks) async fn expire(
        &self,
        expiry: &Expiry,
        expired: &mut Expired,
        stop: &CancellationToken,
    ) -> Result<(), WarehouseError> {
        self.try_expire(expiry, expired, stop)
            .await
            .map_err(|error| explain(&self.path)(&error))
    }

    async fn try_expire(
        &self,
        expiry: &Expiry,
        expired: &mut Expired,
        stop: &CancellationToken,
    ) -> sqlx::Result<()> {
        let mut from = EVER.to_owned();
        while !stop.is_cancelled() {
            let Some(oldest) = self.oldest(expiry, &from).await? else {
                break;
            };
            let slice = Slice::of(&oldest, expiry.step);
            let gone = self.delete(expiry, &slice).await?;
            expired.rows += gone.rows;
            if gone.is_all {
                from = slice.next;
            }
        }
        for rejects in &expiry.rejects {
            while !stop.is_cancelled() {
                let rows = self.delete_rejects(&rejects.source, expiry).await?;
                if rows == 0 {
                    break;
                }
                expired.rows += rows;
            }
        }
        Ok(())
    }

    /// The time of the oldest row that has to go.
    async fn oldest(&self, expiry: &Expiry, from: &str) -> sqlx::Result<Option<String>> {
        let mut oldest: Option<String> = None;
        for table in &expiry.tables {
            let sql = format!(
                "SELECT MIN(ts) FROM {table} WHERE {}ts >= ? AND ts < ?",
                expiry.of_agent()
            );
            let found: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                .bind(from)
                .bind(sql_time(expiry.before))
                .fetch_one(&self.pool)
                .await?;
            oldest = oldest.into_iter().chain(found).min();
        }
        Ok(oldest)
    }

    /// Deletes of a slice, in one transaction: facts first, and what is derived of them with the last.
    async fn delete(&self, expiry: &Expiry, slice: &Slice) -> sqlx::Result<Gone> {
        let mut transaction = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let mut gone = Gone::default();
        for (nth, table) in expiry.tables.iter().enumerate() {
            let condition = format!("{}{}", expiry.of_agent(), slice.condition);
            // Only facts have a rowid, and only of them there are many.
            let sql = if nth == 0 {
                format!(
                    "DELETE FROM {table} WHERE rowid IN (SELECT rowid FROM {table} WHERE {condition} LIMIT {ROWS})"
                )
            } else {
                format!("DELETE FROM {table} WHERE {condition}")
            };
            let query = slice
                .bounds
                .iter()
                .fold(sqlx::query(AssertSqlSafe(sql)), sqlx::query::Query::bind);
            let deleted = query.execute(&mut *transaction).await?.rows_affected();
            if !gone.goes_on(deleted) {
                break;
            }
        }
        transaction.commit().await?;
        Ok(gone)
    }

    async fn delete_rejects(&self, source: &str, expiry: &Expiry) -> sqlx::Result<u64> {
        let sql = format!(
            "DELETE FROM ingest_rejects WHERE rowid IN \
             (SELECT rowid FROM ingest_rejects WHERE source = ? AND ts < ? LIMIT {REJECTS})"
        );
        let deleted = sqlx::query(AssertSqlSafe(sql))
            .bind(source)
            .bind(sql_time(expiry.before))
            .execute(&self.pool)
            .await?;
        Ok(deleted.rows_affected())
    }
}
