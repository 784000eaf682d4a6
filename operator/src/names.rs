//! Names and labels of children.

use std::collections::BTreeMap;

use kube::ResourceExt as _;
use wikiingest_crds::WikiIngest;
pub use wikiingest_crds::names::{
    BACKFILL, COMPONENT, INSTANCE, PAUSED, RUN_NOW, SOURCE, hash, instance, of_job, short_hash,
};
use wikiingest_crds::names::{fitting, hashed};

use crate::settings::Component;

/// The field manager of everything that the operator applies.
pub const MANAGER: &str = "wikiingest-operator";
/// The field manager of status.
pub const STATUS_MANAGER: &str = "wikiingest-operator/status";
/// The value of `app.kubernetes.io/name`.
const APP: &str = "wikiingest";

/// Who looks after the child.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Which of the cluster's connections a pod uses: a number is the dumps host's, those of other hosts have the host before
/// it. Pods of one value keep each other off.
pub const CONNECTION: &str = "wikiingest.dev/dumps-connection";
/// The hash of what was applied.
pub const APPLIED: &str = "wikiingest.dev/applied";
/// The hash of what a stream worker, or a backfill, was started with.
pub const STARTED_WITH: &str = "wikiingest.dev/started-with";

/// The longest name of a CronJob: its Jobs are given 11 characters more.
const CRON_JOB: usize = 52;
/// The longest name of anything else here, and the longest value of a label.
const LABEL: usize = 63;

/// The name of a CronJob or a Deployment: `RESOURCE-SOURCE`, with a hash where that is too long, or could be another
/// resource's and another source's.
#[must_use]
pub fn of_source(ingest: &str, source: &str) -> String {
    let plain = format!("{ingest}-{source}");
    if plain.len() <= CRON_JOB && !source.contains('-') {
        plain
    } else {
        hashed(&plain, &format!("{ingest}/{source}"), CRON_JOB)
    }
}

/// The name of the CronJob that deletes what is kept no longer. Always with a hash: a source may be called retention.
#[must_use]
pub fn of_retention(ingest: &str) -> String {
    hashed(
        &format!("{ingest}-retention"),
        &format!("{ingest}//retention"),
        CRON_JOB,
    )
}

/// The name of what a resource has one of.
#[must_use]
pub fn of_ingest(ingest: &str) -> String {
    fitting(&format!("{ingest}-workers"), LABEL)
}

/// The value of [`CONNECTION`] for a host, as `NAME` or `NAME:PORT`, that is not the dumps host.
#[must_use]
pub fn connection(host: &str, number: u32) -> String {
    let number = format!("_{number}");
    let is_kept = |letter: &char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-');
    let readable = host.replace(':', "_");
    let is_plain = host.chars().all(|letter| is_kept(&letter) || letter == ':')
        && host.starts_with(|first: char| first.is_ascii_alphanumeric());
    if is_plain && readable.len() + number.len() <= LABEL {
        return readable + &number;
    }
    // The hash keeps apart what is cut, or left out.
    let room = LABEL - number.len() - 9;
    let kept: String = host.chars().filter(is_kept).take(room).collect();
    let kept = format!("{kept}-{}", short_hash(host));
    kept.trim_start_matches(['-', '.']).to_owned() + &number
}

/// Whether a resource is to be left as it is.
#[must_use]
pub fn is_paused(ingest: &WikiIngest) -> bool {
    ingest.annotations().get(PAUSED).map(String::as_str) == Some("true")
}

/// The labels of a child.
#[must_use]
pub fn labels(ingest: &str, component: Option<Component>) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = [
        ("app.kubernetes.io/name", APP.to_owned()),
        ("app.kubernetes.io/part-of", APP.to_owned()),
        (INSTANCE, instance(ingest)),
        (MANAGED_BY, MANAGER.to_owned()),
    ]
    .into_iter()
    .map(|(key, value)| (key.to_owned(), value))
    .collect();
    if let Some(component) = component {
        labels.insert(COMPONENT.to_owned(), component.as_str().to_owned());
    }
    labels
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_are_values_of_labels_whatever_the_host_is() {
        assert_eq!(connection("mirror.accum.se", 1), "mirror.accum.se_1");
        assert_eq!(connection("replay.n.svc:8080", 0), "replay.n.svc_8080_0");
        let long = "x".repeat(512);
        let hosts = [
            "[2001:db8::1]:8080",
            "[::1]",
            "-a",
            "a_8080",
            "a:8080",
            "",
            "é",
            &long,
        ];
        let mut values = std::collections::BTreeSet::new();
        for host in hosts {
            let value = connection(host, 255);
            let is_letter = |letter: char| letter.is_ascii_alphanumeric();
            assert!(value.len() <= 63 && value.starts_with(is_letter), "{value}");
            let fits = |letter| is_letter(letter) || matches!(letter, '.' | '-' | '_');
            assert!(
                value.chars().all(fits) && value.ends_with("_255"),
                "{value}"
            );
            assert!(values.insert(value), "{host}");
        }
    }

    #[test]
    fn names_are_readable_where_they_can_be_and_never_the_same() {
        assert_eq!(of_source("wikimedia", "pageviews"), "wikimedia-pageviews");
        // Both would be a-b-c.
        assert_ne!(of_source("a-b", "c"), of_source("a", "b-c"));
        let long = "x".repeat(253);
        for name in [of_source(&long, "pageviews"), of_source(&long, "edits")] {
            assert!(name.len() <= 52, "{name}");
        }
        assert_ne!(of_source(&long, "pageviews"), of_source(&long, "edits"));
        assert!(of_retention(&long).len() <= 52);
        assert_ne!(of_retention("wiki"), of_source("wiki", "retention"));
        assert!(of_job(&long, "migrate", "1").len() <= 63);
        assert!(of_ingest(&long).len() <= 63);
        assert!(instance(&long).len() <= 63);
        assert_ne!(of_job("a", "migrate", "1"), of_job("a", "migrate", "2"));
        // A cut never leaves a name that ends badly.
        let dotted = format!("{}.{}", "x".repeat(42), "y".repeat(100));
        assert!(of_source(&dotted, "s").starts_with(&format!("{}-", "x".repeat(42))));
    }
}
