//! `cargo e2e`: runs the tests that need real servers, and the benches.

use std::process::ExitCode;

use clap::Parser as _;
use wikiingest_e2e::cli::{Cli, run};

fn main() -> ExitCode {
    run(Cli::parse())
}
