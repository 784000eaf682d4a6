//! What the stream worker tells of itself, for Prometheus and for its own readiness.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use jiff::Timestamp;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use tokio::time::Instant;
use wikiingest_crds::worker::StreamReport;

use super::{
    event,
    events::{Event, Observer, Taken},
};
use crate::sinks::changes::Written;

/// Types with a label of their own; what is invented later counts as `other`.
const TYPES: [&str; 5] = ["edit", "new", "log", "categorize", "external"];

/// A live connection that was silent for so long has brought all there is.
const CAUGHT_UP: Duration = Duration::from_secs(5);
/// One that was silent for so long may be dead: there are changes every second.
const SUSPICIOUS: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSink {
    sink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfType {
    sink: String,
    r#type: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

type Histograms = Family<OfSink, Histogram, fn() -> Histogram>;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    events: Family<OfType, Counter>,
    batches: Family<OfSink, Counter>,
    commit: Histograms,
    lag: Histograms,
    behind: Family<OfSink, Gauge<f64, AtomicU64>>,
    checkpoint_age: Family<OfSink, Gauge<f64, AtomicU64>>,
    duplicates: Counter,
    rejects: Counter,
    filtered: Counter,
    canaries: Counter,
    bytes: Counter,
    reconnects: Family<OfReason, Counter>,
    sink_failures: Family<OfSink, Counter>,
    gap: Counter<f64, AtomicU64>,
    up: Gauge,
    connected: AtomicBool,
    state: Mutex<State>,
    /// Events handed to sinks and not yet committed, over all sinks.
    pending: AtomicI64,
    observer: Option<Arc<dyn Observer>>,
}

#[derive(Debug)]
struct State {
    received: Instant,
    passed: Instant,
    sinks: Vec<SinkState>,
}

#[derive(Debug)]
struct SinkState {
    name: String,
    committed: Option<Timestamp>,
    checkpoint: Option<Timestamp>,
}

fn seconds() -> Histogram {
    Histogram::new([
        0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
        300.0,
    ])
}

impl Metrics {
    /// Nothing counted yet, for sinks of these names.
    #[must_use]
    pub fn new(sinks: &[String]) -> Self {
        let now = Instant::now();
        let mut metrics = Self {
            registry: Registry::with_prefix("wikiingest_stream"),
            events: Family::default(),
            batches: Family::default(),
            commit: Family::new_with_constructor(seconds),
            lag: Family::new_with_constructor(seconds),
            behind: Family::default(),
            checkpoint_age: Family::default(),
            duplicates: Counter::default(),
            rejects: Counter::default(),
            filtered: Counter::default(),
            canaries: Counter::default(),
            bytes: Counter::default(),
            reconnects: Family::default(),
            sink_failures: Family::default(),
            gap: Counter::default(),
            up: Gauge::default(),
            connected: AtomicBool::new(false),
            state: Mutex::new(State {
                received: now,
                passed: now,
                sinks: sinks
                    .iter()
                    .map(|name| SinkState {
                        name: name.clone(),
                        committed: None,
                        checkpoint: None,
                    })
                    .collect(),
            }),
            pending: AtomicI64::new(0),
            observer: None,
        };
        metrics.register();
        metrics
    }

    /// Tells somebody of every step, besides.
    #[must_use]
    pub fn observed_by(self, observer: Arc<dyn Observer>) -> Self {
        Self {
            observer: Some(observer),
            ..self
        }
    }

    fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer.on(event);
        }
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        r.register("events", "Events committed, each once", self.events.clone());
        r.register(
            "batches",
            "Transactions or pieces of objects that events were written in",
            self.batches.clone(),
        );
        r.register_with_unit(
            "commit",
            "How long a batch took to be written",
            Unit::Seconds,
            self.commit.clone(),
        );
        r.register_with_unit(
            "lag",
            "From an event's meta.dt to the end of its commit; not for lakes, whose objects are completed later",
            Unit::Seconds,
            self.lag.clone(),
        );
        r.register_with_unit(
            "behind",
            "How far what is committed is behind now; 0 when all there is was taken, and how long the host has been \
             silent when that is more than a minute",
            Unit::Seconds,
            self.behind.clone(),
        );
        r.register_with_unit(
            "checkpoint_age",
            "How long ago the checkpoint was written; before the first one of this process, how long ago it began",
            Unit::Seconds,
            self.checkpoint_age.clone(),
        );
        r.register(
            "duplicates",
            "Events that came again and were dropped",
            self.duplicates.clone(),
        );
        r.register(
            "rejects",
            "Frames that could not be read",
            self.rejects.clone(),
        );
        r.register(
            "filtered",
            "Events that the source does not want",
            self.filtered.clone(),
        );
        r.register(
            "canaries",
            "Upstream's own signs of life",
            self.canaries.clone(),
        );
        r.register_with_unit("received", "Data received", Unit::Bytes, self.bytes.clone());
        r.register(
            "reconnects",
            "Connections that ended or failed, by why",
            self.reconnects.clone(),
        );
        r.register(
            "sink_failures",
            "Writes that failed and were tried again",
            self.sink_failures.clone(),
        );
        r.register_with_unit(
            "gap",
            "Time of the stream that was lost to its retention",
            Unit::Seconds,
            self.gap.clone(),
        );
        r.register(
            "connected",
            "Whether there is a connection",
            self.up.clone(),
        );
    }

    /// All metrics in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// Never, as far as the library documents.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        self.refresh();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    fn refresh(&self) {
        let now = Timestamp::now();
        let caught_up = self.caught_up();
        for sink in &self.state().sinks {
            let label = OfSink {
                sink: sink.name.clone(),
            };
            if let Some(behind) = behind(sink, now, caught_up) {
                self.behind.get_or_create(&label).set(behind);
            }
            if let Some(checkpoint) = sink.checkpoint {
                self.checkpoint_age
                    .get_or_create(&label)
                    .set(seconds_between(checkpoint, now));
            }
        }
    }

    /// How the worker stands.
    #[must_use]
    pub fn report(&self) -> StreamReport {
        let now = Timestamp::now();
        let caught_up = self.caught_up();
        let behind = self
            .state()
            .sinks
            .iter()
            .map(|sink| behind(sink, now, caught_up))
            .try_fold(0.0, |most: f64, one| Some(most.max(one?)));
        StreamReport {
            behind_seconds: behind,
            gap_seconds: self.gap.get(),
        }
    }

    /// Why the worker is not ready; nothing when it is: connected, and no sink further behind
    /// than `bound`.
    #[must_use]
    pub fn unready(&self, bound: Duration) -> Option<String> {
        if !self.connected.load(Relaxed) {
            return Some("not connected to the stream".to_owned());
        }
        let now = Timestamp::now();
        let caught_up = self.caught_up();
        self.state()
            .sinks
            .iter()
            .find_map(|sink| match behind(sink, now, caught_up) {
                None => Some(format!("sink {}: nothing is committed yet", sink.name)),
                Some(behind) if behind > bound.as_secs_f64() => {
                    Some(format!("sink {}: {behind:.0} s behind", sink.name))
                }
                Some(_) => None,
            })
    }

    /// How far behind all sinks are when there is nothing more to take, and nothing is on its way.
    fn caught_up(&self) -> Option<f64> {
        let silence = self.state().received.elapsed();
        let caught_up =
            self.connected.load(Relaxed) && self.pending.load(Relaxed) <= 0 && silence >= CAUGHT_UP;
        let behind = if silence < SUSPICIOUS {
            Duration::ZERO
        } else {
            silence
        };
        caught_up.then_some(behind.as_secs_f64())
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connected(&self) {
        self.connected.store(true, Relaxed);
        self.up.set(1);
        self.state().received = Instant::now();
        self.tell(&Event::Connected);
    }

    pub(super) fn disconnected(&self) {
        self.connected.store(false, Relaxed);
        self.up.set(0);
        self.tell(&Event::Disconnected);
    }

    pub(super) fn reconnect(&self, reason: &'static str) {
        self.reconnects.get_or_create(&OfReason { reason }).inc();
        self.tell(&Event::Reconnect { reason });
    }

    pub(super) fn received(&self, bytes: usize) {
        self.bytes.inc_by(bytes as u64);
        self.state().received = Instant::now();
    }

    pub(super) fn duplicates(&self, count: u64) {
        self.duplicates.inc_by(count);
    }

    pub(super) fn bad(&self) {
        self.rejects.inc();
    }

    pub(super) fn canary(&self) {
        self.canaries.inc();
    }

    pub(super) fn filtered(&self) {
        self.filtered.inc();
    }

    pub(super) fn gap(&self, gap: Duration) {
        self.gap.inc_by(gap.as_secs_f64());
        self.tell(&Event::Gap { lost: gap });
    }

    /// Whether a position that nothing was written for is due to be told; then it counts as told.
    pub(super) fn passed_since(&self, interval: Duration) -> bool {
        let mut state = self.state();
        let due = state.passed.elapsed() >= interval;
        if due {
            state.passed = Instant::now();
        }
        due
    }

    pub(super) fn queued(&self, events: usize) {
        self.pending.fetch_add(events as i64, Relaxed);
    }

    pub(super) fn sink_failed(&self, sink: usize) {
        let name = self.state().sinks[sink].name.clone();
        self.tell(&Event::SinkFailed { sink: &name });
        self.sink_failures
            .get_or_create(&OfSink { sink: name })
            .inc();
    }

    /// A sink stands at a checkpoint of an earlier process.
    pub(super) fn resumed(&self, sink: usize, newest: Option<Timestamp>) {
        let mut state = self.state();
        state.sinks[sink].committed = newest;
        state.sinks[sink].checkpoint = Some(Timestamp::now());
    }

    /// A lake's objects and checkpoint were completed.
    pub(super) fn flushed(&self, sink: usize) {
        self.state().sinks[sink].checkpoint = Some(Timestamp::now());
    }

    /// A batch was committed.
    pub(super) fn committed(&self, sink: usize, batch: &Committed<'_>) {
        let now = Timestamp::now();
        self.pending.fetch_sub(batch.events.len() as i64, Relaxed);
        let mut state = self.state();
        let sink = &mut state.sinks[sink];
        if batch.written.durable {
            sink.checkpoint = Some(now);
        }
        sink.committed = sink.committed.max(batch.newest);
        let label = OfSink {
            sink: sink.name.clone(),
        };
        drop(state);
        self.batches.get_or_create(&label).inc();
        self.commit
            .get_or_create(&label)
            .observe(batch.took.as_secs_f64());
        if batch.written.visible {
            let lag = self.lag.get_or_create(&label);
            for event in batch.events {
                lag.observe(seconds_between(event.ts, now));
            }
        }
        for (kind, count) in &batch.written.kinds {
            let kind = TYPES
                .into_iter()
                .find(|known| known == kind)
                .unwrap_or("other");
            let label = OfType {
                sink: label.sink.clone(),
                r#type: kind,
            };
            self.events.get_or_create(&label).inc_by(*count);
        }
        self.tell(&Event::Committed(Taken {
            sink: &label.sink,
            events: batch.events,
            wikis: &batch.written.wikis,
            held: batch.written.held,
            newest: batch.newest,
        }));
    }
}

/// What was committed in a batch.
pub(super) struct Committed<'a> {
    /// How long it took.
    pub(super) took: Duration,
    /// Its events.
    pub(super) events: &'a [Arc<event::Event>],
    /// What became of them.
    pub(super) written: &'a Written,
    /// The newest time that the stream had, wanted or not.
    pub(super) newest: Option<Timestamp>,
}

fn behind(sink: &SinkState, now: Timestamp, caught_up: Option<f64>) -> Option<f64> {
    match caught_up {
        Some(behind) => Some(behind),
        None => Some(seconds_between(sink.committed?, now)),
    }
}

fn seconds_between(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64().max(0.0)
}
