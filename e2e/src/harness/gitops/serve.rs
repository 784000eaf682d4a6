//! HTTP on loopback for those who fetch: git's own `http-backend`, which is a CGI program, and files.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::{Doing, Error, Result};

/// A folder with bare repositories, and with files below `archives/`; dropped, nobody answers any more.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    is_over: Arc<AtomicBool>,
}

impl Server {
    pub(super) fn start(root: &Path) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").doing("listening on 127.0.0.1")?;
        let address = listener.local_addr().doing("listening on 127.0.0.1")?;
        let is_over = Arc::new(AtomicBool::new(false));
        let (root, over) = (root.to_owned(), Arc::clone(&is_over));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let root = root.clone();
                // Who asks for something odd, or leaves, gets no answer: the tests notice.
                thread::spawn(move || answer(&root, stream));
            }
        });
        Ok(Self {
            port: address.port(),
            is_over,
        })
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // It looks only when somebody comes.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: HashMap<String, String>,
    body: Vec<u8>,
}

fn answer(root: &Path, mut stream: TcpStream) -> Result<()> {
    let patience = Some(Duration::from_mins(1));
    let what = "reading a request";
    stream.set_read_timeout(patience).doing(what)?;
    let request = Request::read(&stream)?;
    let answer = if request.path.starts_with("/archives/") {
        file(root, &request)
    } else {
        http(&backend(root, &request)?)
    };
    stream.write_all(&answer).doing("answering a request")
}

impl Request {
    fn read(stream: &TcpStream) -> Result<Self> {
        let mut reader = BufReader::new(stream);
        let first = line(&mut reader)?;
        let mut words = first.split(' ');
        let (method, target) = (words.next(), words.next().unwrap_or_default());
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HashMap::new();
        loop {
            let header = line(&mut reader)?;
            let Some((name, value)) = header.split_once(':') else {
                break;
            };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map(|length| length.parse());
        let length = length.transpose().unwrap_or_default().unwrap_or(0);
        let mut body = vec![0; length];
        reader.read_exact(&mut body).doing("reading a request")?;
        Ok(Self {
            method: method.unwrap_or_default().to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
            headers,
            body,
        })
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

fn line(reader: &mut impl std::io::BufRead) -> Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line).doing("reading a request")?;
    Ok(line.trim_end().to_owned())
}

fn file(root: &Path, request: &Request) -> Vec<u8> {
    // Its last part only, so that nothing else can be asked for.
    let name = Path::new(&request.path).file_name().unwrap_or_default();
    let path: PathBuf = root.join("archives").join(name);
    let Ok(content) = fs::read(&path) else {
        return b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into();
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    [head.as_bytes(), &content].concat()
}

/// What git answers, as CGI has it: headers, an empty line, and the rest.
fn backend(root: &Path, request: &Request) -> Result<Vec<u8>> {
    let doing = "running `git http-backend`";
    let mut backend = Command::new("git");
    backend
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", &request.method)
        .env("PATH_INFO", &request.path)
        .env("QUERY_STRING", &request.query)
        .env("CONTENT_TYPE", request.header("content-type"))
        .env("CONTENT_LENGTH", request.body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", request.header("content-encoding"))
        .env("GIT_PROTOCOL", request.header("git-protocol"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = backend.spawn().doing(doing)?;
    // It reads all of a request, which is short, before it answers.
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&request.body).doing(doing)?;
    }
    let output = child.wait_with_output().doing(doing)?;
    if output.stdout.is_empty() {
        return Err(Error::other("`git http-backend` said nothing"));
    }
    Ok(output.stdout)
}

/// From CGI to HTTP: the status is a header there.
fn http(cgi: &[u8]) -> Vec<u8> {
    let end = cgi.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = cgi.split_at(end.map_or(cgi.len(), |end| end + 4));
    let (mut status, mut headers) = ("200 OK".to_owned(), String::new());
    for line in head.lines().map_while(std::io::Result::ok) {
        if let Some(other) = line.strip_prefix("Status: ") {
            other.trim().clone_into(&mut status);
        } else if !line.is_empty() {
            headers.push_str(&line);
            headers.push_str("\r\n");
        }
    }
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_of_cgi_becomes_one_of_http() {
        let answer = http(b"Status: 404 Not Found\r\nA: b\r\n\r\nno\r\n\r\nsuch");
        let expected = "HTTP/1.1 404 Not Found\r\nA: b\r\nContent-Length: 10\r\nConnection: close\r\n\r\nno\r\n\r\nsuch";
        assert_eq!(String::from_utf8_lossy(&answer), expected);
    }
}
