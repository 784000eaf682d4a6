//! The stream of recent changes: `/v2/stream/recentchange`, as `EventStreams` serves it.
//!
//! Events are published into a log of two topics, as Kafka keeps them, and every client reads that log
//! at its own pace. What a client is sent after a resume follows from the log, and so does what the
//! real host's ids let it miss.

mod body;
mod client;
mod clients;
mod control;
mod event;
mod faults;
mod frame;
mod id;
mod log;
mod members;
mod options;
mod pipe;
mod play;
mod serve;
mod topic;
mod uuid;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;
use tokio::time::sleep_until;

pub(crate) use body::Reply;
pub use clients::StreamCounters;
pub(crate) use control::{control, is_control};
pub use event::EventError;
pub use faults::StreamFault;
pub(crate) use faults::{USUAL_BYTES, USUAL_EVENT};
pub use options::{
    DEFAULT_CANARY, DEFAULT_CUT_AFTER, DEFAULT_STREAM_CLIENTS, Events, Pace, PaceError,
    StreamOptions,
};
pub(crate) use serve::{Visit, is_stream, serve};

use crate::options::ReplayError;
use clients::Clients;
use event::{Dated, Template, iso};
use log::{Log, Origin, Upcoming};
pub(crate) use play::Progress;
use play::{Playback, now};

/// What is published in one go, before others have their turn.
const BATCH: usize = 4096;

/// The stream: its log, and who reads it.
#[derive(Debug)]
pub(crate) struct Stream {
    log: Log,
    playback: Playback,
    clients: Clients,
    options: StreamOptions,
    /// Told when a client connects.
    begun: Notify,
    canaries: AtomicU64,
}

impl Stream {
    /// Reads the events.
    pub(crate) fn open(mut options: StreamOptions) -> Result<Self, ReplayError> {
        let lines = match std::mem::replace(&mut options.events, Events::Lines(Vec::new())) {
            Events::Lines(lines) => parse(lines.iter().map(String::as_str))?,
            Events::File(path) => match std::fs::read_to_string(&path) {
                Ok(text) => parse(text.lines())?,
                Err(source) => return Err(ReplayError::Events { path, source }),
            },
        };
        Ok(Self {
            log: Log::new(options.retention),
            playback: Playback::new(lines, options.repeat.get(), options.pace),
            clients: Clients::default(),
            options,
            begun: Notify::new(),
            canaries: AtomicU64::new(0),
        })
    }

    /// Publishes what is due before anyone can connect: with [`Pace::Max`], everything.
    pub(crate) fn prepare(&self) -> Progress {
        let mut progress = Progress::start();
        if !self.options.wait_for_client {
            while self.publish_due(&mut progress) > 0 {}
        }
        progress
    }

    /// Publishes the rest in time.
    pub(crate) async fn play(&self, mut progress: Progress) {
        if self.options.wait_for_client {
            self.begun.notified().await;
            progress = Progress::start();
        }
        while let Some(due) = progress.due(&self.playback) {
            sleep_until(due.into()).await;
            self.publish_due(&mut progress);
            tokio::task::yield_now().await;
        }
    }

    fn publish_due(&self, progress: &mut Progress) -> usize {
        let mut events = progress.take(&self.playback, BATCH);
        let count = events.len();
        if count > 0 {
            self.stamp(&mut events);
            let origin = Origin::Played(count as u64);
            self.log.publish(events, std::iter::once(origin));
        }
        count
    }

    /// Publishes these events at once, after those that are published already.
    pub(crate) fn append<'a>(
        &self,
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<usize, ReplayError> {
        let mut last = self.log.last_ts().unwrap_or_else(now);
        let templates = parse(lines)?.into_iter().map(Arc::new);
        let templates: Vec<Arc<Template>> = templates.collect();
        let upcoming = |template: &Arc<Template>| {
            last = template.ts.unwrap_or(last);
            Upcoming {
                template: Arc::clone(template),
                ts: last,
                round: 0,
                dated: Dated::AsGiven,
            }
        };
        let mut events: Vec<Upcoming> = templates.iter().map(upcoming).collect();
        self.stamp(&mut events);
        let count = events.len();
        self.log
            .publish(events, templates.into_iter().map(Origin::Appended));
        Ok(count)
    }

    fn stamp(&self, events: &mut [Upcoming]) {
        if self.options.restamp {
            let now = now();
            for event in events {
                event.ts = now;
                event.dated = Dated::Now(now);
            }
        }
    }

    /// A client has its place: publishing may begin.
    fn begin(&self) {
        self.begun.notify_one();
    }

    /// The `meta.id` of everything published so far, in order.
    pub(crate) fn published_ids(&self) -> Vec<String> {
        let mut played = 0..self.playback.total();
        let mut ids = Vec::new();
        for origin in self.log.origins() {
            match origin {
                Origin::Appended(template) => ids.extend(template.id(0)),
                Origin::Played(count) => {
                    let end = played.start + count;
                    ids.extend((played.start..end).filter_map(|n| self.playback.id(n)));
                    played.start = end;
                }
            }
        }
        ids
    }

    pub(crate) fn counters(&self) -> StreamCounters {
        self.clients.counters(self.log.published())
    }

    /// The id and time of a canary.
    fn next_canary(&self) -> (String, String) {
        let dt = now();
        let count = self.canaries.fetch_add(1, Ordering::Relaxed);
        (uuid::derived(&format!("canary {dt}"), count), iso(dt))
    }
}

fn parse<'a>(lines: impl Iterator<Item = &'a str>) -> Result<Vec<Template>, ReplayError> {
    lines
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(n, line)| {
            Template::parse(line).map_err(|source| ReplayError::Event {
                line: n + 1,
                source,
            })
        })
        .collect()
}
