//! Rows streamed into a table by `LOAD DATA LOCAL INFILE`, from memory.

use arrow::array::RecordBatch;
use bytes::Bytes;
use futures::StreamExt;
use mysql_async::{Conn, prelude::Queryable};
use tokio::sync::mpsc::{self, Sender};

use super::{Server, WarehouseError};
use crate::{
    failure::Class,
    sinks::warehouse::{
        cells::{Cell, Cells},
        precise,
    },
    stream::{
        event::{Change, Value},
        frame::MAX_FRAME,
    },
};

/// Bytes a packet of rows: larger ones bring nothing.
const CHUNK: usize = 64 << 10;

/// The largest packet that a server has to take: a packet of rows whose last one is the longest event there is.
pub(super) const LARGEST_PACKET: usize = CHUNK + MAX_FRAME;

/// Streams rows into a table, and makes sure that the server took each as it is.
pub(super) async fn load<'a, F>(
    conn: &mut Conn,
    server: &Server,
    table: &str,
    fill: impl FnOnce(Rows) -> F,
) -> Result<(), WarehouseError>
where
    F: Future<Output = Rows> + 'a,
{
    let (sender, queue) = mpsc::channel::<Bytes>(4);
    let stream = futures::stream::unfold(queue, |mut queue| async move {
        queue.recv().await.map(|bytes| (Ok(bytes), queue))
    });
    conn.set_infile_handler(async move { Ok(stream.boxed()) });
    // The text is UTF-8 by the time it is here; MariaDB need not look at it again.
    let charset = if server.single_store {
        "utf8mb4"
    } else {
        "binary"
    };
    let sql = format!(
        "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {table} CHARACTER SET {charset} \
         FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"
    );
    let fill = async {
        let mut rows = fill(Rows::new(sender)).await;
        rows.flush().await;
        rows.sent
    };
    let query = async {
        let loaded = conn.query_drop(sql).await;
        if loaded.is_err() {
            // A server that refuses never asks for the rows: who fills must not wait for it.
            conn.set_infile_handler(std::future::pending());
        }
        loaded
    };
    let (loaded, sent) = tokio::join!(query, fill);
    loaded.map_err(|error| server.explain(&error))?;
    let (taken, warnings) = (conn.affected_rows(), conn.get_warnings());
    if taken != sent || warnings > 0 {
        let what =
            format!("{table}: {sent} rows were sent, {taken} were taken, with {warnings} warnings");
        return Err(server.error(what, "compare the table with sql/mysql", Class::TryAgain));
    }
    Ok(())
}

/// Rows as `LOAD DATA` reads them, handed over in chunks.
pub(super) struct Rows {
    sender: Sender<Bytes>,
    buffer: Vec<u8>,
    sent: u64,
}

impl Rows {
    fn new(sender: Sender<Bytes>) -> Self {
        Self {
            sender,
            buffer: Vec::with_capacity(CHUNK + 8192),
            sent: 0,
        }
    }

    /// All rows of a table. False: nobody takes rows any more.
    pub(super) async fn table(&mut self, table: &RecordBatch) -> bool {
        let mut cells = Cells::new(table);
        for row in 0..cells.rows() {
            for column in 0..cells.width() {
                if column > 0 {
                    self.buffer.push(b'\t');
                }
                match cells.get(column, row) {
                    Cell::Null => self.buffer.extend_from_slice(b"\\N"),
                    Cell::Text(text) => escape(text, &mut self.buffer),
                    Cell::Int(number) => self.put_number(number),
                    Cell::Flag(flag) => self.buffer.push(if flag { b'1' } else { b'0' }),
                }
            }
            if !self.end_row().await {
                return false;
            }
        }
        true
    }

    /// A change's row.
    pub(super) async fn change(&mut self, change: &Change<'_>) -> bool {
        for (at, value) in change.values().iter().enumerate() {
            if at > 0 {
                self.buffer.push(b'\t');
            }
            match value {
                Value::Time(moment) => self.buffer.extend_from_slice(precise(*moment).as_bytes()),
                Value::Text(Some(text)) => escape(text, &mut self.buffer),
                Value::Int(Some(number)) => self.put_number(*number),
                Value::Flag(Some(flag)) => self.buffer.push(if *flag { b'1' } else { b'0' }),
                Value::Text(None) | Value::Int(None) | Value::Flag(None) => {
                    self.buffer.extend_from_slice(b"\\N");
                }
            }
        }
        self.end_row().await
    }

    fn put_number(&mut self, value: i64) {
        use std::io::Write as _;
        // Writing to memory does not fail.
        let _ = write!(self.buffer, "{value}");
    }

    async fn end_row(&mut self) -> bool {
        self.buffer.push(b'\n');
        self.sent += 1;
        self.buffer.len() < CHUNK || self.flush().await
    }

    async fn flush(&mut self) -> bool {
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK + 8192));
        self.sender.send(full.into()).await.is_ok()
    }
}

fn escape(text: &str, into: &mut Vec<u8>) {
    let mut rest = text.as_bytes();
    // A raw event has many backslashes, and hardly any text has a NUL.
    let has_nul = memchr::memchr(0, rest).is_some();
    loop {
        let special = memchr::memchr3(b'\\', b'\t', b'\n', rest).unwrap_or(rest.len());
        let (plain, tail) = rest.split_at(special);
        if has_nul {
            escape_nul(plain, into);
        } else {
            into.extend_from_slice(plain);
        }
        let Some((special, tail)) = tail.split_first() else {
            return;
        };
        into.extend_from_slice(match special {
            b'\t' => b"\\t",
            b'\n' => b"\\n",
            _ => b"\\\\",
        });
        rest = tail;
    }
}

fn escape_nul(bytes: &[u8], into: &mut Vec<u8>) {
    for (number, part) in bytes.split(|byte| *byte == 0).enumerate() {
        if number > 0 {
            into.extend_from_slice(b"\\0");
        }
        into.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_load_data_would_read_as_syntax_is_escaped() {
        let mut out = Vec::new();
        escape("a\\b\tc\nd\0e\"'", &mut out);
        assert_eq!(out, b"a\\\\b\\tc\\nd\\0e\"'");
        out.clear();
        escape("\0\\\0", &mut out);
        assert_eq!(out, b"\\0\\\\\\0");
    }
}
