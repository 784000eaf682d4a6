//! The Docker engine: the one that runs here, or Debian's, started by us with its data in the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::docker::Docker;
use super::home::Home;
use super::{install_packages, static_file};
use crate::error::{Doing, Error, Result};
use crate::process::{capture, until};
use crate::say::say;
use crate::servers::tail;

/// How long an engine may take to come up or to end; it starts the containers that it had.
const PATIENCE: Duration = Duration::from_mins(1);

/// An engine that answers: ours, or the machine's.
pub(crate) fn find(home: &Home) -> Option<Docker> {
    [Docker::ours(&home.path("docker.sock")), Docker::found()]
        .into_iter()
        .find(Docker::answers)
}

/// An engine, whatever it takes.
pub(crate) fn find_or_start(home: &Home) -> Result<Docker> {
    if let Some(docker) = find(home) {
        return Ok(docker);
    }
    if !cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
        return Err(Error::other(
            "no Docker engine answers `docker version`: start one (as root on Debian, one is made)",
        ));
    }
    install_packages()?;
    // Where services are started as their packages are installed, there is one now.
    match find(home) {
        Some(docker) => Ok(docker),
        None => start(home),
    }
}

fn start(home: &Home) -> Result<Docker> {
    let docker = Docker::ours(&home.path("docker.sock"));
    say!(
        "starting a Docker engine on {}",
        home.path("data").display()
    );
    forget_dead(home)?;
    let log = home.path("dockerd.log");
    let output = File::create(&log).doing_to("creating", &log)?;
    let wrap = home.path("runc-wrap");
    fs::copy(static_file("runc-wrap")?, &wrap).doing_to("copying runc-wrap to", &wrap)?;
    let mut command = Command::new("setsid");
    command
        .args(["--fork", "dockerd"])
        .arg(format!("--data-root={}", home.path("data").display()))
        .arg(format!("--exec-root={}", home.path("exec").display()))
        .arg(format!("--pidfile={}", pid_file(home).display()))
        .arg(format!(
            "--host=unix://{}",
            home.path("docker.sock").display()
        ))
        .arg("--exec-opt=native.cgroupdriver=cgroupfs")
        // See runc-wrap.
        .args(["--oom-score-adjust=0", "--default-runtime=wrap"])
        .arg(format!("--add-runtime=wrap={}", wrap.display()))
        // Debian's engine goes with Debian's containerd and shim.
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.try_clone().doing_to("opening", &log)?)
        .stderr(output);
    let status = command.status().doing("starting setsid dockerd")?;
    let up = until(PATIENCE, || {
        if docker.answers() {
            return Ok(());
        }
        Err(Error::other(format!("setsid ended with {status}")))
    });
    up.map_err(|_| {
        Error::other(format!(
            "dockerd did not come up; {} ends with:\n{}",
            log.display(),
            tail(&log)
        ))
    })?;
    Ok(docker)
}

fn pid_file(home: &Home) -> PathBuf {
    home.path("dockerd.pid")
}

/// An engine that was killed leaves pid files, whose numbers may be other processes' by now.
fn forget_dead(home: &Home) -> Result<()> {
    for file in [pid_file(home), home.path("exec/containerd/containerd.pid")] {
        if file.is_file() && running(home, &file).is_none() {
            fs::remove_file(&file).doing_to("removing", &file)?;
        }
    }
    // One that lives and does not answer is in the way.
    end_ours(home);
    unmount(&home.path("exec/netns"))
}

/// The process of a pid file, if it is one that works on our folder.
fn running(home: &Home, file: &Path) -> Option<Pid> {
    let pid = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let ours = home.path("exec").display().to_string();
    String::from_utf8_lossy(&command)
        .contains(&ours)
        .then(|| Pid::from_raw(pid))?
}

/// An engine to delete the cluster with: the one that answers, or ours again, when it was killed and left containers.
pub(crate) fn find_or_revive(home: &Home) -> Result<Option<Docker>> {
    if let Some(docker) = find(home) {
        return Ok(Some(docker));
    }
    let containers = fs::read_dir(home.path("data/containers"));
    if containers.is_ok_and(|mut containers| containers.next().is_some()) {
        return start(home).map(Some);
    }
    Ok(None)
}

/// Stops an engine that we started, so that its folder may be removed.
pub(crate) fn stop_ours(home: &Home) -> Result<()> {
    end_ours(home);
    unmount(&home.path("exec"))?;
    unmount(&home.path("data"))
}

/// The engine ends its containerd; one that was left by an engine that was killed is ours to end.
fn end_ours(home: &Home) {
    for file in [pid_file(home), home.path("exec/containerd/containerd.pid")] {
        let Some(pid) = running(home, &file) else {
            continue;
        };
        let _ = kill_process(pid, Signal::TERM);
        let gone = until(PATIENCE, || match running(home, &file) {
            None => Ok(()),
            Some(_) => Err(Error::other("it runs")),
        });
        if gone.is_err() {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// Unmounts what is mounted on a folder or inside it: an engine leaves its own folder mounted on itself.
fn unmount(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/mounts").unwrap_or_default();
    let points = mounts
        .lines()
        .filter_map(|line| line.split(' ').nth(1))
        .filter(|point| Path::new(point).starts_with(dir));
    // The last that was mounted lies on top.
    for point in points.collect::<Vec<_>>().into_iter().rev() {
        capture(Command::new("umount").args(["--lazy", point]))?;
    }
    Ok(())
}
