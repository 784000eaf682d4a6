//! Daily page views with page ids, of one kind of reader.
//!
//! A line is `wiki title page_id access total series`, separated by single spaces
//! (`hql/pageview/daily/make_hourly_dumps.hql` in Wikimedia's analytics-refinery). The series has a letter an hour that
//! has views, `A` from midnight on, each with its number: `F2P1` is two views from 05:00 to 06:00 and one from 15:00 to
//! 16:00. Such a line becomes a row an hour. Before November 2020, pages without an id have no such field either.
//!
//! The same title may come several times, with other ids or access methods.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{ArrayRef, Int64Builder, StringBuilder, TimestampMicrosecondBuilder};
use jiff::{Timestamp, civil::date, tz::TimeZone};

use super::{
    Filter, NoRow, Rows, Tally, domain,
    fields::{back_to, number, shorten},
    line, percent, quotes,
};
use crate::{
    batch::{
        dataset::Dataset,
        rollup::{Day, DayRollup, Rollups},
    },
    rows::{Batch, facts, repeated, table},
    scratch::ScratchError,
};

/// The most bytes of a project's name; the warehouse's column holds as much.
const MAX_PROJECT: usize = 255;

/// What wikis without a code are called, as in the hourly dumps.
const UNKNOWN: &str = "unknown";

const MICROS_AN_HOUR: i64 = 3_600_000_000;

/// The fields of a line.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    project: &'a str,
    title: &'a str,
    page_id: Option<i64>,
    access: &'static str,
    total: i64,
    series: Day,
}

/// Why a line is not a row.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum BadLine {
    #[error("{0} fields where there should be 6: wiki, title, page_id, access, total, series")]
    Fields(usize),
    #[error("access is none of desktop, mobile-web and mobile-app: {0:?}")]
    Access(String),
    #[error("total is not a whole number below 10^12: {0:?}")]
    Total(String),
    #[error("series is not letters from A to X, each once and with its views: {0:?}")]
    Series(String),
    #[error("title is empty")]
    NoTitle,
    #[error("wiki has {0} bytes, more than 255")]
    LongProject(usize),
    #[error("wiki is no name of one, such as en.wikipedia or wikidata: {0:?}")]
    Project(String),
}

/// Splits a line, from both ends: in old files a title may hold spaces.
fn split(line: &str) -> Result<Line<'_>, BadLine> {
    let bytes = line.as_bytes();
    let fields = || BadLine::Fields(line.split(' ').filter(|field| !field.is_empty()).count());
    let series = back_to(b' ', bytes).ok_or_else(fields)?;
    let total = back_to(b' ', &bytes[..series]).ok_or_else(fields)?;
    let access = back_to(b' ', &bytes[..total]).ok_or_else(fields)?;
    let project = memchr::memchr(b' ', &bytes[..access]).ok_or_else(fields)?;
    let (title, page_id) = page(&line[project + 1..access]);
    let project = match &line[..project] {
        "" | "\"\"" => UNKNOWN,
        project => project,
    };
    if title.is_empty() {
        return Err(BadLine::NoTitle);
    }
    let text = |from: usize, to: usize| &bytes[from + 1..to];
    Ok(Line {
        project,
        title,
        page_id,
        access: method(text(access, total))
            .ok_or_else(|| BadLine::Access(shorten(text(access, total))))?,
        total: number(text(total, series))
            .ok_or_else(|| BadLine::Total(shorten(text(total, series))))?,
        series: hours(&bytes[series + 1..])
            .ok_or_else(|| BadLine::Series(shorten(&bytes[series + 1..])))?,
    })
}

/// A title, and the page id behind it where there is one.
fn page(text: &str) -> (&str, Option<i64>) {
    let Some((title, last)) = text.rsplit_once(' ') else {
        return (text, None);
    };
    match last {
        "null" => (title, None),
        // An old line without an id has the title's end here. One that looks like an id is taken for one, since spaces
        // in titles are rarer than pages.
        _ => match number(last.as_bytes()) {
            Some(id) => (title, Some(id)),
            None => (text, None),
        },
    }
}

fn method(text: &[u8]) -> Option<&'static str> {
    ["desktop", "mobile-web", "mobile-app"]
        .into_iter()
        .find(|method| method.as_bytes() == text)
}

fn hours(mut series: &[u8]) -> Option<Day> {
    let mut day = [0; 24];
    let mut seen = 0_u32;
    while let Some((letter, rest)) = series.split_first() {
        let hour = letter.checked_sub(b'A').filter(|hour| *hour < 24)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let bit = 1 << hour;
        if seen & bit != 0 {
            return None;
        }
        seen |= bit;
        day[usize::from(hour)] = number(&rest[..digits])?;
        series = &rest[digits..];
    }
    (seen != 0).then_some(day)
}

/// Gathers the rows of one file.
#[derive(Debug)]
pub struct DayRows {
    dataset: Dataset,
    start: i64,
    filter: Filter,
    /// Titles were taken from requests then, as page counts have them, and are decoded as these.
    is_escaped: bool,
    wanted: HashMap<String, bool>,
    /// The project of the line before, and whether it is wanted.
    last: (String, bool),
    rollup: Option<DayRollup>,
    times: TimestampMicrosecondBuilder,
    projects: StringBuilder,
    access: StringBuilder,
    page_ids: Int64Builder,
    titles: StringBuilder,
    views: Int64Builder,
    title: String,
    room: percent::Room,
}

impl DayRows {
    /// For a file of complete page views that starts at `ts`; `rollup` takes what is derived from its rows.
    pub(crate) fn new(
        dataset: Dataset,
        ts: Timestamp,
        filter: Filter,
        rollup: Option<DayRollup>,
    ) -> Self {
        // With the definition of page views, titles came from the wikis.
        let defined = date(2015, 5, 1).to_zoned(TimeZone::UTC);
        Self {
            dataset,
            start: ts.as_microsecond(),
            filter,
            is_escaped: defined.is_ok_and(|defined| ts < defined.timestamp()),
            wanted: HashMap::new(),
            last: (String::new(), false),
            rollup,
            times: TimestampMicrosecondBuilder::new(),
            projects: StringBuilder::new(),
            access: StringBuilder::new(),
            page_ids: Int64Builder::new(),
            titles: StringBuilder::new(),
            views: Int64Builder::new(),
            title: String::new(),
            room: percent::Room::default(),
        }
    }

    /// Whether the rows of a project are wanted. What is behind a line feed in a title is no project.
    fn enter(&mut self, project: &str) -> Result<bool, BadLine> {
        if self.last.0 != project {
            let wanted = match self.wanted.get(project) {
                Some(wanted) => *wanted,
                None => self.meet(project)?,
            };
            self.last = (project.to_owned(), wanted);
        }
        Ok(self.last.1)
    }

    /// The same, of one that was not met before.
    fn meet(&mut self, project: &str) -> Result<bool, BadLine> {
        if project.len() > MAX_PROJECT {
            return Err(BadLine::LongProject(project.len()));
        }
        if project != UNKNOWN && !domain::is_project(project) {
            return Err(BadLine::Project(shorten(project.as_bytes())));
        }
        let wanted = self.filter.wants(project);
        self.wanted.insert(project.to_owned(), wanted);
        Ok(wanted)
    }
}

impl Rows for DayRows {
    fn line(&mut self, text: &str, tally: &mut Tally) -> Result<(), NoRow> {
        let line = split(text)?;
        if !self.enter(line.project)? {
            tally.filtered += 1;
            return Ok(());
        }
        let title = quotes::unquote(line.title, b' ', &mut self.title);
        let title = if self.is_escaped {
            percent::decode(title.as_bytes(), &mut self.room).0
        } else {
            title
        };
        let title = line::bounded(title)?;
        let views: i64 = line.series.iter().sum();
        tally.inconsistent += i64::from(views != line.total);
        if let Some(rollup) = &mut self.rollup {
            let added = rollup.add(line.project, line.access, title, &line.series);
            added.map_err(NoRow::Scratch)?;
        }
        if views < self.filter.min_views {
            tally.filtered += 1;
            return Ok(());
        }
        for (hour, views) in (0..).zip(line.series).filter(|(_, views)| *views > 0) {
            self.times.append_value(self.start + hour * MICROS_AN_HOUR);
            self.projects.append_value(line.project);
            self.access.append_value(line.access);
            self.page_ids.append_option(line.page_id);
            self.titles.append_value(title);
            self.views.append_value(views);
            tally.rows += 1;
        }
        Ok(())
    }

    fn take(&mut self) -> Batch {
        let times = self.times.finish().with_timezone("UTC");
        let agent = self.dataset.agent().unwrap_or_default();
        let columns: Vec<ArrayRef> = vec![
            repeated(agent, arrow::array::Array::len(&times)),
            Arc::new(self.projects.finish()),
            Arc::new(self.access.finish()),
            Arc::new(self.page_ids.finish()),
            Arc::new(self.titles.finish()),
            Arc::new(self.views.finish()),
        ];
        let times: ArrayRef = Arc::new(times);
        let columns = std::iter::once(times).chain(columns).collect();
        Batch::Table(table(&facts(self.dataset), columns))
    }

    fn finish(self) -> Result<Rollups, ScratchError> {
        let rollups = self.rollup.map(DayRollup::finish).transpose()?;
        Ok(rollups.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::{Array as _, AsArray as _},
        datatypes::{Int64Type, TimestampMicrosecondType},
    };
    use wikiingest_crds::Agent;

    use super::*;
    use crate::batch::parse::Parser;

    fn series(line: &str) -> (&str, Option<i64>, i64, i64) {
        let line = split(line).unwrap();
        (
            line.title,
            line.page_id,
            line.total,
            line.series.iter().sum(),
        )
    }

    #[test]
    fn real_lines_of_each_shape() {
        assert_eq!(
            series("aa.wikibooks Main_Page null desktop 8 F8"),
            ("Main_Page", None, 8, 8)
        );
        // Without an id, in 2011.
        assert_eq!(
            series("aa.wikibooks File%3AWikisource-logo.svg desktop 1 K1"),
            ("File%3AWikisource-logo.svg", None, 1, 1)
        );
        assert_eq!(
            series("en.wikipedia A B 12 mobile-web 3 A1X2"),
            ("A B", Some(12), 3, 3)
        );
        let last = split("en.wikipedia A 12 mobile-app 3 A1X2").unwrap();
        assert_eq!((last.series[0], last.series[23]), (1, 2));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, reason) in [
            ("", "0 fields"),
            ("en.wikipedia A desktop 1", "4 fields"),
            ("en.wikipedia A 1 zero 1 A1", "access is none of"),
            ("en.wikipedia A 1 desktop x A1", "total is not"),
            ("en.wikipedia A 1 desktop 1 Y1", "series is not"),
            ("en.wikipedia A 1 desktop 1 A", "series is not"),
            ("en.wikipedia A 1 desktop 2 A1A1", "series is not"),
            ("en.wikipedia A 1 desktop 1 1", "series is not"),
            ("en.wikipedia  1 desktop 1 A1", "title is empty"),
        ] {
            let error = split(line).unwrap_err().to_string();
            assert!(error.contains(reason), "{line}: {error}");
        }
    }

    fn parsed(day: &str, text: &str) -> (Vec<String>, Tally) {
        let (rows, parser) = all(day, 2, text.as_bytes());
        assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        (rows, parser.tally)
    }

    fn all(day: &str, min_views: i64, text: &[u8]) -> (Vec<String>, Parser<DayRows>) {
        let filter = Filter {
            projects: vec!["*".to_owned()],
            min_views,
        };
        let dataset = Dataset::PageviewComplete(Agent::Spider);
        let start: Timestamp = day.parse().unwrap();
        let mut parser = Parser::new(DayRows::new(dataset, start, filter, None), 100);
        let batch = parser.block(text).unwrap();
        let table = batch.table(start);
        let text = |column: usize, row| table.column(column).as_string::<i32>().value(row);
        let number =
            |column: usize, row| table.column(column).as_primitive::<Int64Type>().value(row);
        let hour = |row| {
            let times = table.column(0).as_primitive::<TimestampMicrosecondType>();
            (times.value(row) - start.as_microsecond()) / MICROS_AN_HOUR
        };
        let row = |row| {
            let page = table.column(4).is_valid(row).then(|| number(4, row));
            format!(
                "{} {} {} {} {page:?} {} {}",
                hour(row),
                text(1, row),
                text(2, row),
                text(3, row),
                text(5, row),
                number(6, row)
            )
        };
        ((0..table.num_rows()).map(row).collect(), parser)
    }

    /// The rows and the reasons of a day of 2024.
    fn told(text: &[u8]) -> (Vec<String>, Vec<String>) {
        let (rows, parser) = all("2024-08-03T00:00:00Z", 0, text);
        let reasons = parser.rejects.into_iter().map(|reject| reject.reason);
        (rows, reasons.collect())
    }

    #[test]
    fn both_halves_of_a_line_with_a_line_feed_in_its_title_are_kept_and_are_no_row() {
        let (rows, reasons) = told(
            b"en.wikipedia A 1 desktop 1 A1\nen.wikipedia Foo\nbar 12 desktop 3 A3\nen.wikipedia B 1 desktop 1 A1\n",
        );
        let rows: Vec<_> = rows.iter().map(|row| row.split(' ').nth(5)).collect();
        assert_eq!(rows, [Some("A"), Some("B")]);
        assert_eq!(reasons.len(), 2, "{reasons:?}");
        assert!(reasons[0].starts_with("2 fields"), "{reasons:?}");
        assert!(reasons[1].contains("wiki is no name"), "{reasons:?}");
        assert!(reasons[1].contains("\"bar\""), "{reasons:?}");
    }

    #[test]
    fn other_control_characters_are_parts_of_titles() {
        let (rows, reasons) = told("en.wikipedia A\rB\u{1}\tC 1 desktop 1 A1\n".as_bytes());
        assert_eq!(reasons, [""; 0]);
        let row = "0 spider en.wikipedia desktop Some(1) A\rB\u{1}\tC 1";
        assert_eq!(rows, [row]);
    }

    #[test]
    fn a_wiki_without_a_code_is_unknown() {
        let (rows, reasons) = told(b"\"\" Z11550 null desktop 1 A1\n Z1 7 desktop 1 A1\n");
        assert_eq!(reasons, [""; 0]);
        let expected = [
            "0 spider unknown desktop None Z11550 1",
            "0 spider unknown desktop Some(7) Z1 1",
        ];
        assert_eq!(rows, expected);
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_kept_with_its_place_and_costs_no_other() {
        let (rows, reasons) =
            told(b"en.wikipedia A 1 desktop 1 A1\nen.wikipedia \xff 1 desktop 1 A1\n");
        assert_eq!(rows.len(), 1);
        assert_eq!(reasons, ["not UTF-8 from byte 14 on"]);
    }

    #[test]
    fn a_title_that_was_escaped_twice_is_unescaped_once_where_titles_are() {
        let line = b"en.wikipedia A%2520B 1 desktop 1 A1\n";
        let title = |day| all(day, 0, line).0[0].clone();
        assert!(title("2024-08-03T00:00:00Z").contains(" A%2520B "));
        assert!(title("2011-12-01T00:00:00Z").contains(" A%20B "));
    }

    #[test]
    fn titles_are_measured_as_they_are_kept() {
        let line = |title: &str| format!("en.wikipedia {title} 1 desktop 1 A1\n");
        // 1,365 characters of three bytes each, and each byte escaped.
        let fits = line(&"%E6%9D%B1".repeat(1365));
        let (rows, parser) = all("2011-12-01T00:00:00Z", 0, fits.as_bytes());
        assert_eq!((rows.len(), parser.rejects.len()), (1, 0));
        // Quotes are escaped as well.
        let quoted = line(&format!("\"{}\"", "\\\"".repeat(4096)));
        assert_eq!(told(quoted.as_bytes()).1, [""; 0]);
        let long = line(&"x".repeat(4097));
        let reasons = told(long.as_bytes()).1;
        assert_eq!(reasons, ["title has 4097 bytes, more than 4096"]);
    }

    #[test]
    fn names_of_wikis_have_a_bound() {
        let name = format!("{}wikipedia", "en.".repeat(83));
        let reasons = told(format!("{name} A 1 desktop 1 A1\n").as_bytes()).1;
        assert_eq!(reasons, ["wiki has 258 bytes, more than 255"]);
    }

    #[test]
    fn a_line_of_a_month_is_none_of_a_day() {
        // Its days are the letters and what follows `Z` in ASCII; a day has hours up to `X`.
        let (rows, reasons) = told(
            b"aa.wikibooks Main_Page null desktop 171 A8B6C8F8H23I1J8L8N31O8Q8S14V8X8Z8\\8_8\n",
        );
        assert_eq!(rows, [""; 0]);
        assert!(reasons[0].starts_with("series is not"), "{reasons:?}");
    }

    #[test]
    fn a_line_is_a_row_an_hour() {
        let text = "en.wikipedia A 12 desktop 3 A1X2\nen.wikipedia \"\\\"B\\\"\" null mobile-web 9 F8\nen.wikipedia C 1 desktop 1 B1\n";
        let (rows, tally) = parsed("2024-08-03T00:00:00Z", text);
        assert_eq!(
            rows,
            [
                "0 spider en.wikipedia desktop Some(12) A 1",
                "23 spider en.wikipedia desktop Some(12) A 2",
                "5 spider en.wikipedia mobile-web None \"B\" 8",
            ]
        );
        assert_eq!((tally.lines, tally.rows, tally.filtered), (3, 3, 1));
        assert_eq!(tally.inconsistent, 1);
    }

    #[test]
    fn titles_were_escaped_until_page_views_were_defined() {
        let text = "en.wikipedia A%20B desktop 8 F8\n";
        let title = |day| parsed(day, text).0[0].clone();
        assert!(title("2011-12-01T00:00:00Z").contains(" A_B "));
        assert!(title("2016-12-01T00:00:00Z").contains(" A%20B "));
    }
}
