//! What is applied: the resources, and the children that the operator made of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use super::applied;
use crate::cluster::client::Kubectl;
use crate::error::{Doing, Error, Result};

/// The operator's name as a field manager, and in the label of all that is its.
const MANAGER: &str = "wikiingest-operator";
/// In the operator's order, with how many a resource has of each.
const CHILDREN: &[(&str, usize)] = &[("serviceaccounts", 1), ("configmaps", 1), ("cronjobs", 3)];

/// So many resources of three batch sources each.
pub(super) fn resources(count: usize, namespace: &str) -> Vec<Vec<Value>> {
    (1..=count)
        .map(|number| vec![resource(number, namespace)])
        .collect()
}

fn resource(number: usize, namespace: &str) -> Value {
    let source = |name: &str, kind: &str, cron: &str| json!({"name": name, kind: {}, "schedule": {"cron": cron}, "sinks": ["lake"]});
    json!({
        "apiVersion": "wikiingest.dev/v1alpha1",
        "kind": "WikiIngest",
        "metadata": {"name": format!("wiki-{number:05}"), "namespace": namespace},
        "spec": {
            "contact": "https://example.org/wikiingest-bench",
            "suspend": true,
            "sinks": [{"name": "lake", "s3": {"bucket": "wikimedia-lake", "region": "eu-west-1"}}],
            "sources": [
                source("pageviews", "pageviews", "25 * * * *"),
                source("pagecounts", "pagecountsRaw", "40 * * * *"),
                source("media", "mediacounts", "15 6 * * *"),
            ],
        },
    })
}

/// The children of each resource as the operator applied them, for another namespace. They have no owner there.
pub(super) fn children(
    kubectl: &Kubectl,
    count: usize,
    namespace: &str,
) -> Result<Vec<Vec<Value>>> {
    let selector = format!("app.kubernetes.io/managed-by={MANAGER}");
    let mut of_owner: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for (kind, each) in CHILDREN {
        let found = kubectl.list(kind, &selector)?;
        // Whoever makes too little is not fast.
        if found.len() != count * each {
            let found = found.len();
            return Err(Error::other(format!(
                "{count} resources have {found} {kind}, not {each} each"
            )));
        }
        for child in &found {
            let owner = child["metadata"]["ownerReferences"][0]["name"].to_string();
            let Some(mut child) = applied::by(MANAGER, child) else {
                return Err(Error::other(format!("one of the {kind} was not applied")));
            };
            child["metadata"]["namespace"] = namespace.into();
            if let Some(metadata) = child["metadata"].as_object_mut() {
                metadata.remove("ownerReferences");
            }
            of_owner.entry(owner).or_default().push(child);
        }
    }
    Ok(of_owner.into_values().collect())
}

/// A list a line, as the bare client takes them.
pub(super) fn write(file: &Path, lists: &[Vec<Value>]) -> Result<()> {
    let mut out = BufWriter::new(File::create(file).doing_to("creating", file)?);
    for list in lists {
        writeln!(out, "{}", json!(list)).doing_to("writing", file)?;
    }
    out.flush().doing_to("writing", file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_has_three_sources_and_runs_nothing() {
        let resources = resources(2, "n");
        assert_eq!(resources.len(), 2);
        let spec = &resources[1][0]["spec"];
        let names = spec["sources"].as_array().expect("a list").iter();
        assert_eq!(
            names
                .filter(|source| source["schedule"].is_object())
                .count(),
            3
        );
        assert_eq!(spec["suspend"], true);
        assert_ne!(resources[0], resources[1]);
    }
}
