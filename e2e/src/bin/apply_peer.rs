//! Applies objects and does nothing else, and prints the seconds it took: what the operator is held against.
//! `cargo e2e bench operator` runs it.

use std::error::Error;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::time::Instant;

use clap::Parser;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::Value;

/// Applies objects on the server's side and prints the seconds.
#[derive(Debug, Parser)]
struct Args {
    /// A JSON list of objects a line. Those of a list are applied one after another
    file: PathBuf,
    /// How many lists at a time
    #[arg(long)]
    abreast: usize,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args = Args::parse();
    let text = std::fs::read_to_string(&args.file)?;
    let lists: Vec<Vec<Value>> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let started = Instant::now();
    let client = Client::try_default().await?;
    // In one task, as a controller has its reconciles.
    stream::iter(&lists)
        .map(Ok)
        .try_for_each_concurrent(args.abreast, |list| apply(&client, list))
        .await?;
    writeln!(io::stdout(), "{}", started.elapsed().as_secs_f64())?;
    Ok(())
}

async fn apply(client: &Client, list: &[Value]) -> kube::Result<()> {
    let params = PatchParams::apply("apply-peer").force();
    for object in list {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (version, kind) = (text(&object["apiVersion"]), text(&object["kind"]));
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &kind));
        let metadata = &object["metadata"];
        let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &namespace, &resource);
        api.patch(&name, &params, &Patch::Apply(object)).await?;
    }
    Ok(())
}
