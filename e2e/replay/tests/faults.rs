//! Every fault, as a client meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_imports,
    reason = "a test that fails should say so at once"
)]

mod common;

use std::io::{ErrorKind, Read as _};
use std::time::{Duration, Instant};

use common::*;
use tokio::io::AsyncReadExt as _;

#[tokio::test]
async fn cut_resets_inside_the_body() {
    let (_dir, root) = folder();
    for root in [root, memory()] {
        let replay = start(root, "cut@100000*2").await;
        let first = get(&replay, HOUR).await;
        assert_eq!(
            (first.status, first.header("content-length")),
            (200, Some("200000"))
        );
        assert_eq!(
            (first.body.len(), first.error),
            (100_000, Some(ErrorKind::ConnectionReset))
        );
        assert!(first.body == bytes()[..100_000]);
        // The rest is no longer than the offset, so nothing is left to cut.
        let rest = ask(&replay, "GET", HOUR, &[("range", "bytes=100000-")]).await;
        assert_eq!(
            (rest.status, rest.body.len(), rest.error),
            (206, 100_000, None)
        );
        let second = get(&replay, HOUR).await;
        assert_eq!(second.error, Some(ErrorKind::ConnectionReset));
        assert!(get(&replay, HOUR).await.body == bytes());
        let counters = replay.counters();
        assert_eq!(
            (counters.struck("cut"), counters.by_path[HOUR].completed),
            (2, 2)
        );
        assert_eq!(counters.bytes_sent, 500_000);
    }
}

#[tokio::test]
async fn cut_at_once_and_in_the_middle() {
    let replay = start(memory(), "cut@0,cut").await;
    let answer = get(&replay, HOUR).await;
    assert_eq!(
        (answer.body.len(), answer.error),
        (0, Some(ErrorKind::ConnectionReset))
    );
    assert_eq!(get(&replay, HOUR).await.body.len(), LEN / 2);
    assert_eq!(ask(&replay, "HEAD", HOUR, &[]).await.status, 200);
}

#[tokio::test]
async fn stall_falls_silent() {
    let replay = start(memory(), "stall@70000").await;
    let mut stream = send(&replay, "GET", HOUR, &[("user-agent", AGENT)]).await;
    let mut got = 0;
    let mut buffer = vec![0; 8192];
    let silent = loop {
        match tokio::time::timeout(Duration::from_millis(300), stream.read(&mut buffer)).await {
            Ok(read) => got += read.unwrap(),
            Err(silent) => break silent,
        }
    };
    assert!(
        got > 70_000 && got < 70_600,
        "{got} bytes of head and body, then {silent}"
    );
    assert_eq!(replay.counters().struck("stall"), 1);
    drop(stream);
    assert!(get(&replay, HOUR).await.body == bytes(), "once only");
}

#[tokio::test]
async fn slow_takes_its_time() {
    let replay = start(memory(), "slow=50~ten.txt").await;
    let started = Instant::now();
    assert_eq!(get(&replay, "/other/ten.txt").await.text(), "0123456789");
    assert!(
        started.elapsed() >= Duration::from_millis(90),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(replay.counters().struck("slow"), 1);
}

#[tokio::test]
async fn truncate_is_a_shorter_file() {
    let (_dir, root) = folder();
    for root in [root, memory()] {
        let replay = start(root, "truncate@70000").await;
        for _ in 0..2 {
            let answer = get(&replay, HOUR).await;
            assert!(
                answer.status == 200 && answer.error.is_none() && answer.body == bytes()[..70_000]
            );
            assert_eq!(answer.header("etag"), Some("\"6ae69b0b-11170\""));
        }
        let head = ask(&replay, "HEAD", HOUR, &[]).await;
        assert_eq!(head.header("content-length"), Some("70000"));
        let part = ask(&replay, "GET", HOUR, &[("range", "bytes=69999-")]).await;
        assert_eq!(
            part.header("content-range"),
            Some("bytes 69999-69999/70000")
        );
        assert_eq!(
            ask(&replay, "GET", HOUR, &[("range", "bytes=70000-")])
                .await
                .status,
            416
        );
        let page = get(&replay, MONTH).await;
        assert!(
            page.text().contains(" 70000\r\n") && page.text().contains(" 53147\r\n"),
            "{}",
            page.text()
        );
        assert_eq!(replay.counters().struck("truncate"), 4, "each GET, no HEAD");
    }
}

#[tokio::test]
async fn corrupt_flips_one_byte_of_the_file() {
    let (_dir, root) = folder();
    let replay = start(root, "corrupt@100000").await;
    let mut wanted = bytes();
    wanted[100_000] ^= 0xff;
    assert!(get(&replay, HOUR).await.body == wanted);
    let part = ask(&replay, "GET", HOUR, &[("range", "bytes=99990-100009")]).await;
    assert!(part.body == wanted[99_990..100_010]);
    let clean = ask(&replay, "GET", HOUR, &[("range", "bytes=100001-")]).await;
    assert!(clean.body == bytes()[100_001..]);
    assert_eq!(replay.counters().struck("corrupt"), 2);
}

#[tokio::test]
async fn statuses_and_retry_after() {
    let replay = start(memory(), "429=2,503,503=7,404*1,403").await;
    for (status, retry_after) in [
        (429, Some("2")),
        (503, None),
        (503, Some("7")),
        (404, None),
        (403, None),
        (403, None),
    ] {
        let answer = get(&replay, HOUR).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (status, retry_after)
        );
    }
    assert_eq!(
        get(&replay, MONTH).await.status,
        200,
        "index pages are spared"
    );
    let counters = replay.counters();
    assert_eq!(
        (
            counters.struck("429"),
            counters.struck("503"),
            counters.struck("403")
        ),
        (1, 2, 2)
    );
    let waits = counters.retry_waits();
    assert_eq!(
        waits
            .iter()
            .map(|wait| wait.asked_seconds)
            .collect::<Vec<_>>(),
        [2, 7]
    );
    assert!(
        waits
            .iter()
            .all(|wait| !wait.honoured() && wait.path == HOUR),
        "{waits:?}"
    );
}

#[tokio::test]
async fn an_honoured_retry_after_shows() {
    let replay = start(memory(), "429").await;
    assert_eq!(get(&replay, HOUR).await.status, 429);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(get(&replay, HOUR).await.status, 200);
    let [wait] = &replay.counters().retry_waits()[..] else {
        panic!()
    };
    assert!(
        wait.honoured() && wait.waited_ms.is_some_and(|waited| waited < 5000),
        "{wait:?}"
    );
}

#[tokio::test]
async fn index_pages_are_struck_where_the_path_says_so() {
    let replay = start(memory(), "503~2026-11/$,cut@20~2026/$").await;
    assert_eq!(get(&replay, HOUR).await.status, 200);
    assert_eq!(get(&replay, MONTH).await.status, 503);
    assert_eq!(get(&replay, MONTH).await.status, 200);
    let cut = get(&replay, "/other/pageviews/2026/").await;
    assert!(cut.error.is_some() && cut.body.len() == 20, "{cut:?}");
    assert_eq!(replay.counters().struck("cut"), 1);
}

#[tokio::test]
async fn republish_adds_a_line() {
    let gz = |text: &str| {
        let mut out = flate2::read::GzEncoder::new(text.as_bytes(), flate2::Compression::fast());
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let (dir, root) = folder();
    std::fs::write(dir.path().join(&HOUR[1..]), gz("en Main_Page 5 0\n")).unwrap();
    let replay = start(root, "republish~pageviews*2").await;
    let first = get(&replay, HOUR).await;
    let listed = get(&replay, MONTH).await;
    let (second, third, fourth) = (
        get(&replay, HOUR).await,
        get(&replay, HOUR).await,
        get(&replay, HOUR).await,
    );
    let text = |answer: &Answer| {
        let mut text = String::new();
        flate2::read::MultiGzDecoder::new(&answer.body[..])
            .read_to_string(&mut text)
            .unwrap();
        text
    };
    let line = "zz Republished_page 1 0\n";
    assert_eq!(text(&first), "en Main_Page 5 0\n");
    assert_eq!(text(&second), format!("en Main_Page 5 0\n{line}"));
    assert_eq!(text(&third), format!("en Main_Page 5 0\n{line}{line}"));
    assert_eq!(text(&fourth), text(&third));
    let tags = [&first, &second, &third].map(|answer| answer.header("etag").unwrap());
    assert!(
        tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2],
        "{tags:?}"
    );
    assert!(
        listed
            .text()
            .contains(&format!(" {}\r\n", second.body.len())),
        "{}",
        listed.text()
    );
    assert_eq!(replay.counters().struck("republish"), 2);
    assert_eq!(
        std::fs::read(dir.path().join(&HOUR[1..])).unwrap(),
        first.body,
        "the folder is left alone"
    );
}

#[tokio::test]
async fn republish_while_a_download_is_broken_off() {
    let replay = start(memory(), "cut@100000,republish@1").await;
    let broken = get(&replay, HOUR).await;
    assert_eq!(broken.body.len(), 100_000);
    let tag = broken.header("etag").unwrap();
    let resumed = ask(
        &replay,
        "GET",
        HOUR,
        &[("range", "bytes=100000-"), ("if-range", tag)],
    )
    .await;
    assert_eq!(resumed.status, 200, "the rest would be of another file");
    assert!(resumed.body.len() > LEN && resumed.header("etag") != Some(tag));
}

#[tokio::test]
async fn republish_from_a_folder_or_file() {
    let newer = tempfile::tempdir().unwrap();
    let file = newer.path().join("pageviews-20261101-000000.gz");
    std::fs::write(&file, "newer").unwrap();
    for from in [newer.path(), &file] {
        let replay = start(memory(), &format!("republish={}", from.display())).await;
        assert!(get(&replay, HOUR).await.body == bytes());
        assert_eq!(get(&replay, HOUR).await.text(), "newer");
    }
    let replay = start(
        memory(),
        &format!("republish={}~ten.txt", newer.path().display()),
    )
    .await;
    for _ in 0..2 {
        assert_eq!(
            get(&replay, "/other/ten.txt").await.text(),
            "0123456789",
            "nothing to replace it with"
        );
    }
    let missing = replay
        .set_faults("republish=/no/such/file".parse().unwrap())
        .unwrap_err();
    assert_eq!(
        missing.to_string(),
        "`republish=/no/such/file*1` takes its file from /no/such/file, which is not there: create it first"
    );
}

#[tokio::test]
async fn faults_can_be_changed_over_http() {
    let replay = start(memory(), "404").await;
    let post = async |spec: &'static str| {
        let len = spec.len().to_string();
        let mut stream = tokio::net::TcpStream::connect(replay.addr()).await.unwrap();
        write(
            &mut stream,
            "POST",
            "/_replay/faults",
            &[("content-length", &len)],
            spec,
        )
        .await;
        let answer = read(&mut stream, "POST").await;
        (answer.status, answer.text().to_owned())
    };
    assert_eq!(get(&replay, HOUR).await.status, 404);
    assert_eq!(post("429=3").await, (200, "429=3*1\n".to_owned()));
    assert_eq!(get(&replay, HOUR).await.status, 429);
    let (status, why) = post("cutt").await;
    assert!(
        status == 400 && why.starts_with("unknown fault `cutt`"),
        "{why}"
    );
    assert_eq!(post("").await, (200, "\n".to_owned()));
    assert_eq!(get(&replay, HOUR).await.status, 200);
    let text = async |path: &'static str| {
        let answer = read(&mut send(&replay, "GET", path, &[]).await, "GET").await;
        answer.text().to_owned()
    };
    assert_eq!(text("/_replay/healthz").await, "ok\n");
    assert!(text("/_replay/nope").await.contains("POST /_replay/faults"));
    let counters: wikimedia_replay::Counters =
        serde_json::from_str(&text("/_replay/counters").await).unwrap();
    assert_eq!(counters, replay.counters());
    assert_eq!(
        (counters.requests, counters.connections),
        (3, 3),
        "only what guests do is counted"
    );
}
