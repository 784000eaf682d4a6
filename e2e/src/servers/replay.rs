//! `wikimedia-replay`, as a process of its own: the stand-in for the dumps host.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::binaries::Binaries;
use crate::error::{Doing, Error, Result};
use crate::http;
use crate::process::{Guard, guarded};

/// A running stand-in.
#[derive(Debug)]
pub struct Replay {
    _server: Guard,
    port: u16,
}

/// How it should behave.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What to do wrong, in the words of `wikimedia-replay --help`.
    pub faults: String,
    /// Bytes a second on each connection; unlimited when not given.
    pub rate: Option<u64>,
    /// Whether the archives' folders have what else lies in them on the real host.
    pub neighbours: bool,
    /// Hours that index pages list and that are not there, in the words of `wikimedia-replay --help`.
    pub listed: Option<String>,
}

impl Replay {
    /// Serves a folder that is laid out like the host's own paths.
    ///
    /// # Errors
    /// If it does not start.
    pub fn start(binaries: &Binaries, root: &Path, options: &Options) -> Result<Self> {
        let mut command = guarded(binaries.path("wikimedia-replay")?);
        command
            .arg("--root")
            .arg(root)
            .args(["--faults", &options.faults]);
        if let Some(rate) = options.rate {
            command.arg("--rate").arg(rate.to_string());
        }
        if options.neighbours {
            command.arg("--neighbours");
        }
        if let Some(listed) = &options.listed {
            command.args(["--listed", listed]);
        }
        Self::spawn(command, root)
    }

    /// Publishes the events of a file as a stream; `args` tell how, in the words of `wikimedia-replay --help`.
    ///
    /// # Errors
    /// If it does not start.
    pub fn streaming(binaries: &Binaries, events: &Path, args: &[&str]) -> Result<Self> {
        let mut command = guarded(binaries.path("wikimedia-replay")?);
        command.arg("--events").arg(events).args(args);
        Self::spawn(command, events)
    }

    fn spawn(mut command: Command, what: &Path) -> Result<Self> {
        command.args(["--listen", "127.0.0.1:0"]);
        let mut server = Guard::spawn(command.stdin(Stdio::null()).stdout(Stdio::piped()))?;
        let port = listening(&mut server).ok_or_else(|| {
            Error::other(format!(
                "wikimedia-replay did not start on {}",
                what.display()
            ))
        })?;
        Ok(Self {
            _server: server,
            port,
        })
    }

    /// One that runs elsewhere, behind a port of this machine that `forwarder` serves.
    #[cfg(feature = "cluster")]
    pub(crate) fn behind(forwarder: Guard, port: u16) -> Self {
        Self {
            _server: forwarder,
            port,
        }
    }

    /// What a source's `baseUrl` is set to.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// What it saw so far.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn counters(&self) -> Result<Value> {
        let answer = http::get(self.port, "/_replay/counters")?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::other(format!("the replay's counters: {error}")))
    }

    /// The ids of all events that it has published so far, in order.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn published_ids(&self) -> Result<Vec<String>> {
        let answer = http::get(self.port, "/_replay/stream/ids")?;
        Ok(answer.text().lines().map(str::to_owned).collect())
    }

    /// What its stream saw so far.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn stream_counters(&self) -> Result<Value> {
        let answer = http::get(self.port, "/_replay/stream")?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| Error::other(format!("the replay's stream: {error}")))
    }

    /// Publishes more events at once, one a line.
    ///
    /// # Errors
    /// If it does not take them.
    pub fn append_events(&self, lines: &str) -> Result<()> {
        let answer = http::post(self.port, "/_replay/events", lines)?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(Error::other(format!(
            "the replay refused events: {}",
            answer.text()
        )))
    }

    /// Makes it do other things wrong from now on; nothing, with an empty text.
    ///
    /// # Errors
    /// If it does not understand.
    pub fn set_faults(&self, faults: &str) -> Result<()> {
        let answer = http::post(self.port, "/_replay/faults", faults)?;
        if answer.status == 200 {
            return Ok(());
        }
        Err(Error::other(format!(
            "the replay refused {faults:?}: {}",
            answer.text()
        )))
    }
}

fn listening(server: &mut Guard) -> Option<u16> {
    let stdout = server.child().stdout.take()?;
    let mut line = String::new();
    BufReader::new(stdout)
        .read_line(&mut line)
        .doing("reading")
        .ok()?;
    line.trim().rsplit_once(':')?.1.parse().ok()
}
