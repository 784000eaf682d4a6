//! How a resource stands, from what is there. Pure.

pub mod backfills;
pub mod conditions;
mod findings;
pub mod job;
pub mod retention;
pub mod schema;
pub mod sources;

use jiff::Timestamp;
use wikiingest_crds::{WikiIngest, WikiIngestStatus, validate::Problem};

use self::conditions::Conditions;
use crate::{
    apply::Done,
    build::Children,
    dereference::{Found, Unresolved},
    error::Error,
    names,
};

/// How far a reconcile got.
#[derive(Debug)]
pub enum Outcome<'a> {
    /// Only its author can mend the resource.
    Invalid(&'a [Problem]),
    /// Secrets, or keys of them, are missing.
    Unresolved(&'a [Unresolved]),
    /// The children could not be applied.
    Failed(&'a Error),
    /// They are as they have to be.
    Applied(&'a Children, &'a Done),
}

/// The status of a resource.
#[must_use]
pub fn status(
    ingest: &WikiIngest,
    found: &Found,
    outcome: &Outcome<'_>,
    now: Timestamp,
) -> WikiIngestStatus {
    let before = ingest.status.clone().unwrap_or_default();
    let mut status = WikiIngestStatus {
        observed_generation: ingest.metadata.generation,
        last_handled_reconcile_at: handled(ingest, found, outcome, &before),
        sources: sources::all(ingest, found, &before.sources, now),
        backfills: before.backfills.clone(),
        retention: retention::of(ingest, found, before.retention.as_ref(), now),
        ..WikiIngestStatus::default()
    };
    if let Outcome::Applied(children, _) = outcome {
        status.backfills = backfills::all(ingest, children, found, &before.backfills);
    }
    let trouble = sources::with_trouble(ingest, &status.sources);
    let all = ingest.spec.sources.len();
    status.sources_ready = Some(format!("{}/{all}", all - trouble.len()));
    status.last_success_time = status
        .sources
        .iter()
        .filter_map(|source| source.last_success_time)
        .max();
    status.loaded_through = sources::loaded_through(ingest, &status.sources);
    let mut conditions = Conditions::new(ingest, now);
    conditions.tell(ingest, found, outcome, &status);
    status.conditions = conditions.into_list();
    status
}

/// The status of a resource that is left alone: as it was, and that is said.
#[must_use]
pub fn paused(ingest: &WikiIngest, now: Timestamp) -> WikiIngestStatus {
    let mut conditions = Conditions::new(ingest, now);
    conditions.pause();
    WikiIngestStatus {
        conditions: conditions.into_list(),
        ..ingest.status.clone().unwrap_or_default()
    }
}

/// The status of a resource of which what there is could not be looked at: as it was, and that is said.
#[must_use]
pub fn unseen(ingest: &WikiIngest, error: &Error, now: Timestamp) -> WikiIngestStatus {
    let mut status = WikiIngestStatus {
        observed_generation: ingest.metadata.generation,
        ..ingest.status.clone().unwrap_or_default()
    };
    let mut conditions = Conditions::new(ingest, now);
    conditions.tell(ingest, &Found::default(), &Outcome::Failed(error), &status);
    status.conditions = conditions.into_list();
    status
}

/// A token counts as handled once its runs are there. While suspended it makes none: they come later.
fn handled(
    ingest: &WikiIngest,
    found: &Found,
    outcome: &Outcome<'_>,
    before: &WikiIngestStatus,
) -> Option<String> {
    let token = ingest
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| annotations.get(names::RUN_NOW));
    match (outcome, token) {
        (Outcome::Applied(children, _), Some(token))
            if !ingest.spec.suspend && schema::is_ready(children.migrate.as_ref(), &found.jobs) =>
        {
            Some(token.clone())
        }
        _ => before.last_handled_reconcile_at.clone(),
    }
}
