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

use flate2::read::MultiGzDecoder;
use sqlx::{AssertSqlSafe, ConnectOptions as _, sqlite::SqliteConnectOptions};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Child,
    time::{sleep, timeout},
};
use wikimedia_replay::{Options, Replay, Root, Running};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon a stopped program has to be gone.
const SOON: Duration = Duration::from_secs(10);

const PAGEVIEWS: &str = "/other/pageviews/2024/2024-08/pageviews-20240803-060000.gz";

fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/samples")
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

#[tokio::test]
async fn the_demo_loads_all_samples_and_then_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    let (code, first, errors) = run(&dir, &["demo"]);
    assert_eq!(code, 0, "{first}{errors}");
    assert!(first.contains("Loaded 25 files"), "{first}");
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
        ] {
            counts.push(number(&database, sql).await);
        }
        counts
    };
    let expected = [
        25,
        sample_lines("pageviews/2024/2024-08"),
        sample_lines("pagecounts-raw/2016/2016-08"),
    ];
    assert_eq!(expected, [25, 1_000, 27_521]);
    assert_eq!(counts().await, expected);

    let (code, second, errors) = run(&dir, &["demo"]);
    assert_eq!(code, 0, "{second}{errors}");
    assert!(second.contains("Nothing new: all 25 files"), "{second}");
    assert!(second.contains("Samantha_Mathis"), "{second}");
    assert_eq!(counts().await, expected);
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
        errors.contains("Left out: views (recentChanges)"),
        "{errors}"
    );
    assert!(errors.contains("nothing to load"), "{errors}");
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
    assert_eq!(ended, 2, "{out}{errors}");
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

#[test]
fn a_wrong_command_line_is_bad_configuration() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(run(&dir, &["local"]).0, 64);
    assert_eq!(run(&dir, &["--help"]).0, 0);
}

#[test]
fn the_readmes_resource_is_valid_here() {
    let dir = tempfile::tempdir().unwrap();
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(readme).unwrap();
    let (_, yaml) = text.split_once("```yaml\n").expect("a resource");
    let (yaml, _) = yaml.split_once("```").expect("the end of it");
    std::fs::write(dir.path().join("wi.yaml"), yaml).unwrap();
    let (code, _, errors) = run(&dir, &["validate", "-f", "wi.yaml", "--target", "local"]);
    assert_eq!(code, 0, "{errors}");
}
