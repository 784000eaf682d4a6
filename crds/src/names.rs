//! Labels, annotations and names of what the operator makes of a resource, for all who look for it.

use sha2::{Digest, Sha256};

/// The resource that a child belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// What the child does.
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// The source that a child is for.
pub const SOURCE: &str = "wikiingest.dev/source";
/// The backfill that a child is for.
pub const BACKFILL: &str = "wikiingest.dev/backfill";
/// The token of a run that was asked for.
pub const RUN_NOW: &str = "wikiingest.dev/run-now";
/// Leave the resource and its children as they are while this is "true".
pub const PAUSED: &str = "wikiingest.dev/paused";

/// The longest name of a Job: one that counts its pods has to leave room for their numbers.
const JOB: usize = 52;
/// The longest value of a label.
const LABEL: usize = 63;

/// The first eight digits of a hash.
#[must_use]
pub fn short_hash(text: &str) -> String {
    hash(text).chars().take(8).collect()
}

/// A hash, in hex.
#[must_use]
pub fn hash(text: &str) -> String {
    use std::fmt::Write as _;
    Sha256::digest(text.as_bytes())
        .iter()
        .fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        })
}

/// The name of a Job that is made once: whatever it is made from is in the hash. A run that was asked for is made from its
/// token, with its source as the task.
#[must_use]
pub fn of_job(ingest: &str, task: &str, made_from: &str) -> String {
    hashed(
        &format!("{ingest}-{task}"),
        &format!("{ingest}/{task}/{made_from}"),
        JOB,
    )
}

/// The value of [`INSTANCE`].
#[must_use]
pub fn instance(ingest: &str) -> String {
    fitting(ingest, LABEL)
}

/// A name with the hash of all that it stands for, cut where it is too long.
#[must_use]
pub fn hashed(plain: &str, whole: &str, limit: usize) -> String {
    // A Job that counts its pods may have no dot in its name; the hash keeps such names apart.
    let plain = plain.replace('.', "-");
    let kept: String = plain.chars().take(limit - 9).collect();
    format!(
        "{}-{}",
        kept.trim_end_matches(['-', '.']),
        short_hash(whole)
    )
}

/// A name, with its hash where it is too long.
#[must_use]
pub fn fitting(text: &str, limit: usize) -> String {
    if text.len() <= limit {
        text.to_owned()
    } else {
        hashed(text, text, limit)
    }
}
