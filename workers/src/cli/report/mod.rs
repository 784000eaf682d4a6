//! One page of what a warehouse has, for a browser, with no server.
//!
//! `reader` asks any warehouse, `questions` is what it is asked, `chart` and `page` draw the answers. The page has its
//! numbers beside its charts, and nothing in it comes from elsewhere.

mod chart;
mod page;
mod questions;
mod reader;

use std::{io, path::Path};

use wikiingest_crds::{Sink, SinkKind, worker::ExitCode};

pub(super) use self::reader::{ReadError as WarehouseReadError, Reader};
use super::{
    args::Report,
    console::Console,
    resource::{self, ReadError},
};
use crate::failure::{Class, Classify};

/// What is read where nothing is named: the demo's.
const DEMO: &str = "wikiingest-demo/warehouse.db";

/// No page came of it.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReportError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("the resource has no sink {name}: it has {others}")]
    NoSink { name: String, others: String },
    #[error("the resource has no database among its sinks: a report is made of one")]
    NoDatabase,
    #[error(transparent)]
    Warehouse(#[from] WarehouseReadError),
    #[error("{path} cannot be written: {source}")]
    Write { path: String, source: io::Error },
}

impl Classify for ReportError {
    fn class(&self) -> Class {
        match self {
            Self::Warehouse(error) => error.class(),
            Self::Write { .. } => Class::TryAgain,
            Self::Read(_) | Self::NoSink { .. } | Self::NoDatabase => Class::BadConfig,
        }
    }
}

/// Writes the page.
pub(super) async fn run(console: &Console, asked: &Report) -> Result<ExitCode, ReportError> {
    let mut reader = match (&asked.file, &asked.sqlite) {
        (Some(file), _) => Reader::of(&sink(file, asked.sink.as_deref())?).await?,
        (None, Some(path)) => Reader::sqlite(path).await?,
        (None, None) => Reader::sqlite(Path::new(DEMO)).await?,
    };
    write(&mut reader, &asked.output).await?;
    console.say(&format!(
        "Wrote {}: open it in a browser.",
        asked.output.display()
    ));
    Ok(ExitCode::Done)
}

/// Asks a warehouse, and writes the page of what it answers.
pub(super) async fn write(reader: &mut Reader, path: &Path) -> Result<(), ReportError> {
    let sections = questions::ask(reader).await?;
    let page = page::page("Wikimedia in numbers", &sections);
    std::fs::write(path, page).map_err(|source| ReportError::Write {
        path: path.display().to_string(),
        source,
    })
}

/// The sink of a name, or the first that is a database.
fn sink(file: &Path, name: Option<&str>) -> Result<Sink, ReportError> {
    let sinks = resource::accepted(file)?.spec.sinks;
    let found = match name {
        Some(name) => sinks.iter().find(|sink| sink.name == name),
        None => sinks.iter().find(|sink| is_database(sink)),
    };
    found.cloned().ok_or_else(|| match name {
        None => ReportError::NoDatabase,
        Some(name) => {
            let others: Vec<_> = sinks.iter().map(|sink| sink.name.as_str()).collect();
            ReportError::NoSink {
                name: name.to_owned(),
                others: others.join(", "),
            }
        }
    })
}

fn is_database(sink: &Sink) -> bool {
    matches!(
        sink.kind(),
        Some(SinkKind::SingleStore(_) | SinkKind::Sqlite(_))
    )
}
