//! What is too old goes, a little at a time, so that it can be stopped anywhere and begun again.
//!
//! Of a kind of source all its tables lose the same time, and with it the rejected lines of that
//! time. Of a time with very many rows a warehouse loses so many at once, and what is derived of
//! them with the last. The ledger stays: by it what is gone does not come back.

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{Sink, SinkError, Store, lake_error, warehouse_error};

/// What has to go.
#[derive(Debug, Clone)]
pub struct Expiry {
    /// The tables that it is in; the facts first.
    pub tables: Vec<&'static str>,
    /// Whose rows of these tables, where they have those of several kinds of reader.
    pub agent: Option<&'static str>,
    /// What goes before something else does.
    pub step: Step,
    /// Whose rejected lines go with it.
    pub rejects: Vec<Rejects>,
    /// What is from before this moment.
    pub before: Timestamp,
}

impl Expiry {
    /// The start of a condition of SQL: whose rows they are, where tables have those of several.
    pub(super) fn of_agent(&self) -> String {
        self.agent
            .map_or_else(String::new, |agent| format!("agent = '{agent}' AND "))
    }
}

/// Which rows of a warehouse go before the next ones do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// All rows of a moment: those of a file have the same, the start of its hour or day.
    Moment,
    /// All rows of an hour.
    Hour,
}

/// How rejected lines of a source are known from those of others.
#[derive(Debug, Clone)]
pub struct Rejects {
    /// What their column `source` says.
    pub source: String,
    /// What the name of an object of theirs looks like.
    pub object: Pattern,
}

/// What a name looks like.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// What it begins with.
    pub prefix: String,
    /// What follows, sign by sign: `0` stands for any digit, `a` for any letter, anything else for
    /// itself. More may come after it.
    pub then: &'static str,
}

impl Pattern {
    /// Whether a name looks like it.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        let Some(rest) = name.strip_prefix(&self.prefix) else {
            return false;
        };
        let fits = |(wanted, is): (u8, u8)| match wanted {
            b'0' => is.is_ascii_digit(),
            b'a' => is.is_ascii_alphabetic(),
            other => is == other,
        };
        rest.len() >= self.then.len() && self.then.bytes().zip(rest.bytes()).all(fits)
    }
}

/// What went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Expired {
    /// Rows of a warehouse.
    pub rows: u64,
    /// Objects of a lake.
    pub objects: u64,
}

impl Sink {
    /// Deletes what is too old, oldest first, until nothing of it is left or `stop` is cancelled.
    /// What is gone is added to `expired` as it goes.
    ///
    /// # Errors
    /// When the sink fails; what has gone until then is gone.
    pub async fn expire(
        &self,
        expiry: &Expiry,
        expired: &mut Expired,
        stop: &CancellationToken,
    ) -> Result<(), SinkError> {
        match &self.store {
            Store::Mysql(store) => store
                .expire(expiry, expired, stop)
                .await
                .map_err(warehouse_error(&self.name)),
            Store::Sqlite(store) => store
                .expire(expiry, expired, stop)
                .await
                .map_err(warehouse_error(&self.name)),
            Store::Lake(lake) => lake
                .expire(expiry, expired, stop)
                .await
                .map_err(lake_error(&self.name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_held_against_the_beginning_of_a_name() {
        let pattern = Pattern {
            prefix: "my-edits-".to_owned(),
            then: "00T0-",
        };
        for (name, fits) in [
            ("my-edits-12T3-0a1b.parquet", true),
            ("my-edits-12T3-", true),
            ("my-edits-12T3", false),
            ("my-edits-1xT3-0a1b.parquet", false),
            ("edits-12T3-0a1b.parquet", false),
            ("my-edits-é2T3-0a1b.parquet", false),
        ] {
            assert_eq!(pattern.fits(name), fits, "{name}");
        }
    }
}
