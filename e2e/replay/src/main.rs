//! `wikimedia-replay`: the stand-in for `dumps.wikimedia.org` and `stream.wikimedia.org` as a program.

mod args;

use std::io::{self, Write as _};

use args::Args;
use clap::Parser as _;
use tokio::signal::unix::{SignalKind, signal};
use wikimedia_replay::Replay;

// One thread: it runs beside what is being measured.
#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    match run(Args::parse()).await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "wikimedia-replay: {error}");
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    // Before the address is printed: whoever reads it may send the signal at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let replay = Replay::start(args.options()).await?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", replay.base_url())?;
    stdout.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    replay.shutdown().await;
    Ok(())
}
