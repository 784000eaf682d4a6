//! Temporary folders, all named alike, so that what a killed run left behind is known and can be removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::error::{Doing, Result};

const PREFIX: &str = "wikiingest-e2e-";

/// A folder that is removed with the value.
///
/// # Errors
/// If it cannot be made.
pub fn dir(purpose: &str) -> Result<TempDir> {
    let name = format!("{PREFIX}{}-{purpose}-", std::process::id());
    tempfile::Builder::new()
        .prefix(&name)
        .tempdir()
        .doing("making a temporary folder")
}

/// Removes the folders of runs whose process is gone.
pub fn remove_leftovers() {
    remove_those_of(|pid| !Path::new("/proc").join(pid).exists());
}

/// Removes the folders of this process, when there is no time to drop what holds them.
pub fn remove_ours() {
    let this = std::process::id().to_string();
    remove_those_of(|pid| pid == this);
    also(|files| files.drain(..).for_each(|file| remove(&file)));
}

fn remove_those_of(owner: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(std::env::temp_dir())
        .into_iter()
        .flatten()
        .flatten()
    {
        let name = entry.file_name();
        let pid = name
            .to_str()
            .and_then(|name| name.strip_prefix(PREFIX))
            .and_then(|rest| rest.split('-').next());
        if pid.is_some_and(&owner) {
            // Another run may be removing it too.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Files outside our folders that go with the value.
#[derive(Debug)]
pub struct Also(Vec<PathBuf>);

/// All of them, for [`remove_ours`].
static ALSO: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

impl Also {
    /// Files that may come to be.
    #[must_use]
    pub fn new(files: Vec<PathBuf>) -> Self {
        also(|all| all.extend(files.iter().cloned()));
        Self(files)
    }
}

impl Drop for Also {
    fn drop(&mut self) {
        self.0.iter().for_each(|file| remove(file));
        also(|all| all.retain(|file| !self.0.contains(file)));
    }
}

fn also(change: impl FnOnce(&mut Vec<PathBuf>)) {
    change(&mut ALSO.lock().unwrap_or_else(PoisonError::into_inner));
}

fn remove(file: &Path) {
    // Not every file that may come to be does.
    let _ = fs::remove_file(file);
}

/// Where things are kept between runs: generated inputs, Python environments, tools.
///
/// # Errors
/// If there is no home folder.
pub fn cache() -> Result<PathBuf> {
    let home =
        std::env::home_dir().ok_or_else(|| crate::Error::other("no home folder: set HOME"))?;
    let dir = home.join(".cache").join("wikiingest");
    fs::create_dir_all(&dir).doing_to("making", &dir)?;
    Ok(dir)
}
