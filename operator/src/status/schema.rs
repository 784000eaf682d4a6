//! Whether the databases are at the schema that the workers need.

use k8s_openapi::api::batch::v1::Job;
use kube::ResourceExt as _;

use super::job;
use crate::{build::Child, names};

/// Whether everything may write; so where there is nothing to migrate.
#[must_use]
pub fn is_ready(migrate: Option<&Child>, jobs: &[Job]) -> bool {
    let Some(migrate) = migrate else {
        return true;
    };
    of(&migrate.name, jobs)
        .and_then(job::finished)
        .is_some_and(|finished| finished.succeeded)
}

/// The Job of a name.
pub(super) fn of<'a>(name: &str, jobs: &'a [Job]) -> Option<&'a Job> {
    jobs.iter().find(|job| job.name_any() == name)
}

/// Whether another version's Job is at work.
#[must_use]
pub fn other_is_running(name: &str, jobs: &[Job]) -> bool {
    jobs.iter().any(|other| {
        other.labels().get(names::COMPONENT).map(String::as_str) == Some("migrate")
            && other.name_any() != name
            && job::finished(other).is_none()
    })
}
