//! What the API server and the operator would say, for one good resource and many bad ones.
#![cfg(feature = "offline")]

use std::fmt::Write as _;

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
            assert_eq!(problems(&with(pointer, value.clone())), [], "{pointer} {value}");
        }
    }
}

#[test]
fn the_rest_of_the_api_is_valid_too() {
    for (pointer, value) in [
        ("/spec/contact", json!("wiki-bot@example.org")),
        ("/spec/contact", json!("mailto:wiki-bot@example.org")),
        ("/spec/contact", json!("https://de.wikipedia.org/wiki/User:Example_Bot?x=1#y")),
        ("/spec/sinks/0/singleStore/host", json!("2001:db8::1")),
        ("/spec/sinks/0/singleStore/tls", json!({ "mode": "Required" })),
        ("/spec/sinks/1/s3/endpoint", json!("http://127.0.0.1:9000")),
        ("/spec/sinks/1/s3/prefix", json!("wikimedia/v1")),
        ("/spec/sources/0/baseUrl", json!("http://127.0.0.1:8080/")),
        ("/spec/sources/0/schedule/cron", json!("@hourly")),
        ("/spec/sources/0/schedule/timeZone", json!("Asia/Kathmandu")),
        ("/spec/sources/1/backfill", json!([{ "name": "first", "from": "2015-01-01T00:00:00Z", "to": "2015-01-02T00:00:00Z" }])),
        ("/spec/sources/2/startFrom", json!("2026-01-31T12:00:00+01:00")),
        ("/spec/sources/2/stream", json!({ "batchInterval": "1s", "batchSize": 5000, "idleTimeout": "2m", "rewind": "1m" })),
        ("/spec/sources/-", json!({
            "name": "archive", "pagecountsRaw": {}, "sinks": ["lake"],
            "backfill": [{ "name": "all", "from": "2007-12-09T00:00:00Z", "to": "2016-09-01T00:00:00Z", "parallelism": 16 }],
        })),
        ("/spec/sources/-", json!({
            "name": "daily", "pageviewComplete": { "agents": ["user", "spider", "automated"], "projects": ["en.wikipedia"] },
            "schedule": { "cron": "@daily" }, "sinks": ["lake"],
        })),
        ("/spec/workers/imagePullPolicy", json!("Always")),
    ] {
        assert_eq!(problems(&with(pointer, value.clone())), [], "{pointer} {value}");
    }
}

/// Each: where the example is changed, what it is changed to, and where the problem is and what it says.
fn bad() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let absent = || json!("<absent>");
    vec![
        // The envelope.
        ("/apiVersion", json!("wikiingest.dev/v1"), "apiVersion", "must be \"wikiingest.dev/v1alpha1\""),
        ("/kind", json!("Wikiingest"), "kind", "must be \"WikiIngest\""),
        ("/metadata", json!({}), "metadata.name", "is required"),
        ("/metadata/name", json!("Wikimedia"), "metadata.name", "right form"),
        ("/spec", absent(), "spec", "is required"),
        ("/spec", json!([]), "spec", "must be a map of fields, is a list"),
        ("/spce", json!({}), "spce", "did you mean spec?"),
        // The contact.
        ("/spec/contact", absent(), "spec.contact", "is required and not set. Who to write to"),
        ("/spec/contact", json!("somebody"), "spec.contact", "Example: https://example.org/wiki-bot"),
        ("/spec/contact", json!("ftp://example.org"), "spec.contact", "right form"),
        ("/spec/contact", json!("https://example.org/\r\nX: y"), "spec.contact", "right form"),
        ("/spec/contact", json!("https://example.org/(bot)"), "spec.contact", "right form"),
        // Unknown fields.
        ("/spec/sink", json!([]), "spec.sink", "did you mean sinks?"),
        ("/spec/sources/0/pageviews/minviews", json!(1), "spec.sources[0].pageviews.minviews", "did you mean minViews?"),
        ("/spec/sources/2/recentChanges/languages", json!([]), "spec.sources[2].recentChanges.languages", "there are types, wikis"),
        ("/spec/workers/serviceAccountName", json!("admin"), "spec.workers.serviceAccountName", "is not a field"),
        ("/spec/workers/resources/claims", json!([]), "spec.workers.resources.claims", "there are limits, requests"),
        // Sinks.
        ("/spec/sinks", json!([]), "spec.sinks", "must not be empty"),
        ("/spec/sinks/0/name", json!("Warehouse"), "spec.sinks[0].name", "lower-case letters"),
        ("/spec/sinks/0/name", json!("a-name-of-21-characte"), "spec.sinks[0].name", "at most 20 characters"),
        ("/spec/sinks/1/name", json!("warehouse"), "spec.sinks[1]", "\"warehouse\" is in the list already"),
        ("/spec/sinks/0/s3", json!({ "bucket": "abc", "region": "x" }), "spec.sinks[0]", "exactly one kind"),
        ("/spec/sinks/0/singleStore", absent(), "spec.sinks[0]", "exactly one kind: set one of singleStore, s3, sqlite, folder"),
        ("/spec/sinks/0/singleStore/host", json!(""), "spec.sinks[0].singleStore.host", "must not be empty"),
        ("/spec/sinks/0/singleStore/host", json!("https://db"), "spec.sinks[0].singleStore.host", "without port"),
        ("/spec/sinks/0/singleStore/host", json!("db:3306"), "spec.sinks[0].singleStore.host", "without port"),
        ("/spec/sinks/0/singleStore/port", json!(0), "spec.sinks[0].singleStore.port", "at least 1"),
        ("/spec/sinks/0/singleStore/port", json!(65536), "spec.sinks[0].singleStore.port", "at most 65535"),
        ("/spec/sinks/0/singleStore/port", json!("3306"), "spec.sinks[0].singleStore.port", "must be a whole number, is \"3306\""),
        ("/spec/sinks/0/singleStore/database", json!("a`b"), "spec.sinks[0].singleStore.database", "right form"),
        ("/spec/sinks/0/singleStore/credentialsSecretRef", absent(), "spec.sinks[0].singleStore.credentialsSecretRef", "username and password"),
        ("/spec/sinks/0/singleStore/tls/mode", json!("verify-ca"), "spec.sinks[0].singleStore.tls.mode", "one of Disabled, Preferred, Required, VerifyCa, VerifyIdentity"),
        ("/spec/sinks/0/singleStore/tls/mode", json!("Required"), "spec.sinks[0].singleStore.tls.mode", "set mode to VerifyCa or VerifyIdentity"),
        ("/spec/sinks/0/singleStore/retention/pageviews", json!("90 days"), "spec.sinks[0].singleStore.retention.pageviews", "A number and a unit"),
        ("/spec/sinks/0/singleStore/retention/pageviews", json!("0d"), "spec.sinks[0].singleStore.retention.pageviews", "A number and a unit"),
        ("/spec/sinks/1/s3/bucket", json!("My_Bucket"), "spec.sinks[1].s3.bucket", "Example: wikimedia-lake"),
        ("/spec/sinks/1/s3/bucket", json!("my..bucket"), "spec.sinks[1].s3.bucket", "two dots"),
        ("/spec/sinks/1/s3/prefix", json!("/v1"), "spec.sinks[1].s3.prefix", "without a slash at either end"),
        ("/spec/sinks/1/s3/prefix", json!("v1/"), "spec.sinks[1].s3.prefix", "without a slash at either end"),
        ("/spec/sinks/1/s3/region", absent(), "spec.sinks[1].s3.region", "Example: eu-west-1"),
        ("/spec/sinks/1/s3/endpoint", json!("minio:9000"), "spec.sinks[1].s3.endpoint", "http://minio"),
        ("/spec/sinks/1/s3/compression/zstd", json!(20), "spec.sinks[1].s3.compression.zstd", "at most 19"),
        ("/spec/sinks/1/s3/compression/zstd", json!(0), "spec.sinks[1].s3.compression.zstd", "at least 1"),
        ("/spec/sinks/-", json!({ "name": "local", "sqlite": { "path": "x.db" } }), "spec.sinks[2].sqlite", "use singleStore"),
        ("/spec/sinks/-", json!({ "name": "local", "folder": { "path": "lake" } }), "spec.sinks[2].folder", "use s3"),
        ("/spec/sinks/-", json!({ "name": "again", "s3": { "bucket": "wikimedia-lake", "prefix": "v1", "region": "x" } }), "spec.sinks[2].s3", "same place as sink \"lake\""),
        // Sources.
        ("/spec/sources", json!([]), "spec.sources", "must not be empty"),
        ("/spec/sources/1/name", json!("pageviews"), "spec.sources[1]", "in the list already"),
        ("/spec/sources/0/pageviewComplete", json!({}), "spec.sources[0]", "a source must have exactly one kind"),
        ("/spec/sources/1/mediacounts", absent(), "spec.sources[1]", "exactly one kind: set one of pageviews"),
        ("/spec/sources/0/sinks", json!([]), "spec.sources[0].sinks", "must not be empty"),
        ("/spec/sources/0/sinks", json!(["lake", "lake"]), "spec.sources[0].sinks[1]", "\"lake\" is in the list already"),
        ("/spec/sources/1/sinks", json!(["lake", "pond"]), "spec.sources", "there is no sink called pond: correct the name"),
        ("/spec/sources/-", json!({ "name": "twice", "pageviews": {}, "schedule": { "cron": "@daily" }, "sinks": ["lake"] }), "spec.sources", "two sources of the same kind feed the same sink"),
        ("/spec/sources/1/schedule", absent(), "spec.sources[1]", "needs a schedule, a backfill, or both"),
        ("/spec/sources/0/startFrom", json!("latest"), "spec.sources[0].startFrom", "for recentChanges only"),
        ("/spec/sources/0/stream", json!({}), "spec.sources[0].stream", "for recentChanges only"),
        ("/spec/sources/2/schedule", json!({ "cron": "@daily" }), "spec.sources[2].schedule", "remove schedule"),
        ("/spec/sources/2/backfill", json!([{ "name": "x", "from": "2024-01-01T00:00:00Z", "to": "2024-01-02T00:00:00Z" }]), "spec.sources[2].backfill", "remove backfill"),
        ("/spec/sources/2/startFrom", json!("yesterday"), "spec.sources[2].startFrom", "latest, or a time"),
        ("/spec/sources/2/startFrom", json!("2026-02-30T00:00:00Z"), "spec.sources[2].startFrom", "no time that there is"),
        ("/spec/sources/2/stream", json!({ "batchSize": 0 }), "spec.sources[2].stream.batchSize", "at least 1"),
        ("/spec/sources/2/stream", json!({ "batchInterval": "1h" }), "spec.sources[2].stream.batchInterval", "1h must be from 1ms to 60s"),
        ("/spec/sources/2/stream", json!({ "idleTimeout": "1s" }), "spec.sources[2].stream.idleTimeout", "1s must be from 5s to 15m"),
        ("/spec/sources/2/stream", json!({ "rewind": "1d" }), "spec.sources[2].stream.rewind", "1d must be from 1s to 1h"),
        ("/spec/sources/0/baseUrl", json!("dumps.wikimedia.org"), "spec.sources[0].baseUrl", "URL of a mirror"),
        ("/spec/sources/0/baseUrl", json!("https://user:pass@example.org"), "spec.sources[0].baseUrl", "right form"),
        ("/spec/sources/0/pageviews/projects", json!([]), "spec.sources[0].pageviews.projects", "must not be empty"),
        ("/spec/sources/0/pageviews/projects", json!(["*", "en.wikipedia"]), "spec.sources[0].pageviews.projects", "list it alone"),
        ("/spec/sources/0/pageviews/projects", json!(["en wiki"]), "spec.sources[0].pageviews.projects[0]", "right form"),
        ("/spec/sources/0/pageviews/projects", json!("en.wikipedia"), "spec.sources[0].pageviews.projects", "must be a list"),
        ("/spec/sources/0/pageviews/minViews", json!(-1), "spec.sources[0].pageviews.minViews", "at least 0"),
        ("/spec/sources/2/recentChanges/wikis", json!(["*", "enwiki"]), "spec.sources[2].recentChanges.wikis", "list it alone"),
        ("/spec/sources/2/recentChanges/types/0", json!("edits"), "spec.sources[2].recentChanges.types[0]", "one of edit, new, log, categorize, external"),
        // Schedules.
        ("/spec/sources/0/schedule/cron", absent(), "spec.sources[0].schedule.cron", "is required"),
        ("/spec/sources/0/schedule/cron", json!(25), "spec.sources[0].schedule.cron", "write it in quotes"),
        ("/spec/sources/0/schedule/cron", json!("25 * * *"), "spec.sources[0].schedule.cron", "4 fields and must have five"),
        ("/spec/sources/0/schedule/cron", json!("CRON_TZ=UTC 25 * * * *"), "spec.sources[0].schedule.cron", "set the time zone in timeZone"),
        ("/spec/sources/0/schedule/timeZone", json!("Europe/Berln"), "spec.sources[0].schedule.timeZone", "did you mean Europe/Berlin?"),
        ("/spec/sources/0/schedule/lookback", json!("2 days"), "spec.sources[0].schedule.lookback", "A number and a unit"),
        ("/spec/sources/0/schedule/lookback", json!("30m"), "spec.sources[0].schedule.lookback", "less than one file of pageviews covers"),
        ("/spec/sources/0/schedule/lookback", json!("91d"), "spec.sources[0].schedule.lookback", "sink \"warehouse\" keeps pageviews for 90d only"),
        ("/spec/sources/1/schedule/lookback", json!("12h"), "spec.sources[1].schedule.lookback", "such as 7d"),
        // Backfills.
        ("/spec/sources/0/backfill/0/from", json!("2024-01-01"), "spec.sources[0].backfill[0].from", "is not a time such as 2024-01-01T00:00:00Z"),
        ("/spec/sources/0/backfill/0/from", json!("2024-01-01T00:30:00Z"), "spec.sources[0].backfill", "hourly files start on the hour"),
        ("/spec/sources/0/backfill/0/to", json!("2024-01-01T00:00:00Z"), "spec.sources[0].backfill[0].to", "from must be before to"),
        ("/spec/sources/0/backfill/0/from", json!("2015-04-30T23:00:00Z"), "spec.sources[0].backfill[0].from", "pageviews begins at 2015-05-01T00:00:00Z"),
        ("/spec/sources/0/backfill/0/parallelism", json!(17), "spec.sources[0].backfill[0].parallelism", "at most 16"),
        ("/spec/sources/1/backfill", json!([{ "name": "x", "from": "2024-01-01T01:00:00Z", "to": "2024-01-02T00:00:00Z" }]), "spec.sources[1].backfill", "daily files start at midnight UTC"),
        ("/spec/sources/1/backfill", json!([{ "name": "x", "from": "2014-12-31T00:00:00Z", "to": "2024-01-02T00:00:00Z" }]), "spec.sources[1].backfill[0].from", "mediacounts begins at 2015-01-01"),
        ("/spec/sources/-", json!({ "name": "old", "pagecountsRaw": {}, "sinks": ["lake"], "backfill": [{ "name": "x", "from": "2016-08-01T00:00:00Z", "to": "2016-09-01T01:00:00Z" }] }), "spec.sources[3].backfill[0].to", "pagecountsRaw ends at 2016-09-01"),
        // Workers.
        ("/spec/workers/image", json!("my image"), "spec.workers.image", "right form"),
        ("/spec/workers/imagePullPolicy", json!("always"), "spec.workers.imagePullPolicy", "one of Always, IfNotPresent, Never"),
        ("/spec/workers/resources/limits/memory", json!("256 megabytes"), "spec.workers.resources.limits.memory", "right form"),
        ("/spec/workers/serviceAccountAnnotations", json!({ "kubernetes.io/x": "y" }), "spec.workers.serviceAccountAnnotations", "cannot be set here"),
    ]
}

#[test]
fn what_is_wrong_is_named_with_its_place_and_what_to_write() {
    let mut failures = String::new();
    for (pointer, value, path, message) in bad() {
        let problems = problems(&with(pointer, value.clone()));
        let as_wanted = |problem: &Problem| problem.path == path && problem.message.contains(message);
        if problems.len() != 1 || !problems.iter().all(as_wanted) {
            let _ = writeln!(failures, "{pointer} {value}\n  wanted {path}: {message}\n  got {problems:#?}");
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
    let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(paths, ["spec.sources[2].schedule", "spec.sources[0].schedule.cron", "spec.sources[1].schedule.timeZone"]);
}

#[test]
fn embedded_sinks_are_for_this_machine_only() {
    let mut resource = with("/spec/sinks/0", json!({ "name": "warehouse", "sqlite": { "path": "wikimedia.db" } }));
    resource["spec"]["sinks"][1] = json!({ "name": "lake", "folder": { "path": "lake" } });
    assert_eq!(offline(&resource, Target::Local), []);
    let refused: Vec<_> = offline(&resource, Target::Cluster).iter().map(ToString::to_string).collect();
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
        assert!(!compiled.has_errors(), "{:?}", compiled.compilation_errors());
        let rules = schema["x-kubernetes-validations"].as_array().cloned().unwrap_or_default();
        for rule in &rules {
            let rule = rule["rule"].as_str().unwrap();
            assert_eq!(estimate_rule_cost(rule, &compiled), [], "{rule}");
        }
        let properties = schema["properties"].as_object().into_iter().flat_map(|properties| properties.values());
        rules.len() + properties.chain(schema.get("items")).map(check).sum::<usize>()
    }
    let crd = json!(wikiingest_crds::crd::crd());
    let rules = check(&crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]);
    assert!(rules >= 18, "{rules}");
}

#[test]
fn a_backfill_keeps_its_range() {
    use kube::core::cel::Validator;
    let crd = json!(wikiingest_crds::crd::crd());
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["sources"]["items"];
    let source = |resource: Value| {
        let mut source = resource["spec"]["sources"][0].clone();
        source.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        source
    };
    let before = source(example());
    let longer = source(with("/spec/sources/0/backfill/0/to", json!("2026-01-01T00:00:00Z")));
    let faster = source(with("/spec/sources/0/backfill/0/parallelism", json!(4)));
    let error = Validator::new().validate(schema, &longer, Some(&before)).unwrap_err();
    assert!(error[0].message.contains("add another under a new name"), "{error:?}");
    assert!(Validator::new().validate(schema, &faster, Some(&before)).is_ok());
}
