//! The stream of recent changes: how fast it is caught up with, how soon a change shows, and whether it goes on so.

mod catch_up;
mod latency;
mod soak;
mod worker;

use std::time::{Duration, Instant};

use super::case::Case;
use super::format;
use super::job::{DATABASE, Job};
use super::service::Service;
use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::servers::mariadb::{MariaDb, Session};

pub(super) use soak::run as soak;

const TABLE: &str = "recent_changes";
/// How many events a second the host publishes, about.
const PACE: usize = 50;

/// Speed, beside mariadb-import and a script; then latency.
pub(super) fn run(events: usize, runs: usize, seconds: usize) -> Result<Vec<Case>> {
    let binaries = super::batch::build()?;
    let mut cases = catch_up::run(&binaries, events, runs)?;
    cases.push(latency::run(&binaries, seconds)?);
    Ok(cases)
}

/// Makes the database and its tables.
fn migrate(binaries: &Binaries, mariadb: &MariaDb, base_url: String) -> Result<()> {
    mariadb.sql(&format!("CREATE DATABASE {DATABASE}"))?;
    Job {
        format: &format::PAGEVIEWS,
        binaries,
        base_url,
        mariadb: Some(mariadb),
        zstd: None,
    }
    .migrate()
}

/// How many events the worker has committed.
fn committed(session: &mut Session) -> Result<usize> {
    let answer = session.ask(&format!(
        "SELECT COALESCE(SUM(events), 0) FROM {DATABASE}.stream_checkpoint"
    ))?;
    answer
        .first()
        .and_then(|count| count.parse().ok())
        .ok_or_else(|| Error::other(format!("{answer:?} is no number of events")))
}

/// Looks every so often until something holds, while the worker lives.
fn wait(
    worker: &mut Service,
    every: Duration,
    patience: Duration,
    mut done: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let deadline = Instant::now() + patience;
    while !done()? {
        worker.alive()?;
        if Instant::now() > deadline {
            return Err(Error::other(format!(
                "not all events came within {} s\n{}",
                patience.as_secs(),
                worker.log()
            )));
        }
        std::thread::sleep(every);
    }
    Ok(())
}
