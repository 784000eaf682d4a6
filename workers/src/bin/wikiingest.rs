//! The user's command: page views on a laptop, with no cluster.

use std::process::ExitCode;

use wikiingest_workers::cli;

#[tokio::main]
async fn main() -> ExitCode {
    cli::main().await.into()
}
