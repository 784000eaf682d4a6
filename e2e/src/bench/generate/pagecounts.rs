//! An hour of page counts as it was published until 2016: `project title count bytes`, with titles as they were asked
//! for.
//!
//! The same page is there under several spellings: escaped in capitals or not, as raw bytes, with spaces, escaped twice.
//! Some escapes are none, and some bytes are no UTF-8.

use std::collections::HashSet;
use std::io::{self, Write};

use super::domains::desktop_domains;
use super::random::Random;
use super::vocabulary::Vocabulary;
use super::{Size, Written};
use crate::bench::words::{LANGUAGES, SCRIPTS};

pub(super) fn write(size: Size, out: &mut impl Write) -> io::Result<Written> {
    let mut random = Random::new(size.seed);
    let mut written = Written::default();
    let vocabularies: Vec<Vocabulary> = SCRIPTS.iter().map(Vocabulary::of).collect();
    for (code, pages) in projects(size.lines) {
        let Some((script, count)) = pages else {
            let views = 100 * random.pareto();
            let language = code.trim_end_matches(".mw");
            writeln!(
                out,
                "{code} {language} {views} {}",
                bytes(&mut random, views)
            )?;
            written.lines += 1;
            continue;
        };
        for title in titles(&mut random, &vocabularies[script], script == 0, count) {
            let views = random.pareto();
            write!(out, "{code} ")?;
            out.write_all(&title)?;
            writeln!(out, " {views} {}", bytes(&mut random, views))?;
            written.lines += 1;
            written.rows += 1;
            written.views += views;
        }
    }
    Ok(written)
}

/// The codes in order, each with its script and its number of titles; neither for the sums.
fn projects(lines: usize) -> Vec<(String, Option<(usize, usize)>)> {
    let domains = desktop_domains(lines).into_iter();
    let mut projects: Vec<_> = domains
        .map(|domain| (domain.code, Some((domain.script, domain.lines))))
        .collect();
    // The sums of a language's mobile views. They come on top of the lines asked for, since they are no rows.
    let sums = LANGUAGES.iter();
    projects.extend(sums.map(|(language, _)| (format!("{language}.mw"), None)));
    projects.sort_unstable();
    projects
}

/// `count` different spellings in byte order.
fn titles(
    random: &mut Random,
    vocabulary: &Vocabulary,
    is_latin: bool,
    count: usize,
) -> Vec<Vec<u8>> {
    let mut titles = HashSet::with_capacity(count);
    while titles.len() < count {
        let mut title = vocabulary.title(random);
        if is_latin && random.chance(0.15) {
            title = accented(random, &title);
        }
        if random.chance(0.2) {
            title.push_str("_(");
            title.push_str(&random.below(3000).to_string());
            title.push(')');
        }
        titles.insert(spelled(random, &title));
        // The same page, in the words of another browser.
        if titles.len() < count && random.chance(0.05) {
            titles.insert(spelled(random, &title));
        }
    }
    let mut titles: Vec<Vec<u8>> = titles.into_iter().collect();
    titles.sort_unstable();
    titles
}

fn accented(random: &mut Random, title: &str) -> String {
    let with_accent = |c, random: &mut Random| match c {
        'a' if random.chance(0.3) => 'ä',
        'e' if random.chance(0.3) => 'é',
        'o' if random.chance(0.3) => 'ö',
        's' if random.chance(0.1) => 'š',
        _ => c,
    };
    title.chars().map(|c| with_accent(c, random)).collect()
}

/// The digits of an escape.
#[derive(Clone, Copy)]
enum Digits {
    Upper,
    Lower,
}

/// A title as someone may ask for it.
fn spelled(random: &mut Random, title: &str) -> Vec<u8> {
    match random.below(1000) {
        0..=699 => escaped(title, is_unreserved, Digits::Upper),
        // What need not be escaped is not.
        700..=799 => escaped(title, |byte| byte.is_ascii(), Digits::Upper),
        800..=879 => escaped(title, |byte| byte.is_ascii(), Digits::Lower),
        880..=949 => title.as_bytes().to_vec(),
        950..=969 => escaped(&title.replace('_', " "), is_unreserved, Digits::Upper),
        970..=979 => {
            let once = escaped(title, is_unreserved, Digits::Upper);
            escaped(
                &String::from_utf8_lossy(&once),
                is_unreserved,
                Digits::Upper,
            )
        }
        980..=989 => stray(random, title),
        _ => broken(random, title),
    }
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/!*@,;".contains(&byte)
}

fn escaped(title: &str, stays: impl Fn(u8) -> bool, digits: Digits) -> Vec<u8> {
    let mut spelled = Vec::with_capacity(title.len() * 2);
    for byte in title.bytes() {
        // A space would end the title, wherever it came from.
        if stays(byte) && byte != b' ' {
            spelled.push(byte);
        } else {
            push_escape(&mut spelled, byte, digits);
        }
    }
    spelled
}

fn push_escape(spelled: &mut Vec<u8>, byte: u8, digits: Digits) {
    let escape = match digits {
        Digits::Upper => format!("%{byte:02X}"),
        Digits::Lower => format!("%{byte:02x}"),
    };
    spelled.extend(escape.as_bytes());
}

/// With a percent sign that starts no escape.
fn stray(random: &mut Random, title: &str) -> Vec<u8> {
    const STRAYS: &[&str] = &["%", "%2", "%zz", "100%_", "%%41", "%u00e9", "%C3%"];
    let stray = STRAYS[random.below(STRAYS.len())].as_bytes();
    let title = escaped(title, is_unreserved, Digits::Upper);
    if random.chance(0.5) {
        // Whatever the title starts with, it must not make an escape of a control character.
        [stray, b"_", &title].concat()
    } else {
        [&title, stray].concat()
    }
}

/// With bytes that are no UTF-8: Latin-1, or a character that is cut.
fn broken(random: &mut Random, title: &str) -> Vec<u8> {
    const BYTES: &[&[u8]] = &[
        b"\xe9",
        b"\xfc",
        b"\xc3",
        b"\xe4\xb8",
        b"\xf0\x9f\x98",
        b"\xc0\xaf",
        b"\xed\xa0\x80",
        b"\xff\xfe",
    ];
    let escapes = random.chance(0.8);
    let digits = if random.chance(0.5) {
        Digits::Upper
    } else {
        Digits::Lower
    };
    let mut spelled = escaped(title, is_unreserved, Digits::Upper);
    for byte in BYTES[random.below(BYTES.len())] {
        if escapes {
            push_escape(&mut spelled, *byte, digits);
        } else {
            spelled.push(*byte);
        }
    }
    if random.chance(0.5) {
        spelled.extend(b"_x");
    }
    spelled
}

/// What went out for it; sometimes nothing, and now and then more than can be.
fn bytes(random: &mut Random, views: u64) -> u64 {
    if random.chance(0.01) {
        return 0;
    }
    if random.chance(0.000_01) {
        return 900_000_000_000 + random.below(99_999_999_999) as u64;
    }
    let page = 4_000 + random.below(20_000) + random.below(300) * random.below(300);
    views * page as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(lines: usize) -> (Vec<Vec<u8>>, Written) {
        let mut out = Vec::new();
        let written = write(Size { lines, seed: 1 }, &mut out).expect("a Vec takes everything");
        let lines = out.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
        (lines.filter(|line| !line.is_empty()).collect(), written)
    }

    fn fields(line: &[u8]) -> Vec<&[u8]> {
        line.split(|byte| *byte == b' ').collect()
    }

    #[test]
    fn each_line_has_four_fields_and_only_what_is_no_sum_is_a_row() {
        let (lines, written) = lines(20_000);
        assert!(lines.iter().all(|line| fields(line).len() == 4));
        let sums = lines
            .iter()
            .filter(|line| fields(line)[0].ends_with(b".mw"));
        assert_eq!(written.rows + sums.count(), lines.len());
        assert_eq!(written.rows, 20_000);
    }

    #[test]
    fn keys_are_sorted_and_unique() {
        let (lines, _) = lines(20_000);
        let keys: Vec<_> = lines
            .iter()
            .map(|line| (fields(line)[0], fields(line)[1]))
            .collect();
        assert!(keys.is_sorted_by(|a, b| a < b));
    }

    #[test]
    fn titles_are_spelled_in_every_way() {
        let (lines, _) = lines(20_000);
        let count =
            |is: &dyn Fn(&[u8]) -> bool| lines.iter().filter(|line| is(fields(line)[1])).count();
        let has = |part: &'static [u8]| {
            move |title: &[u8]| title.windows(part.len()).any(|window| window == part)
        };
        assert!(count(&|title| std::str::from_utf8(title).is_err()) > 20);
        assert!(count(&|title| !title.is_ascii()) > 500);
        for part in [
            &b"%D0"[..],
            b"%d0",
            b"%20",
            b"%25D0",
            b"%zz",
            b"%FF%FE",
            b"%e4%b8",
        ] {
            assert!(count(&has(part)) > 0, "{}", String::from_utf8_lossy(part));
        }
    }
}
