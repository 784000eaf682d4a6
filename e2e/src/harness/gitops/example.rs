//! The resource of the examples, as users change it in their forks, and what is asked of objects.

use serde_json::{Value, json};

use crate::cluster::client::Kubectl;
use crate::error::Result;
use crate::servers::{mariadb, s3};

/// The resource for the servers of a test's namespace, in place of those of a user's.
pub fn served_by(resource: &mut Value, namespace: &str) {
    let spec = &mut resource["spec"];
    let warehouse = &mut spec["sinks"][0]["singleStore"];
    warehouse["host"] = json!(format!("mariadb.{namespace}"));
    warehouse["tls"] = json!({"mode": "Disabled"});
    let lake = &mut spec["sinks"][1]["s3"];
    lake["bucket"] = json!(s3::BUCKET);
    lake["region"] = json!(s3::REGION);
    lake["endpoint"] = json!(format!("http://s3.{namespace}:8333"));
    for source in sources(spec) {
        source["baseUrl"] = json!(format!("http://replay.{namespace}:8080"));
    }
    spec["workers"] = json!({"imagePullPolicy": "Never"});
    // A run in the middle of a test would be news of the resource.
    set_cron(resource, "0 0 1 1 *");
}

/// The Secrets that the examples name, where they name them.
///
/// # Errors
/// What the server says.
pub fn secrets(kubectl: &Kubectl) -> Result<()> {
    let warehouse = json!({"username": mariadb::USER, "password": mariadb::PASSWORD});
    let lake = json!({"accessKeyId": s3::ACCESS_KEY_ID, "secretAccessKey": s3::SECRET_ACCESS_KEY});
    for (name, login) in [("warehouse", warehouse), ("lake", lake)] {
        let metadata = json!({"name": name, "namespace": "wikimedia"});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": login});
        kubectl.apply(&secret.to_string())?;
    }
    Ok(())
}

/// When the scheduled source runs.
pub fn set_cron(resource: &mut Value, cron: &str) {
    resource["spec"]["sources"][0]["schedule"]["cron"] = json!(cron);
}

/// Who is named to Wikimedia.
pub fn set_contact(resource: &mut Value, contact: &str) {
    resource["spec"]["contact"] = json!(contact);
}

/// Of which wikis it loads.
pub fn set_projects(resource: &mut Value, projects: &[&str]) {
    resource["spec"]["sources"][0]["pageviews"]["projects"] = json!(projects);
}

/// Takes the stream out.
pub fn without_edits(resource: &mut Value) {
    sources(&mut resource["spec"]).truncate(1);
}

/// Another resource beside one, of its first source and its last sink.
#[must_use]
pub fn another(resource: &Value) -> Value {
    let mut other = resource.clone();
    other["metadata"]["name"] = json!("other");
    without_edits(&mut other);
    let spec = &mut other["spec"];
    let mut lake = spec["sinks"][1].clone();
    lake["s3"]["prefix"] = json!("other");
    spec["sinks"] = json!([lake]);
    spec["sources"][0]["sinks"] = json!(["lake"]);
    other
}

fn sources(spec: &mut Value) -> &mut Vec<Value> {
    spec["sources"].as_array_mut().expect("it has sources")
}

/// Whether a condition of an object has a status and a reason.
#[must_use]
pub fn has(object: &Value, name: &str, status: &str, reason: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| {
        condition["type"] == name && condition["status"] == status && condition["reason"] == reason
    })
}

/// The same, of the object as it is now.
#[must_use]
pub fn stands(object: &Value, name: &str, status: &str, reason: &str) -> bool {
    let is_current = object["status"]["observedGeneration"] == object["metadata"]["generation"];
    is_current && has(object, name, status, reason)
}
