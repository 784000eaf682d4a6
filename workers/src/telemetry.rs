//! Logs, signals, and what a process sets up once.

use std::io::IsTerminal as _;

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Sends logs to standard error; `RUST_LOG` sets the level.
pub fn init(format: LogFormat, default: &str) {
    init_to(std::io::stderr, format, default);
}

/// Sends logs to a writer of the program's own; `RUST_LOG` sets the level.
pub fn init_to<W>(writer: W, format: LogFormat, default: &str)
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(writer);
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// The one implementation of cryptography for all TLS connections of this process.
pub fn install_crypto() {
    // An error means that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Cancelled by the first SIGTERM or SIGINT; a second one ends the process at once.
#[must_use]
pub fn stop_on_signal() -> CancellationToken {
    let stop = CancellationToken::new();
    let (Ok(mut terminate), Ok(mut interrupt)) = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
    ) else {
        tracing::warn!("Signals cannot be listened to; stopping will not be clean");
        return stop;
    };
    let stopped = stop.clone();
    tokio::spawn(async move {
        for code in [None, Some(130)] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if let Some(code) = code {
                std::process::exit(code);
            }
            tracing::info!("Stopping; once more to stop at once");
            stopped.cancel();
        }
    });
    stop
}
