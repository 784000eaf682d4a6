//! The operator with many resources, beside a client that applies the same children and does nothing else.
//!
//! The resources are suspended, so that no pod runs, and write into a lake without a login, so that they need no
//! Secret and no schema: what is left is the operator and the API server.

mod applied;
mod process;
mod resources;
mod rest;
mod watch;

use std::time::{Duration, Instant};

use serde_json::Value;

use self::process::Operator;
use self::watch::Watch;
use super::case::{Case, Target};
use super::measure::{Measured, high_water_mib, resident_mib};
use super::release;
use crate::binaries::Binaries;
use crate::cluster::client::{Cluster, Kubectl, Namespace, crd};
use crate::cluster::{self, Action};
use crate::error::{Error, Result};
use crate::process::{capture, cpu_seconds, guarded};
use crate::say::say;
use crate::scratch;

const BENCH: &str = "operator";
const TARGET: Target = Target {
    ratio: Some(1.5),
    rss_mib: Some(80.0),
    others: &[("idle_cpu_percent", 1.0), ("idle_writes", 0.0)],
};
/// What the API server is warmed up with.
const WARM_UP: usize = 20;
/// How long the operator may take with all of them.
const PATIENCE: Duration = Duration::from_mins(20);
/// How long a namespace may take to be gone. The next round waits for it, as its end keeps the API server busy.
const GONE: Duration = Duration::from_mins(5);
/// As many as the operator reconciles at a time (`ABREAST` in `operator/src/controller.rs`).
const ABREAST: usize = 8;

/// A case for each number of resources; after each round the operator is watched for so many seconds with nothing to do.
pub(super) fn run(resources: &[usize], runs: usize, seconds: usize) -> Result<Vec<Case>> {
    let bench = Bench::new(Duration::from_secs(seconds as u64))?;
    say!("warming up with {WARM_UP} resources");
    bench.round(WARM_UP)?;
    resources
        .iter()
        .map(|count| bench.case(*count, runs))
        .collect()
}

struct Bench {
    binaries: Binaries,
    cluster: Cluster,
    kubectl: Kubectl,
    idle: Duration,
}

/// What the operator took, and what the bare client did for the same children.
struct Round {
    operator: Measured,
    floor: Measured,
    figures: Vec<(&'static str, f64)>,
}

impl Bench {
    fn new(idle: Duration) -> Result<Self> {
        let binaries = release(&[
            "--package",
            "wikiingest-operator",
            "--package",
            "wikiingest-e2e",
            "--features",
            "wikiingest-e2e/kube",
            "--bin",
            "wikiingest-operator",
            "--bin",
            "apply-peer",
        ])?;
        cluster::run(Action::Up)?;
        let cluster = Cluster::connect()?;
        let kubectl = cluster.kubectl()?;
        crd(&kubectl)?;
        Ok(Self {
            binaries,
            cluster,
            kubectl,
            idle,
        })
    }

    fn case(&self, count: usize, runs: usize) -> Result<Case> {
        let mut case = Case::new(BENCH, &format!("{count} resources"), Some(TARGET));
        let mut floor = Case::new(BENCH, "floor: bare client", None);
        let mut rounds = Vec::new();
        for number in 1..=runs {
            let round = self.round(count)?;
            floor.add(number, round.floor);
            case.add(number, round.operator);
            rounds.push(round.figures);
        }
        case.against(&floor);
        for (name, value) in worst(rounds) {
            case.figure(name, value);
        }
        Ok(case)
    }

    /// Namespaces of its own, which are gone at its end.
    fn round(&self, count: usize) -> Result<Round> {
        let (ours, peers) = (self.namespace()?, self.namespace()?);
        let (operator, mut figures) = self.operator(&ours, count)?;
        let children = resources::children(ours.kubectl(), count, peers.name())?;
        let before = self.kubectl.writes()?;
        let seconds = self.apply(&children)?;
        let writes = self.kubectl.writes()? - before;
        figures.push(("floor_writes_per_resource", writes.all() / count as f64));
        for namespace in [ours, peers] {
            if let Err(error) = namespace.remove(GONE) {
                say!("{error}");
            }
        }
        let floor = Measured {
            seconds,
            rss_mib: None,
        };
        Ok(Round {
            operator,
            floor,
            figures,
        })
    }

    /// Where nothing else is written once it is there.
    fn namespace(&self) -> Result<Namespace> {
        let namespace = self.cluster.namespace("bench")?;
        let (wait, ca) = (Duration::from_secs(30), "kube-root-ca.crt");
        namespace.kubectl().wait(wait, "configmap", ca, |_| true)?;
        Ok(namespace)
    }

    /// From the start of the process until every resource is ready; then at rest.
    fn operator(
        &self,
        namespace: &Namespace,
        count: usize,
    ) -> Result<(Measured, Vec<(&'static str, f64)>)> {
        self.apply(&resources::resources(count, namespace.name()))?;
        let mut watch = Watch::start(namespace.kubectl(), count)?;
        let before = self.kubectl.writes()?;
        let started = Instant::now();
        let mut operator = Operator {
            binaries: &self.binaries,
            kubeconfig: &self.cluster.kubeconfig(),
            namespace: namespace.name(),
        }
        .start()?;
        watch.until_ready(&mut operator, PATIENCE)?;
        let seconds = started.elapsed().as_secs_f64();
        drop(watch);
        let used = cpu_seconds(operator.pid()).unwrap_or(f64::NAN);
        rest::wait(&mut operator, &self.kubectl)?;
        let writes = self.kubectl.writes()? - before;
        let cpu_percent = rest::cpu_percent(&mut operator, self.idle)?;
        let idle = self.kubectl.writes()? - before - writes;
        let measured = Measured {
            seconds,
            rss_mib: high_water_mib(operator.pid()),
        };
        let each = |writes: f64| writes / count as f64;
        let figures = vec![
            ("cpu_seconds", used),
            ("writes_per_resource", each(writes.all())),
            ("status_writes_per_resource", each(writes.status)),
            ("events_per_resource", each(writes.events)),
            ("idle_cpu_percent", cpu_percent),
            ("idle_writes", idle.all()),
            (
                "idle_rss_mib",
                resident_mib(operator.pid()).unwrap_or(f64::NAN),
            ),
        ];
        operator.stop()?;
        Ok((measured, figures))
    }

    /// Has the bare client apply lists of objects, and gives back the seconds that it took by its own clock: reading
    /// the file does not count.
    fn apply(&self, lists: &[Vec<Value>]) -> Result<f64> {
        let dir = scratch::dir("apply")?;
        let file = dir.path().join("objects.ndjson");
        resources::write(&file, lists)?;
        let mut peer = guarded(self.binaries.path("apply-peer")?);
        peer.arg(&file)
            .args(["--abreast", &ABREAST.to_string()])
            .env("KUBECONFIG", self.cluster.kubeconfig());
        let printed = capture(&mut peer)?;
        let seconds = printed.trim().parse();
        seconds.map_err(|_| Error::other(format!("the peer printed {printed:?}, not seconds")))
    }
}

/// Of each figure the largest.
fn worst(rounds: Vec<Vec<(&'static str, f64)>>) -> Vec<(&'static str, f64)> {
    let merge = |worst: Vec<(&'static str, f64)>, round: Vec<(&'static str, f64)>| {
        let pairs = worst.into_iter().zip(round);
        pairs.map(|(a, b)| (a.0, a.1.max(b.1))).collect()
    };
    rounds.into_iter().reduce(merge).unwrap_or_default()
}
