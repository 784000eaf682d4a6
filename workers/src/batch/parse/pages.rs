//! Pages of the hourly dumps: page views, and page counts with their bytes and raw titles.

use std::{collections::HashMap, sync::Arc};

use arrow::array::{BooleanBufferBuilder, StringBuilder};

use super::{
    Filter, NoRow, Rows, Tally, domain,
    fields::shorten,
    line::{self, BadLine},
    not_utf8, percent, quotes,
};
use crate::{
    batch::{
        dataset::Dataset,
        rollup::{Rollup, Rollups},
    },
    rows::{Batch, Domain, Pages, Raw, Run},
    scratch::ScratchError,
};

/// A domain code met in this file.
struct Known {
    /// `None`: its rows are not wanted.
    domain: Option<Arc<Domain>>,
    /// Its number in the roll-up.
    id: usize,
}

/// Gathers the rows of one file.
pub struct PageRows {
    dataset: Dataset,
    filter: Filter,
    known: HashMap<String, Known>,
    /// The domain of the line before: dumps are sorted, so most lines share it.
    last: Option<(String, Option<Arc<Domain>>, usize)>,
    rollup: Option<Rollup>,
    runs: Vec<Run>,
    titles: StringBuilder,
    views: Vec<i64>,
    raw: Option<RawRows>,
    title: String,
    room: percent::Room,
}

/// What only page counts have.
struct RawRows {
    bytes: Vec<i64>,
    is_broken: BooleanBufferBuilder,
}

impl RawRows {
    fn new(rows: usize) -> Self {
        Self {
            bytes: Vec::with_capacity(rows),
            is_broken: BooleanBufferBuilder::new(rows),
        }
    }

    fn take(&mut self, room: usize) -> Raw {
        let mut full = std::mem::replace(self, Self::new(room));
        Raw {
            bytes: full.bytes.into(),
            is_broken: full.is_broken.finish(),
        }
    }
}

impl std::fmt::Debug for PageRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PageRows")
            .field("dataset", &self.dataset)
            .finish_non_exhaustive()
    }
}

impl Rows for PageRows {
    #[inline]
    fn line(&mut self, text: &str, tally: &mut Tally) -> Result<(), NoRow> {
        let line = line::split(text.as_bytes())?;
        if !self.enter(text[line.domain.clone()].as_bytes())? {
            tally.filtered += 1;
            return Ok(());
        }
        let mut unquoted = std::mem::take(&mut self.title);
        let title = quotes::unquote(&text[line.title.clone()], b' ', &mut unquoted);
        let row = self.row(title, line.views, tally);
        self.title = unquoted;
        row.map(drop)
    }

    fn takes_raw(&self) -> bool {
        self.raw.is_some()
    }

    /// Page counts have titles as they were requested, in whatever encoding.
    #[inline]
    fn raw(&mut self, text: &[u8], tally: &mut Tally) -> Result<(), NoRow> {
        if !self.takes_raw() {
            return Err(NoRow::Bad(not_utf8(text)));
        }
        let line = line::split(text)?;
        if !self.enter(&text[line.domain.clone()])? {
            tally.filtered += 1;
            return Ok(());
        }
        // All is read before the row counts anywhere.
        let traffic = traffic(&text[line.bytes.clone()])?;
        let mut room = std::mem::take(&mut self.room);
        let (title, is_broken) = percent::decode(&text[line.title.clone()], &mut room);
        let row = self.row(title, line.views, tally);
        self.room = room;
        if row? && let Some(raw) = &mut self.raw {
            raw.bytes.push(traffic);
            raw.is_broken.append(is_broken);
        }
        Ok(())
    }

    /// Leaves room for as many rows again: blocks are alike, and growing by doubling costs more than filling.
    fn take(&mut self) -> Batch {
        let (rows, bytes) = (self.views.len(), self.titles.values_slice().len());
        let more = |length: usize| length + length / 8;
        let mut titles = std::mem::replace(
            &mut self.titles,
            StringBuilder::with_capacity(more(rows), more(bytes)),
        );
        let views = std::mem::replace(&mut self.views, Vec::with_capacity(more(rows)));
        Batch::Pages(Pages {
            runs: std::mem::take(&mut self.runs),
            titles: titles.finish(),
            views: views.into(),
            raw: self.raw.as_mut().map(|raw| raw.take(more(rows))),
        })
    }

    fn finish(self) -> Result<Rollups, ScratchError> {
        let rollups = self.rollup.map(Rollup::finish).transpose()?;
        Ok(rollups.unwrap_or_default())
    }
}

impl PageRows {
    /// For a file of `dataset`, which is an hourly dump; `rollup` takes what is derived from its rows.
    #[must_use]
    pub fn new(dataset: Dataset, filter: Filter, rollup: Option<Rollup>) -> Self {
        Self {
            dataset,
            filter,
            known: HashMap::new(),
            last: None,
            rollup,
            runs: Vec::new(),
            titles: StringBuilder::new(),
            views: Vec::new(),
            raw: (dataset == Dataset::PagecountsRaw).then(|| RawRows::new(0)),
            title: String::new(),
            room: percent::Room::default(),
        }
    }

    /// Takes a page of the domain that was entered; false if it is left out.
    #[inline]
    fn row(&mut self, title: &str, views: i64, tally: &mut Tally) -> Result<bool, NoRow> {
        let Some((_, Some(domain), id)) = &self.last else {
            return Ok(false);
        };
        let title = line::bounded(title)?;
        if let Some(rollup) = &mut self.rollup {
            let added = rollup.add(*id, domain, title, views);
            added.map_err(NoRow::Scratch)?;
        }
        if views < self.filter.min_views {
            tally.filtered += 1;
            return Ok(false);
        }
        match self.runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.domain, domain) => run.rows += 1,
            _ => self.runs.push(Run {
                domain: Arc::clone(domain),
                rows: 1,
            }),
        }
        self.titles.append_value(title);
        self.views.push(views);
        tally.rows += 1;
        Ok(true)
    }

    /// Makes `code` the domain of the row that follows; false if its rows are not wanted.
    #[inline]
    fn enter(&mut self, code: &[u8]) -> Result<bool, NoRow> {
        let same = |(last, ..): &(String, _, _)| last.as_bytes() == code;
        if !self.last.as_ref().is_some_and(same) {
            let code = std::str::from_utf8(code)
                .map_err(|_| NoRow::Bad(format!("domain is {}", not_utf8(code))))?;
            if !domain::is_code(code) {
                return Err(BadLine::Domain(shorten(code.as_bytes())).into());
            }
            self.look_up(code);
        }
        Ok(matches!(self.last, Some((_, Some(_), _))))
    }

    fn look_up(&mut self, code: &str) {
        let next = self.known.len();
        let known = self.known.entry(code.to_owned()).or_insert_with(|| {
            let domain = domain::describe(code, self.dataset)
                .filter(|domain| self.filter.wants(&domain.project));
            Known {
                domain: domain.map(Arc::new),
                id: next,
            }
        });
        self.last = Some((code.to_owned(), known.domain.clone(), known.id));
    }
}

/// The bytes of all responses: some are absurd, but all are numbers of 64 bits.
fn traffic(digits: &[u8]) -> Result<i64, BadLine> {
    let number = std::str::from_utf8(digits)
        .ok()
        .and_then(|text| text.parse().ok());
    number.ok_or_else(|| BadLine::Bytes(shorten(digits)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        batch::parse::Parser,
        rows::{Access, Reject},
    };

    fn parser(dataset: Dataset, projects: &[&str], min_views: i64) -> Parser<PageRows> {
        let projects = projects.iter().map(ToString::to_string).collect();
        let filter = Filter {
            projects,
            min_views,
        };
        Parser::new(PageRows::new(dataset, filter, None), 100)
    }

    fn pages(batch: Batch) -> Pages {
        match batch {
            Batch::Pages(pages) => pages,
            Batch::Table(table) => panic!("{table:?}"),
        }
    }

    fn rows(pages: &Pages) -> Vec<(String, String, Access, i64)> {
        let row = |(domain, title, views): (&Arc<Domain>, &str, i64)| {
            (
                domain.project.clone(),
                title.to_owned(),
                domain.access,
                views,
            )
        };
        pages.iter().map(row).collect()
    }

    #[test]
    fn rows_keep_their_order_their_domain_and_their_views() {
        let mut parser = parser(Dataset::Pageviews, &["*"], 0);
        let block = b"en.m World_record 330 0\nen.m Zebra 2 0\nja.m \xe8\x8f\x85\xe8\xb0\xb7\xe9\xa4\xa8 1 0\n";
        let batch = pages(parser.block(block).unwrap());
        let expected = [
            ("en.wikipedia", "World_record", Access::Mobile, 330),
            ("en.wikipedia", "Zebra", Access::Mobile, 2),
            ("ja.wikipedia", "菅谷館", Access::Mobile, 1),
        ];
        let expected: Vec<_> = expected
            .map(|(project, title, access, views)| {
                (project.to_owned(), title.to_owned(), access, views)
            })
            .into();
        assert_eq!(rows(&batch), expected);
        assert_eq!(batch.runs.len(), 2);
    }

    #[test]
    fn a_bad_line_is_kept_with_its_number_and_costs_no_other() {
        let mut parser = parser(Dataset::Pageviews, &["*"], 0);
        let block = b"en A 1 0\nen B one 0\nen \xff 1 0\nen C 3 0\n";
        let batch = pages(parser.block(block).unwrap());
        assert_eq!(batch.views, [1, 3]);
        let lines = |reject: &Reject| (reject.line_no, reject.line.clone());
        let rejects: Vec<_> = parser.rejects.iter().map(lines).collect();
        assert_eq!(
            rejects,
            [(2, b"en B one 0".to_vec()), (3, b"en \xff 1 0".to_vec())]
        );
        let reason = |at: usize| parser.rejects[at].reason.as_str();
        assert!(reason(0).contains("views"), "{}", reason(0));
        assert_eq!(reason(1), "not UTF-8 from byte 4 on");
    }

    #[test]
    fn filters_leave_out_projects_and_rare_pages() {
        let mut parser = parser(Dataset::Pageviews, &["en.wikipedia", "de.wikivoyage"], 2);
        let block = b"de A 9 0\nde.voy B 9 0\nen C 1 0\nen D 2 0\n";
        let batch = pages(parser.block(block).unwrap());
        assert_eq!(batch.views, [9, 2]);
        assert_eq!(parser.tally.filtered, 2);
    }

    fn told(dataset: Dataset, text: &[u8]) -> (Vec<String>, Vec<String>) {
        let mut parser = parser(dataset, &["*"], 0);
        let batch = pages(parser.block(text).unwrap());
        let titles = batch.titles.iter().flatten().map(str::to_owned);
        let reasons = parser.rejects.iter().map(|reject| reject.reason.clone());
        (titles.collect(), reasons.collect())
    }

    #[test]
    fn parts_of_a_line_with_a_line_feed_in_its_title_are_kept_and_are_no_row() {
        for dataset in [Dataset::Pageviews, Dataset::PagecountsRaw] {
            let (titles, reasons) =
                told(dataset, b"en A 1 0\nen \"Foo\n(bar) baz\" 1 0\nen B 1 0\n");
            assert_eq!(titles, ["A", "B"]);
            let expected = [
                "2 fields where there should be 4: domain, title, views, bytes",
                "domain is not letters, digits, dashes and dots: \"(bar)\"",
            ];
            assert_eq!(reasons, expected);
        }
    }

    #[test]
    fn other_control_characters_are_parts_of_titles() {
        for dataset in [Dataset::Pageviews, Dataset::PagecountsRaw] {
            let (titles, reasons) = told(dataset, b"en A\rB\x01\tC 1 0\n");
            assert_eq!(
                (&titles[..], reasons.len()),
                (&["A\rB\u{1}\tC".to_owned()][..], 0)
            );
        }
        let escaped = told(Dataset::PagecountsRaw, b"en A%0AB%00 1 0\n").0;
        assert_eq!(escaped, ["A\nB\0"]);
    }

    #[test]
    fn titles_are_measured_as_they_are_kept() {
        let line = |title: &str| format!("ja {title} 1 0\n");
        // 1,365 characters of three bytes each, and each byte escaped.
        let escaped = line(&"%E6%9D%B1".repeat(1365));
        let quoted = line(&format!("\"{}\"", "\\\"".repeat(4096)));
        for (dataset, text) in [
            (Dataset::PagecountsRaw, escaped),
            (Dataset::Pageviews, quoted),
        ] {
            assert_eq!(told(dataset, text.as_bytes()).1, [""; 0]);
        }
        for (dataset, title, bytes) in [
            (Dataset::Pageviews, "x".repeat(4097), 4097),
            (Dataset::PagecountsRaw, "x".repeat(4097), 4097),
            (Dataset::PagecountsRaw, "%E6%9D%B1".repeat(1366), 4098),
        ] {
            let (titles, reasons) = told(dataset, line(&title).as_bytes());
            assert_eq!(titles, [""; 0]);
            assert_eq!(
                reasons,
                [format!("title has {bytes} bytes, more than 4096")]
            );
        }
        // What is not UTF-8 takes more room than it had.
        let broken = [b"ja ", &[0xe9; 1366][..], b" 1 0\n"].concat();
        let reasons = told(Dataset::PagecountsRaw, &broken).1;
        assert_eq!(reasons, ["title has 4098 bytes, more than 4096"]);
    }

    #[test]
    fn of_what_cannot_be_read_so_much_is_kept_and_all_is_counted() {
        let filter = Filter {
            projects: vec!["*".to_owned()],
            min_views: 0,
        };
        let mut parser = Parser::new(PageRows::new(Dataset::Pageviews, filter, None), 2);
        let batch = parser.block(&b"rubbish\nen A 1 0\n".repeat(5)).unwrap();
        assert_eq!((batch.rows(), parser.tally.rejected), (5, 5));
        let lines: Vec<_> = parser.rejects.iter().map(|reject| reject.line_no).collect();
        assert_eq!(lines, [1, 3]);
    }

    #[test]
    fn page_counts_keep_their_bytes_and_titles_of_any_encoding() {
        let mut parser = parser(Dataset::PagecountsRaw, &["*"], 0);
        let block = b"de Caf%C3%A9 2 900\nde Caf%E9 1 -7\nde Caf\xe9 1 99999999999999\nde \"A\" 1 1\nde B 1 99999999999999999999\n\xe9 A 1 1\n";
        let batch = pages(parser.block(block).unwrap());
        let titles: Vec<_> = batch.titles.iter().flatten().collect();
        assert_eq!(titles, ["Café", "Caf%E9", "Caf%E9", "\"A\""]);
        let raw = batch.raw.unwrap();
        assert_eq!(raw.bytes, [900, -7, 99_999_999_999_999, 1]);
        let is_broken: Vec<_> = raw.is_broken.iter().collect();
        assert_eq!(is_broken, [false, true, true, false]);
        let reasons: Vec<_> = parser
            .rejects
            .iter()
            .map(|reject| reject.reason.as_str())
            .collect();
        assert_eq!(
            reasons,
            [
                "bytes is not a whole number: \"99999999999999999999\"",
                "domain is not UTF-8 from byte 1 on"
            ]
        );
    }
}
