//! The program: what it prints, and how it leaves.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::wildcard_imports,
    reason = "a test that fails should say so at once"
)]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

fn start(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_wikimedia-replay"))
        .args(args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn says_where_it_listens_and_leaves_when_told() {
    let root = tempfile::tempdir().unwrap();
    for signal in ["TERM", "INT"] {
        let mut program = start(&[
            "--root",
            root.path().to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
        ]);
        let mut line = String::new();
        BufReader::new(program.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let addr = line
            .trim_end()
            .strip_prefix("listening on http://")
            .unwrap();
        assert!(addr.starts_with("127.0.0.1:"), "{line}");
        std::net::TcpStream::connect(addr).unwrap();
        let told = Command::new("kill")
            .args([format!("-{signal}"), program.id().to_string()])
            .status()
            .unwrap();
        assert!(told.success());
        assert!(program.wait().unwrap().success(), "{signal}");
    }
}

#[test]
fn says_what_is_wrong() {
    for (args, why) in [
        (
            ["--root", "/no/such/folder", "--faults", ""],
            "wikimedia-replay: cannot serve /no/such/folder",
        ),
        (
            ["--root", "/", "--faults", "cut@soon"],
            "cannot read `@soon` in `cut@soon`",
        ),
    ] {
        let mut program = start(&args);
        assert!(!program.wait().unwrap().success());
        let mut said = String::new();
        program
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut said)
            .unwrap();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn serves_events_without_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let events = dir.path().join("changes.ndjson");
    std::fs::write(&events, "{\"meta\":{\"id\":\"a\"}}\n").unwrap();
    let events = events.to_str().unwrap();
    let more = "--pace max --restamp --repeat 3 --retention 2 --stream-clients 1 --cut-after 0.5 --canary 0";
    let mut args = vec!["--events", events];
    args.extend(more.split(' '));
    let mut program = start(&args);
    let mut line = String::new();
    BufReader::new(program.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    let addr = line
        .trim_end()
        .strip_prefix("listening on http://")
        .unwrap();
    let mut stream = std::net::TcpStream::connect(addr).unwrap();
    let path = "/v2/stream/recentchange?since=1";
    let agent = "user-agent: t (t@example.org)";
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n{agent}\r\n\r\n").unwrap();
    let mut said = String::new();
    // It is cut after half a second.
    stream.read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("event: message\n").count(), 2, "{said}");
    program.kill().unwrap();
    program.wait().unwrap();
}

#[test]
fn wants_something_to_serve() {
    for (args, why) in [
        (&[][..], "--root <DIR>"),
        (&["--root", "/", "--pace", "max"], "--events <FILE>"),
        (&["--events", "x", "--pace", "fast"], "use real, max, or"),
        (&["--events", "x", "--canary=-1"], "a number of seconds"),
    ] {
        let program = start(args).wait_with_output().unwrap();
        assert!(!program.status.success());
        let said = String::from_utf8(program.stderr).unwrap();
        assert!(said.contains(why), "{said}");
    }
}

#[test]
fn help_teaches_the_faults() {
    let help = Command::new(env!("CARGO_BIN_EXE_wikimedia-replay"))
        .arg("--help")
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for taught in [
        wikimedia_replay::GRAMMAR,
        "--faults 'cut@1m*2'",
        "/_replay/counters",
        "/_replay/stream/ids",
        "--wait-for-client",
    ] {
        assert!(help.contains(taught), "{help}");
    }
}
