//! Media counts: transfers of media files in a day.
//!
//! A line has 25 columns, separated by tabs: the file's path, then numbers and six reserved columns
//! (`hql/mediacounts/mediacounts_archive_daily.hql` in Wikimedia's analytics-refinery; [`MEDIA_COUNTS`] names them).
//! The path is decoded, so it may hold a tab; a line is read from its end.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{ArrayRef, Int64Array, StringBuilder};
use jiff::Timestamp;

use super::{
    Filter, NoRow, Rows, Tally, domain,
    fields::{number, shorten},
    percent, quotes,
};
use crate::{
    batch::{
        dataset::Dataset,
        rollup::{Rollups, TopFiles},
    },
    rows::{Batch, MEDIA_COUNTS, facts, table, times},
    scratch::ScratchError,
};

/// Columns of a line.
const COLUMNS: usize = 25;
/// The most bytes of a path; the warehouse's column holds as much.
const MAX_NAME: usize = 4096;

/// Why a line is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadLine {
    #[error("{0} columns where there should be 25")]
    Columns(usize),
    #[error("column {column} ({name}) is not a whole number: {text:?}")]
    Number {
        column: usize,
        name: &'static str,
        text: String,
    },
    #[error("base_name is empty")]
    NoName,
    #[error("base_name has {0} bytes, more than 4096")]
    LongName(usize),
}

type Counts = [i64; MEDIA_COUNTS.len()];

/// Splits a line.
fn split(line: &str) -> Result<(&str, Counts), BadLine> {
    // Where the columns after the first begin, the last of them first.
    let mut starts = [0; COLUMNS - 1];
    let mut tabs = memchr::memrchr_iter(b'\t', line.as_bytes());
    for (found, start) in starts.iter_mut().enumerate() {
        *start = tabs.next().ok_or(BadLine::Columns(found + 1))?;
    }
    let name = &line[..starts[COLUMNS - 2]];
    let column = |number: usize| {
        let tab = starts[COLUMNS - number];
        let end = match COLUMNS - number {
            0 => line.len(),
            after => starts[after - 1],
        };
        (tab + 1).min(end)..end
    };
    let mut counts = [0; MEDIA_COUNTS.len()];
    for (count, (name, number)) in counts.iter_mut().zip(MEDIA_COUNTS) {
        let text = &line.as_bytes()[column(number)];
        *count = self::count(text).ok_or_else(|| BadLine::Number {
            column: number,
            name,
            text: shorten(text),
        })?;
    }
    if name.is_empty() {
        return Err(BadLine::NoName);
    }
    if name.len() > MAX_NAME {
        return Err(BadLine::LongName(name.len()));
    }
    Ok((name, counts))
}

/// A sum of nothing is written as `""`; sums of bytes have more digits than counts.
fn count(text: &[u8]) -> Option<i64> {
    match text {
        b"\"\"" => Some(0),
        _ if text.len() <= 12 => number(text),
        _ if text.len() <= 18 => {
            let (high, low) = text.split_at(text.len() - 12);
            Some(number(high)? * 1_000_000_000_000 + number(low)?)
        }
        _ => None,
    }
}

/// Whether the parts add up to what is published as their sums. Images and movies of unknown size are in the sum only,
/// and so is a referer of a class that came later.
fn adds_up(counts: &Counts) -> bool {
    let [_, transfers, original, audio, image, image_parts @ ..] = counts;
    let [
        i1,
        i2,
        i3,
        i4,
        i5,
        i6,
        movie,
        m1,
        m2,
        m3,
        internal,
        external,
        unknown,
    ] = image_parts;
    *transfers == original + audio + image + movie
        && *image >= i1 + i2 + i3 + i4 + i5 + i6
        && *movie >= m1 + m2 + m3
        && *transfers >= internal + external + unknown
}

/// Gathers the rows of one file.
#[derive(Debug)]
pub struct MediaRows {
    ts: Timestamp,
    filter: Filter,
    projects: Projects,
    top: Option<TopFiles>,
    names: StringBuilder,
    wikis: StringBuilder,
    files: StringBuilder,
    counts: [Vec<i64>; MEDIA_COUNTS.len()],
    name: String,
    room: percent::Room,
}

impl MediaRows {
    /// For a file of the day that starts at `ts`; `top` takes what is derived from its rows.
    pub(crate) fn new(ts: Timestamp, filter: Filter, top: Option<TopFiles>) -> Self {
        Self {
            ts,
            filter,
            projects: Projects::default(),
            top,
            names: StringBuilder::new(),
            wikis: StringBuilder::new(),
            files: StringBuilder::new(),
            counts: Default::default(),
            name: String::new(),
            room: percent::Room::default(),
        }
    }
}

impl Rows for MediaRows {
    fn line(&mut self, text: &str, tally: &mut Tally) -> Result<(), NoRow> {
        let (name, counts) = split(text)?;
        let name = quotes::unquote(name, b'\t', &mut self.name);
        tally.inconsistent += i64::from(!adds_up(&counts));
        let [bytes, transfers, ..] = counts;
        if let Some(top) = &mut self.top {
            top.add(name, transfers, bytes);
        }
        if transfers < self.filter.min_views {
            tally.filtered += 1;
            return Ok(());
        }
        let file = name.rsplit('/').next().unwrap_or(name);
        let (file, _) = percent::decode(file.as_bytes(), &mut self.room);
        self.names.append_value(name);
        self.wikis.append_value(self.projects.of(name));
        self.files.append_value(file);
        for (column, count) in self.counts.iter_mut().zip(counts) {
            column.push(count);
        }
        tally.rows += 1;
        Ok(())
    }

    fn take(&mut self) -> Batch {
        let names = self.names.finish();
        let rows = arrow::array::Array::len(&names);
        let mut columns: Vec<ArrayRef> = vec![
            times(std::iter::repeat_n(self.ts, rows)),
            Arc::new(names),
            Arc::new(self.wikis.finish()),
            Arc::new(self.files.finish()),
        ];
        for counts in &mut self.counts {
            let full = std::mem::replace(counts, Vec::with_capacity(rows + rows / 8));
            columns.push(Arc::new(Int64Array::from(full)));
        }
        Batch::Table(table(&facts(Dataset::Mediacounts), columns))
    }

    fn finish(self) -> Result<Rollups, ScratchError> {
        Ok(self.top.map(TopFiles::finish).unwrap_or_default())
    }
}

/// The projects of paths, which begin with a family and a wiki: `/wikipedia/commons/8/83/Kit_body.svg`.
#[derive(Debug, Default)]
struct Projects {
    known: HashMap<String, String>,
    /// The start of the path before, and its project: files are sorted, so most paths share it.
    last: (String, String),
}

impl Projects {
    /// The project, or nothing where the path names none (`/score/…`, `/favicon.ico`).
    fn of(&mut self, path: &str) -> &str {
        let start = start(path);
        if self.last.0 != start {
            // Those without a project may begin with anything, and are not remembered.
            if !self.known.contains_key(start)
                && let Some(project) = describe(start)
            {
                self.known.insert(start.to_owned(), project);
            }
            let project = self.known.get(start).cloned();
            self.last = (start.to_owned(), project.unwrap_or_default());
        }
        &self.last.1
    }
}

/// The path up to the slash behind its second part.
fn start(path: &str) -> &str {
    let mut slashes = memchr::memchr_iter(b'/', path.as_bytes());
    let end = slashes.nth(2).unwrap_or(0);
    &path[..end]
}

fn describe(start: &str) -> Option<String> {
    let (family, wiki) = start.strip_prefix('/')?.split_once('/')?;
    domain::is_family(family).then(|| domain::project(wiki, family))
}

#[cfg(test)]
mod tests {
    use arrow::array::AsArray as _;

    use super::*;
    use crate::batch::parse::Parser;

    /// A line whose columns are their own numbers but for the sums.
    fn line(name: &str) -> String {
        let mut columns: Vec<String> = (2..=COLUMNS).map(|number| number.to_string()).collect();
        for (number, value) in [
            (3, "104"),
            (4, "5"),
            (8, "79"),
            (14, "12"),
            (17, "15"),
            (18, "1"),
            (19, "2"),
            (20, "3"),
            (23, "50"),
            (24, "50"),
            (25, "4"),
        ] {
            columns[number - 2] = value.to_owned();
        }
        for reserved in [6, 7, 15, 16, 21, 22] {
            columns[reserved - 2] = "-".to_owned();
        }
        format!("{name}\t{}\n", columns.join("\t"))
    }

    fn parsed(text: &str) -> (Batch, Parser<MediaRows>) {
        let filter = Filter {
            projects: vec!["*".to_owned()],
            min_views: 0,
        };
        let mut parser = Parser::new(MediaRows::new(Timestamp::UNIX_EPOCH, filter, None));
        let batch = parser.block(text.as_bytes()).unwrap();
        (batch, parser)
    }

    #[test]
    fn columns_are_read_by_their_numbers() {
        let line = line("/x");
        let (name, counts) = split(line.trim_end()).unwrap();
        assert_eq!(name, "/x");
        let expected = [
            2, 104, 5, 5, 79, 9, 10, 11, 12, 13, 12, 15, 1, 2, 3, 50, 50, 4,
        ];
        assert_eq!(counts, expected);
        assert!(adds_up(&counts));
    }

    #[test]
    fn paths_are_split_into_project_and_file() {
        for (path, project, file) in [
            (
                "/wikipedia/commons/8/83/Kit_body.svg",
                "commons.wikimedia",
                "Kit_body.svg",
            ),
            (
                "/wikipedia/en/a/a4/Caf%C3%A9 1.jpg",
                "en.wikipedia",
                "Café_1.jpg",
            ),
            (
                "/wikipedia/commons/archive/a/ab/20120101!x.jpg",
                "commons.wikimedia",
                "20120101!x.jpg",
            ),
            ("/wikipedia/meta/8/83/X.png", "meta.wikimedia", "X.png"),
            ("/wikipedia/mediawiki/8/83/X.png", "mediawiki", "X.png"),
            ("/wiktionary/fr/8/83/X.png", "fr.wiktionary", "X.png"),
            (
                "/wikipedia/en/math/d/4/1/hash.png",
                "en.wikipedia",
                "hash.png",
            ),
            ("/score/l/a/lav.png", "", "lav.png"),
            ("/favicon.ico", "", "favicon.ico"),
        ] {
            let (batch, parser) = parsed(&line(path));
            assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
            let Batch::Table(table) = batch else {
                panic!("{batch:?}");
            };
            let text = |column: usize| table.column(column).as_string::<i32>().value(0).to_owned();
            assert_eq!(
                (text(1).as_str(), text(2).as_str(), text(3).as_str()),
                (path, project, file)
            );
        }
    }

    #[test]
    fn tabs_quotes_and_nothing_are_taken_and_what_is_wrong_is_named() {
        let (batch, parser) = parsed(&line("\"/a\t\\\"b\\\"\""));
        let Batch::Table(table) = batch else {
            panic!("{batch:?}");
        };
        assert_eq!(table.column(1).as_string::<i32>().value(0), "/a\t\"b\"");
        assert_eq!(parser.tally.inconsistent, 0);
        let (_, parser) = parsed(&line("/raw\ttab"));
        assert!(parser.rejects.is_empty());
        let (_, parser) = parsed(&line("/x").replace("\t79\t", "\t\"\"\t"));
        assert_eq!((parser.tally.rows, parser.tally.inconsistent), (1, 1));
        for (text, reason) in [
            (
                line("/x").replace("\t79\t", "\t7x\t"),
                "column 8 (transcoded_image) is not a whole number: \"7x\"",
            ),
            (
                "/x\t1\t2\n".to_owned(),
                "3 columns where there should be 25",
            ),
            (line(""), "base_name is empty"),
        ] {
            let (_, parser) = parsed(&text);
            assert_eq!(parser.rejects[0].reason, reason);
        }
    }

    #[test]
    fn bytes_may_be_many() {
        assert_eq!(count(b"123456789012345678"), Some(123_456_789_012_345_678));
        assert_eq!(count(b"1234567890123456789"), None);
        assert_eq!(count(b""), None);
    }
}
