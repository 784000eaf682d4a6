//! The rows that pass from the parser to the sinks, as columns.

use std::{borrow::Cow, sync::Arc};

use arrow::{
    array::{
        Array as _, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, StructArray,
        TimestampMicrosecondArray,
    },
    buffer::{BooleanBuffer, ScalarBuffer},
    datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit},
};
use jiff::Timestamp;

use crate::batch::{dataset::Dataset, rollup::Rollups};

/// How a page was read, as far as a dump's domain code tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Access {
    /// The desktop site.
    Desktop,
    /// The mobile site or a mobile app.
    Mobile,
    /// Wikipedia Zero, the carrier programme that ended in 2018.
    Zero,
    /// Upstream did not say (rows with an empty domain code).
    Unknown,
}

impl Access {
    /// The value of the `access` column.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Desktop => "desktop",
            Self::Mobile => "mobile",
            Self::Zero => "zero",
            Self::Unknown => "unknown",
        }
    }
}

/// A domain code of a dump, and what it stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// The code as published: `en`, `en.m`, `de.m.voy`, `commons.m`, or empty.
    pub code: String,
    /// The project in Wikimedia's long form: `en.wikipedia`, `de.wikivoyage`, `wikidata`.
    pub project: String,
    /// Desktop, mobile or zero.
    pub access: Access,
}

/// Consecutive rows of one domain.
#[derive(Debug, Clone)]
pub struct Run {
    /// The domain that the rows share.
    pub domain: Arc<Domain>,
    /// How many rows.
    pub rows: usize,
}

/// Some tens of thousands of rows of one unit, in the order of the file.
#[derive(Debug, Clone)]
pub enum Batch {
    /// Pages of an hourly dump, in a form that repeats nothing.
    Pages(Pages),
    /// Columns of the dataset's facts, as [`facts`] has them.
    Table(RecordBatch),
}

impl Batch {
    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        match self {
            Self::Pages(pages) => pages.views.len(),
            Self::Table(table) => table.num_rows(),
        }
    }

    /// All columns of the facts of a unit that starts at `ts`.
    #[must_use]
    pub fn table(&self, ts: Timestamp) -> Cow<'_, RecordBatch> {
        match self {
            Self::Pages(pages) => Cow::Owned(pages.table(ts)),
            Self::Table(table) => Cow::Borrowed(table),
        }
    }
}

/// Rows of an hourly dump.
///
/// Dumps come sorted by domain, so the domain is kept once a run rather than once a row.
/// All else has one entry a row; the runs' lengths add up to the same number.
#[derive(Debug, Clone)]
pub struct Pages {
    /// The domains, run by run.
    pub runs: Vec<Run>,
    /// Page titles, underscores for spaces.
    pub titles: StringArray,
    /// Views in the hour.
    pub views: ScalarBuffer<i64>,
    /// What only page counts have.
    pub raw: Option<Raw>,
}

/// What only page counts have of a page, an entry a row.
#[derive(Debug, Clone)]
pub struct Raw {
    /// Bytes of all responses.
    pub bytes: ScalarBuffer<i64>,
    /// Whether the title is not UTF-8.
    pub is_broken: BooleanBuffer,
}

impl Pages {
    /// The rows in order: domain, title, views.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<Domain>, &str, i64)> {
        let domains = self
            .runs
            .iter()
            .flat_map(|run| std::iter::repeat_n(&run.domain, run.rows));
        domains
            .zip(self.views.iter())
            .enumerate()
            .map(|(row, (domain, views))| (domain, self.titles.value(row), *views))
    }

    fn table(&self, ts: Timestamp) -> RecordBatch {
        let of_domain = |text: fn(&Domain) -> &str| -> ArrayRef {
            let texts = self
                .runs
                .iter()
                .flat_map(|run| std::iter::repeat_n(text(&run.domain), run.rows));
            Arc::new(StringArray::from_iter_values(texts))
        };
        let mut columns = vec![
            times(std::iter::repeat_n(ts, self.views.len())),
            of_domain(|domain| &domain.code),
            of_domain(|domain| &domain.project),
            of_domain(|domain| domain.access.as_str()),
            Arc::new(self.titles.clone()),
            Arc::new(Int64Array::new(self.views.clone(), None)),
        ];
        if let Some(raw) = &self.raw {
            columns.push(Arc::new(Int64Array::new(raw.bytes.clone(), None)));
            columns.push(Arc::new(BooleanArray::new(raw.is_broken.clone(), None)));
        }
        let dataset = match self.raw {
            Some(_) => Dataset::PagecountsRaw,
            None => Dataset::Pageviews,
        };
        table(&facts(dataset), columns)
    }
}

/// Rows of a table of a database.
#[derive(Debug, Clone)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// All of its columns, in its own order.
    pub rows: RecordBatch,
}

/// The columns of a dataset's facts, in a database and in a lake.
#[must_use]
pub fn facts(dataset: Dataset) -> SchemaRef {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let number = |name: &str| Field::new(name, DataType::Int64, false);
    let ts = Field::new("ts", time(), false);
    let columns = match dataset {
        Dataset::Pageviews | Dataset::PagecountsRaw => {
            let mut columns = vec![
                ts,
                text("domain_code"),
                text("project"),
                text("access"),
                text("title"),
                number("views"),
            ];
            if dataset == Dataset::PagecountsRaw {
                columns.push(number("bytes"));
                columns.push(Field::new("is_broken", DataType::Boolean, false));
            }
            columns
        }
        Dataset::PageviewComplete(_) => vec![
            ts,
            text("agent"),
            text("project"),
            text("access"),
            Field::new("page_id", DataType::Int64, true),
            text("title"),
            number("views"),
        ],
        Dataset::Mediacounts => {
            let mut columns = vec![ts, text("base_name"), text("project"), text("file")];
            columns.extend(MEDIA_COUNTS.iter().map(|(name, _)| number(name)));
            columns
        }
    };
    Arc::new(Schema::new(columns))
}

/// The numbers of a media file, and which of the published columns they are, from 1
/// (`hql/mediacounts/create_mediacounts_table.hql` in Wikimedia's analytics-refinery, and
/// [the documentation](https://wikitech.wikimedia.org/wiki/Data_Platform/Data_Lake/Traffic/Mediacounts)). The others
/// are the name and six that are reserved.
pub const MEDIA_COUNTS: [(&str, usize); 18] = [
    ("response_bytes", 2),
    ("transfers", 3),
    ("original", 4),
    ("transcoded_audio", 5),
    ("transcoded_image", 8),
    ("image_0_199", 9),
    ("image_200_399", 10),
    ("image_400_599", 11),
    ("image_600_799", 12),
    ("image_800_999", 13),
    ("image_1000", 14),
    ("transcoded_movie", 17),
    ("movie_0_239", 18),
    ("movie_240_479", 19),
    ("movie_480", 20),
    ("referer_internal", 23),
    ("referer_external", 24),
    ("referer_unknown", 25),
];

/// By which text columns of the facts a lake's objects are sorted, as upstream sorts its files. Page counts come sorted
/// by the escapes of their titles, which are decoded.
#[must_use]
pub fn sorted_by(dataset: Dataset) -> &'static [usize] {
    match dataset {
        Dataset::Pageviews => &[1, 4],
        Dataset::PagecountsRaw | Dataset::Mediacounts => &[1],
        Dataset::PageviewComplete(_) => &[2, 5],
    }
}

/// The type of moments: microseconds, UTC.
fn time() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
}

/// A column of moments.
pub fn times(moments: impl IntoIterator<Item = Timestamp>) -> ArrayRef {
    let micros = moments.into_iter().map(Timestamp::as_microsecond);
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone("UTC"))
}

/// A column of one text.
#[must_use]
pub fn repeated(text: &str, rows: usize) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(
        text, rows,
    )))
}

/// Columns of one length, and of the schema's types.
#[must_use]
pub fn table(schema: &SchemaRef, columns: Vec<ArrayRef>) -> RecordBatch {
    let fields = schema.fields().iter().cloned();
    let columns: Vec<_> = fields.zip(columns).collect();
    RecordBatch::from(StructArray::from(columns))
}

/// Columns of one length, by name.
#[must_use]
pub fn named(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    let field = |(name, column): (&str, ArrayRef)| {
        let field = Field::new(name, column.data_type().clone(), column.is_nullable());
        (Arc::new(field), column)
    };
    let columns: Vec<_> = columns.into_iter().map(field).collect();
    RecordBatch::from(StructArray::from(columns))
}

/// A line that could not be read as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// Line number in the file, from 1.
    pub line_no: i64,
    /// The line's bytes without the line feed, cut to [`REJECT_BYTES`].
    pub line: Vec<u8>,
    /// Which field is wrong and how.
    pub reason: String,
}

/// How much of a rejected line is kept.
pub const REJECT_BYTES: usize = 1024;

/// A unit read to its end.
#[derive(Debug, Clone, Default)]
pub struct Summary {
    /// Rows handed to the sinks.
    pub rows: i64,
    /// Rows left out by the source's filters.
    pub filtered: i64,
    /// Rows whose parts do not add up to their published total. They are loaded as they are.
    pub inconsistent: i64,
    /// How many lines could not be read.
    pub rejected: i64,
    /// The first of them, as many as are kept.
    pub rejects: Vec<Reject>,
    /// Present when a sink asked for them.
    pub rollups: Rollups,
}
