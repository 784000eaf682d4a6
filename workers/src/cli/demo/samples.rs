//! The samples that come with the program, as Wikimedia's host would serve them. Hours are real; of days there was no
//! real file to be had, and those are made up.

use std::{collections::BTreeMap, time::SystemTime};

use bytes::Bytes;
use jiff::SignedDuration;
use wikiingest_crds::Agent;
use wikimedia_replay::MemoryFile;

use crate::batch::dataset::Dataset;

/// How long after the end of its hour a file is published.
const DELAY: SignedDuration = SignedDuration::from_mins(45);

macro_rules! bundled {
    ($folder:literal: $($name:literal)+) => {
        [$((
            concat!("/", $folder, "/", $name, ".gz"),
            include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../e2e/samples/", $folder, "/", $name, ".gz")) as &[u8],
        )),+]
    };
}

const PAGEVIEWS: [(&str, &[u8]); 1] =
    bundled!("other/pageviews/2024/2024-08": "pageviews-20240803-060000");

#[rustfmt::skip]
const PAGECOUNTS: [(&str, &[u8]); 24] = bundled!("other/pagecounts-raw/2016/2016-08":
    "pagecounts-20160801-000000" "pagecounts-20160801-010000" "pagecounts-20160801-020000"
    "pagecounts-20160801-030000" "pagecounts-20160801-040000" "pagecounts-20160801-050000"
    "pagecounts-20160801-060000" "pagecounts-20160801-070000" "pagecounts-20160801-080000"
    "pagecounts-20160801-090000" "pagecounts-20160801-100000" "pagecounts-20160801-110000"
    "pagecounts-20160801-120000" "pagecounts-20160801-130000" "pagecounts-20160801-140000"
    "pagecounts-20160801-150000" "pagecounts-20160801-160000" "pagecounts-20160801-170000"
    "pagecounts-20160801-180000" "pagecounts-20160801-190000" "pagecounts-20160801-200000"
    "pagecounts-20160801-210000" "pagecounts-20160801-220000" "pagecounts-20160801-230000"
);

macro_rules! generated {
    ($path:literal) => {
        [(
            concat!("/", $path),
            include_bytes!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../e2e/samples/generated/",
                $path
            )) as &[u8],
        )]
    };
}

const PAGEVIEW_COMPLETE: [(&str, &[u8]); 1] =
    generated!("other/pageview_complete/2024/2024-08/pageviews-20240803-user.bz2");

const MEDIACOUNTS: [(&str, &[u8]); 1] =
    generated!("other/mediacounts/daily/2024/mediacounts.2024-08-03.v00.tsv.bz2");

/// The samples by their paths on the host.
pub(super) fn files() -> BTreeMap<String, MemoryFile> {
    let of = |dataset, files: &[(&'static str, &'static [u8])]| -> Vec<_> {
        let file = |(path, bytes): &(&'static str, &'static [u8])| {
            let file = MemoryFile {
                bytes: Bytes::from_static(bytes),
                modified: published(dataset, path),
            };
            ((*path).to_owned(), file)
        };
        files.iter().map(file).collect()
    };
    of(Dataset::Pageviews, &PAGEVIEWS)
        .into_iter()
        .chain(of(Dataset::PagecountsRaw, &PAGECOUNTS))
        .chain(of(
            Dataset::PageviewComplete(Agent::User),
            &PAGEVIEW_COMPLETE,
        ))
        .chain(of(Dataset::Mediacounts, &MEDIACOUNTS))
        .collect()
}

/// A time of the file's own, since a file with another date counts as published anew.
fn published(dataset: Dataset, path: &str) -> SystemTime {
    let name = path.rsplit('/').next().unwrap_or_default();
    let start = dataset.unit_of(name).map(|(_, start)| start);
    SystemTime::from(start.unwrap_or_default() + dataset.period() + DELAY)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn count(folder: &Path) -> usize {
        std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| if path.is_dir() { count(&path) } else { 1 })
            .sum()
    }

    #[test]
    fn all_samples_are_bundled() {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../e2e/samples");
        let both = ["other", "generated/other"].map(|folder| count(&samples.join(folder)));
        assert_eq!(files().len(), both.iter().sum::<usize>());
    }

    #[test]
    fn each_has_a_date_of_its_own_that_stays() {
        let archive = |path: &str| path.split('/').nth(2).map(ToOwned::to_owned);
        let dates: std::collections::BTreeSet<_> = (files().into_iter())
            .map(|(path, file)| (file.modified, archive(&path)))
            .collect();
        assert_eq!(dates.len(), files().len());
        let (first, _) = dates.first().unwrap();
        let first = jiff::Timestamp::try_from(*first).unwrap();
        assert_eq!(first.to_string(), "2016-08-01T00:45:00Z");
    }
}
