//! Temporary files, for what a bounded memory cannot hold. They have no name, so that nothing
//! is left over however a worker ends.

use std::{fs::File, io};

/// What to do about it.
pub const ADVICE: &str = "make room there, or set TMPDIR to another folder";

/// A temporary file could not be made, written or read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}; {ADVICE}")]
pub struct ScratchError {
    /// In which folder, and what happened.
    pub what: String,
}

impl From<io::Error> for ScratchError {
    fn from(error: io::Error) -> Self {
        let folder = std::env::temp_dir();
        Self {
            what: format!(
                "cannot use a temporary file in {}: {error}",
                folder.display()
            ),
        }
    }
}

/// A new one, open for both ways.
pub(crate) fn file() -> Result<File, ScratchError> {
    Ok(tempfile::tempfile()?)
}
