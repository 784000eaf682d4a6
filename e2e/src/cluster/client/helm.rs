//! The chart, and the client that installs it.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cluster::Home;
use crate::error::{Doing, Result};
use crate::process::{capture, guarded};
use crate::steps::Workspace;

/// The chart of a work tree.
#[derive(Debug, Clone)]
pub struct Chart {
    dir: PathBuf,
}

impl Chart {
    /// This one's.
    ///
    /// # Errors
    /// If the repository was moved.
    pub fn of_the_work_tree() -> Result<Self> {
        Ok(Self {
            dir: Workspace::find()?.root().join("charts/wikiingest"),
        })
    }

    /// One that lies elsewhere, such as a former version of it.
    #[must_use]
    pub fn at(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// Where it lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its README as it should be, from the comments in its values.
    ///
    /// # Errors
    /// What the program says that makes it.
    pub fn readme(&self, home: &Home) -> Result<String> {
        let mut docs = self.docs(home)?;
        // On standard output stands the text alone.
        docs.arg("--dry-run");
        capture(&mut docs)
    }

    /// Writes it.
    pub(crate) fn write_readme(&self, home: &Home) -> Result<PathBuf> {
        capture(&mut self.docs(home)?)?;
        Ok(self.dir.join("README.md"))
    }

    fn docs(&self, home: &Home) -> Result<Command> {
        let mut docs = Command::new(home.helm_docs()?);
        docs.args(["--log-level", "warning", "--sort-values-order", "file"])
            .arg("--chart-search-root")
            .arg(&self.dir);
        Ok(docs)
    }
}

/// `helm` with credentials and a namespace.
#[derive(Debug, Clone)]
pub struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: String,
}

impl Helm {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf, namespace: &str) -> Self {
        Self {
            program,
            kubeconfig,
            namespace: namespace.to_owned(),
        }
    }

    /// Runs it to its end and gives back what it prints.
    ///
    /// # Errors
    /// What it says.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        capture(self.command().args(args))
    }

    /// Runs a command about the chart with values, as YAML or JSON: `["install", "NAME"]`, say.
    ///
    /// # Errors
    /// What it says.
    pub fn with(&self, args: &[&str], chart: &Chart, values: &str) -> Result<String> {
        let dir = crate::scratch::dir("values")?;
        let file = dir.path().join("values.yaml");
        std::fs::write(&file, values).doing_to("writing", &file)?;
        let mut command = self.command();
        command.args(args).arg(chart.dir());
        command.arg("--values").arg(&file);
        capture(&mut command)
    }

    fn command(&self) -> Command {
        let mut command = guarded(&self.program);
        command
            .env("KUBECONFIG", &self.kubeconfig)
            .args(["--namespace", &self.namespace]);
        command
    }
}
