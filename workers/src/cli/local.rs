//! A resource, run on this machine.

use std::path::Path;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    WikiIngestSpec,
    validate::{self, Target},
    worker::ExitCode,
};

use super::{
    agenda::Agenda,
    console::Console,
    plan,
    resource::{self, ReadError},
    session::{Session, SessionError, Total},
    validate::listed,
};
use crate::{
    failure::{Class, Classify},
    sinks::{self, SinkError},
    telemetry,
};

/// A resource that could not be run.
#[derive(Debug, thiserror::Error)]
pub(super) enum LocalError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the resource is not valid:\n{problems}")]
    Invalid { problems: String },
    #[error("there is nothing to load: no source is one that this version loads")]
    NoSource,
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Classify for LocalError {
    fn class(&self) -> Class {
        match self {
            Self::Read(_) | Self::Invalid { .. } | Self::NoSource => Class::BadConfig,
            Self::Sink(error) => error.class(),
            Self::Session(error) => error.class(),
        }
    }
}

/// Runs the resource in a file: once, or until it is stopped.
pub(super) async fn run(
    console: &Console,
    file: &Path,
    once: bool,
) -> Result<ExitCode, LocalError> {
    let document = resource::read(file)?;
    let spec = validate::accept(&document.value, Target::Local)
        .map_err(|problems| LocalError::Invalid {
            problems: listed(&document.file, &problems),
        })?
        .spec;
    if spec.suspend {
        console.say("Nothing is loaded: spec.suspend is true. Set it to false to load.");
        return Ok(ExitCode::Done);
    }
    if let Some(left_out) = plan::left_out(&spec) {
        console.note(&left_out);
    }
    let total = load(console, &spec, stop(console), !once).await?;
    if total.stopped {
        console.say(STOPPED);
    } else if !once {
        console.say("Done: no source has a schedule to follow.");
    }
    Ok(match (total.stopped, once) {
        (true, false) => ExitCode::Done,
        (true, true) => ExitCode::TryAgain,
        (false, _) => total.exit,
    })
}

/// What to know after Ctrl-C.
pub(super) const STOPPED: &str = "Stopped. What was under way is undone and nothing is half done; the same command goes on from here.";

/// Ctrl-C, with an answer at once: undoing may take a moment.
pub(super) fn stop(console: &Console) -> CancellationToken {
    let stop = telemetry::stop_on_signal();
    let (stopped, console) = (stop.clone(), console.clone());
    tokio::spawn(async move {
        stopped.cancelled().await;
        console.note("Stopping. Ctrl-C again stops at once.");
    });
    stop
}

/// Readies the databases of the sources that can be loaded, and loads them: once, or following
/// their schedules.
pub(super) async fn load(
    console: &Console,
    spec: &WikiIngestSpec,
    stop: CancellationToken,
    follow: bool,
) -> Result<Total, LocalError> {
    migrate(console, spec).await?;
    let agenda = Agenda::new(&plan::sources(spec), Timestamp::now(), follow);
    let session = Session {
        console,
        spec,
        stop,
    };
    Ok(session.work(agenda).await?)
}

async fn migrate(console: &Console, spec: &WikiIngestSpec) -> Result<(), LocalError> {
    let sinks = plan::sinks(spec);
    if sinks.is_empty() {
        return Err(LocalError::NoSource);
    }
    sinks::migrate(sinks, |sink, step| {
        console.note(&format!("{sink}: tables made ({step})"));
    })
    .await?;
    Ok(())
}
