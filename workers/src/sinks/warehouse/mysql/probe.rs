//! What `wikiingest doctor` asks of a server: through the code that loads, on tables of its own.

use arrow::array::RecordBatch;
use mysql_async::{Conn, prelude::Queryable as _};

use super::{
    LARGEST_PACKET, Mysql, PATIENT, WarehouseError, changes::add_minutes, connect, load, lock,
    schema,
};
use crate::{
    batch::list::Unit,
    stream::minute::{Key, Minute},
};

/// Bytes of the largest packet that is sent.
pub(crate) const PACKET: usize = LARGEST_PACKET;

/// What each connection that loads sets.
pub(crate) const SETTINGS: &str = PATIENT;

impl Mysql {
    /// A connection of its own.
    pub(crate) async fn connection(&self) -> Result<Conn, WarehouseError> {
        connect(&self.opts, &self.server).await
    }

    /// Whether it is `SingleStore`, by its own word.
    pub(crate) fn is_single_store(&self) -> bool {
        self.server.single_store
    }

    /// The schema in this server's dialect.
    pub(crate) fn migrations(&self) -> &'static [schema::Migration] {
        self.server.migrations()
    }

    /// What an error means here.
    pub(crate) fn explain(&self, error: &mysql_async::Error) -> WarehouseError {
        self.server.explain(error)
    }

    /// Loads rows into a table of the same columns.
    pub(crate) async fn load(
        &self,
        conn: &mut Conn,
        table: &str,
        rows: &RecordBatch,
    ) -> Result<(), WarehouseError> {
        load(conn, &self.server, table, |mut into| async {
            into.table(rows).await;
            into
        })
        .await
    }

    /// Adds an event to a minute, in a table like that of the minutes.
    pub(crate) async fn add_event(
        &self,
        conn: &mut Conn,
        table: &str,
        minute: Key,
    ) -> Result<(), WarehouseError> {
        let one = Minute {
            events: 1,
            ..Minute::default()
        };
        conn.query_drop(add_minutes(table, [(minute, one)]))
            .await
            .map_err(|error| self.explain(&error))
    }

    /// Claims a unit in a table like the ledger; the claim goes with the connection or its transaction.
    pub(crate) async fn claim_in(&self, ledger: &str, unit: &Unit) -> Result<Conn, WarehouseError> {
        let mut conn = self.connection().await?;
        let locked = lock(&mut conn, &self.server, ledger, unit).await;
        locked.map_err(|error| self.explain(&error))?;
        Ok(conn)
    }
}
