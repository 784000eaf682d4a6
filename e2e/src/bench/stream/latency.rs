//! From the moment an event is published to the moment when someone else's query finds its row.

use std::collections::HashSet;
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::worker::Setup;
use super::{DATABASE, PACE, TABLE, migrate};
use crate::bench::case::{Case, Target};
use crate::bench::input;
use crate::bench::measure::{Measured, high_water_mib};
use crate::bench::service::Service;
use crate::binaries::Binaries;
use crate::error::{Error, Result};
use crate::process::cpu_seconds;
use crate::say::say;
use crate::servers::mariadb::{Durability, MariaDb, Session};
use crate::servers::replay::Replay;

const TARGET: Target = Target {
    ratio: None,
    rss_mib: Some(32.0),
    others: &[("p50_ms", 60.0), ("p99_ms", 200.0)],
};
/// Between two looks.
const LOOK: Duration = Duration::from_millis(2);
/// How far behind the newest row another one may show, and is looked for.
const BEHIND_MS: u64 = 500;
/// For the last rows, and for the connection before the first.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn run(binaries: &Binaries, seconds: usize) -> Result<Case> {
    let events = seconds * PACE;
    let file = input::events(events)?;
    let pace = PACE.to_string();
    let args = ["--pace", &pace, "--restamp", "--wait-for-client"];
    let replay = Replay::streaming(binaries, &file, &args)?;
    // A commit is on the disk when it is said to be, as in production.
    let mariadb = MariaDb::start(Durability::Full)?;
    migrate(binaries, &mariadb, replay.base_url())?;
    let setup = Setup {
        binaries,
        base_url: replay.base_url(),
        mariadb: &mariadb,
        start_from: "latest",
        lake: None,
        options: json!({}),
    };
    say!("{events} events, {PACE} a second");
    let mut watch = Watch::new(Session::open(mariadb.port())?)?;
    let mut worker = setup.start()?;
    watch.follow(&mut worker, events)?;
    let rss_mib = high_water_mib(worker.pid());
    worker.stop()?;
    let mut case = Case::new(
        "stream",
        &format!("latency at {PACE} a second"),
        Some(TARGET),
    );
    case.add(
        1,
        Measured {
            seconds: watch.seconds,
            rss_mib,
        },
    );
    watch.latencies.sort_unstable();
    for (name, permille) in [("p50_ms", 500), ("p99_ms", 990), ("max_ms", 1000)] {
        case.figure(name, percentile(&watch.latencies, permille));
    }
    case.figure("cpu_percent", watch.cpu_percent);
    Ok(case)
}

/// Sees rows come.
struct Watch {
    session: Session,
    seen: HashSet<String>,
    newest: u64,
    latencies: Vec<u64>,
    seconds: f64,
    cpu_percent: f64,
}

impl Watch {
    fn new(session: Session) -> Result<Self> {
        Ok(Self {
            session,
            seen: HashSet::new(),
            newest: now()?,
            latencies: Vec::new(),
            seconds: 0.0,
            cpu_percent: 0.0,
        })
    }

    /// Until so many rows were seen. Time and processor count from the first of them on.
    fn follow(&mut self, worker: &mut Service, events: usize) -> Result<()> {
        let processor = |worker: &Service| cpu_seconds(worker.pid()).unwrap_or(f64::NAN);
        let limit = Duration::from_secs((events / PACE) as u64) + PATIENCE;
        let deadline = Instant::now() + limit;
        let mut first = None;
        while self.latencies.len() < events && Instant::now() < deadline {
            self.look()?;
            if first.is_none() {
                worker.alive()?;
                first = (!self.latencies.is_empty()).then(|| (Instant::now(), processor(worker)));
            }
            thread::sleep(LOOK);
        }
        let (began, used) = first.unwrap_or((Instant::now(), f64::NAN));
        if self.latencies.len() < events {
            return Err(Error::other(format!(
                "{} of {events} rows showed within {} s\n{}",
                self.latencies.len(),
                limit.as_secs(),
                worker.log()
            )));
        }
        self.seconds = began.elapsed().as_secs_f64();
        self.cpu_percent = (processor(worker) - used) / self.seconds * 100.0;
        Ok(())
    }

    fn look(&mut self) -> Result<()> {
        let from = self.newest.saturating_sub(BEHIND_MS);
        let rows = self.session.ask(&format!(
            "SELECT event_id, CAST(UNIX_TIMESTAMP(ts) * 1000 AS UNSIGNED) FROM {DATABASE}.{TABLE} \
             WHERE ts >= FROM_UNIXTIME({}.{:03})",
            from / 1000,
            from % 1000
        ))?;
        let now = now()?;
        for row in rows {
            let fields = row
                .split_once('\t')
                .and_then(|(id, ts)| Some((id, ts.parse::<u64>().ok()?)));
            let Some((id, ts)) = fields else {
                return Err(Error::other(format!("{row:?} is no id and time")));
            };
            self.newest = self.newest.max(ts);
            if self.seen.insert(id.to_owned()) {
                self.latencies.push(now.saturating_sub(ts));
            }
        }
        Ok(())
    }
}

fn now() -> Result<u64> {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_err(|error| Error::other(format!("the clock: {error}")))?;
    u64::try_from(since.as_millis()).map_err(|error| Error::other(format!("the clock: {error}")))
}

/// Of sorted numbers, the one that so many of a thousand do not exceed.
fn percentile(sorted: &[u64], permille: usize) -> f64 {
    let rank = (sorted.len() * permille).div_ceil(1000).max(1);
    sorted.get(rank - 1).map_or(f64::NAN, |value| *value as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_numbers_that_were_seen() {
        let sorted: Vec<u64> = (1..=200).collect();
        let of = |permille| percentile(&sorted, permille).to_string();
        assert_eq!([of(500), of(990), of(1000)], ["100", "198", "200"]);
        assert_eq!(percentile(&[7], 500).to_string(), "7");
        assert!(percentile(&[], 500).is_nan());
    }
}
