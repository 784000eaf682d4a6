//! Programs in Java that nobody packages for Debian: Trino, and Hive's parser, put together from what Maven's repository
//! has of them. `trino/` says what that is, and in which versions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use crate::error::{Doing, Result};
use crate::install::{self, hex};
use crate::process::{capture, guarded};
use crate::say::say;
use crate::scratch;

/// A program: its folder, and its main class, which is the one source file there.
#[derive(Debug, Clone, Copy)]
struct Program {
    folder: &'static str,
    main: &'static str,
}

const SERVER: Program = Program {
    folder: "server",
    main: "Serve",
};

const PARSER: Program = Program {
    folder: "parser",
    main: "Parse",
};

/// Both programs, with all that they need but Java.
#[derive(Debug, Clone)]
pub struct Jars {
    dir: PathBuf,
}

impl Jars {
    /// Puts them together, unless they are there already from the same files; `sources` is `e2e/trino`.
    ///
    /// # Errors
    /// If something cannot be fetched, or does not compile.
    pub fn install(sources: &Path) -> Result<Self> {
        install::debian(install::FOR_ATHENA)?;
        let dir = scratch::cache()?.join(format!("trino-{}", pins(sources)?));
        let complete = dir.join("complete");
        if !complete.exists() {
            say!("putting Trino together in {}", dir.display());
            // Of their own, and gone afterwards: what Maven fetches is there twice otherwise, 350 MB of it.
            let fetched = dir.join("fetched");
            for program in [PARSER, SERVER] {
                fetch(&sources.join(program.folder), &dir, program, &fetched)?;
                compile(&sources.join(program.folder), &dir, program)?;
            }
            fs::remove_dir_all(&fetched).doing_to("removing", &fetched)?;
            fs::write(&complete, "").doing_to("writing", &complete)?;
        }
        Ok(Self { dir })
    }

    /// Those that were installed into this folder.
    #[must_use]
    pub fn in_folder(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.dir
    }

    /// The folder with the server's plugins.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.dir.join(SERVER.folder).join("plugin")
    }

    /// Trino's server, with these options for Java. Its one argument is a version to call itself by.
    #[must_use]
    pub fn server(&self, options: &[&str]) -> Command {
        self.java(SERVER, options)
    }

    /// Hive's parser: it reads statements, each ended by a NUL, fails with the first that is none, and prints their number.
    #[must_use]
    pub fn parser(&self) -> Command {
        self.java(PARSER, &[])
    }

    fn java(&self, program: Program, options: &[&str]) -> Command {
        let home = self.dir.join(program.folder);
        let classes = format!("{0}/classes:{0}/lib/*", home.display());
        let mut java = guarded("java");
        java.args(options).args(["-cp", &classes]).arg(program.main);
        java
    }
}

/// What tells one set of files from another.
fn pins(sources: &Path) -> Result<String> {
    let mut hash = Sha256::new();
    for program in [SERVER, PARSER] {
        for name in ["pom.xml", &source(program)] {
            let file = sources.join(program.folder).join(name);
            hash.update(fs::read(&file).doing_to("reading", &file)?);
        }
    }
    Ok(hex(&hash.finalize()[..6]))
}

fn source(program: Program) -> String {
    format!("{}.java", program.main)
}

fn fetch(sources: &Path, dir: &Path, program: Program, repository: &Path) -> Result<()> {
    let home = dir.join(program.folder);
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(sources.join("pom.xml"))
        .arg(format!("-Dmaven.repo.local={}", repository.display()))
        .arg(format!("-Dhome={}", home.display()))
        .arg("package");
    capture(&mut maven).map(drop)
}

fn compile(sources: &Path, dir: &Path, program: Program) -> Result<()> {
    let home = dir.join(program.folder);
    let mut javac = Command::new("javac");
    javac
        .arg("-cp")
        .arg(home.join("lib/*"))
        .arg("-d")
        .arg(home.join("classes"))
        .arg(sources.join(source(program)));
    capture(&mut javac).map(drop)
}
