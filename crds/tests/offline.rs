//! What the API server and the operator would say, for one good resource and many bad ones.
#![cfg(feature = "offline")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is unexpected here fails the test"
)]

use std::fmt::Write as _;

use serde::Deserialize;
use serde_json::{Value, json};
use wikiingest_crds::{
    WikiIngest,
    validate::{Problem, Target, offline},
};

fn example() -> Value {
    serde_saphyr::from_str(include_str!("example.yaml")).unwrap()
}

/// The example with one place changed: put there, replaced, or (with null in a place that takes none) taken away.
fn with(pointer: &str, value: Value) -> Value {
    let mut resource = example();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    match resource.pointer_mut(parent).unwrap() {
        Value::Object(fields) if value == json!("<absent>") => drop(fields.remove(name)),
        Value::Object(fields) => drop(fields.insert(name.to_owned(), value)),
        Value::Array(items) if name == "-" => items.push(value),
        Value::Array(items) => items[name.parse::<usize>().unwrap()] = value,
        other => panic!("{pointer}: {other}"),
    }
    resource
}

fn problems(resource: &Value) -> Vec<Problem> {
    offline(resource, Target::Cluster)
}

#[test]
fn the_example_is_valid_and_round_trips() {
    assert_eq!(problems(&example()), []);
    let read: WikiIngest = serde_json::from_value(example()).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(problems(&written), []);
    assert_eq!(serde_json::from_value::<WikiIngest>(written).unwrap(), read);
}

#[test]
fn what_has_a_default_may_be_left_out_or_null() {
    for value in [json!("<absent>"), Value::Null] {
        for pointer in [
            "/spec/suspend",
            "/spec/workers",
            "/spec/sinks/0/singleStore/port",
            "/spec/sinks/0/singleStore/tls",
            "/spec/sinks/1/s3/prefix",
            "/spec/sources/0/pageviews/projects",
            "/spec/sources/0/pageviews/minViews",
            "/spec/sources/0/schedule/timeZone",
            "/spec/sources/0/schedule/lookback",
            "/spec/sources/0/backfill/0/parallelism",
            "/spec/sources/2/startFrom",
            "/spec/workers/imagePullPolicy",
        ] {
            assert_eq!(
                problems(&with(pointer, value.clone())),
                [],
                "{pointer} {value}"
            );
        }
    }
}

#[test]
fn the_rest_of_the_api_is_valid_too() {
    for (pointer, value) in [
        ("/spec/contact", json!("wiki-bot@example.org")),
        ("/spec/contact", json!("mailto:wiki-bot@example.org")),
        (
            "/spec/contact",
            json!("https://de.wikipedia.org/wiki/User:Example_Bot?x=1#y"),
        ),
        ("/spec/sinks/0/singleStore/host", json!("2001:db8::1")),
        (
            "/spec/sinks/0/singleStore/tls",
            json!({ "mode": "Required" }),
        ),
        ("/spec/sinks/1/s3/endpoint", json!("http://127.0.0.1:9000")),
        ("/spec/sinks/1/s3/prefix", json!("wikimedia/v1")),
        ("/spec/sources/0/baseUrl", json!("http://127.0.0.1:8080/")),
        ("/spec/sources/0/schedule/cron", json!("@hourly")),
        ("/spec/sources/0/schedule/timeZone", json!("Asia/Kathmandu")),
        (
            "/spec/sources/1/backfill",
            json!([{ "name": "first", "from": "2015-01-01T00:00:00Z", "to": "2015-01-02T00:00:00Z" }]),
        ),
        (
            "/spec/sources/2/startFrom",
            json!("2026-01-31T12:00:00+01:00"),
        ),
        (
            "/spec/sources/2/stream",
            json!({ "batchInterval": "1s", "batchSize": 5000, "idleTimeout": "2m", "rewind": "1m" }),
        ),
        (
            "/spec/sources/-",
            json!({
                "name": "archive", "pagecountsRaw": {}, "sinks": ["lake"],
                "backfill": [{ "name": "all", "from": "2007-12-09T00:00:00Z", "to": "2016-09-01T00:00:00Z", "parallelism": 16 }],
            }),
        ),
        (
            "/spec/sources/-",
            json!({
                "name": "daily", "pageviewComplete": { "agents": ["user", "spider", "automated"], "projects": ["en.wikipedia"] },
                "schedule": { "cron": "@daily" }, "sinks": ["lake"],
            }),
        ),
        ("/spec/workers/imagePullPolicy", json!("Always")),
    ] {
        assert_eq!(
            problems(&with(pointer, value.clone())),
            [],
            "{pointer} {value}"
        );
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Bad {
    at: String,
    #[serde(default)]
    set: Value,
    #[serde(default)]
    remove: bool,
    path: String,
    says: String,
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_to_write() {
    let mut failures = String::new();
    let corpus: Vec<Bad> = serde_saphyr::from_str(include_str!("bad.yaml")).unwrap();
    for bad in corpus {
        let value = if bad.remove {
            json!("<absent>")
        } else {
            bad.set.clone()
        };
        let problems = problems(&with(&bad.at, value));
        let as_wanted = |p: &Problem| p.path == bad.path && p.message.contains(&bad.says);
        if problems.len() != 1 || !problems.iter().all(as_wanted) {
            let _ = writeln!(failures, "{bad:?}\n  got {problems:#?}");
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

#[test]
fn several_problems_are_told_at_once() {
    let mut resource = with("/spec/sources/0/schedule/cron", json!("x"));
    resource["spec"]["sources"][1]["schedule"]["timeZone"] = json!("Mars/Olympus");
    resource["spec"]["sources"][2]["schedule"] = json!({ "cron": "@daily" });
    let problems = problems(&resource);
    let paths: Vec<_> = problems
        .iter()
        .map(|problem| problem.path.as_str())
        .collect();
    assert_eq!(
        paths,
        [
            "spec.sources[2].schedule",
            "spec.sources[0].schedule.cron",
            "spec.sources[1].schedule.timeZone"
        ]
    );
}

#[test]
fn embedded_sinks_are_for_this_machine_only() {
    let mut resource = with(
        "/spec/sinks/0",
        json!({ "name": "warehouse", "sqlite": { "path": "wikimedia.db" } }),
    );
    resource["spec"]["sinks"][1] = json!({ "name": "lake", "folder": { "path": "lake" } });
    assert_eq!(offline(&resource, Target::Local), []);
    let refused: Vec<_> = offline(&resource, Target::Cluster)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        refused,
        [
            "spec.sinks[0].sqlite: a sqlite sink is for \"wikiingest local\" only, since a pod's files are lost with the pod: use singleStore, which also takes MySQL and MariaDB",
            "spec.sinks[1].folder: a folder sink is for \"wikiingest local\" only, since a pod's files are lost with the pod: use s3, which also takes servers of your own through endpoint",
        ]
    );
}

#[test]
fn every_rule_compiles_and_is_cheap() {
    use kube::core::cel::{compile_schema, estimate_rule_cost};
    fn check(schema: &Value) -> usize {
        let compiled = compile_schema(schema);
        assert!(
            !compiled.has_errors(),
            "{:?}",
            compiled.compilation_errors()
        );
        let rules = schema["x-kubernetes-validations"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        for rule in &rules {
            let rule = rule["rule"].as_str().unwrap();
            assert_eq!(estimate_rule_cost(rule, &compiled), [], "{rule}");
        }
        let properties = schema["properties"]
            .as_object()
            .into_iter()
            .flat_map(|properties| properties.values());
        rules.len()
            + properties
                .chain(schema.get("items"))
                .map(check)
                .sum::<usize>()
    }
    let crd = json!(wikiingest_crds::crd::crd());
    let rules = check(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
    assert!(rules >= 18, "{rules}");
}

#[test]
fn a_backfill_keeps_its_range() {
    use kube::core::cel::Validator;
    let crd = json!(wikiingest_crds::crd::crd());
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]
        ["sources"]["items"];
    let source = |resource: Value| {
        let mut source = resource["spec"]["sources"][0].clone();
        source
            .as_object_mut()
            .unwrap()
            .retain(|_, value| !value.is_null());
        source
    };
    let before = source(example());
    let longer = source(with(
        "/spec/sources/0/backfill/0/to",
        json!("2026-01-01T00:00:00Z"),
    ));
    let faster = source(with("/spec/sources/0/backfill/0/parallelism", json!(4)));
    let error = Validator::new()
        .validate(schema, &longer, Some(&before))
        .unwrap_err();
    assert!(
        error[0].message.contains("add another under a new name"),
        "{error:?}"
    );
    assert!(
        Validator::new()
            .validate(schema, &faster, Some(&before))
            .is_ok()
    );
}
