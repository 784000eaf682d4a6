//! Where the pages of a row group wait until the group is complete: a temporary file.
//!
//! Parquet keeps a column's pages together, and rows bring all columns at once, so that a
//! group's pages have to be kept somewhere. In memory that would be ten megabytes and more.

use std::{fs::File, os::unix::fs::FileExt};

use bytes::Bytes;
use parquet::{
    column::page_store::{PageKey, PageStore, PageStoreArgs, PageStoreFactory},
    errors::{ParquetError, Result},
};

use crate::scratch::{self, ScratchError};

/// Makes a file for each column that has pages.
#[derive(Debug)]
pub struct PageFiles;

impl PageStoreFactory for PageFiles {
    fn create(&self, _: &PageStoreArgs<'_>) -> Result<Box<dyn PageStore>> {
        Ok(Box::new(PageFile::default()))
    }
}

/// The pages of a column, one after the other.
#[derive(Default)]
struct PageFile {
    file: Option<File>,
    /// The end of each blob, in the file; a blob's key is its number.
    ends: Vec<u64>,
}

impl PageFile {
    fn append(&mut self, value: &[u8]) -> std::result::Result<PageKey, ScratchError> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(scratch::file()?),
        };
        let start = self.ends.last().copied().unwrap_or(0);
        file.write_all_at(value, start)?;
        self.ends.push(start + value.len() as u64);
        Ok(PageKey::new(self.ends.len() as u64 - 1))
    }
}

impl PageStore for PageFile {
    fn put(&mut self, value: Bytes) -> Result<PageKey> {
        self.append(&value)
            .map_err(|error| ParquetError::External(Box::new(error)))
    }

    fn take(&mut self, key: PageKey) -> Result<Bytes> {
        let number = usize::try_from(key.get()).unwrap_or(usize::MAX);
        let (Some(file), Some(end)) = (&self.file, self.ends.get(number)) else {
            return Err(ParquetError::General(format!("no page {number} was put")));
        };
        let start = number.checked_sub(1).map_or(0, |before| self.ends[before]);
        let mut bytes = vec![0; usize::try_from(end - start)?];
        file.read_exact_at(&mut bytes, start)
            .map_err(|error| ParquetError::External(Box::new(ScratchError::from(error))))?;
        Ok(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_come_back_in_any_order() {
        let mut pages = PageFile::default();
        let keys = ["first", "", "third"].map(|page| pages.put(page.into()).unwrap());
        assert_eq!(pages.take(keys[2]).unwrap(), "third");
        assert_eq!(pages.take(keys[0]).unwrap(), "first");
        assert_eq!(pages.take(keys[1]).unwrap(), "");
        assert!(pages.take(PageKey::new(3)).is_err());
    }
}
