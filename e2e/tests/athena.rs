//! What Amazon Athena finds in a lake: its statements are ones, its answers are the warehouse's, and it reads what a question
//! is about and no more. Athena itself is asked by nobody here, but Trino, which it is made of.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::collections::BTreeMap;
use std::io::Write as _;

use wikiingest_e2e::bench::generate::Archive;
use wikiingest_e2e::harness::athena::Answer;
use wikiingest_e2e::harness::changes::{StreamWorld, events};
use wikiingest_e2e::harness::world::{Stores, World};
use wikiingest_e2e::harness::{Athena, Config, Env, Hour, Lake, Warehouse, env, worker};
use wikiingest_e2e::servers::replay::{Options, Replay};

/// The day of a row, as the lake's folders have it.
const DAY: &str = "CAST(DATE(ts) AS CHAR)";
/// A time, as the reader prints it.
const TIME: &str = "DATE_FORMAT(ts, '%Y-%m-%d %H:%i:%s.%f')";

/// An hour on either side of midnight, and one more each.
const NIGHT: [Hour; 4] = [Hour(22), Hour(23), Hour(24), Hour(25)];

type Rows = Vec<Vec<String>>;

/// Loads samples that lie as on the host.
fn load_samples(stores: &World, folder: &str, archive: Archive, from: &str, to: &str) {
    let root = env::file(folder);
    let replay = Replay::start(&stores.env.binaries, &root, &Options::default());
    let replay = replay.expect("the stand-in starts");
    let kind = archive.kind();
    let config = Config::new(kind, kind, &replay.base_url(), from, to)
        .with(&format!("/source/{kind}"), archive.options())
        .warehouse(&stores.warehouse)
        .lake(&stores.lake);
    let _ = worker::run(&stores.env, &config).expect(0);
}

/// Loads generated units of an archive into stores that may have others.
fn load_generated(stores: &World, archive: Archive, units: &[Hour]) {
    let mut world = World::of(archive, Stores::Servers, &Options::default());
    world.warehouse = stores.warehouse.clone();
    world.lake = stores.lake.clone();
    for unit in units {
        world.publish(*unit, 1_500);
    }
    let _ = world.run().expect(0);
}

/// Loads real changes, and generated ones of three days.
fn load_changes(stores: &World) {
    let real = env::file("samples/recentchange/stream-2025-05-03.ndjson");
    let mut changes = std::fs::read_to_string(real).expect("a sample");
    changes.push_str(&events(3_000, 60_000));
    let count = changes.lines().count() as u64;
    let mut world = StreamWorld::new(Stores::Servers, &changes, &["--pace", "max"]);
    world.warehouse = stores.warehouse.clone();
    world.lake = stores.lake.clone();
    world.run_until(count);
}

/// A warehouse and a lake with something of everything: real and generated, of several days.
fn stores_of_everything() -> World {
    let stores = World::new(Stores::Servers, &Options::default());
    for archive in [Archive::Pageviews, Archive::Pagecounts] {
        load_generated(&stores, archive, &NIGHT);
    }
    for archive in [Archive::PageviewComplete, Archive::Mediacounts] {
        load_generated(&stores, archive, &[Hour(1), Hour(2)]);
        let day = ("2024-08-03T00:00:00Z", "2024-08-04T00:00:00Z");
        load_samples(&stores, "samples/generated", archive, day.0, day.1);
    }
    let hour = ("2024-08-03T05:00:00Z", "2024-08-03T06:00:00Z");
    load_samples(&stores, "samples", Archive::Pageviews, hour.0, hour.1);
    let day = ("2016-08-01T00:00:00Z", "2016-08-02T00:00:00Z");
    load_samples(&stores, "samples", Archive::Pagecounts, day.0, day.1);
    load_changes(&stores);
    stores
}

const TABLES: [&str; 5] = [
    "pageviews_hourly",
    "pagecounts_hourly",
    "pageview_complete_hourly",
    "mediacounts_daily",
    "recent_changes",
];

/// The rows of a table's days, by the day, as the warehouse counts them.
fn days(warehouse: &Warehouse, table: &str) -> BTreeMap<String, u64> {
    let rows = warehouse.query(&format!("SELECT {DAY}, COUNT(*) FROM {table} GROUP BY 1"));
    let day = |mut row: Vec<String>| {
        let rows = row.remove(1).parse().expect("a number");
        (row.remove(0), rows)
    };
    rows.into_iter().map(day).collect()
}

/// The condition that every question needs: without one, each day that a table may have is looked for.
fn on<'a>(days: impl Iterator<Item = &'a String>) -> String {
    let days: Vec<String> = days.map(|day| format!("'{day}'")).collect();
    format!("dt IN ({})", days.join(", "))
}

/// What is asked of each column, of the lake and of the warehouse: how many there are, and a sum that any other value
/// would change.
fn sums(columns: &Rows) -> (String, String) {
    let each = columns.iter().map(|column| {
        let name = &column[0];
        let (lake, warehouse) = match column[1].as_str() {
            "bigint" => (name.clone(), name.clone()),
            "boolean" => (format!("IF({name}, 1, 0)"), format!("IF({name}, 1, 0)")),
            "varchar" => (format!("CRC32(TO_UTF8({name}))"), format!("CRC32({name})")),
            kind if kind.starts_with("timestamp") => (
                format!("CAST(ROUND(TO_UNIXTIME({name}) * 1000) AS BIGINT)"),
                format!("CAST(ROUND(UNIX_TIMESTAMP({name}) * 1000) AS SIGNED)"),
            ),
            other => panic!("{name} is of type {other}"),
        };
        (
            format!("COUNT({name}), SUM({lake})"),
            format!("COUNT({name}), SUM({warehouse})"),
        )
    });
    let (lake, warehouse): (Vec<_>, Vec<_>) = each.unzip();
    (lake.join(", "), warehouse.join(", "))
}

fn tables_are_the_warehouse_s(athena: &Athena, warehouse: &Warehouse) {
    for table in TABLES {
        let columns = athena.ask(&format!(
            "SELECT column_name, data_type FROM information_schema.columns \
             WHERE table_schema = '{{database}}' AND table_name = '{table}' AND column_name <> 'dt' \
             ORDER BY ordinal_position"
        ));
        let names: Vec<_> = columns.rows.iter().map(|column| &column[0]).collect();
        let mut expected = warehouse.columns(table);
        expected.sort_by_key(|name| names.iter().position(|other| *other == name));
        assert_eq!(names, expected.iter().collect::<Vec<_>>(), "{table}");
        let days = days(warehouse, table);
        assert!(days.len() > 1, "{table} has one day only");
        let (lake, sums) = sums(&columns.rows);
        let found = athena.ask(&format!(
            "SELECT dt, COUNT(*), {lake} FROM {{database}}.{table} WHERE {} GROUP BY dt",
            on(days.keys())
        ));
        let expected = format!("SELECT {DAY}, COUNT(*), {sums} FROM {table} GROUP BY 1");
        assert_eq!(
            sorted(found.rows),
            sorted(warehouse.query(&expected)),
            "{table}"
        );
        assert_eq!(found.read_rows, days.values().sum::<u64>(), "{table}");
    }
}

fn sorted(mut rows: Rows) -> Rows {
    rows.sort();
    rows
}

/// A view, the table that it is of, and the same from the warehouse.
struct Question {
    view: &'static str,
    table: &'static str,
    sql: String,
}

fn question(view: &'static str, table: &'static str, sql: &str) -> Question {
    let sql = sql.replace("DAY(ts)", DAY).replace("TIME(ts)", TIME);
    Question { view, table, sql }
}

/// From the warehouse's own roll-ups where it has one that tells as much.
fn questions() -> Vec<Question> {
    vec![
        question(
            "readers_by_hour",
            "pageviews_hourly",
            "SELECT DAY(ts), TIME(ts), project, access, views FROM pageviews_project_hourly",
        ),
        question(
            "readers_top_daily",
            "pageviews_hourly",
            "SELECT * FROM (SELECT dt, project, title, views, \
             ROW_NUMBER() OVER (PARTITION BY dt, project ORDER BY views DESC, title) place FROM \
             (SELECT DAY(ts) dt, project, title, SUM(views) views FROM pageviews_hourly GROUP BY 1, 2, 3) sums) ranked \
             WHERE place <= 100",
        ),
        question(
            "readers_hours_missing",
            "pageviews_hourly",
            "SELECT DAY(ts), COUNT(*), 24 - COUNT(*) FROM ingest_ledger WHERE source = 'pageviews' GROUP BY 1",
        ),
        question(
            "readers_by_agent_daily",
            "pageview_complete_hourly",
            "SELECT DAY(ts), project, agent, SUM(views) FROM pageview_complete_project_hourly GROUP BY 1, 2, 3",
        ),
        question(
            "counts_by_hour",
            "pagecounts_hourly",
            "SELECT DAY(ts), TIME(ts), project, access, SUM(views), SUM(bytes) FROM pagecounts_hourly GROUP BY 1, 2, 3, 4",
        ),
        question(
            "media_by_day",
            "mediacounts_daily",
            "SELECT DAY(ts), COUNT(*), SUM(transfers), SUM(response_bytes), SUM(referer_internal), SUM(referer_external), \
             SUM(referer_unknown), SUM(original), SUM(transcoded_image), SUM(transcoded_audio), SUM(transcoded_movie) \
             FROM mediacounts_daily GROUP BY 1",
        ),
        question(
            "media_top_daily",
            "mediacounts_daily",
            "SELECT CAST(DATE(top.ts) AS CHAR), base_name, project, file, top.transfers, top.response_bytes, rank_no \
             FROM mediacounts_top_daily top JOIN mediacounts_daily USING (base_name) \
             WHERE mediacounts_daily.ts = top.ts AND rank_no <= 100",
        ),
        question(
            "editors_by_minute",
            "recent_changes",
            "SELECT DAY(ts), TIME(ts), wiki, type, events, bots, bytes_changed FROM recent_changes_minute",
        ),
        question(
            "editors_largest_daily",
            "recent_changes",
            "SELECT DAY(ts), TIME(ts), wiki, title, user_name, bot, grown, notify_url, place FROM \
             (SELECT ts, wiki, title, user_name, bot, notify_url, length_new - COALESCE(length_old, 0) grown, \
             ROW_NUMBER() OVER (PARTITION BY DATE(ts) ORDER BY ABS(length_new - COALESCE(length_old, 0)) DESC, event_id) place \
             FROM recent_changes WHERE type IN ('edit', 'new') AND length_new IS NOT NULL) ranked WHERE place <= 100",
        ),
        question(
            "editors_new_pages",
            "recent_changes",
            "SELECT DAY(ts), TIME(ts), wiki, namespace, title, user_name, bot, length_new, title_url \
             FROM recent_changes WHERE type = 'new'",
        ),
    ]
}

/// Every view has the warehouse's rows, and asked for a day reads that day's and no others.
fn views_are_the_warehouse_s(athena: &Athena, warehouse: &Warehouse) {
    let views = athena.statements.iter();
    let views = views.filter(|text| text.contains("CREATE OR REPLACE VIEW"));
    assert_eq!(questions().len(), views.count(), "a view is not looked at");
    for Question { view, table, sql } in questions() {
        let days = days(warehouse, table);
        let query = |days: String| format!("SELECT * FROM {{database}}.{view} WHERE {days}");
        let (day, rows) = days.last_key_value().expect("a day");
        let queries = [query(on(days.keys())), query(on(std::iter::once(day)))];
        let answers = athena.ask_all(&queries);
        let expected = sorted(warehouse.query(&sql));
        assert!(!expected.is_empty(), "the warehouse has nothing of {view}");
        assert_eq!(sorted(answers[0].rows.clone()), expected, "{view}");
        let of_day = expected.into_iter().filter(|row| row[0] == *day);
        assert_eq!(
            sorted(answers[1].rows.clone()),
            of_day.collect::<Rows>(),
            "{view} on {day}"
        );
        assert!(answers[1].read_rows <= *rows, "{view}: {:?}", answers[1]);
    }
}

#[test]
fn athena_s_statements_are_read_by_hive_s_parser_and_by_sqlglot() {
    let env = Env::get();
    let athena = Athena::of(&env, &Lake::s3(&env));
    let all = &athena.statements;
    let is_view = |text: &String| text.contains(" VIEW ");
    // Athena reads views as Trino does, and the rest as Hive does.
    let (views, rest): (Vec<_>, Vec<_>) = all.iter().cloned().partition(is_view);
    assert_eq!((rest.len(), views.len()), (1 + TABLES.len(), 10));
    let parsed = athena.parsed_by_hive(&rest).expect("Hive parses them");
    assert_eq!(parsed, rest.len().to_string());
    let parsed = athena.parsed_by_sqlglot(all).expect("sqlglot parses them");
    assert_eq!(parsed, all.len().to_string());
    // And it would say so if one were none.
    let broken = rest[1].replace("STORED AS PARQUET", "STORED PARQUET");
    let refused = athena.parsed_by_hive(&[rest[0].clone(), broken.clone()]);
    let refused = refused.expect_err("it is no statement").to_string();
    assert!(refused.contains(&broken), "{refused}");
}

#[test]
fn athena_s_answers_over_the_lake_are_the_warehouse_s() {
    let stores = stores_of_everything();
    let athena = Athena::over(&stores.env, &stores.lake);
    tables_are_the_warehouse_s(&athena, &stores.warehouse);
    views_are_the_warehouse_s(&athena, &stores.warehouse);
}

#[test]
fn athena_reads_of_a_lake_what_a_question_is_about() {
    let mut world = World::new(Stores::Servers, &Options::default());
    world.publish(NIGHT[1], 50_000);
    // Enough for the largest domain to have several pages of Parquet of its own.
    world.publish(NIGHT[2], 350_000);
    let _ = world.run().expect(0);
    let athena = Athena::over(&world.env, &world.lake);
    let days = days(&world.warehouse, "pageviews_hourly");
    let (day, rows) = days.last_key_value().expect("a day");
    let (title, domain) = title_in_the_middle(&world.warehouse, day);
    let ask = |condition: &str| {
        athena.ask(&format!(
            "SELECT COUNT(*), SUM(views), MAX(title), MAX(domain_code) FROM {{database}}.pageviews_hourly WHERE {condition}"
        ))
    };
    let all = ask(&on(days.keys()));
    let of_day = ask(&on(std::iter::once(day)));
    let of_domain = ask(&format!("dt = '{day}' AND domain_code = '{domain}'"));
    let of_title = ask(&format!(
        "dt = '{day}' AND domain_code = '{domain}' AND title = '{title}'"
    ));
    for (what, answer) in [
        ("two days", &all),
        ("a day", &of_day),
        ("a domain's day", &of_domain),
        ("a title's day", &of_title),
    ] {
        let (rows, bytes) = (answer.read_rows, answer.read_bytes);
        let _ = writeln!(std::io::stderr(), "{what}: {rows} rows, {bytes} bytes");
    }
    assert_eq!(all.read_rows, days.values().sum::<u64>());
    assert_eq!(of_day.read_rows, *rows);
    assert!(of_day.read_bytes < all.read_bytes);
    assert!(of_domain.read_rows < of_day.read_rows);
    assert!(of_domain.read_bytes < of_day.read_bytes);
    assert!(of_title.read_rows < of_domain.read_rows);
    assert!(of_title.read_bytes < of_domain.read_bytes);
    assert_ne!(of_title.rows[0][0], "0");
}

/// A title in the middle of the largest domain, and that domain.
fn title_in_the_middle(warehouse: &Warehouse, day: &str) -> (String, String) {
    let of_day = format!("FROM pageviews_hourly WHERE DATE(ts) = '{day}'");
    let largest = warehouse.query(&format!(
        "SELECT domain_code {of_day} GROUP BY 1 ORDER BY COUNT(*) DESC LIMIT 1"
    ));
    let domain = &largest[0][0];
    // Of plain letters, so that it can stand between quotes.
    let plain = format!("{of_day} AND domain_code = '{domain}' AND title REGEXP '^[A-Za-z0-9_]+$'");
    let middle = warehouse.number(&format!("SELECT COUNT(*) DIV 2 {plain}"));
    let titles = warehouse.query(&format!(
        "SELECT title {plain} ORDER BY title LIMIT 1 OFFSET {middle}"
    ));
    (titles[0][0].clone(), domain.clone())
}

#[test]
fn athena_sees_what_comes_later_without_being_told() {
    let mut world = World::new(Stores::Servers, &Options::default());
    world.publish(NIGHT[0], 500);
    let _ = world.run().expect(0);
    let athena = Athena::over(&world.env, &world.lake);
    // The second is another hour of the same day, the third the first of another day.
    for hour in &NIGHT[1..3] {
        is_seen(&world, &athena);
        world.publish(*hour, 500);
        let _ = world.run().expect(0);
    }
    is_seen(&world, &athena);
}

fn is_seen(world: &World, athena: &Athena) {
    let Answer { rows, .. } = athena.ask(
        "SELECT COUNT(*), SUM(views) FROM {database}.pageviews_hourly WHERE dt BETWEEN '2024-08-03' AND '2024-08-04'",
    );
    let total = world.total();
    assert_eq!(rows, [[total.rows.to_string(), total.views.to_string()]]);
}
