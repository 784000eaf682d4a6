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
    #[error("base_name is no path, which begins with a slash: {0:?}")]
    NoPath(String),
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
    Ok((name, counts))
}

/// A path as it is kept. What is behind a line feed in a path is none.
fn path(name: &str) -> Result<&str, BadLine> {
    if !name.starts_with('/') {
        return Err(BadLine::NoPath(shorten(name.as_bytes())));
    }
    if name.len() > MAX_NAME {
        return Err(BadLine::LongName(name.len()));
    }
    Ok(name)
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
        let name = path(quotes::unquote(name, b'\t', &mut self.name))?;
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
    domain::project(wiki, family)
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
        let mut parser = Parser::new(MediaRows::new(Timestamp::UNIX_EPOCH, filter, None), 100);
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
            (
                line(""),
                "base_name is no path, which begins with a slash: \"\"",
            ),
        ] {
            let (_, parser) = parsed(&text);
            assert_eq!(parser.rejects[0].reason, reason);
        }
    }

    fn reasons(text: &str) -> Vec<String> {
        let (_, parser) = parsed(text);
        let rejects = parser.rejects.into_iter();
        rejects.map(|reject| reject.reason).collect()
    }

    #[test]
    fn each_published_sum_is_looked_at_alone() {
        let good = line("/x");
        let broken = |column: usize, value: &str| {
            let mut columns: Vec<&str> = good.trim_end().split('\t').collect();
            columns[column - 1] = value;
            let (_, parser) = parsed(&format!("{}\n", columns.join("\t")));
            (parser.tally.rows, parser.tally.inconsistent)
        };
        assert_eq!(broken(2, "3"), (1, 0));
        for (column, value) in [
            // Not all transfers: of originals, audio, images and movies.
            (4, "6"),
            (5, "4"),
            // More images by width than images, and more movies by height than movies.
            (9, "22"),
            (18, "11"),
            // More from somewhere than there are.
            (23, "51"),
        ] {
            assert_eq!(broken(column, value), (1, 1), "column {column}");
        }
        // Less is told apart than there is: sizes that are not known, and a class of referers that came later.
        for (column, value) in [(9, "0"), (20, "0"), (24, "0")] {
            assert_eq!(broken(column, value), (1, 0), "column {column}");
        }
    }

    #[test]
    fn both_halves_of_a_line_with_a_line_feed_in_its_name_are_kept_and_are_no_row() {
        let text = line("/a") + &line("\"/wikipedia/en/1/12/foo\nbar\"") + &line("/b");
        let (batch, parser) = parsed(&text);
        assert_eq!((batch.rows(), parser.tally.lines), (2, 4));
        let expected = [
            "1 columns where there should be 25",
            "base_name is no path, which begins with a slash: \"bar\\\"\"",
        ];
        assert_eq!(reasons(&text), expected);
    }

    #[test]
    fn paths_are_measured_as_they_are_kept() {
        let quoted = format!("\"/{}\"", "\\\"".repeat(4095));
        assert_eq!(reasons(&line(&quoted)), [""; 0]);
        let long = format!("/{}", "x".repeat(4096));
        let expected = ["base_name has 4097 bytes, more than 4096"];
        assert_eq!(reasons(&line(&long)), expected);
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_kept_with_its_place_and_costs_no_other() {
        let text = [line("/a").as_bytes(), b"/\xff", line("/b").as_bytes()].concat();
        let filter = Filter {
            projects: vec!["*".to_owned()],
            min_views: 0,
        };
        let rows = MediaRows::new(Timestamp::UNIX_EPOCH, filter, None);
        let mut parser = Parser::new(rows, 100);
        assert_eq!(parser.block(&text).unwrap().rows(), 1);
        assert_eq!(parser.rejects[0].reason, "not UTF-8 from byte 2 on");
    }

    fn project_of(path: &str) -> String {
        Projects::default().of(path).to_owned()
    }

    #[test]
    fn a_path_whose_second_part_is_no_name_of_a_wiki_has_no_project() {
        assert_eq!(
            project_of("/wikipedia/be-x-old/1/12/x.png"),
            "be-x-old.wikipedia"
        );
        for path in [
            "/wikipedia//x".to_owned(),
            "/wikipedia/a b/x".to_owned(),
            "/wikipedia/%E6%9D%B1/x".to_owned(),
            format!("/wikipedia/{}/x", "a".repeat(300)),
            "/wikipedia/commons".to_owned(),
            "//".to_owned(),
        ] {
            assert_eq!(project_of(&path), "", "{path}");
            // What the warehouse's column could not hold costs the path its project, and the file nothing.
            assert_eq!(reasons(&line(&path)), [""; 0]);
        }
    }

    #[test]
    fn real_paths_are_kept_as_they_are_with_their_projects() {
        let names = include_str!("../../../../e2e/samples/mediacounts/base_names.txt");
        let text: String = names.lines().map(line).collect();
        let (batch, parser) = parsed(&text);
        assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        assert_eq!(parser.tally.inconsistent, 0);
        let Batch::Table(table) = batch else {
            panic!("{batch:?}");
        };
        let column = |at: usize| table.column(at).as_string::<i32>().iter().flatten();
        assert!(column(1).eq(names.lines()));
        let mut projects: Vec<&str> = column(2).collect();
        projects.dedup();
        let expected = [
            "ar.wikipedia",
            "commons.wikimedia",
            "en.wikipedia",
            "it.wikipedia",
            "meta.wikimedia",
            "ru.wikipedia",
            "sr.wikipedia",
            "wikimania2014.wikimedia",
        ];
        assert_eq!(projects, expected);
        let files: Vec<&str> = column(3).collect();
        for file in [
            "Kit_body.svg",
            "120px-Polska_1386_-_1434.png",
            "459px-Essig-1.jpg___",
            "180px-Chicago_-_State_St_at_Madison_Ave,_1897.ogv",
            "20121208204804!ZvezdeGranda.jpg",
            "56a5d0fae0136327e61476dcfe43109a.png",
        ] {
            assert!(files.contains(&file), "{file}");
        }
        assert!(
            files
                .iter()
                .all(|file| !file.is_empty() && !file.contains('/'))
        );
    }

    #[test]
    fn bytes_may_be_many() {
        assert_eq!(count(b"123456789012345678"), Some(123_456_789_012_345_678));
        assert_eq!(count(b"1234567890123456789"), None);
        assert_eq!(count(b""), None);
    }
}
