//! What the operator tells of itself and of the sources, for Prometheus.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError, atomic::AtomicU64},
    time::Duration,
};

use jiff::Timestamp;
use kube::ResourceExt as _;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use wikiingest_crds::{LastRun, RetentionStatus, SourceStatus, WikiIngest, WikiIngestStatus};

use crate::status::sources::current_run;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfKind {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfIngest {
    namespace: String,
    name: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfSource {
    namespace: String,
    name: String,
    source: String,
}

type OfSources<T> = Family<OfSource, T>;

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reconciles: Counter,
    errors: Family<OfReason, Counter>,
    duration: Histogram,
    active: Gauge,
    queue: Gauge,
    watch_errors: Family<OfKind, Counter>,
    leader: Gauge,
    ready: Family<OfIngest, Gauge>,
    last_exit: OfSources<Gauge>,
    last_success: OfSources<Gauge<f64, AtomicU64>>,
    rows: OfSources<Gauge>,
    rejected: OfSources<Gauge>,
    missing: OfSources<Gauge>,
    through: OfSources<Gauge<f64, AtomicU64>>,
    lag: OfSources<Gauge>,
    retention_exit: Family<OfIngest, Gauge>,
    retention_success: Family<OfIngest, Gauge<f64, AtomicU64>>,
    /// The resources that wait to be looked at.
    waiting: Mutex<HashSet<OfIngest>>,
    /// The sources of each resource that something is told of.
    told: Mutex<HashMap<OfIngest, HashSet<OfSource>>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("wikiingest_operator"),
            reconciles: Counter::default(),
            errors: Family::default(),
            duration: Histogram::new([
                0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0,
            ]),
            active: Gauge::default(),
            queue: Gauge::default(),
            watch_errors: Family::default(),
            leader: Gauge::default(),
            ready: Family::default(),
            last_exit: Family::default(),
            last_success: Family::default(),
            rows: Family::default(),
            rejected: Family::default(),
            missing: Family::default(),
            through: Family::default(),
            lag: Family::default(),
            retention_exit: Family::default(),
            retention_success: Family::default(),
            waiting: Mutex::default(),
            told: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "reconciles",
            "Reconciles that ended",
            self.reconciles.clone(),
        );
        r.register(
            "reconcile_errors",
            "Reconciles that failed, by why",
            self.errors.clone(),
        );
        r.register_with_unit(
            "reconcile",
            "How long a reconcile took",
            Unit::Seconds,
            self.duration.clone(),
        );
        r.register(
            "active_reconciles",
            "Reconciles under way",
            self.active.clone(),
        );
        r.register(
            "queue",
            "Resources that something happened to and that were not looked at since",
            self.queue.clone(),
        );
        r.register(
            "watch_errors",
            "Watches that broke and were begun again, by what is watched",
            self.watch_errors.clone(),
        );
        r.register(
            "leader",
            "Whether this process is the one that acts",
            self.leader.clone(),
        );
        r.register(
            "resource_ready",
            "Whether a resource is ready",
            self.ready.clone(),
        );
        r.register(
            "last_run_exit_code",
            "How the last run of a source ended: 0 done, 1 try again, 2 files missing, 64 bad configuration, 77 refused",
            self.last_exit.clone(),
        );
        r.register_with_unit(
            "last_success_timestamp",
            "When a run last succeeded",
            Unit::Seconds,
            self.last_success.clone(),
        );
        r.register(
            "source_rows",
            "Rows loaded by all runs so far",
            self.rows.clone(),
        );
        r.register(
            "source_rejected",
            "Lines that could not be parsed, in all runs so far",
            self.rejected.clone(),
        );
        r.register(
            "source_missing_units",
            "Files that should be there and are not",
            self.missing.clone(),
        );
        r.register_with_unit(
            "loaded_through_timestamp",
            "Up to when data are loaded",
            Unit::Seconds,
            self.through.clone(),
        );
        r.register_with_unit(
            "source_lag",
            "How far the data of a source were behind the clock: of a stream at the last look, else when its last run ended",
            Unit::Seconds,
            self.lag.clone(),
        );
        r.register(
            "retention_last_run_exit_code",
            "How the last run ended that deleted what is kept no longer: 0 done, 1 try again, 64 bad configuration, 77 refused",
            self.retention_exit.clone(),
        );
        r.register_with_unit(
            "retention_last_success_timestamp",
            "When such a run last succeeded",
            Unit::Seconds,
            self.retention_success.clone(),
        );
    }

    /// All metrics in the text format of `OpenMetrics`.
    ///
    /// # Errors
    /// Never, as far as the library documents.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// Something happened to a resource: it waits to be looked at.
    pub fn waits(&self, namespace: &str, name: &str) {
        let mut waiting = self.waiting();
        waiting.insert(OfIngest::new(namespace, name));
        self.queue.set(length(&waiting));
    }

    fn waits_no_more(&self, of: &OfIngest) {
        let mut waiting = self.waiting();
        waiting.remove(of);
        self.queue.set(length(&waiting));
    }

    /// A watch of objects of a kind is broken.
    pub fn watch_failed(&self, kind: &str) {
        let kind = kind.to_owned();
        self.watch_errors.get_or_create(&OfKind { kind }).inc();
    }

    /// A reconcile of a resource begins.
    pub fn begin(&self, namespace: &str, name: &str) {
        self.waits_no_more(&OfIngest::new(namespace, name));
        self.active.inc();
    }

    /// A reconcile ended.
    pub fn end(&self, took: Duration, failed: Option<&'static str>) {
        self.active.dec();
        self.reconciles.inc();
        self.duration.observe(took.as_secs_f64());
        if let Some(reason) = failed {
            self.errors.get_or_create(&OfReason { reason }).inc();
        }
    }

    /// This process acts, or does not.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How a resource stands.
    pub fn stands(&self, ingest: &WikiIngest, status: &WikiIngestStatus) {
        let of = OfIngest::new(&ingest.namespace().unwrap_or_default(), &ingest.name_any());
        let mut conditions = status.conditions.iter();
        let ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
        let mut told = HashSet::new();
        for source in &status.sources {
            let label = of.source(&source.name);
            self.source_stands(&label, source, current_run(ingest, source));
            told.insert(label);
        }
        self.ready.get_or_create(&of).set(i64::from(ready));
        self.deletes(&of, status.retention.as_ref());
        let before = self.told().insert(of, told.clone()).unwrap_or_default();
        for source in before.difference(&told) {
            self.drop_source(source);
        }
    }

    /// What is not known, or not any more, is not there.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    fn source_stands(&self, of: &OfSource, status: &SourceStatus, run: Option<&LastRun>) {
        let time = |at: Option<Timestamp>| at.map(|at| at.as_second() as f64);
        show(&self.last_exit, of, run.map(|run| run.exit_code.into()));
        show_time(&self.last_success, of, time(status.last_success_time));
        show_time(&self.through, of, time(status.loaded_through));
        show(&self.lag, of, status.lag_seconds);
        show(&self.rows, of, Some(status.rows.unwrap_or(0)));
        show(&self.rejected, of, Some(status.rejected.unwrap_or(0)));
        show(&self.missing, of, Some(status.missing_count.unwrap_or(0)));
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    fn deletes(&self, of: &OfIngest, retention: Option<&RetentionStatus>) {
        let Some(retention) = retention else {
            self.retention_exit.remove(of);
            self.retention_success.remove(of);
            return;
        };
        if let Some(run) = &retention.last_run {
            self.retention_exit
                .get_or_create(of)
                .set(i64::from(run.exit_code));
        }
        if let Some(at) = retention.last_success_time {
            self.retention_success
                .get_or_create(of)
                .set(at.as_second() as f64);
        }
    }

    /// A resource is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        let of = OfIngest::new(namespace, name);
        self.waits_no_more(&of);
        let sources = self.told().remove(&of).unwrap_or_default();
        for source in &sources {
            self.drop_source(source);
        }
        self.ready.remove(&of);
        self.deletes(&of, None);
    }

    fn drop_source(&self, of: &OfSource) {
        for family in [
            &self.last_exit,
            &self.rows,
            &self.rejected,
            &self.missing,
            &self.lag,
        ] {
            family.remove(of);
        }
        for family in [&self.last_success, &self.through] {
            family.remove(of);
        }
    }

    fn told(&self) -> MutexGuard<'_, HashMap<OfIngest, HashSet<OfSource>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn waiting(&self) -> MutexGuard<'_, HashSet<OfIngest>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OfIngest {
    fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    fn source(&self, source: &str) -> OfSource {
        OfSource {
            namespace: self.namespace.clone(),
            name: self.name.clone(),
            source: source.to_owned(),
        }
    }
}

fn length(set: &HashSet<OfIngest>) -> i64 {
    i64::try_from(set.len()).unwrap_or(i64::MAX)
}

fn show(family: &OfSources<Gauge>, of: &OfSource, value: Option<i64>) {
    match value {
        Some(value) => {
            family.get_or_create(of).set(value);
        }
        None => {
            family.remove(of);
        }
    }
}

fn show_time(family: &OfSources<Gauge<f64, AtomicU64>>, of: &OfSource, value: Option<f64>) {
    match value {
        Some(value) => {
            family.get_or_create(of).set(value);
        }
        None => {
            family.remove(of);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn ingest(sources: &Value) -> WikiIngest {
        let object = json!({
            "metadata": {"name": "wiki", "namespace": "n"},
            "spec": {"contact": "https://example.org/bot", "sinks": [], "sources": sources},
        });
        serde_json::from_value(object).unwrap()
    }

    fn both() -> WikiIngest {
        ingest(&json!([
            {"name": "views", "pageviews": {}, "schedule": {"cron": "25 * * * *"}, "sinks": []},
            {"name": "edits", "recentChanges": {}, "sinks": []},
        ]))
    }

    fn status(sources: &Value) -> WikiIngestStatus {
        serde_json::from_value(json!({"sources": sources})).unwrap()
    }

    fn well() -> WikiIngestStatus {
        let run = json!({
            "loaded": 1, "skipped": 0, "missing": 0, "failed": 0, "rows": 7, "rejected": 0, "bytes": 9, "seconds": 1.0,
            "exitCode": 0,
        });
        status(&json!([
            {"name": "views", "kind": "pageviews", "rows": 7, "lagSeconds": 4200, "lastRun": run},
            {"name": "edits", "kind": "recentChanges", "lagSeconds": 60},
        ]))
    }

    /// The value of a sample of `wikiingest_operator`, by its name and labels.
    fn value(metrics: &Metrics, sample: &str) -> Option<String> {
        let text = metrics.encode().unwrap();
        let start = format!("wikiingest_operator_{sample} ");
        let mut lines = text.lines();
        lines.find_map(|line| Some(line.strip_prefix(&start)?.to_owned()))
    }

    fn of(source: &str, sample: &str) -> String {
        format!(r#"{sample}{{namespace="n",name="wiki",source="{source}"}}"#)
    }

    #[test]
    fn each_source_tells_its_lag_streams_too_until_it_is_gone() {
        let metrics = Metrics::default();
        let lag = |source: &str| value(&metrics, &of(source, "source_lag_seconds"));
        metrics.stands(&both(), &well());
        assert_eq!(lag("views").as_deref(), Some("4200"));
        assert_eq!(lag("edits").as_deref(), Some("60"));
        // A stream whose worker is down has none that is known.
        let mut down = well();
        down.sources[1].lag_seconds = None;
        metrics.stands(&both(), &down);
        assert_eq!(lag("edits"), None);
        metrics.stands(&both(), &well());
        metrics.stands(&both(), &status(&json!([])));
        assert_eq!((lag("views"), lag("edits")), (None, None));
        metrics.stands(&both(), &well());
        metrics.forget("n", "wiki");
        let text = metrics.encode().unwrap();
        assert!(!text.contains(r#"name="wiki""#), "{text}");
    }

    #[test]
    fn the_end_of_a_run_is_told_while_the_source_has_a_schedule() {
        let metrics = Metrics::default();
        let exit = || value(&metrics, &of("views", "last_run_exit_code"));
        metrics.stands(&both(), &well());
        assert_eq!(exit().as_deref(), Some("0"));
        let unscheduled = ingest(&json!([{"name": "views", "pageviews": {}, "sinks": []}]));
        metrics.stands(&unscheduled, &well());
        assert_eq!(exit(), None);
        assert_eq!(
            value(&metrics, &of("views", "source_rows")).as_deref(),
            Some("7")
        );
    }

    #[test]
    fn a_resource_is_in_the_queue_once_until_it_is_looked_at_or_gone() {
        let metrics = Metrics::default();
        let queue = || value(&metrics, "queue");
        for name in ["a", "b", "b", "c"] {
            metrics.waits("n", name);
        }
        assert_eq!(queue().as_deref(), Some("3"));
        metrics.begin("n", "b");
        metrics.forget("n", "c");
        assert_eq!(queue().as_deref(), Some("1"));
        metrics.end(Duration::from_millis(1), Some("Timeout"));
        assert_eq!(value(&metrics, "active_reconciles").as_deref(), Some("0"));
        let errors = value(&metrics, r#"reconcile_errors_total{reason="Timeout"}"#);
        assert_eq!(errors.as_deref(), Some("1"));
    }

    #[test]
    fn watches_that_break_are_counted_by_what_they_watch() {
        let metrics = Metrics::default();
        metrics.watch_failed("Pod");
        metrics.watch_failed("Pod");
        metrics.watch_failed("Secret");
        let errors =
            |kind: &str| value(&metrics, &format!(r#"watch_errors_total{{kind="{kind}"}}"#));
        assert_eq!(errors("Pod").as_deref(), Some("2"));
        assert_eq!(errors("Secret").as_deref(), Some("1"));
    }
}
