//! A lake as someone sees it in Amazon Athena: through the statements that `wikiingest athena-ddl` prints for it, in the
//! engine that Athena is made of.

use std::path::PathBuf;
use std::process::Command;

use serde::Deserialize;

use super::env::{self, Env, var};
use super::lake::Lake;
use crate::error::Result;
use crate::jars::Jars;
use crate::process::{capture, feed};
use crate::servers::s3::BUCKET;

/// A database over a lake.
#[derive(Debug)]
pub struct Athena {
    /// Its name.
    pub database: String,
    /// What makes it, a statement each, in the order in which they were printed.
    pub statements: Vec<String>,
    python: PathBuf,
    jars: Jars,
    trino: String,
}

/// What a query gave, and what it read for that.
#[derive(Debug, Clone, Deserialize)]
pub struct Answer {
    /// The rows, in the order in which they came.
    pub rows: Vec<Vec<String>>,
    /// Rows of tables that were looked at.
    pub read_rows: u64,
    /// Bytes that were fetched from the lake.
    pub read_bytes: u64,
    /// Parts that the work was in: an object is one at least.
    pub splits: u64,
    /// How long it took.
    pub milliseconds: u64,
}

impl Athena {
    /// The statements for a lake in S3, none of them run yet. The database has the name of the lake's prefix.
    #[must_use]
    pub fn of(env: &Env, lake: &Lake) -> Self {
        let Lake::S3 { prefix, .. } = lake else {
            panic!("Athena reads nothing but S3");
        };
        let database = prefix.replace('-', "_");
        let program = env.binaries.path("wikiingest").expect("the CLI is built");
        let mut print = Command::new(program);
        print
            .arg("athena-ddl")
            .args(["--bucket", BUCKET, "--prefix", prefix])
            .args(["--database", &database]);
        let script = capture(&mut print).expect("the statements are printed");
        Self {
            database,
            statements: split(&script),
            python: var("TRINO_PYTHON").into(),
            jars: Jars::in_folder(var("TRINO_JARS").into()),
            trino: var("TRINO_PORT"),
        }
    }

    /// The database with all of its tables and views.
    #[must_use]
    pub fn over(env: &Env, lake: &Lake) -> Self {
        let athena = Self::of(env, lake);
        let run = athena.reader(&["run", &athena.trino], &athena.statements);
        assert_eq!(
            run.expect("the statements run").trim(),
            athena.statements.len().to_string()
        );
        athena
    }

    /// How many statements Hive parses.
    ///
    /// # Errors
    /// If it does not parse one, which is in the error.
    pub fn parsed_by_hive(&self, statements: &[String]) -> Result<String> {
        let parsed = feed(&mut self.jars.parser(), &joined(statements))?;
        Ok(parsed.trim().to_owned())
    }

    /// How many statements sqlglot parses as Athena's.
    ///
    /// # Errors
    /// If it does not parse one, which is in the error.
    pub fn parsed_by_sqlglot(&self, statements: &[String]) -> Result<String> {
        let parsed = self.reader(&["parse"], statements)?;
        Ok(parsed.trim().to_owned())
    }

    /// Asks one query, in which `{database}` stands for the database.
    #[must_use]
    pub fn ask(&self, query: &str) -> Answer {
        self.ask_all(&[query.to_owned()]).swap_remove(0)
    }

    /// Asks several, one after the other.
    #[must_use]
    pub fn ask_all(&self, queries: &[String]) -> Vec<Answer> {
        let filled = |query: &String| query.replace("{database}", &self.database);
        let queries: Vec<String> = queries.iter().map(filled).collect();
        let answers = self.reader(&["ask", &self.trino], &queries);
        let answers = answers.unwrap_or_else(|error| panic!("{queries:#?}: {error}"));
        serde_json::from_str(&answers).expect("the reader prints JSON")
    }

    fn reader(&self, args: &[&str], statements: &[String]) -> Result<String> {
        let mut python = Command::new(&self.python);
        let _ = python.arg(env::file("readers/ask_trino.py")).args(args);
        feed(&mut python, &joined(statements))
    }
}

/// A statement ends with a `;` at the end of a line.
fn split(script: &str) -> Vec<String> {
    let statements = script.trim_end().trim_end_matches(';').split(";\n");
    statements.map(|text| text.trim().to_owned()).collect()
}

fn joined(statements: &[String]) -> Vec<u8> {
    let ended = statements.iter().map(|text| format!("{text}\0"));
    ended.collect::<String>().into_bytes()
}
