//! The command line of what is done on this machine, and what `--help` teaches.

#![allow(
    clippy::doc_markdown,
    reason = "the documentation of commands is what `--help` shows, as plain text"
)]

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use wikiingest_crds::validate;

/// What is done on this machine.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show it all on real samples, with no network and no server
    ///
    /// Loads real samples that come with this program (an hour of page views, a day of page counts, a minute and a half
    /// of edits from the stream) into ./wikiingest-demo/: a SQLite database and a folder of Parquet files. Then shows what
    /// landed and what to try next. Run again, it finds everything loaded and loads nothing twice. To start over, remove
    /// ./wikiingest-demo/.
    #[command(after_long_help = DEMO)]
    Demo,

    /// Run a WikiIngest on this machine, from Wikimedia's own host
    ///
    /// Takes the same resource as a cluster. Loads what each source's schedule looks back at, then its backfills, then
    /// follows the schedules until Ctrl-C. A stream, recentChanges, is read beside that all the time. Ctrl-C undoes the
    /// file that is under way, writes what the stream has brought, and leaves nothing half done. Started again, it loads
    /// what is missing and nothing twice.
    #[command(after_long_help = LOCAL)]
    Local {
        /// The file with the WikiIngest, YAML or JSON; - is standard input
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Load the files that are there to load now, and end; streams are not read
        #[arg(long)]
        once: bool,
    },

    /// Say what is wrong with a WikiIngest, before a cluster does
    ///
    /// Prints what the API server and the operator would refuse the resource for: the path of each field, and what to
    /// write instead. Asks no server.
    #[command(after_long_help = VALIDATE)]
    Validate {
        /// The file with the WikiIngest, YAML or JSON; - is standard input
        #[arg(short, long, value_name = "FILE")]
        file: PathBuf,
        /// Where the resource is to run
        #[arg(long, value_enum, default_value_t)]
        target: Target,
    },

    /// Print what to run in Amazon Athena to query a lake on S3
    ///
    /// A table for each of the lake's, with partition projection, so that what is loaded is there to query at once and no
    /// crawler runs; and a view for each question that the dashboards answer. Athena takes one statement at a time. Queries
    /// need a condition on `dt`, the day: without one Athena lists every day since the data set began.
    #[command(after_long_help = ATHENA)]
    AthenaDdl(AthenaDdl),

    /// Draw what a database has as one page for a browser
    ///
    /// The questions of the dashboards, answered for the newest seven days: readers, editors, media, and how complete all of
    /// it is. One file with nothing from elsewhere, light or dark as the reader has it. The database is the demo's, or a
    /// SQLite file, or a sink of a WikiIngest, whose secrets come in environment variables, as for `wikiingest local`. It is
    /// only read.
    #[command(after_long_help = REPORT)]
    Report(Report),
}

/// Of what, and where to.
#[derive(Debug, Args)]
pub struct Report {
    /// The file to write
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    pub output: PathBuf,
    /// A SQLite database [default: wikiingest-demo/warehouse.db]
    #[arg(long, value_name = "FILE", conflicts_with = "file")]
    pub sqlite: Option<PathBuf>,
    /// The file with a WikiIngest, YAML or JSON, that writes to the database; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Which of its sinks [default: the first that is a database]
    #[arg(long, value_name = "NAME", requires = "file")]
    pub sink: Option<String>,
}

/// Which lake, and what to call it.
#[derive(Debug, Args)]
pub struct AthenaDdl {
    /// The bucket, as in the resource's sink
    #[arg(long)]
    pub bucket: String,
    /// The prefix, as in the resource's sink
    #[arg(long, default_value = "", hide_default_value = true)]
    pub prefix: String,
    /// What the database in Athena is called
    #[arg(long, default_value = "wikimedia")]
    pub database: String,
}

/// What `doctor` examines on this machine, and how it tells.
#[derive(Debug, Args)]
pub struct Doctor {
    /// The file with the WikiIngest, YAML or JSON; - is standard input
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// A worker's configuration instead, as in its pod; may be given several times
    #[arg(long = "config", value_name = "FILE")]
    pub configs: Vec<PathBuf>,
    /// How.
    #[command(flatten)]
    pub how: Examine,
}

/// How a doctor examines, wherever it does.
#[derive(Debug, Clone, Copy, Args)]
pub struct Examine {
    /// Also try what only writing tells, on tables and objects of its own that are removed again
    #[arg(long)]
    pub write: bool,
    /// How to print what is found
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Output,
}

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people: a line a check
    #[default]
    Text,
    /// For programs: one object, with all checks under `checks`
    Json,
}

/// Where a resource is to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Target {
    /// On a cluster, by the operator
    #[default]
    Cluster,
    /// On this machine, by `wikiingest local`
    Local,
}

impl From<Target> for validate::Target {
    fn from(target: Target) -> Self {
        match target {
            Target::Cluster => Self::Cluster,
            Target::Local => Self::Local,
        }
    }
}

// Lines of these are not wrapped well, so they are short.

/// What `--help` says of all commands.
pub const EVERYWHERE: &str = "\
Environment variables:
  RUST_LOG  what is logged, such as info or debug [default: warn]

`wikiingest COMMAND --help` has examples and exit codes.";

const DEMO: &str = "\
Example:
  wikiingest demo
  sqlite3 wikiingest-demo/warehouse.db 'SELECT * FROM ingest_ledger'

Exit codes:
  0   done
  1   something failed, or Ctrl-C; try again
  64  ./wikiingest-demo/ cannot be written to

Environment variables:
  RUST_LOG  what is logged, such as info or debug [default: warn]
  TMPDIR    where temporary files are made [default: /tmp]";

const LOCAL: &str = "\
Example:
  wikiingest local -f wikimedia.yaml          then stop it with Ctrl-C
  wikiingest local -f wikimedia.yaml --once   ends by itself
with this in wikimedia.yaml:

  apiVersion: wikiingest.dev/v1alpha1
  kind: WikiIngest
  metadata: {name: wikimedia}
  spec:
    contact: you@example.org   # write your own: Wikimedia asks for it
    sinks:
    - {name: warehouse, sqlite: {path: wikimedia.db}}
    sources:
    - name: pageviews
      pageviews: {projects: [de.wikipedia]}
      schedule: {cron: \"50 * * * *\", lookback: 3h}
      sinks: [warehouse]
    - {name: edits, recentChanges: {wikis: [dewiki]}, sinks: [warehouse]}

Exit codes:
  0   done, or stopped while following the schedules or a stream
  1   something failed that may not fail the next time, or --once was
      stopped; try again
  2   some files are not published yet, or not at the mirror; try again later
  64  the resource is wrong, or has no source that this version loads
  77  Wikimedia's host or a sink refused: credentials, rights, policy

Environment variables:
  WIKIINGEST_<SINK>_<KEY>
            a sink's secrets, which on a cluster come from its Secrets.
            <SINK> is the sink's name in capitals, with _ for -. <KEY> is,
            for singleStore, USERNAME or PASSWORD, or CA_PEM where
            caSecretRef is set; for s3, ACCESS_KEY_ID, SECRET_ACCESS_KEY
            or SESSION_TOKEN
  RUST_LOG  what is logged, such as info or debug [default: warn]
  TMPDIR    where temporary files are made [default: /tmp]";

const VALIDATE: &str = "\
Example:
  wikiingest validate -f wikimedia.yaml
  wikiingest validate -f wikimedia.yaml --target local

Exit codes:
  0   valid
  64  not valid, or not to be read

Environment variables:
  RUST_LOG  what is logged, such as info or debug [default: warn]";

const REPORT: &str = "\
Example:
  wikiingest report
  wikiingest report --sqlite warehouse.db -o week.html
  wikiingest report -f wikimedia.yaml --sink warehouse

Exit codes:
  0   written
  1   the database does not answer, or the file cannot be written
  64  no such database, or not a valid resource
  77  the database refuses the login

Environment variables:
  WIKIINGEST_<SINK>_<KEY>
            a sink's secrets; see `wikiingest local --help`";

const ATHENA: &str = "\
Example:
  wikiingest athena-ddl --bucket wikimedia-lake --prefix wikimedia

  SELECT title, views FROM wikimedia.readers_top_daily
  WHERE dt = '2026-01-01' AND project = 'en.wikipedia' ORDER BY place

Exit codes:
  0   printed
  64  not a bucket, a prefix or a database";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::resource;

    #[test]
    fn no_line_of_the_help_is_wrapped_on_a_common_terminal() {
        for text in [EVERYWHERE, DEMO, LOCAL, VALIDATE, ATHENA, REPORT] {
            let long: Vec<_> = text
                .lines()
                .filter(|line| line.chars().count() > 80)
                .collect();
            assert_eq!(long, [""; 0]);
        }
    }

    #[test]
    fn the_example_in_the_help_is_valid_here() {
        let (_, rest) = LOCAL.split_once(":\n\n").unwrap();
        let (example, _) = rest.split_once("\n\n").unwrap();
        let document = resource::parse("help".to_owned(), example).unwrap();
        assert_eq!(
            validate::offline(&document.value, validate::Target::Local),
            []
        );
    }
}
