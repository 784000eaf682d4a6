//! Where everything of the cluster is kept.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::binaries;
use crate::error::{Doing, Error, Result};
use crate::say::say;
use crate::scratch;

/// The cluster's name, for kind.
pub const NAME: &str = "wikiingest";

/// The container that is its one node.
pub const NODE: &str = "wikiingest-control-plane";

/// The folder of the cluster.
#[derive(Debug, Clone)]
pub struct Home {
    dir: PathBuf,
}

impl Home {
    /// Below the cache.
    ///
    /// # Errors
    /// If there is no home folder.
    pub fn find() -> Result<Self> {
        let dir = scratch::cache()?.join("cluster");
        fs::create_dir_all(&dir).doing_to("making", &dir)?;
        Ok(Self { dir })
    }

    /// The credentials of its administrator.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.path("kubeconfig")
    }

    /// `kubectl` of our pins.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn kubectl(&self) -> Result<PathBuf> {
        built(binaries::dir(self)?.join("kubectl"))
    }

    /// `helm` of our pins.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn helm(&self) -> Result<PathBuf> {
        built(binaries::dir(self)?.join("helm"))
    }

    /// `helm-docs` of our pins.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn helm_docs(&self) -> Result<PathBuf> {
        built(binaries::chart_dir(self)?.join("helm-docs"))
    }

    /// `kstatus` of our pins.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn kstatus(&self) -> Result<PathBuf> {
        built(binaries::kstatus_dir(self)?.join("kstatus"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Held by whoever changes something here, until it is dropped; others wait.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.path("lock");
        let file = File::create(&path).doing_to("opening", &path)?;
        if file.try_lock().is_err() {
            say!("waiting for another `cargo e2e` that works on the cluster");
            file.lock().doing_to("locking", &path)?;
        }
        Ok(file)
    }

    /// An empty folder to work in, on the disk of the cache, which has more room than /tmp may have.
    pub(crate) fn work(&self) -> Result<TempDir> {
        let work = self.path("work");
        // Whoever was here before is gone, as we hold the lock.
        remove(&work)?;
        fs::create_dir_all(&work).doing_to("making", &work)?;
        tempfile::Builder::new()
            .tempdir_in(&work)
            .doing_to("making a folder in", &work)
    }
}

fn built(program: PathBuf) -> Result<PathBuf> {
    if program.is_file() {
        return Ok(program);
    }
    Err(Error::other(format!(
        "{} is not there: run `cargo e2e cluster up`",
        program.display()
    )))
}

/// Removes a folder that may not be there.
pub(crate) fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).doing_to("removing", dir)?;
    }
    Ok(())
}
