//! A day of requests for media files: 25 columns, separated by tabs, sorted by the file's path.
//!
//! Made from the published description of the columns, whose sums hold: all transfers are those of originals,
//! transcoded audio, images and movies, and also those by kind of referer. Some of the paths are real ones.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::io::{self, Write};

use super::random::Random;
use super::spark::push_quoted;
use super::vocabulary::Vocabulary;
use super::{Size, Written, divide, round_u64};
use crate::bench::words::{LANGUAGES, SCRIPTS};

/// Paths of real requests, in byte order.
const REAL: &str = include_str!("../../../samples/mediacounts/base_names.txt");

/// How many wikis have files of their own.
const WIKIS: usize = 30;

/// The numbers of a line: all but its reserved columns.
#[derive(Debug, Default)]
struct Counts {
    bytes: u64,
    original: u64,
    audio: u64,
    image: u64,
    /// By width, in six steps; of some the width is not known.
    by_width: [u64; 6],
    movie: u64,
    /// By height, in three steps.
    by_height: [u64; 3],
    /// From a wiki, from elsewhere, from nowhere.
    by_referer: [u64; 3],
}

impl Counts {
    fn transfers(&self) -> u64 {
        self.original + self.audio + self.image + self.movie
    }
}

pub(super) fn write(size: Size, out: &mut impl Write) -> io::Result<Written> {
    let mut random = Random::new(size.seed);
    let mut written = Written::default();
    let vocabularies: Vec<Vocabulary> = SCRIPTS.iter().map(Vocabulary::of).collect();
    let mut line = String::new();
    let mut one = |random: &mut Random, path: &str| {
        let counts = counts(random, path);
        line.clear();
        push_quoted(&mut line, path, '\t');
        push_counts(&mut line, &counts);
        written.lines += 1;
        written.rows += 1;
        written.views += counts.transfers();
        out.write_all(line.as_bytes())
    };
    let real = real_paths(size.lines);
    let made = size.lines - real.len();
    let mut real = real.into_iter().peekable();
    for folder in folders(made) {
        for name in names(&mut random, &folder, &vocabularies) {
            let path = format!("{}{name}", folder.path);
            while let Some(before) = real.next_if(|real| *real < path.as_str()) {
                one(&mut random, before)?;
            }
            one(&mut random, &path)?;
        }
    }
    for path in real {
        one(&mut random, path)?;
    }
    Ok(written)
}

/// Some of the real paths, or all: at most a tenth of the lines.
fn real_paths(lines: usize) -> Vec<&'static str> {
    let all: Vec<&str> = REAL.lines().collect();
    let most = all.len().min(lines / 10);
    (0..most).map(|nth| all[nth * all.len() / most]).collect()
}

/// A folder of the host of uploads, and how many files of it were asked for.
#[derive(Debug)]
struct Folder {
    path: String,
    /// An index of the scripts.
    script: usize,
    lines: usize,
    is_archive: bool,
}

/// In byte order, which is then also that of the files in them: no folder is within another.
fn folders(lines: usize) -> Vec<Folder> {
    let mut weighted = Vec::new();
    let mut add = |wiki: &str, script, weight: f64| {
        for hash in 0..256_u32 {
            let hash = format!("{:x}/{hash:02x}/", hash / 16);
            for (archive, share) in [("", 0.98), ("archive/", 0.02)] {
                let folder = Folder {
                    path: format!("/wikipedia/{wiki}/{archive}{hash}"),
                    script,
                    lines: 0,
                    is_archive: !archive.is_empty(),
                };
                weighted.push((folder, weight * share / 256.0));
            }
        }
    };
    add("commons", 0, 8.0);
    for (rank, (language, script)) in LANGUAGES.iter().take(WIKIS).enumerate() {
        add(language, *script, 0.8 / (rank + 1) as f64);
    }
    weighted.sort_by(|a, b| a.0.path.cmp(&b.0.path));
    let weights: Vec<f64> = weighted.iter().map(|(_, weight)| *weight).collect();
    let folders = weighted.into_iter().zip(divide(lines, &weights));
    folders
        .map(|((folder, _), lines)| Folder { lines, ..folder })
        .collect()
}

/// The names of a folder's files, in byte order.
fn names(random: &mut Random, folder: &Folder, vocabularies: &[Vocabulary]) -> Vec<String> {
    let mut names = HashSet::with_capacity(folder.lines);
    while names.len() < folder.lines {
        // What everyone shares has names in every script.
        let script = if folder.script == 0 && random.chance(0.2) {
            random.below(SCRIPTS.len())
        } else {
            folder.script
        };
        names.insert(name(random, folder, &vocabularies[script]));
    }
    let mut names: Vec<String> = names.into_iter().collect();
    names.sort_unstable();
    names
}

fn name(random: &mut Random, folder: &Folder, vocabulary: &Vocabulary) -> String {
    let mut name = String::new();
    if folder.is_archive {
        // When it was replaced.
        let day =
            20_050_101 + 10_000 * random.below(19) + 100 * random.below(12) + random.below(28);
        let _ = write!(name, "{day}{:06}!", random.below(235_959));
    }
    // A title's namespace would not be there, and a slash would be another folder.
    let title = vocabulary.title(random).replace([':', '/'], "_");
    name.push_str(&title);
    match random.below(10_000) {
        0..=9 => name.push_str("_100%_cotton"),
        // Escaped twice by whoever asked.
        10..=29 => name.push_str("_%C3%A9t%C3%A9"),
        30..=32 => name.push('\t'),
        33..=52 => name.push_str("_\"the_second\""),
        53..=5_000 => {
            let _ = write!(name, "_{}", random.below(10_000));
        }
        _ => {}
    }
    name.push('.');
    name.push_str(extension(random));
    name
}

fn extension(random: &mut Random) -> &'static str {
    match random.below(1000) {
        0..=499 => "jpg",
        500..=549 => "JPG",
        550..=749 => "png",
        750..=899 => "svg",
        900..=919 => "gif",
        920..=929 => "tif",
        930..=949 => "pdf",
        950..=969 => "ogg",
        970..=974 => "wav",
        975..=989 => "webm",
        _ => "ogv",
    }
}

fn counts(random: &mut Random, name: &str) -> Counts {
    let transfers = random.pareto();
    let mut counts = match name.rsplit('.').next() {
        Some("ogg" | "wav") => audio(random, transfers),
        Some("webm" | "ogv") => movie(random, transfers),
        _ => image(random, transfers),
    };
    counts.by_referer = referers(random, transfers);
    counts.bytes = counts.original * (20_000 + random.below(900_000) as u64)
        + counts.image * (2_000 + random.below(60_000) as u64)
        + (counts.audio + counts.movie) * (100_000 + random.below(3_000_000) as u64);
    counts
}

fn image(random: &mut Random, transfers: u64) -> Counts {
    let original = part(random, transfers, 0.25);
    let image = transfers - original;
    Counts {
        original,
        image,
        by_width: widths(random, image),
        ..Counts::default()
    }
}

fn audio(random: &mut Random, transfers: u64) -> Counts {
    let original = part(random, transfers, 0.6);
    Counts {
        original,
        audio: transfers - original,
        ..Counts::default()
    }
}

fn movie(random: &mut Random, transfers: u64) -> Counts {
    let original = part(random, transfers, 0.2);
    // Mostly still images of it.
    let image = part(random, transfers - original, 0.7);
    let movie = transfers - original - image;
    let mut rest = movie;
    let by_height = [0.3, 0.5, 0.9].map(|share| take(random, &mut rest, share));
    Counts {
        original,
        image,
        by_width: widths(random, image),
        movie,
        by_height,
        ..Counts::default()
    }
}

fn widths(random: &mut Random, image: u64) -> [u64; 6] {
    let mut rest = image;
    [0.35, 0.5, 0.4, 0.4, 0.5, 0.95].map(|share| take(random, &mut rest, share))
}

fn referers(random: &mut Random, transfers: u64) -> [u64; 3] {
    let mut rest = transfers;
    let internal = take(random, &mut rest, 0.85);
    let external = take(random, &mut rest, 0.3);
    [internal, external, rest]
}

/// Takes a share away.
fn take(random: &mut Random, rest: &mut u64, share: f64) -> u64 {
    let part = part(random, *rest, share);
    *rest -= part;
    part
}

/// About that share; of one, all or nothing.
fn part(random: &mut Random, of: u64, share: f64) -> u64 {
    if of < 8 {
        return (0..of).filter(|_| random.chance(share)).count() as u64;
    }
    let share = (share * (0.7 + 0.6 * random.unit())).min(1.0);
    round_u64(of as f64 * share).min(of)
}

fn push_counts(line: &mut String, counts: &Counts) {
    let mut number = |number: u64| {
        line.push('\t');
        line.push_str(&number.to_string());
    };
    for column in [
        counts.bytes,
        counts.transfers(),
        counts.original,
        counts.audio,
    ] {
        number(column);
    }
    line.push_str("\t-\t-");
    push_group(line, counts.image, &counts.by_width);
    push_group(line, counts.movie, &counts.by_height);
    for column in counts.by_referer {
        line.push('\t');
        line.push_str(&column.to_string());
    }
    line.push('\n');
}

/// All, by size, and two columns that nothing stands in.
fn push_group(line: &mut String, all: u64, by_size: &[u64]) {
    for column in std::iter::once(&all).chain(by_size) {
        line.push('\t');
        line.push_str(&column.to_string());
    }
    line.push_str("\t-\t-");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(lines: usize) -> String {
        let mut out = Vec::new();
        write(Size { lines, seed: 1 }, &mut out).expect("a Vec takes everything");
        String::from_utf8(out).expect("paths are UTF-8")
    }

    /// The columns, counted from 1 as in the description; a path may hold tabs, and the rest may not.
    fn columns(line: &str) -> Vec<&str> {
        let mut columns: Vec<&str> = line.rsplitn(25, '\t').collect();
        columns.push("");
        columns.reverse();
        columns
    }

    #[test]
    fn the_published_sums_hold() {
        let text = text(15_000);
        for line in text.lines() {
            let columns = columns(line);
            assert_eq!(columns.len(), 26, "{line}");
            let n = |at: usize| columns[at].parse::<u64>().expect("a number");
            for reserved in [6, 7, 15, 16, 21, 22] {
                assert_eq!(columns[reserved], "-", "{line}");
            }
            assert_eq!(n(3), n(4) + n(5) + n(8) + n(17), "{line}");
            assert_eq!(n(3), n(23) + n(24) + n(25), "{line}");
            assert!(n(8) >= (9..=14).map(n).sum(), "{line}");
            assert!(n(17) >= (18..=20).map(n).sum(), "{line}");
            assert!(n(2) > 0 && n(3) > 0, "{line}");
        }
        for column in (2..=5).chain(8..=14).chain(17..=20).chain(23..=25) {
            let line = text.lines().find(|line| columns(line)[column] != "0");
            assert!(line.is_some(), "column {column} is never used");
        }
    }

    #[test]
    fn real_paths_are_in_byte_order_and_some_of_them_are_in_every_file() {
        assert!(REAL.lines().is_sorted_by(|a, b| a < b));
        assert_eq!(real_paths(10_000).len(), REAL.lines().count());
        let few = real_paths(100);
        assert_eq!(few.len(), 10);
        assert!(few.iter().any(|path| path.starts_with("/wikipedia/meta/")));
        assert_eq!(real_paths(9), [""; 0]);
    }

    #[test]
    fn paths_are_sorted_and_unique_and_some_are_odd() {
        let text = text(40_000);
        let paths: Vec<String> = text
            .lines()
            .map(|line| columns(line)[1])
            .map(|path| match path.strip_prefix('"') {
                Some(quoted) => quoted[..quoted.len() - 1]
                    .replace("\\\"", "\"")
                    .replace("\\\\", "\\"),
                None => path.to_owned(),
            })
            .collect();
        assert!(paths.is_sorted_by(|a, b| a < b));
        for odd in [
            "\t",
            "%_",
            "%C3",
            "\"",
            "archive/",
            "東",
            "/thumb/",
            "%20%20%20",
        ] {
            assert!(paths.iter().any(|path| path.contains(odd)), "{odd:?}");
        }
    }
}
