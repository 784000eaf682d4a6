//! `wikiingest`, the user's command: the workers' own code, started by hand.
//!
//! | command | module | what it adds |
//! |---|---|---|
//! | `demo` | `demo` | a stand-in for Wikimedia's host with real samples, and a look at what landed |
//! | `local` | `local` | the schedules, which on a cluster are the operator's |
//! | `validate` | `validate` | what the API server and the operator would say of a file |
//!
//! `agenda` decides which files are loaded next, `session` loads them, `progress` shows it. Beside that, `streams` reads
//! what has no end, and `live` shows it; `retention` deletes what is kept no longer.

mod agenda;
mod args;
mod console;
mod demo;
mod live;
mod local;
mod plan;
mod progress;
mod resource;
mod retention;
mod session;
mod streams;
mod summary;
mod validate;

use clap::Parser as _;
use wikiingest_crds::worker::ExitCode;

use self::{
    args::{Cli, Command},
    console::Console,
};
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
    Read(#[from] resource::ReadError),
}

impl Classify for CliError {
    fn class(&self) -> Class {
        match self {
            Self::Demo(error) => error.class(),
            Self::Local(error) => error.class(),
            Self::Read(_) => Class::BadConfig,
        }
    }
}

/// Does what the command line asks for.
pub async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() {
                ExitCode::BadConfig
            } else {
                ExitCode::Done
            };
        }
    };
    let console = Console::default();
    let log = console.clone();
    telemetry::init_to(move || log.log(), LogFormat::Text, "warn");
    let ended = match cli.command {
        Command::Demo => demo::run(&console).await.map_err(CliError::from),
        Command::Local { file, once } => local::run(&console, &file, once)
            .await
            .map_err(CliError::from),
        Command::Validate { file, target } => {
            validate::run(&console, &file, target.into()).map_err(CliError::from)
        }
    };
    ended.unwrap_or_else(|error| {
        console.note(&format!("wikiingest: {}", chain(&error)));
        error.class().into()
    })
}
