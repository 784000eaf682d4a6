//! Ways to get a million rows into MariaDB: why the warehouse sink does it as it does.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::case::Case;
use super::generate::Hour;
use super::measure::{Measured, measure};
use super::{project, push_tsv, release};
use crate::error::{Doing, Error, Result};
use crate::process::capture;
use crate::scratch;
use crate::servers::mariadb::{Durability, MariaDb, client};

const BENCH: &str = "mysql-bulk";
const TABLE: &str = "CREATE TABLE load_rows (ts DATETIME NOT NULL, domain_code VARCHAR(64) NOT NULL, \
    project VARCHAR(64) NOT NULL, access VARCHAR(16) NOT NULL, title VARCHAR(4096) NOT NULL, views BIGINT NOT NULL, \
    KEY (ts)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

pub(super) fn run(lines: usize, runs: usize) -> Result<Vec<Case>> {
    let build = [
        "--package",
        "wikiingest-e2e",
        "--bin",
        "bulk-peers",
        "--features",
        "servers",
    ];
    let peers = release(&build)?.path("bulk-peers")?;
    let mariadb = MariaDb::start(Durability::Bench)?;
    mariadb.sql("CREATE DATABASE bulk")?;
    let dir = scratch::dir("bulk")?;
    let tsv = write_tsv(dir.path(), lines)?;
    let mut import = Case::new(BENCH, "floor: mariadb-import", None);
    let mut insert = Case::new(BENCH, "sqlx INSERT of 1,000", None);
    let mut load_data = Case::new(BENCH, "mysql_async LOAD DATA", None);
    for round in 0..=runs {
        import.add(
            round,
            fresh(&mariadb, lines, || {
                measure(
                    client("mariadb-import", mariadb.port())?
                        .args(["--local", "bulk"])
                        .arg(&tsv),
                )
            })?,
        );
        insert.add(
            round,
            fresh(&mariadb, lines, || peer(&peers, "insert", &mariadb, lines))?,
        );
        load_data.add(
            round,
            fresh(&mariadb, lines, || {
                peer(&peers, "load-data", &mariadb, lines)
            })?,
        );
    }
    insert.against(&import);
    load_data.against(&import);
    Ok(vec![import, insert, load_data])
}

/// Into an empty table, and all of it.
fn fresh(
    mariadb: &MariaDb,
    lines: usize,
    load: impl FnOnce() -> Result<Measured>,
) -> Result<Measured> {
    mariadb.sql(&format!(
        "USE bulk; DROP TABLE IF EXISTS load_rows; {TABLE}"
    ))?;
    let measured = load()?;
    let rows = mariadb.sql("SELECT COUNT(*) FROM bulk.load_rows")?;
    if rows.trim() == lines.to_string() {
        return Ok(measured);
    }
    Err(Error::other(format!(
        "{} rows were loaded, not {lines}",
        rows.trim()
    )))
}

/// The peer times itself: making the rows, which it holds all at once, does not count. Nor does its memory.
fn peer(program: &Path, way: &str, mariadb: &MariaDb, lines: usize) -> Result<Measured> {
    let mut command = crate::process::guarded(program);
    command.args([way, "--database", "bulk", "--table", "load_rows"]);
    command.args([
        "--port",
        &mariadb.port().to_string(),
        "--lines",
        &lines.to_string(),
    ]);
    let printed = capture(&mut command)?;
    let seconds = printed
        .trim()
        .parse()
        .map_err(|_| Error::other(format!("{way} printed {printed:?}, not seconds")))?;
    Ok(Measured {
        seconds,
        rss_mib: None,
    })
}

fn write_tsv(dir: &Path, lines: usize) -> Result<PathBuf> {
    // The file's name is the table's.
    let path = dir.join("load_rows.tsv");
    let mut out = BufWriter::new(File::create(&path).doing_to("creating", &path)?);
    let mut title = String::new();
    let rows = Hour { lines, seed: 1 }.rows(|row| {
        let (project, access) = project(row.domain_code);
        title.clear();
        push_tsv(&mut title, row.title);
        writeln!(
            out,
            "2026-11-23 05:00:00\t{}\t{project}\t{access}\t{title}\t{}",
            row.domain_code, row.views
        )
    });
    rows.doing_to("writing", &path)?;
    out.flush().doing_to("writing", &path)?;
    Ok(path)
}
