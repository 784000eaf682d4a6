//! Real servers on loopback: random ports, temporary data, gone with the value that stands for them.

pub mod mariadb;
pub mod replay;
pub mod s3;

/// How long a server may take to answer: a busy two-core machine needs some of it.
const START: std::time::Duration = std::time::Duration::from_mins(1);

/// How often a server is started anew, each time on other ports, since a port that was free a moment ago may not be.
const ATTEMPTS: u32 = 3;

/// Starts a server, again when it did not come up.
fn retry<T>(mut start: impl FnMut() -> crate::Result<T>) -> crate::Result<T> {
    let mut attempt = 1;
    loop {
        match start() {
            Err(_) if attempt < ATTEMPTS => attempt += 1,
            result => return result,
        }
    }
}

/// The end of a server's log, for the message that says it did not come up.
pub(crate) fn tail(log: &std::path::Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
