//! The controllers of Argo CD and Flux, built from Go modules as the cluster's programs are, but only for the suite that
//! asks for them: together they take a quarter of an hour the first time.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

use super::binaries::{Build, built, built_with, named_after};
use super::{Home, static_file};
use crate::error::{Doing, Error, Result};
use crate::install;
use crate::process::capture;

const FLUX: &[Build] = &[Build {
    pins: "flux",
    tags: "",
    packages: &["github.com/fluxcd/kustomize-controller"],
}];

/// Of source-controller only the CRDs are taken: not all that it is built from is to be had.
const SOURCE_CONTROLLER: &str = "github.com/fluxcd/source-controller@v1.9.6";

const ARGOCD: &[Build] = &[Build {
    pins: "argocd",
    tags: "",
    packages: &["github.com/argoproj/argo-cd/v3/cmd"],
}];

/// Argo CD is one program, which does what its name says.
const ROLES: &[&str] = &["argocd-repo-server", "argocd-application-controller"];

/// What the repository server calls for each revision, by this name.
const VERIFY: &str = "git-verify-wrapper.sh";

/// A folder with `kustomize-controller`, and in `crds/` the CRDs of Flux: three minutes the first time.
///
/// # Errors
/// If it does not build.
pub fn flux(home: &Home) -> Result<PathBuf> {
    let _lock = home.lock()?;
    let dir = named_after(home, "flux", pins("flux", &["go.mod", "go.sum"]))?;
    built(home, dir, "controllers of Flux", FLUX, |dir| {
        for named in ["github.com/fluxcd/kustomize-controller", SOURCE_CONTROLLER] {
            let module = module(Path::new("go"), "flux", named)?;
            crds(&module.join("config/crd/bases"), dir)?;
        }
        Ok(())
    })
}

/// A folder with `argocd` under the names of its roles, and in `crds/` the CRDs: six to ten minutes the first time.
///
/// # Errors
/// If it does not build.
pub fn argocd(home: &Home) -> Result<PathBuf> {
    let _lock = home.lock()?;
    let files = pins("argocd", &["go.mod", "go.sum", "requirements.txt"]);
    let dir = named_after(home, "argocd", files)?;
    built_with(newer_go, home, dir, "Argo CD", ARGOCD, |dir| {
        let module = module(&newer_go()?, "argocd", "github.com/argoproj/argo-cd/v3")?;
        crds(&module.join("manifests/crds"), dir)?;
        let verify = module.join("hack").join(VERIFY);
        copy(&verify, &dir.join(VERIFY))?;
        roles(dir)
    })
}

fn pins(of: &'static str, files: &'static [&'static str]) -> impl Iterator<Item = String> {
    files.iter().map(move |file| format!("pins/{of}/{file}"))
}

/// Argo CD asks for a Go that is newer than what builds the rest: PyPI has it.
fn newer_go() -> Result<PathBuf> {
    let requirements = static_file("pins/argocd/requirements.txt")?;
    Ok(install::python(&requirements)?.program("go"))
}

/// Where the source of a module is, by a name that go.mod pins or by a version of its own.
fn module(go: &Path, pins: &str, named: &str) -> Result<PathBuf> {
    #[derive(Deserialize)]
    struct Download {
        #[serde(rename = "Dir")]
        dir: PathBuf,
    }
    let mut download = Command::new(go);
    download
        .args(["mod", "download", "-json", named])
        .current_dir(static_file("pins")?.join(pins));
    let printed = capture(&mut download)?;
    let Download { dir } = serde_json::from_str(&printed).map_err(|error| {
        Error::other(format!("go mod download {named} printed no JSON: {error}"))
    })?;
    Ok(dir)
}

/// Keeps the CRDs of a folder.
fn crds(from: &Path, to: &Path) -> Result<()> {
    let kept = to.join("crds");
    fs::create_dir_all(&kept).doing_to("making", &kept)?;
    for entry in fs::read_dir(from).doing_to("reading", from)? {
        let file = entry.doing_to("reading", from)?.path();
        let name = file.file_name().unwrap_or_default();
        if name != "kustomization.yaml" {
            copy(&file, &kept.join(name))?;
        }
    }
    Ok(())
}

/// By its contents: in Go's cache nothing may be written to, nor run.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let text = fs::read(from).doing_to("reading", from)?;
    fs::write(to, text).doing_to("writing", to)
}

fn roles(dir: &Path) -> Result<()> {
    let (built, argocd) = (dir.join("cmd"), dir.join("argocd"));
    // Go names it after the last part of its path.
    fs::rename(&built, &argocd).doing_to("renaming", &built)?;
    for role in ROLES {
        let link = dir.join(role);
        if !link.is_symlink() {
            symlink("argocd", &link).doing_to("making", &link)?;
        }
    }
    let verify = dir.join(VERIFY);
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&verify, executable).doing_to("making executable", &verify)
}
