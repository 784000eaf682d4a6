//! What may stand between a worker and a host: proxies that cut, that intercept, that refuse some requests.

use std::io::{Read as _, Write as _, copy};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use crate::process::{Guard, capture, free_port, guarded, until};

/// Listens on loopback, and does the same with each connection, until the process ends.
fn listen(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener
        .local_addr()
        .expect("a bound listener has an address");
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(connection));
        }
    });
    address
}

/// Takes connections, reads what is said first, and hangs up.
#[must_use]
pub fn cutter() -> SocketAddr {
    listen(|mut connection| {
        let _ = connection.read(&mut [0; 1024]);
    })
}

/// A proxy that lets everybody through to wherever they want, and cuts the connection as soon as something is said.
#[must_use]
pub fn cutting_proxy() -> SocketAddr {
    let cutter = cutter();
    proxy_to(cutter)
}

/// A proxy that connects everybody to one address, whatever host they asked for.
#[must_use]
pub fn proxy_to(address: SocketAddr) -> SocketAddr {
    listen(move |mut client| {
        if head(&mut client).is_none() {
            return;
        }
        let Ok(server) = TcpStream::connect(address) else {
            return;
        };
        let _ = client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n");
        join(client, server);
    })
}

/// The request's head, to its empty line.
fn head(client: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).ok()? == 0 {
            return None;
        }
        head.push(byte[0]);
    }
    Some(head)
}

/// Hands over what either says to the other.
fn join(client: TcpStream, server: TcpStream) {
    let (Ok(mut from_client), Ok(mut to_server)) = (client.try_clone(), server.try_clone()) else {
        return;
    };
    thread::spawn(move || {
        let _ = copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    let (mut from_server, mut to_client) = (server, client);
    let _ = copy(&mut from_server, &mut to_client);
    let _ = to_client.shutdown(Shutdown::Both);
}

/// An S3 server's gateway that lets nobody begin an upload in parts; all else goes through to `upstream`, `host:port`.
#[must_use]
pub fn without_multipart(upstream: &str) -> SocketAddr {
    let upstream = upstream.to_owned();
    listen(move |mut client| {
        let Ok(server) = TcpStream::connect(&upstream) else {
            return;
        };
        let (Ok(mut to_server), Ok(answers)) = (server.try_clone(), client.try_clone()) else {
            return;
        };
        thread::spawn(move || {
            let (mut from_server, mut to_client) = (server, answers);
            let _ = copy(&mut from_server, &mut to_client);
        });
        let mut bytes = vec![0; 64 << 10];
        // A client that waits for an answer begins its next request with its next write.
        while let Ok(read @ 1..) = client.read(&mut bytes) {
            if begins_upload(&bytes[..read]) {
                let _ = client.write_all(DENIED.as_bytes());
                break;
            }
            if to_server.write_all(&bytes[..read]).is_err() {
                break;
            }
        }
        let _ = to_server.shutdown(Shutdown::Both);
        let _ = client.shutdown(Shutdown::Both);
    })
}

fn begins_upload(request: &[u8]) -> bool {
    let line = request
        .split(|byte| *byte == b'\r')
        .next()
        .unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    line.starts_with("POST ") && line.contains("?uploads")
}

const DENIED: &str = "HTTP/1.1 403 Forbidden\r\ncontent-type: application/xml\r\ncontent-length: 78\r\n\
connection: close\r\n\r\n<Error><Code>AccessDenied</Code><Message>no uploads in parts</Message></Error>";

/// A server that speaks TLS with a certificate that it signed itself for `host`.
#[derive(Debug)]
pub struct Impostor {
    _server: Guard,
    _dir: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Impostor {
    /// Starts `openssl s_server`.
    #[must_use]
    pub fn of(host: &str) -> Self {
        let dir = crate::scratch::dir("impostor").expect("a temporary folder");
        let (key, cert) = (dir.path().join("key"), dir.path().join("cert"));
        let mut request = Command::new("openssl");
        request
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            ])
            .args(["-subj", &format!("/CN={host}")])
            .args(["-addext", &format!("subjectAltName=DNS:{host}")])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&cert);
        let _ = capture(&mut request).expect("openssl makes a certificate");
        let port = free_port().expect("a free port");
        let mut command = guarded("openssl");
        command
            .args([
                "s_server",
                "-quiet",
                "-www",
                "-accept",
                &format!("127.0.0.1:{port}"),
            ])
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&cert)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Guard::spawn(&mut command).expect("openssl starts");
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        until(Duration::from_secs(20), || {
            TcpStream::connect(address)
                .map(drop)
                .map_err(|error| crate::error::Error::other(error.to_string()))
        })
        .expect("openssl listens");
        Self {
            _server: server,
            _dir: dir,
            address,
        }
    }
}
