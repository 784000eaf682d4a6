//! A minute and a half of real edits, replayed through the stream worker.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{Source, WikiIngestSpec};
use wikimedia_replay::{Events, Options, Pace, Replay};

use super::{Console, DemoError};
use crate::{
    cli::{live::Live, streams},
    stream::{
        event,
        events::{Event, Observer},
    },
};

/// The events, one a line, in the order in which they came.
const SAMPLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../e2e/samples/recentchange/stream-2025-05-03.ndjson"
));

/// Events a second: fast enough not to bore, slow enough to be seen.
const PACE: f64 = 22.0;
/// How long before its first event the sample is read from: events are not in the order of their times.
const BEFORE: SignedDuration = SignedDuration::from_mins(1);
/// A stream that stands further behind the sample's end has been read elsewhere since.
const PAST: SignedDuration = SignedDuration::from_hours(1);
/// Longer than the replay takes, even on a machine with other things to do.
const LIMIT: Duration = Duration::from_secs(40);

/// What became of the edits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edits {
    /// They were replayed.
    Replayed {
        /// Events that were new.
        written: u64,
        /// Events that came again.
        again: u64,
        /// Events of the sample.
        all: usize,
    },
    /// The stream stands behind the sample.
    PastIt,
}

/// What there is to know of the sample.
struct Sample {
    lines: Vec<String>,
    first: Timestamp,
    newest: Timestamp,
    /// The hash of the id of the event that comes last.
    last: u128,
}

#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    meta: Meta<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    id: &'a str,
    dt: Timestamp,
}

/// Replays the sample into the sinks of `source`; nothing when it was stopped.
pub(super) async fn replay(
    console: &Console,
    spec: &WikiIngestSpec,
    source: &Source,
    database: &Path,
    stop: &CancellationToken,
) -> Result<Option<Edits>, DemoError> {
    let sample = Sample::read()?;
    let all = sample.lines.len();
    let newest = newest(database, &source.name).await?;
    // Somebody has read on from Wikimedia's own host, and a stream does not go back.
    if newest.is_some_and(|newest| newest > sample.newest + PAST) {
        return Ok(Some(Edits::PastIt));
    }
    // Where a part is held, the rest need not be watched.
    let is_new = newest.is_none();
    let host = Replay::start(options(sample.lines, is_new)).await?;
    let mut spec = spec.clone();
    let mut source = source.clone();
    source.base_url = Some(host.base_url());
    source.start_from = Some((sample.first - BEFORE).to_string());
    for known in &mut spec.sources {
        if known.name == source.name {
            known.clone_from(&source);
        }
    }
    let live = Live::new(console, &source.name, &source.sinks);
    let watch = Arc::new(Watch::new(live, sample.last, &source.sinks));
    console.note(&format!(
        "{}: {all} real changes, from a stream that is replayed {}",
        source.name,
        if is_new {
            "in a few seconds"
        } else {
            "at once"
        }
    ));
    let halt = stop.child_token();
    let reading = async {
        let observer = Arc::clone(&watch) as _;
        let ended = streams::read_one(&spec, &source, observer, &watch.live, halt.clone()).await;
        halt.cancel();
        ended
    };
    let waiting = async {
        let limited = tokio::time::timeout(LIMIT, async {
            tokio::select! {
                () = watch.complete.cancelled() => {}
                () = halt.cancelled() => {}
            }
        });
        let in_time = limited.await.is_ok();
        halt.cancel();
        in_time
    };
    let (read, in_time) = tokio::join!(reading, waiting);
    watch.live.clear();
    read?;
    if stop.is_cancelled() {
        return Ok(None);
    }
    if !in_time {
        return Err(DemoError::Slow {
            limit: LIMIT.as_secs(),
        });
    }
    console.say(&watch.live.summary());
    Ok(Some(Edits::Replayed {
        written: watch.live.written(),
        again: watch.live.held(),
        all,
    }))
}

/// The first time events come one by one, from the moment on that somebody reads them; later all at once.
fn options(lines: Vec<String>, is_new: bool) -> Options {
    let mut options = Options::streaming(Events::Lines(lines));
    if let Some(stream) = &mut options.stream {
        stream.wait_for_client = is_new;
        stream.pace = if is_new {
            Pace::PerSecond(PACE)
        } else {
            Pace::Max
        };
    }
    options
}

/// Up to when the database holds a stream; nothing when it holds none of it.
async fn newest(database: &Path, stream: &str) -> Result<Option<Timestamp>, DemoError> {
    let fail = |source| DemoError::database(database, source);
    let options = SqliteConnectOptions::new()
        .filename(database)
        .disable_statement_logging();
    let mut connection = options.connect().await.map_err(fail)?;
    let newest: Option<Option<String>> =
        sqlx::query_scalar("SELECT newest || 'Z' FROM stream_checkpoint WHERE stream = ?")
            .bind(stream)
            .fetch_optional(&mut connection)
            .await
            .map_err(fail)?;
    connection.close().await.map_err(fail)?;
    Ok(newest.flatten().and_then(|newest| newest.parse().ok()))
}

impl Sample {
    fn read() -> Result<Self, DemoError> {
        let lines: Vec<String> = SAMPLE.lines().map(ToOwned::to_owned).collect();
        let wrong = |what: &str| DemoError::Sample(what.to_owned());
        let (mut first, mut newest) = (Timestamp::MAX, Timestamp::MIN);
        let mut last = None;
        for line in &lines {
            let line: Line<'_> =
                serde_json::from_str(line).map_err(|error| wrong(&error.to_string()))?;
            first = first.min(line.meta.dt);
            newest = newest.max(line.meta.dt);
            last = Some(event::key(line.meta.id));
        }
        Ok(Self {
            lines,
            first,
            newest,
            last: last.ok_or_else(|| wrong("it is empty"))?,
        })
    }
}

/// Waits for the last event to be in every sink. Each takes them in the order of the stream, so that it has the others.
#[derive(Debug)]
struct Watch {
    live: Live,
    last: u128,
    lacking: Mutex<BTreeSet<String>>,
    complete: CancellationToken,
}

impl Watch {
    fn new(live: Live, last: u128, sinks: &[String]) -> Self {
        Self {
            live,
            last,
            lacking: Mutex::new(sinks.iter().cloned().collect()),
            complete: CancellationToken::new(),
        }
    }
}

impl Observer for Watch {
    fn on(&self, event: &Event<'_>) {
        self.live.on(event);
        let Event::Committed(taken) = event else {
            return;
        };
        if taken.events.iter().any(|event| event.key == self.last) {
            let lacking = self.lacking.lock();
            let mut lacking = lacking.unwrap_or_else(PoisonError::into_inner);
            lacking.remove(taken.sink);
            if lacking.is_empty() {
                self.complete.cancel();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_is_there_and_is_told_by_its_last_event() {
        let sample = Sample::read().unwrap();
        assert_eq!(sample.lines.len(), 144);
        assert_eq!(sample.first.to_string(), "2025-05-03T07:46:08Z");
        let keys: Vec<_> = sample
            .lines
            .iter()
            .map(|line| event::key(serde_json::from_str::<Line<'_>>(line).unwrap().meta.id))
            .collect();
        assert_eq!(keys.iter().filter(|key| **key == sample.last).count(), 1);
        assert_eq!(keys.last(), Some(&sample.last));
    }
}
