//! The Kubernetes operator that runs `WikiIngest` resources.
#![allow(
    clippy::doc_markdown,
    reason = "the documentation of the command line is its help, as plain text"
)]

use std::{
    error::Error,
    io::{self, IsTerminal as _, Write as _},
    net::SocketAddr,
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use kube::{Client, Config};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;
use wikiingest_operator::{
    check::check,
    controller::{self, Context},
    crd,
    events::Publisher,
    host_limit::HostLimit,
    leader::Candidate,
    metrics::Metrics,
    readiness::{Part, Readiness},
    scrape::Scraper,
    serve::serve,
    settings::Settings,
};

/// How long reconciles under way may take when the operator has to end. A Lease that was lost is another's soon.
const END: Duration = Duration::from_secs(5);

/// Runs WikiIngest resources on Kubernetes: what to load from Wikimedia, when, and where to.
///
/// A WikiIngest names data sets that Wikimedia publishes (page views, media counts, recent
/// changes) and the databases and data lakes that they go to. The CRD must be in the cluster
/// before resources of that kind are:
///
///   wikiingest-operator crd | kubectl apply --server-side -f -
#[derive(Debug, Parser)]
#[command(
    name = "wikiingest-operator",
    version,
    verbatim_doc_comment,
    arg_required_else_help = true
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Prints the CRD of WikiIngest as YAML.
    Crd,
    /// Looks after the WikiIngest resources of a cluster, until it is stopped.
    Run(Run),
    /// Asks an operator that runs whether it is ready, until it is. Exits with 1 when it is not in time.
    Check(Check),
}

#[derive(Debug, Args)]
struct Check {
    /// Where it is, such as http://wikiingest-operator:8080; asked for is /readyz
    #[arg(long, value_name = "URL")]
    url: reqwest::Url,
    /// How long it may take
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

#[derive(Debug, Args)]
struct Run {
    /// The image of the workers, for resources that name none
    #[arg(long, env = "WIKIINGEST_WORKER_IMAGE", value_name = "IMAGE")]
    worker_image: String,
    /// How many connections to Wikimedia's dumps host there may be from the whole cluster
    #[arg(
        long,
        env = "WIKIINGEST_DUMPS_CONNECTIONS",
        default_value_t = 2,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=16)
    )]
    dumps_connections: u32,
    /// How many there may be to another host, such as https://mirror.example.org=4; again, or with commas between them,
    /// for several hosts [default: what is known of a mirror, else 2]
    #[arg(
        long,
        env = "WIKIINGEST_MIRROR_CONNECTIONS",
        value_name = "URL=NUMBER",
        value_delimiter = ','
    )]
    mirror_connections: Vec<HostLimit>,
    /// Look after the resources of these namespaces only, with commas between them [default: all]
    #[arg(
        long = "namespace",
        env = "WIKIINGEST_NAMESPACES",
        value_name = "NAMESPACE",
        value_delimiter = ','
    )]
    namespaces: Vec<String>,
    /// Run several operators of which one acts at a time: the namespace of the Lease that they share
    #[arg(long, env = "WIKIINGEST_LEASE_NAMESPACE", value_name = "NAMESPACE")]
    lease_namespace: Option<String>,
    /// This process's name among them, such as its pod's
    #[arg(
        long,
        env = "POD_NAME",
        default_value = "wikiingest-operator",
        value_name = "NAME"
    )]
    identity: String,
    /// Where to serve /metrics, /livez and /readyz
    #[arg(
        long,
        env = "WIKIINGEST_LISTEN",
        default_value = "0.0.0.0:8080",
        value_name = "ADDRESS"
    )]
    listen: SocketAddr,
    /// How log lines look
    #[arg(long, value_enum, default_value_t, env = "WIKIINGEST_LOG_FORMAT")]
    log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

// One thread: it waits for the API server, mostly, and others would only take turns at that.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // An error means that it is there already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match command(Cli::parse().command).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody reads it where that fails.
            let _ = writeln!(io::stderr(), "Error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn command(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Crd => io::stdout().write_all(wikiingest_crds::crd::yaml()?.as_bytes())?,
        Command::Run(options) => run(options).await?,
        Command::Check(Check { url, timeout }) => {
            check(url, Duration::from_secs(timeout)).await?;
        }
    }
    Ok(())
}

async fn run(options: Run) -> Result<(), Box<dyn Error>> {
    log(options.log_format);
    let stop = stop_on_signal()?;
    let told = Told::default();
    serve(
        options.listen,
        Arc::clone(&told.metrics),
        Arc::clone(&told.readiness),
    )
    .await?;
    let client = Client::try_from(Config::infer().await?)?;
    let waiting = crd::wait(&client, &options.namespaces, &told.readiness);
    if stop.run_until_cancelled(waiting).await.is_none() {
        return Ok(());
    }
    let looking = crd::keep_looking(&client, &options.namespaces, &told.readiness);
    tokio::select! {
        () = act(&options, client.clone(), Scraper::new()?, &told, &stop) => {}
        () = looking => {}
    }
    Ok(())
}

/// What others are told of this process.
#[derive(Default)]
struct Told {
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
}

/// Waits for the Lease, then looks after the resources until it, or the time, is over.
async fn act(
    options: &Run,
    client: Client,
    scraper: Scraper,
    told: &Told,
    stop: &CancellationToken,
) {
    let Told { metrics, readiness } = told;
    let acting = CancellationToken::new();
    let candidate = options
        .lease_namespace
        .as_deref()
        .map(|namespace| Candidate::new(client.clone(), namespace, options.identity.clone()));
    if let Some(candidate) = &candidate {
        tracing::info!(identity = options.identity, "Waiting for the Lease");
        let tried = |answered| {
            readiness.is(if answered {
                Part::StandingBy
            } else {
                Part::Astray
            });
        };
        let elected = candidate.elected(tried);
        if stop.run_until_cancelled(elected).await.is_none() {
            return;
        }
    }
    readiness.is(Part::Reading);
    metrics.leads(true);
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        "Looking after WikiIngest resources"
    );
    let limits = options.mirror_connections.iter();
    let limits = limits.map(|limit| (limit.host.clone(), limit.connections));
    let settings = Settings {
        worker_image: options.worker_image.clone(),
        dumps_connections: options.dumps_connections,
        mirror_connections: limits.collect(),
    };
    let (publisher, publishing) = Publisher::start(client.clone(), options.identity.clone());
    let context = Context::new(client, settings, Arc::clone(metrics), publisher, scraper);
    let mut controller = Box::pin(controller::run(
        context,
        &options.namespaces,
        Arc::clone(readiness),
        acting.clone(),
    ));
    let holding = async {
        if let Some(candidate) = &candidate {
            return candidate.hold(stop.clone()).await;
        }
        stop.cancelled().await;
        true
    };
    let still_holds = tokio::select! {
        () = &mut controller => true,
        still_holds = holding => {
            // What is under way is seen to its end.
            acting.cancel();
            let _ = tokio::time::timeout(END, &mut controller).await;
            still_holds
        }
    };
    drop(controller);
    metrics.leads(false);
    if let Some(candidate) = candidate.filter(|_| still_holds) {
        let _ = tokio::time::timeout(END, candidate.give_back()).await;
    }
    let _ = tokio::time::timeout(END, publishing).await;
}

fn log(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
}

/// Cancelled by SIGTERM or SIGINT.
fn stop_on_signal() -> io::Result<CancellationToken> {
    let (mut terminate, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("Stopping");
        stopped.cancel();
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn limits_of_hosts_are_told_one_by_one_or_with_commas() {
        let told = "--mirror-connections=https://a.example.org=3,http://b:8080/x=4";
        let again = "--mirror-connections=https://c.example.org=5";
        let command = [
            "wikiingest-operator",
            "run",
            "--worker-image=w",
            told,
            again,
        ];
        let Command::Run(options) = Cli::try_parse_from(command).unwrap().command else {
            panic!("it is run");
        };
        let told: Vec<_> = options
            .mirror_connections
            .iter()
            .map(|limit| format!("{} {}", limit.host, limit.connections))
            .collect();
        assert_eq!(told, ["a.example.org 3", "b:8080 4", "c.example.org 5"]);
    }
}
