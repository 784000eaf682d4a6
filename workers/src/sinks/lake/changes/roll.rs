//! A roll: events on their way into objects, one a day.

use std::{collections::BTreeMap, fs::File, sync::Arc};

use arrow::{
    array::{ArrayRef, BooleanArray, Int64Array, StringArray, TimestampMicrosecondArray},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
    record_batch::RecordBatch,
};
use jiff::Timestamp;
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    file::properties::WriterProperties,
    schema::types::ColumnPath,
};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

use super::{REJECTS, TABLE, checkpoint::State, day};
use crate::{
    batch::dataset::utc,
    hex::hex,
    scratch,
    sinks::{
        changes::Batch,
        lake::{
            encode::{self, EncodeError, Rejected, compression},
            pages::PageFiles,
        },
    },
    stream::event::{Bad, COLUMNS, Change, Kind, Value},
};

/// What a column gathers before it becomes a page; there are many columns.
const PAGE: usize = 64 << 10;
/// Columns that hardly repeat: a dictionary would be in vain.
const UNIQUE: [&str; 9] = [
    "event_id",
    "title",
    "title_url",
    "comment",
    "parsedcomment",
    "notify_url",
    "meta_uri",
    "meta_request_id",
    "raw",
];
/// How moments stand in names: milliseconds, UTC.
const MOMENT: &str = "%Y%m%dT%H%M%S%3f";

/// Events that are not in the lake yet.
pub(super) struct Roll {
    days: BTreeMap<String, Day>,
    rejects: Vec<Arc<Bad>>,
    started: Instant,
    state: State,
    len: usize,
}

impl std::fmt::Debug for Roll {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Roll")
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

struct Day {
    writer: ArrowWriter<File>,
    first: Timestamp,
    last: Timestamp,
    ids: Sha256,
}

/// A roll that is complete but for its place.
#[derive(Debug)]
pub(super) struct Rolled {
    pub(super) objects: Vec<Object>,
    pub(super) state: State,
    /// When the roll began.
    pub(super) since: Instant,
}

impl Rolled {
    pub(super) fn keys(&self) -> impl Iterator<Item = &str> {
        self.objects.iter().map(|object| object.key.as_str())
    }
}

/// An object to be, in a temporary file.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) key: String,
    pub(super) file: File,
}

impl Roll {
    /// An empty one, on top of what is held.
    pub(super) fn start(state: State) -> Self {
        Self {
            days: BTreeMap::new(),
            rejects: Vec::new(),
            started: Instant::now(),
            state,
            len: 0,
        }
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Encodes the changes of a batch that the lake lacks, each with its day.
    pub(super) fn add(
        &mut self,
        batch: &Batch,
        changes: &[Change<'_>],
        zstd: i32,
    ) -> Result<(), EncodeError> {
        let mut days: BTreeMap<String, Vec<&Change<'_>>> = BTreeMap::new();
        for change in changes {
            days.entry(day(TABLE, change.ts()))
                .or_default()
                .push(change);
        }
        for (folder, changes) in days {
            let day = match self.days.entry(folder) {
                std::collections::btree_map::Entry::Occupied(day) => day.into_mut(),
                std::collections::btree_map::Entry::Vacant(none) => none.insert(Day::start(zstd)?),
            };
            day.add(&changes)?;
        }
        self.rejects.extend(batch.bad.iter().cloned());
        self.len += changes.len() + batch.bad.len();
        self.state.advance(batch, changes.len());
        Ok(())
    }

    /// Ends the files.
    pub(super) fn finish(self, stream: &str) -> Result<Rolled, EncodeError> {
        let mut objects = Vec::new();
        for (folder, day) in self.days {
            objects.push(day.finish(&folder, stream)?);
        }
        if !self.rejects.is_empty() {
            objects.push(rejects(&self.rejects, stream)?);
        }
        Ok(Rolled {
            objects,
            state: self.state,
            since: self.started,
        })
    }
}

impl Day {
    fn start(zstd: i32) -> Result<Self, EncodeError> {
        let mut properties = WriterProperties::builder()
            .set_created_by(concat!("wikiingest ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_compression(compression(zstd))
            .set_data_page_size_limit(PAGE)
            .set_dictionary_page_size_limit(PAGE);
        for column in UNIQUE {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(column), false);
        }
        let options = ArrowWriterOptions::new()
            .with_skip_arrow_metadata(true)
            .with_properties(properties.build())
            .with_page_store_factory(Arc::new(PageFiles));
        Ok(Self {
            writer: ArrowWriter::try_new_with_options(scratch::file()?, schema(), options)?,
            first: Timestamp::MAX,
            last: Timestamp::MIN,
            ids: Sha256::new(),
        })
    }

    fn add(&mut self, changes: &[&Change<'_>]) -> Result<(), EncodeError> {
        self.writer.write(&columns(changes)?)?;
        for change in changes {
            self.first = self.first.min(change.ts());
            self.last = self.last.max(change.ts());
            self.ids.update(change.event_id());
        }
        Ok(())
    }

    fn finish(self, folder: &str, stream: &str) -> Result<Object, EncodeError> {
        let name = Name {
            first: moment(self.first),
            last: moment(self.last),
        };
        let key = format!(
            "{folder}{stream}-{}-{}-{}.parquet",
            name.first,
            name.last,
            short(self.ids)
        );
        let file = self.writer.into_inner()?;
        Ok(Object { key, file })
    }
}

fn moment(moment: Timestamp) -> String {
    utc(moment).strftime(MOMENT).to_string()
}

fn short(digest: Sha256) -> String {
    hex(&digest.finalize()[..4])
}

/// What an object's name says: from when to when its events are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Name {
    first: String,
    last: String,
}

impl Name {
    pub(super) fn parse(key: &str, stream: &str) -> Option<Self> {
        let file = key.rsplit('/').next()?.strip_suffix(".parquet")?;
        let mut parts = file.strip_prefix(stream)?.strip_prefix('-')?.split('-');
        let (first, last) = (parts.next()?.to_owned(), parts.next()?.to_owned());
        Some(Self { first, last })
    }

    /// Moments of one length compare as their texts.
    pub(super) fn covers(&self, ts: Timestamp) -> bool {
        let ts = moment(ts);
        self.first <= ts && ts <= self.last
    }
}

fn schema() -> SchemaRef {
    let fields: Vec<_> = COLUMNS
        .iter()
        .map(|(name, kind, nullable)| {
            let kind = match kind {
                Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                Kind::Text => DataType::Utf8,
                Kind::Int => DataType::Int64,
                Kind::Flag => DataType::Boolean,
            };
            Field::new(*name, kind, *nullable)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

fn columns(changes: &[&Change<'_>]) -> Result<RecordBatch, EncodeError> {
    let rows: Vec<_> = changes.iter().map(|change| change.values()).collect();
    let columns = COLUMNS.iter().enumerate().map(|(at, (_, kind, _))| {
        let column = rows.iter().map(|row| &row[at]);
        let array: ArrayRef = match kind {
            Kind::Time => {
                let moments = column.map(|value| match value {
                    Value::Time(moment) => Some(moment.as_microsecond()),
                    _ => None,
                });
                Arc::new(
                    moments
                        .collect::<TimestampMicrosecondArray>()
                        .with_timezone("UTC"),
                )
            }
            Kind::Text => Arc::new(column.map(text).collect::<StringArray>()),
            Kind::Int => Arc::new(column.map(int).collect::<Int64Array>()),
            Kind::Flag => Arc::new(column.map(flag).collect::<BooleanArray>()),
        };
        array
    });
    Ok(RecordBatch::try_new(schema(), columns.collect())?)
}

fn text<'a>(value: &'a Value<'_>) -> Option<&'a str> {
    match value {
        Value::Text(text) => *text,
        _ => None,
    }
}

fn int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => *number,
        _ => None,
    }
}

fn flag(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::Flag(flag) => *flag,
        _ => None,
    }
}

/// The object of a roll's rejects.
fn rejects(bad: &[Arc<Bad>], stream: &str) -> Result<Object, EncodeError> {
    let now = Timestamp::now();
    let mut digest = Sha256::new();
    for bad in bad {
        digest.update(&bad.raw);
    }
    let units: Vec<_> = bad.iter().map(|bad| bad.unit()).collect();
    let rows = bad.iter().zip(&units).map(|(bad, unit)| Rejected {
        unit,
        line_no: 0,
        line: &bad.raw,
        reason: &bad.reason,
    });
    let key = format!(
        "{}{stream}-{}-{}.parquet",
        day(REJECTS, now),
        moment(now),
        short(digest)
    );
    let file = encode::rejects(scratch::file()?, stream, rows)?;
    Ok(Object { key, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_tells_what_it_covers() {
        let name = Name::parse(
            "recent_changes/dt=2026-11-23/my-edits-20261123T101500000-20261123T102000999-0a1b2c3d.parquet",
            "my-edits",
        )
        .unwrap();
        for (ts, covered) in [
            ("2026-11-23T10:14:59.999Z", false),
            ("2026-11-23T10:15:00Z", true),
            ("2026-11-23T10:20:00.999999Z", true),
            ("2026-11-23T10:20:01Z", false),
        ] {
            assert_eq!(name.covers(ts.parse().unwrap()), covered, "{ts}");
        }
        assert_eq!(
            Name::parse(
                "recent_changes/dt=2026-11-23/other-1-2-3.parquet",
                "my-edits"
            ),
            None
        );
    }
}
