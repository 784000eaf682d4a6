//! How many resources are reconciled: one watch, which costs the API server next to nothing.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::bench::service::Service;
use crate::cluster::client::Kubectl;
use crate::error::{Error, Result};
use crate::process::Guard;

/// Name, generation, the generation that the status is of, and whether it is ready.
const COLUMNS: &str = "jsonpath={.metadata.name} {.metadata.generation} {.status.observedGeneration} \
    {.status.conditions[?(@.type==\"Ready\")].status}{\"\\n\"}";
/// For the list before the changes.
const LIST: Duration = Duration::from_mins(1);
/// How often it is looked whether the operator lives.
const LOOK: Duration = Duration::from_secs(1);

/// A running watch.
#[derive(Debug)]
pub(super) struct Watch {
    _process: Guard,
    lines: Receiver<String>,
    count: usize,
    ready: HashSet<String>,
}

impl Watch {
    /// Starts it, and waits until it has listed so many.
    pub(super) fn start(kubectl: &Kubectl, count: usize) -> Result<Self> {
        let mut command = kubectl.command();
        command
            .args(["get", "wikiingests", "--watch", "--output", COLUMNS])
            // Of a list in pieces it prints the pieces.
            .arg("--chunk-size=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut process = Guard::spawn(&mut command)?;
        let Some(stdout) = process.child().stdout.take() else {
            return Err(Error::other("kubectl get --watch has no pipe"));
        };
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
            lines.try_for_each(|line| sender.send(line))
        });
        let mut watch = Self {
            _process: process,
            lines,
            count,
            ready: HashSet::new(),
        };
        let deadline = Instant::now() + LIST;
        let mut listed = 0;
        while listed < count {
            listed += usize::from(watch.next(LOOK)?);
            if Instant::now() > deadline {
                return Err(Error::other(format!("{listed} of {count} were listed")));
            }
        }
        Ok(watch)
    }

    /// Waits until all are reconciled and ready.
    pub(super) fn until_ready(&mut self, operator: &mut Service, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.ready.len() < self.count {
            if !self.next(LOOK)? {
                operator.alive()?;
            }
            if Instant::now() > deadline {
                return Err(Error::other(format!(
                    "{} of {} are ready after {} s\n{}",
                    self.ready.len(),
                    self.count,
                    patience.as_secs(),
                    operator.log()
                )));
            }
        }
        Ok(())
    }

    /// Takes in a line, if one comes in time.
    fn next(&mut self, timeout: Duration) -> Result<bool> {
        match self.lines.recv_timeout(timeout) {
            Ok(line) => {
                let (name, ready) = stands(&line)?;
                if ready {
                    self.ready.insert(name.to_owned());
                } else {
                    self.ready.remove(name);
                }
                Ok(true)
            }
            Err(RecvTimeoutError::Timeout) => Ok(false),
            Err(RecvTimeoutError::Disconnected) => Err(Error::other(
                "the API server ended the watch, as it does when somebody else changes the CRD: begin anew",
            )),
        }
    }
}

/// A resource, and whether it is as it should be.
fn stands(line: &str) -> Result<(&str, bool)> {
    let mut words = line.split(' ');
    let (Some(name), Some(generation), Some(observed), ready) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(Error::other(format!("{line:?} is no resource")));
    };
    Ok((name, generation == observed && ready == Some("True")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_what_the_current_generation_is() {
        let is_ready = |line| stands(line).expect("a resource").1;
        assert!(is_ready("wiki-1 2 2 True"));
        assert!(!is_ready("wiki-1 2 1 True"));
        assert!(!is_ready("wiki-1 2 2 False"));
        assert!(!is_ready("wiki-1 1  "));
        assert!(stands("").is_err());
    }
}
