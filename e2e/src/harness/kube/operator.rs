//! The operator in a namespace, and resources for it.

use std::cell::RefCell;
use std::time::Duration;

use serde_json::{Value, json};

use super::{Namespace, kstatus, servers::manifest};
use crate::cluster::client::crd;
use crate::error::{Doing, Result};
use crate::harness::env;
use crate::servers::{mariadb, s3};

/// How long the operator may take to start.
const START: Duration = Duration::from_mins(2);

impl Namespace {
    /// Starts the operator for this namespace, with the rights that the chart gives it; the CRD is there afterwards.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn operator(&self) -> Result<()> {
        let kubectl = self.kubectl();
        crd(kubectl)?;
        let rules = env::file("../charts/wikiingest/files/rules.yaml");
        let rules = std::fs::read_to_string(&rules).doing_to("reading", &rules)?;
        let rules = rules.replace('\n', "\n  ");
        let objects = manifest("operator.yaml")?
            .replace("$RULES", &format!("\n  {rules}"))
            .replace("$NAMESPACE", self.name());
        kubectl.apply(&objects)?;
        kubectl.rolled_out("wikiingest-operator", START)
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
