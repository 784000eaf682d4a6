//! As much HTTP as it takes to ask a server on loopback something: no redirects, no TLS, no connection kept.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::error::{Doing, Error, Result};

/// What a server said.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// GET from a port of this machine.
///
/// # Errors
/// If nobody answers, or not in HTTP.
pub fn get(port: u16, path: &str) -> Result<Answer> {
    ask("GET", port, path, "")
}

/// POST to a port of this machine.
///
/// # Errors
/// If nobody answers, or not in HTTP.
pub fn post(port: u16, path: &str, body: &str) -> Result<Answer> {
    ask("POST", port, path, body)
}

fn ask(method: &str, port: u16, path: &str, body: &str) -> Result<Answer> {
    let what = format!("{method} http://127.0.0.1:{port}{path}");
    let mut stream = TcpStream::connect(("127.0.0.1", port)).doing(&what)?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .doing(&what)?;
    // HTTP/1.0: the answer ends with the connection, and comes in one piece.
    let head = format!(
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1:{port}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).doing(&what)?;
    stream.write_all(body.as_bytes()).doing(&what)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).doing(&what)?;
    parse(&answer).ok_or_else(|| Error::other(format!("{what}: the answer is not HTTP")))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let status = head
        .strip_prefix("HTTP/1.")?
        .split(' ')
        .nth(1)?
        .parse()
        .ok()?;
    Some(Answer {
        status,
        body: answer[end + 4..].to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_status_and_a_body() {
        let answer =
            parse(b"HTTP/1.1 404 Not Found\r\nA: b\r\n\r\nno\r\n\r\nsuch").expect("it is HTTP");
        assert_eq!(
            (answer.status, answer.text().as_str()),
            (404, "no\r\n\r\nsuch")
        );
        assert!(parse(b"\x16\x03\x01").is_none());
    }
}
