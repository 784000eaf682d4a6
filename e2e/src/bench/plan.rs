//! A plan of ten years of hours, of which a host lists 87,600 and has none: what it takes to look, into stores that are
//! empty, and with a ledger of all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::batch;
use super::case::{Case, Target};
use super::measure::measure;
use crate::error::{Doing, Result};
use crate::process::{capture, guarded};
use crate::scratch;
use crate::servers::replay::{Options, Replay};
use crate::steps::Workspace;

const BENCH: &str = "plan";
const TARGET: Target = Target {
    ratio: None,
    rss_mib: Some(64.0),
    others: &[("seconds_in_all", 10.0)],
};

pub(super) fn run(runs: usize) -> Result<Vec<Case>> {
    let binaries = batch::build()?;
    let dir = scratch::dir("plan")?;
    let listed = Some("pageviews@2015-05-01+87600".to_owned());
    let options = Options {
        listed,
        ..Options::default()
    };
    let replay = Replay::start(&binaries, dir.path(), &options)?;
    let worker = binaries.path("wikiingest-batch")?;
    let command = |name: &str, config: &Path| {
        let mut command = guarded(worker.clone());
        command.arg(name).arg("--config").arg(config);
        command
    };
    let database = dir.path().join("warehouse.db");
    let warehouse = json!({"name": "warehouse", "sqlite": {"path": database}});
    let lake = json!({"name": "lake", "folder": {"path": dir.path().join("lake")}});
    let config = |name: &str, sinks: &[&Value]| -> Result<PathBuf> {
        let file = dir.path().join(name);
        let config = config(&replay.base_url(), sinks).to_string();
        fs::write(&file, config).doing_to("writing", &file)?;
        Ok(file)
    };
    let rounds = |name: &str, config: &Path| -> Result<Case> {
        let mut case = Case::new(BENCH, name, Some(TARGET));
        let mut slowest: f64 = 0.0;
        for round in 0..=runs {
            let measured = measure(&mut command("plan", config))?;
            slowest = slowest.max(measured.seconds);
            case.add(round, measured);
        }
        case.figure("seconds_in_all", slowest);
        Ok(case)
    };
    let both = config("both.json", &[&lake, &warehouse])?;
    capture(&mut command("migrate", &both))?;
    let none = rounds("87,600 hours of ten years", &both)?;
    let script = Workspace::find()?.e2e().join("readers/query_sqlite.py");
    let mut fill = Command::new("python3");
    let fill = fill.arg(script).arg(&database);
    capture(fill.arg(ledger_of_ten_years(true)))?;
    let alone = config("alone.json", &[&warehouse])?;
    let all = rounds("the same, all held", &alone)?;
    Ok(vec![none, all])
}

fn config(base_url: &str, sinks: &[&Value]) -> Value {
    let names: Vec<_> = sinks.iter().map(|sink| &sink["name"]).collect();
    json!({
        "contact": "https://example.org/wikiingest-bench",
        "source": {"name": "pageviews", "pageviews": {}, "baseUrl": base_url, "sinks": names},
        "sinks": sinks,
        "window": {"from": "2015-05-01T00:00:00Z", "to": "2025-05-01T00:00:00Z"},
    })
}

/// A statement that fills the ledger with the 87,600 hours from May 2015 on: of SQLite, or of MariaDB.
#[must_use]
pub fn ledger_of_ten_years(is_sqlite: bool) -> String {
    let number = "a.i * 300 + b.i";
    let (hour, name) = if is_sqlite {
        (
            format!("datetime('2015-05-01', ({number}) || ' hours')"),
            "strftime('pageviews-%Y%m%d-%H0000', h, '1 hours')",
        )
    } else {
        (
            format!("TIMESTAMP('2015-05-01') + INTERVAL ({number}) HOUR"),
            "DATE_FORMAT(h + INTERVAL 1 HOUR, 'pageviews-%Y%m%d-%H0000')",
        )
    };
    format!(
        "INSERT INTO ingest_ledger \
         WITH RECURSIVE n AS (SELECT 0 i UNION ALL SELECT i + 1 FROM n WHERE i < 299), \
         hours AS (SELECT {hour} h FROM n a, n b WHERE a.i < 292) \
         SELECT 'pageviews', {name}, h, 1, 'e', 1, 0, h FROM hours"
    )
}
