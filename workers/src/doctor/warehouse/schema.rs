//! The tables that are there: whether they are those of this version, with the keys and collations that they were made with.

use std::collections::HashSet;

use mysql_async::{Conn, prelude::Queryable as _};

use super::{Server, ddl, text};
use crate::doctor::finding::{Findings, Verdict};

const MIGRATE: &str =
    "run `wikiingest-batch migrate`, as the operator and `wikiingest local` do by themselves";

/// Looks at versions, keys and collations.
pub(super) async fn examine(server: &Server, conn: &mut Conn, findings: &mut Findings) {
    let wanted = server
        .mysql
        .migrations()
        .iter()
        .map(|step| step.version)
        .max();
    let tables: Vec<String> = conn.query("SHOW TABLES").await.unwrap_or_default();
    let tables: HashSet<_> = tables.into_iter().collect();
    let found = if tables.contains("schema_migrations") {
        let version = text(
            conn,
            "SELECT CAST(MAX(version) AS CHAR) FROM schema_migrations",
        )
        .await;
        Some(
            version
                .and_then(|version| version.parse().ok())
                .unwrap_or(0),
        )
    } else {
        None
    };
    findings.add("schema", version(found, wanted.unwrap_or(0)));
    let made: Vec<_> = ddl::tables(server.mysql.migrations())
        .into_iter()
        .filter(|table| tables.contains(&table.name))
        .collect();
    findings.add("keys", keys(server, conn, &made).await);
    findings.add("text-columns", collations(server, conn, &made).await);
}

fn version(found: Option<i64>, wanted: i64) -> Verdict {
    match found {
        None => Verdict::ok(format!(
            "the database has no tables of ours yet; the first run makes those of version {wanted}"
        )),
        Some(found) if found == wanted => Verdict::ok(format!(
            "the tables are of version {found}, as is this program"
        )),
        Some(found) if found < wanted => Verdict::not_ok(
            format!("the tables are of version {found}, and this program wants {wanted}"),
            MIGRATE,
        ),
        Some(found) => Verdict::not_ok(
            format!(
                "the tables are of version {found}, which a newer program has made; this one knows {wanted}"
            ),
            "use that program",
        ),
    }
}

/// Sort and shard keys, which no other server has.
async fn keys(server: &Server, conn: &mut Conn, made: &[ddl::Table]) -> Verdict {
    if !server.mysql.is_single_store() {
        return Verdict::could_not_tell(
            format!(
                "this is {}: only SingleStore has sort and shard keys",
                server.kind
            ),
            "nothing needs to be done here",
        );
    }
    if made.is_empty() {
        return Verdict::could_not_tell(
            "there are no tables yet",
            "run again after the first load",
        );
    }
    let mut wrong = Vec::new();
    for table in made {
        match created(conn, &table.name).await {
            Some(found) => wrong.extend(
                ddl::difference(&table.ddl, &found).map(|how| format!("{} has {how}", table.name)),
            ),
            None => wrong.push(format!("{} does not say how it was made", table.name)),
        }
    }
    if wrong.is_empty() {
        return Verdict::ok(format!(
            "{} tables have the sort and shard keys of sql/singlestore",
            made.len()
        ));
    }
    Verdict::not_ok(
        wrong.join("; "),
        "make the table anew from sql/singlestore and copy the rows: such keys cannot be altered",
    )
}

/// How a table would be made again.
pub(super) async fn created(conn: &mut Conn, table: &str) -> Option<String> {
    let row: Option<(String, String)> = conn
        .query_first(format!("SHOW CREATE TABLE {table}"))
        .await
        .ok()?;
    row.map(|(_, ddl)| ddl)
}

/// Titles differ by case and have characters of four bytes.
async fn collations(server: &Server, conn: &mut Conn, made: &[ddl::Table]) -> Verdict {
    if made.is_empty() {
        return Verdict::could_not_tell("there are no tables yet", "run with --write");
    }
    let names: HashSet<_> = made.iter().map(|table| table.name.as_str()).collect();
    let sql = "SELECT table_name, column_name, collation_name FROM information_schema.columns \
               WHERE table_schema = ? AND collation_name IS NOT NULL";
    let columns: mysql_async::Result<Vec<(String, String, String)>> =
        conn.exec(sql, (&server.database,)).await;
    let Ok(columns) = columns else {
        return Verdict::could_not_tell(
            "the server does not tell columns' collations",
            "run with --write",
        );
    };
    let wrong: Vec<_> = columns
        .into_iter()
        .filter(|(table, _, collation)| {
            names.contains(table.as_str()) && collation != "utf8mb4_bin"
        })
        .map(|(table, column, collation)| format!("{table}.{column} is {collation}"))
        .collect();
    if wrong.is_empty() {
        return Verdict::ok(
            "all texts are utf8mb4_bin: any character, and capitals are told from small letters",
        );
    }
    Verdict::not_ok(
        wrong.join(", "),
        "make these columns utf8mb4 with the collation utf8mb4_bin, as in sql/",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Outcome;

    #[test]
    fn a_database_that_is_older_or_newer_is_not_ok_and_an_empty_one_is() {
        assert_eq!(version(None, 3).result, Outcome::Ok);
        assert_eq!(version(Some(3), 3).result, Outcome::Ok);
        assert_eq!(version(Some(2), 3).result, Outcome::NotOk);
        let newer = version(Some(4), 3);
        assert!(newer.detail.contains("a newer program"), "{}", newer.detail);
    }
}
