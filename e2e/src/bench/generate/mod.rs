//! Files as Wikimedia would publish them.
//!
//! The same arguments give the same bytes, for ever.

mod domains;
mod mediacounts;
mod pagecounts;
mod pageview_complete;
mod pageviews;
mod random;
mod spark;
mod vocabulary;

use std::io::{self, Write};

use clap::ValueEnum;

pub use pageviews::{Hour, Row};
pub use random::Random;

pub(super) use vocabulary::Vocabulary;

/// Part of every cached file's name: raise it whenever the output changes.
pub const VERSION: u32 = 2;

/// The archives whose files can be generated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Archive {
    /// An hour of page views, quoted in Spark's way
    Pageviews,
    /// An hour of the page counts of the years until 2016: titles as they were asked for, and bytes
    Pagecounts,
    /// A day of page views by wiki, title, page and access, with its hours as letters
    PageviewComplete,
    /// A day of requests for media files, in 25 columns
    Mediacounts,
}

/// How much of it.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// How many lines.
    pub lines: usize,
    /// Files with different seeds have other titles and numbers.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines.
    pub lines: usize,
    /// The rows that they stand for: an hour of a line with several is a row of its own, and a line that only sums up
    /// others is none.
    pub rows: usize,
    /// The sum of all views, or transfers.
    pub views: u64,
}

impl Archive {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Pageviews,
        Self::Pagecounts,
        Self::PageviewComplete,
        Self::Mediacounts,
    ];

    /// Writes the text of a file.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write(self, size: Size, mut out: impl Write) -> io::Result<Written> {
        let Size { lines, seed } = size;
        match self {
            Self::Pageviews => Hour { lines, seed }.write(&mut out),
            Self::Pagecounts => pagecounts::write(size, &mut out),
            Self::PageviewComplete => pageview_complete::write(size, &mut out),
            Self::Mediacounts => mediacounts::write(size, &mut out),
        }
    }

    /// Writes a file as it is published: like `gzip -6` or `bzip2 -9` would pack it.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write_packed(self, size: Size, out: impl Write) -> io::Result<Written> {
        if self.is_bzip2() {
            let mut bzip2 = bzip2::write::BzEncoder::new(out, bzip2::Compression::best());
            let written = self.write(size, &mut bzip2)?;
            bzip2.finish()?.flush()?;
            return Ok(written);
        }
        let mut gzip = flate2::GzBuilder::new()
            .mtime(0)
            .write(out, flate2::Compression::new(6));
        let written = self.write(size, &mut gzip)?;
        gzip.finish()?.flush()?;
        Ok(written)
    }

    /// Packs a text as a file is.
    ///
    /// # Errors
    /// None: memory takes everything.
    pub fn pack(self, text: &[u8]) -> io::Result<Vec<u8>> {
        if self.is_bzip2() {
            let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::best());
            bzip2.write_all(text)?;
            return bzip2.finish();
        }
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
        gzip.write_all(text)?;
        gzip.finish()
    }

    /// Whether its files are packed with bzip2; else it is gzip.
    #[must_use]
    pub fn is_bzip2(self) -> bool {
        matches!(self, Self::PageviewComplete | Self::Mediacounts)
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, never negative"
)]
fn round(x: f64) -> usize {
    x.round() as usize
}

/// The same for counts of views.
fn round_u64(x: f64) -> u64 {
    round(x) as u64
}

/// Whole numbers in the proportion of the weights, with the given sum.
fn divide(total: usize, weights: &[f64]) -> Vec<usize> {
    let all: f64 = weights.iter().sum();
    let (mut weight, mut given) = (0.0, 0);
    let parts = weights.iter().map(|part| {
        weight += part;
        // What is given away so far is rounded, not each part: so nothing is lost.
        let until = round(total as f64 * (weight / all).min(1.0));
        let part = until.saturating_sub(given);
        given = given.max(until);
        part
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Archive; 4] = Archive::ALL;

    fn bytes(archive: Archive, lines: usize, seed: u64) -> (Vec<u8>, Written) {
        let mut out = Vec::new();
        let written = archive
            .write(Size { lines, seed }, &mut out)
            .expect("a Vec takes everything");
        (out, written)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
        for archive in ALL {
            assert_eq!(bytes(archive, 3_000, 1), bytes(archive, 3_000, 1));
            assert_ne!(bytes(archive, 3_000, 1).0, bytes(archive, 3_000, 2).0);
        }
    }

    #[test]
    fn it_has_as_many_lines_as_it_says() {
        for archive in ALL {
            for lines in [1_000, 10_000] {
                let (out, written) = bytes(archive, lines, 3);
                let found = out.split(|byte| *byte == b'\n').count() - 1;
                assert_eq!(found, written.lines, "{archive:?}");
                let sums = if archive == Archive::Pagecounts {
                    written.lines - written.rows
                } else {
                    0
                };
                assert_eq!(written.lines, lines + sums, "{archive:?}");
            }
        }
    }

    #[test]
    fn what_is_packed_reads_back() {
        use std::io::Read as _;
        for archive in ALL {
            // More than a block of bzip2.
            let size = Size {
                lines: 16_000,
                seed: 5,
            };
            let mut packed = Vec::new();
            let written = archive.write_packed(size, &mut packed).expect("it packs");
            let mut text = Vec::new();
            let read = if archive.is_bzip2() {
                bzip2::read::BzDecoder::new(&packed[..]).read_to_end(&mut text)
            } else {
                flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut text)
            };
            read.expect("it unpacks");
            assert_eq!((text, written), bytes(archive, size.lines, size.seed));
        }
    }

    #[test]
    fn parts_add_up() {
        let parts = divide(10, &[0.1, 0.2, 0.3, 0.1, 0.3]);
        assert_eq!(parts, [1, 2, 3, 1, 3]);
        let parts = divide(7, &[1.0; 100]);
        assert_eq!(parts.iter().sum::<usize>(), 7);
    }
}
