//! A run of the stream worker: until it is told to stop.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{Kind, SourceKind, worker::StreamConfig};

use super::{
    connect::{Connector, SetupError},
    event::Filter,
    gather::Feeder,
    metrics::Metrics,
    position::Position,
    reader::{ROOM, Reader, waits},
    seen::Seen,
};
use crate::{
    failure::{Class, Classify},
    retention::Keeping,
    sinks::{
        Sink, SinkError,
        changes::{ChangeWriter, Checkpoint},
    },
};

/// A run ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The source is one of files.
    #[error("source {0}: is no stream; wikiingest-batch loads it")]
    NoStream(String),
    /// `startFrom` is neither `latest` nor a time.
    #[error(
        "source {name}: startFrom {text:?} is neither latest nor a time such as 2026-01-31T12:00:00Z"
    )]
    StartFrom {
        /// The source.
        name: String,
        /// What it says.
        text: String,
    },
    /// The client could not be set up.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// A sink refused.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A task panicked.
    #[error("a part of the worker stopped unexpectedly: {0}")]
    Task(String),
    /// There was no time to write all that was received.
    #[error("not all that was received could be written within {} s; it is read again the next time", .0.as_secs())]
    Grace(Duration),
}

impl Classify for RunError {
    fn class(&self) -> Class {
        match self {
            Self::NoStream(_) | Self::StartFrom { .. } | Self::Setup(_) => Class::BadConfig,
            Self::Sink(error) => error.class(),
            Self::Task(_) | Self::Grace(_) => Class::TryAgain,
        }
    }
}

/// Reads the stream into the sinks until `stop` is cancelled, then writes what was received.
///
/// # Errors
/// When the configuration is wrong, a sink refuses, or the time to stop is over.
pub async fn run(
    config: &StreamConfig,
    metrics: &Arc<Metrics>,
    stop: CancellationToken,
) -> Result<(), RunError> {
    let source = &config.source;
    let Some(SourceKind::RecentChanges(wanted)) = source.kind() else {
        return Err(RunError::NoStream(source.name.clone()));
    };
    let options = source.stream.clone().unwrap_or_default();
    let start = start_from(config)?;
    let connector = Connector::new(
        source.base_url.as_deref(),
        &config.contact,
        options.idle_timeout.to_std(),
    )?;
    let Some(opened) = stop
        .run_until_cancelled(Box::pin(open(config, metrics)))
        .await
    else {
        return Ok(());
    };
    let (writers, checkpoints) = opened?;
    let starts = starts(&checkpoints, start);
    let position = earliest(&starts);
    if let Some(from) = position.newest() {
        tracing::info!(%from, rewind = %options.rewind, "Going on");
    } else {
        tracing::info!("Beginning with the latest event");
    }
    // A sink that fails for good ends the reading, and with it the run.
    let reading = stop.child_token();
    let mut feeders = JoinSet::new();
    let mut queues = Vec::new();
    for (writer, position) in writers.into_iter().zip(starts) {
        let number = number_of(config, &writer.name);
        let keeping = Keeping::by_name(&config.sinks, &writer.name, Kind::RecentChanges);
        let (sender, queue) = mpsc::channel(options.batch_size as usize);
        queues.push(sender);
        let feeder = Feeder {
            writer,
            number,
            queue,
            position,
            keeping,
            options: options.clone(),
            limits: config.limits.clone(),
            metrics: Arc::clone(metrics),
        };
        feeders.spawn(feeder.run());
    }
    let reader = Reader {
        connector,
        filter: Filter::new(wanted),
        limits: config.limits.clone(),
        rewind: options.rewind.to_std(),
        metrics: Arc::clone(metrics),
        position,
        seen: Seen::new(horizon(&checkpoints)),
        queues,
        room: Arc::new(Semaphore::new(ROOM as usize)),
        stop: reading.clone(),
    };
    let reader = tokio::spawn(reader.run());
    let failed = tokio::select! {
        () = stop.cancelled() => None,
        Some(ended) = feeders.join_next() => Some(settle(ended)),
    };
    reading.cancel();
    reader
        .await
        .map_err(|error| RunError::Task(error.to_string()))?;
    let rest = async {
        let mut result = failed.unwrap_or(Ok(()));
        while let Some(ended) = feeders.join_next().await {
            result = result.and(settle(ended));
        }
        result
    };
    let grace = config.limits.grace.to_std();
    tokio::time::timeout(grace, rest)
        .await
        .unwrap_or(Err(RunError::Grace(grace)))
}

fn settle(ended: Result<Result<(), SinkError>, tokio::task::JoinError>) -> Result<(), RunError> {
    ended
        .map_err(|error| RunError::Task(error.to_string()))?
        .map_err(Into::into)
}

fn start_from(config: &StreamConfig) -> Result<Option<Timestamp>, RunError> {
    match config.source.start_from.as_deref() {
        None | Some("latest") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| RunError::StartFrom {
            name: config.source.name.clone(),
            text: text.to_owned(),
        }),
    }
}

/// Opens the sinks, waiting for those that are down, and asks how far they have got.
async fn open(
    config: &StreamConfig,
    metrics: &Arc<Metrics>,
) -> Result<(Vec<ChangeWriter>, Vec<Checkpoint>), SinkError> {
    let mut waits = waits(&config.limits);
    loop {
        let error = match try_open(config).await {
            Ok((writers, checkpoints)) => {
                for (writer, checkpoint) in writers.iter().zip(&checkpoints) {
                    let number = number_of(config, &writer.name);
                    metrics.resumed(number, checkpoint.position.newest());
                }
                return Ok((writers, checkpoints));
            }
            Err(error) if error.class() != Class::TryAgain => return Err(error),
            Err(error) => error,
        };
        let wait = waits.next().unwrap_or(config.limits.max_backoff.to_std());
        tracing::warn!(seconds = wait.as_secs_f64(), "{error}; trying again");
        tokio::time::sleep(wait).await;
    }
}

/// A sink's place in the configuration; sinks are opened in an order of their own.
fn number_of(config: &StreamConfig, name: &str) -> usize {
    let number = config.sinks.iter().position(|sink| sink.name == name);
    number.unwrap_or_default()
}

async fn try_open(
    config: &StreamConfig,
) -> Result<(Vec<ChangeWriter>, Vec<Checkpoint>), SinkError> {
    let source = &config.source;
    let options = source.stream.clone().unwrap_or_default();
    let mut writers = Vec::new();
    let mut checkpoints = Vec::new();
    for sink in Sink::open_all(&config.sinks).await? {
        let mut writer = sink.changes(&source.name, &options);
        checkpoints.push(writer.resume().await?);
        writers.push(writer);
    }
    Ok((writers, checkpoints))
}

/// Where each sink stands; a new one where the source says.
fn starts(checkpoints: &[Checkpoint], start: Option<Timestamp>) -> Vec<Position> {
    let start = start.map(Position::at).unwrap_or_default();
    let positions = checkpoints.iter().map(|checkpoint| {
        if checkpoint.position.is_empty() {
            start.clone()
        } else {
            checkpoint.position.clone()
        }
    });
    positions.collect()
}

/// The sink that is furthest behind decides where to begin.
fn earliest(starts: &[Position]) -> Position {
    starts
        .iter()
        .fold(Position::default(), |one, other| one.earlier(other))
}

/// Up to when events may be held already.
fn horizon(checkpoints: &[Checkpoint]) -> Timestamp {
    let newest = checkpoints
        .iter()
        .filter_map(|checkpoint| checkpoint.newest);
    newest.max().unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn checkpoint(moment: &str) -> Checkpoint {
        Checkpoint {
            position: Position::at(at(moment)),
            newest: Some(at(moment)),
        }
    }

    #[test]
    fn the_sink_that_is_furthest_behind_decides_where_to_begin() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let both = [checkpoint(late), checkpoint(early)];
        let starts = starts(&both, None);
        assert_eq!(earliest(&starts).newest(), Some(at(early)));
        assert_eq!(horizon(&both), at(late));
    }

    #[test]
    fn a_new_sink_begins_where_the_source_says() {
        let (early, late) = ("2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z");
        let sinks = [checkpoint(late), Checkpoint::default()];
        let from = |start| earliest(&starts(&sinks, start)).newest();
        assert_eq!(from(Some(at(early))), Some(at(early)));
        // With the latest event there is nothing to catch up with.
        assert_eq!(from(None), Some(at(late)));
        let new = [Checkpoint::default()];
        assert!(earliest(&starts(&new, None)).is_empty());
        assert_eq!(horizon(&new), Timestamp::MIN);
    }
}
