//! Reads the streams of a resource, each with a line of its own.

use std::sync::Arc;

use futures::{StreamExt as _, stream::FuturesUnordered};
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    Source, WikiIngestSpec,
    worker::{ResolveError, resolve_stream},
};

use super::{console::Console, live::Live};
use crate::{
    failure::{Class, Classify},
    stream::{
        events::Observer,
        metrics::Metrics,
        run::{self, RunError},
    },
};

/// A stream that ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(super) enum StreamError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("source {name}: {source}")]
    Run { name: String, source: Box<RunError> },
}

impl Classify for StreamError {
    fn class(&self) -> Class {
        match self {
            Self::Resolve(_) => Class::BadConfig,
            Self::Run { source, .. } => source.class(),
        }
    }
}

/// Reads streams until `stop` is cancelled. One that fails ends the others: it cancels `stop`.
pub(super) async fn read(
    console: &Console,
    spec: &WikiIngestSpec,
    sources: &[&Source],
    stop: &CancellationToken,
) -> Result<(), StreamError> {
    let reading: FuturesUnordered<_> = sources
        .iter()
        .map(|source| async {
            let live = Arc::new(Live::new(console, &source.name, &source.sinks));
            let observer: Arc<dyn Observer> = Arc::clone(&live) as _;
            let ended = read_one(spec, source, observer, &live, stop.clone()).await;
            live.clear();
            console.say(&live.summary());
            if ended.is_err() {
                stop.cancel();
            }
            ended
        })
        .collect();
    let ended: Vec<_> = reading.collect().await;
    ended.into_iter().collect()
}

/// Reads one stream until `stop` is cancelled, with its line on the screen.
pub(super) async fn read_one(
    spec: &WikiIngestSpec,
    source: &Source,
    observer: Arc<dyn Observer>,
    live: &Live,
    stop: CancellationToken,
) -> Result<(), StreamError> {
    let config = resolve_stream(spec, &source.name)?;
    let metrics = Arc::new(Metrics::new(&source.sinks).observed_by(observer));
    tokio::select! {
        ended = run::run(&config, &metrics, stop) => ended.map_err(|error| StreamError::Run {
            name: source.name.clone(),
            source: Box::new(error),
        }),
        never = live.show() => match never {},
    }
}
