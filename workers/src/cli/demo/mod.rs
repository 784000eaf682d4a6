//! The whole of it on real samples, over HTTP as always, with no network.

mod edits;
mod files;
mod samples;
mod tables;

use std::{io, path::Path, time::Instant};

use wikiingest_crds::{
    WikiIngestSpec,
    validate::{self, Target},
    worker::ExitCode,
};
use wikimedia_replay::{Options, Replay, ReplayError, Root};

use self::edits::Edits;
use super::{
    console::Console,
    local::{self, LocalError, STOPPED},
    plan::Plan,
    report::{self, ReportError},
    resource::{self, ReadError},
    session::Total,
    streams::StreamError,
    validate::listed,
};
use crate::failure::{Class, Classify};

/// Where the demo lives, below the working directory. The resource names it, too.
const HOME: &str = "wikiingest-demo";

const RESOURCE: &str = include_str!("wikiingest.yaml");

const NEXT: &str = "\
What to type next:
  xdg-open wikiingest-demo/report.html   (or open it in a browser: all of this as charts)
  sqlite3 wikiingest-demo/warehouse.db \"SELECT ts, SUM(views) FROM pagecounts_hourly GROUP BY ts\"
  sqlite3 wikiingest-demo/warehouse.db \"SELECT title, comment FROM recent_changes WHERE wiki = 'enwiki'\"
  duckdb -c \"SELECT project, SUM(views) FROM 'wikiingest-demo/lake/pagecounts_hourly/*/*.parquet' GROUP BY ALL\"
  wikiingest validate -f wikiingest-demo/wikiingest.yaml --target local
  wikiingest local -f wikiingest-demo/wikiingest.yaml --once   (these hours in full: read the file first)";

/// A demo that did not work.
#[derive(Debug, thiserror::Error)]
pub(super) enum DemoError {
    #[error("{path} cannot be written: {source}; go to a folder that you may write to")]
    Write { path: String, source: io::Error },
    #[error("the demo's own resource is not valid:\n{0}")]
    Resource(String),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Local(#[from] LocalError),
    #[error(transparent)]
    Stream(#[from] StreamError),
    #[error("the sample of edits that came with the program cannot be read: {0}")]
    Sample(String),
    #[error(
        "the edits were not there after {limit} s; run the demo again, or remove the folder {HOME} to start over"
    )]
    Slow { limit: u64 },
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("{path} cannot be read: {source}; remove the folder {HOME} and run the demo again")]
    Database { path: String, source: sqlx::Error },
}

impl DemoError {
    fn database(path: &Path, source: sqlx::Error) -> Self {
        Self::Database {
            path: path.display().to_string(),
            source,
        }
    }
}

impl Classify for DemoError {
    fn class(&self) -> Class {
        match self {
            Self::Write { .. } | Self::Resource(_) | Self::Read(_) | Self::Sample(_) => {
                Class::BadConfig
            }
            Self::Replay(_) | Self::Database { .. } | Self::Slow { .. } => Class::TryAgain,
            Self::Local(error) => error.class(),
            Self::Stream(error) => error.class(),
            Self::Report(error) => error.class(),
        }
    }
}

/// Loads the samples and shows what landed.
pub(super) async fn run(console: &Console) -> Result<ExitCode, DemoError> {
    let began = Instant::now();
    let stop = local::stop(console);
    files::keep_resource(console, RESOURCE)?;
    let host = Replay::start(Options::new(Root::Memory(samples::files()))).await?;
    let spec = spec(&host.base_url())?;
    let plan = Plan::new(&spec);
    local::migrate(console, &plan).await?;
    let total = local::load(console, &spec, &plan, stop.clone(), false).await?;
    if total.stopped {
        console.say(STOPPED);
        return Ok(ExitCode::TryAgain);
    }
    if total.exit != ExitCode::Done {
        return Ok(total.exit);
    }
    let files = began.elapsed().as_secs_f64();
    let database = Path::new(HOME).join("warehouse.db");
    let mut told = vec![verdict(total, files)];
    for source in &plan.streams {
        let Some(edits) = edits::replay(console, &spec, source, &database, &stop).await? else {
            console.say(STOPPED);
            return Ok(ExitCode::TryAgain);
        };
        told.push(verdict_of_edits(edits));
    }
    console.say(&format!("\n{}\n", told.join("\n")));
    let tables = tables::read(&database)
        .await
        .map_err(|source| DemoError::database(&database, source))?;
    console.say(&tables);
    let page = Path::new(HOME).join("report.html");
    report::write(
        &mut report::Reader::sqlite(&database)
            .await
            .map_err(ReportError::from)?,
        &page,
    )
    .await?;
    console.say(&files::listed());
    console.say(NEXT);
    Ok(ExitCode::Done)
}

/// The resource as `wikiingest local` would take it, but for the host.
fn spec(base_url: &str) -> Result<WikiIngestSpec, DemoError> {
    let document = resource::parse("wikiingest.yaml".to_owned(), RESOURCE)?;
    let resource = validate::accept(&document.value, Target::Local)
        .map_err(|problems| DemoError::Resource(listed(&document.file, &problems)))?;
    let mut spec = resource.spec;
    for source in &mut spec.sources {
        source.base_url = Some(base_url.to_owned());
    }
    Ok(spec)
}

fn verdict(total: Total, seconds: f64) -> String {
    match total {
        Total {
            loaded: 0, held, ..
        } => {
            format!(
                "Nothing new: all {held} files were loaded already, so nothing was loaded twice."
            )
        }
        Total {
            loaded, held: 0, ..
        } => {
            format!(
                "Loaded {loaded} files in {seconds:.1} s, into a database and a folder. Those of hours are real data; the two of days are made up."
            )
        }
        Total { loaded, held, .. } => {
            format!("Loaded the {loaded} files that were missing; {held} were loaded already.")
        }
    }
}

fn verdict_of_edits(edits: Edits) -> String {
    match edits {
        Edits::Replayed {
            written: 0,
            again,
            all,
        } => format!(
            "The same goes for all {all} edits: {again} came again, since a stream is read from a\n\
             little before where it stopped, and none was written twice."
        ),
        Edits::Replayed {
            written, again: 0, ..
        } => format!("Read {written} real edits from a stream as they came, into the same two."),
        Edits::Replayed { written, again, .. } => format!(
            "Read the {written} edits that were missing; {again} came again, and none was written twice."
        ),
        Edits::PastIt => {
            "The edits were not replayed: the stream was read on from elsewhere since.".to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resource_is_valid_and_reads_from_here() {
        let spec = spec("http://127.0.0.1:1").unwrap();
        let base_urls = spec.sources.iter().map(|source| source.base_url.as_deref());
        assert!(base_urls.eq([Some("http://127.0.0.1:1"); 5]));
    }

    #[test]
    fn the_resource_stays_valid_with_its_comments_taken_away() {
        let uncommented = RESOURCE
            .replace("# schedule:", "schedule:")
            .replace("#   cron:", "  cron:")
            .replace("#   lookback:", "  lookback:")
            .replace("# baseUrl:", "baseUrl:");
        assert_ne!(uncommented, RESOURCE);
        let document = resource::parse("w.yaml".to_owned(), &uncommented).unwrap();
        let spec = validate::accept(&document.value, Target::Local)
            .unwrap()
            .spec;
        assert!(spec.sources[0].schedule.is_some() && spec.sources[0].base_url.is_some());
    }
}
