//! Batches to Parquet.
//!
//! Titles take half of the time, so they are encoded on a thread of their own while another
//! does the rest. Memory is that of one row group's compressed columns and a few batches.

use std::{
    io::Write,
    sync::{Arc, mpsc as std_mpsc},
};

use arrow::{
    array::{
        ArrayRef, BinaryArray, DictionaryArray, Int32Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Int32Type, Schema, SchemaRef, TimeUnit},
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
    schema::types::ColumnPath,
};
use tokio::sync::mpsc;

use super::{
    Upload,
    order::{Order, Step},
};
use crate::{
    batch::{fetch::Mark, list::Unit},
    rows::{Batch, Domain, Summary},
};

/// Batches between the parser and the encoder, and between the encoder's threads.
const QUEUE: usize = 2;

/// Where the title column is in the schema.
const TITLE: usize = 4;

/// An object could not be encoded or written.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Parquet, or the object beneath.
    #[error("cannot write Parquet")]
    Parquet(#[from] ParquetError),
    /// Arrow.
    #[error("cannot make columns")]
    Arrow(#[from] arrow::error::ArrowError),
    /// A thread is gone.
    #[error("the encoder stopped early")]
    Stopped,
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
    let dictionary = || DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    Arc::new(Schema::new(vec![
        Field::new(
            "ts",
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            false,
        ),
        Field::new("domain_code", dictionary(), false),
        Field::new("project", dictionary(), false),
        Field::new("access", dictionary(), false),
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
    let (ts, title) = (ColumnPath::from("ts"), ColumnPath::from("title"));
    WriterProperties::builder()
        .set_created_by(concat!("wikiingest ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(compression(zstd))
        .set_statistics_enabled(EnabledStatistics::Page)
        // One value throughout: differences of nothing, cheaper than looking it up row by row.
        .set_column_dictionary_enabled(ts.clone(), false)
        .set_column_encoding(ts, Encoding::DELTA_BINARY_PACKED)
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

fn compression(zstd: i32) -> Compression {
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
    let factory = ArrowRowGroupWriterFactory::new(&file, Arc::clone(&schema));
    let mut columns = Columns::new(micros);
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
                            file.flushed_row_groups().len(),
                        )?),
                    };
                    open.add(&columns.of(&batch)?)?;
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
    schema: SchemaRef,
    /// All columns but the titles.
    columns: Vec<(usize, ArrowColumnWriter)>,
    titles: std_mpsc::SyncSender<ArrayRef>,
    title_thread: std::thread::JoinHandle<Result<ArrowColumnChunk, ParquetError>>,
}

impl Group {
    fn start(
        factory: &ArrowRowGroupWriterFactory,
        schema: &SchemaRef,
        index: usize,
    ) -> Result<Self, EncodeError> {
        let mut columns: Vec<_> = factory
            .create_column_writers(index)?
            .into_iter()
            .enumerate()
            .collect();
        let (_, mut writer) = columns.remove(TITLE);
        let (titles, queue) = std_mpsc::sync_channel::<ArrayRef>(QUEUE);
        let field = schema.field(TITLE).clone();
        let title_thread = std::thread::spawn(move || {
            for titles in queue {
                for leaf in compute_leaves(&field, &titles)? {
                    writer.write(&leaf)?;
                }
            }
            writer.close()
        });
        Ok(Self {
            schema: Arc::clone(schema),
            columns,
            titles,
            title_thread,
        })
    }

    fn add(&mut self, columns: &[ArrayRef; 6]) -> Result<(), EncodeError> {
        // When the other thread has failed, joining it tells why.
        let _ = self.titles.send(Arc::clone(&columns[TITLE]));
        for (index, writer) in &mut self.columns {
            for leaf in compute_leaves(self.schema.field(*index), &columns[*index])? {
                writer.write(&leaf)?;
            }
        }
        Ok(())
    }

    fn append_to<W: Write + Send>(
        self,
        file: &mut SerializedFileWriter<W>,
    ) -> Result<(), EncodeError> {
        let Self {
            columns,
            titles,
            title_thread,
            ..
        } = self;
        drop(titles);
        let mut chunks = columns
            .into_iter()
            .map(|(_, writer)| writer.close())
            .collect::<Result<Vec<_>, _>>()?;
        chunks.insert(
            TITLE,
            title_thread.join().map_err(|_| EncodeError::Stopped)??,
        );
        let mut group = file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut group)?;
        }
        group.close()?;
        Ok(())
    }
}

/// Makes the columns of batches, sharing what they have in common.
struct Columns {
    /// The unit's hour, as often as in the longest batch so far.
    ts: TimestampMicrosecondArray,
    micros: i64,
}

impl Columns {
    fn new(micros: i64) -> Self {
        Self {
            ts: TimestampMicrosecondArray::from(Vec::<i64>::new()),
            micros,
        }
    }

    /// All columns of a batch, in the order of [`schema`].
    fn of(&mut self, batch: &Batch) -> Result<[ArrayRef; 6], EncodeError> {
        let mut runs = Vec::with_capacity(batch.rows());
        for (key, run) in (0..).zip(&batch.runs) {
            runs.extend(std::iter::repeat_n(key, run.rows));
        }
        let runs = Int32Array::from(runs);
        let of_domain = |text: fn(&Domain) -> &str| -> Result<ArrayRef, EncodeError> {
            let texts = batch.runs.iter().map(|run| text(&run.domain));
            let texts = Arc::new(StringArray::from_iter_values(texts));
            let column = DictionaryArray::<Int32Type>::try_new(runs.clone(), texts)?;
            Ok(Arc::new(column))
        };
        Ok([
            Arc::new(self.ts(batch.rows())),
            of_domain(|domain| &domain.code)?,
            of_domain(|domain| &domain.project)?,
            of_domain(|domain| domain.access.as_str())?,
            Arc::new(batch.titles.clone()),
            Arc::new(Int64Array::new(batch.views.clone(), None)),
        ])
    }

    fn ts(&mut self, rows: usize) -> TimestampMicrosecondArray {
        if self.ts.len() < rows {
            self.ts = TimestampMicrosecondArray::from(vec![self.micros; rows]).with_timezone("UTC");
        }
        self.ts.slice(0, rows)
    }
}

/// Writes the object of a unit's rejects.
pub(super) fn rejects(
    upload: &mut Upload,
    unit: &Unit,
    summary: &Summary,
) -> Result<(), EncodeError> {
    let schema = Arc::new(Schema::new(vec![
        Field::new("source", DataType::Utf8, false),
        Field::new("unit", DataType::Utf8, false),
        Field::new("line_no", DataType::Int64, false),
        Field::new("line", DataType::Binary, false),
        Field::new("reason", DataType::Utf8, false),
    ]));
    let rejects = &summary.rejects;
    let same = |text: &str| StringArray::from_iter_values(std::iter::repeat_n(text, rejects.len()));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(same(unit.dataset.name())),
        Arc::new(same(&unit.name)),
        Arc::new(Int64Array::from_iter_values(
            rejects.iter().map(|reject| reject.line_no),
        )),
        Arc::new(BinaryArray::from_iter_values(
            rejects.iter().map(|reject| &reject.line),
        )),
        Arc::new(StringArray::from_iter_values(
            rejects.iter().map(|reject| &reject.reason),
        )),
    ];
    let options = ArrowWriterOptions::new()
        .with_skip_arrow_metadata(true)
        .with_properties(
            WriterProperties::builder()
                .set_compression(compression(3))
                .build(),
        );
    let mut writer = ArrowWriter::try_new_with_options(upload, Arc::clone(&schema), options)?;
    writer.write(&RecordBatch::try_new(schema, columns)?)?;
    writer.close()?;
    Ok(())
}
