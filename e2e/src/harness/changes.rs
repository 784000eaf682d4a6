//! Events of the stream of recent changes, and a stream worker's whole world.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::config::{CONTACT, Config};
use super::env::{self, Env};
use super::lake::Lake;
use super::warehouse::Warehouse;
use super::worker::{self, Running};
use super::world::Stores;
use crate::bench::generate::Random;
use crate::process::capture;
use crate::servers::replay::Replay;

/// The time of the first generated event: 2026-11-01T00:00:00Z.
const FIRST_MS: i64 = 1_793_491_200_000;
/// The stream's name in these worlds.
const STREAM: &str = "edits";
/// No wait for a worker takes this long; one that does is for nothing.
const PATIENCE: Duration = Duration::from_secs(90);

/// Events of all types, some milliseconds apart, with times that run backwards now and then, from two datacentres;
/// fields are absent, null or odd as they are in reality. One JSON object a line.
#[must_use]
pub fn events(count: usize, apart_ms: i64) -> String {
    let mut random = Random::new(4_711);
    let mut lines = String::new();
    for number in 0..count {
        let back = if random.below(10) == 0 { 40 } else { 0 };
        let ms = FIRST_MS + number as i64 * apart_ms - back.min(number as i64 * apart_ms);
        let _ = writeln!(lines, "{}", event(number, ms, &mut random));
    }
    lines
}

fn event(number: usize, ms: i64, random: &mut Random) -> Value {
    let wiki = ["commonswiki", "enwiki", "wikidatawiki", "dewiki", "zhwiki"][random.below(5)];
    let kind = ["edit", "categorize", "log", "new", "external", "142"]
        [[0, 1, 0, 1, 2, 3, 0, 1, 4, 5][random.below(10)]];
    let topic = ["eqiad", "eqiad", "eqiad", "codfw"][random.below(4)];
    let moment = jiff::Timestamp::from_millisecond(ms).expect("a time");
    let mut event = json!({
        "$schema": "/mediawiki/recentchange/1.0.0",
        "meta": {
            "uri": format!("https://{wiki}.example/wiki/{number}"),
            "request_id": format!("r{number}"),
            "id": format!("{number:08x}-0000-4000-8000-{:012x}", random.below(usize::MAX >> 16)),
            "dt": moment.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string(),
            "domain": format!("{wiki}.example"),
            "stream": "mediawiki.recentchange",
            "topic": format!("{topic}.mediawiki.recentchange"),
            "partition": 0,
        },
        "type": kind,
        "namespace": ([0, 1, 14, -1][random.below(4)]),
        "title": (["A title", "Tab\there, back\\slash", "菅谷館 🏯", "Quote \" and ' and \n line"][random.below(4)]),
        "comment": "c".repeat(random.below(200)),
        "parsedcomment": "<i>é</i>",
        "timestamp": ms.div_euclid(1000),
        "user": format!("User {}", random.below(50)),
        "bot": random.below(3) == 0,
        "server_url": "https://example.org",
        "server_name": "example.org",
        "server_script_path": "/w",
        "wiki": wiki,
        "something_new": {"deeply": [1, null, "two"]},
    });
    let fields = event.as_object_mut().expect("an object");
    match kind {
        "edit" | "new" => {
            fields.insert("id".into(), json!(3_000_000_000_u64 + number as u64));
            fields.insert("minor".into(), json!(random.below(2) == 0));
            fields.insert(
                "length".into(),
                json!({"old": random.below(5_000), "new": random.below(5_000)}),
            );
            fields.insert(
                "revision".into(),
                json!({"old": 1, "new": 9_876_543_210_u64}),
            );
        }
        "log" => {
            fields.insert("log_id".into(), json!(number));
            fields.insert("log_type".into(), json!("upload"));
            fields.insert(
                "log_params".into(),
                [json!({"a": {"b": [1]}}), json!([]), json!("text")][random.below(3)].clone(),
            );
            let _ = fields.remove("user");
        }
        _ => {
            fields.insert("patrolled".into(), Value::Null);
        }
    }
    event
}

/// A stream worker's world: a host that publishes events, a warehouse and a lake.
#[derive(Debug)]
pub struct StreamWorld {
    /// Where the servers are.
    pub env: Env,
    /// The host.
    pub replay: Replay,
    /// Where rows go.
    pub warehouse: Warehouse,
    /// Where objects go.
    pub lake: Lake,
    /// The worker's `source.stream`.
    pub options: Value,
    /// The worker's `limits`.
    pub limits: Value,
    /// The source's `startFrom`.
    pub start_from: String,
    /// The source's `recentChanges`.
    pub wanted: Value,
    /// Whether the worker is given the lake, too.
    pub with_lake: bool,
    events: PathBuf,
    dir: TempDir,
}

impl StreamWorld {
    /// A host that publishes these events, told so, and stores that are migrated and empty.
    #[must_use]
    pub fn new(stores: Stores, events: &str, host: &[&str]) -> Self {
        let env = Env::get();
        let dir = crate::scratch::dir("stream").expect("a temporary folder");
        let file = dir.path().join("events.ndjson");
        std::fs::write(&file, events).expect("the events can be written");
        let replay = Replay::streaming(&env.binaries, &file, host).expect("the stand-in starts");
        let (warehouse, lake) = match stores {
            Stores::Servers => (Warehouse::mariadb(&env), Lake::s3(&env)),
            Stores::Embedded => (Warehouse::sqlite(dir.path()), Lake::folder(dir.path())),
        };
        let world = Self {
            env,
            replay,
            warehouse,
            lake,
            // Waits that suit a test.
            options: json!({"rewind": "1s", "objectInterval": "300ms", "idleTimeout": "2s"}),
            limits: json!({"minBackoff": "50ms", "maxBackoff": "400ms", "refusedPause": "1s", "gap": "1h"}),
            start_from: "2019-01-01T00:00:00Z".to_owned(),
            wanted: json!({}),
            with_lake: true,
            events: file,
            dir,
        };
        world.migrate();
        world
    }

    /// A folder that is removed with the world.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Says what will be published, for [`check`](Self::check), where the host was started with less.
    pub fn publishes(&self, events: &str) {
        std::fs::write(&self.events, events).expect("the events can be written");
    }

    /// Puts an empty database on another server in place of the warehouse.
    pub fn use_warehouse(&mut self, port: u16) {
        self.warehouse = Warehouse::mariadb_on(port);
        self.migrate();
    }

    fn migrate(&self) {
        let config = Config::new(
            "x",
            "pageviews",
            "http://127.0.0.1",
            "2024-01-01T00:00:00Z",
            "2024-01-01T01:00:00Z",
        );
        let _ = worker::migrate(&self.env, &config.warehouse(&self.warehouse)).expect(0);
    }

    /// The worker's configuration.
    #[must_use]
    pub fn config(&self) -> Config {
        let json = json!({
            "contact": CONTACT,
            "source": {
                "name": STREAM,
                "recentChanges": self.wanted,
                "startFrom": self.start_from,
                "stream": self.options,
                "baseUrl": self.replay.base_url(),
                "sinks": [],
            },
            "sinks": [],
            "limits": self.limits,
        });
        let config = Config {
            json,
            env: Vec::new(),
        }
        .warehouse(&self.warehouse);
        if self.with_lake {
            config.lake(&self.lake)
        } else {
            config
        }
    }

    /// Starts a worker.
    #[must_use]
    pub fn start(&self) -> Running {
        worker::stream(&self.env, &self.config())
    }

    /// Starts a worker with this configuration, waits until the warehouse has so many events, and stops it.
    pub fn run_until(&self, events: u64) {
        let running = self.start();
        self.wait_for(events);
        let _ = running.stop().expect(0);
    }

    /// Waits until the warehouse has so many events.
    pub fn wait_for(&self, events: u64) {
        let started = Instant::now();
        while self.rows() < events {
            assert!(
                started.elapsed() < PATIENCE,
                "{} of {events} events after {PATIENCE:?}",
                self.rows()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Events in the warehouse.
    #[must_use]
    pub fn rows(&self) -> u64 {
        self.warehouse.number("SELECT COUNT(*) FROM recent_changes")
    }

    /// Fails unless every event that was published is in the warehouse and the lake, once, with every field as it was
    /// sent; the roll-up adds up, and nothing half-done is left.
    pub fn check(&self) {
        let published = self.replay.published_ids().expect("the stand-in tells");
        let in_warehouse = self.sums();
        let lost: Vec<_> = published
            .iter()
            .filter(|id| !in_warehouse.contains_key(*id))
            .take(5)
            .collect();
        assert!(lost.is_empty(), "not in the warehouse: {lost:?}");
        assert_eq!(
            in_warehouse.len(),
            published.len(),
            "the warehouse has events that nobody sent"
        );
        assert_eq!(
            self.rows(),
            published.len() as u64,
            "events stand twice in the warehouse"
        );
        self.check_lake(&in_warehouse);
        let differ = self.warehouse.difference(
            "SELECT CONCAT(SUBSTR(CAST(ts AS CHAR), 1, 16), ':00') m, COALESCE(wiki, '') w, COALESCE(type, '') t, COUNT(*) n, \
             SUM(COALESCE(bot, 0)) b, SUM(CASE WHEN length_new IS NULL THEN 0 ELSE length_new - COALESCE(length_old, 0) END) c \
             FROM recent_changes GROUP BY 1, 2, 3",
            "SELECT CAST(ts AS CHAR), wiki, type, events, bots, bytes_changed FROM recent_changes_minute",
        );
        assert!(differ.is_empty(), "the roll-up differs: {differ:?}");
        let counted = self
            .warehouse
            .number("SELECT events FROM stream_checkpoint");
        assert_eq!(
            counted,
            published.len() as u64,
            "the checkpoint counts otherwise"
        );
    }

    fn check_lake(&self, in_warehouse: &BTreeMap<String, u64>) {
        let copy = self.lake.table("recent_changes");
        let script = env::file("readers/read_changes.py");
        let mut python = Command::new(&self.env.python);
        let _ = python.arg(script).arg(&self.events).arg(&copy.table);
        let text = capture(&mut python).expect("the reader reads");
        let found: Value = serde_json::from_str(&text).expect("the reader prints JSON");
        assert_eq!(found["twice"], json!([]), "events stand twice in the lake");
        assert_eq!(
            found["different"],
            json!([]),
            "columns differ from the events"
        );
        let sums: BTreeMap<String, u64> = found["sums"]
            .as_object()
            .expect("sums")
            .iter()
            .map(|(id, sum)| (id.clone(), sum.as_u64().expect("a sum")))
            .collect();
        let differ: Vec<_> = in_warehouse
            .iter()
            .filter(|(id, sum)| sums.get(*id) != Some(sum))
            .take(5)
            .collect();
        assert!(differ.is_empty(), "warehouse and lake differ: {differ:?}");
        assert_eq!(
            sums.len(),
            in_warehouse.len(),
            "the lake has events that the warehouse has not"
        );
        assert_eq!(self.lake.open_uploads(), [""; 0], "an upload was left open");
        let hidden: Vec<_> = self
            .lake
            .objects()
            .into_iter()
            .filter(|name| name.contains("/."))
            .collect();
        assert_eq!(hidden, [""; 0], "half an object was left");
    }

    /// Each event's columns in the warehouse, as one number.
    fn sums(&self) -> BTreeMap<String, u64> {
        let columns = self.warehouse.columns("recent_changes");
        let parts: Vec<_> = columns
            .iter()
            .filter(|column| *column != "raw")
            .map(|column| format!("COALESCE({column}, '~')"))
            .collect();
        let sum = parts.join(", '|', ");
        self.warehouse
            .query(&format!(
                "SELECT event_id, CRC32(CONCAT({sum})) FROM recent_changes"
            ))
            .into_iter()
            .map(|row| (row[0].clone(), row[1].parse().expect("a sum")))
            .collect()
    }
}
