//! The test cluster: a real Kubernetes by kind, on the Docker engine of this machine or on one that we start.
//!
//! Where there is an engine and a registry, both are used. On a bare Debian machine the engine comes from Debian's
//! package, and the node image is made from Debian's packages and pinned Go modules. All of it is kept below
//! `~/.cache/wikiingest/cluster`; deleting that folder after `cargo e2e cluster down` starts from nothing.

mod base;
mod binaries;
pub mod client;
mod docker;
mod engine;
pub mod gitops;
mod home;
mod images;
mod kind;
mod node_image;
mod status;

use std::process::Command;
use std::time::Instant;

use clap::{Args, Subcommand};

pub use home::{Home, NAME, NODE};

use crate::error::{Error, Result};
use crate::install::{self, Program};
use crate::say::say;
use crate::steps::Workspace;
use docker::Docker;

/// What to do with the cluster.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Action {
    /// Bring it up, or say that it is; survives the end of this command
    Up,
    /// Delete it, and stop the Docker engine if it was started for it; what is cached stays
    Down,
    /// Say what there is of it, and how to talk to it; the exit code is 1 when it is not up
    Status,
}

/// How images are made.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct ImageOptions {
    /// Package binaries of the release profile
    #[arg(long)]
    release: bool,
}

/// `cargo e2e cluster`.
pub(crate) fn run(action: Action) -> Result<()> {
    match action {
        Action::Up => up().map(drop),
        Action::Down => down(),
        Action::Status => status::show(),
    }
}

/// `cargo e2e images`: the cluster too, as that is where they go.
pub(crate) fn make_images(options: ImageOptions) -> Result<()> {
    let docker = up()?;
    let home = Home::find()?;
    let _lock = home.lock()?;
    images::make(&home, &docker, options.release)
}

/// Brings the cluster up unless it is, and gives the engine that it runs on.
fn up() -> Result<Docker> {
    let home = Home::find()?;
    // Two at once: the second waits, and finds it up.
    let _lock = home.lock()?;
    let started = Instant::now();
    let kubectl = binaries::clients(&home)?;
    binaries::kstatus(&home)?;
    binaries::chart(&home)?;
    let docker = engine::find_or_start(&home)?;
    let how = kind::up(&home, &docker)?;
    say!(
        "the cluster {NAME} is {how} ({:.1} s); to talk to it:\n  export KUBECONFIG={}\n  alias kubectl={}",
        started.elapsed().as_secs_f64(),
        home.kubeconfig().display(),
        kubectl.join("kubectl").display(),
    );
    if let Some(host) = docker.host() {
        say!("  export DOCKER_HOST={host}");
    }
    Ok(docker)
}

fn down() -> Result<()> {
    let home = Home::find()?;
    let _lock = home.lock()?;
    if let Some(docker) = engine::find_or_revive(&home)? {
        binaries::clients(&home)?;
        kind::down(&home, &docker)?;
    }
    engine::stop_ours(&home)?;
    say!("the cluster {NAME} is down");
    Ok(())
}

/// Writes the chart's README anew, from the comments in its values.
pub(crate) fn chart_readme() -> Result<()> {
    let home = Home::find()?;
    let _lock = home.lock()?;
    binaries::chart(&home)?;
    let readme = client::Chart::of_the_work_tree()?.write_readme(&home)?;
    say!("wrote {}", readme.display());
    Ok(())
}

/// Where the cluster is kept, if it is up.
///
/// # Errors
/// If it is not; what to run is said.
pub fn ready() -> Result<Home> {
    let home = Home::find()?;
    kind::ready(&home).map_err(|error| {
        Error::other(format!(
            "the test cluster is not up: run `cargo e2e images`, which brings it up and fills it\n{error}"
        ))
    })?;
    Ok(home)
}

/// The client of the engine that the cluster runs on.
///
/// # Errors
/// If no engine answers.
pub fn docker() -> Result<Command> {
    let docker = engine::find(&Home::find()?);
    docker
        .map(|docker| docker.client())
        .ok_or_else(|| Error::other("no Docker engine answers: run `cargo e2e cluster up`"))
}

/// What `cargo e2e cluster up` would install: nothing where an engine answers.
pub(crate) fn install() -> Result<()> {
    match engine::find(&Home::find()?) {
        Some(_) => Ok(()),
        None => install_packages(),
    }
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

/// What an engine of our own and a node image of our own are made with.
const FOR_CLUSTER: &[Program] = &[
    program("dockerd", "docker.io"),
    program("docker", "docker.io"),
    program("runc", "runc"),
    program("iptables", "iptables"),
    program("nft", "nftables"),
    program("jq", "jq"),
    program("mmdebstrap", "mmdebstrap"),
    program("setsid", "util-linux"),
];

fn install_packages() -> Result<()> {
    install::debian(FOR_CLUSTER)
}

/// A script of `e2e/cluster/`.
fn script(name: &str) -> Result<Command> {
    let mut command = Command::new("bash");
    command.arg(static_file(name)?);
    Ok(command)
}

/// A file of `e2e/cluster/`.
fn static_file(name: &str) -> Result<std::path::PathBuf> {
    Ok(Workspace::find()?.e2e().join("cluster").join(name))
}
