//! A day of page views by wiki, title, page and access: `wiki title page_id access total hours`.
//!
//! The hours are letters, A for the first, each with its views; hours without any are left out.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::domains::{language_weight, languages};
use super::random::Random;
use super::spark::push_quoted;
use super::vocabulary::{Vocabulary, titles};
use super::{Size, Written, divide, round_u64};
use crate::bench::words::SCRIPTS;

/// How many languages have a wiki of the family, and its weight beside Wikipedia's.
const FAMILIES: &[(&str, usize, f64)] = &[
    ("wikipedia", 340, 1.0),
    ("wiktionary", 300, 0.06),
    ("wikibooks", 220, 0.012),
    ("wikiquote", 200, 0.010),
    ("wikisource", 150, 0.015),
    ("wikinews", 60, 0.006),
    ("wikiversity", 40, 0.006),
    ("wikivoyage", 40, 0.008),
];

const WORLDWIDE: &[(&str, f64)] = &[
    ("commons.wikimedia", 0.12),
    ("wikidata", 0.10),
    ("meta.wikimedia", 0.01),
    ("species.wikimedia", 0.01),
    ("incubator.wikimedia", 0.005),
    ("mediawiki", 0.005),
];

const ACCESSES: [(&str, f64); 3] = [
    ("desktop", 1.0),
    ("mobile-web", 0.6),
    // Only some read in the app.
    ("mobile-app", 0.08),
];

pub(super) fn write(size: Size, out: &mut impl Write) -> io::Result<Written> {
    let mut random = Random::new(size.seed);
    let mut written = Written::default();
    let vocabularies: Vec<Vocabulary> = SCRIPTS.iter().map(Vocabulary::of).collect();
    let mut line = String::new();
    for wiki in wikis(size.lines) {
        let pages = pages(&mut random, wiki.lines);
        let titles = titles(&mut random, &vocabularies[wiki.script], pages.len());
        for (title, rows) in titles.iter().zip(pages) {
            for Row { page_id, access } in rows {
                let total = random.pareto();
                let hours = hours(&mut random, total, wiki.noon);
                line.clear();
                line.push_str(&wiki.name);
                line.push(' ');
                push_quoted(&mut line, title, ' ');
                let page_id = page_id.map_or_else(|| "null".to_owned(), |id| id.to_string());
                let _ = write!(line, " {page_id} {access} {total} ");
                written.rows += push_hours(&mut line, &hours);
                out.write_all(line.as_bytes())?;
                written.lines += 1;
                written.views += total;
            }
        }
    }
    Ok(written)
}

struct Wiki {
    name: String,
    script: usize,
    lines: usize,
    /// The hour in which it is read most.
    noon: usize,
}

/// In byte order.
fn wikis(lines: usize) -> Vec<Wiki> {
    let mut weighted = Vec::new();
    for (rank, (language, script)) in languages(340).into_iter().enumerate() {
        for (family, count, weight) in FAMILIES {
            if rank < *count {
                let name = format!("{language}.{family}");
                weighted.push((name, script, language_weight(rank) * weight));
            }
        }
    }
    let worldwide = WORLDWIDE.iter();
    weighted.extend(worldwide.map(|(name, weight)| ((*name).to_owned(), 0, *weight)));
    weighted.sort_by(|a, b| a.0.cmp(&b.0));
    let weights: Vec<f64> = weighted.iter().map(|wiki| wiki.2).collect();
    let wikis = weighted.into_iter().zip(divide(lines, &weights));
    let wikis = wikis.map(|((name, script, _), lines)| Wiki {
        name,
        script,
        lines,
        noon: (12 + 24 - script) % 24,
    });
    wikis.collect()
}

/// A line of a page, but for its views.
#[derive(Debug, Clone, Copy)]
struct Row {
    page_id: Option<u32>,
    access: &'static str,
}

/// What stands of each page of a wiki, `lines` lines in all.
fn pages(random: &mut Random, lines: usize) -> Vec<Vec<Row>> {
    let mut pages = Vec::new();
    let mut left = lines;
    while left > 0 {
        let mut page = page(random);
        page.truncate(left);
        left -= page.len();
        pages.push(page);
    }
    pages
}

/// At least one line. A title that was no page all day, or was two, has lines with and without an id.
fn page(random: &mut Random) -> Vec<Row> {
    let id = |random: &mut Random| u32::try_from(1 + random.below(80_000_000)).ok();
    let mut ids = vec![id(random)];
    match random.below(100) {
        0..=6 => ids = vec![None],
        7..=8 => ids.push(None),
        9 => ids.push(id(random)),
        _ => {}
    }
    ids.sort_unstable();
    ids.dedup();
    let mut rows = Vec::new();
    for page_id in ids {
        for (access, chance) in ACCESSES {
            if random.chance(chance) {
                rows.push(Row { page_id, access });
            }
        }
    }
    rows
}

/// The views of each hour: they add up to the total.
fn hours(random: &mut Random, total: u64, noon: usize) -> [u64; 24] {
    let mut hours = [0; 24];
    let mut left = total;
    if total > 200 {
        for (hour, views) in hours.iter_mut().enumerate() {
            let share = weight(hour, noon) / 24.0 * (0.7 + 0.5 * random.unit());
            *views = round_u64(total as f64 * share).min(left);
            left -= *views;
        }
    }
    // One by one, and what rounding left.
    let step = 1 + left / 50;
    while left > 0 {
        let hour = random.below(24);
        if random.chance(weight(hour, noon) / 2.0) {
            let views = step.min(left);
            hours[hour] += views;
            left -= views;
        }
    }
    hours
}

/// How much an hour is read beside the others: more around noon than at night.
fn weight(hour: usize, noon: usize) -> f64 {
    let away = hour.abs_diff(noon).min(24 - hour.abs_diff(noon));
    1.6 - 0.1 * away as f64
}

/// Writes the last column; gives the number of hours in it.
fn push_hours(line: &mut String, hours: &[u64; 24]) -> usize {
    let mut count = 0;
    for (letter, views) in ('A'..='X').zip(hours).filter(|(_, views)| **views > 0) {
        line.push(letter);
        line.push_str(&views.to_string());
        count += 1;
    }
    line.push('\n');
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> (String, Written) {
        let mut out = Vec::new();
        let written = write(Size { lines, seed: 1 }, &mut out).expect("a Vec takes everything");
        (String::from_utf8(out).expect("titles are UTF-8"), written)
    }

    /// The letters of a line's hours, and their views.
    fn series(line: &str) -> Vec<(char, u64)> {
        let series = line.rsplit(' ').next().unwrap_or_default();
        let hours = series.split_inclusive(|c: char| c.is_ascii_digit());
        let mut found: Vec<(char, u64)> = Vec::new();
        for piece in hours {
            for c in piece.chars() {
                match (c.to_digit(10), found.last_mut()) {
                    (Some(digit), Some((_, views))) => *views = *views * 10 + u64::from(digit),
                    _ => found.push((c, 0)),
                }
            }
        }
        found
    }

    #[test]
    fn the_hours_add_up_to_the_total_and_are_rows() {
        let (text, written) = text(15_000);
        let mut rows = 0;
        for line in text.lines() {
            let fields: Vec<&str> = line.rsplitn(3, ' ').collect();
            let hours = series(line);
            rows += hours.len();
            assert!(hours.is_sorted_by(|a, b| a.0 < b.0), "{line}");
            assert!(
                hours
                    .iter()
                    .all(|(hour, views)| ('A'..='X').contains(hour) && *views > 0),
                "{line}"
            );
            let sum: u64 = hours.iter().map(|(_, views)| views).sum();
            assert_eq!(fields[1], sum.to_string(), "{line}");
        }
        assert_eq!(rows, written.rows);
        assert!(rows > 20_000);
    }

    #[test]
    fn a_title_has_lines_by_page_and_access_which_are_all_different() {
        let (text, _) = text(15_000);
        let keys: Vec<&str> = text
            .lines()
            .map(|line| line.rsplitn(3, ' ').last().unwrap_or_default())
            .collect();
        let different: std::collections::HashSet<&str> = keys.iter().copied().collect();
        assert_eq!(different.len(), keys.len());
        for part in [" null ", " desktop", " mobile-web", " mobile-app", "\""] {
            assert!(keys.iter().any(|key| key.contains(part)), "{part}");
        }
    }
}
