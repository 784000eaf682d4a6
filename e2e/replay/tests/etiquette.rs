//! The rules for guests: who they are, how much at once, how fast.
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

use common::*;
use tokio::io::AsyncReadExt as _;
use wikimedia_replay::{Options, Replay};

#[tokio::test]
async fn a_guest_says_who_it_is() {
    let replay = start(memory(), "").await;
    for agent in [
        None,
        Some(""),
        Some("curl/8.5.0"),
        Some("python-requests/2.32"),
        Some("wikiingest/0.1"),
    ] {
        let headers: Vec<(&str, &str)> = agent
            .into_iter()
            .map(|agent| ("user-agent", agent))
            .collect();
        let answer = read(&mut send(&replay, "GET", MONTH, &headers).await, "GET").await;
        assert_eq!(answer.status, 403, "{agent:?}");
        assert!(
            answer.text().starts_with("403 Forbidden: the User-Agent "),
            "{}",
            answer.text()
        );
    }
    assert_eq!(get(&replay, MONTH).await.status, 200);
    let counters = replay.counters();
    assert_eq!(
        (counters.rejected_user_agents, counters.status(403)),
        (5, 5)
    );
    assert_eq!(
        (counters.by_user_agent[""], counters.by_user_agent[AGENT]),
        (2, 1)
    );
}

#[tokio::test]
async fn three_at_once_and_no_more() {
    let replay = start(memory(), "stall@10*3").await;
    let mut held = Vec::new();
    for _ in 0..3 {
        let mut stream = send(&replay, "GET", HOUR, &[("user-agent", AGENT)]).await;
        stream.read_u8().await.unwrap();
        held.push(stream);
    }
    assert_eq!(get(&replay, HOUR).await.status, 503);
    let other = read(
        &mut send(
            &replay,
            "GET",
            MONTH,
            &[("user-agent", "other (o@example.org)")],
        )
        .await,
        "GET",
    )
    .await;
    assert_eq!(other.status, 200, "another user agent is another guest");
    let counters = replay.counters();
    assert_eq!(counters.rejected_for_concurrency, 1);
    assert_eq!(
        (counters.peak_requests_per_client, counters.peak_requests),
        (4, 4)
    );
    assert!(counters.peak_connections_per_client >= 4);

    held.pop();
    let free = async {
        while get(&replay, MONTH).await.status != 200 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), free)
        .await
        .expect("a guest that left makes room");
}

#[tokio::test]
async fn one_after_another_is_one_at_once() {
    let (_dir, root) = folder();
    let replay = start(root, "").await;
    for n in 0..50 {
        let path = if n % 2 == 0 { HOUR } else { MONTH };
        assert_eq!(get(&replay, path).await.status, 200);
    }
    assert_eq!(
        (replay.counters().peak_requests, replay.counters().requests),
        (1, 50)
    );
}

#[tokio::test]
async fn no_faster_than_allowed() {
    let mut options = Options::new(memory());
    options.rate = NonZeroU64::new(400_000);
    let replay = Replay::start(options).await.unwrap();
    let started = Instant::now();
    assert!(get(&replay, HOUR).await.body == bytes());
    let took = started.elapsed();
    // 200 kB at 400 kB/s, of which the first tenth of a second is free.
    assert!(
        (Duration::from_millis(350)..Duration::from_secs(2)).contains(&took),
        "{took:?}"
    );
}
