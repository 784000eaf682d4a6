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
    io::{self, BufWriter, Write},
    ops::Range,
    os::unix::fs::FileExt,
    sync::Arc,
};

use futures::{Stream, StreamExt};

use crate::scratch::{self, ScratchError};

/// A place in a project's list of the most read pages of a unit, all access methods together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopPage {
    /// The project's name; shared, since there are a hundred of each.
    pub(super) project: Arc<str>,
    /// 1 for the most read; equal views rank by title, in byte order.
    pub(super) rank_no: i64,
    /// The page.
    pub(super) title: String,
    /// Its views, summed over access methods.
    pub(super) views: i64,
}

/// How many pages of a project are kept.
pub const TOP_PAGES: usize = 100;

/// A partition of a file of six million rows is about 0.6 MiB; summing it takes thrice that.
const PARTITIONS: usize = 256;
/// Rows of a partition are written so many bytes at a time.
const BUFFER: usize = 8 << 10;
/// The projects whose lists are made in one reading of the partitions, in about 3 MiB.
const GROUP: usize = 256;

/// Ordered so that the page to drop first is the smallest: fewest views, then last by title.
type Ranked = Reverse<(i64, Reverse<String>)>;

/// Takes the rows.
#[derive(Debug)]
pub(super) struct Top {
    partitions: Vec<BufWriter<File>>,
    hasher: RandomState,
}

impl Top {
    pub(super) fn new() -> Result<Self, ScratchError> {
        let partitions = (0..PARTITIONS)
            .map(|_| Ok(BufWriter::with_capacity(BUFFER, scratch::file()?)))
            .collect::<Result<_, ScratchError>>()?;
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

    /// The lists of the projects of these names, which are by number.
    pub(super) fn finish(self, names: &[String]) -> io::Result<TopPages> {
        let files = self
            .partitions
            .into_iter()
            .map(|partition| {
                partition
                    .into_inner()
                    .map_err(io::IntoInnerError::into_error)
            })
            .collect::<io::Result<_>>()?;
        let mut by_name: Vec<_> = (0..names.len()).collect();
        by_name.sort_by_key(|number| &names[*number]);
        let mut places = vec![0; names.len()];
        for (place, number) in by_name.iter().enumerate() {
            places[*number] = place;
        }
        let names = by_name
            .iter()
            .map(|number| names[*number].as_str().into())
            .collect();
        Ok(TopPages(Arc::new(Partitions {
            files,
            places,
            names,
        })))
    }
}

/// The first [`TOP_PAGES`] of each project, which are found as they are asked for. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct TopPages(Arc<Partitions>);

impl TopPages {
    /// The lists, of some projects at a time, ordered by project and rank.
    ///
    /// # Errors
    /// When a temporary file cannot be read.
    pub(super) fn groups(&self) -> impl Stream<Item = Result<Vec<TopPage>, ScratchError>> + use<> {
        let starts = (0..self.0.names.len()).step_by(GROUP);
        let partitions = Arc::clone(&self.0);
        futures::stream::iter(starts).then(move |start| {
            let partitions = Arc::clone(&partitions);
            let end = partitions.names.len().min(start + GROUP);
            let group = tokio::task::spawn_blocking(move || partitions.group(start..end));
            async move {
                let group = group.await.map_err(io::Error::other)?;
                Ok(group?)
            }
        })
    }
}

/// The rows, and the projects in the order of their names.
#[derive(Debug, Default)]
struct Partitions {
    files: Vec<File>,
    /// Each project's place in `names`, by its number.
    places: Vec<usize>,
    names: Vec<Arc<str>>,
}

impl Partitions {
    /// The lists of the projects at some places.
    fn group(&self, places: Range<usize>) -> io::Result<Vec<TopPage>> {
        let mut lists: Vec<BinaryHeap<Ranked>> = vec![BinaryHeap::new(); places.len()];
        let list_of = |project: u32| {
            let place = *self.places.get(project as usize)?;
            places.contains(&place).then(|| place - places.start)
        };
        let mut bytes = Vec::new();
        for file in &self.files {
            let size = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
            bytes.resize(size, 0);
            file.read_exact_at(&mut bytes, 0)?;
            for ((list, title), views) in sums(&bytes, list_of) {
                keep(&mut lists[list], title, views);
            }
        }
        Ok(ranked(&self.names[places], lists))
    }
}

/// Adds up the rows of a page.
fn sums(mut bytes: &[u8], list_of: impl Fn(u32) -> Option<usize>) -> HashMap<(usize, &str), i64> {
    let mut sums = HashMap::new();
    while let Some((project, views, title)) = record(&mut bytes) {
        if let Some(list) = list_of(project)
            && let Ok(title) = std::str::from_utf8(title)
        {
            *sums.entry((list, title)).or_default() += views;
        }
    }
    sums
}

/// Takes a record off the front.
fn record<'a>(bytes: &mut &'a [u8]) -> Option<(u32, i64, &'a [u8])> {
    let project = u32::try_from(take(bytes)?).ok()?;
    let views = i64::try_from(take(bytes)?).ok()?;
    let length = usize::try_from(take(bytes)?).ok()?;
    Some((project, views, bytes.split_off(..length)?))
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

fn ranked(names: &[Arc<str>], lists: Vec<BinaryHeap<Ranked>>) -> Vec<TopPage> {
    let mut top = Vec::with_capacity(lists.iter().map(BinaryHeap::len).sum());
    for (project, list) in names.iter().zip(lists) {
        let pages = list.into_sorted_vec().into_iter().zip(1..);
        top.extend(
            pages.map(|(Reverse((views, Reverse(title))), rank_no)| TopPage {
                project: Arc::clone(project),
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

    async fn all(top: Top, names: &[&str]) -> Vec<TopPage> {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        let groups = top.finish(&names).unwrap().groups();
        let groups: Vec<_> = groups.map(Result::unwrap).collect().await;
        groups.concat()
    }

    #[tokio::test]
    async fn access_methods_are_summed_before_they_are_ranked() {
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
        let pages = all(top, &["en", "de"]).await;
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

    #[tokio::test]
    async fn projects_of_several_groups_come_in_order() {
        let mut top = Top::new().unwrap();
        let names: Vec<_> = (0..3 * GROUP)
            .rev()
            .map(|number| format!("{number:04}"))
            .collect();
        for (project, name) in (0..).zip(&names) {
            top.add(project, name, 1).unwrap();
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let pages = all(top, &names).await;
        assert_eq!(pages.len(), names.len());
        assert!(pages.iter().all(|page| *page.project == *page.title));
        assert!(pages.is_sorted_by_key(|page| Arc::clone(&page.project)));
    }

    #[tokio::test]
    async fn a_hundred_are_kept_and_ties_go_by_title() {
        let mut top = Top::new().unwrap();
        for number in (0..1000).rev() {
            top.add(0, &format!("{number:04}"), 1).unwrap();
        }
        top.add(0, "9999", 2).unwrap();
        let pages = all(top, &["en"]).await;
        assert_eq!(pages.len(), TOP_PAGES);
        assert_eq!(pages[0].title, "9999");
        assert_eq!(pages[1].title, "0000");
        assert_eq!(pages[99].title, "0098");
    }
}
