//! A resource, run on this machine.

use std::path::Path;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{WikiIngestSpec, worker::ExitCode};

use super::{
    agenda::Agenda,
    console::Console,
    plan::{self, Plan},
    resource::{self, ReadError},
    retention,
    session::{Session, SessionError, Total, worse},
    streams::{self, StreamError},
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
    #[error("there is nothing to load: no source is one that this version loads")]
    NoSource,
    #[error(
        "there is nothing to load once: {streams} is read all the time; leave out --once to read it until Ctrl-C"
    )]
    OnlyStreams { streams: String },
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Session(#[from] SessionError),
}

impl Classify for LocalError {
    fn class(&self) -> Class {
        match self {
            Self::Read(_) | Self::NoSource | Self::OnlyStreams { .. } => Class::BadConfig,
            Self::Stream(error) => error.class(),
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
    let spec = resource::accepted(file)?.spec;
    if spec.suspend {
        console.say("Nothing is loaded: spec.suspend is true. Set it to false to load.");
        return Ok(ExitCode::Done);
    }
    let mut plan = Plan::new(&spec);
    if once {
        leave_streams(console, &mut plan)?;
    }
    let stop = stop(console);
    migrate(console, &plan).await?;
    let deleted = retention::enforce(console, &spec, &stop).await;
    let has_streams = !plan.streams.is_empty();
    let total = Box::pin(work(console, &spec, &plan, &stop, !once)).await?;
    if stop.is_cancelled() && has_streams {
        console.say(STOPPED_STREAM);
    } else if total.stopped {
        console.say(STOPPED);
    } else if !once {
        console.say("Done: no source has a schedule to follow.");
    }
    Ok(match (total.stopped, once) {
        (true, false) => ExitCode::Done,
        (true, true) => ExitCode::TryAgain,
        (false, _) => worse(deleted, total.exit),
    })
}

/// What to know after Ctrl-C.
pub(super) const STOPPED: &str = "Stopped. What was under way is undone and nothing is half done; the same command goes on from here.";

const STOPPED_STREAM: &str = "Stopped. What the stream had brought is written, a file that was under way is undone, and nothing is half done;\n\
     the same command goes on from here.";

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

/// `--once` reads no streams, which have no end, and says so.
fn leave_streams(console: &Console, plan: &mut Plan<'_>) -> Result<(), LocalError> {
    if plan.streams.is_empty() {
        return Ok(());
    }
    let streams = plan::named(plan.streams.drain(..));
    if plan.files.is_empty() {
        return Err(LocalError::OnlyStreams { streams });
    }
    console.note(&format!(
        "Not read: {streams}, which has no end. Without --once it is read until Ctrl-C."
    ));
    Ok(())
}

/// Loads files and reads streams, side by side. Either that fails ends the other.
async fn work(
    console: &Console,
    spec: &WikiIngestSpec,
    plan: &Plan<'_>,
    stop: &CancellationToken,
    follow: bool,
) -> Result<Total, LocalError> {
    let halt = stop.child_token();
    let files = Box::pin(async {
        let loaded = load(console, spec, plan, halt.clone(), follow).await;
        match &loaded {
            Err(_) => halt.cancel(),
            Ok(total) => tell_what_goes_on(console, plan, total),
        }
        loaded
    });
    let loading = async { tokio::join!(files, streams::read(console, spec, &plan.streams, &halt)) };
    let (files, streams) = tokio::select! {
        loaded = loading => loaded,
        never = retention::enforce_daily(console, spec, stop) => match never {},
    };
    // If a stream has failed, that is why the files were stopped.
    streams?;
    files
}

fn tell_what_goes_on(console: &Console, plan: &Plan<'_>, total: &Total) {
    if plan.streams.is_empty() || total.stopped {
        return;
    }
    let streams = plan::named(plan.streams.iter().copied());
    let done = if plan.files.is_empty() {
        ""
    } else {
        "Files are done: no source has a schedule to follow. "
    };
    console.note(&format!("{done}Reading {streams}. Ctrl-C stops."));
}

/// Loads files: once, or following their schedules.
pub(super) async fn load(
    console: &Console,
    spec: &WikiIngestSpec,
    plan: &Plan<'_>,
    stop: CancellationToken,
    follow: bool,
) -> Result<Total, LocalError> {
    let agenda = Agenda::new(&plan.files, Timestamp::now(), follow);
    let session = Session {
        console,
        spec,
        stop,
    };
    Ok(session.work(agenda).await?)
}

/// Readies the databases.
pub(super) async fn migrate(console: &Console, plan: &Plan<'_>) -> Result<(), LocalError> {
    if plan.sinks().is_empty() {
        return Err(LocalError::NoSource);
    }
    sinks::migrate(plan.touched(), |sink, step| {
        console.note(&format!("{sink}: tables made ({step})"));
    })
    .await?;
    Ok(())
}
