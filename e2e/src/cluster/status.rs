//! What there is of the cluster.

use super::home::{Home, NAME, NODE};
use super::{binaries, engine, images, kind};
use crate::error::{Error, Result};
use crate::say::say;

/// Says it; an error if the cluster is not up.
pub(crate) fn show() -> Result<()> {
    let home = Home::find()?;
    let missing = |what: &str| Error::other(format!("{what}: run `cargo e2e cluster up`"));
    say!("programs    {}", binaries::dir(&home)?.display());
    let Some(docker) = engine::find(&home) else {
        say!("engine      none");
        return Err(missing("no Docker engine answers"));
    };
    let version = docker.ask(&["version", "--format", "{{.Server.Version}}"])?;
    let whose = docker
        .host()
        .map_or("found here".to_owned(), |host| format!("ours, {host}"));
    say!("engine      Docker {version}, {whose}");
    let Ok(node) = docker.ask(&[
        "inspect",
        "--format",
        "{{.State.Status}} {{.Config.Image}}",
        NODE,
    ]) else {
        say!("node        none");
        return Err(missing(&format!("there is no cluster {NAME}")));
    };
    say!("node        {NODE}: {node}");
    for (image, id) in images::loaded(&docker) {
        say!("image       {image} {}", id.get(..19).unwrap_or(&id));
    }
    kind::ready(&home).map_err(|error| {
        Error::other(format!(
            "the cluster does not answer as it should: run `cargo e2e cluster up`\n{error}"
        ))
    })?;
    let version = kind::kubectl(&home, &["version", "-o", "json"])?;
    let version: serde_json::Value = serde_json::from_str(&version).unwrap_or_default();
    let version = version["serverVersion"]["gitVersion"].as_str();
    say!("kubernetes  {}, ready", version.unwrap_or("?"));
    say!("kubeconfig  {}", home.kubeconfig().display());
    Ok(())
}
