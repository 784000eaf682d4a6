//! What can go wrong outside the thing under test.

use std::io;
use std::path::Path;

/// A failure of the test machinery itself: what was being done, to what, and what to do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, socket or process could not be used.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done, with the path or address.
        doing: String,
        /// What the system answered.
        source: io::Error,
    },
    /// A command ended with a failure.
    #[error("`{command}` ended with {status}\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// How it ended.
        status: String,
        /// What it had to say.
        output: String,
    },
    /// A server did not come up, or something is missing on this machine.
    #[error("{0}")]
    Other(String),
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// A failure in plain words.
    pub fn other(text: impl Into<String>) -> Self {
        Self::Other(text.into())
    }
}

/// Says what was being done when the system refused it.
pub trait Doing<T> {
    /// Adds what was being done.
    ///
    /// # Errors
    /// The same error, with `what` before it.
    fn doing(self, what: impl Into<String>) -> Result<T>;

    /// Adds what was being done to a file.
    ///
    /// # Errors
    /// The same error, with `what` and the path before it.
    fn doing_to(self, what: &str, path: &Path) -> Result<T>;
}

impl<T> Doing<T> for io::Result<T> {
    fn doing(self, what: impl Into<String>) -> Result<T> {
        self.map_err(|source| Error::Io {
            doing: what.into(),
            source,
        })
    }

    fn doing_to(self, what: &str, path: &Path) -> Result<T> {
        self.doing(format!("{what} {}", path.display()))
    }
}
