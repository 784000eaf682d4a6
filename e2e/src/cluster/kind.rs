//! The cluster itself.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::binaries;
use super::docker::Docker;
use super::home::{Home, NAME, NODE};
use super::node_image::{self, NodeImage};
use super::static_file;
use crate::error::{Doing, Error, Result};
use crate::process::{capture, until};
use crate::say::say;
use crate::steps::stream;

/// A node that comes back with its engine needs some seconds; a busy machine more of them.
const COMES_BACK: Duration = Duration::from_mins(1);

/// How long the parts of a new cluster may take.
const SETTLES: Duration = Duration::from_mins(3);

/// Brings the cluster up, and says how it was found.
pub(crate) fn up(home: &Home, docker: &Docker) -> Result<&'static str> {
    let image = node_image::get(home, docker)?;
    if exists(home, docker)? {
        if node_of(docker).is_some_and(|name| same(&name, &image.name)) && recovered(home, docker) {
            return Ok("up already");
        }
        say!("the cluster that is there is of no use: making another");
        down(home, docker)?;
    }
    create(home, docker, &image)?;
    settle(home)?;
    Ok("up")
}

fn kind(home: &Home, docker: &Docker, args: &[&str]) -> Result<Command> {
    let bin = binaries::dir(home)?;
    let mut kind = docker.program(bin.join("kind"), &bin);
    kind.args(args)
        .args(["--name", NAME])
        .env("KUBECONFIG", home.kubeconfig())
        .env_remove("KIND_EXPERIMENTAL_PROVIDER");
    Ok(kind)
}

/// Puts images of the engine into the node.
pub(crate) fn load(home: &Home, docker: &Docker, images: &[&str]) -> Result<()> {
    let mut args = vec!["load", "docker-image"];
    args.extend(images);
    capture(&mut kind(home, docker, &args)?).map(drop)
}

fn exists(home: &Home, docker: &Docker) -> Result<bool> {
    let bin = binaries::dir(home)?;
    let clusters = capture(
        docker
            .program(bin.join("kind"), &bin)
            .args(["get", "clusters", "-q"]),
    )?;
    Ok(clusters.lines().any(|name| name == NAME))
}

/// The image that the node was made of.
fn node_of(docker: &Docker) -> Option<String> {
    docker
        .ask(&["inspect", "--format", "{{.Config.Image}}", NODE])
        .ok()
}

/// By name and version: an engine may know a pulled image with its digest or without.
fn same(one: &str, other: &str) -> bool {
    one.split('@').next() == other.split('@').next()
}

/// Whether the cluster that exists answers, after a start of its node if that is what it takes.
fn recovered(home: &Home, docker: &Docker) -> bool {
    if ready(home).is_ok() {
        return true;
    }
    say!("waiting for the node to come back");
    // It fails for a node that runs; a paused one is what a test of faults may leave.
    let _ = docker.ask(&["unpause", NODE]);
    let started = docker.ask(&["start", NODE]);
    started.is_ok() && export(home, docker).is_ok() && until(COMES_BACK, || ready(home)).is_ok()
}

/// Its kubeconfig may have been deleted.
fn export(home: &Home, docker: &Docker) -> Result<()> {
    capture(&mut kind(home, docker, &["export", "kubeconfig"])?).map(drop)
}

fn create(home: &Home, docker: &Docker, image: &NodeImage) -> Result<()> {
    say!("creating the cluster {NAME} of {}", image.name);
    let config = static_file(image.config)?.display().to_string();
    let args = ["create", "cluster", "-q", "--wait", "180s"];
    let mut create = kind(home, docker, &args)?;
    create.args(["--image", &image.name, "--config", &config]);
    stream(&mut create)
}

/// Deletes the cluster; it may not be there.
pub(crate) fn down(home: &Home, docker: &Docker) -> Result<()> {
    capture(&mut kind(home, docker, &["delete", "cluster"])?)?;
    let kubeconfig = home.kubeconfig();
    if kubeconfig.exists() {
        fs::remove_file(&kubeconfig).doing_to("removing", &kubeconfig)?;
    }
    Ok(())
}

/// kind calls a node ready before it takes pods: their service account and DNS come later.
fn settle(home: &Home) -> Result<()> {
    until(SETTLES, || ready(home))
        .map_err(|error| Error::other(format!("the new cluster does not become usable: {error}")))
}

/// Whether a pod could be started now, and resolve names. DNS is asked itself: what the API server knows of it may be
/// from before a restart of the node.
pub(crate) fn ready(home: &Home) -> Result<()> {
    kubectl(home, &["get", "serviceaccount", "default", "-o", "name"])?;
    kubectl(home, &["get", "--raw", DNS]).map(drop)
}

/// The metrics of DNS, which the API server fetches from one of its pods.
const DNS: &str = "/api/v1/namespaces/kube-system/services/kube-dns:metrics/proxy/metrics";

/// Asks the API server.
pub(crate) fn kubectl(home: &Home, args: &[&str]) -> Result<String> {
    let kubectl: PathBuf = home.kubectl()?;
    capture(
        Command::new(kubectl)
            .arg("--request-timeout=5s")
            .args(args)
            .env("KUBECONFIG", home.kubeconfig()),
    )
}
