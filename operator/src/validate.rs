//! What a resource has to be before anything is built from it. Pure.

use kube::ResourceExt as _;
use serde_json::{Value, json};
use wikiingest_crds::{
    BackfillPhase, BackfillStatus, WikiIngest, WikiIngestSpec,
    validate::{Problem, Target, semantic},
};

use crate::names;

/// A resource that children can be built from.
#[derive(Clone, Copy, Debug)]
pub struct Validated<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its uid.
    pub uid: &'a str,
    /// What it says.
    pub spec: &'a WikiIngestSpec,
    /// The token of a run that is asked for and was not made yet.
    pub run_now: Option<&'a str>,
    /// How far its backfills were.
    pub backfills: &'a [BackfillStatus],
}

impl Validated<'_> {
    /// Whether a backfill is done: it is not run again, whatever became of its Jobs.
    pub(crate) fn is_done(&self, source: &str, backfill: &str) -> bool {
        self.backfills.iter().any(|status| {
            status.source == source
                && status.name == backfill
                && status.phase == BackfillPhase::Complete
        })
    }

    /// The owner reference of its children.
    pub(crate) fn owner(&self) -> Value {
        json!({
            "apiVersion": "wikiingest.dev/v1alpha1",
            "kind": "WikiIngest",
            "name": self.name,
            "uid": self.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }
}

/// The resource, if children can be built from it.
///
/// # Errors
/// What is wrong with it, which only its author can mend.
pub fn validate(ingest: &WikiIngest) -> Result<Validated<'_>, Vec<Problem>> {
    let problems = semantic(&ingest.spec, Target::Cluster);
    if !problems.is_empty() {
        return Err(problems);
    }
    let metadata = &ingest.metadata;
    let token = ingest.annotations().get(names::RUN_NOW);
    let status = ingest.status.as_ref();
    let handled = status.and_then(|status| status.last_handled_reconcile_at.as_ref());
    Ok(Validated {
        name: metadata.name.as_deref().unwrap_or_default(),
        namespace: metadata.namespace.as_deref().unwrap_or_default(),
        uid: metadata.uid.as_deref().unwrap_or_default(),
        spec: &ingest.spec,
        run_now: token
            .filter(|token| handled != Some(token))
            .map(String::as_str),
        backfills: status.map_or(&[], |status| &status.backfills),
    })
}
