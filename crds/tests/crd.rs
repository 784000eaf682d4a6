//! The CRD itself: the file in the repository is the one that the types make, and it is one that the API server takes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "what is unexpected here fails the test"
)]

use std::{collections::BTreeSet, fs, path::Path};

use serde_json::{Value, json};
use wikiingest_crds::{MIRRORS, crd};

fn schema() -> Value {
    let crd = json!(crd::crd());
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Calls `visit` with the path and schema of every field, item and map value.
fn walk(path: &str, schema: &Value, visit: &mut impl FnMut(&str, &Value)) {
    visit(path, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        walk(&format!("{path}.{name}"), property, visit);
    }
    for keyword in ["items", "additionalProperties"] {
        if schema[keyword].is_object() {
            walk(&format!("{path}.{keyword}"), &schema[keyword], visit);
        }
    }
}

#[test]
fn the_file_is_up_to_date() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("wikiingests.yaml");
    let stored = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        stored == crd::yaml().unwrap(),
        "crds/wikiingests.yaml is stale; run: {}",
        crd::GENERATE
    );
}

#[test]
fn the_yaml_reads_back_as_the_crd() {
    let read: Value = serde_saphyr::from_str(&crd::yaml().unwrap()).unwrap();
    let read: k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition =
        serde_json::from_value(read).unwrap();
    assert_eq!(read, crd::crd());
}

#[test]
fn it_fits_into_the_annotation_of_a_client_side_apply() {
    let size = json!(crd::crd()).to_string().len();
    assert!(
        size < 128 * 1024,
        "{size} bytes; kubectl apply keeps at most 256 KiB"
    );
}

#[test]
fn a_new_resource_does_not_look_finished() {
    let status = &schema()["properties"]["status"];
    assert_eq!(status["default"], json!({ "observedGeneration": -1 }));
    assert_eq!(
        status["nullable"],
        Value::Null,
        "a null would stay and hide the default"
    );
}

#[test]
fn every_field_is_documented() {
    let mut bare = Vec::new();
    walk("", &schema(), &mut |path, schema| {
        let documented = schema["description"]
            .as_str()
            .is_some_and(|text| text.len() > 8 && !text.contains('`') && !text.contains('\n'));
        if !documented
            && !matches!(
                path.rsplit('.').next(),
                Some("items" | "additionalProperties")
            )
        {
            bare.push(path.to_owned());
        }
    });
    assert_eq!(bare, Vec::<String>::new());
}

#[test]
fn whoever_looks_for_a_mirror_finds_all_that_are_known() {
    let sources = &schema()["properties"]["spec"]["properties"]["sources"]["items"]["properties"];
    let field = &sources["backfill"]["items"]["properties"]["baseUrl"]["description"];
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md"));
    for text in [field.as_str().unwrap(), &readme.unwrap()] {
        for mirror in MIRRORS {
            assert!(text.contains(mirror.base_url), "{mirror:?} in {text}");
        }
    }
}

#[test]
fn everything_under_spec_is_bounded_so_that_rules_stay_cheap() {
    let mut unbounded = Vec::new();
    walk(
        "spec",
        &schema()["properties"]["spec"],
        &mut |path, schema| {
            let bounded = match schema["type"].as_str() {
                Some("string") => {
                    schema["maxLength"].is_number()
                        || schema["enum"].is_array()
                        || schema["format"] == "date-time"
                }
                Some("array") => schema["maxItems"].is_number(),
                Some("integer" | "number") => {
                    schema["maximum"].is_number() && schema["minimum"].is_number()
                }
                Some("object") if schema["additionalProperties"].is_object() => {
                    schema["maxProperties"].is_number()
                }
                _ => true,
            };
            // Kubernetes' own type, which no rule looks into.
            if !bounded && !path.contains(".tolerations.items") {
                unbounded.push(path.to_owned());
            }
        },
    );
    assert_eq!(unbounded, Vec::<String>::new());
}

#[test]
fn it_is_structural() {
    let formats = BTreeSet::from(["int32", "int64", "double", "date-time"]);
    walk("", &schema(), &mut |path, schema| {
        let typed =
            schema["type"].is_string() || schema["x-kubernetes-int-or-string"] == json!(true);
        assert!(typed, "{path} has no type");
        for keyword in [
            "anyOf",
            "oneOf",
            "allOf",
            "$ref",
            "uniqueItems",
            "x-kubernetes-preserve-unknown-fields",
        ] {
            assert!(schema.get(keyword).is_none(), "{path} has {keyword}");
        }
        if let Some(format) = schema["format"].as_str() {
            assert!(
                formats.contains(format),
                "{path} has a format that the API server warns of: {format}"
            );
        }
    });
}

#[test]
fn entries_of_lists_have_owners_of_their_own() {
    let schema = schema();
    let spec = &schema["properties"]["spec"]["properties"];
    let status = &schema["properties"]["status"]["properties"];
    for (list, keys) in [
        (&spec["sinks"], json!(["name"])),
        (&spec["sources"], json!(["name"])),
        (
            &spec["sources"]["items"]["properties"]["backfill"],
            json!(["name"]),
        ),
        (&status["conditions"], json!(["type"])),
        (&status["sources"], json!(["name"])),
        (&status["backfills"], json!(["source", "name"])),
    ] {
        assert_eq!(list["x-kubernetes-list-type"], "map");
        assert_eq!(list["x-kubernetes-list-map-keys"], keys);
    }
}

#[test]
fn kubectl_get_shows_what_matters() {
    let crd = json!(crd::crd());
    let columns = crd["spec"]["versions"][0]["additionalPrinterColumns"]
        .as_array()
        .unwrap();
    let shown = columns
        .iter()
        .filter(|column| column["priority"] == Value::Null);
    let names: Vec<_> = shown
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "READY",
            "REASON",
            "SOURCES",
            "LAST SUCCESS",
            "LAG",
            "SUSPENDED",
            "AGE"
        ]
    );
    assert_eq!(crd["spec"]["names"]["shortNames"], json!(["wi"]));
    assert_eq!(crd["spec"]["scope"], "Namespaced");
}

#[test]
fn no_field_gives_the_author_more_than_they_have() {
    let forbidden = [
        "serviceAccountName",
        "hostPath",
        "volumes",
        "securityContext",
        "hostNetwork",
        "hostPID",
        "podTemplate",
        "privileged",
    ];
    walk("", &schema(), &mut |path, _| {
        let name = path.rsplit('.').next().unwrap_or_default();
        assert!(!forbidden.contains(&name), "{path}");
    });
}
