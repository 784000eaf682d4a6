//! The folders of the archives: what lies in them on the real host, and years of them without a file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_imports,
    reason = "a test that fails should say so at once"
)]

mod common;

use common::*;
use wikimedia_replay::{MemoryFile, Options, Replay, Root, Running};

const COUNTS: &str = "/other/pagecounts-raw/2008/2008-11/";
const MEDIA: &str = "/other/mediacounts/daily/2024/";
const COMPLETE: &str = "/other/pageview_complete/2024/2024-08/";

async fn archives() -> Running {
    let file = |bytes: &'static [u8]| MemoryFile {
        bytes: bytes.into(),
        modified: modified(),
    };
    let root = Root::Memory(
        [
            (
                format!("{COUNTS}pagecounts-20081105-000001.gz"),
                file(b"abc"),
            ),
            (format!("{COUNTS}pagecounts-20081105-010000.gz"), file(b"")),
            (
                format!("{MEDIA}mediacounts.2024-08-03.v00.tsv.bz2"),
                file(b"0123456789"),
            ),
            (
                format!("{COMPLETE}pageviews-20240803-user.bz2"),
                file(b"0123456789"),
            ),
            (
                format!("{COMPLETE}pageviews-20240803-spider.bz2"),
                file(b"x"),
            ),
        ]
        .into(),
    );
    let mut options = Options::new(root);
    options.neighbours = true;
    Replay::start(options).await.unwrap()
}

/// The links of an index page, but for the one up.
fn links(page: &Answer) -> Vec<&str> {
    let links = page.text().split("<a href=\"").skip(2);
    links.map(|at| at.split('"').next().unwrap()).collect()
}

#[tokio::test]
async fn folders_have_what_else_lies_in_them() {
    let replay = archives().await;
    assert_eq!(
        links(&get(&replay, COUNTS).await),
        [
            "md5sums.txt",
            "pagecounts-20081105-000001.gz",
            "pagecounts-20081105-010000.gz",
            "projectcounts-20081105-000001",
            "projectcounts-20081105-010000",
            "readme.html",
        ]
    );
    assert_eq!(
        links(&get(&replay, MEDIA).await),
        [
            "mediacounts.2024-08-03.v00.tsv.bz2",
            "mediacounts.top1000.2024-08-03.v00.csv.zip",
            "readme.html",
        ]
    );
    assert_eq!(
        links(&get(&replay, COMPLETE).await),
        [
            "pageviews-20240803-spider.bz2",
            "pageviews-20240803-user.bz2",
            "readme.html",
        ]
    );
    assert_eq!(
        links(&get(&replay, "/other/mediacounts/").await),
        ["daily/"]
    );
}

#[tokio::test]
async fn what_is_listed_is_there_and_as_long_as_the_index_says() {
    let replay = archives().await;
    for folder in [COUNTS, MEDIA, COMPLETE] {
        let page = get(&replay, folder).await;
        for (line, link) in page.text().lines().skip(4).zip(links(&page)) {
            let path = format!("{folder}{link}");
            let file = get(&replay, &path).await;
            assert_eq!(file.status, 200, "{path}");
            let len = file.header("content-length").unwrap();
            assert!(line.ends_with(&format!(" {len}")), "{line}: {len}");
        }
    }
    let sums = get(&replay, &format!("{COUNTS}md5sums.txt")).await;
    assert_eq!(
        sums.text(),
        "900150983cd24fb0d6963f7d28e17f72  pagecounts-20081105-000001.gz\n\
         d41d8cd98f00b204e9800998ecf8427e  pagecounts-20081105-010000.gz\n"
    );
}

#[tokio::test]
async fn files_of_bzip2_have_ranges_and_versions_like_all_others() {
    let replay = archives().await;
    for path in [
        format!("{MEDIA}mediacounts.2024-08-03.v00.tsv.bz2"),
        format!("{COMPLETE}pageviews-20240803-user.bz2"),
    ] {
        let head = ask(&replay, "HEAD", &path, &[]).await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (200, Some("10"))
        );
        assert_eq!(
            head.header("content-type"),
            Some("application/octet-stream")
        );
        let tag = head.header("etag").unwrap();
        let part = ask(
            &replay,
            "GET",
            &path,
            &[("range", "bytes=4-"), ("if-range", tag)],
        )
        .await;
        assert_eq!((part.status, part.text()), (206, "456789"));
        let same = ask(&replay, "GET", &path, &[("if-none-match", tag)]).await;
        assert_eq!(same.status, 304);
    }
}

#[tokio::test]
async fn ten_years_of_hours_are_listed_and_none_is_there() {
    let mut options = Options::new(Root::Memory([].into()));
    options.listed = vec!["pagecounts-raw@2007-01-01+87600".parse().unwrap()];
    options.neighbours = true;
    let replay = Replay::start(options).await.unwrap();
    let archive = "/other/pagecounts-raw/";
    let years = get(&replay, archive).await;
    assert_eq!(links(&years).len(), 10);
    let mut hours = 0;
    for year in links(&years) {
        let months = get(&replay, &format!("{archive}{year}")).await;
        for month in links(&months) {
            let page = get(&replay, &format!("{archive}{year}{month}")).await;
            let names = links(&page);
            let files = names.iter().filter(|name| name.starts_with("pagecounts-"));
            hours += files.count();
            assert!(names.contains(&"md5sums.txt") && names.contains(&"readme.html"));
        }
    }
    assert_eq!(hours, 87_600);
    let hour = format!("{archive}2007/2007-01/pagecounts-20070101-010000.gz");
    assert_eq!(get(&replay, &hour).await.status, 404);
    assert_eq!(ask(&replay, "HEAD", &hour, &[]).await.status, 404);
    let sums = format!("{archive}2007/2007-01/md5sums.txt");
    assert_eq!(get(&replay, &sums).await.status, 404);
}
