//! The command line, and what `--help` teaches.

#![allow(
    clippy::doc_markdown,
    reason = "the documentation of commands is what `--help` shows, as plain text"
)]

use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use wikiingest_workers::cli;

use crate::completions::Shell;

mod help;

/// Loads Wikimedia's page views and edits into databases and Parquet files, each exactly once: on this machine, and on
/// Kubernetes.
///
/// To begin, type `wikiingest demo`: it needs no network, no server and no settings.
#[derive(Debug, Parser)]
#[command(name = "wikiingest", version, after_long_help = cli::EVERYWHERE)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Looks after WikiIngest resources on a cluster.
#[derive(Debug, Parser)]
#[command(name = "kubectl-wikiingest", bin_name = "kubectl wikiingest", version)]
pub(crate) struct Plugin {
    #[command(subcommand)]
    pub(crate) command: PluginCommand,
}

/// What is done on a cluster, and nothing beside that.
#[derive(Debug, Subcommand)]
pub(crate) enum PluginCommand {
    #[command(flatten)]
    Cluster(ClusterCommand),

    /// Prove that the workers of a resource reach what it names, from a pod like theirs
    ///
    /// Asks each host, database and bucket that a WikiIngest names, through the code that loads, and prints a line a check:
    /// ok, not ok, or could not tell, with what to do. The pod is of the workers' image, on their network, with their
    /// Secrets and account. Nothing is written unless --write is given, and nothing is left behind.
    #[command(after_long_help = help::DOCTOR)]
    Doctor(InCluster),
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    #[command(flatten)]
    Here(cli::Command),
    #[command(flatten)]
    Cluster(ClusterCommand),

    /// Prove an installation before the first load: hosts, databases, buckets, clocks
    ///
    /// Asks each host, database and bucket that a WikiIngest names, through the code that loads, and prints a line a check:
    /// ok, not ok, or could not tell, with what to do. Nothing is written unless --write is given; what is written then is
    /// removed again, after Ctrl-C, too.
    ///
    /// With a file it does so from this machine; secrets come in environment variables, as for `wikiingest local`. With
    /// --in-cluster it does so from a pod on the cluster that is what the resource's workers are: of their image, on their
    /// network, with their Secrets and account. First it asks the API server whether it would take such a pod.
    #[command(after_long_help = help::DOCTOR)]
    Doctor(Doctor),

    /// Print what makes a shell complete this command line
    #[command(after_long_help = help::COMPLETIONS)]
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// What is done on a cluster.
#[derive(Debug, Subcommand)]
pub(crate) enum ClusterCommand {
    /// Show how resources on a cluster stand
    ///
    /// Without a name, a line for each resource. With one, all that its status says, for people: whether it is ready and
    /// what to change if it is not, each source with its last and its next run, how far backfills are, and the latest
    /// warnings.
    #[command(after_long_help = help::STATUS)]
    Status(Status),

    /// Run all scheduled sources of a resource on a cluster now
    ///
    /// Beside the schedule, which stays as it is. What is loaded already is not loaded again. Streams are read all the
    /// time, and backfills run by themselves.
    #[command(after_long_help = help::RUN_NOW)]
    RunNow(RunNow),

    /// Load a past range into a resource's sinks, on a cluster
    ///
    /// Adds the range to the resource, where the source's `backfill` has it from then on, and from where the operator
    /// loads it once. Asked again for what is there already, it adds nothing.
    #[command(after_long_help = help::BACKFILL)]
    Backfill(Backfill),

    /// Stop loading a resource for a while, on a cluster
    ///
    /// Sets spec.suspend: nothing new is started and the stream is not read. Runs that have begun finish; backfills stop
    /// where they are. With --operator it is the operator that stops instead: the resource and all that was made of it
    /// are left exactly as they are, so schedules and streams go on, and changes of the resource have no effect.
    #[command(after_long_help = help::PAUSE)]
    Pause(Suspend),

    /// Go on with a resource that was paused
    ///
    /// Takes back what `pause` did: spec.suspend, or with --operator the annotation that keeps the operator off.
    #[command(after_long_help = help::RESUME)]
    Resume(Suspend),

    /// Print what the workers of a resource on a cluster say
    ///
    /// Of each source: its workers that run now, or the newest one if none does. Where there are several, each line
    /// begins with the source's name.
    #[command(after_long_help = help::LOGS)]
    Logs(Logs),
}

/// Which cluster, and where in it.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Cluster")]
pub(crate) struct Place {
    /// The namespace [default: that of the context]
    #[arg(short, long)]
    pub(crate) namespace: Option<String>,
    /// The context of the kubeconfig [default: the current one]
    #[arg(long)]
    pub(crate) context: Option<String>,
    /// The kubeconfig [default: what KUBECONFIG names, else ~/.kube/config]
    #[arg(long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The resource [default: all]
    pub(crate) name: Option<String>,
    /// Those of all namespaces
    #[arg(short = 'A', long, conflicts_with_all = ["name", "namespace"])]
    pub(crate) all_namespaces: bool,
    /// How to print it
    #[arg(short, long, value_enum, default_value_t)]
    pub(crate) output: Output,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// Where from, and how.
#[derive(Debug, Args)]
#[group(id = "from_here_or_there")]
#[command(group = ArgGroup::new("what").required(true).args(["file", "configs", "in_cluster"]))]
pub(crate) struct Doctor {
    #[command(flatten)]
    pub(crate) here: cli::Doctor,
    /// A resource on a cluster instead, from a pod like those of its workers
    #[arg(long, value_name = "NAME")]
    pub(crate) in_cluster: Option<String>,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct InCluster {
    /// The resource
    pub(crate) name: String,
    #[command(flatten)]
    pub(crate) how: cli::Examine,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct RunNow {
    /// The resource
    pub(crate) name: String,
    /// Wait until the runs have ended, and end as they did
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Backfill {
    /// The resource
    pub(crate) name: String,
    /// The source, one of files
    #[arg(long)]
    pub(crate) source: String,
    /// Where the range begins: a day such as 2024-01-01, or an hour such as 2024-01-01T05:00:00Z
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) from: Timestamp,
    /// Where the range ends, not included
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) to: Timestamp,
    /// What to call the backfill [default: made of the range]
    #[arg(long = "name", id = "new_name", value_name = "NAME")]
    pub(crate) new_name: Option<String>,
    /// How many workers load it at a time, as far as the host's connections go [default: 1]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u16).range(1..=16))]
    pub(crate) parallelism: Option<u16>,
    /// Where to read it from, such as a mirror [default: where the source is read from]
    #[arg(long, value_name = "URL")]
    pub(crate) base_url: Option<String>,
    /// Wait until it is loaded or has failed
    #[arg(long)]
    pub(crate) wait: bool,
    /// Change the resource even if it is kept in git
    #[arg(long)]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Suspend {
    /// The resource
    pub(crate) name: String,
    /// The operator, instead of the loading
    #[arg(long)]
    pub(crate) operator: bool,
    /// Change the resource even if it is kept in git
    #[arg(long, conflicts_with = "operator")]
    pub(crate) force: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// The resource
    pub(crate) name: String,
    /// This source only
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Go on until the workers have ended, or Ctrl-C
    #[arg(short, long, conflicts_with = "previous")]
    pub(crate) follow: bool,
    /// How many lines of each worker at most [default: all of one worker, 20 of each of several]
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32))]
    pub(crate) tail: Option<u32>,
    /// What a worker said that was started anew since, in the same pod
    #[arg(short, long)]
    pub(crate) previous: bool,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// A day stands for its first moment. A time without its zone is none: it would be read as its day.
fn time(text: &str) -> Result<Timestamp, String> {
    const DAY: usize = "2024-01-01".len();
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok().filter(|_| text.len() == DAY);
    let midnight = day.and_then(|day| day.to_zoned(TimeZone::UTC).ok());
    let midnight = midnight.map(|midnight| midnight.timestamp());
    midnight.ok_or_else(|| {
        "write a day such as 2024-01-01, or a time such as 2024-01-01T05:00:00Z".to_owned()
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_lines_are_well_formed() {
        Cli::command().debug_assert();
        Plugin::command().debug_assert();
    }

    #[test]
    fn the_plugin_has_what_is_done_on_a_cluster_and_no_more() {
        let commands = |command: clap::Command| {
            let all = command
                .get_subcommands()
                .map(|one| one.get_name().to_owned());
            all.collect::<Vec<_>>()
        };
        let plugin = commands(Plugin::command());
        assert_eq!(
            plugin,
            [
                "status", "run-now", "backfill", "pause", "resume", "logs", "doctor"
            ]
        );
        let all = commands(Cli::command());
        assert!(
            plugin.iter().all(|command| all.contains(command)),
            "{all:?}"
        );
        assert!(all.contains(&"demo".to_owned()), "{all:?}");
        let help = Plugin::command().render_help().to_string();
        assert!(
            help.contains("Usage: kubectl wikiingest <COMMAND>"),
            "{help}"
        );
    }

    #[test]
    fn a_time_is_a_day_or_a_moment() {
        let moment = |text: &str| time(text).map(|time| time.to_string());
        let midnight = Ok("2024-02-29T00:00:00Z".to_owned());
        assert_eq!(moment("2024-02-29"), midnight);
        assert_eq!(moment("2024-02-29T00:00:00Z"), midnight);
        assert_eq!(moment("2024-02-29T01:00:00+01:00"), midnight);
        for text in ["", "2024", "2023-02-29", "2024-02-29T05:00:00", "yesterday"] {
            assert!(
                moment(text).is_err_and(|told| told.contains("such as 2024-01-01")),
                "{text}"
            );
        }
    }

    #[test]
    fn names_and_all_namespaces_do_not_go_together() {
        for arguments in [
            ["wikiingest", "status", "-A", "wikimedia"].as_slice(),
            &["wikiingest", "status", "-A", "-n", "default"],
            &["wikiingest", "pause", "wikimedia", "--operator", "--force"],
            &["wikiingest", "doctor"],
            &["wikiingest", "doctor", "-f", "a.yaml", "--in-cluster", "a"],
        ] {
            assert!(Cli::try_parse_from(arguments).is_err(), "{arguments:?}");
        }
    }
}
