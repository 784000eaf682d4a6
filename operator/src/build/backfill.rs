//! Backfills: Indexed Jobs over the parts of a range.
//!
//! A range is cut into days (short ones of hourly files into hours), and the days into lanes, each a Job of its own: one
//! pod at a time, with a connection to its host that no other lane of the range has.

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
    /// The connection that it uses.
    pub connection: Connection,
}

/// A stretch of a range: the file that tells a worker of it, where it is read from, and when it is.
pub(super) struct Stretch<'a> {
    pub(super) file: String,
    pub(super) base_url: Option<&'a str>,
    pub(super) window: Window,
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

/// All stretches of a source's backfills.
pub(super) fn parts<'a>(
    context: &Context<'_>,
    source: &'a Source,
) -> impl Iterator<Item = Stretch<'a>> {
    let backfills = source.backfill.iter();
    backfills.flat_map(move |backfill| stretches(context, source, backfill))
}

fn plan(context: &Context<'_>, source: &Source, backfill: &Backfill) -> Plan {
    let stretches = stretches(context, source, backfill);
    let parts = stretches.iter().map(|stretch| stretch.window.parts()).sum();
    let lane =
        |(number, stretch): (usize, &Stretch<'_>)| lane(context, source, backfill, number, stretch);
    Plan {
        source: source.name.clone(),
        name: backfill.name.clone(),
        parts,
        lanes: stretches.iter().enumerate().map(lane).collect(),
        done: context.ingest.is_done(&source.name, &backfill.name),
    }
}

/// The range, cut evenly into as many lanes as there may be.
fn stretches<'a>(
    context: &Context<'_>,
    source: &'a Source,
    backfill: &'a Backfill,
) -> Vec<Stretch<'a>> {
    let base_url = backfill.base_url(source);
    let every = part_length(source, backfill);
    let whole = Window::Range {
        from: backfill.from,
        to: backfill.to,
        every: Some(every.clone()),
    };
    let parts = whole.parts();
    let lanes = u32::from(backfill.parallelism)
        .min(batch::upstream(context, base_url).connections)
        .min(parts);
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
        base_url,
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
    stretch: &Stretch<'_>,
) -> Lane {
    let connection = connection(context, source, backfill, number);
    let mut labels = context.labels(Component::Backfill, &source.name);
    labels.insert(names::BACKFILL.to_owned(), backfill.name.clone());
    let sinks = batch::sinks(context, source);
    let pod = pod::Worker {
        component: Component::Backfill,
        labels,
        command: &["wikiingest-batch", "run"],
        file: &stretch.file,
        sinks: &sinks,
        connection: Some(connection.clone()),
    };
    // Cut in another way, or on another connection, it is another Job: this one's parts are not that one's. How it is
    // written is that of the first Jobs, which keep their names so.
    let made_from = format!(
        "{}/{}/Some(Connection({}))/{}/{}",
        backfill.from,
        backfill.to,
        connection.label(),
        stretch.file,
        stretch.window.parts()
    );
    let task = format!("{}-{}", source.name, backfill.name);
    let template = pod.template(context);
    let told = pod.told(context, source);
    let job = context.child(
        Kind::Job,
        names::of_job(context.ingest.name, &task, &made_from),
        &pod.labels,
        json!({"metadata": {"annotations": {(names::STARTED_WITH): told}}, "spec": {
            "completionMode": "Indexed",
            "completions": stretch.window.parts(),
            "parallelism": 1,
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

/// The connection of a lane, by its number. At the host of its source's scheduled runs the first one keeps off them, if it
/// can; elsewhere the backfills of a source spread over the connections there are.
fn connection(
    context: &Context<'_>,
    source: &Source,
    backfill: &Backfill,
    number: usize,
) -> Connection {
    let upstream = batch::upstream(context, backfill.base_url(source));
    let number = u32::try_from(number).unwrap_or_default();
    if upstream == batch::upstream(context, source.base_url.as_deref()) {
        return upstream.after(&batch::connection(context, source), number + 1);
    }
    let task = context.task(&format!("{}/{}", source.name, backfill.name));
    upstream.after(&upstream.connection_of(&task), number)
}

/// The deadline is each part's, not the Job's: ranges of years take weeks.
fn with_deadline(mut pod: serde_json::Value) -> serde_json::Value {
    pod["activeDeadlineSeconds"] = LONGEST_PART.into();
    pod
}
