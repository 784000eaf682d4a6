//! The checks that neither a schema nor CEL can make.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{Problem, Target};
use crate::{Backfill, Sink, SinkKind, Source, SourceKind, Span, StreamOptions, WikiIngestSpec};

/// What is wrong with a spec that the schema and its CEL rules let pass. Asks no clock and no server.
#[must_use]
pub fn semantic(spec: &WikiIngestSpec, target: Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, sink) in spec.sinks.iter().enumerate() {
        check_sink(sink, &format!("spec.sinks[{index}]"), target, &mut problems);
        problems.extend(same_place(&spec.sinks[..index], sink, index));
    }
    for (index, source) in spec.sources.iter().enumerate() {
        check_source(
            source,
            &spec.sinks,
            &format!("spec.sources[{index}]"),
            &mut problems,
        );
    }
    problems
}

fn check_sink(sink: &Sink, path: &str, target: Target, problems: &mut Vec<Problem>) {
    let Some(kind) = sink.kind() else { return };
    let path = format!("{path}.{}", kind.name());
    if target == Target::Cluster {
        problems.extend(embedded(kind, &path));
    }
    if let SinkKind::S3(s3) = kind
        && s3.bucket.contains("..")
    {
        problems.push(Problem::new(
            format!("{path}.bucket"),
            "the name of a bucket cannot have two dots in a row",
        ));
    }
}

/// A pod has no disk that outlives it, so what an embedded sink holds would be lost with the pod.
fn embedded(kind: SinkKind<'_>, path: &str) -> Option<Problem> {
    let instead = match kind {
        SinkKind::Sqlite(_) => "singleStore, which also takes MySQL and MariaDB",
        SinkKind::Folder(_) => "s3, which also takes servers of your own through endpoint",
        SinkKind::SingleStore(_) | SinkKind::S3(_) => return None,
    };
    let name = kind.name();
    Some(Problem::new(
        path,
        format!(
            "a {name} sink is for \"wikiingest local\" only, since a pod's files are lost with the pod: use {instead}"
        ),
    ))
}

/// Two sinks in one place would own the same rows. The schema keeps names apart, but not what they stand for.
fn same_place(earlier: &[Sink], sink: &Sink, index: usize) -> Option<Problem> {
    let place = place(sink)?;
    let other = earlier
        .iter()
        .find(|other| self::place(other).as_deref() == Some(place.as_str()))?;
    let path = format!("spec.sinks[{index}].{}", sink.kind()?.name());
    Some(Problem::new(
        path,
        format!(
            "this is the same place as sink {:?} ({place}): remove one of the two",
            other.name
        ),
    ))
}

fn place(sink: &Sink) -> Option<String> {
    Some(match sink.kind()? {
        SinkKind::SingleStore(s) => {
            format!("{}:{}/{}", s.host.to_ascii_lowercase(), s.port, s.database)
        }
        SinkKind::S3(s) => {
            let server = s
                .endpoint
                .as_deref()
                .unwrap_or("s3:/")
                .trim_end_matches('/');
            format!(
                "{server}/{}/{}",
                s.bucket,
                s.prefix.as_deref().unwrap_or_default()
            )
        }
        SinkKind::Sqlite(s) => s.path.clone(),
        SinkKind::Folder(s) => s.path.trim_end_matches('/').to_owned(),
    })
}

fn check_source(source: &Source, sinks: &[Sink], path: &str, problems: &mut Vec<Problem>) {
    let Some(kind) = source.kind() else { return };
    problems.extend(check_schedule(source, path));
    problems.extend(check_lookback(source, kind, sinks, path));
    for (index, backfill) in source.backfill.iter().enumerate() {
        problems.extend(check_backfill(
            backfill,
            kind,
            &format!("{path}.backfill[{index}]"),
        ));
    }
    problems.extend(
        source
            .start_from
            .as_deref()
            .and_then(|start| check_start(start, path)),
    );
    problems.extend(
        source
            .stream
            .iter()
            .flat_map(|stream| check_stream(stream, path)),
    );
}

fn check_schedule(source: &Source, path: &str) -> Vec<Problem> {
    let Some(schedule) = &source.schedule else {
        return Vec::new();
    };
    let cron = schedule
        .check_cron()
        .err()
        .map(|error| Problem::new(format!("{path}.schedule.cron"), error.to_string()));
    let zone = schedule
        .check_zone()
        .err()
        .map(|error| Problem::new(format!("{path}.schedule.timeZone"), error.to_string()));
    cron.into_iter().chain(zone).collect()
}

/// A lookback that ends before a file does finds nothing; one beyond the retention loads what is removed again.
fn check_lookback(
    source: &Source,
    kind: SourceKind<'_>,
    sinks: &[Sink],
    path: &str,
) -> Option<Problem> {
    let (lookback, unit) = (source.lookback()?, kind.unit()?);
    let path = format!("{path}.schedule.lookback");
    if lookback.to_std() < unit.length() {
        let least = unit.default_lookback();
        return Some(Problem::new(
            path,
            format!(
                "{lookback} is less than one file of {} covers: look back further, such as {least}",
                kind.name()
            ),
        ));
    }
    let (sink, kept) = shortest_retention(source, kind, sinks)?;
    (kept.to_std() < lookback.to_std()).then(|| {
        Problem::new(
            path,
            format!("looks back {lookback}, but sink {sink:?} keeps {} for {kept} only: look back less, or keep more", kind.name()),
        )
    })
}

fn shortest_retention<'a>(
    source: &Source,
    kind: SourceKind<'_>,
    sinks: &'a [Sink],
) -> Option<(&'a str, &'a Span)> {
    let fed = sinks
        .iter()
        .filter(|sink| source.sinks.contains(&sink.name));
    fed.filter_map(|sink| {
        Some((
            sink.name.as_str(),
            kind.plain().retention(sink.kind()?.retention()?)?,
        ))
    })
    .min_by_key(|(_, span)| span.to_std())
}

/// Hours and days are counted by their start, so a range may begin on the first day and end with the last.
fn check_backfill(backfill: &Backfill, kind: SourceKind<'_>, path: &str) -> Option<Problem> {
    let first = midnight(kind.first_day()?)?;
    if backfill.from < first {
        return Some(Problem::new(
            format!("{path}.from"),
            format!("{} begins at {first}: write that or later", kind.name()),
        ));
    }
    let end = midnight(kind.end_day()?)?;
    (backfill.to > end).then(|| {
        Problem::new(
            format!("{path}.to"),
            format!("{} ends at {end}: write that or earlier", kind.name()),
        )
    })
}

fn midnight(day: Date) -> Option<Timestamp> {
    day.to_zoned(TimeZone::UTC)
        .ok()
        .map(|zoned| zoned.timestamp())
}

/// The pattern lets pass what looks like a time, such as February 30.
fn check_start(start: &str, path: &str) -> Option<Problem> {
    let valid = start == "latest" || start.parse::<Timestamp>().is_ok();
    (!valid).then(|| {
        Problem::new(
            format!("{path}.startFrom"),
            format!(
                "{start:?} is no time that there is: write latest, or such as 2026-01-31T12:00:00Z"
            ),
        )
    })
}

/// Past these a stream would lag behind by design, reconnect all the time or read most of what it holds again.
fn check_stream(stream: &StreamOptions, path: &str) -> Vec<Problem> {
    let bounds = [
        (
            "batchInterval",
            &stream.batch_interval,
            Span::millis(1),
            Span::seconds(60),
        ),
        (
            "idleTimeout",
            &stream.idle_timeout,
            Span::seconds(5),
            Span::minutes(15),
        ),
        ("rewind", &stream.rewind, Span::seconds(1), Span::hours(1)),
    ];
    let outside = bounds
        .into_iter()
        .filter(|(_, span, low, high)| !(low.to_std()..=high.to_std()).contains(&span.to_std()));
    outside
        .map(|(field, span, low, high)| {
            Problem::new(
                format!("{path}.stream.{field}"),
                format!("{span} must be from {low} to {high}"),
            )
        })
        .collect()
}
