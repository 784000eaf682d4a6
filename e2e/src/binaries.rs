//! Where the programs under test are: beside the one that runs now.

use std::path::PathBuf;

use crate::error::{Doing, Error, Result};

/// The folder with the programs under test.
#[derive(Debug, Clone)]
pub struct Binaries {
    dir: PathBuf,
}

impl Binaries {
    /// The folder of this program, or the one above when this program is a test.
    ///
    /// # Errors
    /// If the system does not tell where this program is.
    pub fn beside_this_program() -> Result<Self> {
        let program = std::env::current_exe().doing("looking for this program's own folder")?;
        let dir = program.parent().map(PathBuf::from).unwrap_or_default();
        let dir = if dir.ends_with("deps") {
            dir.parent().map(PathBuf::from).unwrap_or_default()
        } else {
            dir
        };
        Ok(Self { dir })
    }

    /// The folder for another of Cargo's profiles: `debug` or `release`.
    #[must_use]
    pub fn of_profile(&self, profile: &str) -> Self {
        Self {
            dir: self.dir.with_file_name(profile),
        }
    }

    /// Where a program is.
    ///
    /// # Errors
    /// If it has not been built.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.dir.join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(Error::other(format!(
            "{} is not there: cargo build --workspace --bins",
            path.display()
        )))
    }
}
