//! What the API server and the operator would say, for one good resource and many bad ones.
#![cfg(feature = "offline")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is unexpected here fails the test"
)]

#[expect(dead_code, reason = "most of it is for bounds.rs")]
mod corpus;

use corpus::{EVERYTHING, EXAMPLE, put, read};
use serde_json::{Value, json};
use wikiingest_crds::{
    WikiIngest,
    validate::{Problem, Target, accept, offline},
};

fn example() -> Value {
    read(EXAMPLE)
}

/// The example with one place changed: put there, or replaced.
fn with(pointer: &str, value: Value) -> Value {
    put(example(), pointer, Some(value))
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
    for value in [None, Some(Value::Null)] {
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
            "/spec/sources/0/backfill/0/baseUrl",
            "/spec/sources/2/startFrom",
            "/spec/workers/imagePullPolicy",
        ] {
            let resource = put(example(), pointer, value.clone());
            assert_eq!(problems(&resource), [], "{pointer} {value:?}");
        }
    }
}

#[test]
fn everything_is_valid_here_and_round_trips() {
    let read: WikiIngest = accept(&read(EVERYTHING), Target::Local).unwrap();
    let written = serde_json::to_value(&read).unwrap();
    assert_eq!(accept(&written, Target::Local), Ok(read));
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
