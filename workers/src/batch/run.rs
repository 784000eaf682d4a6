//! A run: which units of a window are due, and their loading.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    Source, SourceKind,
    worker::{ExitCode, FailedUnit, Report, ReportWindow, Window, WorkerConfig},
};

use super::{
    dataset::Dataset,
    events::{Event, Observer},
    fetch::{Fetch, FetchError},
    gaps,
    list::{Listing, Unit, list},
    parse::Filter,
    unit::{Loader, Outcome, UnitError},
};
use crate::{
    failure::{Class, Classify, chain},
    retention,
    sinks::{Held, Sink, SinkError},
};

/// A run that could not begin.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A kind of source that is not a batch source.
    #[error(
        "source {name}: the batch worker reads files, and this kind of source has none: the stream worker reads it"
    )]
    Kind {
        /// The source.
        name: String,
    },
    /// Nowhere to load to.
    #[error("source {name}: feeds no sink; name one in its sinks")]
    NoSinks {
        /// The source.
        name: String,
    },
    /// Asked to end, it did not in time.
    #[error("stopped while it waited for a sink; what was under way was undone")]
    Stopped,
    /// The host.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A sink.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

impl Classify for RunError {
    fn class(&self) -> Class {
        match self {
            Self::Kind { .. } | Self::NoSinks { .. } => Class::BadConfig,
            Self::Stopped => Class::TryAgain,
            Self::Fetch(error) => error.class(),
            Self::Sink(error) => error.class(),
        }
    }
}

/// How long a run that is asked to end may take to: well within the 30 s that Kubernetes gives.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// After so many failures of sinks in a row, with nothing loaded between them, it is the sink.
const SINK_FAILURES: u32 = 3;

/// Loads what is due in the configuration's window, until `stop` is cancelled: what is under way
/// is then undone, and the report says [`ExitCode::TryAgain`].
///
/// # Errors
/// When the run could not begin: a sink is down, or the host cannot be listed. Units that fail
/// are in the report.
pub async fn run(
    config: &WorkerConfig,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Result<Report, RunError> {
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    tokio::select! {
        ended = try_run(config, observer, stop.clone()) => ended,
        () = too_late => Err(RunError::Stopped),
    }
}

async fn try_run(
    config: &WorkerConfig,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Result<Report, RunError> {
    let began = Instant::now();
    let now = Timestamp::now();
    let source = &config.source;
    let (datasets, filter) = reading(&config.source)?;
    let fetch = fetch(config, Arc::clone(&observer), stop.clone())?;
    if config.sinks.is_empty() {
        return Err(RunError::NoSinks {
            name: source.name.clone(),
        });
    }
    let sinks = Sink::open_all(&config.sinks).await?;
    let (from, to) = bounds(config, &datasets, now);
    let expected_before = expected_before(config, now);
    let Listing { units, missing } =
        list_all(&fetch, &datasets, (from, to), expected_before).await?;
    let wanted = wanted_by(config, &sinks, &units, now).await?;
    let plan = plan(&fetch, wanted).await?;
    observer.on(&Event::Planned {
        due: plan.due.len(),
        held: plan.held,
        missing: missing.len(),
    });

    let loader = Loader {
        fetch,
        filter,
        limits: config.limits.clone(),
        observer: Arc::clone(&observer),
    };
    let mut tally = Tally {
        skipped: plan.held,
        open: plan.open(),
        ..Tally::default()
    };
    for (unit, error) in plan.unknown {
        tally.note(observer.as_ref(), unit, Err(error.into()));
    }
    tally
        .load(
            &loader,
            plan.due,
            usize::from(config.limits.connections.max(1)),
        )
        .await;
    for (sink, dataset) in sinks
        .iter()
        .flat_map(|sink| datasets.iter().map(move |set| (sink, *set)))
    {
        // What is left over harms nobody, and the next run sweeps again.
        if let Err(error) = sink.sweep(dataset, &units).await {
            tracing::warn!(error = chain(&error), "Left-overs not removed");
        }
    }

    let hopeless = now - signed(config.limits.missing_until.to_std());
    // A range that is named is done only once all of it can be there.
    let is_open = matches!(&config.window, Window::Range { to, .. } if *to > expected_before);
    let (lost, late): (Vec<_>, Vec<_>) = missing.iter().partition(|one| one.ts <= hopeless);
    let more_to_come = is_open
        || !late.is_empty()
        || gaps::has_gaps(config, &datasets, &lost, observer, stop).await;
    let exit = tally.exit(more_to_come);
    let through = through(source, &datasets, to, &units, &tally.open);
    Ok(Report {
        source: source.name.clone(),
        window: ReportWindow { from, to },
        loaded: count(tally.loaded),
        skipped: count(tally.skipped),
        missing_count: count(missing.len()),
        missing: missing.into_iter().map(|missing| missing.name).collect(),
        failed_count: count(tally.failed.len()),
        failed: tally.failed,
        rows: tally.rows,
        rejected: tally.rejected,
        inconsistent: tally.inconsistent,
        bytes: tally.bytes,
        seconds: began.elapsed().as_secs_f64(),
        through,
        exit_code: exit.code(),
    })
}

/// Where the newest unit ends that is loaded: of the archive that is behind all others, of those that had begun before
/// the end of the window. None if one of them has nothing.
fn through(
    source: &Source,
    datasets: &[Dataset],
    to: Timestamp,
    units: &[Unit],
    open: &HashSet<String>,
) -> Option<Timestamp> {
    let length = source.kind()?.unit()?.length();
    let newest = |dataset: &Dataset| {
        let of = units.iter().filter(|unit| unit.dataset == *dataset);
        let loaded = of.filter(|unit| !open.contains(&unit.name));
        loaded.map(|unit| unit.ts).max()
    };
    let begun = datasets
        .iter()
        .filter(|dataset| begin(**dataset).is_some_and(|begin| begin < to));
    begun.map(newest).min()??.checked_add(length).ok()
}

/// When an archive's first unit begins.
fn begin(dataset: Dataset) -> Option<Timestamp> {
    let day = dataset.first_day().to_zoned(TimeZone::UTC).ok()?;
    Some(day.timestamp())
}

/// The client of the source's host.
pub(super) fn fetch(
    config: &WorkerConfig,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Result<Fetch, FetchError> {
    let base_url = config.source.base_url.as_deref();
    Fetch::new(base_url, &config.contact, &config.limits, observer, stop)
}

/// Until when a unit has to have ended to be missing if it is not published.
pub(super) fn expected_before(config: &WorkerConfig, now: Timestamp) -> Timestamp {
    now - signed(config.limits.missing_after(&config.source))
}

/// What a source reads: of complete page views, the files of each kind of reader.
pub(crate) fn reading(source: &Source) -> Result<(Vec<Dataset>, Filter), RunError> {
    let filter = |projects: &[String], min_views| Filter {
        projects: projects.to_vec(),
        min_views,
    };
    Ok(match source.kind() {
        Some(SourceKind::Pageviews(kind)) => (
            vec![Dataset::Pageviews],
            filter(&kind.projects, kind.min_views),
        ),
        Some(SourceKind::PagecountsRaw(kind)) => (
            vec![Dataset::PagecountsRaw],
            filter(&kind.projects, kind.min_views),
        ),
        Some(SourceKind::PageviewComplete(kind)) => (
            kind.agents
                .iter()
                .map(|agent| Dataset::PageviewComplete(*agent))
                .collect(),
            filter(&kind.projects, kind.min_views),
        ),
        Some(SourceKind::Mediacounts(kind)) => (
            vec![Dataset::Mediacounts],
            filter(&["*".to_owned()], kind.min_transfers),
        ),
        Some(SourceKind::RecentChanges(_)) | None => {
            return Err(RunError::Kind {
                name: source.name.clone(),
            });
        }
    })
}

/// Lists several archives, oldest first.
pub(super) async fn list_all(
    fetch: &Fetch,
    datasets: &[Dataset],
    window: (Timestamp, Timestamp),
    expected_before: Timestamp,
) -> Result<Listing, FetchError> {
    let mut all = Listing::default();
    for dataset in datasets {
        let listing = list(fetch, *dataset, window, expected_before).await?;
        all.units.extend(listing.units);
        all.missing.extend(listing.missing);
    }
    // Those of one archive come in order; of several, the units of a day stay together.
    all.units.sort_by_key(|unit| unit.ts);
    all.missing.sort_by_key(|missing| missing.ts);
    Ok(all)
}

/// The window in whole units, within the time that there are files of.
pub(super) fn bounds(
    config: &WorkerConfig,
    datasets: &[Dataset],
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    let (from, to) = match &config.window {
        Window::Range { from, to, .. } => (*from, *to),
        Window::Lookback { lookback } => (now - signed(lookback.to_std()), now),
    };
    let first = datasets.iter().filter_map(|dataset| begin(*dataset)).min();
    let from = first.map_or(from, |first| from.max(first));
    let from = datasets.first().map_or(from, |dataset| dataset.ceil(from));
    (from, to.min(now))
}

fn signed(duration: std::time::Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

struct Plan<'a> {
    /// Units, oldest first, with the sinks that seem to lack them.
    due: Vec<(&'a Unit, Vec<&'a Sink>)>,
    /// Units that all sinks hold in their current version, or do not keep as long as that.
    held: usize,
    /// Units of which the host does not say whether they have changed.
    unknown: Vec<(&'a Unit, FetchError)>,
}

impl Plan<'_> {
    /// The names of the units that have to be loaded, if they have changed.
    fn open(&self) -> HashSet<String> {
        let due = self.due.iter().map(|(unit, _)| *unit);
        let unknown = self.unknown.iter().map(|(unit, _)| *unit);
        due.chain(unknown).map(|unit| unit.name.clone()).collect()
    }
}

/// A unit, and the sinks that keep what is as old as it, each with what it holds of it.
pub(super) type Wanted<'a> = (&'a Unit, Vec<(&'a Sink, Option<Held>)>);

/// Asks the sinks what they hold.
pub(super) async fn wanted_by<'a>(
    config: &WorkerConfig,
    sinks: &'a [Sink],
    units: &'a [Unit],
    now: Timestamp,
) -> Result<Vec<Wanted<'a>>, SinkError> {
    let datasets: HashSet<Dataset> = units.iter().map(|unit| unit.dataset).collect();
    let mut holdings: Vec<(&Sink, HashMap<String, Held>)> = Vec::new();
    for sink in sinks {
        let mut held = HashMap::new();
        for dataset in &datasets {
            held.extend(sink.held(*dataset, units).await?);
        }
        holdings.push((sink, held));
    }
    let wanted = units.iter().map(|unit| {
        let keep = holdings
            .iter_mut()
            .filter(|(sink, _)| retention::keeps(config, &sink.name, unit.ts, now));
        let sinks = keep.map(|(sink, held)| (*sink, held.remove(&unit.name)));
        (unit, sinks.collect())
    });
    Ok(wanted.collect())
}

/// Asks the host whether what is held is still current.
async fn plan<'a>(fetch: &Fetch, wanted: Vec<Wanted<'a>>) -> Result<Plan<'a>, RunError> {
    let mut plan = Plan {
        due: Vec::new(),
        held: 0,
        unknown: Vec::new(),
    };
    for (unit, sinks) in wanted {
        let lacking: Vec<&Sink> = if sinks.iter().all(|(_, held)| held.is_none()) {
            sinks.iter().map(|(sink, _)| *sink).collect()
        } else {
            let mark = match fetch.mark(&unit.url).await {
                Ok(mark) => mark,
                Err(error @ (FetchError::Stopped | FetchError::Refused { .. })) => {
                    return Err(error.into());
                }
                Err(error) => {
                    plan.unknown.push((unit, error));
                    continue;
                }
            };
            let lacks =
                |held: &Option<Held>| !held.as_ref().is_some_and(|held| held.is(unit, &mark));
            sinks
                .iter()
                .filter(|(_, held)| lacks(held))
                .map(|(sink, _)| *sink)
                .collect()
        };
        if lacking.is_empty() {
            plan.held += 1;
        } else {
            plan.due.push((unit, lacking));
        }
    }
    Ok(plan)
}

/// What a run came to.
#[derive(Default)]
struct Tally {
    loaded: usize,
    skipped: usize,
    failed: Vec<FailedUnit>,
    /// Units that failed, or that it did not come to.
    open: HashSet<String>,
    class: Option<Class>,
    /// Failures of sinks since a unit was last loaded.
    sink_failures: u32,
    rows: i64,
    rejected: i64,
    inconsistent: i64,
    bytes: u64,
}

impl Tally {
    /// Loads units, oldest first and a few at a time, until all are done or there is no use in
    /// going on. What is under way is always seen to its end.
    async fn load(&mut self, loader: &Loader, due: Vec<(&Unit, Vec<&Sink>)>, abreast: usize) {
        let mut due = due.into_iter();
        let mut loading = FuturesUnordered::new();
        let mut halted = false;
        loop {
            while !halted && loading.len() < abreast {
                let Some((unit, sinks)) = due.next() else {
                    break;
                };
                loading.push(async move { (unit, loader.load(unit, &sinks).await) });
            }
            let Some((unit, outcome)) = loading.next().await else {
                break;
            };
            halted |= self.note(loader.observer.as_ref(), unit, outcome);
        }
        // They end in any order; names tell their time.
        self.failed.sort_by(|a, b| a.unit.cmp(&b.unit));
    }

    /// Whether there is no use in going on.
    fn note(
        &mut self,
        observer: &dyn Observer,
        unit: &Unit,
        outcome: Result<Outcome, UnitError>,
    ) -> bool {
        if outcome.is_ok() {
            self.open.remove(&unit.name);
        }
        match outcome {
            Ok(Outcome::Loaded {
                rows,
                rejected,
                inconsistent,
                bytes,
            }) => {
                observer.on(&Event::Loaded {
                    unit,
                    rows,
                    rejected,
                });
                self.loaded += 1;
                self.sink_failures = 0;
                self.rows += rows;
                self.rejected += rejected;
                if inconsistent > 0 {
                    tracing::warn!(
                        unit = unit.name,
                        rows = inconsistent,
                        "The parts of some rows do not add up to their published total; they are loaded as they are"
                    );
                }
                self.inconsistent += inconsistent;
                self.bytes += bytes;
                false
            }
            Ok(Outcome::Skipped) => {
                observer.on(&Event::Skipped { unit });
                self.skipped += 1;
                false
            }
            Err(error @ UnitError::Fetch(FetchError::Stopped)) => {
                self.class = self.class.max(Some(error.class()));
                true
            }
            Err(error) => {
                let text = chain(&error);
                observer.on(&Event::Failed { unit, error: &text });
                let class = error.class();
                self.class = self.class.max(Some(class));
                self.failed.push(FailedUnit {
                    unit: unit.name.clone(),
                    error: text,
                });
                // A sink may refuse one unit and take the others.
                self.sink_failures += u32::from(matches!(error, UnitError::Sink(_)));
                class != Class::TryAgain
                    || self.sink_failures >= SINK_FAILURES
                    || matches!(error, UnitError::Scratch { .. })
            }
        }
    }

    fn exit(&self, more_to_come: bool) -> ExitCode {
        match self.class {
            Some(class) => class.into(),
            None if more_to_come => ExitCode::UnitsMissing,
            None => ExitCode::Done,
        }
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;
    use wikiingest_crds::Agent;

    use super::*;

    const KINDS: [Dataset; 3] = [
        Dataset::PageviewComplete(Agent::User),
        Dataset::PageviewComplete(Agent::Spider),
        Dataset::PageviewComplete(Agent::Automated),
    ];

    fn at(day: &str) -> Timestamp {
        format!("{day}T00:00:00Z").parse().unwrap()
    }

    fn source() -> Source {
        let source = serde_json::json!({
            "name": "s",
            "pageviewComplete": {"agents": ["user", "spider", "automated"]},
            "sinks": ["w"],
        });
        serde_json::from_value(source).unwrap()
    }

    /// Consecutive days of a kind of reader.
    fn days(dataset: Dataset, from: &str, count: i64) -> Vec<Unit> {
        let unit = |day: i64| {
            let ts = at(from) + (24 * day).hours();
            Unit {
                dataset,
                name: dataset.usual_name(ts),
                ts,
                url: String::new(),
            }
        };
        (0..count).map(unit).collect()
    }

    #[test]
    fn a_source_of_several_archives_is_loaded_through_where_the_last_of_them_is() {
        let through = |units: &[Unit], open: &[&str]| {
            let open = open.iter().map(ToString::to_string).collect();
            super::through(&source(), &KINDS, at("2024-08-05"), units, &open)
        };
        let all = KINDS.map(|kind| days(kind, "2024-08-02", 2)).concat();
        assert_eq!(through(&all, &[]), Some(at("2024-08-04")));
        // A day of one kind failed, or was not come to.
        let open = ["pageviews-20240803-user"];
        assert_eq!(through(&all, &open), Some(at("2024-08-03")));
        // It is not published.
        let published = all.iter().filter(|unit| unit.name != open[0]);
        let published: Vec<Unit> = published.cloned().collect();
        assert_eq!(through(&published, &[]), Some(at("2024-08-03")));
        // Nor is any other of its kind.
        assert_eq!(through(&all[2..], &[]), None);
        assert_eq!(through(&[], &[]), None);
    }

    #[test]
    fn a_kind_of_reader_that_was_not_told_apart_yet_holds_nothing_back() {
        let units = [KINDS[0], KINDS[1]].map(|kind| days(kind, "2019-08-02", 2));
        let through = |to: &str| {
            let open = HashSet::new();
            super::through(&source(), &KINDS, at(to), &units.concat(), &open)
        };
        assert_eq!(through("2019-08-05"), Some(at("2019-08-04")));
        assert_eq!(through("2020-06-02"), None);
    }
}
