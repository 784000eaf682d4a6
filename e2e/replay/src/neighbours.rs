//! What lies beside an archive's files on the real host, and is none of them: totals by project, lists of the most
//! asked for, checksums, a readme. Whoever reads an index page has to tell them apart.

use std::fmt::Write as _;

use md5::{Digest as _, Md5};

/// An archive with nothing in it.
const EMPTY_ZIP: &[u8] = b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
const TOTALS: &[u8] = b"de - 1000 0\nen - 5000 0\nen.m - 7000 0\n";
const README: &[u8] =
    b"<html><body>See <a href=\"https://wikitech.wikimedia.org/\">wikitech</a>.</body></html>\n";
pub(crate) const MD5SUMS: &str = "md5sums.txt";

/// What a file is on the host, as far as its neighbours go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Archive {
    Pageviews,
    PagecountsRaw,
    PageviewComplete,
    Mediacounts,
}

/// A neighbour's bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Bytes {
    Known(&'static [u8]),
    /// The checksums of the folder's files; only their length is known without a look at all of them.
    Md5Sums(u64),
}

impl Bytes {
    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Known(bytes) => bytes.len() as u64,
            Self::Md5Sums(len) => *len,
        }
    }
}

/// The neighbours of a folder's files: their names, and the place of the file that each belongs to.
pub(crate) fn of<'a>(
    folder: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Vec<(String, usize, Bytes)> {
    let Some(archive) = archive(folder) else {
        return Vec::new();
    };
    let files = names
        .enumerate()
        .filter(|(_, name)| companion(archive, name).is_some());
    let mut neighbours: Vec<_> = files
        .clone()
        .filter_map(|(at, name)| {
            let (name, bytes) = companion(archive, name)??;
            Some((name, at, Bytes::Known(bytes)))
        })
        .collect();
    let Some((newest, _)) = files.clone().last() else {
        return neighbours;
    };
    neighbours.push(("readme.html".to_owned(), newest, Bytes::Known(README)));
    if archive == Archive::PagecountsRaw {
        let len = files.map(|(_, name)| 32 + 2 + name.len() as u64 + 1).sum();
        neighbours.push((MD5SUMS.to_owned(), newest, Bytes::Md5Sums(len)));
    }
    neighbours
}

/// Whether a file of this folder has a line in its list of checksums.
pub(crate) fn is_summed(name: &str) -> bool {
    companion(Archive::PagecountsRaw, name).is_some()
}

/// A line as md5sum writes it.
pub(crate) fn push_md5(text: &mut String, name: &str, bytes: &[u8]) {
    for byte in Md5::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    let _ = writeln!(text, "  {name}");
}

/// The archive whose files a folder holds, such as `other/pagecounts-raw/2016/2016-08`.
fn archive(folder: &str) -> Option<Archive> {
    let segments: Vec<&str> = folder.trim_matches('/').split('/').collect();
    match segments[..] {
        ["other", "pageviews", _, _] => Some(Archive::Pageviews),
        ["other", "pagecounts-raw", _, _] => Some(Archive::PagecountsRaw),
        ["other", "pageview_complete", _, _] => Some(Archive::PageviewComplete),
        ["other", "mediacounts", "daily", _] => Some(Archive::Mediacounts),
        _ => None,
    }
}

/// Nothing for what is not a file of the archive; then what lies beside each, if anything does.
#[expect(clippy::option_option, reason = "two questions, each with its no")]
fn companion(archive: Archive, name: &str) -> Option<Option<(String, &'static [u8])>> {
    let hour = |prefix: &str, other: &str| {
        let hour = name.strip_prefix(prefix)?.strip_suffix(".gz")?;
        Some(Some((format!("{other}{hour}"), TOTALS)))
    };
    match archive {
        Archive::Pageviews => hour("pageviews-", "projectviews-"),
        Archive::PagecountsRaw => hour("pagecounts-", "projectcounts-"),
        Archive::PageviewComplete => {
            name.strip_prefix("pageviews-")?.strip_suffix(".bz2")?;
            Some(None)
        }
        Archive::Mediacounts => {
            let day = name
                .strip_prefix("mediacounts.")?
                .strip_suffix(".v00.tsv.bz2")?;
            Some(Some((
                format!("mediacounts.top1000.{day}.v00.csv.zip"),
                EMPTY_ZIP,
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &str, files: &[&str]) -> Vec<String> {
        let neighbours = of(folder, files.iter().copied());
        neighbours.into_iter().map(|(name, ..)| name).collect()
    }

    #[test]
    fn each_archive_has_its_own() {
        assert_eq!(
            names(
                "other/pagecounts-raw/2008/2008-11",
                &["pagecounts-20081105-000001.gz"]
            ),
            [
                "projectcounts-20081105-000001",
                "readme.html",
                "md5sums.txt"
            ]
        );
        assert_eq!(
            names(
                "other/mediacounts/daily/2024",
                &["mediacounts.2024-08-03.v00.tsv.bz2"]
            ),
            ["mediacounts.top1000.2024-08-03.v00.csv.zip", "readme.html"]
        );
        assert_eq!(
            names(
                "/other/pageview_complete/2024/2024-08/",
                &["pageviews-20240803-user.bz2"]
            ),
            ["readme.html"]
        );
    }

    #[test]
    fn other_folders_and_files_have_none() {
        assert!(names("other/pageviews/2024", &["pageviews-20240803-060000.gz"]).is_empty());
        assert!(names("other/pageviews/2024/2024-08", &["x.gz"]).is_empty());
    }

    #[test]
    fn the_checksums_are_as_long_as_announced() {
        let name = "pagecounts-20081105-000001.gz";
        let mut text = String::new();
        push_md5(&mut text, name, b"abc");
        assert_eq!(text, format!("900150983cd24fb0d6963f7d28e17f72  {name}\n"));
        let neighbours = of("other/pagecounts-raw/2008/2008-11", [name].into_iter());
        assert_eq!(neighbours[2].2, Bytes::Md5Sums(text.len() as u64));
    }
}
