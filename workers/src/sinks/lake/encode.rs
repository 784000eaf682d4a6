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
    array::{ArrayRef, BinaryArray, Int64Array, StringArray},
    datatypes::{DataType, Field, FieldRef, Schema, SchemaRef, TimeUnit},
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
    batch::{fetch::Mark, list::Unit},
    rows::Batch,
    scratch::ScratchError,
};

/// Batches between the parser and the encoder, and between the encoder's threads.
const QUEUE: usize = 2;

/// The first columns of the schema are the same for a run of rows.
const RUN_COLUMNS: usize = 4;
/// Where the title column is in the schema.
const TITLE: usize = 4;
/// Where the views are in the schema.
const VIEWS: usize = 5;

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
        let micros = unit.ts.as_microsecond();
        let thread = tokio::task::spawn_blocking(move || {
            let encoded = encode(&mut upload, properties, micros, queue);
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

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            false,
        ),
        Field::new("domain_code", DataType::Utf8, false),
        Field::new("project", DataType::Utf8, false),
        Field::new("access", DataType::Utf8, false),
        Field::new("title", DataType::Utf8, false),
        Field::new("views", DataType::Int64, false),
    ]))
}

/// Sorted titles share their beginnings, which delta encoding drops; everything else repeats.
fn properties(unit: &Unit, mark: &Mark, zstd: i32) -> WriterProperties {
    let sorting = [1, TITLE]
        .map(|column| SortingColumn {
            column_idx: i32::try_from(column).unwrap_or_default(),
            descending: false,
            nulls_first: false,
        })
        .to_vec();
    let note =
        |key: &str, value: &str| KeyValue::new(format!("wikiingest.{key}"), value.to_owned());
    let title = ColumnPath::from("title");
    WriterProperties::builder()
        .set_created_by(concat!("wikiingest ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression(zstd))
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_column_dictionary_enabled(title.clone(), false)
        .set_column_encoding(title, Encoding::DELTA_BYTE_ARRAY)
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
    micros: i64,
    mut queue: mpsc::Receiver<Arc<Batch>>,
) -> Result<(), EncodeError> {
    let schema = schema();
    let parquet_schema = ArrowSchemaConverter::new().convert(&schema)?;
    let mut file = SerializedFileWriter::new(
        upload,
        parquet_schema.root_schema_ptr(),
        Arc::new(properties),
    )?;
    let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema))
        .with_page_store_factory(Arc::new(PageFiles));
    let mut order = Order::default();
    let mut steps = Vec::new();
    let mut group: Option<Group> = None;
    loop {
        let batch = queue.blocking_recv();
        let last = batch.is_none();
        match batch {
            Some(batch) => order.push(batch, &mut steps),
            None => order.end(&mut steps),
        }
        for step in steps.drain(..) {
            match step {
                Step::Rows(batch) => {
                    let open = match &mut group {
                        Some(open) => open,
                        none => none.insert(Group::start(
                            &factory,
                            &schema,
                            &parquet_schema,
                            (file.flushed_row_groups().len(), micros),
                        )?),
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
struct Group {
    /// The unit's hour: microseconds since 1970, little end first.
    ts: [u8; 8],
    /// What is the same for a run of rows: hour, domain code, project and access.
    runs: [RunColumn; RUN_COLUMNS],
    titles: std_mpsc::SyncSender<Arc<Batch>>,
    title_thread: std::thread::JoinHandle<Result<ArrowColumnChunk, ParquetError>>,
    views: ArrowColumnWriter,
    views_field: FieldRef,
}

impl Group {
    fn start(
        factory: &ArrowRowGroupWriterFactory,
        schema: &SchemaRef,
        parquet_schema: &SchemaDescriptor,
        (index, micros): (usize, i64),
    ) -> Result<Self, EncodeError> {
        let mut writers = factory.create_column_writers(index)?;
        let (Some(views), Some(mut writer)) = (writers.pop(), writers.pop()) else {
            return Err(EncodeError::Stopped);
        };
        let (titles, queue) = std_mpsc::sync_channel::<Arc<Batch>>(QUEUE);
        let field = schema.field(TITLE).clone();
        let title_thread = std::thread::spawn(move || {
            for batch in queue {
                let titles: ArrayRef = Arc::new(batch.titles.clone());
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
            views,
            views_field: Arc::clone(&schema.fields()[VIEWS]),
        })
    }

    fn add(&mut self, batch: &Arc<Batch>) -> Result<(), EncodeError> {
        // When the other thread has failed, joining it tells why.
        let _ = self.titles.send(Arc::clone(batch));
        let runs = || batch.runs.iter().map(|run| (run.domain.as_ref(), run.rows));
        let [ts, code, project, access] = &mut self.runs;
        ts.add([(self.ts.as_slice(), batch.rows())].into_iter());
        code.add(runs().map(|(domain, rows)| (domain.code.as_bytes(), rows)));
        project.add(runs().map(|(domain, rows)| (domain.project.as_bytes(), rows)));
        access.add(runs().map(|(domain, rows)| (domain.access.as_str().as_bytes(), rows)));
        let views: ArrayRef = Arc::new(Int64Array::new(batch.views.clone(), None));
        for leaf in compute_leaves(&self.views_field, &views)? {
            self.views.write(&leaf)?;
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
        self.views.close()?.append_to_row_group(&mut group)?;
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
