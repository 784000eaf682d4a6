//! Loads the rows of a generated hour into one table of a MySQL-speaking server, in one of two ways, and prints the
//! seconds it took: the numbers behind the choice of the warehouse sink's driver. `cargo e2e bench mysql-bulk` runs it.

use std::error::Error;
use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::time::Instant;

use bytes::Bytes;
use clap::{Parser, ValueEnum};
use futures::StreamExt as _;
use mysql_async::prelude::Queryable as _;
use sqlx::{Connection as _, Executor as _};
use wikiingest_e2e::bench::generate::Hour;

/// Loads generated rows and prints the seconds.
#[derive(Debug, Parser)]
struct Args {
    /// How to load.
    way: Way,
    /// The port of the server on 127.0.0.1.
    #[arg(long)]
    port: u16,
    /// The database.
    #[arg(long)]
    database: String,
    /// The table, which must be there and empty.
    #[arg(long)]
    table: String,
    /// How many rows.
    #[arg(long)]
    lines: usize,
}

/// The ways to load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Way {
    /// Prepared INSERTs of 1,000 rows through sqlx, in one transaction.
    Insert,
    /// LOAD DATA LOCAL from memory through `mysql_async`.
    LoadData,
}

/// What the worker has in hand when its sink gets to see a row.
struct Row {
    domain_code: String,
    project: String,
    access: &'static str,
    title: String,
    views: i64,
}

const TS: &str = "2026-11-23 05:00:00";
const BATCH: usize = 1000;
const CHUNK: usize = 64 << 10;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let rows = rows(args.lines)?;
    let started = Instant::now();
    match args.way {
        Way::Insert => insert(&args, &rows).await?,
        Way::LoadData => load_data(&args, rows).await?,
    }
    writeln!(io::stdout(), "{}", started.elapsed().as_secs_f64())?;
    Ok(())
}

fn rows(lines: usize) -> io::Result<Vec<Row>> {
    let mut rows = Vec::with_capacity(lines);
    Hour { lines, seed: 1 }.rows(|row| {
        let (project, access) = wikiingest_e2e::bench::project(row.domain_code);
        rows.push(Row {
            domain_code: row.domain_code.to_owned(),
            project: project.to_owned(),
            access,
            title: row.title.to_owned(),
            views: i64::try_from(row.views).unwrap_or(i64::MAX),
        });
        Ok(())
    })?;
    Ok(rows)
}

async fn insert(args: &Args, rows: &[Row]) -> Result<(), Box<dyn Error>> {
    let options = sqlx::mysql::MySqlConnectOptions::new()
        .host("127.0.0.1")
        .port(args.port)
        .username(wikiingest_e2e::servers::mariadb::USER)
        .password(wikiingest_e2e::servers::mariadb::PASSWORD)
        .database(&args.database);
    let mut connection = sqlx::MySqlConnection::connect_with(&options).await?;
    let mut transaction = connection.begin().await?;
    for batch in rows.chunks(BATCH) {
        let places = vec!["(?,?,?,?,?,?)"; batch.len()].join(",");
        let statement = format!(
            "INSERT INTO {} (ts,domain_code,project,access,title,views) VALUES {places}",
            args.table
        );
        let mut query = sqlx::query(sqlx::AssertSqlSafe(statement));
        for row in batch {
            query = query
                .bind(TS)
                .bind(&row.domain_code)
                .bind(&row.project)
                .bind(row.access)
                .bind(&row.title)
                .bind(row.views);
        }
        transaction.execute(query).await?;
    }
    transaction.commit().await?;
    Ok(())
}

async fn load_data(args: &Args, rows: Vec<Row>) -> Result<(), Box<dyn Error>> {
    let options = mysql_async::OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(args.port)
        .user(Some(wikiingest_e2e::servers::mariadb::USER))
        .pass(Some(wikiingest_e2e::servers::mariadb::PASSWORD))
        .db_name(Some(&args.database));
    let mut connection = mysql_async::Conn::new(options).await?;
    let mut rows = Some(rows);
    connection.set_infile_handler(async move {
        let rows = rows.take().unwrap_or_default();
        Ok(futures::stream::iter(Chunks {
            rows: rows.into_iter(),
        })
        .map(Ok)
        .boxed())
    });
    let statement = format!(
        "LOAD DATA LOCAL INFILE 'rows' INTO TABLE {} CHARACTER SET binary (ts,domain_code,project,access,title,views)",
        args.table
    );
    connection.query_drop(statement).await?;
    connection.disconnect().await?;
    Ok(())
}

/// The rows as tab-separated text, in pieces.
struct Chunks {
    rows: std::vec::IntoIter<Row>,
}

impl Iterator for Chunks {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let mut chunk = String::with_capacity(CHUNK + 1024);
        for row in self.rows.by_ref() {
            let _ = write!(
                chunk,
                "{TS}\t{}\t{}\t{}\t",
                row.domain_code, row.project, row.access
            );
            wikiingest_e2e::bench::push_tsv(&mut chunk, &row.title);
            let _ = writeln!(chunk, "\t{}", row.views);
            if chunk.len() >= CHUNK {
                break;
            }
        }
        (!chunk.is_empty()).then(|| chunk.into())
    }
}
