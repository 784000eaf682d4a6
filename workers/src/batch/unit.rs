//! One file through all stages.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use tokio::sync::mpsc;
use wikiingest_crds::worker::Limits;

use super::{
    dataset::Dataset,
    decode::{BLOCK, Block, Blocks, Incoming},
    events::{Event, Observer},
    fetch::{Download, Fetch, FetchError, Mark},
    list::Unit,
    parse::{Filter, Parser, Rows, Tally, complete::DayRows, media::MediaRows, pages::PageRows},
    rollup::{DayRollup, Rollup, TopFiles},
};
use crate::{
    failure::{Class, Classify},
    rows::{Batch, Reject, Summary},
    scratch::ScratchError,
    sinks::{Claim, Sink, SinkError, Writer},
};

/// Chunks of a download that wait to be decoded.
const CHUNKS: usize = 16;
/// Batches that wait for a sink.
const BATCHES: usize = 2;
/// No file has as many lines: what is too much of so many is too much of any.
const MOST_LINES: i64 = 300_000_000;

/// A unit could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    /// It could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// Its bytes are not a whole compressed file.
    #[error(
        "{name}: broken after line {lines}: {what}; the published file is cut short or damaged, and is tried again next time"
    )]
    Broken {
        /// The file.
        name: String,
        /// How far it could be read.
        lines: i64,
        /// What is wrong with it.
        what: String,
    },
    /// Too much of it could not be parsed.
    #[error(
        "{name}: {rejected} of {lines} lines cannot be read, a larger share than the limits allow; the first is line {line_no}: {reason}"
    )]
    TooManyRejects {
        /// The file.
        name: String,
        /// Lines that could not be read.
        rejected: i64,
        /// Lines in all.
        lines: i64,
        /// The first of them.
        line_no: i64,
        /// What is wrong with it.
        reason: String,
    },
    /// A temporary file of the roll-ups.
    #[error("{name}: {error}")]
    Scratch {
        /// The file.
        name: String,
        /// What happened.
        error: ScratchError,
    },
    /// A sink failed; others may have taken the unit.
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A thread panicked.
    #[error("{name}: a stage stopped unexpectedly: {what}")]
    Stage {
        /// The file.
        name: String,
        /// What the runtime says.
        what: String,
    },
}

impl Classify for UnitError {
    fn class(&self) -> Class {
        match self {
            Self::Fetch(error) => error.class(),
            Self::Sink(error) => error.class(),
            _ => Class::TryAgain,
        }
    }
}

/// How a unit went.
#[derive(Debug)]
pub enum Outcome {
    /// All sinks that lacked it have it now.
    Loaded {
        /// Rows written.
        rows: i64,
        /// Lines rejected.
        rejected: i64,
        /// Rows whose parts do not add up to their published total.
        inconsistent: i64,
        /// Bytes downloaded.
        bytes: u64,
    },
    /// Another worker had loaded it in the meantime.
    Skipped,
}

/// What loading a unit needs beside the unit.
#[derive(Clone)]
pub struct Loader {
    /// The host's client.
    pub fetch: Fetch,
    /// Which rows are wanted.
    pub filter: Filter,
    /// What the worker holds itself to.
    pub limits: Limits,
    /// Who wants to know.
    pub observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Loader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loader")
            .field("fetch", &self.fetch)
            .finish_non_exhaustive()
    }
}

impl Loader {
    /// Loads a unit into the sinks that lack this version of it.
    ///
    /// # Errors
    /// When the file or a sink fails; the sinks that did not commit are as they were.
    pub async fn load(&self, unit: &Unit, sinks: &[&Sink]) -> Result<Outcome, UnitError> {
        let mut claims = Vec::new();
        for sink in sinks {
            claims.push((sink.wants_rollups(), sink.claim(unit).await?));
        }
        // What a sink holds may have changed while we waited for it; ask before downloading.
        if claims.iter().all(|(_, claim)| claim.held.is_some()) {
            let mark = self.fetch.mark(&unit.url).await?;
            if claims.iter().all(|(_, claim)| holds(claim, unit, &mark)) {
                return Ok(Outcome::Skipped);
            }
        }
        let download = self.fetch.open(&unit.url).await?;
        let mark = download.mark.clone();
        claims.retain(|(_, claim)| !holds(claim, unit, &mark));
        if claims.is_empty() {
            return Ok(Outcome::Skipped);
        }
        let rollups = claims.iter().any(|(wants, _)| *wants);
        let mut writers = Vec::new();
        for (_, claim) in claims {
            writers.push(claim.open(&mark)?);
        }
        self.pass(unit, download, writers, rollups).await
    }

    /// One pass over the file feeds every sink.
    async fn pass(
        &self,
        unit: &Unit,
        download: Download,
        mut writers: Vec<Writer>,
        rollups: bool,
    ) -> Result<Outcome, UnitError> {
        self.observer.on(&Event::Started {
            unit,
            bytes: u64::try_from(download.mark.size).ok(),
        });
        let mark = download.mark.clone();
        let (chunks, incoming) = mpsc::channel(CHUNKS);
        let (outputs, queues): (Vec<_>, Vec<_>) =
            writers.iter().map(|_| mpsc::channel(BATCHES)).unzip();
        let parser = Reader {
            unit: unit.clone(),
            filter: self.filter.clone(),
            limits: self.limits.clone(),
            rollups,
        };
        let parsing = tokio::task::spawn_blocking(move || parser.read(incoming, &outputs));
        let writing = futures::future::join_all(
            writers
                .iter_mut()
                .zip(queues)
                .map(|(writer, queue)| writer.write(queue)),
        );
        let (bytes, parsed, written) = tokio::join!(
            receive(download, chunks, unit, self.observer.as_ref()),
            parsing,
            writing
        );
        let parsed = parsed.unwrap_or_else(|error| {
            Err(UnitError::Stage {
                name: unit.name.clone(),
                what: error.to_string(),
            })
        });
        let written: Result<Vec<()>, SinkError> = written.into_iter().collect();
        // What the parser says comes first: sinks of a broken file saw an early end, no error.
        let summary = match parsed.and_then(|summary| Ok(written.map(|_| summary)?)) {
            Ok(summary) => summary,
            Err(error) => {
                abort(writers).await;
                return Err(error);
            }
        };
        // Another worker may have loaded a newer version meanwhile, and a lake has no lock.
        if let Err(error) = self.still(unit, &mark).await {
            abort(writers).await;
            return Err(error.into());
        }
        commit(writers, &summary).await?;
        Ok(Outcome::Loaded {
            rows: summary.rows,
            rejected: summary.rejected,
            inconsistent: summary.inconsistent,
            bytes,
        })
    }
}

impl Loader {
    /// Makes sure that what was read is what the host has.
    async fn still(&self, unit: &Unit, mark: &Mark) -> Result<(), FetchError> {
        if self.fetch.mark(&unit.url).await? == *mark {
            return Ok(());
        }
        Err(FetchError::Changed {
            url: unit.url.clone(),
        })
    }
}

/// Lakes first: a row of a warehouse's ledger then says that the unit is in every sink.
async fn commit(mut writers: Vec<Writer>, summary: &Summary) -> Result<(), SinkError> {
    writers.sort_by_key(Writer::has_ledger);
    let mut writers = writers.into_iter();
    while let Some(writer) = writers.next() {
        if let Err(error) = writer.commit(summary).await {
            abort(writers).await;
            return Err(error);
        }
    }
    Ok(())
}

async fn abort(writers: impl IntoIterator<Item = Writer>) {
    for writer in writers {
        writer.abort().await;
    }
}

fn holds(claim: &Claim, unit: &Unit, mark: &Mark) -> bool {
    claim.held.as_ref().is_some_and(|held| held.is(unit, mark))
}

/// Passes a download on, until it ends or nobody wants it.
async fn receive(
    mut download: Download,
    chunks: mpsc::Sender<Result<Bytes, FetchError>>,
    unit: &Unit,
    observer: &dyn Observer,
) -> u64 {
    let mut received = 0;
    loop {
        let next = match download.next().await {
            Ok(None) => return received,
            Ok(Some(bytes)) => {
                received += bytes.len() as u64;
                observer.on(&Event::Fetched {
                    unit,
                    bytes: bytes.len() as u64,
                });
                Ok(bytes)
            }
            Err(error) => Err(error),
        };
        let ended = next.is_err();
        if chunks.send(next).await.is_err() || ended {
            return received;
        }
    }
}

/// Decodes and parses, on a thread that may block.
struct Reader {
    unit: Unit,
    filter: Filter,
    limits: Limits,
    rollups: bool,
}

impl Reader {
    fn read(
        self,
        incoming: mpsc::Receiver<Result<Bytes, FetchError>>,
        outputs: &[mpsc::Sender<Arc<Batch>>],
    ) -> Result<Summary, UnitError> {
        let scratch = |error| self.scratch(error);
        let (dataset, ts) = (self.unit.dataset, self.unit.ts);
        let filter = self.filter.clone();
        match dataset {
            Dataset::Pageviews | Dataset::PagecountsRaw => {
                let rollup = self.rollups.then(|| Rollup::new(dataset, ts));
                let rollup = rollup.transpose().map_err(scratch)?;
                self.pass(incoming, outputs, PageRows::new(dataset, filter, rollup))
            }
            Dataset::PageviewComplete(_) => {
                let rollup = self.rollups.then(|| DayRollup::new(dataset, ts));
                let rollup = rollup.transpose().map_err(scratch)?;
                let rows = DayRows::new(dataset, ts, filter, rollup);
                self.pass(incoming, outputs, rows)
            }
            Dataset::Mediacounts => {
                let top = self.rollups.then(|| TopFiles::new(ts));
                self.pass(incoming, outputs, MediaRows::new(ts, filter, top))
            }
        }
    }

    fn pass(
        &self,
        incoming: mpsc::Receiver<Result<Bytes, FetchError>>,
        outputs: &[mpsc::Sender<Arc<Batch>>],
        rows: impl Rows,
    ) -> Result<Summary, UnitError> {
        let scratch = |error| self.scratch(error);
        let mut parser = Parser::new(rows, self.limits.max_rejected_lines as usize);
        let compression = self.unit.dataset.compression();
        let mut blocks = Blocks::new(Incoming::new(incoming), compression, BLOCK);
        let mut gone = BTreeSet::new();
        loop {
            let batch = match blocks.next() {
                Ok(None) => break,
                Ok(Some(Block::Lines(text))) => parser.block(text).map_err(scratch)?,
                Ok(Some(Block::Overlong(start))) => {
                    parser.overlong(start);
                    continue;
                }
                Err(error) => {
                    return Err(match blocks.reader().failed.take() {
                        Some(failed) => failed.into(),
                        None => UnitError::Broken {
                            name: self.unit.name.clone(),
                            lines: parser.tally.lines,
                            what: error.to_string(),
                        },
                    });
                }
            };
            self.check(&parser.rejects, parser.tally, MOST_LINES)?;
            let batch = Arc::new(batch);
            for (index, output) in outputs.iter().enumerate() {
                if !gone.contains(&index) && output.blocking_send(Arc::clone(&batch)).is_err() {
                    gone.insert(index);
                }
            }
            // Every sink has failed, and says why itself.
            if gone.len() == outputs.len() {
                return Ok(Summary::default());
            }
        }
        let tally = parser.tally;
        self.check(&parser.rejects, tally, tally.lines)?;
        let (rollups, rejects) = parser.finish().map_err(scratch)?;
        Ok(Summary {
            rows: tally.rows,
            filtered: tally.filtered,
            inconsistent: tally.inconsistent,
            rejected: tally.rejected,
            rejects,
            rollups,
        })
    }

    fn scratch(&self, error: ScratchError) -> UnitError {
        UnitError::Scratch {
            name: self.unit.name.clone(),
            error,
        }
    }

    /// Whether too large a share of so many lines could not be read. How many a file has is known at its end, and bad
    /// lines may all stand together, so that the share until then says nothing.
    fn check(&self, rejects: &[Reject], tally: Tally, of: i64) -> Result<(), UnitError> {
        let Some(first) = rejects.first() else {
            return Ok(());
        };
        let share = tally.rejected as f64 / of.max(1) as f64;
        if share <= self.limits.max_rejected_share {
            return Ok(());
        }
        Err(UnitError::TooManyRejects {
            name: self.unit.name.clone(),
            rejected: tally.rejected,
            lines: tally.lines,
            line_no: first.line_no,
            reason: first.reason.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::{Compression, write::GzEncoder};
    use jiff::Timestamp;

    use super::*;

    /// Reads a file of page views; the share of bad lines that is borne with is a half.
    fn read(text: &[u8]) -> Result<Summary, UnitError> {
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(text).unwrap();
        let (sender, incoming) = mpsc::channel(1);
        sender.try_send(Ok(gz.finish().unwrap().into())).unwrap();
        drop(sender);
        let (output, mut batches) = mpsc::channel(1);
        let reader = Reader {
            unit: Unit {
                dataset: Dataset::Pageviews,
                name: "pageviews-20240803-060000".to_owned(),
                ts: Timestamp::UNIX_EPOCH,
                url: String::new(),
            },
            filter: Filter {
                projects: vec!["*".to_owned()],
                min_views: 0,
            },
            limits: Limits {
                max_rejected_share: 0.5,
                ..Limits::default()
            },
            rollups: false,
        };
        std::thread::scope(|scope| {
            scope.spawn(move || while batches.blocking_recv().is_some() {});
            // The receiver ends with the sender.
            let output = [output];
            reader.read(incoming, &output)
        })
    }

    #[test]
    fn many_bad_lines_that_are_a_small_share_fail_no_unit_even_if_they_come_first() {
        let bad = b"rubbish\n".repeat(12_000);
        let summary = read(&[bad, b"en A 1 0\n".repeat(13_000)].concat()).unwrap();
        assert_eq!((summary.rows, summary.rejected), (13_000, 12_000));
        assert_eq!(summary.rejects.len(), 10_000);
    }

    #[test]
    fn a_large_share_of_bad_lines_fails_a_unit_however_few_they_are() {
        let error = read(b"rubbish\nen A 1 0\nrubbish\n").unwrap_err();
        let expected = "pageviews-20240803-060000: 2 of 3 lines cannot be read, a larger share than the limits allow; the \
                        first is line 1: 1 fields where there should be 4: domain, title, views, bytes";
        assert_eq!(error.to_string(), expected);
    }
}
