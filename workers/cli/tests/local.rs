//! The user's command as its user meets it: the program itself, its output, its exit codes, and what it leaves on disk.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::{
    io::Read as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::Duration,
};

use arrow::array::AsArray as _;
use flate2::read::MultiGzDecoder;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use sqlx::{AssertSqlSafe, ConnectOptions as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Child,
    time::{sleep, timeout},
};
use wikimedia_replay::{Events, Options, Pace, Replay, Root, Running};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon a stopped program has to be gone.
const SOON: Duration = Duration::from_secs(10);

const PAGEVIEWS: &str = "/other/pageviews/2024/2024-08/pageviews-20240803-060000.gz";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../e2e/samples")
}

fn wikiingest(dir: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wikiingest"));
    command
        .args(args)
        .current_dir(dir)
        .env_remove("RUST_LOG")
        // As on a machine behind a proxy: one that would not find the way back here.
        .env("http_proxy", "http://127.0.0.1:9");
    command
}

fn run(dir: &TempDir, args: &[&str]) -> (i32, String, String) {
    let output = wikiingest(dir, args).stdin(Stdio::null()).output();
    told(&output.expect("the program runs"))
}

fn told(output: &Output) -> (i32, String, String) {
    (
        output.status.code().expect("it was not killed"),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

/// The lines of all samples of a kind: the rows that are to land, since none of them is rejected.
fn sample_lines(folder: &str) -> i64 {
    let files = std::fs::read_dir(samples().join("other").join(folder)).unwrap();
    let lines = files.map(|file| {
        let mut text = Vec::new();
        let file = std::fs::File::open(file.unwrap().path()).unwrap();
        MultiGzDecoder::new(file).read_to_end(&mut text).unwrap();
        memchr::memchr_iter(b'\n', &text).count()
    });
    i64::try_from(lines.sum::<usize>()).unwrap()
}

async fn number(database: &Path, sql: &str) -> i64 {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = options.connect().await.expect("the database is there");
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_one(&mut connection)
        .await
        .expect("the query works")
}

async fn texts(database: &Path, sql: &str) -> Vec<String> {
    let options = SqliteConnectOptions::new().filename(database);
    let mut connection = options.connect().await.expect("the database is there");
    sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
        .fetch_all(&mut connection)
        .await
        .expect("the query works")
}

/// A file of the samples of edits, line by line.
fn sample_edits(name: &str) -> Vec<String> {
    let text = std::fs::read_to_string(samples().join("recentchange").join(name)).unwrap();
    text.lines().map(ToOwned::to_owned).collect()
}

/// The ids of events, in order, canaries not included.
fn ids(events: &[String]) -> Vec<String> {
    let events = events.iter().map(|line| {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        event["meta"].clone()
    });
    let real = events.filter(|meta| meta["domain"] != "canary");
    let mut ids: Vec<_> = real
        .map(|meta| meta["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

async fn ids_in_database(database: &Path) -> Vec<String> {
    let sql = "SELECT event_id FROM recent_changes ORDER BY event_id";
    texts(database, sql).await
}

/// The ids of all events in a lake, in order; none may be there twice for that to be what was sent.
fn ids_in_lake(lake: &Path) -> Vec<String> {
    let mut ids = Vec::new();
    for day in std::fs::read_dir(lake.join("recent_changes")).unwrap() {
        for file in std::fs::read_dir(day.unwrap().path()).unwrap() {
            let file = std::fs::File::open(file.unwrap().path()).unwrap();
            let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
            for batch in reader.build().unwrap() {
                let batch = batch.unwrap();
                let column = batch.column_by_name("event_id").unwrap();
                let found = column.as_string::<i32>().iter();
                ids.extend(found.map(|id| id.unwrap().to_owned()));
            }
        }
    }
    ids.sort();
    ids
}

/// The page that the demo ends with, and the same by hand.
async fn report_has_the_numbers_of(dir: &TempDir, database: &Path) {
    let of_demo = std::fs::read_to_string(dir.path().join("wikiingest-demo/report.html")).unwrap();
    let (code, out, errors) = run(dir, &["report", "--output", "again.html"]);
    assert_eq!(code, 0, "{out}{errors}");
    let by_hand = std::fs::read_to_string(dir.path().join("again.html")).unwrap();
    assert_eq!(of_demo, by_hand);
    for (name, sql) in [
        (
            "en.wikipedia",
            "SELECT SUM(views) FROM pageviews_project_hourly WHERE project = 'en.wikipedia'",
        ),
        (
            "commonswiki",
            "SELECT COUNT(*) FROM recent_changes WHERE wiki = 'commonswiki'",
        ),
        (
            "our own pages",
            "SELECT SUM(referer_internal) FROM mediacounts_daily",
        ),
    ] {
        let digits = number(database, sql).await.to_string();
        let plain = by_hand.replace('\u{202f}', "");
        let row = format!("<td>{name}</td><td class=\"number\">{digits}</td>");
        assert!(plain.contains(&row), "no {row} in {by_hand}");
    }
    let (code, _, errors) = run(dir, &["report", "--sqlite", "nowhere.db"]);
    assert_eq!(code, 64, "{errors}");
    assert!(errors.contains("nowhere.db is not there"), "{errors}");
}

#[tokio::test]
async fn the_demo_loads_all_samples_and_then_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (code, first, errors) = run(&dir, &["demo"]);
    assert_eq!(code, 0, "{first}{errors}");
    assert!(first.contains("Loaded 27 files"), "{first}");
    assert!(
        first.contains("Samantha_Mathis") && first.contains("Simon_Pegg"),
        "{first}"
    );

    let database = dir.path().join("wikiingest-demo/warehouse.db");
    let counts = async || {
        let mut counts = Vec::new();
        for sql in [
            "SELECT COUNT(*) FROM ingest_ledger",
            "SELECT COUNT(*) FROM pageviews_hourly",
            "SELECT COUNT(*) FROM pagecounts_hourly",
            "SELECT COUNT(*) FROM mediacounts_daily",
            "SELECT COUNT(DISTINCT title) > 100 FROM pageview_complete_hourly",
            "SELECT COUNT(*) FROM recent_changes",
            "SELECT SUM(events) FROM recent_changes_minute",
            "SELECT events FROM stream_checkpoint",
        ] {
            counts.push(number(&database, sql).await);
        }
        counts
    };
    let expected = [
        27,
        sample_lines("pageviews/2024/2024-08"),
        sample_lines("pagecounts-raw/2016/2016-08"),
        400,
        1,
        144,
        144,
        144,
    ];
    assert_eq!(expected, [27, 1_000, 27_521, 400, 1, 144, 144, 144]);
    assert_eq!(counts().await, expected);
    let sent = ids(&sample_edits("stream-2025-05-03.ndjson"));
    let lake = dir.path().join("wikiingest-demo/lake");
    assert_eq!(ids_in_database(&database).await, sent);
    assert_eq!(ids_in_lake(&lake), sent);
    assert!(
        first.contains("Read 144 real edits") && first.contains("│ commonswiki       69"),
        "{first}"
    );

    report_has_the_numbers_of(&dir, &database).await;

    let (code, second, errors) = run(&dir, &["demo"]);
    assert_eq!(code, 0, "{second}{errors}");
    assert!(second.contains("Nothing new: all 27 files"), "{second}");
    assert!(
        second.contains("all 144 edits") && second.contains("none was written twice"),
        "{second}"
    );
    assert!(second.contains("Samantha_Mathis"), "{second}");
    assert_eq!(counts().await, expected);
    assert_eq!(ids_in_lake(&lake), sent);
}

#[test]
fn the_demo_writes_a_resource_that_is_valid_here_and_leaves_it_alone_once_edited() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&dir, &["demo"]).0, 0);
    let file = "wikiingest-demo/wikiingest.yaml";
    let (code, out, _) = run(&dir, &["validate", "-f", file, "--target", "local"]);
    assert_eq!(code, 0, "{out}");
    let (code, out, _) = run(&dir, &["validate", "-f", file]);
    assert_eq!(code, 64, "{out}");
    assert!(
        out.contains("spec.sinks[0].sqlite: ") && out.contains("--target local"),
        "{out}"
    );

    std::fs::write(dir.path().join(file), "mine").unwrap();
    let (code, _, errors) = run(&dir, &["demo"]);
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("was changed"), "{errors}");
    assert_eq!(
        std::fs::read_to_string(dir.path().join(file)).unwrap(),
        "mine"
    );
}

/// A resource with one source of page views into `store.db`; `more` is of the source.
fn write_resource(dir: &TempDir, more: &str) {
    let text = format!(
        "apiVersion: wikiingest.dev/v1alpha1\nkind: WikiIngest\nmetadata: {{name: test}}\nspec:\n  \
         contact: https://example.org/bot\n  sinks: [{{name: store, sqlite: {{path: store.db}}}}]\n  sources:\n  \
         - {{name: views, pageviews: {{}}, sinks: [store], {more}}}\n"
    );
    std::fs::write(dir.path().join("w.yaml"), text).unwrap();
}

#[test]
fn validate_names_the_file_the_field_and_what_to_write() {
    let dir = tempfile::tempdir().unwrap();
    write_resource(&dir, "schedule: {cron: '25 * * *', timeZone: Europe/Berln}");
    let (code, out, _) = run(&dir, &["validate", "-f", "w.yaml", "--target", "local"]);
    assert_eq!(code, 64);
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(
        lines[0].starts_with("w.yaml: spec.sources[0].schedule.cron: "),
        "{out}"
    );
    assert!(lines[1].ends_with("did you mean Europe/Berlin?"), "{out}");

    std::fs::write(dir.path().join("w.yaml"), "kind: WikiIngest\nspec: [a\n").unwrap();
    let (code, _, errors) = run(&dir, &["validate", "-f", "w.yaml"]);
    assert_eq!(code, 64);
    assert!(errors.contains("w.yaml:2:7: not valid YAML: "), "{errors}");

    let (code, _, errors) = run(&dir, &["validate", "-f", "nowhere.yaml"]);
    assert_eq!(code, 64);
    assert!(errors.contains("nowhere.yaml cannot be read"), "{errors}");
}

#[test]
fn a_resource_comes_from_standard_input_too() {
    let dir = tempfile::tempdir().unwrap();
    write_resource(&dir, "schedule: {cron: '@hourly'}");
    let input = std::fs::File::open(dir.path().join("w.yaml")).unwrap();
    let output = wikiingest(&dir, &["validate", "-f", "-", "--target", "local"])
        .stdin(input)
        .output();
    let (code, out, errors) = told(&output.unwrap());
    assert_eq!(code, 0, "{out}{errors}");
    assert!(
        out.starts_with("standard input: valid: test loads views (pageviews)"),
        "{out}"
    );
}

#[test]
fn local_refuses_what_it_cannot_run() {
    let dir = tempfile::tempdir().unwrap();
    for (more, reason) in [
        (
            "schedule: {cron: never}",
            "w.yaml: spec.sources[0].schedule.cron: ",
        ),
        ("recentChanges: {}", "exactly one kind"),
    ] {
        write_resource(&dir, more);
        let (code, _, errors) = run(&dir, &["local", "-f", "w.yaml", "--once"]);
        assert_eq!(code, 64, "{errors}");
        assert!(errors.contains(reason), "{errors}");
    }

    write_resource(&dir, "startFrom: latest");
    let path = dir.path().join("w.yaml");
    let stream = std::fs::read_to_string(&path)
        .unwrap()
        .replace("pageviews:", "recentChanges:");
    std::fs::write(&path, stream).unwrap();
    let (code, _, errors) = run(&dir, &["local", "-f", "w.yaml", "--once"]);
    assert_eq!(code, 64, "{errors}");
    assert!(
        errors.contains("views (recentChanges) is read all the time; leave out --once"),
        "{errors}"
    );
    assert!(!dir.path().join("store.db").exists());
}

#[test]
fn local_loads_nothing_while_the_resource_is_suspended() {
    let dir = tempfile::tempdir().unwrap();
    write_resource(
        &dir,
        "baseUrl: 'http://127.0.0.1:9', schedule: {cron: '@hourly'}",
    );
    let path = dir.path().join("w.yaml");
    let suspended = std::fs::read_to_string(&path)
        .unwrap()
        .replace("spec:\n", "spec:\n  suspend: true\n");
    std::fs::write(&path, suspended).unwrap();
    let (code, out, errors) = run(&dir, &["local", "-f", "w.yaml"]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("spec.suspend is true"), "{out}");
}

async fn replay(faults: &str) -> Running {
    let mut options = Options::new(Root::Folder(samples()));
    options.faults = faults.parse().unwrap();
    Replay::start(options).await.unwrap()
}

/// The hour of the sample, from a stand-in for the host.
fn backfill(host: &Running) -> String {
    format!(
        "baseUrl: '{}', backfill: [{{name: sample, from: '2024-08-03T05:00:00Z', to: '2024-08-03T06:00:00Z'}}]",
        host.base_url()
    )
}

async fn finish(dir: &TempDir, args: &[&str]) -> (i32, String, String) {
    let mut command = tokio::process::Command::from(wikiingest(dir, args));
    let output = timeout(
        PATIENCE,
        command.stdin(Stdio::null()).kill_on_drop(true).output(),
    );
    told(&output.await.expect("it ends").expect("the program runs"))
}

#[tokio::test]
async fn local_once_loads_a_backfill_and_the_second_time_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let host = replay("").await;
    write_resource(&dir, &backfill(&host));
    let args = ["local", "-f", "w.yaml", "--once"];
    let (code, out, errors) = finish(&dir, &args).await;
    assert_eq!(code, 0, "{errors}");
    assert!(
        out.contains("files: 1 loaded; 1,000 rows, 0 lines rejected"),
        "{out}"
    );
    let database = dir.path().join("store.db");
    assert_eq!(
        number(&database, "SELECT COUNT(*) FROM pageviews_hourly").await,
        1_000
    );

    let (code, out, errors) = finish(&dir, &args).await;
    assert_eq!(code, 0, "{errors}");
    assert!(out.contains("files: 1 loaded already, "), "{out}");
    assert_eq!(
        number(&database, "SELECT COUNT(*) FROM pageviews_hourly").await,
        1_000
    );
    assert_eq!(host.counters().by_path[PAGEVIEWS].completed, 1);
}

#[tokio::test]
async fn local_deletes_what_is_kept_no_longer_and_does_not_load_it_again() {
    let dir = tempfile::tempdir().unwrap();
    let host = replay("").await;
    write_resource(&dir, &backfill(&host));
    let args = ["local", "-f", "w.yaml", "--once"];
    let (code, _, errors) = finish(&dir, &args).await;
    assert_eq!(code, 0, "{errors}");

    let resource = dir.path().join("w.yaml");
    let text = std::fs::read_to_string(&resource).unwrap();
    let keeping = "{path: store.db, retention: {pageviews: 30d}}";
    std::fs::write(&resource, text.replace("{path: store.db}", keeping)).unwrap();
    let (code, out, errors) = finish(&dir, &args).await;
    assert_eq!(code, 0, "{errors}");
    assert!(errors.contains("retention: deleted 1,"), "{errors}");
    assert!(out.contains("files: 1 loaded already, "), "{out}");
    let database = dir.path().join("store.db");
    for (table, rows) in [("pageviews_hourly", 0), ("ingest_ledger", 1)] {
        let sql = format!("SELECT COUNT(*) FROM {table}");
        assert_eq!(number(&database, &sql).await, rows, "{table}");
    }
}

#[tokio::test]
async fn local_once_ends_with_the_workers_exit_codes() {
    for (faults, code, reason) in [
        ("403~pageviews", 77, "403"),
        ("truncate", 1, "failed: pageviews-20240803-060000"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let host = replay(faults).await;
        write_resource(&dir, &backfill(&host));
        let (ended, out, errors) = finish(&dir, &["local", "-f", "w.yaml", "--once"]).await;
        assert_eq!(ended, code, "{faults}: {out}{errors}");
        assert!(
            format!("{out}{errors}").contains(reason),
            "{faults}: {out}{errors}"
        );
    }

    let dir = tempfile::tempdir().unwrap();
    let host = replay("").await;
    write_resource(&dir, &backfill(&host).replace("T06:", "T07:"));
    let (ended, out, errors) = finish(&dir, &["local", "-f", "w.yaml", "--once"]).await;
    // It is told, and no reason to try again: nobody will publish it after all these years.
    assert_eq!(ended, 0, "{out}{errors}");
    assert!(
        out.contains("not published: pageviews-20240803-070000"),
        "{out}"
    );
}

/// How much of the sample has left the stand-in for the host.
fn bytes_sent(host: &Running) -> u64 {
    let seen = host.counters().by_path;
    seen.get(PAGEVIEWS).map_or(0, |file| file.bytes_sent)
}

fn start(dir: &TempDir, args: &[&str]) -> Child {
    let mut command = tokio::process::Command::from(wikiingest(dir, args));
    let command = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
        .kill_on_drop(true)
        .spawn()
        .expect("the program runs")
}

/// Ctrl-C, as a terminal sends it; then how it ended and what it said on standard output.
async fn interrupt(mut child: Child) -> (Option<i32>, String) {
    let id = i32::try_from(child.id().expect("it still runs")).unwrap();
    let process = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let ended = timeout(SOON, child.wait())
        .await
        .expect("it ends soon")
        .unwrap();
    let mut out = String::new();
    child
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut out)
        .await
        .unwrap();
    (ended.code(), out)
}

#[tokio::test]
async fn local_follows_the_schedule_until_it_is_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let host = replay("").await;
    let schedule = "schedule: {cron: '30 4 1 1 *', timeZone: Europe/Berlin, lookback: 1h}";
    write_resource(&dir, &format!("{schedule}, {}", backfill(&host)));
    let mut child = start(&dir, &["local", "-f", "w.yaml"]);
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let next = timeout(PATIENCE, async {
        loop {
            let line = lines.next_line().await.unwrap().expect("it goes on");
            if line.starts_with("Next: ") {
                return line;
            }
        }
    });
    let next = next.await.expect("it follows the schedule");
    assert!(
        next.starts_with("Next: views at ") && next.contains("-01-01 04:30 (Europe/Berlin)"),
        "{next}"
    );
    let (code, out) = interrupt(child).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("views, last 1h") && out.contains("1,000 rows") && out.contains("Stopped."),
        "{out}"
    );
}

#[tokio::test]
async fn an_interrupted_load_is_undone_and_goes_on_the_next_time() {
    for (once, code) in [(false, 0), (true, 1)] {
        let dir = tempfile::tempdir().unwrap();
        // Half of the file comes, the rest never does.
        let host = replay("stall*always").await;
        write_resource(&dir, &backfill(&host));
        let args = ["local", "-f", "w.yaml", "--once"];
        let child = start(&dir, if once { &args } else { &args[..3] });
        let half_sent = async {
            while bytes_sent(&host) == 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(PATIENCE, half_sent)
            .await
            .expect("the download begins");
        let (ended, out) = interrupt(child).await;
        assert_eq!(ended, Some(code), "{out}");
        assert!(out.contains("Stopped."), "{out}");
        let database = dir.path().join("store.db");
        assert_eq!(
            number(&database, "SELECT COUNT(*) FROM pageviews_hourly").await,
            0
        );

        host.set_faults("".parse().unwrap()).unwrap();
        let (ended, out, errors) = finish(&dir, &args).await;
        assert_eq!(ended, 0, "{out}{errors}");
        assert_eq!(
            number(&database, "SELECT COUNT(*) FROM pageviews_hourly").await,
            1_000
        );
    }
}

/// A stream of the sample, published at once, from a stand-in for the host.
async fn replay_stream() -> Running {
    let events = Events::Lines(sample_edits("stream-2025-05-03.ndjson"));
    let mut options = Options::streaming(events);
    options.stream.as_mut().unwrap().pace = Pace::Max;
    Replay::start(options).await.unwrap()
}

/// A resource with a source of edits into `store.db` and `lake`, and maybe one of page views into `store.db`.
fn write_resource_with_stream(dir: &TempDir, stream: &str, files: Option<&Running>) {
    let views = files.map_or_else(String::new, |host| {
        format!(
            "  - {{name: views, pageviews: {{}}, sinks: [store], {}}}\n",
            backfill(host)
        )
    });
    let text = format!(
        "apiVersion: wikiingest.dev/v1alpha1\nkind: WikiIngest\nmetadata: {{name: test}}\nspec:\n  \
         contact: https://example.org/bot\n  sinks:\n  - {{name: store, sqlite: {{path: store.db}}}}\n  \
         - {{name: lake, folder: {{path: lake}}}}\n  sources:\n{views}  \
         - {{name: edits, recentChanges: {{}}, sinks: [store, lake], startFrom: '2025-05-03T07:46:00Z', \
         baseUrl: '{stream}'}}\n"
    );
    std::fs::write(dir.path().join("w.yaml"), text).unwrap();
}

async fn holds(database: &Path, events: usize) {
    let count = async {
        loop {
            let sql = "SELECT COUNT(*) FROM sqlite_master WHERE name = 'recent_changes'";
            if database.exists()
                && number(database, sql).await == 1
                && ids_in_database(database).await.len() >= events
            {
                return;
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(PATIENCE, count).await.expect("the events land");
}

#[tokio::test]
async fn local_reads_a_stream_beside_files_and_writes_what_it_brought_when_interrupted() {
    let dir = tempfile::tempdir().unwrap();
    let (files, stream) = (replay("").await, replay_stream().await);
    write_resource_with_stream(&dir, &stream.base_url(), Some(&files));
    let args = ["local", "-f", "w.yaml"];
    let database = dir.path().join("store.db");
    let child = start(&dir, &args);
    holds(&database, 144).await;
    let edge = sample_edits("edge.ndjson");
    stream
        .append_events(edge.iter().map(String::as_str))
        .unwrap();
    holds(&database, 154).await;
    let (code, out) = interrupt(child).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(
        out.contains("new events: store 154, lake 154") && out.contains("Stopped."),
        "{out}"
    );
    let mut sent = sample_edits("stream-2025-05-03.ndjson");
    sent.extend(edge);
    let sent = ids(&sent);
    assert_eq!(sent.len(), 154);
    assert_eq!(ids_in_database(&database).await, sent);
    assert_eq!(ids_in_lake(&dir.path().join("lake")), sent);
    let views = "SELECT COUNT(*) FROM pageviews_hourly";
    assert_eq!(number(&database, views).await, 1_000);

    // The files again, and the stream not at all.
    let connections = stream.stream_counters().connections;
    let (code, out, errors) = finish(&dir, &["local", "-f", "w.yaml", "--once"]).await;
    assert_eq!(code, 0, "{out}{errors}");
    assert!(
        errors.contains("Not read: edits (recentChanges)") && out.contains("1 loaded already"),
        "{out}{errors}"
    );
    assert_eq!(stream.stream_counters().connections, connections);

    // And again from where it stopped.
    write_resource_with_stream(&dir, &stream.base_url(), None);
    let child = start(&dir, &args);
    let again = async {
        while stream.stream_counters().connections == connections {
            sleep(Duration::from_millis(20)).await;
        }
        sleep(Duration::from_millis(500)).await;
    };
    timeout(PATIENCE, again).await.expect("it connects again");
    let (code, out) = interrupt(child).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("new events: store 0, lake 0"), "{out}");
    assert_eq!(ids_in_database(&database).await, sent);
    assert_eq!(ids_in_lake(&dir.path().join("lake")), sent);
}

#[tokio::test]
async fn a_stream_that_waits_for_a_files_database_stops_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let stream = replay_stream().await;
    // Half of the file comes, the rest never does, and meanwhile the database is the file's alone.
    let files = replay("stall*always").await;
    write_resource_with_stream(&dir, &stream.base_url(), Some(&files));
    let child = start(&dir, &["local", "-f", "w.yaml"]);
    let half_sent = async {
        while bytes_sent(&files) == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, half_sent)
        .await
        .expect("the download begins");
    let edge = sample_edits("edge.ndjson");
    let edge = edge.iter().map(String::as_str);
    stream.append_events(edge).unwrap();
    sleep(Duration::from_millis(500)).await;
    let (code, out) = interrupt(child).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("Stopped."), "{out}");
    let database = dir.path().join("store.db");
    let views = "SELECT COUNT(*) FROM pageviews_hourly";
    assert_eq!(number(&database, views).await, 0);
    let checkpoint = "SELECT COALESCE(SUM(events), 0) FROM stream_checkpoint";
    let held = ids_in_database(&database).await.len();
    assert_eq!(
        usize::try_from(number(&database, checkpoint).await),
        Ok(held)
    );
}

#[tokio::test]
async fn a_stream_that_fails_ends_local_mode_and_names_its_source() {
    let dir = tempfile::tempdir().unwrap();
    let stream = replay_stream().await;
    write_resource_with_stream(&dir, &stream.base_url(), None);
    // A lake whose checkpoint is no checkpoint.
    let folder = dir.path().join("lake/stream_checkpoint");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("edits.json"), "not this").unwrap();
    let (code, out, errors) = finish(&dir, &["local", "-f", "w.yaml"]).await;
    assert_eq!(code, 64, "{out}{errors}");
    assert!(
        errors.contains("source edits: sink lake: ") && errors.contains("is no checkpoint"),
        "{errors}"
    );
}

#[test]
fn a_wrong_command_line_is_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&dir, &["local"]).0, 64);
    assert_eq!(run(&dir, &["--help"]).0, 0);
}

#[test]
fn the_readmes_resource_is_valid_here() {
    let dir = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let (_, yaml) = text.split_once("```yaml\n").expect("a resource");
    let (yaml, _) = yaml.split_once("```").expect("the end of it");
    std::fs::write(dir.path().join("wi.yaml"), yaml).unwrap();
    let (code, _, errors) = run(&dir, &["validate", "-f", "wi.yaml", "--target", "local"]);
    assert_eq!(code, 0, "{errors}");
}
