//! Every fault of the stream, as a client meets it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_imports,
    reason = "a test that fails should say so at once"
)]

mod common;

use std::time::{Duration, Instant};

use common::sse::*;
use common::*;

fn names(frames: &[Frame]) -> Vec<String> {
    frames.iter().map(Frame::name).collect()
}

fn numbers(numbers: impl IntoIterator<Item = u32>) -> Vec<String> {
    numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect()
}

#[tokio::test]
async fn statuses_strike_before_the_stream() {
    let faults =
        "429=2~/v2/stream,503~recentchange$,500~stream,502~stream,403~stream*1,404~stream*1";
    let replay = stream(done(events(1)), faults).await;
    for (status, retry_after) in [
        (429, Some("2")),
        (503, None),
        (500, None),
        (502, None),
        (403, None),
        (404, None),
    ] {
        let answer = get(&replay, STREAM).await;
        assert_eq!(
            (answer.status, answer.header("retry-after")),
            (status, retry_after)
        );
    }
    assert_eq!(oldest(&replay).await.names(1).await, ["0"]);
    assert_eq!(replay.counters().retry_waits()[0].asked_seconds, 2);
}

#[tokio::test]
async fn faults_of_files_spare_the_stream() {
    let replay = stream(
        done(events(1)),
        "503*always,cut@1,truncate~stream,corrupt~stream",
    )
    .await;
    let mut client = oldest(&replay).await;
    assert_eq!(client.names(1).await, ["0"]);
    assert!(client.is_silent().await);
    assert!(replay.counters().faults_struck.is_empty());
}

#[tokio::test]
async fn cut_resets_inside_a_frame() {
    let replay = stream(done(events(100)), "cut@1500~/v2/stream,cut~stream").await;
    let mut client = oldest(&replay).await;
    let frames = client.rest().await;
    assert_eq!((client.received, client.end), (1500, Some(End::Reset)));
    assert_eq!(
        replay.stream_counters().sent,
        frames.len() as u64,
        "whole frames count"
    );
    let mut client = oldest(&replay).await;
    client.names(100).await;
    assert!(
        client.is_silent().await,
        "less than 64 KiB, so it is not cut yet"
    );
    let long = events(1000);
    replay
        .append_events(long.iter().map(String::as_str))
        .unwrap();
    client.rest().await;
    assert_eq!((client.received, client.end), (64 * 1024, Some(End::Reset)));
    assert_eq!(replay.counters().struck("cut"), 2);
}

#[tokio::test]
async fn stall_holds_the_connection() {
    let replay = stream(done(events(100)), "stall@1500~/v2/stream").await;
    let mut client = oldest(&replay).await;
    let frames = client.frames(2).await;
    assert_eq!(names(&frames), ["0", "1"]);
    while !client.is_silent().await {}
    assert_eq!((client.received, client.end), (1500, None));
    assert_eq!(replay.stream_counters().clients, 1);
    assert_eq!(replay.counters().struck("stall"), 1);
}

#[tokio::test]
async fn slow_takes_its_time() {
    let replay = stream(done(events(10)), "slow=5000~/v2/stream").await;
    let started = Instant::now();
    let mut client = oldest(&replay).await;
    client.names(4).await;
    assert!(
        started.elapsed() >= Duration::from_millis(200),
        "{:?}",
        started.elapsed()
    );
    assert_eq!(replay.counters().struck("slow"), 1);
}

#[tokio::test]
async fn garbage_comes_before_the_event() {
    let replay = stream(done(events(12)), "garbage@3,garbage").await;
    let mut client = oldest(&replay).await;
    let frames = client.frames(14).await;
    for (at, before) in [(2, 1), (10, 9)] {
        let broken = &frames[at];
        assert_eq!(broken.event, "message");
        assert_eq!(broken.id, frames[before].id, "the id of the last event");
        assert!(serde_json::from_str::<serde_json::Value>(&broken.data).is_err());
        assert!(frames[at + 1].data.starts_with(&broken.data));
    }
    let good = frames
        .iter()
        .enumerate()
        .filter(|(n, _)| *n != 2 && *n != 10);
    let good: Vec<String> = good.map(|(_, frame)| frame.name()).collect();
    assert_eq!(good, numbers(0..12));
    assert_eq!(replay.counters().struck("garbage"), 2);
    assert_eq!(replay.stream_counters().sent, 12);
    assert_eq!(
        oldest(&replay).await.names(12).await,
        numbers(0..12),
        "once only"
    );
}

#[tokio::test]
async fn giants_are_still_the_event() {
    let replay = stream(done(events(5)), "giant@2,giant=5k@4").await;
    let frames = oldest(&replay).await.frames(5).await;
    assert_eq!(names(&frames), numbers(0..5));
    let lens: Vec<usize> = frames.iter().map(|frame| frame.data.len()).collect();
    assert_eq!((lens[1], lens[3]), (1 << 20, 5 << 10));
    let comment = frames[3].json()["comment"].as_str().unwrap().to_owned();
    assert!(comment.starts_with("cxxx") && comment.len() > 4000);
}

#[tokio::test]
async fn duplicates_have_the_same_id() {
    let replay = stream(done(events(4)), "duplicate@2*always").await;
    for _ in 0..2 {
        let frames = oldest(&replay).await.frames(5).await;
        assert_eq!(names(&frames), numbers([0, 1, 1, 2, 3]));
        assert_eq!(frames[1].raw, frames[2].raw);
    }
    assert_eq!(replay.stream_counters().sent, 10);
}

#[tokio::test]
async fn replay_sends_the_past_again() {
    // Ten events a second: of the 30th, the last second is the ten before it.
    let replay = stream(done(events(40)), "replay=1@30,replay@35").await;
    let mut client = oldest(&replay).await;
    let frames = client.frames(40 + 10 + 34).await;
    let wanted = (0..30)
        .chain(19..29)
        .chain(30..35)
        .chain(0..34)
        .chain(35..40);
    assert_eq!(names(&frames), numbers(wanted));
    assert_eq!(frames[30].raw, frames[19].raw, "with the id it had");
    assert!(client.is_silent().await);
    assert_eq!(replay.counters().struck("replay"), 2);
    assert_eq!(replay.stream_counters().sent, 84);
}

#[tokio::test]
async fn ids_after_a_replay_are_those_of_before() {
    let lines = [('e', 0), ('c', 10), ('e', 20), ('c', 30)];
    let lines = lines.map(|(topic, ms)| event(topic, &ms.to_string(), ms));
    let replay = stream(done(lines.to_vec()), "replay@3").await;
    let frames = oldest(&replay).await.frames(6).await;
    assert_eq!(names(&frames), numbers([0, 10, 20, 0, 10, 30]));
    assert_eq!(
        frames[5].id,
        id(("timestamp", START + 21), ("timestamp", START + 31))
    );
}

#[tokio::test]
async fn other_forms_of_the_same_frame() {
    let replay = stream(
        done(events(7)),
        "multiline@2,comment@3,crlf@4,multiline@6,crlf@6,comment@6",
    )
    .await;
    let plain = oldest(&replay);
    let frames = plain.await.frames(7).await;
    let clean = oldest(&replay).await.frames(7).await;
    for (frame, clean) in frames.iter().zip(&clean) {
        assert_eq!((frame.json(), &frame.id), (clean.json(), &clean.id));
    }
    let lines = |n: usize, start: &str| {
        frames[n]
            .raw
            .lines()
            .filter(|line| line.starts_with(start))
            .count()
    };
    assert_eq!((lines(1, "data: "), lines(1, ":")), (6, 0));
    assert_eq!((lines(2, "data: "), lines(2, ": ")), (1, 3));
    assert!(frames[2].raw.starts_with(": "));
    assert_eq!(frames[3].raw.matches("\r\n").count(), 4);
    assert_eq!((lines(5, "data: "), lines(5, ": ")), (6, 8));
    assert_eq!(frames[4].raw, clean[4].raw);
}

#[tokio::test]
async fn the_end_and_the_host_s_error() {
    let replay = stream(done(events(20)), "end@3,error").await;
    // Both wait for the same connection; the earlier one ends it.
    let mut client = oldest(&replay).await;
    assert_eq!(names(&client.rest().await), numbers(0..3));
    assert_eq!(client.end, Some(End::Whole));
    replay.set_faults("error@2".parse().unwrap()).unwrap();
    let mut client = oldest(&replay).await;
    let frames = client.rest().await;
    assert_eq!(names(&frames[..2]), ["0", "1"]);
    assert_eq!((frames.len(), frames[2].event.as_str()), (3, "error"));
    assert!(frames[2].json().is_object());
    assert_eq!(client.end, Some(End::Whole));
    assert_eq!(replay.counters().struck("error"), 1);
}

#[tokio::test]
async fn new_faults_are_for_new_connections() {
    let replay = stream(done(events(2)), "").await;
    let mut before = oldest(&replay).await;
    before.names(2).await;
    replay.set_faults("end@4*always".parse().unwrap()).unwrap();
    let more = events(5);
    replay
        .append_events(more.iter().map(String::as_str))
        .unwrap();
    assert_eq!(before.names(5).await.len(), 5);
    let mut after = oldest(&replay).await;
    assert_eq!(after.rest().await.len(), 4);
}
