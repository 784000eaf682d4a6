//! `wikiingest`, the user's command.
//!
//! | command | where | what it adds |
//! |---|---|---|
//! | `demo`, `local`, `validate` | [`wikiingest_workers::cli`] | the workers' own code, on this machine |
//! | `status` | `status` | a resource's status and its warnings, as people read them |
//! | `run-now` | `run_now` | the annotation that asks for a run, and how the run ended |
//! | `backfill` | `backfill` | a range that is added to a resource, and how far it is |
//! | `pause`, `resume` | `suspend` | a resource that stops loading, or is left alone, for a while |
//! | `logs` | `logs` | what the workers of a resource say |
//! | `doctor` | `doctor`, or the workers' | a pod like theirs that examines; from this machine, the workers' own code |
//! | `completions` | `completions` | a shell that knows all of these |
//!
//! `cluster` makes the calls, `error` says what became of them. The rest is pure, and tested without a cluster: what is
//! asked for becomes patches, and what is there becomes text.

mod args;
mod backfill;
mod cluster;
mod completions;
mod console;
mod doctor;
mod error;
#[cfg(test)]
mod fixture;
mod follow;
mod gitops;
mod idle;
mod kubeconfig;
mod logs;
mod run_now;
mod status;
mod suspend;
mod words;

use wikiingest_crds::worker::ExitCode;
use wikiingest_workers::{
    cli,
    failure::{Classify as _, chain},
    program,
    telemetry::{self, LogFormat},
};

use self::{
    args::{Cli, ClusterCommand, Command, Doctor, InCluster, Plugin, PluginCommand},
    error::Error,
};

/// Does what the command line of `wikiingest` asks for.
pub async fn wikiingest() -> ExitCode {
    match program::arguments::<Cli>() {
        Ok(Cli { command }) => match command {
            Command::Here(command) => cli::run(command).await,
            Command::Cluster(command) => on_cluster(Box::pin(done(command))).await,
            Command::Doctor(Doctor {
                here,
                in_cluster: None,
                ..
            }) => cli::doctor(&here).await,
            Command::Doctor(Doctor {
                here,
                in_cluster: Some(name),
                place,
            }) => {
                let how = here.how;
                let args = InCluster { name, how, place };
                on_cluster(Box::pin(doctor::run(&args))).await
            }
            Command::Completions { shell } => completions::print(shell),
        },
        Err(ended) => ended,
    }
}

/// Does what the command line of `kubectl wikiingest` asks for.
pub async fn kubectl_wikiingest() -> ExitCode {
    match program::arguments::<Plugin>() {
        Ok(Plugin { command }) => match command {
            PluginCommand::Cluster(command) => on_cluster(Box::pin(done(command))).await,
            PluginCommand::Doctor(args) => on_cluster(Box::pin(doctor::run(&args))).await,
        },
        Err(ended) => ended,
    }
}

async fn done(command: ClusterCommand) -> Result<ExitCode, Error> {
    match command {
        ClusterCommand::Status(args) => status::run(&args).await,
        ClusterCommand::RunNow(args) => run_now::run(&args).await,
        ClusterCommand::Backfill(args) => backfill::run(&args).await,
        ClusterCommand::Pause(args) => suspend::pause(&args).await,
        ClusterCommand::Resume(args) => suspend::resume(&args).await,
        ClusterCommand::Logs(args) => logs::run(&args).await,
    }
}

async fn on_cluster(command: impl Future<Output = Result<ExitCode, Error>>) -> ExitCode {
    // The client logs what it also returns, which is told once.
    telemetry::init(LogFormat::Text, "off");
    telemetry::install_crypto();
    command.await.unwrap_or_else(|error: Error| {
        console::note(&format!("wikiingest: {}", chain(&error)));
        error.class().into()
    })
}
