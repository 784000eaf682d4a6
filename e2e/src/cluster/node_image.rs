//! The image that kind's node runs: the one that kind publishes, or one of our own making.

use std::fs;

use sha2::{Digest as _, Sha256};

use super::binaries::{self, KIND, KUBERNETES};
use super::docker::Docker;
use super::home::Home;
use super::{install_packages, script, static_file};
use crate::error::{Doing, Result};
use crate::install::hex;
use crate::say::say;
use crate::steps::stream;

/// What the release of kind that we pin was made for.
const PUBLISHED: &str =
    "kindest/node:v1.37.0@sha256:a1ed56cfb0e7b93589bdf97c8cd566405a265939e3620fc4f5de89adff580ae5";

/// An image, and the configuration of the cluster that fits it.
#[derive(Debug)]
pub(crate) struct NodeImage {
    /// Its name.
    pub(crate) name: String,
    /// A file of `e2e/cluster/`.
    pub(crate) config: &'static str,
}

/// An image that the engine has.
pub(crate) fn get(home: &Home, docker: &Docker) -> Result<NodeImage> {
    let own = own_name(home)?;
    // Published or not was decided when the first cluster was made: asking a registry each time would take its time.
    if !docker.has_image(&own) {
        if docker.can_have(PUBLISHED) {
            return Ok(NodeImage {
                name: PUBLISHED.to_owned(),
                config: "kind-published.yaml",
            });
        }
        make(home, docker, &own)?;
    }
    Ok(NodeImage {
        name: own,
        config: "kind-own.yaml",
    })
}

/// Named after what it is made of.
fn own_name(home: &Home) -> Result<String> {
    let mut hash = Sha256::new();
    let binaries = binaries::dir(home)?;
    hash.update(binaries.file_name().unwrap_or_default().as_encoded_bytes());
    for file in [
        "node-image.sh",
        "node/10-kind.conflist",
        "node/default-storage.yaml",
    ] {
        let path = static_file(file)?;
        hash.update(fs::read(&path).doing_to("reading", &path)?);
    }
    let hash = hex(&hash.finalize()[..6]);
    Ok(format!("wikiingest/kind-node:{KUBERNETES}-{hash}"))
}

fn make(home: &Home, docker: &Docker, name: &str) -> Result<()> {
    install_packages()?;
    let bin = binaries::node(home)?;
    say!("making the node image {name}");
    let work = home.work()?;
    let mut script = script("node-image.sh")?;
    script.arg(&bin).arg(work.path());
    script.args([name, KUBERNETES, KIND]);
    if let Some(host) = docker.host() {
        script.env("DOCKER_HOST", host);
    }
    stream(&mut script)
}
