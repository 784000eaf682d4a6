//! `wikimedia-replay`: the stand-in for `dumps.wikimedia.org` as a program.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Parser;
use tokio::signal::unix::{SignalKind, signal};
use wikimedia_replay::{DEFAULT_CONCURRENT, Faults, GRAMMAR, Options, Replay, Root};

/// Serves a folder as dumps.wikimedia.org would, and fails on demand.
///
/// Index pages, `ETag`, Last-Modified, ranges and conditional requests are those of the host's nginx, and so is the
/// etiquette: a User-Agent without a web or mail address gets 403, a fourth request at once of the same address and
/// User-Agent gets 503. Prints `listening on http://ADDR` on stdout as soon as it accepts connections, and stops on
/// SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(version, after_long_help = after_help(), max_term_width = 120)]
struct Args {
    /// The folder to serve, laid out like the host's own paths
    ///
    /// For example DIR/other/pageviews/2026/2026-11/pageviews-20261101-000000.gz, whose index page is then
    /// /other/pageviews/2026/2026-11/.
    #[arg(long, value_name = "DIR")]
    root: PathBuf,

    /// Where to listen; port 0 takes a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,

    /// What to do wrong, such as `cut@1m*2,429=5~pageviews-20261101`; see below
    #[arg(
        long,
        value_name = "SPEC",
        default_value = "",
        hide_default_value = true
    )]
    faults: Faults,

    /// Bytes a second on each connection, as nginx's `limit_rate` [default: unlimited]
    #[arg(long, value_name = "BYTES")]
    rate: Option<NonZeroU64>,

    /// Requests served at once per address and User-Agent; one more gets 503
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONCURRENT)]
    concurrent: usize,
}

fn after_help() -> String {
    format!(
        "\
Faults:
{GRAMMAR}

Examples:
    wikimedia-replay --root dumps --listen 127.0.0.1:8080
        serves ./dumps, where a source's baseUrl is http://127.0.0.1:8080
    --faults 'cut@1m*2'
        the first two responses longer than 1 MiB end with a reset after that much
    --faults '429=5*3~pageviews-20261101-000000'
        this hour is refused three times, each time for 5 seconds
    --faults '503~2026-11/$'
        the index page of the month fails once
    --faults 'truncate@5000~-010000.gz, corrupt@2k~-020000.gz'
        two broken uploads
    --faults 'republish=newer'
        the first file that was fetched is replaced by the one of its name in ./newer

While it runs (no User-Agent needed):
    curl http://ADDR/_replay/counters                     what it saw, as JSON
    curl http://ADDR/_replay/faults --data 'stall@64k'    other faults; '' for none
    curl http://ADDR/_replay/healthz                      whether it runs"
    )
}

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
    let replay = Replay::start(Options {
        root: Root::Folder(args.root),
        listen: args.listen,
        faults: args.faults,
        rate: args.rate,
        concurrent: args.concurrent,
    })
    .await?;
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
