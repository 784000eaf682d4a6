//! From lines to rows.
//!
//! [`Parser`] goes through the lines and keeps those that are none; what a line means is up to a [`Rows`]: [`pages`]
//! reads the hourly dumps, [`complete`] the daily page views and [`media`] the media counts. [`domain`] says what a
//! domain code stands for, [`quotes`] and [`percent`] undo what was done to titles.

pub mod complete;
pub mod domain;
pub mod fields;
pub mod line;
pub mod media;
pub mod pages;
pub mod percent;
pub mod quotes;

#[cfg(test)]
mod properties;

use crate::{
    rows::{Batch, REJECT_BYTES, Reject},
    scratch::ScratchError,
};

use super::rollup::Rollups;

/// Which rows are wanted.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Names of projects; `*` is all of them.
    pub projects: Vec<String>,
    /// Rows with fewer views, or transfers, are left out of the facts; roll-ups count them.
    pub min_views: i64,
}

impl Filter {
    fn wants(&self, project: &str) -> bool {
        self.projects
            .iter()
            .any(|wanted| wanted == "*" || wanted == project)
    }
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Lines seen.
    pub lines: i64,
    /// Rows handed out.
    pub rows: i64,
    /// Lines left out by the filter.
    pub filtered: i64,
    /// Lines that could not be read.
    pub rejected: i64,
    /// Lines whose parts do not add up to their published total.
    pub inconsistent: i64,
}

/// Why a line gave no row.
#[derive(Debug)]
pub enum NoRow {
    /// It is not one; which field is wrong and how.
    Bad(String),
    /// A roll-up's temporary file failed.
    Scratch(ScratchError),
}

impl<E: std::error::Error> From<E> for NoRow {
    fn from(error: E) -> Self {
        Self::Bad(error.to_string())
    }
}

/// Makes rows of one format's lines.
pub trait Rows {
    /// Reads a line, without its line feed.
    ///
    /// # Errors
    /// When it is not one of this format's.
    fn line(&mut self, line: &str, tally: &mut Tally) -> Result<(), NoRow>;

    /// Whether lines need not be UTF-8: all of them are then read by [`Rows::raw`].
    fn takes_raw(&self) -> bool {
        false
    }

    /// Reads a line that is not UTF-8.
    ///
    /// # Errors
    /// As [`Rows::line`]; most formats have no such lines.
    fn raw(&mut self, line: &[u8], _: &mut Tally) -> Result<(), NoRow> {
        Err(NoRow::Bad(not_utf8(line)))
    }

    /// The rows since the last time.
    fn take(&mut self) -> Batch;

    /// What was derived on the way.
    ///
    /// # Errors
    /// When a temporary file cannot be written.
    fn finish(self) -> Result<Rollups, ScratchError>;
}

/// The lines of a block, without their line feeds.
fn lines(block: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = block;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = &rest[..end];
        rest = rest.get(end + 1..).unwrap_or_default();
        Some(line)
    })
}

fn not_utf8(line: &[u8]) -> String {
    let valid = std::str::from_utf8(line).map_or_else(|error| error.valid_up_to(), str::len);
    format!("not UTF-8 from byte {} on", valid + 1)
}

/// Reads one file's lines.
#[derive(Debug)]
pub struct Parser<R> {
    rows: R,
    /// What was counted so far.
    pub tally: Tally,
    /// What could not be read: the first lines of it, as many as are kept.
    pub rejects: Vec<Reject>,
    kept: usize,
}

impl<R: Rows> Parser<R> {
    /// A parser of one file. Of what cannot be read it keeps so many lines, but at least one, and counts the others.
    #[must_use]
    pub fn new(rows: R, kept: usize) -> Self {
        Self {
            rows,
            tally: Tally::default(),
            rejects: Vec::new(),
            kept: kept.max(1),
        }
    }

    /// Reads a block of whole lines.
    ///
    /// # Errors
    /// When the roll-up's temporary file cannot be written.
    pub fn block(&mut self, block: &[u8]) -> Result<Batch, ScratchError> {
        // One check of the whole block is several times faster than one a line.
        if self.rows.takes_raw() {
            for line in lines(block) {
                self.raw(line)?;
            }
        } else if let Ok(text) = simdutf8::basic::from_utf8(block) {
            self.text(text)?;
        } else {
            self.line_by_line(block)?;
        }
        Ok(self.rows.take())
    }

    fn text(&mut self, text: &str) -> Result<(), ScratchError> {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', text.as_bytes()) {
            self.line(&text[start..end])?;
            start = end + 1;
        }
        if start < text.len() {
            self.line(&text[start..])?;
        }
        Ok(())
    }

    /// For a block in which some line is not UTF-8.
    fn line_by_line(&mut self, block: &[u8]) -> Result<(), ScratchError> {
        for line in lines(block) {
            match std::str::from_utf8(line) {
                Ok(line) => self.line(line)?,
                Err(_) => self.raw(line)?,
            }
        }
        Ok(())
    }

    #[inline]
    fn raw(&mut self, line: &[u8]) -> Result<(), ScratchError> {
        self.tally.lines += 1;
        let row = self.rows.raw(line, &mut self.tally);
        self.note(line, row)
    }

    #[inline]
    fn line(&mut self, line: &str) -> Result<(), ScratchError> {
        self.tally.lines += 1;
        let row = self.rows.line(line, &mut self.tally);
        match row {
            Ok(()) => Ok(()),
            row => self.note(line.as_bytes(), row),
        }
    }

    fn note(&mut self, line: &[u8], row: Result<(), NoRow>) -> Result<(), ScratchError> {
        match row {
            Ok(()) => {}
            Err(NoRow::Bad(reason)) => self.reject(line, reason),
            Err(NoRow::Scratch(error)) => return Err(error),
        }
        Ok(())
    }

    /// Notes a line that is too long to be one.
    pub fn overlong(&mut self, start: &[u8]) {
        self.tally.lines += 1;
        self.reject(
            start,
            format!("the line is longer than {} bytes", start.len()),
        );
    }

    fn reject(&mut self, line: &[u8], reason: String) {
        self.tally.rejected += 1;
        if self.rejects.len() >= self.kept {
            return;
        }
        self.rejects.push(Reject {
            line_no: self.tally.lines,
            line: line[..line.len().min(REJECT_BYTES)].to_vec(),
            reason,
        });
    }

    /// What was derived on the way, and what could not be read.
    ///
    /// # Errors
    /// When a temporary file cannot be written.
    pub fn finish(self) -> Result<(Rollups, Vec<Reject>), ScratchError> {
        Ok((self.rows.finish()?, self.rejects))
    }
}
