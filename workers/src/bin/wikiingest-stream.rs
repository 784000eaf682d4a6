//! The stream worker: reads changes as they happen, and does not end by itself.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode as Process,
    sync::Arc,
};

use clap::{Parser, Subcommand};
use wikiingest_crds::worker::{ExitCode, StreamConfig};
use wikiingest_workers::{
    program::{self, Failure},
    stream::{metrics::Metrics, run, serve},
    telemetry::{self, LogFormat},
};

/// Reads Wikimedia's stream of recent changes into a warehouse and a lake, each event exactly once.
///
/// It goes on from where the sinks stand, waits for whatever is down, and stops on SIGTERM, after what was received is
/// written. The databases are brought to the current schema by `wikiingest-batch migrate`.
///
/// Secrets come in environment variables, `WIKIINGEST_<SINK>_<KEY>`, with `<SINK>` the sink's name in capitals (- as _)
/// and `<KEY>` one of `USERNAME`, `PASSWORD`, `CA_PEM`, `ACCESS_KEY_ID`, `SECRET_ACCESS_KEY`, `SESSION_TOKEN`.
///
/// Exit codes: 0 stopped; 1 try again; 64 the configuration is wrong; 77 a sink refused.
#[derive(Debug, Parser)]
#[command(name = "wikiingest-stream", version, verbatim_doc_comment)]
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
    /// Read the stream until told to stop
    Run {
        /// The worker's configuration, JSON
        #[arg(long, value_name = "FILE")]
        config: PathBuf,
        /// Where to serve /metrics, /livez and /readyz, such as 0.0.0.0:8080 [default: nowhere]
        #[arg(long, value_name = "ADDR")]
        listen: Option<SocketAddr>,
    },
}

#[tokio::main]
async fn main() -> Process {
    let cli: Cli = match program::arguments() {
        Ok(cli) => cli,
        Err(code) => return code.into(),
    };
    telemetry::init(cli.log_format, "info");
    let Command::Run { config, listen } = &cli.command;
    program::end(run_on(config, *listen).await).into()
}

async fn run_on(path: &Path, listen: Option<SocketAddr>) -> Result<ExitCode, Failure> {
    let config: StreamConfig = program::read(path)?;
    let names: Vec<_> = config.sinks.iter().map(|sink| sink.name.clone()).collect();
    let metrics = Arc::new(Metrics::new(&names));
    if let Some(address) = listen {
        let ready_lag = config.limits.ready_lag.to_std();
        let address = serve::serve(address, Arc::clone(&metrics), ready_lag).await?;
        tracing::info!(%address, "Serving /metrics, /livez and /readyz");
    }
    run::run(&config, &metrics, telemetry::stop_on_signal()).await?;
    Ok(ExitCode::Done)
}
