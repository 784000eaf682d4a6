//! An hour of page views as Wikimedia would publish it: sorted, quoted in Spark's way, in many scripts.

use std::io::{self, Write};

use super::Written;
use super::domains::domains;
use super::random::Random;
use super::spark::push_quoted;
use super::vocabulary::{Vocabulary, titles};
use crate::bench::words::SCRIPTS;

/// What an hour should hold.
#[derive(Debug, Clone, Copy)]
pub struct Hour {
    /// How many lines.
    pub lines: usize,
    /// Hours with different seeds share projects but not titles or views.
    pub seed: u64,
}

/// One row, before quoting.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// The first column.
    pub domain_code: &'a str,
    /// The second column, as the title is, without quotes around it.
    pub title: &'a str,
    /// The third column.
    pub views: u64,
}

impl Hour {
    /// Makes every row, in the order of the file.
    ///
    /// # Errors
    /// What `each` returns.
    pub fn rows(&self, mut each: impl FnMut(Row<'_>) -> io::Result<()>) -> io::Result<Written> {
        let mut random = Random::new(self.seed);
        let mut written = Written::default();
        let vocabularies: Vec<Vocabulary> = SCRIPTS.iter().map(Vocabulary::of).collect();
        for domain in domains(self.lines) {
            for title in titles(&mut random, &vocabularies[domain.script], domain.lines) {
                let views = random.pareto();
                each(Row {
                    domain_code: &domain.code,
                    title: &title,
                    views,
                })?;
                written.lines += 1;
                written.rows += 1;
                written.views += views;
            }
        }
        Ok(written)
    }

    /// Writes the text of the file.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write(&self, out: &mut impl Write) -> io::Result<Written> {
        let mut line = String::new();
        self.rows(|row| {
            line.clear();
            line.push_str(row.domain_code);
            line.push(' ');
            push_quoted(&mut line, row.title, ' ');
            line.push(' ');
            line.push_str(&row.views.to_string());
            line.push_str(" 0\n");
            out.write_all(line.as_bytes())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize, seed: u64) -> (String, Written) {
        let mut out = Vec::new();
        let written = Hour { lines, seed }
            .write(&mut out)
            .expect("a Vec takes everything");
        (String::from_utf8(out).expect("titles are UTF-8"), written)
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
        assert_eq!(text(5_000, 1), text(5_000, 1));
        assert_ne!(text(5_000, 1).0, text(5_000, 2).0);
    }

    #[test]
    fn it_has_exactly_as_many_lines_as_asked_for() {
        for lines in [1_000, 20_000] {
            let (text, written) = text(lines, 3);
            assert_eq!(text.lines().count(), lines);
            assert_eq!(written.rows, lines);
        }
    }

    #[test]
    fn rows_are_sorted_and_unique() {
        let mut last: Option<(String, String)> = None;
        Hour {
            lines: 30_000,
            seed: 4,
        }
        .rows(|row| {
            let this = (row.domain_code.to_owned(), row.title.to_owned());
            assert!(
                last.as_ref().is_none_or(|last| *last < this),
                "{last:?} is not before {this:?}"
            );
            last = Some(this);
            Ok(())
        })
        .expect("nothing fails");
    }

    #[test]
    fn more_than_half_of_the_views_are_one() {
        let mut ones = 0;
        let written = Hour {
            lines: 50_000,
            seed: 5,
        }
        .rows(|row| {
            ones += usize::from(row.views == 1);
            Ok(())
        })
        .expect("nothing fails");
        let share = ones as f64 / written.rows as f64;
        assert!((0.54..0.58).contains(&share), "{share}");
    }
}
