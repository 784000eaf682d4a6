//! What Argo CD is told of a resource's health, by the script that is shipped for it.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that fails should say so at once"
)]

use std::fs;
use std::path::{Path, PathBuf};

use mlua::{Lua, LuaSerdeExt as _};
use serde::Deserialize;
use serde_json::{Value, json};

fn argocd(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../charts/gitops/argocd")
        .join(file)
}

fn text(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[derive(Debug, PartialEq, Deserialize)]
struct Health {
    status: String,
    message: String,
}

fn health(resource: &Value) -> Health {
    health_by(&text(&argocd("health.lua")), resource)
}

/// Runs a script as Argo CD does: the resource is the global `obj`, as JSON has it.
fn health_by(script: &str, resource: &Value) -> Health {
    let lua = Lua::new();
    let obj = lua.to_value(resource).expect("a table");
    lua.globals().set("obj", obj).expect("a global");
    let health = lua.load(script).eval().expect("the script runs");
    lua.from_value(health).expect("a status and a message")
}

/// As Argo CD's own tests of such scripts are written.
#[derive(Deserialize)]
struct Tests {
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    health_status: Health,
    input_path: String,
}

#[test]
fn every_state_of_a_resource_has_its_health() {
    let Tests { tests } =
        serde_saphyr::from_str(&text(&argocd("health_test.yaml"))).expect("cases");
    assert!(tests.len() >= 7);
    for case in tests {
        let resource =
            serde_saphyr::from_str(&text(&argocd(&case.input_path))).expect("a resource");
        assert_eq!(health(&resource), case.health_status, "{}", case.input_path);
    }
}

#[test]
fn what_the_suites_saw_is_as_healthy_as_kstatus_has_it() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kstatus");
    let mut seen = 0;
    for (kstatus, expected) in [
        ("Current", "Healthy"),
        ("Failed", "Degraded"),
        ("InProgress", "Progressing"),
    ] {
        for file in fs::read_dir(corpus.join(kstatus)).expect("a folder") {
            let path = file.expect("a file").path();
            let resource: Value = serde_json::from_str(&text(&path)).expect("JSON");
            // Left alone, nothing is said of it, whatever its former status says.
            let paused = resource["metadata"]["annotations"]["wikiingest.dev/paused"] == "true";
            if !paused {
                assert_eq!(health(&resource).status, expected, "{}", path.display());
                seen += 1;
            }
        }
    }
    assert!(seen >= 10, "{seen}");
}

/// A script of the `ConfigMap`.
fn script_for(kind: &str) -> String {
    let config_map: Value = serde_saphyr::from_str(&text(&argocd("argocd-cm.yaml"))).expect("YAML");
    let script = &config_map["data"][format!("resource.customizations.health.{kind}")];
    script.as_str().expect("a script").to_owned()
}

#[test]
fn the_config_map_has_the_script_word_for_word() {
    assert_eq!(
        script_for("wikiingest.dev_WikiIngest").trim_end(),
        text(&argocd("health.lua")).trim_end()
    );
}

#[test]
fn an_inner_application_is_healthy_only_when_all_of_it_is_there() {
    let script = script_for("argoproj.io_Application");
    for (health, sync, expected) in [
        ("Healthy", "Synced", "Healthy"),
        ("Healthy", "OutOfSync", "Progressing"),
        ("Degraded", "Synced", "Degraded"),
        // By itself Argo CD leaves these two out of the health of the outer one.
        ("Missing", "Synced", "Progressing"),
        ("Unknown", "Unknown", "Progressing"),
    ] {
        let status = json!({"health": {"status": health}, "sync": {"status": sync}});
        let found = health_by(&script, &json!({"status": status}));
        assert_eq!(found.status, expected, "{health}, {sync}");
    }
    assert_eq!(health_by(&script, &json!({})).status, "Progressing");
}
