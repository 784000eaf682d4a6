//! Half an hour of a host that does everything wrong that it can: the memory must not grow, and nothing may be lost or
//! come twice.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::{Duration, Instant};

use serde_json::json;

use super::worker::Setup;
use super::{DATABASE, PACE, TABLE, committed, migrate, wait};
use crate::bench::case::{Case, Target};
use crate::bench::input;
use crate::bench::measure::{Measured, high_water_mib, resident_mib};
use crate::error::{Error, Result};
use crate::install::{self, Python};
use crate::process::{capture, guarded};
use crate::say::say;
use crate::scratch;
use crate::servers::mariadb::{Durability, MariaDb, Session};
use crate::servers::replay::Replay;
use crate::steps::Workspace;

const TARGET: Target = Target {
    ratio: None,
    rss_mib: None,
    others: &[
        ("missing", 0.0),
        ("unknown", 0.0),
        ("lake_missing", 0.0),
        ("lake_unknown", 0.0),
        ("lake_twice", 0.0),
        ("minutes_off", 0.0),
    ],
};
/// Each connection has the next of these; one that does not end it is followed by a cut.
const FAULTS: &[&str] = &[
    "cut@64k",
    "stall@64k",
    "slow=16k",
    "garbage@5",
    "giant",
    "duplicate@20",
    "replay@30",
    "multiline@7",
    "comment@8",
    "crlf@9",
    "end@50",
    "error@60",
    "429=1",
    "503=1",
];
/// How long a connection lives at most.
const CUT_AFTER: &str = "20";
const IDLE: &str = "3s";
const OBJECTS: &str = "30s";
/// For what is behind when nothing is wrong any more.
const PATIENCE: Duration = Duration::from_mins(3);
/// How often the memory is looked at, and whether there is a new connection.
const SAMPLE: Duration = Duration::from_secs(1);

/// The case, and whether every event came once.
pub(in crate::bench) fn run(seconds: usize) -> Result<(Case, Result<()>)> {
    let binaries = crate::bench::batch::build()?;
    let python = install::python(&Workspace::find()?.e2e().join("requirements.txt"))?;
    let events = seconds * PACE;
    let file = input::events(events)?;
    let pace = PACE.to_string();
    let how = ["--pace", &pace, "--restamp", "--wait-for-client"];
    let faults = ["--cut-after", CUT_AFTER, "--canary", "10"];
    let replay = Replay::streaming(&binaries, &file, &[&how[..], &faults[..]].concat())?;
    let mariadb = MariaDb::start(Durability::Full)?;
    migrate(&binaries, &mariadb, replay.base_url())?;
    let lake = scratch::dir("lake")?;
    let setup = Setup {
        binaries: &binaries,
        base_url: replay.base_url(),
        mariadb: &mariadb,
        start_from: "latest",
        lake: Some(lake.path()),
        options: json!({"idleTimeout": IDLE, "objectInterval": OBJECTS}),
    };
    say!("{events} events, {PACE} a second, with a fault on every connection");
    let mut session = Session::open(mariadb.port())?;
    let mut worker = setup.start()?;
    let mut soak = Soak::new(&replay);
    let started = Instant::now();
    let duration = Duration::from_secs(seconds as u64);
    while started.elapsed() < duration {
        worker.alive()?;
        soak.sample(worker.pid(), started, &mut session)?;
        std::thread::sleep(SAMPLE);
    }
    replay.set_faults("")?;
    wait(&mut worker, SAMPLE, PATIENCE, || {
        Ok(committed(&mut session)? >= events)
    })?;
    let measured = Measured {
        seconds: started.elapsed().as_secs_f64(),
        rss_mib: high_water_mib(worker.pid()),
    };
    worker.stop()?;
    say!(
        "faults that struck: {}",
        replay.counters()?["faults_struck"]
    );
    let mut case = Case::new("stream-soak", "everything wrong", Some(TARGET));
    case.add(1, measured);
    soak.memory(&mut case, seconds);
    case.figure("connections", soak.connections as f64);
    let found = Found {
        published: replay.published_ids()?,
        table: lines(&mariadb.sql(&format!("SELECT event_id FROM {DATABASE}.{TABLE}"))?),
        lake: in_lake(&python, &lake.path().join(TABLE))?,
        minutes: mariadb
            .sql(&format!(
                "SELECT SUM(events) FROM {DATABASE}.recent_changes_minute"
            ))?
            .trim()
            .parse()
            .unwrap_or_default(),
    };
    let figures = found.figures();
    let is_right = figures.iter().skip(1).all(|(_, count)| *count == 0);
    for (name, count) in figures {
        case.figure(name, count as f64);
    }
    let verdict = if is_right {
        Ok(())
    } else {
        Err(Error::other(
            "events are missing, unknown or there twice: see above",
        ))
    };
    Ok((case, verdict))
}

/// What is done and seen meanwhile.
struct Soak<'a> {
    replay: &'a Replay,
    connections: u64,
    memory: Vec<(f64, f64)>,
    told: u64,
}

impl<'a> Soak<'a> {
    fn new(replay: &'a Replay) -> Self {
        Self {
            replay,
            connections: 0,
            memory: Vec::new(),
            told: 0,
        }
    }

    fn sample(&mut self, pid: u32, started: Instant, session: &mut Session) -> Result<()> {
        let elapsed = started.elapsed();
        if let Some(mib) = resident_mib(pid) {
            self.memory.push((elapsed.as_secs_f64(), mib));
        }
        let stream = self.replay.stream_counters()?;
        let connections = stream["connections"].as_u64().unwrap_or_default();
        // What a connection does wrong is decided as it begins: here, for the one after this.
        if connections > self.connections {
            self.connections = connections;
            let next = usize::try_from(connections - 1).unwrap_or_default() % FAULTS.len();
            self.replay
                .set_faults(&format!("{}~/v2/stream*1", FAULTS[next]))?;
        }
        if elapsed.as_secs() / 60 > self.told {
            self.told = elapsed.as_secs() / 60;
            say!(
                "minute {:>2}  published {}  committed {}  connections {connections}  {:.1} MiB",
                self.told,
                stream["published"],
                committed(session)?,
                self.memory.last().map_or(f64::NAN, |sample| sample.1)
            );
        }
        Ok(())
    }

    /// The most of two minutes soon after the start, and of the last two.
    fn memory(&self, case: &mut Case, seconds: usize) {
        let window = (seconds as f64 / 4.0).min(120.0);
        let end = seconds as f64;
        for (name, from, to) in [
            ("rss_early_mib", window, 2.0 * window),
            ("rss_late_mib", end - window, f64::INFINITY),
        ] {
            let most = self
                .memory
                .iter()
                .filter(|(at, _)| (from..to).contains(at))
                .map(|(_, mib)| *mib)
                .max_by(f64::total_cmp);
            case.figure(name, most.unwrap_or(f64::NAN));
        }
    }
}

/// Ids, everywhere that they should be.
struct Found {
    published: Vec<String>,
    table: Vec<String>,
    lake: Vec<String>,
    minutes: usize,
}

impl Found {
    /// How many there are, then what is wrong.
    fn figures(&self) -> [(&'static str, usize); 7] {
        let set = |ids: &[String]| ids.iter().cloned().collect::<HashSet<_>>();
        let (published, table, lake) = (set(&self.published), set(&self.table), set(&self.lake));
        let mut copies: HashMap<&str, usize> = HashMap::new();
        for id in &self.lake {
            *copies.entry(id).or_default() += 1;
        }
        let twice: BTreeMap<&str, usize> =
            copies.into_iter().filter(|(_, count)| *count > 1).collect();
        for (what, id) in [
            ("missing", published.difference(&table).next()),
            ("missing in the lake", published.difference(&lake).next()),
        ] {
            if let Some(id) = id {
                say!("{what}, for one: {id}");
            }
        }
        if let Some((id, count)) = twice.first_key_value() {
            say!("in the lake {count} times, for one: {id}");
        }
        [
            ("events", published.len()),
            ("missing", published.difference(&table).count()),
            ("unknown", table.difference(&published).count()),
            ("lake_missing", table.difference(&lake).count()),
            ("lake_unknown", lake.difference(&table).count()),
            ("lake_twice", twice.len()),
            ("minutes_off", self.minutes.abs_diff(table.len())),
        ]
    }
}

fn in_lake(python: &Python, folder: &std::path::Path) -> Result<Vec<String>> {
    let reader = Workspace::find()?.e2e().join("readers/list_changes.py");
    let mut command = guarded(python.interpreter());
    capture(command.arg(reader).arg(folder)).map(|ids| lines(&ids))
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_unknown_or_twice_is_counted() {
        let ids = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let found = Found {
            published: ids("a b c d"),
            table: ids("a b c e"),
            lake: ids("a b b f"),
            minutes: 5,
        };
        let counts = found.figures().map(|(_, count)| count);
        assert_eq!(counts, [4, 1, 1, 2, 1, 1, 1]);
        for ((name, _), (target, _)) in found.figures().iter().skip(1).zip(TARGET.others) {
            assert_eq!(name, target);
        }
    }
}
