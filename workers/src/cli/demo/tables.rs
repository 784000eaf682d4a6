//! What landed, as the database has it.

use std::path::Path;

use comfy_table::{CellAlignment, Table, presets::UTF8_BORDERS_ONLY};
use indicatif::HumanCount;
use sqlx::{
    AssertSqlSafe, ConnectOptions as _, Connection as _, Row as _, SqliteConnection,
    sqlite::SqliteConnectOptions,
};

use crate::{batch::dataset::Dataset, cli::cut::cut};

/// The most characters of a title that are shown.
const TITLE: usize = 46;

const TYPES: &str = "SELECT COALESCE(type, ''), COUNT(*), SUM(bot = 1), SUM(COALESCE(length_new, 0) - COALESCE(length_old, 0)) \
                     FROM recent_changes GROUP BY type ORDER BY COUNT(*) DESC, type";

const WIKIS: &str = "SELECT wiki, SUM(events), SUM(bots), SUM(bytes_changed) FROM recent_changes_minute \
                     GROUP BY wiki ORDER BY SUM(events) DESC, wiki LIMIT 5";

const USERS: &str = "SELECT COALESCE(user_name, ''), MAX(bot = 1), COUNT(*), COUNT(DISTINCT wiki) FROM recent_changes \
                     GROUP BY user_name ORDER BY COUNT(*) DESC, user_name LIMIT 5";

const MEDIA: &str = "SELECT file, project, transfers FROM mediacounts_daily \
                     ORDER BY transfers DESC, base_name LIMIT 5";

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
    let media = media(&mut connection).await?;
    let types = changes(&mut connection, "type", TYPES).await?;
    let wikis = changes(&mut connection, "wiki", WIKIS).await?;
    let users = users(&mut connection).await?;
    connection.close().await?;
    let sections = [
        ("What landed (hours are UTC, by their start)", landed),
        ("The most viewed pages of the hour", views),
        (
            "The most requested pages of the day, of those that begin with Simon",
            counts,
        ),
        ("The most transferred media files of a made-up day", media),
        ("What was edited, by type", types),
        ("The busiest wikis", wikis),
        ("Who edited most", users),
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

async fn media(connection: &mut SqliteConnection) -> sqlx::Result<Table> {
    let rows = sqlx::query(MEDIA).fetch_all(connection).await?;
    let mut table = table(&["file", "project", "transfers"], 2..3);
    for row in rows {
        let transfers = HumanCount(row.get::<i64, _>(2).unsigned_abs()).to_string();
        table.add_row([shown(row.get(0)), row.get(1), transfers]);
    }
    Ok(table)
}

/// Changes by something.
async fn changes(
    connection: &mut SqliteConnection,
    by: &str,
    sql: &'static str,
) -> sqlx::Result<Table> {
    let rows = sqlx::query(sql).fetch_all(connection).await?;
    let mut table = table(&[by, "events", "by bots", "bytes"], 1..4);
    for row in rows {
        let count = |index| HumanCount(row.get::<i64, _>(index).unsigned_abs()).to_string();
        let sign = if row.get::<i64, _>(3) < 0 { "-" } else { "+" };
        let bytes = format!("{sign}{}", count(3));
        table.add_row([shown(row.get(0)), count(1), count(2), bytes]);
    }
    Ok(table)
}

async fn users(connection: &mut SqliteConnection) -> sqlx::Result<Table> {
    let rows = sqlx::query(USERS).fetch_all(connection).await?;
    let mut table = table(&["user", "", "events", "wikis"], 2..4);
    for row in rows {
        let count = |index| HumanCount(row.get::<i64, _>(index).unsigned_abs()).to_string();
        let bot = if row.get(1) { "bot" } else { "" };
        table.add_row([shown(row.get(0)), bot.to_owned(), count(2), count(3)]);
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
    cut(&plain.collect::<String>(), TITLE)
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
