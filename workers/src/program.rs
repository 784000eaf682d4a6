//! What the workers' programs have in common: arguments, configuration files, how they end.

use std::path::{Path, PathBuf};

use clap::Parser;
use serde::de::DeserializeOwned;
use wikiingest_crds::worker::{ExitCode, InvalidWindow};

use crate::failure::{Class, Classify};

/// A configuration file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("configuration {}: {what}", path.display())]
pub struct ConfigError {
    path: PathBuf,
    what: String,
}

impl Classify for ConfigError {
    fn class(&self) -> Class {
        Class::BadConfig
    }
}

/// The program's arguments.
///
/// # Errors
/// How the program ends, where they are wrong or ask for help, which is printed.
pub fn arguments<T: Parser>() -> Result<T, ExitCode> {
    T::try_parse().map_err(|error| {
        let _ = error.print();
        if error.use_stderr() {
            ExitCode::BadConfig
        } else {
            ExitCode::Done
        }
    })
}

/// Reads a JSON file.
///
/// # Errors
/// When it is not there, or says something else than it should.
pub fn read<T: DeserializeOwned>(path: &Path) -> Result<T, ConfigError> {
    let fail = |what: String| ConfigError {
        path: path.to_owned(),
        what,
    };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| fail(error.to_string()))
}

impl Classify for InvalidWindow {
    fn class(&self) -> Class {
        Class::BadConfig
    }
}

/// What ends a program early.
#[derive(Debug)]
pub struct Failure {
    /// How it ends.
    pub class: Class,
    /// What it says.
    pub text: String,
}

impl<E: Classify + std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            class: error.class(),
            text: crate::failure::chain(&error),
        }
    }
}

/// The exit code of what a program came to; a failure is logged.
#[must_use]
pub fn end(ended: Result<ExitCode, Failure>) -> ExitCode {
    ended.unwrap_or_else(|Failure { class, text }| {
        tracing::error!("{text}");
        class.into()
    })
}
