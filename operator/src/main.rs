//! The Kubernetes operator that runs `WikiIngest` resources.
#![allow(
    clippy::doc_markdown,
    reason = "the documentation of the command line is its help, as plain text"
)]

use std::{
    error::Error,
    io::{self, Write as _},
};

use clap::{Parser, Subcommand};

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
}

fn main() -> Result<(), Box<dyn Error>> {
    match Cli::parse().command {
        Command::Crd => io::stdout().write_all(wikiingest_crds::crd::yaml()?.as_bytes())?,
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }
}
