//! What is too old goes, and nothing else: on a real SQLite file and a real folder.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::path::Path;

use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, sqlite::SqliteConnectOptions};
use sqlx::{ConnectOptions as _, Executor as _};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    Retention,
    worker::{ExpireConfig, ExpireReport},
};
use wikiingest_workers::{retention, sinks};

/// Hours ago of what there is. Two days are kept: the hour that is not over yet is in nobody's way.
const AGES: [i64; 6] = [1000, 100, 99, 50, 46, 1];
const KEPT: [i64; 2] = [46, 1];

fn hours_ago(hours: i64) -> Timestamp {
    let seconds = Timestamp::now().as_second();
    let hour = Timestamp::from_second(seconds - seconds % 3600).unwrap();
    hour - SignedDuration::from_hours(hours)
}

fn text(moment: Timestamp, format: &str) -> String {
    moment.to_zoned(TimeZone::UTC).strftime(format).to_string()
}

fn sql_time(hours: i64) -> String {
    text(hours_ago(hours), "%Y-%m-%d %H:%M:%S")
}

/// A database and a folder that both keep two days of page views and edits. Nothing need feed them.
fn config(dir: &Path) -> ExpireConfig {
    let kept = json!({"pageviews": "48h", "recentChanges": "2d", "pageviewComplete": "3d"});
    let config = json!({
        "sinks": [
            {"name": "warehouse", "sqlite": {"path": dir.join("w.db"), "retention": kept}},
            {"name": "lake", "folder": {"path": dir.join("lake"), "retention": kept}},
        ],
        "streams": ["edits"],
    });
    serde_json::from_value(config).unwrap()
}

async fn expire(config: &ExpireConfig) -> ExpireReport {
    retention::expire(config, &CancellationToken::new()).await
}

async fn open(dir: &Path) -> SqliteConnection {
    let options = SqliteConnectOptions::new().filename(dir.join("w.db"));
    options.connect().await.unwrap()
}

/// A migrated database with rows of each age in every table.
async fn fill(dir: &Path, config: &ExpireConfig) -> SqliteConnection {
    sinks::migrate(&config.sinks, |_, _| {}).await.unwrap();
    let mut db = open(dir).await;
    for age in AGES {
        let ts = sql_time(age);
        for family in ["pageviews", "pagecounts"] {
            for sql in [
                format!(
                    "INSERT INTO {family}_hourly (ts, domain_code, project, access, title, views) VALUES ('{ts}', 'en', 'en.wikipedia', 'desktop', 'A', 1), ('{ts}', 'en', 'en.wikipedia', 'desktop', 'B', 1)"
                ),
                format!(
                    "INSERT INTO {family}_project_hourly VALUES ('{ts}', 'en.wikipedia', 'desktop', 2, 2)"
                ),
                format!(
                    "INSERT INTO {family}_top_hourly VALUES ('{ts}', 'en.wikipedia', 1, 'A', 1)"
                ),
            ] {
                db.execute(AssertSqlSafe(sql)).await.unwrap();
            }
        }
        for agent in ["user", "spider"] {
            let sql = format!(
                "INSERT INTO pageview_complete_hourly VALUES ('{ts}', '{agent}', 'en.wikipedia', 'desktop', NULL, 'A', 1)"
            );
            db.execute(AssertSqlSafe(sql)).await.unwrap();
        }
        let source = "INSERT INTO ingest_rejects VALUES";
        for sql in [
            format!(
                "INSERT INTO recent_changes (event_id, ts, raw) VALUES ('a{age}', '{ts}.000001', ''), ('b{age}', '{}:59:59.999999', '')",
                &ts[..13]
            ),
            format!(
                "INSERT INTO recent_changes_minute VALUES ('{}:59:00', 'enwiki', 'edit', 1, 0, 5)",
                &ts[..13]
            ),
            format!(
                "INSERT INTO ingest_ledger VALUES ('pageviews', 'u{age}', '{ts}', 1, '', 2, 0, '{ts}')"
            ),
            format!("{source} ('pageviews', 'u{age}', '{ts}', 1, 'x', 'bad', '{ts}')"),
            format!("{source} ('edits', 'u{age}', '{ts}', 0, 'x', 'bad', '{ts}')"),
            format!("{source} ('somebody', 'u{age}', '{ts}', 0, 'x', 'bad', '{ts}')"),
        ] {
            db.execute(AssertSqlSafe(sql)).await.unwrap();
        }
    }
    db
}

async fn count(db: &mut SqliteConnection, table: &str) -> usize {
    let sql = format!("SELECT COUNT(*) FROM {table}");
    let row = db.fetch_one(AssertSqlSafe(sql)).await.unwrap();
    usize::try_from(row.get::<i64, _>(0)).unwrap()
}

#[tokio::test]
async fn rows_that_are_too_old_go_from_all_tables_and_the_ledger_stays() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path());
    let mut db = fill(dir.path(), &config).await;
    let report = expire(&config).await;
    assert_eq!(
        (report.exit_code, report.failed_count),
        (0, 0),
        "{report:?}"
    );
    let (all, kept) = (AGES.len(), KEPT.len());
    for (table, rows) in [
        ("pageviews_hourly", 2 * kept),
        ("pageviews_project_hourly", kept),
        ("pageviews_top_hourly", kept),
        // Of three days: those of 46 and 50 hours ago are among them.
        ("pageview_complete_hourly", 2 * (kept + 1)),
        ("recent_changes", 2 * kept),
        ("recent_changes_minute", kept),
        ("ingest_rejects WHERE source = 'pageviews'", kept),
        ("ingest_rejects WHERE source = 'edits'", kept),
        ("ingest_rejects WHERE source = 'somebody'", all),
        ("ingest_ledger", all),
        // Of these nothing was said.
        ("pagecounts_hourly", 2 * all),
        ("pagecounts_project_hourly", all),
        ("pagecounts_top_hourly", all),
    ] {
        assert_eq!(count(&mut db, table).await, rows, "{table}");
    }
    // Of each age: 4 rows of page views, 3 of changes, 2 rejects; of one less 2 of complete page views.
    let (most, complete) = (all - kept, all - kept - 1);
    assert_eq!(report.rows, (most * 9 + complete * 2) as u64);
    let again = expire(&config).await;
    assert_eq!((again.exit_code, again.rows, again.objects), (0, 0, 0));
}

/// Files of each age in a folder: the path of each, and whether it is to be kept.
fn lay(root: &Path) -> Vec<(String, bool)> {
    let today = text(hours_ago(48), "%Y-%m-%d");
    let mut files = Vec::new();
    for age in AGES {
        let ts = hours_ago(age);
        let day = text(ts, "%Y-%m-%d");
        let kept = day >= today;
        let file = text(ts + SignedDuration::from_hours(1), "%Y%m%d-%H%M%S");
        let from = text(ts, "%Y%m%dT%H%M%S000");
        for (name, kept) in [
            (
                format!("pageviews_hourly/dt={day}/pageviews-{file}-0a1b2c3d.parquet"),
                kept,
            ),
            (
                format!("ingest_rejects/dt={day}/pageviews-{file}-0a1b2c3d.parquet"),
                kept,
            ),
            (
                format!("pagecounts_hourly/dt={day}/pagecounts-{file}-0a1b2c3d.parquet"),
                true,
            ),
            (
                format!("ingest_rejects/dt={day}/pagecounts-{file}-0a1b2c3d.parquet"),
                true,
            ),
            (
                format!("recent_changes/dt={day}/edits-{from}-{from}-0a1b2c3d.parquet"),
                kept,
            ),
            (
                format!("ingest_rejects/dt={day}/edits-{from}-0a1b2c3d.parquet"),
                kept,
            ),
            (
                format!("ingest_rejects/dt={day}/other-edits-{from}-0a1b2c3d.parquet"),
                true,
            ),
        ] {
            files.push((name, kept));
        }
    }
    for name in [
        "pageviews_hourly/notes.txt",
        "pageviews_hourly/dt=once/old.parquet",
        "stream_checkpoint/edits.json",
    ] {
        files.push((name.to_owned(), true));
    }
    files.push((
        // What a killed worker left behind.
        "pageviews_hourly/dt=2024-08-03/.p.parquet.x.tmp".to_owned(),
        false,
    ));
    for (name, _) in &files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    files
}

#[tokio::test]
async fn days_that_are_too_old_go_from_a_lake() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path());
    sinks::migrate(&config.sinks, |_, _| {}).await.unwrap();
    let root = dir.path().join("lake");
    let files = lay(&root);
    let report = expire(&config).await;
    assert_eq!(report.exit_code, 0, "{report:?}");
    for (name, kept) in &files {
        assert_eq!(root.join(name).exists(), *kept, "{name}");
    }
    let gone = files.iter().filter(|(_, kept)| !kept).count() - 1;
    assert_eq!((report.objects, report.rows), (gone as u64, 0));
    assert!(!root.join("pageviews_hourly/dt=2024-08-03").exists());
    assert!(root.join("pageviews_hourly").exists());
}

#[tokio::test]
async fn a_sink_that_fails_does_not_hold_the_others_up() {
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    let mut db = fill(dir.path(), &config).await;
    let broken: Value = json!({"name": "broken", "singleStore": {
        "host": "127.0.0.1", "port": 1, "database": "w", "credentialsSecretRef": {"name": "nobody-has-it"},
        "retention": {"pageviews": "48h"},
    }});
    config
        .sinks
        .insert(0, serde_json::from_value(broken).unwrap());
    let report = expire(&config).await;
    assert_eq!((report.exit_code, report.failed_count), (64, 1));
    let failed = &report.failed[0];
    assert_eq!(
        (failed.sink.as_str(), failed.kind.as_str()),
        ("broken", "pageviews")
    );
    assert!(
        failed
            .error
            .contains("WIKIINGEST_BROKEN_USERNAME is not set"),
        "{failed:?}"
    );
    assert_eq!(count(&mut db, "pageviews_hourly").await, 2 * KEPT.len());
}

#[tokio::test]
async fn a_run_that_is_stopped_says_so_and_the_next_one_does_the_rest() {
    let dir = TempDir::new().unwrap();
    let config = config(dir.path());
    let mut db = fill(dir.path(), &config).await;
    let stop = CancellationToken::new();
    stop.cancel();
    let report = retention::expire(&config, &stop).await;
    assert_eq!((report.exit_code, report.rows), (1, 0));
    assert_eq!(count(&mut db, "pageviews_hourly").await, 2 * AGES.len());
    assert_eq!(expire(&config).await.exit_code, 0);
    assert_eq!(count(&mut db, "pageviews_hourly").await, 2 * KEPT.len());
}

#[tokio::test]
async fn a_day_of_very_many_rows_goes_some_at_a_time_and_its_top_with_the_last() {
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    let kept = json!({"mediacounts": "2d"});
    config.sinks[0].sqlite.as_mut().unwrap().retention = serde_json::from_value(kept).unwrap();
    sinks::migrate(&config.sinks, |_, _| {}).await.unwrap();
    let mut db = open(dir.path()).await;
    let day = "2024-08-03 00:00:00";
    for sql in [
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 120000) \
             INSERT INTO mediacounts_daily SELECT '{day}', i, '', '', {} FROM n",
            ["0"; 18].join(", ")
        ),
        format!("INSERT INTO mediacounts_top_daily VALUES ('{day}', 1, '7', 1, 1)"),
        // Whoever comes to the last row fails there, and keeps what went before.
        "CREATE TRIGGER last BEFORE DELETE ON mediacounts_daily WHEN OLD.base_name = '120000' \
         BEGIN SELECT RAISE(ABORT, 'the last one stays'); END"
            .to_owned(),
    ] {
        db.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let report = expire(&config).await;
    assert_eq!((report.failed_count, report.rows), (1, 100_000));
    assert_eq!(count(&mut db, "mediacounts_daily").await, 20_000);
    assert_eq!(count(&mut db, "mediacounts_top_daily").await, 1);
    db.execute("DROP TRIGGER last").await.unwrap();
    let report = expire(&config).await;
    assert_eq!((report.exit_code, report.rows), (0, 20_001), "{report:?}");
    assert_eq!(count(&mut db, "mediacounts_top_daily").await, 0);
}

#[tokio::test]
async fn where_nothing_has_to_go_nothing_is_touched() {
    let dir = TempDir::new().unwrap();
    let mut config = config(dir.path());
    for sink in &mut config.sinks {
        if let Some(sqlite) = &mut sink.sqlite {
            sqlite.retention = Some(Retention::default());
        }
    }
    assert_eq!(expire(&config).await.exit_code, 0);
    assert!(!dir.path().join("w.db").exists());
}
