//! Benches against peers.
//!
//! Each runs its cases in turn, round after round, on one machine in one run, and takes medians. The first round only
//! warms up. Each ends with one JSON object a case, one a line.

mod batch;
mod case;
pub mod events;
mod format;
pub mod generate;
mod input;
mod job;
pub(crate) mod measure;
mod mysql_bulk;
mod operator;
mod peers;
mod plan;
mod service;
mod stream;
mod tsv;
mod warehouse;
mod words;

use clap::{Args, ValueEnum};

pub use plan::ledger_of_ten_years;
pub use tsv::{project, push_tsv};

use crate::binaries::Binaries;
use crate::error::Result;
use crate::install;
use crate::say::say;
use crate::steps::{self, Workspace};

/// What to measure.
#[derive(Debug, Args)]
pub struct Options {
    /// Which bench. Targets are printed; plan fails when its are missed, and peers when somebody reads otherwise.
    name: Name,
    /// Rounds after the first, which only warms up [default: 5; 1 for operator]
    #[arg(long)]
    runs: Option<usize>,
    /// Lines of the generated file [default: 5,000,000 of an hour; 2,000,000 of a day; 1,000,000 for mysql-bulk
    /// and peers]
    #[arg(long)]
    lines: Option<usize>,
    /// Generated events, for stream
    #[arg(long, default_value_t = 200_000)]
    events: usize,
    /// Leave MariaDB out of the benches of files
    #[arg(long)]
    parquet_only: bool,
    /// Of peers, this archive only; may be given several times
    #[arg(long, value_enum, value_delimiter = ',')]
    archive: Vec<generate::Archive>,
    /// Compare the peers with each other, without our worker
    #[arg(long)]
    peers_only: bool,
    /// How many resources; may be given several times
    #[arg(long, value_delimiter = ',', default_values_t = [100, 1000])]
    resources: Vec<usize>,
    /// How long the latency is measured, the soak lasts, or the operator has nothing to do [default: 120; 1800 for
    /// stream-soak; 60 for operator]
    #[arg(long)]
    seconds: Option<usize>,
}

/// Rounds of most benches.
const RUNS: usize = 5;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Name {
    PageviewsHour,
    PageviewsRss,
    /// A plan of ten years, into empty stores and with all of it held: fails above 10 s or 64 MiB
    Plan,
    Pagecounts,
    PageviewComplete,
    MediacountsDay,
    /// One generated file of each archive, as DuckDB, Polars and Spark read it: an hour of hourly ones, a day of daily ones
    Peers,
    MysqlBulk,
    Stream,
    StreamSoak,
    Operator,
}

impl Options {
    fn batch(&self, format: &'static format::Format, lines: usize) -> Result<Vec<case::Case>> {
        let lines = self.lines.unwrap_or(lines);
        batch::run(format, lines, self.runs.unwrap_or(RUNS), self.parquet_only)
    }

    fn peers(&self) -> Result<()> {
        let formats = format::FORMATS.into_iter();
        let asked = |format: &&format::Format| {
            self.archive.is_empty() || self.archive.contains(&format.archive)
        };
        peers::run(&peers::Comparison {
            formats: &formats.filter(asked).collect::<Vec<_>>(),
            lines: self.lines.unwrap_or(1_000_000),
            peers_only: self.peers_only,
        })
    }
}

/// Runs a bench.
///
/// # Errors
/// If something is missing, or what is measured fails.
pub fn run(options: &Options) -> Result<()> {
    install::debian(install::FOR_TESTS)?;
    install::debian(install::FOR_BENCHES)?;
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    say!("load average before the start: {}", load.trim());
    let runs = options.runs.unwrap_or(RUNS);
    let cases = match options.name {
        Name::PageviewsHour => options.batch(&format::PAGEVIEWS, 5_000_000)?,
        Name::Pagecounts => options.batch(&format::PAGECOUNTS, 5_000_000)?,
        Name::PageviewComplete => options.batch(&format::PAGEVIEW_COMPLETE, 2_000_000)?,
        Name::MediacountsDay => options.batch(&format::MEDIACOUNTS, 2_000_000)?,
        Name::Peers => return options.peers(),
        Name::PageviewsRss => batch::rss()?,
        Name::Plan => {
            let cases = plan::run(runs)?;
            case::print(&cases)?;
            return case::held(&cases);
        }
        Name::MysqlBulk => mysql_bulk::run(options.lines.unwrap_or(1_000_000), runs)?,
        Name::Stream => {
            let seconds = options.seconds.unwrap_or(120);
            stream::run(options.events, runs, seconds)?
        }
        Name::StreamSoak => {
            let (case, verdict) = stream::soak(options.seconds.unwrap_or(1800))?;
            case::print(&[case])?;
            return verdict;
        }
        Name::Operator => {
            let seconds = options.seconds.unwrap_or(60);
            operator::run(&options.resources, options.runs.unwrap_or(1), seconds)?
        }
    };
    case::print(&cases)
}

/// Builds what is measured as it is shipped.
fn release(what: &[&str]) -> Result<Binaries> {
    let build = ["build", "--release"];
    steps::stream(&mut Workspace::find()?.cargo(&[&build[..], what].concat()))?;
    Ok(Binaries::beside_this_program()?.of_profile("release"))
}
