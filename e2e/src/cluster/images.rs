//! The images: ours, as users build them, and those of the servers that the suites run as pods.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Instant, UNIX_EPOCH};

use sha2::{Digest as _, Sha256};

use super::base::{self, Base};
use super::docker::Docker;
use super::home::{Home, NODE};
use super::kind;
use crate::binaries::Binaries;
use crate::error::{Doing, Result};
use crate::install::{self, hex};
use crate::process::{capture, find};
use crate::say::say;
use crate::servers::{mariadb, s3};
use crate::steps::{Workspace, stream};

/// An image carries what it was made of in this label, so that it is made again only when that changes.
const LABEL: &str = "dev.wikiingest.e2e.sources";

/// How to make one image.
struct Image {
    tag: &'static str,
    /// In the repository.
    dockerfile: &'static str,
    base: Base,
    /// What goes into the context of the build.
    context: Vec<Item>,
}

/// A file of the context.
struct Item {
    name: &'static str,
    from: From,
}

enum From {
    /// A binary, without its symbols: those of the dev profile are most of it.
    Binary(PathBuf),
    /// A file or a folder as it is.
    Copy(PathBuf),
    /// A text.
    Text(String),
}

/// Builds the programs and the images, and loads what changed into the node.
pub(crate) fn make(home: &Home, docker: &Docker, release: bool) -> Result<()> {
    let started = Instant::now();
    let workspace = Workspace::find()?;
    let profile = if release { "release" } else { "debug" };
    let build = ["build", "--workspace", "--bins"];
    if release {
        // With what they were built of in them, for whoever looks for known holes.
        let auditable = install::cargo_auditable()?;
        let build = [&["auditable"], &build[..], &["--release"]].concat();
        stream(&mut workspace.program(&auditable, &build))?;
    } else {
        stream(&mut workspace.cargo(&build))?;
    }
    let binaries = Binaries::beside_this_program()?.of_profile(profile);
    for image in all(&workspace, &binaries)? {
        image.build(home, docker, &workspace)?;
    }
    load(home, docker)?;
    // What a tag was taken from; the filter keeps other people's images.
    docker.ask(&[
        "image",
        "prune",
        "--force",
        "--filter",
        &format!("label={LABEL}"),
    ])?;
    say!(
        "the images are in the cluster ({:.1} s)",
        started.elapsed().as_secs_f64()
    );
    Ok(())
}

fn all(workspace: &Workspace, binaries: &Binaries) -> Result<Vec<Image>> {
    let binary = |name: &'static str| -> Result<Item> {
        let from = From::Binary(binaries.path(name)?);
        Ok(Item { name, from })
    };
    let e2e = workspace.e2e();
    Ok(vec![
        Image {
            tag: "wikiingest/operator:e2e",
            dockerfile: "operator/Dockerfile",
            base: base::RUNTIME,
            context: vec![binary("wikiingest-operator")?],
        },
        Image {
            tag: "wikiingest/workers:e2e",
            dockerfile: "workers/Dockerfile",
            base: base::RUNTIME,
            context: vec![
                binary("wikiingest-batch")?,
                binary("wikiingest-stream")?,
                binary("wikiingest")?,
            ],
        },
        Image {
            tag: "wikiingest/e2e-replay:e2e",
            dockerfile: "e2e/cluster/images/replay/Dockerfile",
            base: base::RUNTIME,
            context: vec![
                binary("wikimedia-replay")?,
                Item {
                    name: "samples",
                    from: From::Copy(e2e.join("samples")),
                },
            ],
        },
        mariadb_image(&e2e),
        s3_image(&e2e)?,
    ])
}

fn mariadb_image(e2e: &Path) -> Image {
    let settings = mariadb::SETTINGS
        .iter()
        .filter(|setting| !setting.starts_with("--bind-address"));
    let settings: Vec<&str> = settings.copied().collect();
    Image {
        tag: "wikiingest/e2e-mariadb:e2e",
        dockerfile: "e2e/cluster/images/mariadb/Dockerfile",
        base: base::MARIADB,
        context: vec![
            Item {
                name: "entrypoint",
                from: From::Copy(e2e.join("cluster/images/mariadb/entrypoint")),
            },
            Item {
                name: "init.sql",
                from: From::Text(mariadb::account()),
            },
            Item {
                name: "settings",
                from: From::Text(settings.join("\n")),
            },
        ],
    }
}

fn s3_image(e2e: &Path) -> Result<Image> {
    let python = install::python(&e2e.join("requirements.txt"))?;
    Ok(Image {
        tag: "wikiingest/e2e-s3:e2e",
        dockerfile: "e2e/cluster/images/s3/Dockerfile",
        base: base::RUNTIME,
        context: vec![
            Item {
                name: "weed",
                from: From::Copy(python.program("weed")),
            },
            Item {
                name: "identities.json",
                from: From::Text(s3::identity()),
            },
        ],
    })
}

impl Image {
    fn build(&self, home: &Home, docker: &Docker, workspace: &Workspace) -> Result<()> {
        let base = self.base.get(home, docker)?;
        let dockerfile = workspace.root().join(self.dockerfile);
        let sources = self.sources(&base, &dockerfile)?;
        let label = format!("{{{{index .Config.Labels \"{LABEL}\"}}}}");
        let built = docker.ask(&["image", "inspect", "--format", &label, self.tag]);
        if built.is_ok_and(|built| built == sources) {
            return Ok(());
        }
        let started = Instant::now();
        let context = home.work()?;
        for item in &self.context {
            item.put(context.path())?;
        }
        let mut client = docker.client();
        client
            .args(["build", "--quiet", "--tag", self.tag])
            .args(["--build-arg", &format!("BASE={base}")])
            .args(["--label", &format!("{LABEL}={sources}"), "--file"])
            .arg(&dockerfile)
            .arg(context.path());
        capture(&mut client)?;
        say!(
            "  built {} ({:.1} s)",
            self.tag,
            started.elapsed().as_secs_f64()
        );
        Ok(())
    }

    fn sources(&self, base: &str, dockerfile: &Path) -> Result<String> {
        let mut hash = Sha256::new();
        hash.update(base);
        hash.update(fs::read(dockerfile).doing_to("reading", dockerfile)?);
        for item in &self.context {
            hash.update(item.name);
            match &item.from {
                From::Text(text) => hash.update(text),
                From::Binary(path) | From::Copy(path) => state(&mut hash, path)?,
            }
        }
        Ok(hex(&hash.finalize()[..16]))
    }
}

/// What tells whether a file or a folder changed, without reading hundreds of megabytes.
fn state(hash: &mut Sha256, path: &Path) -> Result<()> {
    let meta = fs::metadata(path).doing_to("looking at", path)?;
    if !meta.is_dir() {
        let changed = meta.modified().doing_to("looking at", path)?;
        let changed = changed.duration_since(UNIX_EPOCH).unwrap_or_default();
        hash.update(meta.len().to_le_bytes());
        hash.update(changed.as_nanos().to_le_bytes());
        return Ok(());
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).doing_to("reading", path)? {
        entries.push(entry.doing_to("reading", path)?.path());
    }
    entries.sort();
    for entry in entries {
        hash.update(entry.file_name().unwrap_or_default().as_encoded_bytes());
        state(hash, &entry)?;
    }
    Ok(())
}

impl Item {
    fn put(&self, context: &Path) -> Result<()> {
        let to = context.join(self.name);
        match &self.from {
            From::Text(text) => {
                fs::write(&to, text).doing_to("writing", &to)?;
                fs::set_permissions(&to, Permissions::from_mode(0o644)).doing_to("opening", &to)
            }
            From::Binary(path) if find("strip").is_some() => {
                let mut strip = Command::new("strip");
                capture(strip.args(["-o"]).arg(&to).arg(path)).map(drop)
            }
            From::Binary(path) | From::Copy(path) => {
                capture(Command::new("cp").arg("-R").arg(path).arg(&to)).map(drop)
            }
        }
    }
}

const TAGS: &[&str] = &[
    "wikiingest/operator:e2e",
    "wikiingest/workers:e2e",
    "wikiingest/e2e-mariadb:e2e",
    "wikiingest/e2e-s3:e2e",
    "wikiingest/e2e-replay:e2e",
];

/// What the node was given, which it keeps a note of.
pub(crate) fn loaded(docker: &Docker) -> Vec<(String, String)> {
    let notes = docker.ask(&["exec", NODE, "sh", "-c", "cat /kind/loaded/*"]);
    notes
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(tag, id)| (tag.to_owned(), id.to_owned()))
        .collect()
}

fn load(home: &Home, docker: &Docker) -> Result<()> {
    let there = loaded(docker);
    let mut changed = Vec::new();
    for tag in TAGS.iter().copied() {
        let note = (tag.to_owned(), docker.image_id(tag)?);
        if !there.contains(&note) {
            changed.push(note);
        }
    }
    if changed.is_empty() {
        return Ok(());
    }
    let tags: Vec<&str> = changed.iter().map(|(tag, _)| tag.as_str()).collect();
    say!("  loading {}", tags.join(", "));
    kind::load(home, docker, &tags)?;
    for (tag, id) in &changed {
        let name = tag.replace(['/', ':'], "_");
        let note = format!("mkdir -p /kind/loaded && echo '{tag} {id}' >/kind/loaded/{name}");
        docker.ask(&["exec", NODE, "sh", "-c", &note])?;
    }
    Ok(())
}
