//! A folder laid out like the dumps host.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

use super::tally::Tally;
use crate::bench::generate::{self, Archive, Random};

/// An hour, by its start, counted from the beginning of 3 August 2024: 5 is 05:00 to 06:00 of that day, whose file is
/// named after 06:00.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hour(pub u16);

/// Its beginning.
const FIRST: jiff::civil::DateTime = jiff::civil::date(2024, 8, 3).at(0, 0, 0, 0);

impl Hour {
    /// The one that it is now.
    #[must_use]
    pub fn now() -> Self {
        let first = FIRST.to_zoned(jiff::tz::TimeZone::UTC);
        let first = first.map_or(jiff::Timestamp::UNIX_EPOCH, |first| first.timestamp());
        let hours = jiff::Timestamp::now().duration_since(first).as_hours();
        // Enough until 2032.
        Self(u16::try_from(hours).unwrap_or(u16::MAX))
    }

    /// The file's stem, which is also the unit's name.
    #[must_use]
    pub fn unit(self) -> String {
        format!("pageviews-{}0000", Self(self.0 + 1).text("%Y%m%d-%H"))
    }

    /// As the worker's configuration has it.
    #[must_use]
    pub fn timestamp(self) -> String {
        self.text("%Y-%m-%dT%H:00:00Z")
    }

    /// As the warehouse has it.
    #[must_use]
    pub fn ts(self) -> String {
        self.text("%Y-%m-%d %H:00:00")
    }

    pub(super) fn text(self, format: &str) -> String {
        let start = FIRST + jiff::SignedDuration::from_hours(self.0.into());
        start.strftime(format).to_string()
    }
}

/// A folder to point the stand-in for the host at.
#[derive(Debug, Clone)]
pub struct Dump {
    root: PathBuf,
}

impl Dump {
    /// A folder that is there already.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// The folder.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where an hour's file is.
    #[must_use]
    pub fn file(&self, hour: Hour) -> PathBuf {
        self.root
            .join("other/pageviews")
            .join(Hour(hour.0 + 1).text("%Y/%Y-%m"))
            .join(format!("{}.gz", hour.unit()))
    }

    /// Publishes an hour with generated lines and says what is in it.
    #[must_use]
    pub fn generated(&self, hour: Hour, lines: usize) -> Tally {
        let mut tally = Tally::default();
        let spec = generate::Hour {
            lines,
            seed: u64::from(hour.0) + 1,
        };
        let add = |row: generate::Row<'_>| {
            tally.add(row.domain_code, row.title, row.views);
            Ok(())
        };
        spec.rows(add).expect("nothing fails");
        let size = generate::Size {
            lines: spec.lines,
            seed: spec.seed,
        };
        generate::Archive::Pageviews
            .write_packed(size, self.create(hour))
            .expect("the file can be written");
        tally
    }

    /// Publishes an hour whose titles are long and cannot be compressed: 60,000 of them make a Parquet file that takes
    /// more than one part to upload.
    #[must_use]
    pub fn incompressible(&self, hour: Hour, lines: usize) -> Tally {
        let mut random = Random::new(u64::from(hour.0) + 1000);
        let mut titles: Vec<String> = (0..lines).map(|_| noise(&mut random, 240)).collect();
        titles.sort_unstable();
        let mut tally = Tally::default();
        let mut text = String::new();
        for title in titles {
            tally.add("en", &title, 1);
            text.push_str("en ");
            text.push_str(&title);
            text.push_str(" 1 0\n");
        }
        self.lines(hour, text.as_bytes());
        tally
    }

    /// Publishes a unit of an archive, with some more lines at its end, and says what is in it.
    #[must_use]
    pub fn publish(&self, archive: Archive, unit: Hour, lines: usize, more: &str) -> Tally {
        let path = self.root.join(archive.path(unit));
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("the folder can be made");
        let size = generate::Size {
            lines,
            seed: u64::from(unit.0) + 1,
        };
        let mut packed = Vec::new();
        archive
            .write_packed(size, &mut packed)
            .expect("a Vec takes everything");
        // What an independent reader finds, without what it could not read.
        fs::write(&path, &packed).expect("the file can be written");
        let tally = Tally::of_dumps(std::slice::from_ref(&path));
        if !more.is_empty() {
            // Another member, or stream, of the same file.
            packed.extend(
                archive
                    .pack(more.as_bytes())
                    .expect("a Vec takes everything"),
            );
            fs::write(&path, &packed).expect("the file can be written");
        }
        tally
    }

    /// Publishes an hour with these bytes in it.
    pub fn lines(&self, hour: Hour, text: &[u8]) {
        let mut gz = GzEncoder::new(self.create(hour), Compression::new(6));
        gz.write_all(text).expect("the file can be written");
        gz.finish().expect("the file can be written");
    }

    fn create(&self, hour: Hour) -> File {
        let path = self.file(hour);
        fs::create_dir_all(path.parent().expect("a file has a folder"))
            .expect("the folder can be made");
        File::create(&path).expect("the file can be made")
    }
}

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

fn noise(random: &mut Random, length: usize) -> String {
    (0..length)
        .map(|_| char::from(LETTERS[random.below(LETTERS.len())]))
        .collect()
}
