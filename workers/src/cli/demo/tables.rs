//! What landed, as the database has it.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use indicatif::HumanCount;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use crate::batch::dataset::Dataset;

/// The most characters of a title that are shown.
const TITLE: usize = 46;

const LANDED: &str = "SELECT source, COUNT(*), SUM(rows), SUM(rejected), MIN(ts), MAX(ts) \
                      FROM ingest_ledger GROUP BY source ORDER BY source DESC";

/// Reads the tables to show from a database file.
pub(super) async fn read(database: &Path) -> sqlx::Result<String> {
    let mut connection = SqliteConnectOptions::new()
        .filename(database)
        .disable_statement_logging()
        .connect()
        .await?;
    let landed = landed(&mut connection).await?;
    let views = top(&mut connection, Dataset::Pageviews).await?;
    let counts = top(&mut connection, Dataset::PagecountsRaw).await?;
    connection.close().await?;
    let sections = [
        ("What landed (hours are UTC, by their start)", landed),
        ("The most viewed pages of the hour", views),
        (
            "The most requested pages of the day, of those that begin with Simon",
            counts,
        ),
    ];
    let sections = sections.map(|(heading, table)| format!("{heading}:\n{table}\n"));
    Ok(sections.join("\n"))
}

async fn landed(connection: &mut SqliteConnection) -> sqlx::Result<Table> {
    let rows = sqlx::query(LANDED).fetch_all(connection).await?;
    let mut table = table(
        &[
            "source",
            "files",
            "rows",
            "rejected",
            "first hour",
            "last hour",
        ],
        1..4,
    );
    for row in rows {
        let number = |index| HumanCount(row.get::<i64, _>(index).unsigned_abs()).to_string();
        table.add_row([
            row.get(0),
            number(1),
            number(2),
            number(3),
            hour(row.get(4)),
            hour(row.get(5)),
        ]);
    }
    Ok(table)
}

async fn top(connection: &mut SqliteConnection, dataset: Dataset) -> sqlx::Result<Table> {
    let sql = format!(
        "SELECT project, title, SUM(views) AS views FROM {} \
         GROUP BY project, title ORDER BY views DESC, project, title LIMIT 5",
        dataset.tables().facts
    );
    let rows = sqlx::query(AssertSqlSafe(sql))
        .fetch_all(connection)
        .await?;
    let mut table = table(&["project", "page", "views"], 2..3);
    for row in rows {
        let views = HumanCount(row.get::<i64, _>(2).unsigned_abs()).to_string();
        table.add_row([row.get(0), shown(row.get(1)), views]);
    }
    Ok(table)
}

fn table(header: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_header(header.to_vec());
    // All of it fits into 80 columns.
    for column in table.column_iter_mut() {
        column.set_padding((1, 0));
    }
    for index in numbers {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// A time without its seconds.
fn hour(ts: &str) -> String {
    ts.get(..16).unwrap_or(ts).to_owned()
}

/// Titles come from strangers: none may be long, or steer the terminal.
fn shown(title: &str) -> String {
    let plain = title.chars().map(|letter| {
        if letter.is_control() {
            char::REPLACEMENT_CHARACTER
        } else {
            letter
        }
    });
    if title.chars().count() <= TITLE {
        return plain.collect();
    }
    plain.take(TITLE - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_cut_and_cannot_steer_the_terminal() {
        assert_eq!(shown("Simon_\u{1b}[31m"), "Simon_\u{fffd}[31m");
        assert_eq!(shown(&"é".repeat(46)), "é".repeat(46));
        assert_eq!(shown(&"é".repeat(47)), format!("{}…", "é".repeat(45)));
    }
}
