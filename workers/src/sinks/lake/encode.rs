//! Batches to Parquet.
//!
//! Titles take half of the time, so they are encoded on a thread of their own while another
//! does the rest. Memory is that of a few batches; finished pages wait
//! in temporary files.

use std::{
    io::Write,
    sync::{Arc, mpsc as std_mpsc},
};

use arrow::{
    array::{ArrayRef, BinaryArray, BooleanArray, Int64Array, StringArray},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef},
    record_batch::RecordBatch,
};
use parquet::{
    arrow::{
        ArrowSchemaConverter, ArrowWriter,
        arrow_writer::{
            ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions,
            compute_leaves,
        },
    },
    basic::{Compression, Encoding, ZstdLevel},
    errors::ParquetError,
    file::{
        metadata::{KeyValue, SortingColumn},
        properties::{EnabledStatistics, WriterProperties},
        writer::SerializedFileWriter,
    },
    schema::types::{ColumnPath, SchemaDescriptor},
};
use tokio::sync::mpsc;

use super::{
    Upload,
    order::{Order, Step},
    pages::PageFiles,
    runs::RunColumn,
};
use crate::{
    batch::{dataset::Dataset, fetch::Mark, list::Unit},
    rows::{Batch, Pages, facts, sorted_by},
    scratch::ScratchError,
};

/// Batches between the parser and the encoder, and between the encoder's threads.
const QUEUE: usize = 2;

/// The first columns of the schema are the same for a run of rows.
const RUN_COLUMNS: usize = 4;
/// Where the title column is in the schema.
const TITLE: usize = 4;
/// Texts that are sorted, or nearly so, and hardly ever the same twice.
const SORTED_TEXTS: &[&str] = &["title", "base_name", "file"];

/// An object could not be encoded or written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Parquet, or the object beneath.
    #[error("cannot write Parquet")]
    Parquet(#[source] ParquetError),
    /// Arrow.
    #[error("cannot make columns")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A temporary file.
    #[error(transparent)]
    Scratch(#[from] ScratchError),
    /// A thread is gone.
    #[error("the encoder stopped early")]
    Stopped,
}

impl From<ParquetError> for EncodeError {
    fn from(error: ParquetError) -> Self {
        if let ParquetError::External(cause) = &error
            && let Some(scratch) = cause.downcast_ref::<ScratchError>()
        {
            return Self::Scratch(scratch.clone());
        }
        Self::Parquet(error)
    }
}

/// An object that is being encoded on threads of its own.
#[derive(Debug)]
pub struct Encoder {
    batches: mpsc::Sender<Arc<Batch>>,
    thread: tokio::task::JoinHandle<(Upload, Result<(), EncodeError>)>,
}

impl Encoder {
    /// Begins the object of a unit's facts.
    pub(super) fn start(mut upload: Upload, unit: &Unit, mark: &Mark, zstd: i32) -> Self {
        let (batches, queue) = mpsc::channel(QUEUE);
        let properties = properties(unit, mark, zstd);
        let unit = (unit.dataset, unit.ts.as_microsecond());
        let thread = tokio::task::spawn_blocking(move || {
            let encoded = encode(&mut upload, properties, unit, queue);
            (upload, encoded)
        });
        Self { batches, thread }
    }

    /// Hands over a batch. False: the encoder failed, and [`Encoder::finish`] tells why.
    pub(super) async fn send(&self, batch: Arc<Batch>) -> bool {
        self.batches.send(batch).await.is_ok()
    }

    /// Ends the object: it is whole, but not yet complete in its store.
    pub(super) async fn finish(self) -> (Option<Upload>, Result<(), EncodeError>) {
        drop(self.batches);
        match self.thread.await {
            Ok((upload, encoded)) => (Some(upload), encoded),
            Err(_) => (None, Err(EncodeError::Stopped)),
        }
    }
}

/// Sorted titles share their beginnings, which delta encoding drops; everything else repeats.
fn properties(unit: &Unit, mark: &Mark, zstd: i32) -> WriterProperties {
    let sorting = sorted_by(unit.dataset)
        .iter()
        .map(|column| SortingColumn {
            column_idx: i32::try_from(*column).unwrap_or_default(),
            descending: false,
            nulls_first: false,
        })
        .collect();
    let note =
        |key: &str, value: &str| KeyValue::new(format!("wikiingest.{key}"), value.to_owned());
    let mut properties = WriterProperties::builder();
    for column in SORTED_TEXTS {
        let column = ColumnPath::from(*column);
        properties = properties
            .set_column_dictionary_enabled(column.clone(), false)
            .set_column_encoding(column, Encoding::DELTA_BYTE_ARRAY);
    }
    let traffic = ColumnPath::from("bytes");
    properties
        .set_column_dictionary_enabled(traffic.clone(), false)
        .set_column_encoding(traffic, Encoding::DELTA_BINARY_PACKED)
        .set_created_by(concat!("wikiingest ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression(zstd))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(None)
        .set_sorting_columns(Some(sorting))
        .set_key_value_metadata(Some(vec![
            note("source", unit.dataset.name()),
            note("unit", &unit.name),
            note("etag", &mark.etag),
            note("size", &mark.size.to_string()),
        ]))
        .build()
}

pub(super) fn compression(zstd: i32) -> Compression {
    Compression::ZSTD(ZstdLevel::try_new(zstd).unwrap_or_default())
}

fn encode(
    upload: &mut Upload,
    properties: WriterProperties,
    (dataset, micros): (Dataset, i64),
    mut queue: mpsc::Receiver<Arc<Batch>>,
) -> Result<(), EncodeError> {
    let schema = facts(dataset);
    let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
    let mut file = SerializedFileWriter::new(
        upload,
        parquet_schema.root_schema_ptr(),
        Arc::new(properties),
    )?;
    let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema))
        .with_page_store_factory(Arc::new(PageFiles));
    let mut order = Order::new(dataset);
    let mut steps = Vec::new();
    let mut group: Option<Group> = None;
    loop {
        let batch = queue.blocking_recv();
        let last = batch.is_none();
        match batch {
            Some(batch) => order.push(batch, &mut steps)?,
            None => order.end(&mut steps)?,
        }
        for step in steps.drain(..) {
            match step {
                Step::Rows(batch) => {
                    let open = match &mut group {
                        Some(open) => open,
                        none => {
                            let writers =
                                factory.create_column_writers(file.flushed_row_groups().len())?;
                            none.insert(match batch.as_ref() {
                                Batch::Pages(_) => {
                                    Group::pages(writers, &schema, &parquet_schema, micros)?
                                }
                                Batch::Table(_) => Group::table(writers, &schema),
                            })
                        }
                    };
                    open.add(&batch)?;
                }
                Step::EndOfGroup => {
                    if let Some(done) = group.take() {
                        done.append_to(&mut file)?;
                    }
                }
            }
        }
        if last {
            file.close()?;
            return Ok(());
        }
    }
}

/// A row group that is being encoded.
enum Group {
    Pages(Box<PageGroup>),
    Table(TableGroup),
}

impl Group {
    fn pages(
        writers: Vec<ArrowColumnWriter>,
        schema: &SchemaRef,
        parquet_schema: &SchemaDescriptor,
        micros: i64,
    ) -> Result<Self, EncodeError> {
        let group = PageGroup::start(writers, schema, parquet_schema, micros)?;
        Ok(Self::Pages(Box::new(group)))
    }

    fn table(writers: Vec<ArrowColumnWriter>, schema: &SchemaRef) -> Self {
        Self::Table(TableGroup(columns(writers, schema, 0)))
    }

    fn add(&mut self, batch: &Arc<Batch>) -> Result<(), EncodeError> {
        match (self, batch.as_ref()) {
            (Self::Pages(group), Batch::Pages(pages)) => group.add(batch, pages),
            (Self::Table(group), Batch::Table(table)) => group.add(table),
            // A unit's batches are of one kind.
            _ => Err(EncodeError::Stopped),
        }
    }

    fn append_to<W: Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), EncodeError> {
        match self {
            Self::Pages(group) => group.append_to(file),
            Self::Table(group) => group.append_to(file),
        }
    }
}

/// A column that the library encodes.
struct Column {
    field: FieldRef,
    writer: ArrowColumnWriter,
}

impl Column {
    fn write(&mut self, values: &ArrayRef) -> Result<(), EncodeError> {
        for leaf in compute_leaves(&self.field, values)? {
            self.writer.write(&leaf)?;
        }
        Ok(())
    }
}

/// The columns of a schema from the first of them on that the writers are of.
fn columns(writers: Vec<ArrowColumnWriter>, schema: &SchemaRef, first: usize) -> Vec<Column> {
    let fields = schema.fields().iter().skip(first).cloned();
    let pairs = fields.zip(writers);
    pairs
        .map(|(field, writer)| Column { field, writer })
        .collect()
}

/// Rows of any table.
struct TableGroup(Vec<Column>);

impl TableGroup {
    fn add(&mut self, table: &RecordBatch) -> Result<(), EncodeError> {
        for (column, values) in self.0.iter_mut().zip(table.columns()) {
            column.write(values)?;
        }
        Ok(())
    }

    fn append_to<W: Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), EncodeError> {
        let mut group = file.next_row_group()?;
        for column in self.0 {
            column.writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

/// Rows of an hourly dump.
struct PageGroup {
    /// The unit's hour: microseconds since 1970, little end first.
    ts: [u8; 8],
    /// What is the same for a run of rows: hour, domain code, project and access.
    runs: [RunColumn; RUN_COLUMNS],
    titles: std_mpsc::SyncSender<Arc<Batch>>,
    title_thread: std::thread::JoinHandle<Result<ArrowColumnChunk, ParquetError>>,
    /// Views, and what page counts have beside them.
    numbers: Vec<Column>,
}

impl PageGroup {
    fn start(
        mut writers: Vec<ArrowColumnWriter>,
        schema: &SchemaRef,
        parquet_schema: &SchemaDescriptor,
        micros: i64,
    ) -> Result<Self, EncodeError> {
        if writers.len() <= TITLE {
            return Err(EncodeError::Stopped);
        }
        let numbers = columns(writers.split_off(TITLE + 1), schema, TITLE + 1);
        let Some(mut writer) = writers.pop() else {
            return Err(EncodeError::Stopped);
        };
        let (titles, queue) = std_mpsc::sync_channel::<Arc<Batch>>(QUEUE);
        let field = schema.field(TITLE).clone();
        let title_thread = std::thread::spawn(move || {
            for batch in queue {
                let Batch::Pages(pages) = batch.as_ref() else {
                    continue;
                };
                let titles: ArrayRef = Arc::new(pages.titles.clone());
                for leaf in compute_leaves(&field, &titles)? {
                    writer.write(&leaf)?;
                }
            }
            writer.close()
        });
        Ok(Self {
            ts: micros.to_le_bytes(),
            runs: std::array::from_fn(|column| RunColumn::new(parquet_schema.column(column))),
            titles,
            title_thread,
            numbers,
        })
    }

    fn add(&mut self, batch: &Arc<Batch>, pages: &Pages) -> Result<(), EncodeError> {
        // When the other thread has failed, joining it tells why.
        let _ = self.titles.send(Arc::clone(batch));
        let runs = || pages.runs.iter().map(|run| (run.domain.as_ref(), run.rows));
        let [ts, code, project, access] = &mut self.runs;
        ts.add([(self.ts.as_slice(), batch.rows())].into_iter());
        code.add(runs().map(|(domain, rows)| (domain.code.as_bytes(), rows)));
        project.add(runs().map(|(domain, rows)| (domain.project.as_bytes(), rows)));
        access.add(runs().map(|(domain, rows)| (domain.access.as_str().as_bytes(), rows)));
        let views: ArrayRef = Arc::new(Int64Array::new(pages.views.clone(), None));
        let raw = pages.raw.iter().flat_map(|raw| -> [ArrayRef; 2] {
            [
                Arc::new(Int64Array::new(raw.bytes.clone(), None)),
                Arc::new(BooleanArray::new(raw.is_broken.clone(), None)),
            ]
        });
        let values = std::iter::once(views).chain(raw);
        for (column, values) in self.numbers.iter_mut().zip(values) {
            column.write(&values)?;
        }
        Ok(())
    }

    fn append_to<W: Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), EncodeError> {
        drop(self.titles);
        let titles = self
            .title_thread
            .join()
            .map_err(|_| EncodeError::Stopped)??;
        let mut group = file.next_row_group()?;
        for column in self.runs {
            let chunk = column.close()?;
            group.append_column(&chunk.bytes, chunk.close)?;
        }
        titles.append_to_row_group(&mut group)?;
        for column in self.numbers {
            column.writer.close()?.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

/// A row of an object of rejects.
pub(super) struct Rejected<'a> {
    pub(super) unit: &'a str,
    pub(super) line_no: i64,
    pub(super) line: &'a [u8],
    pub(super) reason: &'a str,
}

/// Writes an object of rejects, and gives back what it was written to.
pub(super) fn rejects<'a, W: Write + Send>(
    to: W,
    source: &str,
    rows: impl Iterator<Item = Rejected<'a>>,
) -> Result<W, EncodeError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("unit", DataType::Utf8, false),
        Field::new("line_no", DataType::Int64, false),
        Field::new("line", DataType::Binary, false),
        Field::new("reason", DataType::Utf8, false),
    ]));
    let rows: Vec<_> = rows.collect();
    let text =
        |of: fn(&Rejected<'a>) -> &'a str| StringArray::from_iter_values(rows.iter().map(of));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(StringArray::from_iter_values(rows.iter().map(|_| source))),
        Arc::new(text(|row| row.unit)),
        Arc::new(Int64Array::from_iter_values(
            rows.iter().map(|row| row.line_no),
        )),
        Arc::new(BinaryArray::from_iter_values(
            rows.iter().map(|row| row.line),
        )),
        Arc::new(text(|row| row.reason)),
    ];
    let options = ArrowWriterOptions::new()
        .with_skip_arrow_metadata(true)
        .with_properties(
            WriterProperties::builder()
                .set_compression(compression(3))
                .build(),
        );
    let mut writer = ArrowWriter::try_new_with_options(to, Arc::clone(&schema), options)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    Ok(writer.into_inner()?)
}
