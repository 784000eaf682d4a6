//! What `wikiingest`, the user's command, does on one's own machine: the workers' own code, started by hand. The command
//! itself is in `workers/cli/`.
//!
//! | command | module | what it adds |
//! |---|---|---|
//! | `demo` | `demo` | a stand-in for Wikimedia's host with real samples, and a look at what landed |
//! | `local` | `local` | the schedules, which on a cluster are the operator's |
//! | `validate` | `validate` | what the API server and the operator would say of a file |
//! | `report` | `report` | one page of what a warehouse has |
//! | `athena-ddl` | `athena` | the lake's tables, and views of them, for Athena |
//! | `doctor` | `doctor` | nothing: it prints what [`crate::doctor`] finds |
//!
//! `agenda` decides which files are loaded next, `session` loads them, `progress` shows it. Beside that, `streams` reads
//! what has no end, and `live` shows it; `retention` deletes what is kept no longer.

mod agenda;
mod args;
mod athena;
mod console;
mod cut;
mod demo;
mod doctor;
mod live;
mod local;
mod plan;
mod progress;
mod report;
mod resource;
mod retention;
mod session;
mod streams;
mod summary;
mod validate;

use wikiingest_crds::worker::ExitCode;

pub use self::args::{AthenaDdl, Command, Doctor, EVERYWHERE, Examine, Output, Report, Target};
use self::console::Console;
use crate::{
    failure::{Class, Classify, chain},
    telemetry::{self, LogFormat},
};

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error(transparent)]
    Demo(#[from] demo::DemoError),
    #[error(transparent)]
    Local(#[from] local::LocalError),
    #[error(transparent)]
    Doctor(#[from] doctor::DoctorError),
    #[error(transparent)]
    Athena(#[from] athena::AthenaError),
    #[error(transparent)]
    Report(#[from] report::ReportError),
    #[error(transparent)]
    Read(#[from] resource::ReadError),
}

impl Classify for CliError {
    fn class(&self) -> Class {
        match self {
            Self::Demo(error) => error.class(),
            Self::Local(error) => error.class(),
            Self::Doctor(error) => error.class(),
            Self::Athena(error) => error.class(),
            Self::Report(error) => error.class(),
            Self::Read(_) => Class::BadConfig,
        }
    }
}

/// Does what the command line asks for.
pub async fn run(command: Command) -> ExitCode {
    let console = console();
    let ended = match command {
        Command::Demo => demo::run(&console).await.map_err(CliError::from),
        Command::Local { file, once } => local::run(&console, &file, once)
            .await
            .map_err(CliError::from),
        Command::Validate { file, target } => {
            validate::run(&console, &file, target.into()).map_err(CliError::from)
        }
        Command::Report(asked) => Box::pin(report::run(&console, &asked))
            .await
            .map_err(CliError::from),
        Command::AthenaDdl(asked) => athena::run(&console, &asked).map_err(CliError::from),
    };
    told(&console, ended)
}

/// Examines an installation from this machine.
pub async fn doctor(asked: &Doctor) -> ExitCode {
    let console = console();
    let ended = Box::pin(doctor::run(&console, asked)).await;
    told(&console, ended.map_err(CliError::from))
}

/// What is printed to, with the logs beside it.
fn console() -> Console {
    let console = Console::default();
    let log = console.clone();
    telemetry::init_to(move || log.log(), LogFormat::Text, "warn");
    console
}

fn told(console: &Console, ended: Result<ExitCode, CliError>) -> ExitCode {
    ended.unwrap_or_else(|error| {
        console.note(&format!("wikiingest: {}", chain(&error)));
        error.class().into()
    })
}
