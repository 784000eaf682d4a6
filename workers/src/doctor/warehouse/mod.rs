//! A server that speaks MySQL's protocol: every assumption that the code makes of it, by name.

mod ddl;
mod grants;
mod opening;
mod schema;
mod settings;
mod tables;
mod trial;

use mysql_async::{Conn, prelude::Queryable as _};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{SingleStoreSink, TlsMode};

use super::finding::{Finding, Findings};
use crate::sinks::warehouse::mysql::Mysql;

/// Connects as a worker does, asks, and with `write` tries.
pub(super) async fn examine(
    name: &str,
    sink: &SingleStoreSink,
    write: bool,
    stop: &CancellationToken,
) -> Vec<Finding> {
    let mut findings = Findings::of(format!("sink {name}"));
    let opened = match Mysql::open(name, sink).await {
        Ok(mysql) => mysql.connection().await.map(|conn| (mysql, conn)),
        Err(error) => Err(error),
    };
    match opened {
        Ok((mysql, mut conn)) => {
            opening::opened(&mut findings);
            let mut server = Server::new(mysql, &mut conn, sink).await;
            tls(&mut conn, sink, &mut findings).await;
            server.examine(&mut conn, &mut findings).await;
            server.try_out(write, stop, &mut findings).await;
            let _ = conn.disconnect().await;
        }
        Err(error) => opening::failed(&error, &mut findings),
    }
    findings.found
}

/// A server, and what is known of it.
struct Server {
    mysql: Mysql,
    database: String,
    /// What it calls itself.
    kind: String,
    /// The grants lack something that loads need.
    may_not: bool,
}

impl Server {
    async fn new(mysql: Mysql, conn: &mut Conn, sink: &SingleStoreSink) -> Self {
        let version = text(conn, "SELECT VERSION()").await.unwrap_or_default();
        let kind = if mysql.is_single_store() {
            let version = text(conn, "SELECT @@memsql_version").await;
            format!("SingleStore {}", version.unwrap_or_default())
        } else if version.contains("MariaDB") {
            format!("MariaDB {}", version.split('-').next().unwrap_or_default())
        } else {
            format!("MySQL {version}")
        };
        Self {
            mysql,
            database: sink.database.clone(),
            kind,
            may_not: false,
        }
    }

    /// All that can be asked without writing.
    async fn examine(&mut self, conn: &mut Conn, findings: &mut Findings) {
        findings.ok("dialect", format!("this is {}", self.kind));
        self.rights(conn, findings).await;
        settings::examine(conn, findings).await;
        schema::examine(self, conn, findings).await;
    }

    async fn rights(&mut self, conn: &mut Conn, findings: &mut Findings) {
        let told: Option<Vec<String>> = conn.query("SHOW GRANTS").await.ok();
        let verdict = grants::judge(told.as_deref(), &self.database);
        self.may_not = verdict.result == super::finding::Outcome::NotOk;
        findings.add("rights", verdict);
    }

    async fn try_out(&self, write: bool, stop: &CancellationToken, findings: &mut Findings) {
        if !write {
            trial::not_tried(
                findings,
                "nothing is written without --write",
                "run with --write",
            );
        } else if self.may_not {
            let why = "the user lacks rights that this needs";
            trial::not_tried(findings, why, "grant the user what the line `rights` names");
        } else {
            trial::run(&self.mysql, stop, findings).await;
        }
    }
}

async fn tls(conn: &mut Conn, sink: &SingleStoreSink, findings: &mut Findings) {
    let mode = sink.tls.as_ref().map_or(TlsMode::Preferred, |tls| tls.mode);
    let cipher: Option<(String, String)> = conn
        .query_first("SHOW STATUS LIKE 'Ssl_cipher'")
        .await
        .ok()
        .flatten();
    let cipher = cipher.map(|(_, cipher)| cipher).unwrap_or_default();
    findings.add("tls", opening::tls(mode, &cipher));
}

/// The one text that a query gives.
async fn text(conn: &mut Conn, sql: &str) -> Option<String> {
    conn.query_first::<Option<String>, _>(sql)
        .await
        .ok()
        .flatten()
        .flatten()
}
