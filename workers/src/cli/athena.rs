//! What to run in Athena to query a lake: a table for each of the lake's, and a view for each question of the dashboards.
//!
//! The statements are `sql/athena/`, with a database and a place filled in.

use wikiingest_crds::worker::ExitCode;

use super::{args::AthenaDdl, console::Console};
use crate::failure::{Class, Classify};

/// A statement, by its name.
type Statement = (&'static str, &'static str);

macro_rules! statements {
    ($folder:literal: $($name:literal),+ $(,)?) => {
        &[$((
            $name,
            include_str!(concat!("../../../sql/athena/", $folder, "/", $name, ".sql")),
        )),+]
    };
}

/// The lake's tables.
const TABLES: &[Statement] = statements!("tables":
    "pageviews_hourly",
    "pageview_complete_hourly",
    "pagecounts_hourly",
    "mediacounts_daily",
    "recent_changes",
);

/// What is asked of them.
const VIEWS: &[Statement] = statements!("views":
    "readers_by_hour",
    "readers_top_daily",
    "readers_hours_missing",
    "readers_by_agent_daily",
    "counts_by_hour",
    "media_by_day",
    "media_top_daily",
    "editors_by_minute",
    "editors_largest_daily",
    "editors_new_pages",
);

/// Something that cannot stand in a statement.
#[derive(Debug, thiserror::Error)]
pub(super) enum AthenaError {
    #[error(
        "\"{0}\" is no name of a bucket: 3 to 63 small letters, digits, dots and hyphens, without s3://"
    )]
    Bucket(String),
    #[error(
        "\"{0}\" is no prefix of a lake: write it as in the resource, such as wikimedia or lakes/wikimedia"
    )]
    Prefix(String),
    #[error("\"{0}\" is no name of a database: small letters, digits and underscores")]
    Database(String),
}

impl Classify for AthenaError {
    fn class(&self) -> Class {
        Class::BadConfig
    }
}

/// Prints the statements.
pub(super) fn run(console: &Console, asked: &AthenaDdl) -> Result<ExitCode, AthenaError> {
    let (database, location) = (database(&asked.database)?, location(asked)?);
    console.say(&script(database, &location));
    Ok(ExitCode::Done)
}

/// All statements, in an order in which they can be run.
fn script(database: &str, location: &str) -> String {
    let mut statements = vec![format!("CREATE DATABASE IF NOT EXISTS `{database}`;\n")];
    for (_, text) in TABLES.iter().chain(VIEWS) {
        let text = text.replace("{{database}}", database);
        statements.push(text.replace("{{location}}", location));
    }
    statements.join("\n").trim_end().to_owned()
}

fn database(name: &str) -> Result<&str, AthenaError> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(is_plain) {
        return Err(AthenaError::Database(name.to_owned()));
    }
    Ok(name)
}

fn location(asked: &AthenaDdl) -> Result<String, AthenaError> {
    let (bucket, prefix) = (&asked.bucket, asked.prefix.trim_matches('/'));
    let is_of_bucket = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
    if !(3..=63).contains(&bucket.len()) || !bucket.chars().all(is_of_bucket) {
        return Err(AthenaError::Bucket(bucket.clone()));
    }
    let is_of_prefix = |c: char| c.is_ascii_alphanumeric() || "/_.-=+@!*()".contains(c);
    if !prefix.chars().all(is_of_prefix) {
        return Err(AthenaError::Prefix(asked.prefix.clone()));
    }
    Ok(if prefix.is_empty() {
        format!("s3://{bucket}")
    } else {
        format!("s3://{bucket}/{prefix}")
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use arrow::datatypes::DataType;
    use wikiingest_crds::Agent;

    use super::*;
    use crate::{
        batch::dataset::Dataset,
        rows::facts,
        stream::event::{COLUMNS, Kind},
    };

    fn asked(bucket: &str, prefix: &str) -> AthenaDdl {
        AthenaDdl {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            database: "wikimedia".to_owned(),
        }
    }

    /// Names and types of a table's columns, as its statement has them.
    fn columns(table: &str) -> Vec<(String, String)> {
        let (_, text) = TABLES.iter().find(|(name, _)| *name == table).unwrap();
        let (_, rest) = text.split_once("(\n").unwrap();
        let (body, _) = rest.split_once("\n)").unwrap();
        let column = |line: &str| {
            let mut words = line.trim_end_matches(',').split_whitespace();
            let name = words.next().unwrap().trim_matches('`');
            (name.to_owned(), words.next().unwrap().to_owned())
        };
        body.lines().map(column).collect()
    }

    #[test]
    fn tables_have_the_columns_that_workers_write() {
        for dataset in [
            Dataset::Pageviews,
            Dataset::PagecountsRaw,
            Dataset::PageviewComplete(Agent::User),
            Dataset::Mediacounts,
        ] {
            let schema = facts(dataset);
            let written: Vec<_> = (schema.fields().iter())
                .map(|field| {
                    let kind = match field.data_type() {
                        DataType::Utf8 => "string",
                        DataType::Int64 => "bigint",
                        DataType::Boolean => "boolean",
                        DataType::Timestamp(..) => "timestamp",
                        other => panic!("{other}"),
                    };
                    (field.name().clone(), kind.to_owned())
                })
                .collect();
            assert_eq!(columns(dataset.tables().facts), written, "{dataset:?}");
        }
        let of_events: Vec<_> = (COLUMNS.iter())
            .map(|(name, kind, _)| {
                let kind = match kind {
                    Kind::Time => "timestamp",
                    Kind::Text => "string",
                    Kind::Int => "bigint",
                    Kind::Flag => "boolean",
                };
                ((*name).to_owned(), kind.to_owned())
            })
            .collect();
        assert_eq!(columns("recent_changes"), of_events);
    }

    #[test]
    fn every_file_is_printed() {
        for (folder, statements) in [("tables", TABLES), ("views", VIEWS)] {
            let path = format!("{}/../sql/athena/{folder}", env!("CARGO_MANIFEST_DIR"));
            let files = std::fs::read_dir(path).unwrap();
            let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
            let names: BTreeSet<String> = names.collect();
            let printed = statements.iter().map(|(name, _)| format!("{name}.sql"));
            assert_eq!(printed.collect::<BTreeSet<_>>(), names);
        }
    }

    #[test]
    fn nothing_is_left_to_fill_in() {
        let location = location(&asked("wikimedia-lake", "/wikimedia/")).unwrap();
        let script = script("wikimedia", &location);
        assert!(!script.contains("{{"), "{script}");
        assert!(script.contains(
            "'storage.location.template' = 's3://wikimedia-lake/wikimedia/pageviews_hourly/dt=${dt}/'"
        ));
    }

    #[test]
    fn what_would_break_a_statement_is_refused() {
        assert!(location(&asked("lake", "")).is_ok_and(|it| it == "s3://lake"));
        for bucket in ["s3://lake", "Lake", "a", "a'b"] {
            assert!(location(&asked(bucket, "a")).is_err(), "{bucket}");
        }
        for prefix in ["a b", "a'", "a`", "${dt}"] {
            assert!(location(&asked("lake", prefix)).is_err(), "{prefix}");
        }
        assert!(database("wiki-media").is_err());
    }
}
