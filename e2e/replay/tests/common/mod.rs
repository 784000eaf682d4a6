//! What the tests share: a host with known files, and a client that shows every byte.
#![allow(dead_code, reason = "each test file uses its own part")]

pub(crate) mod sse;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use wikimedia_replay::{MemoryFile, Options, Replay, Root, Running};

pub(crate) const AGENT: &str = "wikiingest-tests/1 (tests@example.org)";
pub(crate) const MONTH: &str = "/other/pageviews/2026/2026-11/";
pub(crate) const HOUR: &str = "/other/pageviews/2026/2026-11/pageviews-20261101-000000.gz";
/// Above one chunk, so that faults also strike between chunks.
pub(crate) const LEN: usize = 200_000;

/// 2026-11-01T01:51:07Z.
pub(crate) fn modified() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(0x6ae6_9b0b)
}

/// Bytes that tell where in the file they are.
pub(crate) fn bytes() -> Vec<u8> {
    (0..LEN)
        .map(|n| ((n / 251 + n % 251) % 256).try_into().unwrap())
        .collect()
}

pub(crate) fn memory() -> Root {
    let file = |bytes: Vec<u8>| MemoryFile {
        bytes: bytes.into(),
        modified: modified(),
    };
    Root::Memory(
        [
            (HOUR.to_owned(), file(bytes())),
            (
                format!("{MONTH}pageviews-20261101-010000.gz"),
                file(vec![1; 53147]),
            ),
            (
                format!("{MONTH}projectviews-20261101-000000"),
                file(b"hi\n".to_vec()),
            ),
            ("/other/ten.txt".to_owned(), file(b"0123456789".to_vec())),
            ("/other/empty".to_owned(), file(Vec::new())),
        ]
        .into(),
    )
}

/// The same files in a folder, to read from disk.
pub(crate) fn folder() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let Root::Memory(files) = memory() else {
        unreachable!()
    };
    for (path, file) in files {
        let path = dir.path().join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &file.bytes).unwrap();
        std::fs::File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(file.modified)
            .unwrap();
    }
    let root = Root::Folder(dir.path().to_owned());
    (dir, root)
}

pub(crate) async fn start(root: Root, faults: &str) -> Running {
    let mut options = Options::new(root);
    options.faults = faults.parse().unwrap();
    Replay::start(options).await.unwrap()
}

/// An answer, byte for byte, and how it ended.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
    /// What the body ended with, if not where it was announced to.
    pub(crate) error: Option<std::io::ErrorKind>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// Asks on a connection of its own.
pub(crate) async fn ask(
    replay: &Running,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> Answer {
    let mut headers = headers.to_vec();
    headers.push(("user-agent", AGENT));
    let mut stream = send(replay, method, path, &headers).await;
    read(&mut stream, method).await
}

pub(crate) async fn get(replay: &Running, path: &str) -> Answer {
    ask(replay, "GET", path, &[]).await
}

/// Sends a request, with no more headers than these, and leaves the answer to be read.
pub(crate) async fn send(
    replay: &Running,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
) -> TcpStream {
    let mut stream = TcpStream::connect(replay.addr()).await.unwrap();
    write(&mut stream, method, path, headers, "").await;
    stream
}

pub(crate) async fn write(
    stream: &mut TcpStream,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) {
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: dumps.example\r\n");
    for (name, value) in headers {
        request.extend([name, ": ", value, "\r\n"]);
    }
    stream
        .write_all(format!("{request}\r\n{body}").as_bytes())
        .await
        .unwrap();
}

pub(crate) async fn read(stream: &mut TcpStream, method: &str) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let status = head[9..12].parse().unwrap();
    let mut answer = Answer {
        status,
        head,
        body: Vec::new(),
        error: None,
    };
    if method != "HEAD" && status != 304 {
        match answer
            .header("content-length")
            .map(|len| len.parse().unwrap())
        {
            Some(len) => read_body(stream, &mut answer, len).await,
            None => read_chunks(stream, &mut answer).await,
        }
    }
    answer
}

async fn read_body(stream: &mut TcpStream, answer: &mut Answer, len: usize) {
    let mut chunk = vec![0; 4096];
    while answer.body.len() < len {
        match stream.read(&mut chunk).await {
            Ok(0) => return answer.error = Some(std::io::ErrorKind::UnexpectedEof),
            Ok(read) => answer.body.extend_from_slice(&chunk[..read]),
            Err(error) => return answer.error = Some(error.kind()),
        }
    }
    assert_eq!(answer.body.len(), len, "no more than was announced");
}

async fn read_chunks(stream: &mut TcpStream, answer: &mut Answer) {
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            match stream.read_u8().await {
                Ok(byte) => line.push(byte),
                Err(error) => return answer.error = Some(error.kind()),
            }
        }
        let len = usize::from_str_radix(std::str::from_utf8(&line).unwrap().trim(), 16).unwrap();
        let mut chunk = vec![0; len + 2];
        stream.read_exact(&mut chunk).await.unwrap();
        answer.body.extend_from_slice(&chunk[..len]);
        if len == 0 {
            return;
        }
    }
}
