//! The chart: what it says of values, what it makes of them, and whether an API server takes that.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::fs;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};
use wikiingest_e2e::harness::kube::{Chart, Cluster, Helm, crd};

/// Kinds of operators that are not in the test cluster.
const FOREIGN: &str = "monitoring.coreos.com/v1";

fn cluster() -> Cluster {
    Cluster::connect().expect("the cluster is up")
}

fn chart() -> Chart {
    Chart::of_the_work_tree().expect("the chart")
}

fn helm() -> Helm {
    cluster().helm("wikiingest").expect("helm")
}

/// The chart's files of this folder that hold values, with their names.
fn cases() -> Vec<(String, String)> {
    let files = fs::read_dir(chart().dir().join("ci")).expect("a folder");
    let files = files.map(|file| file.expect("a file").path());
    let named = |path: PathBuf| {
        let name = path
            .file_stem()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, fs::read_to_string(&path).expect("values"))
    };
    let mut cases: Vec<_> = files.map(named).filter(|(name, _)| name != "bad").collect();
    cases.sort();
    assert!(cases.len() >= 3, "{cases:?}");
    cases
}

/// A file of each guide that has it, with the guide's name.
fn of_guides(file: &str) -> Vec<(String, String)> {
    let guides = fs::read_dir(chart().dir().join("../guides")).expect("a folder");
    let mut found = Vec::new();
    for guide in guides {
        let guide = guide.expect("a guide");
        if let Ok(text) = fs::read_to_string(guide.path().join(file)) {
            found.push((guide.file_name().to_string_lossy().into_owned(), text));
        }
    }
    assert!(found.len() >= 3, "{found:?}");
    found
}

fn rendered(values: &str) -> String {
    let rendered = helm().with(&["template", "wikiingest"], &chart(), values);
    rendered.expect("it renders")
}

fn objects(yaml: &str) -> Vec<Value> {
    let objects: Vec<Value> = serde_saphyr::from_multiple(yaml).expect("YAML");
    objects
        .into_iter()
        .filter(|object| !object.is_null())
        .collect()
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects
        .iter()
        .filter(|object| object["kind"] == kind)
        .collect()
}

#[test]
fn helm_finds_nothing_to_say_of_it() {
    for (name, values) in cases().into_iter().chain(of_guides("values.yaml")) {
        let linted = helm().with(&["lint", "--strict"], &chart(), &values);
        linted.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[derive(Deserialize)]
struct Bad {
    values: Value,
    says: Vec<String>,
}

#[test]
fn wrong_values_are_refused_with_their_path() {
    let file = chart().dir().join("ci/bad.yaml");
    let bad = fs::read_to_string(file).expect("values");
    let bad: Vec<Bad> = serde_saphyr::from_str(&bad).expect("a list");
    for Bad { values, says } in bad {
        let refused = helm()
            .with(&["template", "wikiingest"], &chart(), &values.to_string())
            .err()
            .unwrap_or_else(|| panic!("{values} is taken"))
            .to_string();
        for word in says {
            let path = word.replace('/', ".");
            assert!(
                refused.contains(&word) || refused.contains(path.trim_start_matches('.')),
                "{values}: no {word} in: {refused}"
            );
        }
    }
}

#[test]
fn every_value_has_a_schema_and_a_comment() {
    let read = |name: &str| fs::read_to_string(chart().dir().join(name)).expect("a file");
    let values: Value = serde_saphyr::from_str(&read("values.yaml")).expect("YAML");
    let schema: Value = serde_json::from_str(&read("values.schema.json")).expect("JSON");
    let mut keys = Vec::new();
    keys_of("", &schema, &mut keys);
    for key in &keys {
        let pointer = format!("/{}", key.replace('.', "/"));
        assert!(
            values.pointer(&pointer).is_some(),
            "{key} is not in values.yaml"
        );
    }
    let readme = read("README.md");
    for key in keys {
        let row = readme
            .lines()
            .find(|line| line.starts_with(&format!("| `{key}`")));
        let row = row.unwrap_or_else(|| panic!("{key} has no comment that begins with --"));
        assert!(!row.ends_with("|  |"), "{row}");
    }
}

/// The paths of values that are no groups of others.
fn keys_of(path: &str, schema: &Value, keys: &mut Vec<String>) {
    for (name, of) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        // What parts an object has, Kubernetes says.
        let is_group = of["properties"].is_object() && path.rsplit('.').next() != Some("resources");
        match path.as_str() {
            "global" => {}
            _ if is_group => keys_of(&path, of, keys),
            _ => keys.push(path),
        }
    }
}

#[test]
fn its_readme_is_made_from_its_values() {
    let readme = chart().readme(cluster().home()).expect("helm-docs");
    let stored = fs::read_to_string(chart().dir().join("README.md")).unwrap_or_default();
    assert!(
        stored.trim() == readme.trim(),
        "charts/wikiingest/README.md is stale; run: cargo e2e chart"
    );
}

#[test]
fn its_crd_is_the_one_of_the_types() {
    let types = chart().dir().join("../../crds/wikiingests.yaml");
    let types = fs::read_to_string(types).expect("the CRD");
    let in_chart = fs::read_to_string(chart().dir().join("files/wikiingests.yaml"));
    assert!(
        in_chart.expect("the CRD") == types,
        "run: cp crds/wikiingests.yaml charts/wikiingest/files/"
    );
    let crd = |values: &str| {
        let objects = objects(&rendered(values));
        let crds = of_kind(&objects, "CustomResourceDefinition");
        crds.into_iter().next().cloned()
    };
    let expected: Value = serde_saphyr::from_str(&types).expect("YAML");
    let kept = crd("{}").expect("a CRD");
    assert_eq!(kept["spec"], expected["spec"]);
    assert_eq!(
        kept["metadata"]["annotations"]["helm.sh/resource-policy"],
        "keep"
    );
    let gone = crd("crds: {keep: false}").expect("a CRD");
    assert_eq!(gone["metadata"]["annotations"], Value::Null);
    assert_eq!(crd("crds: {install: false}"), None);
}

#[test]
fn without_a_cluster_s_rights_there_is_no_cluster_role() {
    let objects = objects(&rendered(
        "{watchNamespaces: [team-a, team-b], crds: {install: false}}",
    ));
    for kind in [
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition",
    ] {
        assert_eq!(of_kind(&objects, kind), [&Value::Null; 0], "{kind}");
    }
    let places = |kind: &str| {
        let of_kind = of_kind(&objects, kind);
        let mut places: Vec<_> = of_kind
            .iter()
            .map(|role| {
                role["metadata"]["namespace"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned()
            })
            .collect();
        places.sort();
        places
    };
    // In the operator's own, only the Lease.
    assert_eq!(places("Role"), ["team-a", "team-b", "wikiingest"]);
    assert_eq!(places("RoleBinding"), ["team-a", "team-b", "wikiingest"]);
}

#[test]
fn what_it_makes_is_as_it_was_reviewed() {
    for (name, values) in cases() {
        let mut rendered = rendered(&values);
        // It has a test of its own.
        if let Some(at) = rendered.find("# Made by: cargo run -p wikiingest-crds") {
            let end = rendered[at..]
                .find("\n---")
                .map_or(rendered.len(), |end| at + end);
            rendered.replace_range(at..end, "# The CRD.");
        }
        // Neither do the dashboards' insides belong here.
        insta::with_settings!({filters => vec![(r"(?m)^  \S+\.json: \|\n(    .*\n|\n)+", "  [a dashboard]\n")]}, {
            insta::assert_snapshot!(name, rendered);
        });
    }
}

#[test]
fn an_api_server_takes_what_it_makes() {
    let cluster = cluster();
    let namespace = cluster.namespace("chart").expect("a namespace");
    let mut seen = 0;
    for (name, values) in cases().into_iter().chain(of_guides("values.yaml")) {
        for mut object in objects(&rendered(&values)) {
            if object["apiVersion"] == FOREIGN {
                continue;
            }
            // Those of the values are not there.
            if object["metadata"]["namespace"].is_string() {
                object["metadata"]["namespace"] = json!(namespace.name());
            }
            let taken = cluster
                .kubectl()
                .expect("kubectl")
                .would_apply(&object.to_string());
            taken.unwrap_or_else(|error| panic!("{name}: {error}\n{object:#}"));
            seen += 1;
        }
    }
    assert!(seen > 30, "{seen} objects");
}

#[test]
fn an_api_server_takes_the_resources_of_the_guides_and_of_the_examples_for_gitops() {
    let cluster = cluster();
    let kubectl = cluster.kubectl().expect("kubectl");
    crd(&kubectl).expect("the CRD");
    let namespace = cluster.namespace("guides").expect("a namespace");
    let gitops = chart().dir().join("../gitops");
    let of_gitops = ["argocd", "flux"].map(|tool| {
        let file = gitops.join(tool).join("wikimedia/wikiingest.yaml");
        (
            tool.to_owned(),
            fs::read_to_string(file).expect("a resource"),
        )
    });
    for (name, text) in of_guides("wikiingest.yaml").into_iter().chain(of_gitops) {
        let objects = objects(&text);
        let ingests = of_kind(&objects, "WikiIngest");
        assert!(!ingests.is_empty(), "{name}");
        for ingest in ingests {
            let mut ingest = ingest.clone();
            ingest["metadata"]["namespace"] = json!(namespace.name());
            let taken = kubectl.would_apply(&ingest.to_string());
            taken.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

#[test]
fn the_runbook_has_a_section_for_every_alert() {
    let alerts = fs::read_to_string(chart().dir().join("files/alerts.yaml")).expect("alerts");
    let alerts: Value = serde_saphyr::from_str(&alerts).expect("YAML");
    let runbook = chart().dir().join("../guides/runbook.md");
    let runbook = fs::read_to_string(runbook).expect("a runbook");
    let rules = alerts["groups"][0]["rules"].as_array().expect("rules");
    assert!(rules.len() >= 8);
    for rule in rules {
        let heading = format!("### {}", rule["alert"].as_str().expect("a name"));
        assert!(runbook.lines().any(|line| line == heading), "{heading}");
    }
}

#[test]
fn it_lets_out_to_stream_workers_where_they_answer() {
    let objects = objects(&rendered("networkPolicy: {enabled: true}"));
    let policies = of_kind(&objects, "NetworkPolicy");
    let egress = policies[0]["spec"]["egress"].as_array().expect("rules");
    let to = |rule: &&Value| {
        let labels = &rule["to"][0]["podSelector"]["matchLabels"];
        labels["app.kubernetes.io/component"] == "stream"
    };
    let rule = egress.iter().find(to).expect("a rule");
    // As the operator builds their Deployment.
    let snapshot = chart()
        .dir()
        .join("../../operator/tests/snapshots/build__whole.snap");
    let built = fs::read_to_string(snapshot).expect("a snapshot");
    let port = format!("containerPort: {}", rule["ports"][0]["port"]);
    assert!(built.contains(&port), "{port}");
}
