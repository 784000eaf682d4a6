//! Column chunks of values that repeat in runs, such as a dump's domains, which change a few
//! thousand times in a file of millions of rows.
//!
//! Parquet stores such a column as a dictionary and the lengths of the runs
//! (`RLE_DICTIONARY`, Encodings.md in apache/parquet-format). The library's writer takes one
//! value a row to find that out; here the runs are known, and writing them costs nothing.

use std::collections::HashMap;

use bytes::Bytes;
use parquet::{
    basic::{BoundaryOrder, Compression, Encoding, PageType, Type},
    column::{
        page::{CompressedPage, Page, PageWriter as _},
        writer::ColumnCloseResult,
    },
    data_type::ByteArray,
    errors::ParquetError,
    file::{
        metadata::{
            ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
        },
        statistics::Statistics,
        writer::{SerializedPageWriter, TrackedWrite},
    },
    schema::types::ColumnDescPtr,
};

/// Rows of a page, at least: as many as the library's own pages have at most.
const PAGE_ROWS: usize = 20_000;

/// A chunk of a required `BYTE_ARRAY` column that is being gathered, or of an `INT64` column that
/// has one value throughout.
#[derive(Debug)]
pub struct RunColumn {
    column: ColumnDescPtr,
    /// Each value's place in the dictionary. A value is the bytes of a text, or of a number,
    /// little end first.
    places: HashMap<Vec<u8>, u32>,
    dictionary: Vec<Vec<u8>>,
    pages: Vec<RunPage>,
    /// The page that is being gathered: each run's place and rows.
    open: Vec<(u32, usize)>,
    open_rows: usize,
}

#[derive(Debug)]
struct RunPage {
    encoded: Bytes,
    rows: usize,
    /// Places of the least and the greatest value.
    bounds: (u32, u32),
}

/// A chunk that is complete: its bytes, and what the file's footer says of them.
#[derive(Debug)]
pub struct RunChunk {
    /// The dictionary page and the data pages.
    pub bytes: Bytes,
    /// Offsets count from the start of `bytes`.
    pub close: ColumnCloseResult,
}

impl RunColumn {
    /// An empty chunk.
    #[must_use]
    pub fn new(column: ColumnDescPtr) -> Self {
        Self {
            column,
            places: HashMap::new(),
            dictionary: Vec::new(),
            pages: Vec::new(),
            open: Vec::new(),
            open_rows: 0,
        }
    }

    /// Adds runs: a value, and how many rows have it.
    pub fn add<'a>(&mut self, runs: impl Iterator<Item = (&'a [u8], usize)>) {
        for (value, rows) in runs {
            let place = self.place(value);
            match self.open.last_mut() {
                Some((last, before)) if *last == place => *before += rows,
                _ => self.open.push((place, rows)),
            }
            self.open_rows += rows;
        }
        if self.open_rows >= PAGE_ROWS {
            self.end_page();
        }
    }

    fn end_page(&mut self) {
        let page = std::mem::take(&mut self.open);
        let rows = std::mem::take(&mut self.open_rows);
        let value = |place: &u32| &self.dictionary[*place as usize];
        let places = || page.iter().map(|(place, _)| *place);
        let (Some(min), Some(max)) = (places().min_by_key(value), places().max_by_key(value))
        else {
            return;
        };
        self.pages.push(RunPage {
            encoded: encode(&page, self.dictionary.len()).into(),
            rows,
            bounds: (min, max),
        });
    }

    fn place(&mut self, value: &[u8]) -> u32 {
        if let Some(place) = self.places.get(value) {
            return *place;
        }
        let place = u32::try_from(self.dictionary.len()).unwrap_or(u32::MAX);
        self.places.insert(value.to_vec(), place);
        self.dictionary.push(value.to_vec());
        place
    }

    /// Ends the chunk.
    ///
    /// # Errors
    /// When the library does not take a page.
    pub fn close(mut self) -> Result<RunChunk, ParquetError> {
        self.end_page();
        let mut sink = TrackedWrite::new(Vec::new());
        let mut writer = SerializedPageWriter::new(&mut sink);
        let mut column_index = ColumnIndexBuilder::new(self.column.physical_type());
        let mut offset_index = OffsetIndexBuilder::new();
        let dictionary = writer.write_page(self.dictionary_page())?;
        let mut size = dictionary.compressed_size;
        for page in &self.pages {
            let spec = writer.write_page(page.to_parquet())?;
            size += spec.compressed_size;
            let (min, max) = page.bounds;
            column_index.append(false, self.value(min), self.value(max), 0, None);
            offset_index.append_row_count(as_i64(page.rows));
            offset_index.append_offset_and_size(
                i64::try_from(spec.offset).unwrap_or(i64::MAX),
                i32::try_from(spec.compressed_size).unwrap_or(i32::MAX),
            );
        }
        writer.close()?;
        column_index.set_boundary_order(self.boundary_order());
        let rows = self.pages.iter().map(|page| page.rows).sum();
        Ok(RunChunk {
            bytes: sink.into_inner()?.into(),
            close: ColumnCloseResult {
                bytes_written: size as u64,
                rows_written: rows as u64,
                metadata: self.metadata(size, rows, dictionary.compressed_size)?,
                bloom_filter: None,
                column_index: Some(column_index.build()?),
                offset_index: Some(offset_index.build()),
            },
        })
    }

    fn value(&self, place: u32) -> Vec<u8> {
        self.dictionary[place as usize].clone()
    }

    fn dictionary_page(&self) -> CompressedPage {
        let mut buf = Vec::new();
        for value in &self.dictionary {
            if self.column.physical_type() == Type::BYTE_ARRAY {
                let length = u32::try_from(value.len()).unwrap_or(u32::MAX);
                buf.extend(length.to_le_bytes());
            }
            buf.extend(value);
        }
        uncompressed(Page::DictionaryPage {
            buf: buf.into(),
            num_values: u32::try_from(self.dictionary.len()).unwrap_or(u32::MAX),
            encoding: Encoding::PLAIN,
            is_sorted: false,
        })
    }

    fn boundary_order(&self) -> BoundaryOrder {
        let bounds = |page: &RunPage| (self.value(page.bounds.0), self.value(page.bounds.1));
        let ascending = self.pages.windows(2).all(|pages| {
            let ((min, max), (next_min, next_max)) = (bounds(&pages[0]), bounds(&pages[1]));
            min <= next_min && max <= next_max
        });
        if ascending {
            BoundaryOrder::ASCENDING
        } else {
            BoundaryOrder::UNORDERED
        }
    }

    fn metadata(
        &self,
        size: usize,
        rows: usize,
        dictionary_size: usize,
    ) -> Result<ColumnChunkMetaData, ParquetError> {
        let encodings = |page_type, encoding, count| PageEncodingStats {
            page_type,
            encoding,
            count,
        };
        let data_pages = i32::try_from(self.pages.len()).unwrap_or(i32::MAX);
        ColumnChunkMetaData::builder(self.column.clone())
            // Runs are a few bytes a page.
            .set_compression(Compression::UNCOMPRESSED)
            .set_encodings(vec![
                Encoding::PLAIN,
                Encoding::RLE,
                Encoding::RLE_DICTIONARY,
            ])
            .set_page_encoding_stats(vec![
                encodings(PageType::DICTIONARY_PAGE, Encoding::PLAIN, 1),
                encodings(PageType::DATA_PAGE, Encoding::RLE_DICTIONARY, data_pages),
            ])
            .set_total_compressed_size(as_i64(size))
            .set_total_uncompressed_size(as_i64(size))
            .set_num_values(as_i64(rows))
            .set_dictionary_page_offset(Some(0))
            .set_data_page_offset(as_i64(dictionary_size))
            .set_statistics(self.statistics())
            .build()
    }

    fn statistics(&self) -> Statistics {
        let (min, max) = (self.dictionary.iter().min(), self.dictionary.iter().max());
        if self.column.physical_type() == Type::INT64 {
            let number =
                |bytes: Option<&Vec<u8>>| Some(i64::from_le_bytes(*bytes?.first_chunk::<8>()?));
            return Statistics::int64(number(min), number(max), None, Some(0), false);
        }
        let text = |bytes: Option<&Vec<u8>>| bytes.cloned().map(ByteArray::from);
        Statistics::byte_array(text(min), text(max), None, Some(0), false)
    }
}

impl RunPage {
    fn to_parquet(&self) -> CompressedPage {
        uncompressed(Page::DataPage {
            buf: self.encoded.clone(),
            num_values: u32::try_from(self.rows).unwrap_or(u32::MAX),
            encoding: Encoding::RLE_DICTIONARY,
            def_level_encoding: Encoding::RLE,
            rep_level_encoding: Encoding::RLE,
            statistics: None,
        })
    }
}

fn uncompressed(page: Page) -> CompressedPage {
    let size = page.buffer().len();
    CompressedPage::new(page, size)
}

/// The width of a place in bits, then each run: twice its length, as a variable-length number,
/// and the place, in whole bytes.
fn encode(runs: &[(u32, usize)], dictionary: usize) -> Vec<u8> {
    let largest = u32::try_from(dictionary.saturating_sub(1)).unwrap_or(u32::MAX);
    // Some readers do not take a width of none.
    let bits = (u32::BITS - largest.leading_zeros()).max(1);
    let mut encoded = vec![u8::try_from(bits).unwrap_or(32)];
    for (place, rows) in runs {
        let mut header = (*rows as u64) << 1;
        while header > 0x7f {
            encoded.push((header & 0x7f) as u8 | 0x80);
            header >>= 7;
        }
        encoded.push((header & 0x7f) as u8);
        encoded.extend(&place.to_le_bytes()[..bits.div_ceil(8) as usize]);
    }
    encoded
}

fn as_i64(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_encoded_as_the_format_says() {
        // Two places need one bit; 300 rows are 600 = 0b100_1011000.
        assert_eq!(encode(&[(0, 3), (1, 300)], 2), [1, 6, 0, 0xd8, 0x04, 1]);
        // 300 places need nine bits, so two bytes.
        assert_eq!(encode(&[(299, 1)], 300), [9, 2, 0x2b, 0x01]);
    }
}
