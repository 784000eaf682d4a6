//! All that there is to know of one resource.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::ResourceExt as _;
use wikiingest_crds::{WikiIngest, WikiIngestStatus};

use super::{condition, sources};
use crate::words::{columns, length};

/// The page.
pub(super) fn page(ingest: &WikiIngest, warnings: &[String], now: Timestamp) -> String {
    let status = ingest.status.clone().unwrap_or_default();
    let sections = [
        head(ingest, now),
        all_sources(&status, now),
        backfills(&status),
        retention(&status, now),
        section(
            "Warnings of the last hour",
            warnings.iter().map(|line| indented(line)),
        ),
    ];
    let sections: Vec<String> = sections
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    sections.join("\n\n")
}

fn head(ingest: &WikiIngest, now: Timestamp) -> String {
    let (name, namespace) = (ingest.name_any(), ingest.namespace().unwrap_or_default());
    let mut lines = vec![
        format!("WikiIngest {name} in namespace {namespace}"),
        ready(ingest, now),
    ];
    if is_unseen(ingest) {
        lines.push("The operator has not taken in the last change yet.".to_owned());
    }
    if let Some(suspended) = holds(ingest, "Suspended") {
        let operator = if suspended.reason == "Paused" {
            " --operator"
        } else {
            ""
        };
        let goes_on = format!("`wikiingest resume {name}{operator}` goes on");
        lines.push(format!("Suspended: {}; {goes_on}", suspended.message));
    }
    lines.extend(troubles(ingest, now));
    lines.join("\n")
}

fn ready(ingest: &WikiIngest, now: Timestamp) -> String {
    let Some(ready) = condition(ingest, "Ready").filter(|ready| ready.status != "Unknown") else {
        let namespace = ingest.namespace().unwrap_or_default();
        return format!(
            "Ready: not known, since no operator has seen it: is one running that looks after namespace {namespace}?"
        );
    };
    let since = length(now.duration_since(ready.last_transition_time.0));
    if ready.status == "True" {
        return format!("Ready: yes, for {since}: {}", ready.message);
    }
    let then = if holds(ingest, "Stalled").is_some() {
        "\nStalled: nothing changes until that is mended"
    } else {
        "\nReconciling: it is tried again without anybody's help"
    };
    format!(
        "Ready: no, for {since}: {}: {}{then}",
        ready.reason, ready.message
    )
}

/// A condition that is true.
fn holds<'a>(ingest: &'a WikiIngest, name: &str) -> Option<&'a Condition> {
    condition(ingest, name).filter(|condition| condition.status == "True")
}

fn is_unseen(ingest: &WikiIngest) -> bool {
    let status = ingest.status.as_ref();
    let seen = status.and_then(|status| status.observed_generation);
    seen.is_some_and(|seen| seen >= 0) && seen < ingest.metadata.generation
}

/// What does not hold, and was not told with what is not ready.
fn troubles(ingest: &WikiIngest, now: Timestamp) -> Vec<String> {
    let ready = condition(ingest, "Ready").map(|ready| &ready.message);
    let conditions = ingest.status.iter().flat_map(|status| &status.conditions);
    conditions
        .filter(|one| one.status == "False" && one.type_ != "Ready" && Some(&one.message) != ready)
        .map(|one| {
            let since = length(now.duration_since(one.last_transition_time.0));
            format!(
                "{}: no, for {since}: {}: {}",
                one.type_, one.reason, one.message
            )
        })
        .collect()
}

fn all_sources(status: &WikiIngestStatus, now: Timestamp) -> String {
    let each = status.sources.iter().flat_map(|source| {
        let head = indented(&format!("{} ({})", source.name, source.kind));
        std::iter::once(head).chain(facts(&sources::source(source, now)))
    });
    let without_trouble = status.sources_ready.as_deref().unwrap_or_default();
    let title = format!("Sources ({without_trouble} without trouble)");
    section(&title, each)
}

fn backfills(status: &WikiIngestStatus) -> String {
    let rows: Vec<Vec<String>> = status
        .backfills
        .iter()
        .map(|one| {
            vec![
                format!("{}/{}", one.source, one.name),
                sources::backfill(one),
            ]
        })
        .collect();
    section("Backfills", columns(&rows).lines().map(indented))
}

fn retention(status: &WikiIngestStatus, now: Timestamp) -> String {
    let Some(retention) = &status.retention else {
        return String::new();
    };
    let facts = sources::retention(retention, now);
    let rows: Vec<Vec<String>> = facts.into_iter().map(row).collect();
    section("Retention", columns(&rows).lines().map(indented))
}

fn facts(facts: &[(&'static str, String)]) -> Vec<String> {
    let rows: Vec<Vec<String>> = facts.iter().cloned().map(row).collect();
    let deeper = |line: &str| indented(&indented(line));
    columns(&rows).lines().map(deeper).collect()
}

fn row((what, fact): (&'static str, String)) -> Vec<String> {
    vec![what.to_owned(), fact]
}

fn indented(line: &str) -> String {
    format!("  {line}")
}

/// Nothing, where there are no lines.
fn section(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return String::new();
    }
    format!("{title}:\n{}", lines.join("\n"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::{condition, ingest, now, with_conditions};

    #[test]
    fn a_resource_in_the_middle_of_its_life_is_told_whole() {
        let warnings = ["5m ago, RunFailed: source pageviews: the host is gone".to_owned()];
        insta::assert_snapshot!(page(&ingest(), &warnings, now()));
    }

    #[test]
    fn what_has_to_be_mended_is_told_first_and_once() {
        let said = "there is no Secret lake: create it";
        let mut ingest = with_conditions(json!([
            condition("Ready", "False", "SecretNotFound", said),
            condition("Stalled", "True", "SecretNotFound", said),
            condition("SecretsResolved", "False", "SecretNotFound", said),
        ]));
        ingest.metadata.generation = Some(4);
        insta::assert_snapshot!(head(&ingest, now()));
    }

    #[test]
    fn what_is_suspended_tells_how_it_goes_on() {
        for (reason, command) in [
            ("SpecSuspend", "`wikiingest resume wikimedia`"),
            ("Paused", "`wikiingest resume wikimedia --operator`"),
        ] {
            let ingest = with_conditions(json!([
                condition(
                    "Ready",
                    "True",
                    "Suspended",
                    "everything is set up, and suspended"
                ),
                condition("Suspended", "True", reason, "it is"),
            ]));
            let text = head(&ingest, now());
            assert!(
                text.contains(&format!("Suspended: it is; {command} goes on")),
                "{text}"
            );
        }
    }

    #[test]
    fn what_no_operator_has_seen_is_told_so() {
        let mut ingest = ingest();
        ingest.status = None;
        let text = page(&ingest, &[], now());
        assert!(text.contains("looks after namespace default?"), "{text}");
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}
