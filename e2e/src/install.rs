//! What the tests need beyond Rust: Debian packages, Python readers, cargo-deny. Installed when missing, if this is
//! Debian and we are root; else whoever asked is told exactly what to install.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::error::{Doing, Error, Result};
use crate::process::{capture, find};
use crate::say::say;
use crate::scratch;

/// A program, and the Debian package that has it.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What is run.
    pub name: &'static str,
    /// What to install for it.
    pub package: &'static str,
}

const fn program(name: &'static str, package: &'static str) -> Program {
    Program { name, package }
}

/// What the servers and readers need. The server's package is the one without the service: nothing is started by
/// the installation.
pub const FOR_TESTS: &[Program] = &[
    program("setpriv", "util-linux"),
    program("mariadbd", "mariadb-server-core"),
    program("mariadb-install-db", "mariadb-server-core"),
    program("mariadb", "mariadb-client"),
    program("python3", "python3"),
    // For a clock that is wrong, and for certificates that nobody trusts.
    program("faketime", "faketime"),
    program("openssl", "openssl"),
    // For Spark, one of the readers.
    program("java", "default-jre-headless"),
];

/// What the dashboards' suite asks.
pub const FOR_DASHBOARDS: &[Program] = &[program("promtool", "prometheus")];

/// What the suite `athena` needs, with which Trino is put together.
pub const FOR_ATHENA: &[Program] = &[
    program("mvn", "maven"),
    program("javac", "default-jdk-headless"),
];

/// What the benches compare with.
pub const FOR_BENCHES: &[Program] = &[
    program("mariadb-import", "mariadb-client"),
    program("igzip", "isal"),
    program("lbzip2", "lbzip2"),
];

/// Installs the packages of those programs that are missing.
///
/// # Errors
/// If something is missing and cannot be installed from here.
pub fn debian(programs: &[Program]) -> Result<()> {
    let mut packages: Vec<&str> = programs
        .iter()
        .filter(|program| find(program.name).is_none())
        .map(|program| program.package)
        .collect();
    if find("python3").is_none() || !has_venv("python3") {
        packages.push("python3-venv");
    }
    packages.sort_unstable();
    packages.dedup();
    if packages.is_empty() {
        return Ok(());
    }
    let command = format!(
        "apt-get install -y --no-install-recommends {}",
        packages.join(" ")
    );
    if !rustix::process::geteuid().is_root() || find("apt-get").is_none() {
        return Err(Error::other(format!(
            "missing: {}; on Debian, as root: apt-get update && {command}",
            packages.join(", ")
        )));
    }
    say!("installing {} with apt-get", packages.join(", "));
    apt(&["update", "-q"])?;
    let mut install = vec!["install", "-y", "-q", "--no-install-recommends"];
    install.extend(&packages);
    apt(&install)
}

fn apt(args: &[&str]) -> Result<()> {
    capture(
        Command::new("apt-get")
            .args(args)
            .env("DEBIAN_FRONTEND", "noninteractive"),
    )
    .map(drop)
}

fn has_venv(python: &str) -> bool {
    capture(Command::new(python).args(["-c", "import ensurepip, venv"])).is_ok()
}

/// A Python environment with what a requirements file lists.
#[derive(Debug, Clone)]
pub struct Python {
    dir: PathBuf,
}

impl Python {
    /// The interpreter.
    #[must_use]
    pub fn interpreter(&self) -> PathBuf {
        self.dir.join("bin").join("python")
    }

    /// Another program of the environment.
    #[must_use]
    pub fn program(&self, name: &str) -> PathBuf {
        self.dir.join("bin").join(name)
    }
}

/// Makes the environment for a requirements file, unless one with the same lines is there.
///
/// # Errors
/// If pip fails.
pub fn python(requirements: &Path) -> Result<Python> {
    let text = fs::read(requirements).doing_to("reading", requirements)?;
    let hash = hex(&Sha256::digest(&text)[..6]);
    let dir = scratch::cache()?.join(format!("venv-{hash}"));
    let complete = dir.join("complete");
    if !complete.exists() {
        say!(
            "installing {} into {}",
            requirements.display(),
            dir.display()
        );
        capture(
            Command::new("python3")
                .args(["-m", "venv", "--clear"])
                .arg(&dir),
        )?;
        let pip = [
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--requirement",
        ];
        capture(
            Command::new(dir.join("bin/python"))
                .args(pip)
                .arg(requirements),
        )?;
        fs::write(&complete, "").doing_to("writing", &complete)?;
    }
    Ok(Python { dir })
}

/// Bytes as text, for names of things that are kept by their contents.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const DENY_VERSION: &str = "0.20.2";
const AUDITABLE_VERSION: &str = "0.7.7";

/// `cargo-deny`, built from source where it is missing.
///
/// # Errors
/// If it does not build.
pub fn cargo_deny() -> Result<PathBuf> {
    cargo_tool("cargo-deny", DENY_VERSION)
}

/// cargo-auditable, built once: `cargo` with it writes into a binary what that was built of.
///
/// # Errors
/// If it does not build.
pub fn cargo_auditable() -> Result<PathBuf> {
    cargo_tool("cargo-auditable", AUDITABLE_VERSION)
}

fn cargo_tool(name: &str, version: &str) -> Result<PathBuf> {
    let root = scratch::cache()?.join("tools");
    let tool = root.join("bin").join(name);
    // What cargo notes of what it installed; not every tool tells its version.
    let notes = fs::read_to_string(root.join(".crates.toml")).unwrap_or_default();
    if !tool.is_file() || !notes.contains(&format!("\"{name} {version} (")) {
        say!("building {name} {version} into {}", root.display());
        let mut install = Command::new(cargo());
        install
            .args(["install", name, "--locked", "--force"])
            .args(["--version", version, "--root"])
            .arg(&root);
        let status = install.status().doing("starting cargo install")?;
        if !status.success() {
            return Err(Error::other(format!(
                "cargo install {name} ended with {status}"
            )));
        }
    }
    Ok(tool)
}

/// The cargo that runs us, or the one on the PATH.
#[must_use]
pub fn cargo() -> PathBuf {
    std::env::var_os("CARGO").map_or_else(|| "cargo".into(), PathBuf::from)
}
