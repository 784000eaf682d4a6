//! Wall time and memory of a process.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::process::{Guard, line};

/// What a process took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measured {
    /// From its start to its end.
    pub(super) seconds: f64,
    /// The most memory it held at a time; nothing for what has no process of its own.
    pub(super) rss_mib: Option<f64>,
}

/// Runs a command to its end. Its output is thrown away, and its errors are shown.
pub(super) fn measure(command: &mut Command) -> Result<Measured> {
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let started = Instant::now();
    let mut child = Guard::spawn(command)?;
    let mut rss_mib = None;
    loop {
        // The kernel's own high-water mark: a look every few milliseconds misses only what the very end adds.
        rss_mib = high_water_mib(child.id()).or(rss_mib);
        if let Some(status) = child.exited()? {
            let seconds = started.elapsed().as_secs_f64();
            if status.success() {
                return Ok(Measured { seconds, rss_mib });
            }
            return Err(Error::other(format!(
                "`{}` ended with {status}",
                line(command)
            )));
        }
        thread::sleep(Duration::from_millis(2));
    }
}

/// The most memory that a living process has held at a time.
pub(crate) fn high_water_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmHWM:")
}

/// The memory that a living process holds.
pub(super) fn resident_mib(pid: u32) -> Option<f64> {
    status_mib(pid, "VmRSS:")
}

fn status_mib(pid: u32, field: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(kib.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()? / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_and_memory_of_a_process_are_seen() {
        let measured = measure(Command::new("sleep").arg("0.2")).expect("it ends well");
        assert!((0.2..5.0).contains(&measured.seconds), "{measured:?}");
        assert!(
            measured
                .rss_mib
                .is_some_and(|rss| (0.1..50.0).contains(&rss)),
            "{measured:?}"
        );
    }

    #[test]
    fn a_process_that_fails_is_not_measured() {
        assert!(measure(&mut Command::new("false")).is_err());
    }
}
