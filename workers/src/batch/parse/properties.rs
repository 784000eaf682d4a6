//! What holds of any line: one that was written as upstream writes it is read as what it was, one with a line feed in
//! it costs itself only, and none is lost.

use arrow::{
    array::{Array as _, AsArray as _, RecordBatch},
    datatypes::{Int64Type, TimestampMicrosecondType},
};
use jiff::Timestamp;
use proptest::prelude::*;
use wikiingest_crds::Agent;

use super::{Filter, Parser, Rows, complete::DayRows, domain, media::MediaRows, pages::PageRows};
use crate::{batch::dataset::Dataset, rows::MEDIA_COUNTS};

fn filter() -> Filter {
    Filter {
        projects: vec!["*".to_owned()],
        min_views: 0,
    }
}

fn pages(dataset: Dataset) -> PageRows {
    PageRows::new(dataset, filter(), None)
}

/// A day after titles came from the wikis.
fn day() -> DayRows {
    let start = Timestamp::from_second(1_722_643_200).unwrap();
    DayRows::new(
        Dataset::PageviewComplete(Agent::User),
        start,
        filter(),
        None,
    )
}

fn media() -> MediaRows {
    MediaRows::new(Timestamp::UNIX_EPOCH, filter(), None)
}

/// All columns of the rows of a text, and its parser.
fn read<R: Rows>(rows: R, text: &[u8]) -> (RecordBatch, Parser<R>) {
    let mut parser = Parser::new(rows, usize::MAX);
    let batch = parser.block(text).unwrap();
    let table = batch.table(Timestamp::UNIX_EPOCH).into_owned();
    (table, parser)
}

fn texts(table: &RecordBatch, name: &str) -> Vec<String> {
    let column = table.column_by_name(name).unwrap().as_string::<i32>();
    column.iter().flatten().map(str::to_owned).collect()
}

fn numbers(table: &RecordBatch, name: &str) -> Vec<i64> {
    let column = table.column_by_name(name).unwrap();
    column.as_primitive::<Int64Type>().values().to_vec()
}

/// As Spark's CSV writer writes a text.
fn spark(text: &str, separator: char) -> String {
    if !text.contains(['"', separator, '\n']) {
        return text.to_owned();
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{escaped}\"")
}

/// As a browser asks for it, each byte of some characters escaped.
fn asked(title: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    for (place, byte) in title.iter().enumerate() {
        if matches!(byte, b'%' | b' ' | b'\n') || place % 3 == 0 {
            text.extend(format!("%{byte:02x}").bytes());
        } else {
            text.push(*byte);
        }
    }
    text
}

fn title() -> impl Strategy<Value = String> {
    prop_oneof!["[^\n ]{1,40}", r#"["\\ab]{1,12}"#, Just("-".to_owned())]
}

fn project() -> impl Strategy<Value = String> {
    "([a-z]{2,3}|zh-min-nan)\\.wik(ipedia|tionary|ibooks|imedia)|wikidata|mediawiki"
}

fn number() -> impl Strategy<Value = i64> {
    prop_oneof![0_i64..10, 0_i64..1_000_000_000_000]
}

/// Views of each hour, of which at least one has some.
fn hours() -> impl Strategy<Value = Vec<i64>> {
    let hours = prop::collection::vec(prop_oneof![Just(0), 1_i64..1_000_000], 24);
    hours.prop_filter("no views", |hours| hours.iter().any(|views| *views > 0))
}

fn series(hours: &[i64]) -> String {
    let with_views = ('A'..='X').zip(hours).filter(|(_, views)| **views > 0);
    let texts = with_views.map(|(hour, views)| format!("{hour}{views}"));
    texts.collect::<Vec<_>>().concat()
}

/// A line of media counts: the numbers that are read, and the columns that are reserved.
fn counted(path: &str, counts: &[i64]) -> String {
    let mut columns = vec!["-".to_owned(); 26];
    for ((_, column), count) in MEDIA_COUNTS.iter().zip(counts) {
        columns[*column] = count.to_string();
    }
    format!("{path}\t{}\n", columns[2..].join("\t"))
}

fn counts() -> impl Strategy<Value = Vec<i64>> {
    prop::collection::vec(number(), MEDIA_COUNTS.len())
}

proptest! {
    #[test]
    fn pages_are_read_as_they_were_written(
        code in "[a-z]{2,3}(\\.m)?(\\.(b|d|voy))?|", title in title(), views in number(),
    ) {
        let published = if code.is_empty() { "\"\"" } else { &code };
        let line = format!("{published} {} {views} 0\n", spark(&title, ' '));
        let (table, parser) = read(pages(Dataset::Pageviews), line.as_bytes());
        prop_assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        prop_assert_eq!(texts(&table, "domain_code"), [code]);
        prop_assert_eq!(texts(&table, "title"), [title]);
        prop_assert_eq!(numbers(&table, "views"), [views]);
    }

    #[test]
    fn page_counts_are_read_as_they_were_asked_for(
        title in "[^\n]{1,40}", views in number(), bytes in any::<i64>(),
    ) {
        let rest = format!(" {views} {bytes}\n");
        let line = [b"en ", &asked(title.as_bytes())[..], rest.as_bytes()].concat();
        let (table, parser) = read(pages(Dataset::PagecountsRaw), &line);
        prop_assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        prop_assert_eq!(texts(&table, "title"), [title.replace(' ', "_")]);
        prop_assert_eq!(numbers(&table, "views"), [views]);
        prop_assert_eq!(numbers(&table, "bytes"), [bytes]);
        prop_assert!(!table.column_by_name("is_broken").unwrap().as_boolean().value(0));
    }

    #[test]
    fn page_counts_lose_no_byte_of_a_title_in_another_encoding(
        title in prop::collection::vec(any::<u8>(), 1..40),
    ) {
        let line = [b"en ", &asked(&title)[..], b" 1 1\n"].concat();
        let (table, parser) = read(pages(Dataset::PagecountsRaw), &line);
        prop_assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        let is_broken = table.column_by_name("is_broken").unwrap().as_boolean().value(0);
        prop_assert_eq!(is_broken, std::str::from_utf8(&title).is_err());
        // Where a title has no escapes of its own, those that are left stand for bytes.
        prop_assume!(!title.contains(&b'%'));
        let mut room = super::percent::Room::default();
        let kept = &texts(&table, "title")[0];
        let underscored: Vec<u8> = title.iter().map(|byte| if *byte == b' ' { b'_' } else { *byte }).collect();
        prop_assert_eq!(super::percent::decode(&underscored, &mut room).0, kept);
    }

    #[test]
    fn days_are_read_as_they_were_written(
        project in project(),
        title in title(),
        page_id in prop::option::of(number()),
        access in prop::sample::select(vec!["desktop", "mobile-web", "mobile-app"]),
        hours in hours(),
    ) {
        let id = page_id.map_or_else(|| "null".to_owned(), |id| id.to_string());
        let total: i64 = hours.iter().sum();
        let line = format!("{project} {} {id} {access} {total} {}\n", spark(&title, ' '), series(&hours));
        let (table, parser) = read(day(), line.as_bytes());
        prop_assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        prop_assert_eq!(parser.tally.inconsistent, 0);
        let expected: Vec<(i64, i64)> = (0..).zip(hours).filter(|(_, views)| *views > 0).collect();
        let times = table.column(0).as_primitive::<TimestampMicrosecondType>();
        let hours = times.values().iter().map(|time| time / 3_600_000_000 % 24);
        prop_assert_eq!(hours.zip(numbers(&table, "views")).collect::<Vec<_>>(), expected);
        for row in 0..table.num_rows() {
            prop_assert_eq!(&texts(&table, "project")[row], &project);
            prop_assert_eq!(&texts(&table, "access")[row], access);
            prop_assert_eq!(&texts(&table, "title")[row], &title);
            let ids = table.column_by_name("page_id").unwrap().as_primitive::<Int64Type>();
            prop_assert_eq!(ids.is_valid(row).then(|| ids.value(row)), page_id);
        }
    }

    #[test]
    fn media_counts_are_read_as_they_were_written(
        path in prop_oneof!["/[^\n]{0,40}", r#"/wikipedia/[a-z]{2}/["\\\t/a]{0,12}"#], counts in counts(),
    ) {
        let line = counted(&spark(&path, '\t'), &counts);
        let (table, parser) = read(media(), line.as_bytes());
        prop_assert!(parser.rejects.is_empty(), "{:?}", parser.rejects);
        prop_assert_eq!(texts(&table, "base_name"), [path]);
        for ((name, _), count) in MEDIA_COUNTS.iter().zip(counts) {
            prop_assert_eq!(numbers(&table, name), [count], "{}", name);
        }
    }

    #[test]
    fn a_line_feed_in_a_title_costs_that_line_only(start in title(), end in title(), hours in hours()) {
        prop_assume!(!domain::is_project(&end) && !end.starts_with('/'));
        let title = format!("{start}\n{end}");
        let among = |line: &dyn Fn(&str) -> String| [line("/A"), line(&title), line("/B")].concat();
        let page = among(&|title| format!("en {} 1 0\n", spark(title, ' ')));
        for dataset in [Dataset::Pageviews, Dataset::PagecountsRaw] {
            let (table, parser) = read(pages(dataset), page.as_bytes());
            prop_assert_eq!((texts(&table, "title"), parser.tally.rejected), (vec!["/A".to_owned(), "/B".to_owned()], 2));
        }
        let total: i64 = hours.iter().sum();
        let line = |title: &str| format!("en.wikipedia {} 7 desktop {total} {}\n", spark(title, ' '), series(&hours));
        let (table, parser) = read(day(), among(&line).as_bytes());
        let mut titles = texts(&table, "title");
        titles.dedup();
        prop_assert_eq!((titles, parser.tally.rejected), (vec!["/A".to_owned(), "/B".to_owned()], 2));
        let counted = |name: &str| counted(&spark(name, '\t'), &[1; MEDIA_COUNTS.len()]);
        let (table, parser) = read(media(), among(&counted).as_bytes());
        prop_assert_eq!((texts(&table, "base_name"), parser.tally.rejected), (vec!["/A".to_owned(), "/B".to_owned()], 2));
    }

    #[test]
    fn whatever_stands_in_a_file_no_line_of_it_is_lost(
        text in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..400),
            prop::collection::vec(prop::sample::select(b"en .m-\"\\%\t\nA1B2/".to_vec()), 0..400),
            "(en\\.?(wikipedia)? ?[ab\"]? [0-9]{0,2} ?(desktop)? ?[0-9]? ?(A1|0)?\n){0,8}".prop_map(String::into_bytes),
        ],
    ) {
        let lines = i64::try_from(super::lines(&text).count()).unwrap();
        for dataset in [Dataset::Pageviews, Dataset::PagecountsRaw] {
            let tally = read(pages(dataset), &text).1.tally;
            prop_assert_eq!(tally.lines, lines);
            prop_assert_eq!(tally.rows + tally.filtered + tally.rejected, lines);
        }
        let tally = read(media(), &text).1.tally;
        prop_assert_eq!(tally.rows + tally.filtered + tally.rejected, lines);
        let (table, parser) = read(day(), &text);
        prop_assert_eq!(parser.tally.lines, lines);
        prop_assert_eq!(i64::try_from(table.num_rows()).unwrap(), parser.tally.rows);
    }
}
