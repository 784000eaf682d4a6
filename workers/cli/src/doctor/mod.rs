//! An installation on a cluster, examined from a pod that is what the workers of a resource are.

mod job;
mod meaning;

use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use wikiingest_crds::{names, worker::ExitCode};
use wikiingest_workers::{
    cli::{Examine, Output},
    doctor::{Finding, Outcome},
    telemetry,
};

use self::meaning::Stage;
use crate::{
    args::InCluster,
    cluster::Cluster,
    console,
    error::Error,
    follow::{GLANCE, Line},
};

/// How long what is in a pod's way may take to go away: a Secret may have been made just now.
const GRACE: Duration = Duration::from_secs(20);

/// Examines from a pod, and prints what is found here and there.
pub(crate) async fn run(args: &InCluster) -> Result<ExitCode, Error> {
    let (name, how) = (&args.name, args.how);
    let cluster = Cluster::find(&args.place).await?;
    cluster.get(name).await?;
    let workers = cluster.workers(name).await?;
    let job_name = names::of_job(name, "doctor", &Timestamp::now().to_string());
    let job = job::job(&job_name, &workers, how).ok_or_else(|| none(name))?;
    let here = of_cluster(&cluster, &job).await?;
    if how.output == Output::Text {
        for finding in &here {
            console::say(&finding.to_string());
        }
    }
    if here.iter().any(|one| one.result == Outcome::NotOk) {
        // Nothing would come of the pod.
        return Ok(told(&here, "", how, 1));
    }
    let (code, log) = examine(&cluster, &job, &job_name).await?;
    Ok(told(&here, &log, how, code))
}

fn none(name: &str) -> Error {
    Error::NotNow(format!(
        "{name} has no workers yet whose place a pod could take: `wikiingest status {name}` tells why"
    ))
}

/// What is known before a pod is made.
async fn of_cluster(cluster: &Cluster, job: &Job) -> Result<Vec<Finding>, Error> {
    let version = cluster.version().await?;
    let mut found = vec![meaning::version(&version.major, &version.minor)];
    if let Some(pod) = job::pod(job) {
        found.push(meaning::admission(&cluster.would_take(&pod).await));
    }
    Ok(found)
}

/// Makes the Job, waits for its end, and removes it whatever came of it.
async fn examine(cluster: &Cluster, job: &Job, name: &str) -> Result<(i32, String), Error> {
    let stop = telemetry::stop_on_signal();
    cluster.make(job).await?;
    let ended = tokio::select! {
        ended = until_ended(cluster, name) => ended,
        () = stop.cancelled() => Err(Error::NotBegun("stopped before all was examined".to_owned())),
    };
    let removed = cluster.remove(name).await;
    let ended = ended?;
    removed?;
    Ok(ended)
}

/// The exit code and the log of a Job's only pod.
async fn until_ended(cluster: &Cluster, name: &str) -> Result<(i32, String), Error> {
    let selector = format!("batch.kubernetes.io/job-name={name}");
    let mut line = Line::new();
    let mut stuck: Option<Instant> = None;
    loop {
        let answer = cluster.pods(&selector).await;
        let pods = line.bear(answer)?.unwrap_or_default();
        match pods.first().map(meaning::stage) {
            Some(Stage::Ended(code)) => {
                let pod = pods[0].metadata.name.clone().unwrap_or_default();
                return Ok((code, cluster.log(&pod).await?));
            }
            Some(Stage::Stuck(why)) => {
                let since = stuck.get_or_insert_with(Instant::now);
                if since.elapsed() > GRACE {
                    return Err(Error::NotBegun(format!("its pod cannot start: {why}")));
                }
                line.show(why);
            }
            Some(Stage::Underway(how)) => {
                stuck = None;
                line.show(how);
            }
            None if cluster.job(name).await.is_ok_and(|job| job.is_none()) => {
                return Err(Error::NotBegun(format!(
                    "the Job {name} was removed before it had ended"
                )));
            }
            None => line.show("its pod is being made".to_owned()),
        }
        tokio::time::sleep(GLANCE).await;
    }
}

/// Prints the end of it.
fn told(here: &[Finding], log: &str, how: Examine, code: i32) -> ExitCode {
    let is_ok = match how.output {
        Output::Text => {
            if !log.is_empty() {
                console::say(log.trim_end());
            }
            code == 0
        }
        Output::Json => {
            let of_pod = meaning::in_log(log);
            if of_pod.is_none() && !log.is_empty() {
                console::note(log.trim_end());
            }
            let report = meaning::report(here, of_pod);
            console::say(&format!("{report:#}"));
            report["ok"] == true
        }
    };
    if is_ok {
        ExitCode::Done
    } else {
        ExitCode::TryAgain
    }
}
