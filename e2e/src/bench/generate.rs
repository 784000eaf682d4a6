//! An hour of page views as Wikimedia would publish it: sorted, quoted in Spark's way, in many scripts.
//!
//! The same arguments give the same bytes, for ever: the random numbers are made here, not by a crate whose next
//! release may make others.

use std::collections::HashSet;
use std::io::{self, Write};

use super::words::{SCRIPTS, Script};

/// Part of every cached file's name: raise it whenever the output changes.
pub const VERSION: u32 = 1;

/// What an hour should hold.
#[derive(Debug, Clone, Copy)]
pub struct Hour {
    /// How many lines.
    pub lines: usize,
    /// Hours with different seeds share projects but not titles or views.
    pub seed: u64,
}

/// What was written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Written {
    /// Lines, so rows.
    pub rows: usize,
    /// The sum of all views.
    pub views: u64,
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
            push_quoted(&mut line, row.title);
            line.push(' ');
            line.push_str(&row.views.to_string());
            line.push_str(" 0\n");
            out.write_all(line.as_bytes())
        })
    }

    /// Writes the file as it is published, compressed like `gzip -6`.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write_gz(&self, out: impl Write) -> io::Result<Written> {
        let mut gz = flate2::GzBuilder::new()
            .mtime(0)
            .write(out, flate2::Compression::new(6));
        let written = self.write(&mut gz)?;
        gz.finish()?.flush()?;
        Ok(written)
    }
}

/// Spark's CSV writer quotes a value that holds its quote character, and then escapes with backslashes; any other
/// value goes out raw, backslashes and all.
fn push_quoted(line: &mut String, title: &str) {
    if !title.contains('"') {
        line.push_str(title);
        return;
    }
    line.push('"');
    for c in title.chars() {
        if matches!(c, '"' | '\\') {
            line.push('\\');
        }
        line.push(c);
    }
    line.push('"');
}

/// A domain code and its share of the lines.
#[derive(Debug)]
struct Domain {
    code: String,
    /// An index of [`SCRIPTS`].
    script: usize,
    lines: usize,
}

/// The families of projects: the suffix of a code, how many languages have one, and its weight beside Wikipedia's.
const FAMILIES: &[(&str, usize, f64)] = &[
    ("", 340, 1.0),
    (".d", 300, 0.06),
    (".b", 220, 0.012),
    (".q", 200, 0.010),
    (".s", 150, 0.015),
    (".n", 60, 0.006),
    (".v", 40, 0.006),
    (".voy", 40, 0.008),
];

/// Projects without a language: desktop code, mobile code, weight beside the English Wikipedia's.
const WORLDWIDE: &[(&str, &str, f64)] = &[
    ("commons.m", "commons.m.m", 0.12),
    ("www.wd", "m.wd", 0.10),
    ("meta.m", "meta.m.m", 0.01),
    ("species.m", "species.m.m", 0.01),
    ("incubator.m", "incubator.m.m", 0.005),
    ("www.w", "m.w", 0.005),
    ("www.f", "m.f", 0.004),
    ("foundation.m", "foundation.m.m", 0.001),
];

/// Every domain code in byte order, with exactly `lines` lines between them.
fn domains(lines: usize) -> Vec<Domain> {
    let mut all: Vec<(String, usize, f64)> = Vec::new();
    for (rank, (language, script)) in languages(340).into_iter().enumerate() {
        // The head is heavy: about half of all lines are the first language's.
        let language_weight = 1.0 / ((rank + 1) as f64).powf(1.35);
        for (suffix, count, weight) in FAMILIES {
            if rank < *count {
                let weight = language_weight * weight;
                all.push((format!("{language}{suffix}"), script, weight * 0.45));
                all.push((format!("{language}.m{suffix}"), script, weight * 0.55));
            }
        }
    }
    for (desktop, mobile, weight) in WORLDWIDE {
        all.push(((*desktop).to_owned(), 0, weight * 0.7));
        all.push(((*mobile).to_owned(), 0, weight * 0.3));
    }
    let total: f64 = all.iter().map(|domain| domain.2).sum();
    let mut domains: Vec<Domain> = all
        .into_iter()
        .map(|(code, script, weight)| Domain {
            code,
            script,
            lines: round(lines as f64 * weight / total),
        })
        .collect();
    // Rounding loses or gains a few lines: the biggest one makes up for them.
    let given: usize = domains.iter().map(|domain| domain.lines).sum();
    if let Some(biggest) = domains.iter_mut().max_by_key(|domain| domain.lines) {
        biggest.lines = (biggest.lines + lines).saturating_sub(given);
    }
    domains.sort_by(|a, b| a.code.cmp(&b.code));
    domains
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a count, never negative"
)]
fn round(x: f64) -> usize {
    x.round() as usize
}

/// Language codes by size: the real head, then made-up three-letter ones.
fn languages(count: usize) -> Vec<(String, usize)> {
    let mut languages: Vec<(String, usize)> = Vec::new();
    for &(code, script) in super::words::LANGUAGES {
        languages.push((code.to_owned(), script));
    }
    let mut random = Random::new(7);
    while languages.len() < count {
        let code: String = (0..3)
            .map(|_| char::from(b'a' + random.below_u8(26)))
            .collect();
        if languages.iter().all(|(known, _)| *known != code) {
            let script = if random.chance(0.7) {
                0
            } else {
                random.below(SCRIPTS.len())
            };
            languages.push((code, script));
        }
    }
    languages
}

/// `count` different titles in byte order.
fn titles(random: &mut Random, vocabulary: &Vocabulary, count: usize) -> Vec<String> {
    let mut titles = HashSet::with_capacity(count);
    if count > 3 {
        // Every real domain has this one: a request whose title could not be told.
        titles.insert("-".to_owned());
    }
    while titles.len() < count {
        let mut title = vocabulary.title(random);
        if titles.contains(&title) {
            title.push_str("_(");
            title.push_str(&random.below(3000).to_string());
            title.push(')');
        }
        titles.insert(title);
    }
    let mut titles: Vec<String> = titles.into_iter().collect();
    titles.sort_unstable();
    titles
}

/// The words of a script: a few thousand, the first ones used most.
pub(super) struct Vocabulary {
    words: Vec<String>,
}

impl Vocabulary {
    pub(super) fn of(script: &Script) -> Self {
        let mut random = Random::new(script.seed);
        let words = (0..script.words)
            .map(|_| {
                let syllables =
                    script.shortest + random.below(script.longest - script.shortest + 1);
                let mut word: String = (0..syllables)
                    .map(|_| script.syllables[random.below(script.syllables.len())])
                    .collect();
                if script.capitals && random.chance(0.8) {
                    word[..1].make_ascii_uppercase();
                }
                word
            })
            .collect();
        Self { words }
    }

    pub(super) fn word(&self, random: &mut Random) -> &str {
        // Squaring leans towards the front, as words do.
        let x = random.unit();
        &self.words[round(x * x * (self.words.len() - 1) as f64)]
    }

    pub(super) fn title(&self, random: &mut Random) -> String {
        let mut title = String::new();
        match random.below(1000) {
            // A part in quotes: with the odd backslash, which Spark then escapes too.
            0 | 1 => {
                title.push_str(self.word(random));
                title.push_str("_\"");
                title.push_str(self.word(random));
                title.push_str(if random.chance(0.1) { "\\" } else { "\"" });
                title.push_str(if random.chance(0.5) { "" } else { "\"_x" });
                if !title.contains('"') {
                    title.push('"');
                }
                return title;
            }
            2..=11 => title.push_str("File:"),
            12..=21 => title.push_str("Category:"),
            22..=31 => title.push_str("Special:"),
            32..=36 => title.push_str("User:"),
            37..=56 => {
                title.push_str(&(1000 + random.below(1030)).to_string());
                title.push('_');
            }
            // Raw backslashes stay raw.
            57 => title.push_str("AC\\DC_"),
            _ => {}
        }
        let words = 1 + random.below(4);
        for n in 0..words {
            if n > 0 {
                title.push_str(if random.chance(0.03) { ",_" } else { "_" });
            }
            title.push_str(self.word(random));
        }
        if random.chance(0.12) {
            title.push_str("_(");
            title.push_str(self.word(random));
            title.push(')');
        }
        title
    }
}

/// Random numbers: xoshiro256++, seeded by splitmix64.
#[derive(Debug, Clone)]
pub struct Random([u64; 4]);

impl Random {
    /// The same seed, the same numbers.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut state = seed;
        Self(std::array::from_fn(|_| {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }))
    }

    /// Any number.
    pub fn any(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }

    /// A number from 0 up to, but not including, 1.
    pub fn unit(&mut self) -> f64 {
        (self.any() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.any() % n.max(1) as u64).unwrap_or_default()
    }

    fn below_u8(&mut self, n: u8) -> u8 {
        u8::try_from(self.below(n.into())).unwrap_or_default()
    }

    /// True with this probability.
    pub fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Views: 56 % are one, the rest have a long tail.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at least one, and capped"
    )]
    fn pareto(&mut self) -> u64 {
        (1.0 - self.unit()).powf(-1.0 / 1.184).min(2_000_000.0) as u64
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

    #[test]
    fn a_title_with_a_quote_is_written_in_sparks_way() {
        let mut line = String::new();
        push_quoted(&mut line, "Foo_\"bar\"");
        assert_eq!(line, r#""Foo_\"bar\"""#);
        line.clear();
        push_quoted(&mut line, "AC\\DC");
        assert_eq!(line, "AC\\DC", "without a quote, a backslash stays raw");
    }
}
