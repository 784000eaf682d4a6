//! The most read pages of each project, exactly, over all access methods.
//!
//! A page's desktop and mobile rows lie far apart in the file, so that every title has to be
//! remembered to add them up. That is a join of the file with itself: rows are partitioned by
//! the hash of their title into temporary files, and each partition, which fits in memory, is
//! summed by itself. Memory is that of one partition, whatever the file's size; the disk holds
//! about 25 bytes a row.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    fs::File,
    hash::{BuildHasher, RandomState},
    io::{self, BufWriter, Read, Seek, Write},
    sync::Arc,
};

use crate::rows::TopPage;

/// How many pages of a project are kept.
pub const TOP_PAGES: usize = 100;

/// A partition of a file of six million rows is about 0.6 MiB; summing it takes thrice that.
const PARTITIONS: usize = 256;
/// Rows of a partition are written so many bytes at a time.
const BUFFER: usize = 8 << 10;

/// Ordered so that the page to drop first is the smallest: fewest views, then last by title.
type Ranked = Reverse<(i64, Reverse<String>)>;

#[derive(Debug)]
pub(super) struct Top {
    partitions: Vec<BufWriter<File>>,
    hasher: RandomState,
}

impl Top {
    pub(super) fn new() -> io::Result<Self> {
        let partitions = (0..PARTITIONS)
            .map(|_| Ok(BufWriter::with_capacity(BUFFER, tempfile::tempfile()?)))
            .collect::<io::Result<_>>()?;
        Ok(Self {
            partitions,
            hasher: RandomState::new(),
        })
    }

    pub(super) fn add(&mut self, project: u32, title: &str, views: i64) -> io::Result<()> {
        let hash = self.hasher.hash_one(title);
        let partition =
            &mut self.partitions[usize::try_from(hash % PARTITIONS as u64).unwrap_or(0)];
        for number in [u64::from(project), views.unsigned_abs(), title.len() as u64] {
            put(partition, number)?;
        }
        partition.write_all(title.as_bytes())
    }

    /// The lists, by project name and rank.
    pub(super) fn finish(self, names: &[String]) -> io::Result<Vec<TopPage>> {
        let mut lists: Vec<BinaryHeap<Ranked>> = vec![BinaryHeap::new(); names.len()];
        let mut bytes = Vec::new();
        for partition in self.partitions {
            let mut file = partition
                .into_inner()
                .map_err(io::IntoInnerError::into_error)?;
            file.rewind()?;
            bytes.clear();
            file.read_to_end(&mut bytes)?;
            for ((project, title), views) in sums(&bytes) {
                keep(&mut lists[project as usize], title, views);
            }
        }
        Ok(ranked(names, lists))
    }
}

/// Adds up the rows of a page.
fn sums(mut bytes: &[u8]) -> HashMap<(u32, &str), i64> {
    let mut sums = HashMap::new();
    while let Some((project, views, title)) = record(&mut bytes) {
        *sums.entry((project, title)).or_default() += views;
    }
    sums
}

/// Takes a record off the front.
fn record<'a>(bytes: &mut &'a [u8]) -> Option<(u32, i64, &'a str)> {
    let project = u32::try_from(take(bytes)?).ok()?;
    let views = i64::try_from(take(bytes)?).ok()?;
    let length = usize::try_from(take(bytes)?).ok()?;
    let title = bytes.split_off(..length)?;
    Some((project, views, std::str::from_utf8(title).ok()?))
}

/// Writes a number, seven bits a byte, lowest first: nearly all are small.
fn put(into: &mut impl Write, mut number: u64) -> io::Result<()> {
    while number > 0x7f {
        into.write_all(&[(number & 0x7f) as u8 | 0x80])?;
        number >>= 7;
    }
    into.write_all(&[(number & 0x7f) as u8])
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let byte = *bytes.split_off_first()?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn keep(list: &mut BinaryHeap<Ranked>, title: &str, views: i64) {
    if list.len() == TOP_PAGES {
        let beaten = list.peek().is_some_and(|Reverse((least, Reverse(last)))| {
            (views, Reverse(title)) > (*least, Reverse(last.as_str()))
        });
        if !beaten {
            return;
        }
        list.pop();
    }
    list.push(Reverse((views, Reverse(title.to_owned()))));
}

fn ranked(names: &[String], lists: Vec<BinaryHeap<Ranked>>) -> Vec<TopPage> {
    let mut projects: Vec<_> = names.iter().zip(lists).collect();
    projects.sort_by_key(|(name, _)| *name);
    let mut top = Vec::with_capacity(projects.iter().map(|(_, list)| list.len()).sum());
    for (name, list) in projects {
        let project: Arc<str> = name.as_str().into();
        let pages = list.into_sorted_vec().into_iter().zip(1..);
        top.extend(
            pages.map(|(Reverse((views, Reverse(title))), rank_no)| TopPage {
                project: Arc::clone(&project),
                rank_no,
                title,
                views,
            }),
        );
    }
    top
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_methods_are_summed_before_they_are_ranked() {
        let mut top = Top::new().unwrap();
        for (project, title, views) in [
            (0, "A", 5),
            (0, "B", 6),
            (1, "C", 1),
            (0, "A", 2),
            (0, "Z", 6),
        ] {
            top.add(project, title, views).unwrap();
        }
        let pages = top.finish(&["en".to_owned(), "de".to_owned()]).unwrap();
        let pages: Vec<_> = pages
            .iter()
            .map(|page| {
                (
                    page.project.as_ref(),
                    page.rank_no,
                    page.title.as_str(),
                    page.views,
                )
            })
            .collect();
        assert_eq!(
            pages,
            [
                ("de", 1, "C", 1),
                ("en", 1, "A", 7),
                ("en", 2, "B", 6),
                ("en", 3, "Z", 6)
            ]
        );
    }

    #[test]
    fn numbers_come_back_as_they_went() {
        let numbers = [0, 1, 127, 128, 300, i64::MAX as u64];
        let mut bytes = Vec::new();
        for number in numbers {
            put(&mut bytes, number).unwrap();
        }
        let mut rest = bytes.as_slice();
        for number in numbers {
            assert_eq!(take(&mut rest), Some(number));
        }
        assert_eq!(take(&mut rest), None);
    }

    #[test]
    fn a_hundred_are_kept_and_ties_go_by_title() {
        let mut top = Top::new().unwrap();
        for number in (0..1000).rev() {
            top.add(0, &format!("{number:04}"), 1).unwrap();
        }
        top.add(0, "9999", 2).unwrap();
        let pages = top.finish(&["en".to_owned()]).unwrap();
        assert_eq!(pages.len(), TOP_PAGES);
        assert_eq!(pages[0].title, "9999");
        assert_eq!(pages[1].title, "0000");
        assert_eq!(pages[99].title, "0098");
    }
}
