//! The commands of `cargo e2e`.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::thread;

use clap::{Args, Parser, Subcommand};

use crate::athena::{self, Athena};
use crate::bench::generate::{Archive, Size};
use crate::error::{Doing, Error, Result};
use crate::say::say;
use crate::servers::mariadb::{self, Durability, MariaDb};
use crate::servers::s3::{self, S3};
use crate::{bench, cluster, install, process, scratch, steps};

/// Runs the tests of wikiingest that need real servers, and its benches against peers.
///
/// What is missing on this machine is installed when it is Debian and you are root; else you are told what to
/// install. Servers listen on loopback, on random ports, with temporary data, and end with this program.
#[derive(Debug, Parser)]
#[command(
    name = "cargo e2e",
    bin_name = "cargo e2e",
    version,
    max_term_width = 120
)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run every check there is, or some: formatting, lints, unit tests, suites on servers, docs, licences, README
    #[command(after_help = TEST_EXAMPLES)]
    Test(steps::Options),
    /// Measure against peers; ends with one JSON object a case, one a line
    #[command(after_help = BENCH_EXAMPLES)]
    Bench(bench::Options),
    /// Start MariaDB and an S3 server, say how to reach them, and wait for Ctrl-C
    Servers {
        /// Start Trino over the S3 server, too, which stands for Athena
        #[arg(long)]
        trino: bool,
    },
    /// The test cluster: a real Kubernetes, made by kind
    #[command(after_help = CLUSTER_EXAMPLES)]
    Cluster {
        #[command(subcommand)]
        action: cluster::Action,
    },
    /// Build the images of wikiingest and of the servers that it is tested with, and load them into the cluster
    Images(cluster::ImageOptions),
    /// Write the README of the Helm chart anew, from the comments in its values
    Chart,
    /// Install what the tests and benches need, and nothing else
    Install,
    /// Write a file of one of the archives, like the real ones
    Generate(Generate),
}

const TEST_EXAMPLES: &str = "\
Examples:
    cargo e2e test                              everything; this is what CI runs
    cargo e2e test --list                       what that is
    cargo e2e test --only servers               one step
    cargo e2e test --only servers -- kill       its tests whose name holds `kill`

A step that fails does not stop the others. The exit code is 1 when any failed.";

const BENCH_EXAMPLES: &str = "\
Benches:
    pageviews-hour    an hour of page views into Parquet, and into Parquet and MariaDB, beside igzip and
                      mariadb-import
    pageviews-rss     the same with 1 M and 10 M lines: the memory must not grow with the file
    pagecounts        an hour of page counts in the same way
    pageview-complete a day of page views with its hours as letters in the same way, beside lbzip2 on two cores
    mediacounts-day   a day of requests for media files in the same way, beside lbzip2 on two cores
    plan              what a run over ten years of hours would find: it fetches none, and must not take long
    peers             a file of each archive as DuckDB, Polars and Spark parse it, and as DuckDB reads what our worker
                      made of it: rows, sums and a hash have to be the same
    mysql-bulk        ways to get rows into MariaDB: prepared INSERTs, LOAD DATA LOCAL, mariadb-import
    stream            recent changes: 200,000 into MariaDB, beside mariadb-import and a script in Python; then how long
                      a change takes to show, at 50 a second
    stream-soak       half an hour of recent changes from a host that does everything wrong: memory, and nothing lost
                      or twice
    operator          100 and 1,000 resources of three sources each on the test cluster, beside a client that only
                      applies the same objects: time, writes, memory, and what the operator uses at rest

Figures mean something only on a machine that has nothing else to do.";

const CLUSTER_EXAMPLES: &str = "\
A Docker engine that runs is used, with kind's published node image. Where there is none, on Debian as root, both are
made, of Debian packages and pinned Go modules: a quarter of an hour the first time, half a minute after that. All is
kept below ~/.cache/wikiingest/cluster.";

#[derive(Debug, Args)]
struct Generate {
    /// The file to write; packed as the archive's are when its name ends in .gz or .bz2
    file: PathBuf,
    /// Which archive
    #[arg(long, value_enum, default_value_t = Archive::Pageviews)]
    archive: Archive,
    /// How many lines
    #[arg(long, default_value_t = 100_000)]
    lines: usize,
    /// The same seed gives the same file
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// Runs a command line to its end.
#[must_use]
pub fn run(cli: Cli) -> ExitCode {
    scratch::remove_leftovers();
    if let Err(error) = end_on_signals() {
        return failed(&error);
    }
    let result = match cli.command {
        Command::Test(options) => steps::run(&options),
        Command::Bench(options) => bench::run(&options).map(|()| ExitCode::SUCCESS),
        Command::Servers { trino } => serve(trino).map(|()| ExitCode::SUCCESS),
        Command::Cluster { action } => cluster::run(action).map(|()| ExitCode::SUCCESS),
        Command::Images(options) => cluster::make_images(options).map(|()| ExitCode::SUCCESS),
        Command::Chart => cluster::chart_readme().map(|()| ExitCode::SUCCESS),
        Command::Install => everything().map(|()| ExitCode::SUCCESS),
        Command::Generate(options) => generate(&options).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| failed(&error))
}

fn failed(error: &Error) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "cargo e2e: {error}");
    ExitCode::FAILURE
}

/// On Ctrl-C or SIGTERM: children first, so that their folders can be removed, then this process.
fn end_on_signals() -> Result<()> {
    let mut signals = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ])
    .doing("listening for signals")?;
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            process::kill_all();
            scratch::remove_ours();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}

fn serve(with_trino: bool) -> Result<()> {
    install::debian(install::FOR_TESTS)?;
    let workspace = steps::Workspace::find()?;
    let e2e = workspace.e2e();
    let python = install::python(&e2e.join("requirements.txt"))?;
    let spark = install::python(&e2e.join("requirements-spark.txt"))?;
    let mariadb = MariaDb::start(Durability::Full)?;
    mariadb.sql("CREATE DATABASE wikimedia")?;
    let s3 = S3::start(&python.program("weed"))?;
    let athena = with_trino.then(|| Athena::start(&workspace, &s3));
    let athena = athena.transpose()?;
    say!(
        "MariaDB   mariadb --protocol=tcp -h 127.0.0.1 -P {} -u {} -p{} wikimedia\n\
         S3        {}, bucket {}, region {}\n\
         \n\
         For a worker whose sinks are called `warehouse` and `lake`:",
        mariadb.port(),
        mariadb::USER,
        quoted(mariadb::PASSWORD),
        s3.endpoint(),
        s3::BUCKET,
        s3::REGION,
    );
    export("WIKIINGEST_WAREHOUSE_USERNAME", mariadb::USER);
    export("WIKIINGEST_WAREHOUSE_PASSWORD", mariadb::PASSWORD);
    export("WIKIINGEST_LAKE_ACCESS_KEY_ID", s3::ACCESS_KEY_ID);
    export("WIKIINGEST_LAKE_SECRET_ACCESS_KEY", s3::SECRET_ACCESS_KEY);
    say!("\nFor a suite: cargo test --workspace --features wikiingest-e2e/servers --test right");
    let more = athena.iter().flat_map(Athena::environment);
    for (name, value) in steps::environment(&mariadb, &s3, &python, &spark)
        .into_iter()
        .chain(more)
    {
        export(name, &value);
    }
    say!("\nCtrl-C ends them and removes their data.");
    loop {
        thread::park();
    }
}

fn export(name: &str, value: &str) {
    say!("export {name}={}", quoted(value));
}

/// As a shell takes it.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn everything() -> Result<()> {
    install::debian(install::FOR_TESTS)?;
    install::debian(install::FOR_BENCHES)?;
    let workspace = steps::Workspace::find()?;
    let e2e = workspace.e2e();
    install::python(&e2e.join("requirements.txt"))?;
    install::python(&e2e.join("requirements-spark.txt"))?;
    install::python(&e2e.join("requirements-peers.txt"))?;
    athena::install(&workspace)?;
    install::cargo_deny()?;
    cluster::install()?;
    say!("all there");
    Ok(())
}

fn generate(options: &Generate) -> Result<()> {
    let Generate { file: path, .. } = options;
    let size = Size {
        lines: options.lines,
        seed: options.seed,
    };
    let file = std::fs::File::create(path).doing_to("creating", path)?;
    let mut file = std::io::BufWriter::new(file);
    let extension = path.extension().and_then(|extension| extension.to_str());
    let packed = match extension {
        Some("gz" | "bz2") => options.archive.write_packed(size, &mut file),
        _ => options.archive.write(size, &mut file),
    };
    let written = packed.doing_to("writing", path)?;
    file.flush().doing_to("writing", path)?;
    say!(
        "{}: {} lines, {} rows, {} views",
        path.display(),
        written.lines,
        written.rows,
        written.views
    );
    Ok(())
}
