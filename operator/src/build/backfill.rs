//! Backfills: Indexed Jobs over the parts of a range.
//!
//! A range is cut into days (short ones of hourly files into hours), and the days into lanes, each a Job of its own. At
//! the dumps host a lane has a connection to itself, one pod at a time; at a mirror there is one lane, as wide as the
//! backfill asks.

use jiff::Timestamp;
use serde_json::json;
use wikiingest_crds::{Backfill, Source, Span, Unit, worker::Window};

use super::{Child, Connection, Context, Kind, batch, pod};
use crate::{names, settings::Component};

/// Ranges of hourly files up to so many hours are cut into hours.
const SHORT: i64 = 48;
/// A part that takes longer hangs.
const LONGEST_PART: u32 = 6 * 3600;
/// A backfill to be.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The source.
    pub source: String,
    /// Its name.
    pub name: String,
    /// Parts that the range has.
    pub parts: u32,
    /// A Job each.
    pub lanes: Vec<Lane>,
    /// All of it is loaded, and its Jobs need not be there any more.
    pub done: bool,
}

/// A part of a backfill with a connection of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Lane {
    /// The Job, while it may run.
    pub job: Child,
    /// The connection that it uses; none at a mirror.
    pub connection: Option<Connection>,
}

/// A stretch of a range: its file, and when it is.
struct Stretch {
    file: String,
    window: Window,
}

pub(super) fn plans(context: &Context<'_>) -> Vec<Plan> {
    let sources = context.ingest.spec.sources.iter();
    sources
        .flat_map(|source| {
            let backfills = source.backfill.iter();
            backfills.map(move |backfill| plan(context, source, backfill))
        })
        .collect()
}

/// The windows of a source's backfills, each with the name of its file.
pub(super) fn windows(
    context: &Context<'_>,
    source: &Source,
) -> impl Iterator<Item = (String, Window)> {
    let backfills = source.backfill.iter();
    let stretches = backfills.flat_map(move |backfill| stretches(context, source, backfill));
    stretches.map(|stretch| (stretch.file, stretch.window))
}

fn plan(context: &Context<'_>, source: &Source, backfill: &Backfill) -> Plan {
    let stretches = stretches(context, source, backfill);
    let parts = stretches.iter().map(|stretch| stretch.window.parts()).sum();
    let lane =
        |(number, stretch): (usize, &Stretch)| lane(context, source, backfill, number, stretch);
    Plan {
        source: source.name.clone(),
        name: backfill.name.clone(),
        parts,
        lanes: stretches.iter().enumerate().map(lane).collect(),
        done: context.ingest.is_done(&source.name, &backfill.name),
    }
}

/// The range, cut evenly into as many lanes as there may be.
fn stretches(context: &Context<'_>, source: &Source, backfill: &Backfill) -> Vec<Stretch> {
    let every = part_length(source, backfill);
    let whole = Window::Range {
        from: backfill.from,
        to: backfill.to,
        every: Some(every.clone()),
    };
    let parts = whole.parts();
    let lanes = match source.base_url {
        Some(_) => 1,
        None => u32::from(backfill.parallelism)
            .min(context.settings.dumps_connections)
            .min(parts),
    };
    let start = |part: u32| match whole.part(part) {
        Ok(Window::Range { from, .. }) => from,
        _ => backfill.to,
    };
    // 64 bits: no product of two numbers of 32 is too large.
    let edge = |lane: u32| {
        let part = u64::from(parts) * u64::from(lane) / u64::from(lanes);
        u32::try_from(part).map_or(backfill.to, start)
    };
    let stretch = |lane: u32| Stretch {
        file: format!("{}.{}.{lane}-{lanes}.json", source.name, backfill.name),
        window: Window::Range {
            from: edge(lane),
            to: edge(lane + 1),
            every: Some(every.clone()),
        },
    };
    (0..lanes).map(stretch).collect()
}

fn part_length(source: &Source, backfill: &Backfill) -> Span {
    let hours = |from: Timestamp, to: Timestamp| to.duration_since(from).as_hours();
    let hourly = source.kind().and_then(wikiingest_crds::SourceKind::unit) == Some(Unit::Hour);
    if hourly && hours(backfill.from, backfill.to) <= SHORT {
        Span::hours(1)
    } else {
        Span::days(1)
    }
}

fn lane(
    context: &Context<'_>,
    source: &Source,
    backfill: &Backfill,
    number: usize,
    stretch: &Stretch,
) -> Lane {
    let limit = context.settings.dumps_connections;
    // The first lane keeps off its own source's scheduled runs, if it can.
    let by = u32::try_from(number).unwrap_or_default() + 1;
    let connection = batch::connection(context, source).map(|own| own.after(by, limit));
    let mut labels = context.labels(Component::Backfill, &source.name);
    labels.insert(names::BACKFILL.to_owned(), backfill.name.clone());
    let sinks = batch::sinks(context, source);
    let pod = pod::Worker {
        component: Component::Backfill,
        labels,
        command: &["wikiingest-batch", "run"],
        file: &stretch.file,
        sinks: &sinks,
        connection,
    };
    let parallelism = match connection {
        Some(_) => 1,
        None => backfill.parallelism,
    };
    // Cut in another way, or on another connection, it is another Job: this one's parts are not that one's.
    let made_from = format!(
        "{}/{}/{connection:?}/{}/{}",
        backfill.from,
        backfill.to,
        stretch.file,
        stretch.window.parts()
    );
    let task = format!("{}-{}", source.name, backfill.name);
    let template = pod.template(context);
    let started_with = pod.started_with(context, source);
    let job = context.child(
        Kind::Job,
        names::of_job(context.ingest.name, &task, &made_from),
        &pod.labels,
        json!({"metadata": {"annotations": {(names::STARTED_WITH): started_with}}, "spec": {
            "completionMode": "Indexed",
            "completions": stretch.window.parts(),
            "parallelism": parallelism,
            "backoffLimitPerIndex": 3,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": pod::failure_policy_by_index(&[64, 77], 2),
            "suspend": context.ingest.spec.suspend,
            "template": {
                "metadata": template["metadata"],
                "spec": with_deadline(template["spec"].clone()),
            },
        }}),
    );
    Lane { job, connection }
}

/// The deadline is each part's, not the Job's: ranges of years take weeks.
fn with_deadline(mut pod: serde_json::Value) -> serde_json::Value {
    pod["activeDeadlineSeconds"] = LONGEST_PART.into();
    pod
}
