//! From a resource to the configuration of one worker.

use super::{InvalidWindow, StreamConfig, StreamLimits, Window, WorkerConfig, config::Limits};
use crate::{Sink, Source, WikiIngestSpec};

/// Why there is no configuration for a worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resource has no such source.
    #[error("no source is called {name:?}: spec.sources has {known}")]
    UnknownSource {
        /// The name asked for.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The source names a sink that the resource does not have.
    #[error(
        "source {source_name:?} feeds sink {sink:?}, which spec.sinks does not declare: it has {known}"
    )]
    UnknownSink {
        /// The source.
        source_name: String,
        /// The sink it names.
        sink: String,
        /// The names that there are.
        known: String,
    },
    /// The source or sink has no kind, or several.
    #[error("{what} {name:?} must have exactly one kind")]
    Kind {
        /// `source` or `sink`.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// The window is empty.
    #[error(transparent)]
    Window(#[from] InvalidWindow),
}

/// The configuration of a worker for one source of a resource: the source, the sinks it feeds, in its order.
///
/// # Errors
/// When the source or one of its sinks is not declared or has not exactly one kind, or when the window is empty.
pub fn resolve(
    spec: &WikiIngestSpec,
    source_name: &str,
    window: Window,
) -> Result<WorkerConfig, ResolveError> {
    let (source, sinks) = feed(spec, source_name)?;
    Ok(WorkerConfig {
        contact: spec.contact.clone(),
        source: source.clone(),
        sinks,
        window: window.checked()?,
        limits: Limits::default(),
    })
}

/// The configuration of a stream worker for one source of a resource: the source, and the sinks it feeds, in its order.
///
/// # Errors
/// When the source or one of its sinks is not declared or has not exactly one kind.
pub fn resolve_stream(
    spec: &WikiIngestSpec,
    source_name: &str,
) -> Result<StreamConfig, ResolveError> {
    let (source, sinks) = feed(spec, source_name)?;
    Ok(StreamConfig {
        contact: spec.contact.clone(),
        source: source.clone(),
        sinks,
        limits: StreamLimits::default(),
    })
}

/// A source, and the sinks it feeds.
fn feed<'a>(
    spec: &'a WikiIngestSpec,
    source_name: &str,
) -> Result<(&'a Source, Vec<Sink>), ResolveError> {
    let source = find_source(spec, source_name)?;
    let sinks = source
        .sinks
        .iter()
        .map(|sink| find_sink(spec, source_name, sink))
        .collect::<Result<_, _>>()?;
    Ok((source, sinks))
}

fn find_source<'a>(spec: &'a WikiIngestSpec, name: &str) -> Result<&'a Source, ResolveError> {
    let source = spec
        .sources
        .iter()
        .find(|source| source.name == name)
        .ok_or_else(|| ResolveError::UnknownSource {
            name: name.to_owned(),
            known: list(spec.sources.iter().map(|source| source.name.as_str())),
        })?;
    source.kind().ok_or_else(|| ResolveError::Kind {
        what: "source",
        name: name.to_owned(),
    })?;
    Ok(source)
}

fn find_sink(spec: &WikiIngestSpec, source: &str, name: &str) -> Result<Sink, ResolveError> {
    let sink = spec
        .sinks
        .iter()
        .find(|sink| sink.name == name)
        .ok_or_else(|| ResolveError::UnknownSink {
            source_name: source.to_owned(),
            sink: name.to_owned(),
            known: list(spec.sinks.iter().map(|sink| sink.name.as_str())),
        })?;
    sink.kind().ok_or_else(|| ResolveError::Kind {
        what: "sink",
        name: name.to_owned(),
    })?;
    Ok(sink.clone())
}

fn list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}
