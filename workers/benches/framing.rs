//! Cutting a stream of server-sent events into frames: ours beside the crates that do it.
//!
//! `cargo bench --package wikiingest-workers --bench framing`. Each case is the fastest of five
//! readings of 200,000 events of 1.2 KiB in pieces of 16 KiB; the floor is a search for line ends.

#![allow(missing_docs, reason = "a program")]
#![allow(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a bench prints, and ends where it does not work"
)]

use std::{convert::Infallible, time::Instant};

use bytes::Bytes;
use futures::{StreamExt, executor::block_on, stream};
use wikiingest_workers::stream::frame::Framer;

const EVENTS: usize = 200_000;
const PIECE: usize = 16 << 10;
const RUNS: usize = 5;

fn main() {
    let text = text();
    let pieces: Vec<Bytes> = (0..text.len())
        .step_by(PIECE)
        .map(|at| text.slice(at..text.len().min(at + PIECE)))
        .collect();
    let floor = fastest(|| memchr::memchr_iter(b'\n', &text).count() / 4);
    tell("floor: line ends", floor, floor);
    tell("own framer", fastest(|| own(&pieces)), floor);
    tell(
        "sse-stream",
        fastest(|| block_on(sse_stream(&pieces))),
        floor,
    );
    tell(
        "eventsource-stream",
        fastest(|| block_on(eventsource_stream(&pieces))),
        floor,
    );
}

fn text() -> Bytes {
    let id = r#"[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":1790487705416},{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]"#;
    let comment = "a comment of some length, ".repeat(39);
    let mut text = String::with_capacity(EVENTS * 1_250);
    for number in 0..EVENTS {
        text.push_str("event: message\nid: ");
        text.push_str(id);
        text.push_str("\ndata: {\"id\":");
        text.push_str(&number.to_string());
        text.push_str(",\"comment\":\"");
        text.push_str(&comment);
        text.push_str("\"}\n\n");
    }
    text.into()
}

fn own(pieces: &[Bytes]) -> usize {
    let mut framer = Framer::default();
    let mut count = 0;
    for piece in pieces {
        framer.push(piece);
        while let Some(frame) = framer.next() {
            count += usize::from(!frame.data.is_empty());
        }
    }
    count
}

async fn sse_stream(pieces: &[Bytes]) -> usize {
    let pieces = stream::iter(pieces.iter().cloned().map(Ok::<_, Infallible>));
    let events = sse_stream::SseStream::from_bytes_stream(pieces);
    events
        .filter(|event| std::future::ready(event.as_ref().is_ok_and(|event| event.data.is_some())))
        .count()
        .await
}

async fn eventsource_stream(pieces: &[Bytes]) -> usize {
    let pieces = stream::iter(pieces.iter().cloned().map(Ok::<_, Infallible>));
    let events = eventsource_stream::EventStream::new(pieces);
    events
        .filter(|event| {
            std::future::ready(event.as_ref().is_ok_and(|event| !event.data.is_empty()))
        })
        .count()
        .await
}

/// The shortest time, in seconds.
fn fastest(mut work: impl FnMut() -> usize) -> f64 {
    let mut seconds = f64::MAX;
    for _ in 0..RUNS {
        let started = Instant::now();
        assert_eq!(work(), EVENTS, "every event is seen");
        seconds = seconds.min(started.elapsed().as_secs_f64());
    }
    seconds
}

fn tell(case: &str, seconds: f64, floor: f64) {
    let line = serde_json::json!({
        "bench": "sse-framing",
        "case": case,
        "seconds": (seconds * 1e4).round() / 1e4,
        "floor_seconds": (floor * 1e4).round() / 1e4,
        "ratio": (seconds / floor * 100.0).round() / 100.0,
        "rss_mib": null,
    });
    println!("{line}");
}
