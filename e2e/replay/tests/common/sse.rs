//! A client of the stream that shares no code with the server, and events to serve.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use wikimedia_replay::{Events, Options, Pace, Replay, Running, StreamOptions};

use super::{AGENT, send};

pub(crate) const STREAM: &str = "/v2/stream/recentchange";
/// 2026-11-01T00:00:00Z in milliseconds.
pub(crate) const START: i64 = 1_793_491_200_000;
const EQIAD: &str = "eqiad.mediawiki.recentchange";
const CODFW: &str = "codfw.mediawiki.recentchange";
const PATIENCE: Duration = Duration::from_secs(10);

/// An event of a topic, so many milliseconds after [`START`].
pub(crate) fn event(topic: char, id: &str, ms: i64) -> String {
    let (topic, offset) = if topic == 'e' {
        (EQIAD, 5_559_405_228_i64)
    } else {
        (CODFW, 0)
    };
    let (second, millis) = (ms / 1000, ms % 1000);
    let dt = format!(
        "2026-11-01T00:{:02}:{:02}.{millis:03}Z",
        second / 60,
        second % 60
    );
    let offset = if offset == 0 {
        String::new()
    } else {
        format!(",\"offset\":{offset}")
    };
    format!(
        "{{\"$schema\":\"/mediawiki/recentchange/1.0.0\",\"meta\":{{\"uri\":\"https://en.wikipedia.org/wiki/A,_\\\"b\\\"\",\
         \"id\":\"{id}\",\"dt\":\"{dt}\",\"domain\":\"en.wikipedia.org\",\"stream\":\"mediawiki.recentchange\",\
         \"topic\":\"{topic}\"{offset}}},\"type\":\"edit\",\"title\":\"Ä{id}\",\"comment\":\"c\",\"timestamp\":{}}}",
        START / 1000 + second
    )
}

/// Events `0` to `count - 1` of one topic, a tenth of a second apart.
pub(crate) fn events(count: i64) -> Vec<String> {
    (0..count)
        .map(|n| event('e', &n.to_string(), n * 100))
        .collect()
}

/// A stream that has published everything already.
pub(crate) fn done(lines: Vec<String>) -> StreamOptions {
    StreamOptions {
        pace: Pace::Max,
        ..StreamOptions::new(Events::Lines(lines))
    }
}

pub(crate) async fn stream(stream: StreamOptions, faults: &str) -> Running {
    let mut options = Options::streaming(Events::Lines(Vec::new()));
    options.stream = Some(stream);
    options.faults = faults.parse().unwrap();
    Replay::start(options).await.unwrap()
}

/// How a response ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// As it should.
    Whole,
    /// Without its last chunk.
    Broken,
    Reset,
}

#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) event: String,
    pub(crate) id: String,
    pub(crate) data: String,
    /// The frame as it came, comments included.
    pub(crate) raw: String,
}

impl Frame {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap()
    }

    /// Its `meta.id`.
    pub(crate) fn name(&self) -> String {
        self.json()["meta"]["id"].as_str().unwrap().to_owned()
    }
}

/// A connection to the stream.
pub(crate) struct Sse {
    stream: TcpStream,
    pub(crate) head: String,
    /// What has come and is not dechunked yet.
    wire: Vec<u8>,
    /// The body, without the frames that were read.
    text: Vec<u8>,
    pub(crate) received: usize,
    pub(crate) end: Option<End>,
    frames: VecDeque<Frame>,
}

pub(crate) async fn connect(replay: &Running, path: &str, headers: &[(&str, &str)]) -> Sse {
    let mut headers = headers.to_vec();
    headers.push(("user-agent", AGENT));
    let mut stream = send(replay, "GET", path, &headers).await;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    Sse {
        stream,
        head,
        wire: Vec::new(),
        text: Vec::new(),
        received: 0,
        end: None,
        frames: VecDeque::new(),
    }
}

/// A connection that starts with the oldest event.
pub(crate) async fn oldest(replay: &Running) -> Sse {
    connect(replay, &format!("{STREAM}?since=1"), &[]).await
}

/// An id of both topics.
pub(crate) fn id(eqiad: (&str, i64), codfw: (&str, i64)) -> String {
    format!(
        "[{{\"topic\":\"{EQIAD}\",\"partition\":0,\"{}\":{}}},{{\"topic\":\"{CODFW}\",\"partition\":0,\"{}\":{}}}]",
        eqiad.0, eqiad.1, codfw.0, codfw.1
    )
}

impl Sse {
    /// The next frame that is not only a comment; none at the end.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        while self.frames.is_empty() && self.end.is_none() {
            let more = tokio::time::timeout(PATIENCE, self.more());
            more.await.expect("the stream fell silent");
        }
        self.frames.pop_front()
    }

    pub(crate) async fn frames(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::new();
        for _ in 0..count {
            frames.push(self.frame().await.expect("the stream ended"));
        }
        frames
    }

    /// The ids of the next events.
    pub(crate) async fn names(&mut self, count: usize) -> Vec<String> {
        self.frames(count).await.iter().map(Frame::name).collect()
    }

    /// Everything up to the end.
    pub(crate) async fn rest(&mut self) -> Vec<Frame> {
        let mut frames = Vec::new();
        while let Some(frame) = self.frame().await {
            frames.push(frame);
        }
        frames
    }

    /// Whether nothing comes for a while.
    pub(crate) async fn is_silent(&mut self) -> bool {
        let silence = Duration::from_millis(150);
        tokio::time::timeout(silence, self.frame()).await.is_err()
    }

    /// Whether the connection is still there after a while.
    pub(crate) async fn stays_open(&mut self, time: Duration) -> bool {
        let end = self.stream.read_u8();
        tokio::time::timeout(time, end).await.is_err()
    }

    async fn more(&mut self) {
        let mut buffer = vec![0; 64 * 1024];
        match self.stream.read(&mut buffer).await {
            Ok(0) => self.end = self.end.or(Some(End::Broken)),
            Ok(read) => {
                self.wire.extend_from_slice(&buffer[..read]);
                self.dechunk();
                self.parse();
            }
            Err(_) => self.end = Some(End::Reset),
        }
    }

    fn dechunk(&mut self) {
        while let Some(line) = find(&self.wire, b"\r\n") {
            let len = std::str::from_utf8(&self.wire[..line]).unwrap();
            let len = usize::from_str_radix(len, 16).unwrap();
            if self.wire.len() < line + 2 + len + 2 {
                return;
            }
            self.text
                .extend_from_slice(&self.wire[line + 2..line + 2 + len]);
            self.received += len;
            self.wire.drain(..line + 2 + len + 2);
            if len == 0 {
                self.end = Some(End::Whole);
            }
        }
    }

    fn parse(&mut self) {
        let (mut start, mut at) = (0, 0);
        while let Some(len) = find(&self.text[at..], b"\n") {
            let blank = matches!(&self.text[at..at + len], b"" | b"\r");
            at += len + 1;
            if blank {
                let raw = String::from_utf8(self.text[start..at].to_vec()).unwrap();
                self.frames.extend(frame(&raw));
                start = at;
            }
        }
        self.text.drain(..start);
    }
}

fn frame(raw: &str) -> Option<Frame> {
    let field = |name: &str| -> Vec<&str> {
        raw.lines()
            .filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
            .collect()
    };
    let data = field("data");
    if data.is_empty() {
        return None;
    }
    Some(Frame {
        event: field("event").concat(),
        id: field("id").concat(),
        data: data.join("\n"),
        raw: raw.to_owned(),
    })
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|at| at == wanted)
}
