//! The stream, as a client meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_imports,
    reason = "a test that fails should say so at once"
)]

mod common;

use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use common::sse::*;
use common::*;
use wikimedia_replay::{Events, Options, Pace, Replay, ReplayError, StreamCounters, StreamOptions};

/// Two topics; the fourth event is older than the third.
fn both() -> Vec<String> {
    [
        ('e', "a", 10),
        ('c', "b", 20),
        ('e', "c", 882),
        ('e', "d", 880),
        ('c', "e", 900),
        ('e', "f", 1000),
    ]
    .map(|(topic, id, ms)| event(topic, id, ms))
    .to_vec()
}

async fn from(replay: &wikimedia_replay::Running, id: &str, count: usize) -> Vec<String> {
    let mut client = connect(replay, STREAM, &[("last-event-id", id)]).await;
    let names = client.names(count).await;
    assert!(client.is_silent().await);
    names
}

#[tokio::test]
async fn frames_are_those_of_the_host() {
    let replay = stream(done(both()), "").await;
    let mut client = oldest(&replay).await;
    for header in [
        "content-type: text/event-stream; charset=utf-8\r\n",
        "cache-control: private, no-cache, ",
        "transfer-encoding: chunked\r\n",
    ] {
        assert!(client.head.contains(header), "{}", client.head);
    }
    let frames = client.frames(6).await;
    assert_eq!(
        frames.iter().map(Frame::name).collect::<String>(),
        "abcdef",
        "in publishing order"
    );
    let [a, b, _, d, e, _] = &frames[..] else {
        panic!()
    };
    let place = |frame: &Frame| frame.json()["meta"]["offset"].as_i64().unwrap();
    assert_eq!(
        [a, d, b, e].map(place),
        [5_559_405_228, 5_559_405_230, 0, 1]
    );
    assert_eq!(
        a.raw,
        format!("event: message\nid: {}\ndata: {}\n\n", a.id, a.data)
    );
    // What was not sent yet says where it started; what was, one millisecond more.
    assert_eq!(a.id, id(("timestamp", START + 11), ("timestamp", 1)));
    assert_eq!(
        b.id,
        id(("timestamp", START + 11), ("timestamp", START + 21))
    );
    assert_eq!(
        d.id,
        id(("timestamp", START + 881), ("timestamp", START + 21))
    );
    let alias = connect(&replay, "/v2/stream/mediawiki.recentchange?since=1", &[]);
    assert_eq!(alias.await.names(6).await.len(), 6);
}

#[tokio::test]
async fn a_topic_without_events_is_at_its_end() {
    let replay = stream(done(events(1)), "").await;
    let first = oldest(&replay).await.frames(1).await;
    assert_eq!(first[0].id, id(("timestamp", START + 1), ("offset", -1)));
}

#[tokio::test]
async fn a_resume_loses_what_the_host_loses() {
    let replay = stream(done(both()), "").await;
    let after_c = id(("timestamp", START + 883), ("timestamp", START + 21));
    assert_eq!(
        from(&replay, &after_c, 2).await,
        ["e", "f"],
        "d is older than c"
    );
    let rewound = id(("timestamp", START + 873), ("timestamp", START + 11));
    assert_eq!(
        from(&replay, &rewound, 5).await,
        ["b", "c", "d", "e", "f"],
        "a client that rewinds gets it"
    );
    let idle = id(("timestamp", START), ("offset", -1));
    assert_eq!(from(&replay, &idle, 4).await, ["a", "c", "d", "f"]);
    let offsets = id(("offset", 5_559_405_230), ("offset", 1));
    assert_eq!(from(&replay, &offsets, 3).await, ["d", "e", "f"]);
    let ahead = id(("offset", 9_999_999_999), ("timestamp", START + 5000));
    assert!(from(&replay, &ahead, 0).await.is_empty());
    let one =
        r#"[{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":0,"timestamp":1}]"#;
    assert_eq!(
        from(&replay, one, 2).await,
        ["b", "e"],
        "the offset wins, and a topic that is not named starts at its end"
    );
    // The header wins.
    let path = format!("{STREAM}?since=1");
    let headers = [("last-event-id", after_c.as_str())];
    let mut client = connect(&replay, &path, &headers).await;
    assert_eq!(client.names(2).await, ["e", "f"]);
}

#[tokio::test]
async fn since_is_a_time() {
    let replay = stream(done(both()), "").await;
    for (since, wanted) in [
        ((START + 881).to_string(), vec!["c", "d", "e", "f"]),
        ("2026-11-01T00:00:00.900Z".into(), vec!["e", "f"]),
        ("2026-11-01T01%3A00%3A01%2B01%3A00".into(), vec!["f"]),
        ("2025-01-01".into(), vec!["a", "b", "c", "d", "e", "f"]),
        ("2027-01-01".into(), vec![]),
    ] {
        let mut client = connect(&replay, &format!("{STREAM}?since={since}"), &[]).await;
        assert_eq!(client.names(wanted.len()).await, wanted, "{since}");
        assert!(client.is_silent().await);
    }
}

#[tokio::test]
async fn what_cannot_be_understood_is_400() {
    let replay = stream(done(both()), "").await;
    for (path, headers, why) in [
        (format!("{STREAM}?since=soon"), vec![], "since is"),
        ("/v2/stream/page-create".into(), vec![], "is not a stream"),
        (
            "/v2/stream/recentchange,test".into(),
            vec![],
            "is not a stream",
        ),
        (
            STREAM.into(),
            vec![("last-event-id", "[{]")],
            "Last-Event-ID",
        ),
        (
            STREAM.into(),
            vec![("last-event-id", "[{\"topic\":\"x\",\"partition\":0}]")],
            "the topic",
        ),
    ] {
        let answer = ask(&replay, "GET", &path, &headers).await;
        assert_eq!(answer.status, 400, "{path}");
        let json: serde_json::Value = serde_json::from_str(answer.text()).unwrap();
        assert!(json["detail"].as_str().unwrap().contains(why), "{json}");
    }
    assert_eq!(ask(&replay, "POST", STREAM, &[]).await.status, 405);
    let head = ask(&replay, "HEAD", STREAM, &[]).await;
    assert_eq!(
        head.header("content-type"),
        Some("text/event-stream; charset=utf-8")
    );
    assert_eq!(replay.stream_counters().connections, 0);
    assert_eq!(replay.counters().by_path[STREAM].requests.len(), 5);
}

#[tokio::test]
async fn two_at_once_and_no_more() {
    let replay = stream(done(events(1)), "").await;
    let anonymous = read(&mut send(&replay, "GET", STREAM, &[]).await, "GET").await;
    assert_eq!(anonymous.status, 403);
    let (first, second) = (oldest(&replay).await, oldest(&replay).await);
    let third = get(&replay, STREAM).await;
    assert_eq!(third.status, 429);
    assert!(
        third
            .text()
            .contains("Too Many Concurrent Connections From Your Client IP"),
        "{}",
        third.text()
    );
    drop(first);
    let free = async {
        while replay.stream_counters().clients > 1 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), free)
        .await
        .unwrap();
    let _third = oldest(&replay).await;
    drop(second);
    let counters = replay.counters();
    assert_eq!(
        (
            counters.status(200),
            counters.status(429),
            counters.status(403)
        ),
        (3, 1, 1)
    );
    assert_eq!(counters.rejected_for_concurrency, 1);
    let stream = replay.stream_counters();
    assert_eq!((stream.connections, stream.peak_clients), (3, 2));
}

#[tokio::test]
async fn a_connection_is_cut_after_a_while() {
    let mut options = done(events(3));
    options.cut_after = Some(Duration::from_millis(300));
    let replay = stream(options, "end@2*1").await;
    // One that ends by itself is not cut later.
    let mut ended = oldest(&replay).await;
    assert_eq!((ended.rest().await.len(), ended.end), (2, Some(End::Whole)));
    assert!(ended.stays_open(Duration::from_millis(450)).await);
    let started = Instant::now();
    let mut client = oldest(&replay).await;
    assert_eq!(client.rest().await.len(), 3);
    assert_eq!(client.end, Some(End::Broken), "no last chunk");
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(290) && took < Duration::from_secs(3),
        "{took:?}"
    );
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_too() {
    let mut options = done(events(50_000));
    options.cut_after = Some(Duration::from_millis(200));
    let replay = stream(options, "").await;
    let _client = oldest(&replay).await;
    let left = async {
        while replay.stream_counters().clients > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), left)
        .await
        .unwrap();
    assert!(replay.stream_counters().sent < 50_000);
}

#[tokio::test]
async fn canaries_show_that_it_lives() {
    let mut options = done(events(2));
    options.canary = Some(Duration::from_millis(100));
    let replay = stream(options, "").await;
    let mut client = oldest(&replay).await;
    let frames = client.frames(4).await;
    let canary = frames[2].json();
    assert_eq!(canary["meta"]["domain"], "canary");
    assert_eq!(canary["$schema"], "/mediawiki/recentchange/1.0.1");
    assert!(canary.get("type").is_none() && canary.get("title").is_none());
    assert_eq!(frames[2].id, frames[1].id, "a canary moves nothing");
    assert_ne!(frames[2].name(), frames[3].name());
    let counters = replay.stream_counters();
    assert!(counters.canaries >= 2 && counters.sent == 2, "{counters:?}");
    assert_eq!(replay.published_ids(), ["0", "1"]);
}

#[tokio::test]
async fn all_at_once_is_fast_and_complete() {
    let mut options = done(events(100));
    options.repeat = NonZeroU64::new(500).unwrap();
    let replay = stream(options, "").await;
    let started = Instant::now();
    let mut client = oldest(&replay).await;
    let frames = client.frames(50_000).await;
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "{:?}",
        started.elapsed()
    );
    let names: Vec<String> = frames.iter().map(Frame::name).collect();
    assert!(names == replay.published_ids(), "each once and in order");
    assert_eq!(replay.stream_counters().sent, 50_000);
    let unique: std::collections::BTreeSet<&String> = names.iter().collect();
    assert_eq!(unique.len(), 50_000);
    // 100 events cover 9.9 seconds: each round is 10 later.
    let (first, again) = (frames[3].json(), frames[203].json());
    assert_eq!(first["meta"]["dt"], "2026-11-01T00:00:00.300Z");
    assert_eq!(again["meta"]["dt"], "2026-11-01T00:00:20.300Z");
    let seconds = |json: &serde_json::Value| json["timestamp"].as_i64().unwrap();
    assert_eq!(seconds(&again) - seconds(&first), 20);
    let offset = |json: &serde_json::Value| json["meta"]["offset"].as_i64().unwrap();
    assert_eq!(offset(&again) - offset(&first), 200);
    let restarted = {
        let mut options = done(events(100));
        options.repeat = NonZeroU64::new(2).unwrap();
        stream(options, "").await
    };
    assert_eq!(
        restarted.published_ids(),
        names[..200],
        "the same ids every time"
    );
}

#[tokio::test]
async fn so_many_a_second_dated_now() {
    let options = StreamOptions {
        pace: Pace::PerSecond(50.0),
        restamp: true,
        wait_for_client: true,
        ..StreamOptions::new(Events::Lines(events(20)))
    };
    let replay = stream(options, "").await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(replay.stream_counters().published, 0, "it waits");
    let started = Instant::now();
    let mut client = connect(&replay, STREAM, &[]).await;
    let frames = client.frames(20).await;
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(350) && took < Duration::from_secs(5),
        "{took:?}"
    );
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = i64::try_from(now.unwrap().as_secs()).unwrap();
    for frame in &frames {
        let json = frame.json();
        assert!(
            (now - json["timestamp"].as_i64().unwrap()).abs() < 10,
            "{json}"
        );
        let dt = json["meta"]["dt"].as_str().unwrap();
        assert!(
            dt.len() == 24 && dt.ends_with('Z') && !dt.starts_with("2026-11-01T00:00:0"),
            "{dt}"
        );
    }
    assert!(frames[19].json()["meta"]["dt"].as_str() > frames[0].json()["meta"]["dt"].as_str());
}

#[tokio::test]
async fn as_far_apart_as_they_were() {
    let options = StreamOptions {
        wait_for_client: true,
        ..StreamOptions::new(Events::Lines(events(5)))
    };
    let replay = stream(options, "").await;
    let started = Instant::now();
    let mut client = connect(&replay, STREAM, &[]).await;
    assert_eq!(client.names(5).await, ["0", "1", "2", "3", "4"]);
    let took = started.elapsed();
    assert!(
        took >= Duration::from_millis(390) && took < Duration::from_secs(4),
        "{took:?}"
    );
}

#[tokio::test]
async fn the_oldest_are_forgotten() {
    let mut options = done(events(10));
    options.retention = Some(3);
    let replay = stream(options, "").await;
    assert_eq!(oldest(&replay).await.names(3).await, ["7", "8", "9"]);
    let old = id(("offset", 5), ("offset", -1));
    assert_eq!(from(&replay, &old, 3).await, ["7", "8", "9"]);
    assert_eq!(replay.published_ids().len(), 10);
    assert_eq!(replay.stream_counters().published, 10);
}

#[tokio::test]
async fn events_can_be_appended() {
    let replay = stream(done(events(1)), "").await;
    let mut client = connect(&replay, STREAM, &[]).await;
    let line = event('c', "new", 5000);
    assert_eq!(
        replay
            .append_events([line.as_str(), "{\"a\":1}", ""])
            .unwrap(),
        2
    );
    assert_eq!(client.names(1).await, ["new"]);
    let bare = client.frames(1).await.remove(0);
    assert_eq!(
        bare.data,
        "{\"a\":1,\"meta\":{\"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0,\"offset\":5559405229}}"
    );
    let wrong = replay.append_events([line.as_str(), "[]"]).unwrap_err();
    assert!(
        wrong
            .to_string()
            .starts_with("line 2 of the events is wrong: not an event"),
        "{wrong}"
    );

    let (status, text) = control(&replay, "POST", "/_replay/events", &format!("{line}\n\n")).await;
    assert_eq!((status, text.as_str()), (200, "1\n"));
    assert_eq!(client.names(1).await, ["new"]);
    assert_eq!(
        control(&replay, "POST", "/_replay/events", "x").await.0,
        400
    );
    assert_eq!(control(&replay, "GET", "/_replay/events", "").await.0, 405);
    let (_, ids) = control(&replay, "GET", "/_replay/stream/ids", "").await;
    assert_eq!(ids, "0\nnew\nnew\n", "one has no id");
    let (_, counters) = control(&replay, "GET", "/_replay/stream", "").await;
    let counters: StreamCounters = serde_json::from_str(&counters).unwrap();
    assert_eq!(counters, replay.stream_counters());
    assert_eq!(
        (counters.published, counters.sent, counters.clients),
        (4, 3, 1)
    );
    assert_eq!(
        replay.counters().requests,
        1,
        "only what guests do is counted"
    );
}

async fn control(
    replay: &wikimedia_replay::Running,
    method: &str,
    path: &str,
    body: &str,
) -> (u16, String) {
    let mut stream = tokio::net::TcpStream::connect(replay.addr()).await.unwrap();
    let len = body.len().to_string();
    write(&mut stream, method, path, &[("content-length", &len)], body).await;
    let answer = read(&mut stream, method).await;
    (answer.status, answer.text().to_owned())
}

#[tokio::test]
async fn files_and_the_stream_side_by_side() {
    let mut options = Options::new(memory());
    options.stream = Some(done(events(2)));
    let replay = Replay::start(options).await.unwrap();
    assert_eq!(get(&replay, HOUR).await.status, 200);
    assert_eq!(oldest(&replay).await.names(2).await, ["0", "1"]);
    let plain = start(memory(), "").await;
    assert_eq!(get(&plain, STREAM).await.status, 404);
    assert_eq!(control(&plain, "GET", "/_replay/stream", "").await.0, 404);
    assert!(plain.published_ids().is_empty());
    assert!(matches!(
        plain.append_events(["{}"]),
        Err(ReplayError::NoStream)
    ));
}

#[tokio::test]
async fn events_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("changes.ndjson");
    std::fs::write(&file, format!("{}\n\nnull\n", events(1)[0])).unwrap();
    let wrong = Replay::start(Options::streaming(Events::File(file.clone()))).await;
    assert!(
        wrong
            .unwrap_err()
            .to_string()
            .starts_with("line 3 of the events is wrong")
    );
    std::fs::write(&file, events(2).join("\n")).unwrap();
    let mut options = Options::streaming(Events::File(file));
    options.stream.as_mut().unwrap().pace = Pace::Max;
    let replay = Replay::start(options).await.unwrap();
    assert_eq!(replay.published_ids(), ["0", "1"]);
    let missing = Options::streaming(Events::File("/no/such/file".into()));
    let missing = Replay::start(missing).await.unwrap_err().to_string();
    assert!(
        missing.starts_with("cannot read the events in /no/such/file"),
        "{missing}"
    );
}
