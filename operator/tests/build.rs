//! What a corpus of resources becomes, as YAML that was read by people.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests")]

use std::{collections::BTreeMap, fmt::Write as _, path::Path};

use wikiingest_crds::WikiIngest;
use wikiingest_operator::{
    build::{Child, Children, build},
    settings::Settings,
    validate::validate,
};

fn read(name: &str) -> WikiIngest {
    let path = Path::new("tests/corpus").join(format!("{name}.yaml"));
    let text = std::fs::read_to_string(path).unwrap();
    let mut ingest: WikiIngest = serde_saphyr::from_str(&text).unwrap();
    ingest.metadata.namespace = Some("analytics".to_owned());
    ingest.metadata.uid = Some("00000000-0000-4000-8000-000000000001".to_owned());
    ingest
}

fn children_of(ingest: &WikiIngest, secrets: &[(&str, &str)]) -> Children {
    let settings = Settings {
        worker_image: "wikiingest/workers:0.1.0".to_owned(),
        dumps_connections: 2,
        mirror_connections: BTreeMap::new(),
    };
    let secrets = secrets
        .iter()
        .map(|(name, version)| ((*name).to_owned(), (*version).to_owned()))
        .collect();
    build(validate(ingest).unwrap(), &settings, &secrets).unwrap()
}

fn all(children: &Children) -> Vec<&Child> {
    let lanes = children.backfills.iter().flat_map(|plan| &plan.lanes);
    [&children.account, &children.config]
        .into_iter()
        .chain(&children.migrate)
        .chain(&children.schedules)
        .chain(&children.runs)
        .chain(&children.streams)
        .chain(lanes.map(|lane| &lane.job))
        .collect()
}

fn as_yaml(children: &Children) -> String {
    let mut text = String::new();
    for child in all(children) {
        let yaml = serde_saphyr::to_string(&child.object).unwrap();
        writeln!(text, "---\n{yaml}").unwrap();
    }
    text
}

#[test]
fn the_corpus_becomes_what_it_became() {
    for name in ["whole", "smallest", "mirror", "mirrors"] {
        let children = children_of(
            &read(name),
            &[("singlestore", "7"), ("singlestore-ca", "8")],
        );
        insta::assert_snapshot!(name, as_yaml(&children));
    }
}

#[test]
fn the_same_resource_becomes_the_same_children() {
    let ingest = read("whole");
    let once = as_yaml(&children_of(&ingest, &[]));
    assert_eq!(once, as_yaml(&children_of(&ingest, &[])));
}

#[test]
fn a_rotated_secret_moves_whatever_is_given_it() {
    let mut ingest = read("whole");
    ingest.spec.sources[2].sinks = vec!["warehouse".to_owned()];
    let names = |version: &str| -> BTreeMap<String, String> {
        let children = children_of(&ingest, &[("singlestore", version)]);
        let objects = all(&children);
        objects
            .iter()
            .map(|child| {
                (
                    format!("{:?} {}", child.kind, child.name),
                    child.object.to_string(),
                )
            })
            .collect()
    };
    let (before, after) = (names("1"), names("2"));
    let changed: Vec<_> = after
        .iter()
        .filter(|(name, object)| before.get(*name) != Some(object))
        .map(|(name, _)| {
            name.split('-').next().unwrap().to_owned() + name.split('-').nth(1).unwrap()
        })
        .collect();
    assert_eq!(
        changed,
        [
            // An annotation of the runs to come tells that they are started with another Secret.
            "CronJob wikimediamedia",
            "CronJob wikimediapageviews",
            "CronJob wikimediaretention",
            "Deployment wikimediaedits",
            "Job wikimediamigrate",
            // A lane each, told by an annotation that is looked at when it has failed.
            "Job wikimediapageviews",
            "Job wikimediapageviews",
        ]
    );
}

#[test]
fn lanes_are_all_of_a_backfill_each_with_a_connection_of_its_own() {
    let children = children_of(&read("whole"), &[]);
    let plan = &children.backfills[0];
    assert_eq!((plan.parts, plan.lanes.len()), (366, 2));
    let connections: Vec<_> = plan.lanes.iter().map(|lane| &lane.connection).collect();
    assert_ne!(connections[0], connections[1]);
    let completions: i64 = plan
        .lanes
        .iter()
        .map(|lane| lane.job.object["spec"]["completions"].as_i64().unwrap())
        .sum();
    assert_eq!(completions, 366);
    let window = |lane: usize| {
        let file = children.config.object["data"][format!("pageviews.y2024.{lane}-2.json")]
            .as_str()
            .unwrap();
        let config: serde_json::Value = serde_json::from_str(file).unwrap();
        config["window"].clone()
    };
    assert_eq!(window(0)["from"], "2024-01-01T00:00:00Z");
    assert_eq!(window(0)["to"], window(1)["from"]);
    assert_eq!(window(1)["to"], "2025-01-01T00:00:00Z");
    // A host of which nothing is known has two connections, too; a short range is cut into hours.
    let mirror = children_of(&read("mirror"), &[]);
    let plans = mirror.backfills.iter();
    let sizes: Vec<_> = plans.map(|plan| (plan.lanes.len(), plan.parts)).collect();
    assert_eq!(sizes, [(2, 3653), (1, 6)]);
}

/// The labels of a backfill's lanes, as its pods have them.
fn labels(children: &Children, backfill: usize) -> Vec<String> {
    let lanes = children.backfills[backfill].lanes.iter();
    let of_pods = lanes.map(|lane| {
        assert_eq!(lane.job.object["spec"]["parallelism"], 1);
        let template = &lane.job.object["spec"]["template"];
        let label = &template["metadata"]["labels"]["wikiingest.dev/dumps-connection"];
        let label = label.as_str().unwrap().to_owned();
        // What it is labelled with is what it keeps off.
        let kept_off = template["spec"]["affinity"].to_string();
        assert!(kept_off.contains(&format!("{label:?}")), "{kept_off}");
        assert_eq!(lane.connection.label(), label);
        label
    });
    let mut labels: Vec<String> = of_pods.collect();
    labels.sort();
    labels
}

#[test]
fn a_backfill_may_have_a_host_of_its_own_with_connections_of_its_own() {
    let children = children_of(&read("mirrors"), &[]);
    let own = labels(&children, 0);
    assert!(
        own.len() == 1 && ["0", "1"].contains(&own[0].as_str()),
        "{own:?}"
    );
    let accum = (0..4).map(|number| format!("mirror.accum.se_{number}"));
    assert_eq!(labels(&children, 1), accum.collect::<Vec<_>>());
    let your_org = (0..2).map(|number| format!("dumps.wikimedia.your.org_{number}"));
    assert_eq!(labels(&children, 2), your_org.collect::<Vec<_>>());
    // Workers are told of their host as if it were the source's, and that they have one connection to it.
    let files = children.config.object["data"].as_object().unwrap();
    for (file, text) in files {
        let config: serde_json::Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        let wanted = match file.split('.').nth(1) {
            Some("y2023") => "https://mirror.accum.se/mirror/wikimedia.org".into(),
            Some("y2022") => "https://dumps.wikimedia.your.org/".into(),
            _ => serde_json::Value::Null,
        };
        assert_eq!(config["source"]["baseUrl"], wanted, "{file}");
        assert_eq!(config["limits"]["connections"], 1, "{file}");
    }
    assert_eq!(files.len(), 1 + 1 + 4 + 2);
}

#[test]
fn a_host_is_the_same_however_it_is_written() {
    let with = |schedule: Option<&str>, backfill: Option<&str>| {
        let mut ingest = read("mirrors");
        let source = &mut ingest.spec.sources[0];
        source.base_url = schedule.map(str::to_owned);
        source.backfill.truncate(1);
        source.backfill[0].base_url = backfill.map(str::to_owned);
        labels(&children_of(&ingest, &[]), 0)
    };
    let dumps = with(None, None);
    assert_eq!(with(None, Some("https://Dumps.wikimedia.org:443/")), dumps);
    assert_eq!(with(Some("https://dumps.wikimedia.org"), None), dumps);
    let mirror = with(Some("https://mirror.example.org/a"), None);
    assert!(mirror[0].starts_with("mirror.example.org_"), "{mirror:?}");
    let spelled = [
        "https://mirror.example.org/a/",
        "https://mirror.example.org/b",
        "http://MIRROR.example.org.:80",
    ];
    for url in spelled {
        assert_eq!(with(Some(url), None), mirror, "{url}");
        assert_eq!(
            with(Some("https://mirror.example.org/a"), Some(url)),
            mirror,
            "{url}"
        );
    }
}

#[test]
fn no_secret_is_in_what_is_built_but_by_reference() {
    let text = as_yaml(&children_of(&read("whole"), &[("singlestore", "7")]));
    assert!(text.contains("secretKeyRef"));
    assert!(text.contains("automountServiceAccountToken: false"));
    assert!(!text.contains("serviceAccountToken:"));
    for forbidden in ["hostPath", "privileged", "hostNetwork", "hostPID"] {
        assert!(!text.contains(forbidden), "{forbidden}");
    }
}
