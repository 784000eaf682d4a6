//! From lines to rows.
//!
//! A line of an hourly dump is `domain title views bytes`, separated by single spaces
//! (`hql/pageview/hourly/transform_pageview_to_legacy_format.hql` in Wikimedia's
//! analytics-refinery). [`line`](mod@line) splits one, [`domain`] says what a domain code stands for, and
//! [`Parser`] gathers rows into batches, rejects and roll-ups.

pub mod domain;
pub mod line;

use std::{collections::HashMap, sync::Arc};

use arrow::array::StringBuilder;

use self::line::Line;
use super::{dataset::Dataset, rollup::Rollup};
use crate::{
    rows::{Batch, Domain, REJECT_BYTES, Reject, Run},
    scratch::ScratchError,
};

/// Which rows are wanted.
#[derive(Debug, Clone)]
pub struct Filter {
    /// Names of projects; `*` is all of them.
    pub projects: Vec<String>,
    /// Rows with fewer views are left out of the facts; roll-ups count them.
    pub min_views: i64,
}

impl Filter {
    fn wants(&self, project: &str) -> bool {
        self.projects
            .iter()
            .any(|wanted| wanted == "*" || wanted == project)
    }
}

/// A domain code met in this file.
struct Known {
    /// `None`: its rows are not wanted.
    domain: Option<Arc<Domain>>,
    /// Its number in the roll-up.
    id: usize,
}

/// Reads one file's lines.
pub struct Parser {
    dataset: Dataset,
    filter: Filter,
    known: HashMap<String, Known>,
    /// The domain of the line before: dumps are sorted, so most lines share it.
    last: Option<(String, Option<Arc<Domain>>, usize)>,
    rollup: Option<Rollup>,
    runs: Vec<Run>,
    titles: StringBuilder,
    views: Vec<i64>,
    /// Lines seen.
    pub lines: i64,
    /// Rows handed out.
    pub rows: i64,
    /// Rows left out by the filter.
    pub filtered: i64,
    /// What could not be read.
    pub rejects: Vec<Reject>,
    unquoted: String,
}

impl std::fmt::Debug for Parser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parser")
            .field("lines", &self.lines)
            .finish_non_exhaustive()
    }
}

impl Parser {
    /// A parser of one file of `dataset`; `rollup` takes what is derived from its rows.
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
            lines: 0,
            rows: 0,
            filtered: 0,
            rejects: Vec::new(),
            unquoted: String::new(),
        }
    }

    /// Reads a block of whole lines.
    ///
    /// # Errors
    /// When the roll-up's temporary file cannot be written.
    pub fn block(&mut self, block: &[u8]) -> Result<Batch, ScratchError> {
        // One check of the whole block is several times faster than one a line.
        if let Ok(text) = simdutf8::basic::from_utf8(block) {
            self.text(text)?;
        } else {
            self.line_by_line(block)?;
        }
        Ok(self.take())
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
        let block = block.strip_suffix(b"\n").unwrap_or(block);
        for line in block.split(|byte| *byte == b'\n') {
            match std::str::from_utf8(line) {
                Ok(line) => self.line(line)?,
                Err(error) => {
                    let at = error.valid_up_to() + 1;
                    self.reject(line, format!("not UTF-8 from byte {at} on"));
                }
            }
        }
        Ok(())
    }

    /// Notes a line that is too long to be one.
    pub fn overlong(&mut self, start: &[u8]) {
        self.reject(
            start,
            format!("the line is longer than {} bytes", start.len()),
        );
    }

    /// What was derived on the way.
    #[must_use]
    pub fn into_rollup(self) -> (Option<Rollup>, Vec<Reject>) {
        (self.rollup, self.rejects)
    }

    fn line(&mut self, text: &str) -> Result<(), ScratchError> {
        let line = match line::split(text) {
            Ok(line) => line,
            Err(bad) => {
                self.reject(text.as_bytes(), bad.to_string());
                return Ok(());
            }
        };
        self.lines += 1;
        self.row(&line)
    }

    fn row(&mut self, line: &Line<'_>) -> Result<(), ScratchError> {
        let same = self
            .last
            .as_ref()
            .is_some_and(|(code, ..)| code == line.domain);
        if !same {
            self.enter(line.domain);
        }
        let Some((_, Some(domain), id)) = &self.last else {
            self.filtered += 1;
            return Ok(());
        };
        let title = match line.quoted_title() {
            None => line.title,
            Some(quoted) => {
                line::unescape(quoted, &mut self.unquoted);
                self.unquoted.as_str()
            }
        };
        if let Some(rollup) = &mut self.rollup {
            rollup.add(*id, domain, title, line.views)?;
        }
        if line.views < self.filter.min_views {
            self.filtered += 1;
            return Ok(());
        }
        match self.runs.last_mut() {
            Some(run) if Arc::ptr_eq(&run.domain, domain) => run.rows += 1,
            _ => self.runs.push(Run {
                domain: Arc::clone(domain),
                rows: 1,
            }),
        }
        self.titles.append_value(title);
        self.views.push(line.views);
        self.rows += 1;
        Ok(())
    }

    /// Makes `code` the domain of the lines that follow.
    fn enter(&mut self, code: &str) {
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

    fn reject(&mut self, line: &[u8], reason: String) {
        self.lines += 1;
        self.rejects.push(Reject {
            line_no: self.lines,
            line: line[..line.len().min(REJECT_BYTES)].to_vec(),
            reason,
        });
    }

    /// The rows gathered, leaving room for as many again: blocks are alike, and growing by
    /// doubling costs more than filling.
    fn take(&mut self) -> Batch {
        let (rows, bytes) = (self.views.len(), self.titles.values_slice().len());
        let more = |length: usize| length + length / 8;
        let mut titles = std::mem::replace(
            &mut self.titles,
            StringBuilder::with_capacity(more(rows), more(bytes)),
        );
        let views = std::mem::replace(&mut self.views, Vec::with_capacity(more(rows)));
        Batch {
            runs: std::mem::take(&mut self.runs),
            titles: titles.finish(),
            views: views.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Access;

    fn parser(projects: &[&str], min_views: i64) -> Parser {
        let projects = projects.iter().map(ToString::to_string).collect();
        Parser::new(
            Dataset::Pageviews,
            Filter {
                projects,
                min_views,
            },
            None,
        )
    }

    fn rows(batch: &Batch) -> Vec<(String, String, Access, i64)> {
        batch
            .iter()
            .map(|(domain, title, views)| {
                (
                    domain.project.clone(),
                    title.to_owned(),
                    domain.access,
                    views,
                )
            })
            .collect()
    }

    #[test]
    fn rows_keep_their_order_their_domain_and_their_views() {
        let mut parser = parser(&["*"], 0);
        let batch = parser.block(b"en.m World_record 330 0\nen.m Zebra 2 0\nja.m \xe8\x8f\x85\xe8\xb0\xb7\xe9\xa4\xa8 1 0\n").unwrap();
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
        let mut parser = parser(&["*"], 0);
        let batch = parser
            .block(b"en A 1 0\nen B one 0\nen \xff 1 0\nen C 3 0\n")
            .unwrap();
        assert_eq!(batch.views, [1, 3]);
        let rejects: Vec<_> = parser
            .rejects
            .iter()
            .map(|r| (r.line_no, r.line.as_slice()))
            .collect();
        assert_eq!(
            rejects,
            [
                (2, b"en B one 0".as_slice()),
                (3, b"en \xff 1 0".as_slice())
            ]
        );
        assert!(
            parser.rejects[0].reason.contains("views"),
            "{}",
            parser.rejects[0].reason
        );
        assert!(
            parser.rejects[1].reason.contains("UTF-8"),
            "{}",
            parser.rejects[1].reason
        );
    }

    #[test]
    fn filters_leave_out_projects_and_rare_pages() {
        let mut parser = parser(&["en.wikipedia", "de.wikivoyage"], 2);
        let batch = parser
            .block(b"de A 9 0\nde.voy B 9 0\nen C 1 0\nen D 2 0\n")
            .unwrap();
        assert_eq!(batch.views, [9, 2]);
        assert_eq!(parser.filtered, 2);
    }
}
