//! `wikiingest doctor` names each fault of an installation, finds nothing wrong with one that works, and leaves nothing
//! behind.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use jiff::{Timestamp, ToSpan as _};
use serde_json::{Value, json};
use wikiingest_e2e::harness::between::{self, Impostor};
use wikiingest_e2e::harness::changes::{StreamWorld, events};
use wikiingest_e2e::harness::doctor::examine;
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Config, Env, Hour, Warehouse, worker};
use wikiingest_e2e::process::{CLOSED_PORT, capture};
use wikiingest_e2e::servers::mariadb::{self, Durability, MariaDb};
use wikiingest_e2e::servers::replay::Options;

const SOURCE: &str = "source pageviews";
const WAREHOUSE: &str = "sink warehouse";
const LAKE: &str = "sink lake";

const PASSWORD: &str = "WIKIINGEST_WAREHOUSE_PASSWORD";
const USERNAME: &str = "WIKIINGEST_WAREHOUSE_USERNAME";

/// A host with an hour of page views, and stores that are migrated.
fn world(stores: Stores) -> (World, Config) {
    let mut world = World::new(stores, &Options::default());
    world.publish(Hour(5), 10);
    let config = world.whole();
    (world, config)
}

/// The tables of a database.
fn tables(warehouse: &Warehouse) -> Vec<Vec<String>> {
    warehouse.query("SHOW TABLES")
}

/// The configuration with another source's URL, or Wikimedia's own where there is none.
fn from(config: Config, base_url: Option<&str>) -> Config {
    config.with(
        "/source/baseUrl",
        base_url.map_or(Value::Null, |url| json!(url)),
    )
}

/// A proxy between here and all hosts.
fn behind(config: Config, proxy: std::net::SocketAddr) -> Config {
    config
        .with_secret("HTTPS_PROXY", &format!("http://{proxy}"))
        .with_secret("https_proxy", &format!("http://{proxy}"))
        .with_secret("NO_PROXY", "")
        .with_secret("no_proxy", "")
}

#[test]
fn nothing_is_wrong_with_servers_that_work_and_nothing_is_left_behind() {
    let (world, config) = world(Stores::Servers);
    let before = (tables(&world.warehouse), world.lake.objects());
    let found = examine(&world.env, &config, &["--write"]);
    found.is_healthy();
    found.is(SOURCE, "reachable", "ok", "answers");
    found.is(SOURCE, "clock", "ok", "within");
    for name in [
        "rights",
        "load-data-local",
        "characters",
        "transactions",
        "row-locks",
        "upserts",
        "alter-tables",
        "left-behind",
    ] {
        found.is(WAREHOUSE, name, "ok", "");
    }
    found.is(WAREHOUSE, "dialect", "ok", "MariaDB");
    found.is(
        WAREHOUSE,
        "keys-as-created",
        "couldNotTell",
        "only SingleStore",
    );
    found.is(WAREHOUSE, "schema", "ok", "as is this program");
    for name in [
        "bucket",
        "list",
        "list-uploads",
        "put",
        "get",
        "put-once",
        "multipart",
        "multipart-once",
        "abort",
        "delete",
    ] {
        found.is(LAKE, name, "ok", "");
    }
    let after = (tables(&world.warehouse), world.lake.objects());
    assert_eq!(before, after, "something is left behind");
    assert_eq!(world.lake.open_uploads(), [""; 0]);
}

#[test]
fn without_write_nothing_is_written_and_what_needs_it_is_not_told() {
    let (world, config) = world(Stores::Servers);
    let before = mariadb_writes(&world.warehouse);
    let found = examine(&world.env, &config, &[]);
    found.is_healthy();
    found.is(WAREHOUSE, "rights", "ok", "the user may SELECT, INSERT");
    found.is(WAREHOUSE, "local-infile", "ok", "is on");
    for name in ["create-tables", "transactions", "row-locks"] {
        found.is(WAREHOUSE, name, "couldNotTell", "without --write");
    }
    for name in ["put", "multipart"] {
        found.is(LAKE, name, "couldNotTell", "without --write");
    }
    assert_eq!(before, mariadb_writes(&world.warehouse));
    assert_eq!(world.lake.objects(), [""; 0]);
}

/// The tables and when they were made, which no test that reads changes.
fn mariadb_writes(warehouse: &Warehouse) -> Vec<Vec<String>> {
    warehouse.query(
        "SELECT table_name, create_time FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name",
    )
}

#[test]
fn an_interrupted_trial_leaves_nothing_behind() {
    let (world, config) = world(Stores::Servers);
    let before = tables(&world.warehouse).len();
    let running = worker::doctor(&world.env, &config, &["--write"]);
    let started = Instant::now();
    while tables(&world.warehouse).len() == before {
        assert!(
            started.elapsed() < Duration::from_mins(1),
            "{}",
            running.output()
        );
    }
    running.signal("INT");
    let run = running
        .wait()
        .expect(1)
        .says(&["stopped before all was examined"]);
    assert_eq!(tables(&world.warehouse).len(), before, "{}", run.output);
    assert_eq!(world.lake.objects(), [""; 0]);
}

#[test]
fn a_laptop_s_file_and_folder_are_looked_at() {
    let (world, config) = world(Stores::Embedded);
    let found = examine(&world.env, &config, &["--write"]);
    found.is_healthy();
    found.is(WAREHOUSE, "writable", "ok", "warehouse.db");
    found.is(LAKE, "room", "ok", "GB left");
    let nowhere = config.with("/sinks/0/sqlite/path", json!("/proc/warehouse.db"));
    let found = examine(&world.env, &nowhere, &["--write"]);
    found.names(
        WAREHOUSE,
        "writable",
        "/proc/warehouse.db cannot be written",
    );
}

#[test]
fn a_resource_is_examined_as_it_is_written() {
    let env = Env::get();
    let world = World::new(Stores::Embedded, &Options::default());
    let resource = json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "metadata": {"name": "here"},
        "spec": {
            "contact": "https://example.org/bot",
            "sinks": [{"name": "lake", "folder": {"path": world.dir().join("lake")}}],
            "sources": [{
                "name": "views", "pageviews": {}, "schedule": {"cron": "@hourly"},
                "baseUrl": world.replay.base_url(), "sinks": ["lake"],
            }],
        },
    });
    let file = world.dir().join("resource.json");
    std::fs::write(&file, resource.to_string()).expect("the resource can be written");
    let program = env.binaries.path("wikiingest").expect("it is built");
    let output = Command::new(program)
        .args(["doctor", "-f"])
        .arg(&file)
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let lines = "not ok          source views: files: ";
    assert!(text.contains(lines), "nothing is published yet: {text}");
    assert!(
        text.contains("ok              sink lake: writable: "),
        "{text}"
    );
}

// Faults of the warehouse.

#[test]
fn a_wrong_password_is_named_and_not_told() {
    let (world, config) = world(Stores::Servers);
    let found = examine(
        &world.env,
        &config.with_secret(PASSWORD, "n0t-the-one"),
        &[],
    );
    found.names(WAREHOUSE, "credentials", "wrong user or password");
    found.is(WAREHOUSE, "reachable", "ok", "");
}

#[test]
fn a_database_that_is_not_there_and_a_server_that_is_not_there_are_told_apart() {
    let (world, config) = world(Stores::Servers);
    let elsewhere = |field: &str, value: Value| {
        let config = config
            .clone()
            .with(&format!("/sinks/0/singleStore/{field}"), value);
        examine(&world.env, &config, &[])
    };
    elsewhere("database", json!("nowhere")).names(WAREHOUSE, "database", "no such database");
    elsewhere("port", json!(CLOSED_PORT)).names(WAREHOUSE, "reachable", "connection refused");
    elsewhere("tls", json!({"mode": "Required"})).names(
        WAREHOUSE,
        "tls",
        "the server offers no TLS",
    );
}

static USERS: AtomicU32 = AtomicU32::new(0);

/// A user of the database with these rights only.
fn with_rights(world: &World, config: Config, rights: &str) -> Config {
    let Warehouse::MariaDb { port, database } = &world.warehouse else {
        panic!("these users are MariaDB's");
    };
    let number = USERS.fetch_add(1, Ordering::Relaxed);
    let user = format!("doctor_{}_{number}", std::process::id());
    let statements = format!(
        "CREATE USER '{user}'@'%' IDENTIFIED BY 'an0ther-5ecret'; GRANT {rights} ON {database}.* TO '{user}'@'%'"
    );
    let _ = mariadb::sql(*port, &statements).expect("a user can be made");
    config
        .with_secret(USERNAME, &user)
        .with_secret(PASSWORD, "an0ther-5ecret")
}

#[test]
fn a_user_that_may_only_read_is_named_with_and_without_write() {
    let (world, config) = world(Stores::Servers);
    let config = with_rights(&world, config, "SELECT");
    let (read, write): (&[&str], &[&str]) = (&[], &["--write"]);
    for args in [read, write] {
        let found = examine(&world.env, &config, args);
        found.names(WAREHOUSE, "rights", "the user may only read");
        found.names_nothing_else(WAREHOUSE, &["rights"]);
    }
}

#[test]
fn tables_that_could_not_be_dropped_are_not_made() {
    let (world, config) = world(Stores::Servers);
    let rights = "SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER";
    let config = with_rights(&world, config, rights);
    let before = tables(&world.warehouse);
    let found = examine(&world.env, &config, &["--write"]);
    found.is(
        WAREHOUSE,
        "create-tables",
        "couldNotTell",
        "the user may not DROP",
    );
    assert_eq!(before, tables(&world.warehouse));
}

/// All that a server can have set otherwise than loads need it.
const WRONG: &[&str] = &[
    "--local-infile=0",
    "--default-time-zone=+02:00",
    "--max-allowed-packet=1M",
];

#[test]
fn a_server_without_load_data_local_in_another_zone_and_with_small_packets_is_named() {
    let (world, config) = world(Stores::Servers);
    let server = MariaDb::start_with(Durability::Full, WRONG).expect("MariaDB starts");
    let warehouse = Warehouse::mariadb_on(server.port());
    let sink = warehouse.sink()["singleStore"].clone();
    let config = config.with("/sinks/0/singleStore", sink);
    let found = examine(&world.env, &config, &[]);
    found.names(WAREHOUSE, "local-infile", "LOAD DATA LOCAL INFILE is off");
    found.names(WAREHOUSE, "time-zone", "+2 h off UTC");
    found.names(WAREHOUSE, "packet-limit", "max_allowed_packet is 1048576");
    let tried = examine(&world.env, &config, &["--write"]);
    tried.names(WAREHOUSE, "load-data-local", "");
    tried.is(WAREHOUSE, "row-locks", "ok", "");
    assert_eq!(tables(&warehouse), [[""; 0]; 0]);
}

// Faults of the lake.

#[test]
fn a_bucket_that_is_not_there_and_a_wrong_secret_are_named() {
    let (world, config) = world(Stores::Servers);
    let nowhere = config
        .clone()
        .with("/sinks/1/s3/bucket", json!("no-such-bucket"));
    let found = examine(&world.env, &nowhere, &["--write"]);
    found.names(LAKE, "bucket", "there is no bucket \"no-such-bucket\"");
    let secret = "WIKIINGEST_LAKE_SECRET_ACCESS_KEY";
    let found = examine(&world.env, &config.with_secret(secret, "n0t-the-one"), &[]);
    found.names(LAKE, "credentials", "secret is wrong");
}

#[test]
fn a_bucket_that_takes_no_uploads_in_parts_is_named_apart() {
    let (world, config) = world(Stores::Servers);
    let server = world
        .env
        .s3
        .strip_prefix("http://")
        .expect("it speaks plain HTTP");
    let gateway = between::without_multipart(server);
    let config = config.with("/sinks/1/s3/endpoint", json!(format!("http://{gateway}")));
    let found = examine(&world.env, &config, &["--write"]);
    found.names(
        LAKE,
        "multipart",
        "may not s3:PutObject of a multipart upload",
    );
    found.names_nothing_else(LAKE, &["multipart"]);
    found.is(LAKE, "put", "ok", "");
    assert_eq!(world.lake.objects(), [""; 0]);
}

// Faults of the host and of the way there.

#[test]
fn a_proxy_that_cuts_tls_is_named() {
    let (world, config) = world(Stores::Embedded);
    let wikimedia = from(config.clone(), None);
    let found = examine(
        &world.env,
        &behind(wikimedia, between::cutting_proxy()),
        &[],
    );
    found.names(
        SOURCE,
        "tls",
        "the connection to dumps.wikimedia.org was cut as TLS began",
    );
    found.is(SOURCE, "tls", "notOk", "HTTPS_PROXY is set");
    let direct = from(config, Some(&format!("https://{}", between::cutter())));
    let found = examine(&world.env, &direct, &[]);
    found.names(SOURCE, "tls", "was cut as TLS began");
}

#[test]
fn a_proxy_that_shows_a_certificate_of_its_own_is_named() {
    let (world, config) = world(Stores::Embedded);
    let impostor = Impostor::of("dumps.wikimedia.org");
    let proxy = between::proxy_to(impostor.address);
    let found = examine(&world.env, &behind(from(config, None), proxy), &[]);
    found.names(SOURCE, "tls", "something in between intercepts TLS");
}

#[test]
fn a_host_that_is_not_there_refuses_or_has_nothing_is_named() {
    let (world, config) = world(Stores::Embedded);
    let closed = format!("http://127.0.0.1:{CLOSED_PORT}");
    let nobody = from(config.clone(), Some(&closed));
    examine(&world.env, &nobody, &[]).names(SOURCE, "reachable", "connection refused");
    let nameless = from(config.clone(), Some("http://no-such-host.invalid"));
    let nameless = nameless
        .with_secret("HTTP_PROXY", "")
        .with_secret("http_proxy", "");
    examine(&world.env, &nameless, &[]).names(SOURCE, "reachable", "leads nowhere");
    let rude = config.clone().with("/contact", json!("nobody"));
    examine(&world.env, &rude, &[]).names(SOURCE, "reachable", "the host refuses us (403)");
    let scheduled = config.with("/window", json!({"lookback": "6h"}));
    examine(&world.env, &scheduled, &[]).names(SOURCE, "files", "no file");
}

#[test]
fn a_host_that_asks_to_wait_is_waited_for() {
    let (world, config) = world(Stores::Embedded);
    world
        .replay
        .set_faults("429=2~/other/pageviews/*1")
        .expect("the stand-in takes faults");
    examine(&world.env, &config, &[]).is_healthy();
    let counters = world.replay.counters().expect("the stand-in answers");
    assert_eq!(counters["peak_connections"], 1, "{counters}");
}

#[test]
fn recent_files_are_found() {
    // Those of yesterday and today.
    let first = Timestamp::now() - 24.hours();
    let options = Options {
        listed: Some(format!("pageviews@{}+48", first.strftime("%Y-%m-%d"))),
        ..Options::default()
    };
    let world = World::new(Stores::Embedded, &options);
    let config = world
        .config(Hour(0), Hour(1))
        .with("/window", json!({"lookback": "6h"}));
    let found = examine(&world.env, &config, &[]);
    found.is(SOURCE, "files", "ok", "the newest file of");
}

#[test]
fn a_stream_is_listened_to() {
    let world = StreamWorld::new(Stores::Embedded, &events(2_000, 100), &["--pace", "20"]);
    let found = examine(&Env::get(), &world.config(), &[]);
    found.is("source edits", "stream", "ok", "sent an event after");
    found.is("source edits", "clock", "ok", "");
    let elsewhere = world
        .config()
        .with("/source/baseUrl", json!("http://127.0.0.1:9"));
    let found = examine(&Env::get(), &elsewhere, &[]);
    found.names("source edits", "reachable", "connection refused");
}

#[test]
fn a_clock_that_is_an_hour_off_is_named_by_all_who_can_tell() {
    let (world, config) = world(Stores::Servers);
    // The library that lies about the time, as its own program finds it.
    let library = capture(Command::new("faketime").args(["-f", "+1h", "printenv", "LD_PRELOAD"]))
        .expect("faketime is there");
    let config = config
        .with_secret("LD_PRELOAD", library.trim())
        .with_secret("FAKETIME", "+1h")
        .with_secret("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    let found = examine(&world.env, &config, &[]);
    found.names(SOURCE, "clock", "1 h 0 min ahead of 127.0.0.1");
    found.names(WAREHOUSE, "clock", "1 h 0 min ahead of the server");
    // The client of a lake asks for the server's time, and goes by it.
    found.is(LAKE, "clock", "ok", "");
}
