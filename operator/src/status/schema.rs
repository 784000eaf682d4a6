//! Whether the databases are at the schema that the workers need.

use std::sync::Arc;

use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;

use super::{job, sources::is_terminal};
use crate::{build::Child, names, settings::Component};

/// Whether everything may write; so where there is nothing to migrate.
#[must_use]
pub fn is_ready(migrate: Option<&Child>, jobs: &[Arc<Job>]) -> bool {
    let Some(migrate) = migrate else {
        return true;
    };
    of(&migrate.name, jobs)
        .and_then(job::finished)
        .is_some_and(|finished| finished.succeeded)
}

/// The Job of a name.
pub(super) fn of<'a>(name: &str, jobs: &'a [Arc<Job>]) -> Option<&'a Job> {
    jobs.iter()
        .map(Arc::as_ref)
        .find(|job| job.name_any() == name)
}

/// Whether a Job of this kind is at work: one whose pod cannot start, for want of its image, say, is in nobody's way.
#[must_use]
pub fn is_running(job: &Job, pods: &[Arc<Pod>]) -> bool {
    let is_ours = job::is_of(job);
    let runs = |pod: &Pod| {
        let phase = pod
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref());
        phase == Some("Running")
    };
    job::finished(job).is_none() && pods.iter().any(|pod| is_ours(pod) && runs(pod))
}

/// Whether a person has to mend what a Job failed for.
#[must_use]
pub fn is_hopeless(job: &Job, pods: &[Arc<Pod>]) -> bool {
    job::last_words(pods, job::is_of(job)).is_some_and(|words| is_terminal(words.exit_code))
}

/// Whether a Job is one of these.
#[must_use]
pub fn is_migration(job: &Job) -> bool {
    job.labels().get(names::COMPONENT).map(String::as_str) == Some(Component::Migrate.as_str())
}
