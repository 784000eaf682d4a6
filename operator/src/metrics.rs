//! What the operator tells of itself and of the sources, for Prometheus.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use kube::ResourceExt as _;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};
use wikiingest_crds::{RetentionStatus, WikiIngest, WikiIngestStatus};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfReason {
    reason: &'static str,
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
    leader: Gauge,
    ready: Family<OfIngest, Gauge>,
    last_exit: OfSources<Gauge>,
    last_success: OfSources<Gauge<f64, AtomicU64>>,
    rows: OfSources<Gauge>,
    rejected: OfSources<Gauge>,
    missing: OfSources<Gauge>,
    through: OfSources<Gauge<f64, AtomicU64>>,
    retention_exit: Family<OfIngest, Gauge>,
    retention_success: Family<OfIngest, Gauge<f64, AtomicU64>>,
    /// The sources of each resource that something is told of.
    told: Mutex<HashMap<OfIngest, HashSet<OfSource>>>,
    /// The caches are filled, and the CRD is there.
    synced: AtomicBool,
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
            leader: Gauge::default(),
            ready: Family::default(),
            last_exit: Family::default(),
            last_success: Family::default(),
            rows: Family::default(),
            rejected: Family::default(),
            missing: Family::default(),
            through: Family::default(),
            retention_exit: Family::default(),
            retention_success: Family::default(),
            told: Mutex::default(),
            synced: AtomicBool::new(false),
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

    /// A reconcile begins.
    pub fn begin(&self) {
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

    /// The caches are filled, and the CRD is there.
    pub fn synced(&self) {
        self.synced.store(true, Relaxed);
    }

    /// Whether they are.
    #[must_use]
    pub fn is_synced(&self) -> bool {
        self.synced.load(Relaxed)
    }

    /// How a resource stands.
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
    pub fn stands(&self, ingest: &WikiIngest, status: &WikiIngestStatus) {
        let of = OfIngest {
            namespace: ingest.namespace().unwrap_or_default(),
            name: ingest.name_any(),
        };
        let mut conditions = status.conditions.iter();
        let ready = conditions.any(|one| one.type_ == "Ready" && one.status == "True");
        let mut told = HashSet::new();
        for source in &status.sources {
            let label = OfSource {
                namespace: of.namespace.clone(),
                name: of.name.clone(),
                source: source.name.clone(),
            };
            if let Some(run) = &source.last_run {
                self.last_exit
                    .get_or_create(&label)
                    .set(i64::from(run.exit_code));
            }
            if let Some(at) = source.last_success_time {
                self.last_success
                    .get_or_create(&label)
                    .set(at.as_second() as f64);
            }
            if let Some(through) = source.loaded_through {
                self.through
                    .get_or_create(&label)
                    .set(through.as_second() as f64);
            }
            self.rows
                .get_or_create(&label)
                .set(source.rows.unwrap_or(0));
            self.rejected
                .get_or_create(&label)
                .set(source.rejected.unwrap_or(0));
            self.missing
                .get_or_create(&label)
                .set(source.missing_count.unwrap_or(0));
            told.insert(label);
        }
        self.ready.get_or_create(&of).set(i64::from(ready));
        self.deletes(&of, status.retention.as_ref());
        let before = self.told().insert(of, told.clone()).unwrap_or_default();
        for source in before.difference(&told) {
            self.drop_source(source);
        }
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
        let of = OfIngest {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        let sources = self.told().remove(&of).unwrap_or_default();
        for source in &sources {
            self.drop_source(source);
        }
        self.ready.remove(&of);
        self.deletes(&of, None);
    }

    fn drop_source(&self, source: &OfSource) {
        for family in [&self.last_exit, &self.rows, &self.rejected, &self.missing] {
            family.remove(source);
        }
        for family in [&self.last_success, &self.through] {
            family.remove(source);
        }
    }

    fn told(&self) -> std::sync::MutexGuard<'_, HashMap<OfIngest, HashSet<OfSource>>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
