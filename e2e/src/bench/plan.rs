//! A plan of ten years of hours, of which a host lists 87,600 and has none: what it takes to look, into empty stores.

use std::fs;

use serde_json::json;

use super::batch;
use super::case::{Case, Target};
use super::measure::measure;
use crate::error::{Doing, Result};
use crate::process::{capture, guarded};
use crate::scratch;
use crate::servers::replay::{Options, Replay};

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
    let window = json!({"from": "2015-05-01T00:00:00Z", "to": "2025-05-01T00:00:00Z"});
    let config = json!({
        "contact": "https://example.org/wikiingest-bench",
        "source": {"name": "pageviews", "pageviews": {}, "baseUrl": replay.base_url(), "sinks": ["lake", "warehouse"]},
        "sinks": [
            {"name": "lake", "folder": {"path": dir.path().join("lake")}},
            {"name": "warehouse", "sqlite": {"path": dir.path().join("warehouse.db")}},
        ],
        "window": window,
    });
    let file = dir.path().join("config.json");
    fs::write(&file, config.to_string()).doing_to("writing", &file)?;
    let worker = binaries.path("wikiingest-batch")?;
    let command = |name: &str| {
        let mut command = guarded(worker.clone());
        command.arg(name).arg("--config").arg(&file);
        command
    };
    capture(&mut command("migrate"))?;
    let mut case = Case::new(BENCH, "87,600 hours of ten years", Some(TARGET));
    let mut slowest: f64 = 0.0;
    for round in 0..=runs {
        let measured = measure(&mut command("plan"))?;
        slowest = slowest.max(measured.seconds);
        case.add(round, measured);
    }
    case.figure("seconds_in_all", slowest);
    Ok(vec![case])
}
