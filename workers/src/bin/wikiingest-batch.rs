//! The batch worker: loads the dump files that are due, once each, and ends.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::ExitCode as Process,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use wikiingest_crds::worker::{ExitCode, ExpireConfig, WorkerConfig};
use wikiingest_workers::{
    batch::{events::Log, run, survey},
    failure::{Classify, chain},
    program::{self, Failure},
    retention, sinks,
    telemetry::{self, LogFormat},
};

/// Where Kubernetes looks for a container's last words.
const TERMINATION_LOG: &str = "/dev/termination-log";

/// Loads Wikimedia's dump files into a warehouse and a lake, each exactly once, and deletes what is kept no longer.
///
/// Secrets come in environment variables, `WIKIINGEST_<SINK>_<KEY>`, with `<SINK>` the sink's name in capitals (- as _)
/// and `<KEY>` one of `USERNAME`, `PASSWORD`, `CA_PEM`, `ACCESS_KEY_ID`, `SECRET_ACCESS_KEY`, `SESSION_TOKEN`.
///
/// Exit codes: 0 done; 1 try again; 2 some units are not published yet, or not at the mirror; 64 the configuration is
/// wrong; 77 the source or a sink refused.
#[derive(Debug, Parser)]
#[command(name = "wikiingest-batch", version, verbatim_doc_comment)]
struct Cli {
    /// How log lines look
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t,
        env = "WIKIINGEST_LOG_FORMAT"
    )]
    log_format: LogFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Load the units of the configuration's window that are due
    Run {
        /// The worker's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where to write the report, beside standard output [default: /dev/termination-log where that exists]
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
        /// Load this part of a window that is cut into parts, from 0 on; all of it if none is named
        #[arg(long, value_name = "NUMBER", env = "JOB_COMPLETION_INDEX")]
        part: Option<u32>,
    },
    /// Say what a run would find, year by year, and fetch nothing: units that are due, held and missing, as JSON
    ///
    /// The index pages are read and the sinks are asked. Whether a file that is held has changed since is not.
    Plan {
        /// The worker's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
    /// Delete what the configuration's sinks keep no longer; may be stopped anywhere and run again
    ///
    /// Of a database all rows older than the sink's retention go, oldest first and 50,000 of a table at a time, from the
    /// fact tables, the roll-ups and the rejected lines; of a lake the objects of the days before it. The ledger stays, and
    /// `run` leaves out what is too old, so that nothing comes back.
    ///
    /// The configuration has `sinks`, with their `retention`, and `streams`, the names of the streams, by which their
    /// rejected lines are known.
    #[command(verbatim_doc_comment)]
    Expire {
        /// What to delete from where, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where to write the report, beside standard output [default: /dev/termination-log where that exists]
        #[arg(long, value_name = "FILE")]
        report: Option<PathBuf>,
    },
    /// Bring the configuration's databases to the current schema; may be run twice, or by two at once
    Migrate {
        /// The worker's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
    },
}

#[tokio::main]
async fn main() -> Process {
    let cli: Cli = match program::arguments() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    telemetry::init(cli.log_format, "info");
    let ended = match &cli.command {
        Command::Run {
            config,
            report,
            part,
        } => run_once(config, report.as_deref(), *part).await,
        Command::Plan { config } => plan(config).await,
        Command::Expire { config, report } => expire(config, report.as_deref()).await,
        Command::Migrate { config } => migrate(config).await,
    };
    program::end(ended).into()
}

async fn run_once(
    config: &Path,
    report_path: Option<&Path>,
    part: Option<u32>,
) -> Result<ExitCode, Failure> {
    let mut config: WorkerConfig = program::read(config)?;
    if let Some(part) = part {
        config.window = config.window.part(part)?;
    }
    let written = run::run(&config, Arc::new(Log), telemetry::stop_on_signal()).await;
    let (message, code) = match &written {
        Ok(report) => (
            report.to_termination_message(),
            ExitCode::from_code(report.exit_code).unwrap_or(ExitCode::TryAgain),
        ),
        Err(error) => (chain(error), error.class().into()),
    };
    leave(&message, report_path);
    written?;
    let _ = writeln!(std::io::stdout(), "{message}");
    Ok(code)
}

async fn plan(config: &Path) -> Result<ExitCode, Failure> {
    let config: WorkerConfig = program::read(config)?;
    let stop = telemetry::stop_on_signal();
    let survey = survey::survey(&config, Arc::new(Log), stop).await?;
    let _ = writeln!(std::io::stdout(), "{}", survey.to_json());
    Ok(ExitCode::Done)
}

async fn expire(config: &Path, report_path: Option<&Path>) -> Result<ExitCode, Failure> {
    let config: ExpireConfig = program::read(config)?;
    let report = retention::expire(&config, &telemetry::stop_on_signal()).await;
    let message = report.to_termination_message();
    leave(&message, report_path);
    let _ = writeln!(std::io::stdout(), "{message}");
    Ok(ExitCode::from_code(report.exit_code).unwrap_or(ExitCode::TryAgain))
}

/// Leaves last words where they were asked for, or where Kubernetes looks for them.
fn leave(message: &str, path: Option<&Path>) {
    let default = Path::new(TERMINATION_LOG);
    if let Some(path) = path.or_else(|| default.exists().then_some(default))
        && let Err(error) = std::fs::write(path, message)
    {
        tracing::warn!(path = %path.display(), %error, "Report not written");
    }
}

async fn migrate(config: &Path) -> Result<ExitCode, Failure> {
    let config: WorkerConfig = program::read(config)?;
    sinks::migrate(&config.sinks, |sink, step| {
        tracing::info!(sink, step, "Schema brought forward");
    })
    .await?;
    Ok(ExitCode::Done)
}
