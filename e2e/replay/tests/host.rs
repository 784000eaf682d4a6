//! Serves as nginx does: what is compared here was answered so by nginx 1.22.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_imports,
    reason = "a test that fails should say so at once"
)]

mod common;

use common::*;
use wikimedia_replay::{Options, Replay, ReplayError, Root};

const PAGE: &str = include_str!("nginx/pageviews.html");
const MODIFIED: &str = "Sun, 01 Nov 2026 01:51:07 GMT";
const TEN: &str = "/other/ten.txt";
const TAG: &str = "\"6ae69b0b-a\"";

#[tokio::test]
async fn a_folder_is_nginx_s_index_page() {
    let (dir, root) = folder();
    // Cut down to what nginx was shown.
    let month = dir.path().join(MONTH.trim_start_matches('/'));
    let hour = std::fs::File::options()
        .write(true)
        .open(month.join("pageviews-20261101-000000.gz"))
        .unwrap();
    hour.set_len(300).unwrap();
    hour.set_modified(modified()).unwrap();
    std::fs::write(month.join(".hidden"), "").unwrap();
    let replay = start(root, "").await;
    let answer = get(&replay, MONTH).await;
    assert_eq!((answer.status, answer.text()), (200, PAGE));
    assert_eq!(answer.header("content-type"), Some("text/html"));
    assert_eq!(
        (answer.header("content-length"), answer.header("etag")),
        (None, None)
    );
    assert_eq!(ask(&replay, "HEAD", MONTH, &[]).await.status, 200);
}

#[tokio::test]
async fn files_in_memory_have_folders_too() {
    let replay = start(memory(), "").await;
    let page = get(&replay, MONTH).await;
    assert_eq!(
        page.text(),
        PAGE.replace("                300", "             200000")
    );
    let root = get(&replay, "/").await;
    assert!(
        root.text().contains("<a href=\"other/\">other/</a>  "),
        "{}",
        root.text()
    );
    let other = get(&replay, "/other/").await;
    let names: Vec<&str> = other
        .text()
        .split("<a href=\"")
        .skip(2)
        .map(|at| at.split('"').next().unwrap())
        .collect();
    assert_eq!(names, ["pageviews/", "empty", "ten.txt"]);
}

#[tokio::test]
async fn a_folder_without_its_slash_moves() {
    let (_dir, root) = folder();
    for root in [root, memory()] {
        let replay = start(root, "").await;
        let answer = get(&replay, "/other/pageviews").await;
        assert_eq!(answer.status, 301);
        assert_eq!(
            answer.header("location"),
            Some("http://dumps.example/other/pageviews/")
        );
        assert_eq!(
            answer.text(),
            "<html>\r\n<head><title>301 Moved Permanently</title></head>\r\n<body>\r\n\
             <center><h1>301 Moved Permanently</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
        );
    }
}

#[tokio::test]
async fn a_file_is_described() {
    let (_dir, root) = folder();
    for root in [root, memory()] {
        let replay = start(root, "").await;
        for method in ["GET", "HEAD"] {
            let answer = ask(&replay, method, HOUR, &[]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("content-length"), Some("200000"));
            assert_eq!(answer.header("last-modified"), Some(MODIFIED));
            assert_eq!(answer.header("etag"), Some("\"6ae69b0b-30d40\""));
            assert_eq!(answer.header("accept-ranges"), Some("bytes"));
            assert_eq!(
                answer.header("content-type"),
                Some("application/octet-stream")
            );
            assert!(answer.body == if method == "GET" { bytes() } else { Vec::new() });
        }
        let empty = get(&replay, "/other/empty").await;
        assert_eq!(
            (empty.status, empty.header("etag")),
            (200, Some("\"6ae69b0b-0\""))
        );
        let counters = replay.counters();
        assert_eq!(counters.by_path[HOUR].completed, 1);
        assert_eq!((counters.bytes_sent, counters.requests), (200_000, 3));
        assert_eq!(counters.by_method["HEAD"], 1);
    }
}

#[tokio::test]
async fn ranges_are_parts() {
    let (_dir, root) = folder();
    for root in [root, memory()] {
        let replay = start(root, "").await;
        let range = |range| ask_one(&replay, ("range", range));
        let part = range("bytes=2-3").await;
        assert_eq!((part.status, part.text()), (206, "23"));
        assert_eq!(part.header("content-range"), Some("bytes 2-3/10"));
        assert_eq!(
            (part.header("content-length"), part.header("etag")),
            (Some("2"), Some(TAG))
        );
        assert_eq!(range("bytes=-3").await.text(), "789");
        assert_eq!(range("bytes=7-").await.text(), "789");
        assert_eq!(range("bytes=0-1,4-5").await.text(), "0123456789");
        let outside = range("bytes=20-").await;
        assert_eq!(
            (outside.status, outside.header("content-range")),
            (416, Some("bytes */10"))
        );
        let head = ask(&replay, "HEAD", TEN, &[("range", "bytes=2-3")]).await;
        assert_eq!(
            (head.status, head.header("content-length")),
            (206, Some("2"))
        );
        let late = ask(&replay, "GET", HOUR, &[("range", "bytes=131000-131999")]).await;
        assert!(late.body == bytes()[131_000..132_000]);
    }
}

async fn ask_one(
    replay: &wikimedia_replay::Running,
    header: (&'static str, &'static str),
) -> Answer {
    ask(replay, "GET", TEN, &[header]).await
}

#[tokio::test]
async fn conditions_are_nginx_s() {
    const LATER: &str = "Mon, 01 Nov 2027 01:51:07 GMT";
    const EARLIER: &str = "Fri, 01 Nov 2024 01:51:07 GMT";
    let replay = start(memory(), "").await;
    let cases: [(&[(&str, &str)], u16); 19] = [
        (&[("if-none-match", TAG)], 304),
        (&[("if-none-match", "\"x\", W/\"6ae69b0b-a\"")], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"x\"")], 200),
        (&[("if-modified-since", MODIFIED)], 304),
        // nginx compares dates exactly.
        (&[("if-modified-since", LATER)], 200),
        (&[("if-modified-since", "soon")], 200),
        (
            &[("if-modified-since", MODIFIED), ("if-none-match", "\"x\"")],
            200,
        ),
        (
            &[
                ("if-modified-since", MODIFIED),
                ("if-none-match", TAG),
                ("range", "bytes=1-2"),
            ],
            304,
        ),
        (&[("if-match", TAG)], 200),
        (&[("if-match", "\"x\"")], 412),
        (&[("if-unmodified-since", LATER)], 200),
        (&[("if-unmodified-since", EARLIER)], 412),
        (&[("range", "bytes=1-2"), ("if-range", TAG)], 206),
        (&[("range", "bytes=1-2"), ("if-range", "\"x\"")], 200),
        (&[("range", "bytes=1-2"), ("if-range", MODIFIED)], 206),
        (&[("range", "bytes=1-2"), ("if-range", LATER)], 200),
        (&[("range", "bytes=1-2"), ("if-match", "\"x\"")], 412),
        (&[("if-range", "\"x\"")], 200),
    ];
    for (headers, status) in cases {
        let answer = ask(&replay, "GET", TEN, headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        if status == 304 {
            assert_eq!(
                (answer.header("etag"), answer.header("content-length")),
                (Some(TAG), None)
            );
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_not_allowed() {
    let (dir, root) = folder();
    std::fs::write(
        dir.path().parent().unwrap().join("secret-of-the-parent"),
        "",
    )
    .unwrap();
    let replay = start(root, "").await;
    for (method, path, status) in [
        ("GET", "/nope", 404),
        ("GET", "/other/nope/", 404),
        ("GET", "/other/ten.txt/", 404),
        ("GET", "/other/ten.txt/more", 404),
        ("POST", "/other/ten.txt", 405),
        ("DELETE", "/other/ten.txt", 405),
        ("POST", "/other/", 403),
        ("GET", "/../secret-of-the-parent", 400),
        ("GET", "/%2e%2e/secret-of-the-parent", 400),
        ("GET", "/other/..%2f..%2fsecret-of-the-parent", 400),
        ("GET", "/%00", 400),
        ("GET", "/other//pageviews/./../ten.txt", 200),
    ] {
        assert_eq!(
            ask(&replay, method, path, &[]).await.status,
            status,
            "{method} {path}"
        );
    }
    std::fs::remove_file(dir.path().parent().unwrap().join("secret-of-the-parent")).unwrap();
}

#[tokio::test]
async fn publishes_over_what_is_there() {
    let (_dir, root) = folder();
    for root in [root, memory()] {
        let replay = start(root, "").await;
        let before = get(&replay, TEN).await;
        replay.publish(TEN, "new").unwrap();
        replay.publish("other/new/file 100%.txt", "more").unwrap();
        let after = get(&replay, TEN).await;
        assert_eq!(after.text(), "new");
        assert_ne!(after.header("etag"), before.header("etag"));
        assert!(after.header("last-modified") != before.header("last-modified"));
        assert_eq!(
            get(&replay, "/other/new/file%20100%25.txt").await.text(),
            "more"
        );
        let page = get(&replay, "/other/").await;
        assert!(page.text().contains("<a href=\"new/\">"), "{}", page.text());
        assert!(
            get(&replay, "/other/new/")
                .await
                .text()
                .contains("file%20100%25.txt")
        );
        assert!(matches!(
            replay.publish("/other/", "x"),
            Err(ReplayError::BadPath { .. })
        ));
    }
}

#[tokio::test]
async fn says_why_it_does_not_start() {
    let missing = Replay::start(Options::new(Root::Folder("/no/such/folder".into())))
        .await
        .unwrap_err();
    assert!(
        missing
            .to_string()
            .starts_with("cannot serve /no/such/folder: No such file"),
        "{missing}"
    );
    let replay = start(memory(), "").await;
    let mut options = Options::new(memory());
    options.listen = replay.addr();
    let taken = Replay::start(options).await.unwrap_err();
    assert!(
        taken
            .to_string()
            .starts_with(&format!("cannot listen on {}: ", replay.addr())),
        "{taken}"
    );
    let addr = replay.addr();
    replay.shutdown().await;
    assert!(tokio::net::TcpStream::connect(addr).await.is_err());
}

#[tokio::test]
async fn a_connection_serves_many_requests() {
    let (_dir, root) = folder();
    let replay = start(root, "429~empty").await;
    let mut stream = tokio::net::TcpStream::connect(replay.addr()).await.unwrap();
    for (method, path, status, len) in [
        ("GET", MONTH, 200, PAGE.len()),
        ("HEAD", HOUR, 200, 0),
        ("GET", HOUR, 200, LEN),
        ("GET", "/other/empty", 429, 162),
        ("HEAD", MONTH, 200, 0),
        ("GET", "/other/empty", 200, 0),
        ("GET", TEN, 200, 10),
    ] {
        write(&mut stream, method, path, &[("user-agent", AGENT)], "").await;
        let answer = read(&mut stream, method).await;
        assert_eq!(
            (answer.status, answer.body.len()),
            (status, len),
            "{method} {path}"
        );
    }
    let counters = replay.counters();
    assert_eq!(
        (
            counters.connections,
            counters.requests,
            counters.peak_requests
        ),
        (1, 7, 1)
    );
}
