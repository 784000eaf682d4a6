//! Databases: SingleStore and its kin over the MySQL protocol ([`mysql`]), and SQLite, embedded
//! ([`sqlite`]).

pub mod mysql;
pub mod schema;
pub mod sqlite;

use jiff::Timestamp;

use crate::{
    failure::{Class, Classify},
    scratch::{self, ScratchError},
};

/// A database failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{place}: {what}{}", advice.as_ref().map(|advice| format!("; {advice}")).unwrap_or_default())]
pub struct WarehouseError {
    /// Which server and database, without credentials.
    pub place: String,
    /// What it said.
    pub what: String,
    /// What to do.
    pub advice: Option<String>,
    /// Whether to try again.
    pub class: Class,
    /// Another worker was in the way; the same again at once may do.
    pub contended: bool,
    /// TLS was asked for and the server has none.
    pub no_tls: bool,
}

impl WarehouseError {
    /// The worker's own temporary files failed while a warehouse was being written.
    fn scratch(place: &str, error: ScratchError) -> Self {
        Self {
            place: place.to_owned(),
            what: error.what,
            advice: Some(scratch::ADVICE.to_owned()),
            class: Class::TryAgain,
            contended: false,
            no_tls: false,
        }
    }
}

impl Classify for WarehouseError {
    fn class(&self) -> Class {
        self.class
    }
}

/// A moment as both dialects take it.
fn sql_time(moment: Timestamp) -> String {
    crate::batch::dataset::utc(moment)
        .strftime("%Y-%m-%d %H:%M:%S")
        .to_string()
}
