//! The user's command: page views and edits on a laptop, and resources on a cluster.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    wikiingest_cli::wikiingest().await.into()
}
