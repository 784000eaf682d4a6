//! What only trying tells, on tables of its own that are removed in the end.

use std::{sync::Arc, time::Duration};

use arrow::array::{Int64Array, RecordBatch, StringArray};
use jiff::Timestamp;
use mysql_async::{Conn, prelude::Queryable as _};
use tokio_util::sync::CancellationToken;

use super::{ddl, schema, tables::Tables, text};
use crate::{
    batch::{dataset::Dataset, list::Unit},
    doctor::finding::{Findings, Verdict},
    rows::{named, repeated, times},
    sinks::warehouse::{WarehouseError, mysql::Mysql},
    stream::minute::Key,
};

/// All that is tried.
const TRIED: [&str; 8] = [
    "create-tables",
    "keys-as-created",
    "load-data-local",
    "characters",
    "transactions",
    "row-locks",
    "upserts",
    "alter-tables",
];

/// The server's number for a column that is there already, by which a migration that ran before is known.
const DUPLICATE_COLUMN: u16 = 1060;

/// How long a second claim has to wait for it to count as locked out.
const LOCKED: Duration = Duration::from_secs(1);
/// How soon it has to come once the first is done.
const PASSED_ON: Duration = Duration::from_secs(20);

/// Titles that are one to a server that tells small letters from capitals by nothing, or knows three bytes a character.
const TITLES: [&str; 4] = ["A", "a", "\u{1f600}", "\u{1f601}"];

type Tried = Result<Verdict, WarehouseError>;

/// Says of each that it was not tried, and why.
pub(super) fn not_tried(findings: &mut Findings, why: &str, remedy: &str) {
    for name in TRIED {
        if findings.found.iter().all(|finding| finding.name != name) {
            findings.could_not_tell(name, format!("not tried: {why}"), remedy);
        }
    }
}

/// Tries all of it, and leaves nothing behind.
pub(super) async fn run(mysql: &Mysql, stop: &CancellationToken, findings: &mut Findings) {
    let tables = Tables::new();
    if let Err(error) = tables.can_be_dropped(mysql).await {
        findings.add("create-tables", refused(&error));
        let remedy = "see the line `create-tables`";
        return not_tried(findings, "tables of its own are needed", remedy);
    }
    let trial = Trial {
        mysql,
        tables: &tables,
    };
    let _ = stop.run_until_cancelled(trial.all(findings)).await;
    findings.add("left-behind", tables.drop(mysql).await);
    let why = if stop.is_cancelled() {
        "it was stopped"
    } else {
        "something before it failed"
    };
    not_tried(findings, why, "mend what is not ok, and run again");
}

struct Trial<'a> {
    mysql: &'a Mysql,
    tables: &'a Tables,
}

impl Trial<'_> {
    async fn all(&self, findings: &mut Findings) {
        let mut conn = match self.mysql.connection().await {
            Ok(conn) => conn,
            Err(error) => return findings.add("create-tables", refused(&error)),
        };
        let created = self.create(&mut conn).await;
        let goes_on = created.is_ok();
        findings.add("create-tables", settled(created));
        if !goes_on {
            return;
        }
        findings.add("keys-as-created", self.keys(&mut conn).await);
        let loaded = self.load_data(&mut conn).await;
        let has_rows = loaded.is_ok();
        findings.add("load-data-local", settled(loaded));
        if has_rows {
            findings.add("characters", settled(self.characters(&mut conn).await));
            findings.add("transactions", settled(self.transactions(&mut conn).await));
        }
        findings.add("row-locks", settled(self.row_locks().await));
        findings.add("upserts", settled(self.upserts(&mut conn).await));
        findings.add("alter-tables", settled(self.alter(&mut conn).await));
        let _ = conn.disconnect().await;
    }

    async fn create(&self, conn: &mut Conn) -> Tried {
        for (_, ddl) in self.tables.statements(self.mysql) {
            self.run(conn, ddl).await?;
        }
        Ok(Verdict::ok("the statements of sql/ are taken"))
    }

    async fn keys(&self, conn: &mut Conn) -> Verdict {
        if !self.mysql.is_single_store() {
            return Verdict::could_not_tell(
                "only SingleStore has sort and shard keys, and this is another server",
                "nothing needs to be done here",
            );
        }
        let mut wrong = Vec::new();
        for (name, wanted) in self.tables.statements(self.mysql) {
            let found = schema::created(conn, &name).await.unwrap_or_default();
            wrong.extend(ddl::difference(&wanted, &found));
        }
        if wrong.is_empty() {
            return Verdict::ok("sort keys, shard keys and rowstores are as they were asked for");
        }
        Verdict::not_ok(
            wrong.join("; "),
            "report this with the server's version: its tables are made in another way than expected",
        )
    }

    async fn load_data(&self, conn: &mut Conn) -> Tried {
        let facts = &self.tables.facts;
        self.mysql.load(conn, facts, &rows(&TITLES)).await?;
        Ok(Verdict::ok(format!(
            "LOAD DATA LOCAL INFILE took {} rows, all of them, without a warning",
            TITLES.len()
        )))
    }

    async fn characters(&self, conn: &mut Conn) -> Tried {
        for title in TITLES {
            let sql = format!("SELECT title FROM {} WHERE title = ?", self.tables.facts);
            let found: Vec<String> =
                (conn.exec(sql, (title,)).await).map_err(|error| self.mysql.explain(&error))?;
            if found != [title] {
                return Ok(Verdict::not_ok(
                    format!("asked for the title {title:?}, the server finds {found:?}"),
                    "have the server compare utf8mb4 by utf8mb4_bin (collation_server)",
                ));
            }
        }
        Ok(Verdict::ok(
            "characters of four bytes come back, and capitals are told from small letters",
        ))
    }

    /// As a unit that is loaded anew: what was there goes, what is new comes, together or not at all.
    async fn transactions(&self, conn: &mut Conn) -> Tried {
        for (end, left) in [("ROLLBACK", TITLES.as_slice()), ("COMMIT", &["new"])] {
            self.run(conn, "START TRANSACTION".to_owned()).await?;
            let delete = format!(
                "DELETE FROM {} WHERE ts = '2026-01-01 00:00:00'",
                self.tables.facts
            );
            self.run(conn, delete).await?;
            let facts = &self.tables.facts;
            self.mysql.load(conn, facts, &rows(&["new"])).await?;
            self.run(conn, end.to_owned()).await?;
            let found = self.titles(conn).await?;
            if found != left {
                return Ok(Verdict::not_ok(
                    format!(
                        "after a delete, a load and {end} there is {found:?} instead of {left:?}"
                    ),
                    "a server whose transactions do not hold DELETE and LOAD DATA together cannot be loaded into",
                ));
            }
        }
        Ok(Verdict::ok(
            "a delete and a load are undone together and committed together",
        ))
    }

    /// Two workers that load the same unit take turns.
    async fn row_locks(&self) -> Tried {
        let ledger = &self.tables.ledger;
        let unit = Unit {
            dataset: Dataset::Pageviews,
            name: "doctor".to_owned(),
            ts: moment(),
            url: String::new(),
        };
        let mut first = self.mysql.claim_in(ledger, &unit).await?;
        let mut second = Box::pin(self.mysql.claim_in(ledger, &unit));
        tokio::select! {
            early = &mut second => return match early {
                Err(error) if error.contended => Ok(Verdict::ok("a claimed unit is locked, and the second to claim it is refused")),
                Err(error) => Err(error),
                Ok(_) => Ok(Verdict::not_ok(
                    "two connections could claim the same unit at once: its row is not locked",
                    "report this with the server's version: two workers of one unit would both load it",
                )),
            },
            () = tokio::time::sleep(LOCKED) => {}
        }
        self.run(&mut first, "COMMIT".to_owned()).await?;
        match tokio::time::timeout(PASSED_ON, second).await {
            Ok(claimed) => claimed.map(|_| {
                Verdict::ok("a claimed unit is locked until it is committed, and then free")
            }),
            Err(_) => Ok(Verdict::not_ok(
                "a unit stays locked after it was committed",
                "report this with the server's version",
            )),
        }
    }

    async fn upserts(&self, conn: &mut Conn) -> Tried {
        let minutes = &self.tables.minutes;
        for _ in 0..2 {
            let key = Key {
                ts: moment(),
                wiki: "doctor".to_owned(),
                kind: "edit".to_owned(),
            };
            self.mysql.add_event(conn, minutes, key).await?;
        }
        let sum = text(
            conn,
            &format!("SELECT CAST(SUM(events) AS CHAR) FROM {minutes}"),
        )
        .await;
        Ok(if sum.as_deref() == Some("2") {
            Verdict::ok("ON DUPLICATE KEY UPDATE adds to a row that is there")
        } else {
            Verdict::not_ok(
                format!("one and one added by ON DUPLICATE KEY UPDATE make {sum:?}"),
                "report this with the server's version",
            )
        })
    }

    /// A migration that is run again finds its column there, and goes on.
    async fn alter(&self, conn: &mut Conn) -> Tried {
        let sql = format!(
            "ALTER TABLE {} ADD COLUMN bytes BIGINT NOT NULL DEFAULT 0",
            self.tables.facts
        );
        self.run(conn, sql.clone()).await?;
        match conn.query_drop(sql).await {
            Err(mysql_async::Error::Server(error)) if error.code == DUPLICATE_COLUMN => {
                Ok(Verdict::ok(
                    "a column can be added, and one that is there already is known by its error",
                ))
            }
            Err(error) => Err(self.mysql.explain(&error)),
            Ok(()) => Ok(Verdict::not_ok(
                "the same column can be added twice",
                "report this with the server's version",
            )),
        }
    }

    async fn titles(&self, conn: &mut Conn) -> Result<Vec<String>, WarehouseError> {
        let sql = format!("SELECT title FROM {}", self.tables.facts);
        let found: mysql_async::Result<Vec<String>> = conn.query(sql).await;
        let mut found = found.map_err(|error| self.mysql.explain(&error))?;
        found.sort();
        Ok(found)
    }

    async fn run(&self, conn: &mut Conn, sql: String) -> Result<(), WarehouseError> {
        conn.query_drop(sql)
            .await
            .map_err(|error| self.mysql.explain(&error))
    }
}

fn settled(tried: Tried) -> Verdict {
    tried.unwrap_or_else(|error| refused(&error))
}

fn refused(error: &WarehouseError) -> Verdict {
    let advice = error.advice.clone().unwrap_or_default();
    match denied(&error.what) {
        Some("DROP") => Verdict::could_not_tell(
            "not tried: the user may not DROP, and tables would be left behind",
            "grant the user DROP for as long as this takes",
        ),
        Some(right) => Verdict::not_ok(format!("the user may not {right}: {}", error.what), advice),
        None => Verdict::not_ok(error.what.clone(), advice),
    }
}

/// The right that an error says is lacking: `INSERT command denied to user …`.
fn denied(what: &str) -> Option<&str> {
    let (before, _) = what.split_once(" command denied")?;
    let right = before.rsplit([' ', '`']).next()?;
    (!right.is_empty()).then_some(right)
}

fn rows(titles: &[&str]) -> RecordBatch {
    let count = titles.len();
    named(vec![
        ("ts", times(std::iter::repeat_n(moment(), count))),
        ("domain_code", repeated("en", count)),
        ("project", repeated("en.wikipedia", count)),
        ("access", repeated("desktop", count)),
        ("title", Arc::new(StringArray::from_iter_values(titles))),
        ("views", Arc::new(Int64Array::from_value(1, count))),
    ])
}

fn moment() -> Timestamp {
    Timestamp::constant(1_767_225_600, 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::finding::Outcome, failure::Class};

    fn error(what: &str) -> WarehouseError {
        WarehouseError {
            place: "db".to_owned(),
            what: what.to_owned(),
            advice: Some("do this".to_owned()),
            class: Class::Refused,
            contended: false,
            no_tls: false,
            code: Some(1142),
            trouble: None,
        }
    }

    #[test]
    fn a_right_that_lacks_is_named() {
        let what = "Server error: `ERROR 42000 (1142): INSERT command denied to user 'w'@'h'";
        let verdict = refused(&error(what));
        assert_eq!(verdict.result, Outcome::NotOk);
        assert!(
            verdict.detail.starts_with("the user may not INSERT: "),
            "{}",
            verdict.detail
        );
        assert_eq!(denied("something else"), None);
    }

    #[test]
    fn nothing_is_made_that_could_not_be_removed() {
        let verdict = refused(&error("Server error: `DROP command denied to user"));
        assert_eq!(verdict.result, Outcome::CouldNotTell);
    }

    #[test]
    fn what_was_tried_is_not_told_as_not_tried() {
        let mut findings = Findings::of("sink w");
        findings.ok("create-tables", "yes");
        not_tried(&mut findings, "why", "do");
        assert_eq!(findings.found.len(), TRIED.len());
        assert_eq!(findings.found[0].result, Outcome::Ok);
    }
}
