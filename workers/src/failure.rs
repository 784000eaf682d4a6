//! What a failure means for whoever runs the worker: try again, mend the configuration, or
//! mend the credentials.

use wikiingest_crds::worker::ExitCode;

/// The class of a failure. It decides the exit code, and with it whether a Job tries again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// Passing, as far as can be told: network, a server that is down, a full disk.
    TryAgain,
    /// Nothing changes until somebody edits the configuration.
    BadConfig,
    /// The source or a sink said no: credentials, rights, policy.
    Refused,
}

impl From<Class> for ExitCode {
    fn from(class: Class) -> Self {
        match class {
            Class::TryAgain => Self::TryAgain,
            Class::BadConfig => Self::BadConfig,
            Class::Refused => Self::Refused,
        }
    }
}

/// An error that knows its [`Class`].
pub trait Classify {
    /// The class of this error.
    fn class(&self) -> Class;
}

/// An error's text with those of its causes, for the edge where it is shown.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Libraries often repeat their cause in their own text.
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
