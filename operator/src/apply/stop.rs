//! What has to stop, whatever else is wrong with a resource: everything that would start something once it is suspended,
//! and runs that hold a connection to a host and cannot use it.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::{batch::v1::Job, core::v1::Pod};
use kube::ResourceExt as _;
use serde_json::json;

use super::Applier;
use crate::{admission, build::Kind, error::Error, status::job};

/// How long a pod may try to start. Meanwhile it is on a node and keeps all others off its connection; what may pass by
/// itself, such as a registry that is down, mostly has by then.
const STARTS: SignedDuration = SignedDuration::from_mins(10);

/// A deadline that is over at once.
const OVER: i64 = 1;

impl Applier<'_> {
    /// Stops what has to stop; what cannot be stopped keeps none of the others going.
    ///
    /// # Errors
    /// When the API server refuses.
    pub async fn stop(&mut self, suspended: bool) -> Result<(), Error> {
        let mut result = Ok(());
        if suspended {
            result = self.suspend().await;
        }
        result.and(self.give_up(suspended).await)
    }

    /// Nothing new is started. Scheduled runs that have begun end by themselves.
    async fn suspend(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        let found = self.found;
        for cron_job in &found.cron_jobs {
            if cron_job.spec.suspend != Some(true) && !is_going(cron_job.as_ref()) {
                let name = cron_job.name_any();
                let spec = json!({"suspend": true});
                result = result.and(self.adjust(Kind::CronJob, &name, spec).await);
            }
        }
        for deployment in &found.deployments {
            if deployment.spec.replicas != Some(0) && !is_going(deployment.as_ref()) {
                let name = deployment.name_any();
                let spec = json!({"replicas": 0});
                result = result.and(self.adjust(Kind::Deployment, &name, spec).await);
            }
        }
        for job in &found.jobs {
            let is_suspended = job.spec.as_ref().and_then(|spec| spec.suspend) == Some(true);
            if admission::is_backfill(job) && !is_suspended && is_open(job) {
                let spec = json!({"suspend": true});
                result = result.and(self.adjust(Kind::Job, &job.name_any(), spec).await);
            }
        }
        result
    }

    /// Ends Jobs whose pods do not get to start, so that their connections are others'. Scheduled runs come again by
    /// themselves; a backfill is made again, and is then the youngest of those that wait.
    async fn give_up(&mut self, suspended: bool) -> Result<(), Error> {
        let mut result = Ok(());
        let found = self.found;
        for job in &found.jobs {
            let deadline = job
                .spec
                .as_ref()
                .and_then(|spec| spec.active_deadline_seconds);
            let is_over = deadline == Some(OVER) || !is_open(job);
            let has_pods = !(suspended && admission::is_backfill(job));
            if admission::connection(job).is_none() || is_over || !has_pods {
                continue;
            }
            let Some(why) = cannot_start(job, &found.pods, self.now) else {
                continue;
            };
            let name = job.name_any();
            tracing::warn!(
                namespace = self.namespace,
                job = name,
                "Its pod does not start ({why}), and others wait for its connection: the Job is ended"
            );
            let ended = if admission::is_backfill(job) {
                self.delete(Kind::Job, job.as_ref()).await
            } else {
                let spec = json!({"activeDeadlineSeconds": OVER});
                self.adjust(Kind::Job, &name, spec).await
            };
            result = result.and(ended);
        }
        result
    }
}

fn is_going(object: &impl kube::ResourceExt) -> bool {
    object.meta().deletion_timestamp.is_some()
}

fn is_open(job: &Job) -> bool {
    job::finished(job).is_none() && !is_going(job)
}

/// Why the pod of a Job, which is on a node, has not started for too long: for want of its image, or of a Secret.
fn cannot_start(job: &Job, pods: &[Arc<Pod>], now: Timestamp) -> Option<String> {
    let is_its = job::is_of(job);
    pods.iter().filter(|pod| is_its(pod)).find_map(|pod| {
        let since = pod.status.as_ref()?.start_time.as_ref()?.0;
        (now.duration_since(since) > STARTS)
            .then(|| job::waits_for(pod))
            .flatten()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_what_is_on_a_node_and_has_tried_for_long_is_given_up() {
        let job: Job = serde_json::from_value(json!({"metadata": {"uid": "j"}})).unwrap();
        let pod = |owner: &str, reason: &str, started: &str| {
            let pod = json!({
                "metadata": {"name": "p", "ownerReferences": [{
                    "apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": owner,
                }]},
                "status": {"startTime": started, "containerStatuses": [{
                    "name": "worker", "ready": false, "restartCount": 0, "image": "w", "imageID": "",
                    "state": {"waiting": {"reason": reason, "message": "no such image"}},
                }]},
            });
            Arc::new(serde_json::from_value(pod).unwrap())
        };
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let why = |pod: Arc<Pod>| cannot_start(&job, &[pod], now);
        let (long, short) = ("2026-01-01T11:45:00Z", "2026-01-01T11:55:00Z");
        assert_eq!(
            why(pod("j", "ImagePullBackOff", long)).as_deref(),
            Some("ImagePullBackOff: no such image")
        );
        assert!(why(pod("j", "CreateContainerConfigError", long)).is_some());
        for other in [
            pod("j", "ErrImagePull", short),
            pod("j", "ContainerCreating", long),
            pod("another", "ErrImagePull", long),
        ] {
            assert_eq!(why(other), None);
        }
    }
}
