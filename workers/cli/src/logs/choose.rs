//! Whose logs are shown. Pure.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use wikiingest_crds::names::{BACKFILL, COMPONENT, SOURCE};

/// A pod whose log is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    /// Its name.
    pub(super) pod: String,
    /// What its lines begin with.
    pub(super) label: String,
}

/// Of each source the pods that run, or the newest one. What is not done for a source counts as one by its task's name.
pub(super) fn choose(pods: &[Pod]) -> Vec<Chosen> {
    let mut groups: BTreeMap<String, Vec<&Pod>> = BTreeMap::new();
    // One that has not begun has nothing to say.
    for pod in pods.iter().filter(|pod| phase(pod) != "Pending") {
        groups.entry(group(pod)).or_default().push(pod);
    }
    let chosen: Vec<&Pod> = groups.into_values().flat_map(of_group).collect();
    let labels: Vec<String> = chosen.iter().map(|pod| label(pod)).collect();
    let is_shared = |label: &String| labels.iter().filter(|other| *other == label).count() > 1;
    let both = chosen.iter().zip(&labels);
    both.map(|(pod, plain)| Chosen {
        pod: pod.name_any(),
        label: if is_shared(plain) {
            format!("{plain} {}", last_part(&pod.name_any()))
        } else {
            plain.clone()
        },
    })
    .collect()
}

fn of_group(mut pods: Vec<&Pod>) -> Vec<&Pod> {
    pods.sort_by_key(|pod| (pod.creation_timestamp(), pod.name_any()));
    let running: Vec<&Pod> = pods
        .iter()
        .copied()
        .filter(|pod| phase(pod) == "Running")
        .collect();
    if running.is_empty() {
        pods.pop().into_iter().collect()
    } else {
        running
    }
}

fn phase(pod: &Pod) -> &str {
    let status = pod.status.as_ref();
    let phase = status.and_then(|status| status.phase.as_deref());
    phase.unwrap_or_default()
}

fn group(pod: &Pod) -> String {
    let labels = pod.labels();
    let of = labels.get(SOURCE).or_else(|| labels.get(COMPONENT));
    of.cloned().unwrap_or_default()
}

fn label(pod: &Pod) -> String {
    let group = group(pod);
    match pod.labels().get(BACKFILL) {
        Some(backfill) => format!("{group} {backfill}"),
        None => group,
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(name: &str, minute: u32, phase: &str, labels: &Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": {
                "name": name, "labels": labels, "creationTimestamp": format!("2024-08-03T08:{minute:02}:00Z"),
            },
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    fn chosen(pods: &[Pod]) -> Vec<(String, String)> {
        let chosen = choose(pods).into_iter();
        chosen.map(|chosen| (chosen.pod, chosen.label)).collect()
    }

    fn named(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let pairs = pairs.iter();
        pairs
            .map(|(pod, label)| ((*pod).to_owned(), (*label).to_owned()))
            .collect()
    }

    #[test]
    fn of_each_source_the_newest_worker_is_shown_unless_some_run() {
        let views = json!({(SOURCE): "pageviews", (COMPONENT): "batch"});
        let edits = json!({(SOURCE): "edits", (COMPONENT): "stream"});
        let pods = [
            pod("views-2", 20, "Failed", &views),
            pod("views-1", 10, "Succeeded", &views),
            pod("views-3", 30, "Pending", &views),
            pod("edits-1", 10, "Running", &edits),
            pod("edits-2", 20, "Succeeded", &edits),
        ];
        assert_eq!(
            chosen(&pods),
            named(&[("edits-1", "edits"), ("views-2", "pageviews")])
        );
    }

    #[test]
    fn workers_of_one_range_are_told_apart_by_their_pods() {
        let range = json!({(SOURCE): "pageviews", (COMPONENT): "backfill", (BACKFILL): "y2024"});
        let pods = [
            pod("views-y2024-0-abcde", 1, "Running", &range),
            pod("views-y2024-1-fghij", 2, "Running", &range),
        ];
        let expected = [
            ("views-y2024-0-abcde", "pageviews y2024 abcde"),
            ("views-y2024-1-fghij", "pageviews y2024 fghij"),
        ];
        assert_eq!(chosen(&pods), named(&expected));
    }

    #[test]
    fn what_is_done_for_no_source_is_called_by_what_it_does() {
        let migrate = json!({(COMPONENT): "migrate"});
        let pods = [pod("wikimedia-migrate-1", 1, "Succeeded", &migrate)];
        assert_eq!(chosen(&pods), named(&[("wikimedia-migrate-1", "migrate")]));
        assert_eq!(chosen(&[]), []);
    }
}
