//! The operator in a namespace, and resources for it.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Chart, Cluster, Namespace, kstatus};
use crate::cluster::client::crd;
use crate::error::Result;
use crate::servers::{mariadb, s3};

/// How long the operator may take to start.
const START: Duration = Duration::from_mins(2);

/// The name of its release, and so of its Deployment.
pub const OPERATOR: &str = "wikiingest-operator";

/// What its pods are found by.
pub const OPERATOR_PODS: &str = "app.kubernetes.io/name=wikiingest-operator";

/// Values of the chart for the images that are in the cluster, and others over them, field by field.
#[must_use]
pub fn operator_values(over: &Value) -> Value {
    let image = |name: &str| json!({"repository": format!("wikiingest/{name}"), "tag": "e2e", "digest": ""});
    let mut values = json!({
        "image": image("operator"),
        "workers": {"image": image("workers")},
        "log": {"format": "text"},
        // The stand-in of each namespace is a host of its own, and stands more than two connections.
        "connections": {"mirrors": {"http://replay:8080": 4}},
    });
    values["image"]["pullPolicy"] = "Never".into();
    merge(&mut values, over);
    values
}

fn merge(into: &mut Value, over: &Value) {
    match (into, over) {
        (Value::Object(into), Value::Object(over)) => {
            for (key, value) in over {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, over) => *into = over.clone(),
    }
}

impl Namespace {
    /// Installs the operator for this namespace alone, by the chart; the CRD is there afterwards.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn operator(&self) -> Result<()> {
        let kubectl = self.kubectl();
        crd(kubectl)?;
        let values = operator_values(&json!({
            "watchNamespaces": [self.name()],
            // The suites share it.
            "crds": {"install": false},
        }));
        let chart = Chart::of_the_work_tree()?;
        let helm = Cluster::up()?.helm(self.name())?;
        helm.with(&["install", OPERATOR], &chart, &values.to_string())?;
        kubectl.rolled_out(OPERATOR, START)
    }

    /// The Secret with the warehouse's login.
    ///
    /// # Errors
    /// What the server says.
    pub fn warehouse_secret(&self) -> Result<()> {
        self.secret(
            "warehouse",
            &json!({"username": mariadb::USER, "password": mariadb::PASSWORD}),
        )
    }

    /// The Secret with the lake's login.
    ///
    /// # Errors
    /// What the server says.
    pub fn lake_secret(&self) -> Result<()> {
        let login =
            json!({"accessKeyId": s3::ACCESS_KEY_ID, "secretAccessKey": s3::SECRET_ACCESS_KEY});
        self.secret("lake", &login)
    }

    /// A Secret.
    ///
    /// # Errors
    /// What the server says.
    pub fn secret(&self, name: &str, data: &Value) -> Result<()> {
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data,
        });
        self.kubectl().apply(&secret.to_string())
    }

    /// Waits until a condition of a resource has a status and a reason, and gives back the resource's whole status.
    /// All that is seen of the resource until then is shown to kstatus, too.
    ///
    /// # Errors
    /// If that is not so when `patience` is over, or if kstatus takes the resource for something else than it is.
    pub fn stands(
        &self,
        patience: Duration,
        name: &str,
        condition: &str,
        status: &str,
        reason: &str,
    ) -> Result<Value> {
        let seen = RefCell::new(Vec::new());
        let is_so = |ingest: &Value| {
            seen.borrow_mut().push(ingest.clone());
            let is_current =
                ingest["status"]["observedGeneration"] == ingest["metadata"]["generation"];
            let mut conditions = ingest["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            is_current
                && conditions.any(|one| {
                    one["type"] == condition && one["status"] == status && one["reason"] == reason
                })
        };
        let ingest = self.kubectl().wait(patience, "wikiingest", name, is_so)?;
        kstatus::agrees(&seen.into_inner())?;
        Ok(ingest["status"].clone())
    }
}
