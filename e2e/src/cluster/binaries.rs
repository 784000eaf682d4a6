//! The cluster's programs, built from the Go modules that `e2e/cluster/pins/` pins.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::home::{Home, remove};
use super::static_file;
use crate::error::{Doing, Error, Result};
use crate::install::hex;
use crate::process::find;
use crate::say::say;
use crate::steps::stream;

/// The release of Kubernetes, as `pins/kubernetes/go.mod` has it.
pub(crate) const KUBERNETES: &str = "v1.36.3";

/// The release of kind, as `pins/tools/go.mod` has it.
pub(crate) const KIND: &str = "v0.33.0";

/// To be counted on when something below changes what is built.
const RECIPE: &str = "1";

const PINS: &[&str] = &["tools", "kubernetes", "coredns"];

/// One `go install`.
pub(super) struct Build {
    pub(super) pins: &'static str,
    pub(super) tags: &'static str,
    /// Commands to build; all that the folder has as tools, if there are none.
    pub(super) packages: &'static [&'static str],
}

/// What whoever talks to a cluster needs.
const CLIENTS: &[Build] = &[
    Build {
        pins: "tools",
        tags: "",
        packages: &["sigs.k8s.io/kind", "helm.sh/helm/v4/cmd/helm"],
    },
    Build {
        pins: "kubernetes",
        tags: "",
        packages: &["k8s.io/kubernetes/cmd/kubectl"],
    },
];

/// What a node consists of.
const NODE: &[Build] = &[
    Build {
        pins: "tools",
        tags: "no_btrfs,no_devmapper,no_zfs",
        packages: &[],
    },
    Build {
        pins: "kubernetes",
        tags: "",
        packages: &[],
    },
    Build {
        pins: "coredns",
        tags: "",
        packages: &[],
    },
];

/// Our program that asks kstatus' library.
const KSTATUS: &[Build] = &[Build {
    pins: "kstatus",
    tags: "",
    packages: &["."],
}];

/// What makes the chart's README.
const CHART: &[Build] = &[Build {
    pins: "chart",
    tags: "",
    packages: &["github.com/norwoodj/helm-docs/cmd/helm-docs"],
}];

/// Where they are: a folder named after what they are built from.
pub(crate) fn dir(home: &Home) -> Result<PathBuf> {
    let modules = PINS
        .iter()
        .flat_map(|pins| ["go.mod", "go.sum"].map(|file| format!("pins/{pins}/{file}")));
    named_after(home, "bin", modules.chain(["pause.c".to_owned()]))
}

/// Where `kstatus` is: a folder of its own, so that a change of it builds none of the others anew.
pub(crate) fn kstatus_dir(home: &Home) -> Result<PathBuf> {
    let sources = ["go.mod", "go.sum", "main.go"].map(|file| format!("pins/kstatus/{file}"));
    named_after(home, "kstatus", sources)
}

/// Where `helm-docs` is, for the same reason in a folder of its own.
pub(crate) fn chart_dir(home: &Home) -> Result<PathBuf> {
    let sources = ["go.mod", "go.sum"].map(|file| format!("pins/chart/{file}"));
    named_after(home, "chart", sources)
}

pub(super) fn named_after(
    home: &Home,
    what: &str,
    files: impl IntoIterator<Item = String>,
) -> Result<PathBuf> {
    let mut hash = Sha256::new();
    hash.update(RECIPE);
    for file in files {
        let path = static_file(&file)?;
        hash.update(fs::read(&path).doing_to("reading", &path)?);
    }
    Ok(home.path(&format!("{what}-{}", hex(&hash.finalize()[..6]))))
}

/// `kind`, `kubectl` and `helm`: minutes the first time, nothing after that.
pub(crate) fn clients(home: &Home) -> Result<PathBuf> {
    built(home, dir(home)?, "clients", CLIENTS, |_| Ok(()))
}

/// What reads an object as kstatus does: seconds.
pub(crate) fn kstatus(home: &Home) -> Result<PathBuf> {
    built(home, kstatus_dir(home)?, "kstatus", KSTATUS, |_| Ok(()))
}

/// What makes the chart's README: a minute the first time.
pub(crate) fn chart(home: &Home) -> Result<PathBuf> {
    built(home, chart_dir(home)?, "chart's tools", CHART, |_| Ok(()))
}

/// All that a node image takes: ten minutes and more the first time.
pub(crate) fn node(home: &Home) -> Result<PathBuf> {
    built(home, dir(home)?, "node", NODE, |dir| {
        let etcd = ["server", "v3"].map(|name| dir.join(name));
        // Go names it after the last part of its module's path.
        for built in etcd.iter().filter(|built| built.is_file()) {
            fs::rename(built, dir.join("etcd")).doing_to("renaming", built)?;
        }
        pause(dir)
    })
}

fn pause(dir: &Path) -> Result<()> {
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O2", "-static", "-o"])
        .arg(dir.join("pause"))
        .arg(static_file("pause.c")?);
    stream(&mut compiler)
}

/// Builds unless a stamp says that this was done.
pub(super) fn built(
    home: &Home,
    dir: PathBuf,
    what: &str,
    builds: &[Build],
    finish: impl Fn(&Path) -> Result<()>,
) -> Result<PathBuf> {
    built_with(go_of_the_system, home, dir, what, builds, finish)
}

fn go_of_the_system() -> Result<PathBuf> {
    find("go").ok_or_else(|| {
        Error::other(
            "the cluster's programs are built with Go, which is not here: install Go 1.26 or later",
        )
    })
}

/// The same with another Go, which is looked for only when there is something to build.
pub(super) fn built_with(
    go: impl Fn() -> Result<PathBuf>,
    home: &Home,
    dir: PathBuf,
    what: &str,
    builds: &[Build],
    finish: impl Fn(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let stamp = dir.join(format!(".{what}"));
    if stamp.is_file() {
        return Ok(dir);
    }
    let go = go()?;
    fs::create_dir_all(&dir).doing_to("making", &dir)?;
    say!("building the cluster's {what} into {}", dir.display());
    // Links need temporary files as big as what they link.
    let work = home.work()?;
    for build in builds {
        build.run(&go, &dir, work.path())?;
    }
    finish(&dir)?;
    remove(work.path())?;
    fs::write(&stamp, "").doing_to("writing", &stamp)?;
    Ok(dir)
}

impl Build {
    fn run(&self, go: &Path, dir: &Path, work: &Path) -> Result<()> {
        let tool = ["tool"];
        let packages = if self.packages.is_empty() {
            &tool[..]
        } else {
            self.packages
        };
        say!("  go install {} (pins/{})", packages.join(" "), self.pins);
        let mut go = Command::new(go);
        go.arg("install")
            .args(["-tags", self.tags, "-ldflags", &self.flags()])
            .args(packages)
            .current_dir(static_file("pins")?.join(self.pins))
            .env("GOBIN", dir)
            .env("GOTMPDIR", work)
            .env("GOFLAGS", "-trimpath -mod=readonly")
            .env("CGO_ENABLED", "0");
        stream(&mut go)
    }

    /// Without its version the API server calls itself v0.0.0, and kubeadm refuses.
    fn flags(&self) -> String {
        if self.pins != "kubernetes" {
            return "-s -w".to_owned();
        }
        let version = "k8s.io/component-base/version";
        format!(
            "-s -w -X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor=1 -X {version}.gitMinor=36 \
             -X {version}.gitTreeState=clean -X k8s.io/client-go/pkg/version.gitVersion={KUBERNETES}"
        )
    }
}
