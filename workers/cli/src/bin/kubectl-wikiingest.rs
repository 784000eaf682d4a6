//! The same on a cluster, as a plugin: kubectl finds it on the PATH and runs it for `kubectl wikiingest`.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    wikiingest_cli::kubectl_wikiingest().await.into()
}
