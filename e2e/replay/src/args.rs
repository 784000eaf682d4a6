//! The command line.

use std::net::SocketAddr;
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use wikimedia_replay::{
    DEFAULT_CONCURRENT, DEFAULT_STREAM_CLIENTS, Events, Faults, GRAMMAR, Listed, Options, Pace,
    Root, StreamOptions,
};

/// Serves a folder as dumps.wikimedia.org would and events as stream.wikimedia.org would, and fails on demand.
///
/// Index pages, `ETag`, Last-Modified, ranges and conditional requests are those of the host's nginx, and so is the
/// etiquette: a User-Agent without a web or mail address gets 403, a fourth request at once of the same address and
/// User-Agent gets 503. Prints `listening on http://ADDR` on stdout as soon as it accepts connections, and stops on
/// SIGTERM or Ctrl-C.
#[derive(Debug, Parser)]
#[command(version, after_long_help = after_help(), max_term_width = 120)]
pub(crate) struct Args {
    /// The folder to serve, laid out like the host's own paths
    ///
    /// For example DIR/other/pageviews/2026/2026-11/pageviews-20261101-000000.gz, whose index page is then
    /// /other/pageviews/2026/2026-11/. Needed unless there are
    /// --events or --listed.
    #[arg(long, value_name = "DIR", required_unless_present_any = ["events", "listed"])]
    root: Option<PathBuf>,

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

    /// Bytes a second on each connection, as nginx's `limit_rate`, streams excepted [default: unlimited]
    #[arg(long, value_name = "BYTES")]
    rate: Option<NonZeroU64>,

    /// Requests served at once per address and User-Agent, streams not counted; one more gets 503
    #[arg(long, value_name = "N", default_value_t = DEFAULT_CONCURRENT)]
    concurrent: usize,

    /// Lists hours that are not there: their names, dates and sizes are in index pages, and they are 404
    ///
    /// ARCHIVE is pageviews or pagecounts-raw, FROM the start of the first hour. For a client that plans years and
    /// fetches nothing. May be given several times.
    #[arg(long, value_name = "ARCHIVE@FROM+HOURS")]
    listed: Vec<Listed>,

    /// Adds what else lies in an archive's folders: projectviews, projectcounts, top1000, md5sums.txt, a readme
    #[arg(long)]
    neighbours: bool,

    #[command(flatten)]
    stream: StreamArgs,
}

/// The stream.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "The stream of recent changes")]
struct StreamArgs {
    /// Publishes the events of this file, one JSON object a line, at /v2/stream/recentchange
    ///
    /// meta.topic says which of the two topics an event belongs to. Its offset in that topic is counted on from the
    /// meta.offset of the topic's first event, and meta.dt is its time in the log, whose order is that of the file.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,

    /// How fast: `real` (as far apart as meta.dt), a number of events a second, or `max` (all at once)
    #[arg(long, value_name = "PACE", default_value = "real", requires = "events")]
    pace: Pace,

    /// Sets meta.dt and timestamp to the moment of publishing, so that a latency can be measured
    #[arg(long, requires = "events")]
    restamp: bool,

    /// Publishes all events N times: again with other ids, and with later times
    #[arg(long, value_name = "N", default_value = "1", requires = "events")]
    repeat: NonZeroU64,

    /// Keeps the newest N events for clients that come back [default: all]
    #[arg(long, value_name = "N", requires = "events")]
    retention: Option<NonZeroUsize>,

    /// Publishes nothing before the first client is connected
    #[arg(long, requires = "events")]
    wait_for_client: bool,

    /// Connections per address to the stream; one more gets 429
    #[arg(long, value_name = "N", default_value_t = DEFAULT_STREAM_CLIENTS, requires = "events")]
    stream_clients: usize,

    /// Cuts every connection to the stream after so long, such as 0.5; 0 for never
    #[arg(long, value_name = "SECONDS", default_value = "900", value_parser = seconds, requires = "events")]
    cut_after: Seconds,

    /// Sends each client a canary event every so often; 0 for none
    #[arg(long, value_name = "SECONDS", default_value = "600", value_parser = seconds, requires = "events")]
    canary: Seconds,
}

/// A time, or none. A type of its own, as clap takes an `Option` for one that may be left out.
#[derive(Debug, Clone, Copy)]
struct Seconds(Option<Duration>);

fn seconds(text: &str) -> Result<Seconds, String> {
    let wrong = || "a number of seconds belongs there, such as 30 or 0.5".to_owned();
    let seconds: f64 = text.parse().map_err(|_| wrong())?;
    let time = Duration::try_from_secs_f64(seconds).map_err(|_| wrong())?;
    Ok(Seconds((!time.is_zero()).then_some(time)))
}

impl Args {
    pub(crate) fn options(self) -> Options {
        let root = self.root.map(Root::Folder);
        Options {
            root: root.unwrap_or_else(|| Root::Memory([].into())),
            listen: self.listen,
            faults: self.faults,
            rate: self.rate,
            concurrent: self.concurrent,
            listed: self.listed,
            neighbours: self.neighbours,
            stream: self.stream.options(),
        }
    }
}

impl StreamArgs {
    fn options(self) -> Option<StreamOptions> {
        let events = Events::File(self.events?);
        Some(StreamOptions {
            events,
            pace: self.pace,
            restamp: self.restamp,
            repeat: self.repeat,
            retention: self.retention.map(NonZeroUsize::get),
            wait_for_client: self.wait_for_client,
            clients: self.stream_clients,
            cut_after: self.cut_after.0,
            canary: self.canary.0,
        })
    }
}

fn after_help() -> String {
    format!(
        "\
Faults:
{GRAMMAR}

Examples:
    wikimedia-replay --root dumps --listen 127.0.0.1:8080
        serves ./dumps, where a source's baseUrl is http://127.0.0.1:8080
    wikimedia-replay --listed pagecounts-raw@2007-01-01+87600 --neighbours
        the index pages of ten years, and no files
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
    wikimedia-replay --events changes.ndjson --pace 40 --restamp --repeat 100
        a stream of 40 events a second, dated now
    --events changes.ndjson --pace max --wait-for-client --cut-after 0.5
        everything as fast as the client reads, with a cut every half second
    --faults 'garbage@5, duplicate@20*always, cut@100k~/v2/stream*2'
        the first connection has a broken frame, all have their 20th event twice, two are reset

While it runs (no User-Agent needed):
    curl http://ADDR/_replay/counters                     what it saw, as JSON
    curl http://ADDR/_replay/faults --data 'stall@64k'    other faults from now on; '' for none
    curl http://ADDR/_replay/healthz                      whether it runs
    curl http://ADDR/_replay/stream                       events published and sent, as JSON
    curl http://ADDR/_replay/stream/ids                   the meta.id of each published event
    curl http://ADDR/_replay/events --data-binary @FILE   publishes these events at once"
    )
}
