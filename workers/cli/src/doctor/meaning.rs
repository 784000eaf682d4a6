//! What the answers of a cluster mean for its workers. Pure.

use k8s_openapi::api::core::v1::{ContainerState, Pod};
use serde_json::{Value, json};
use wikiingest_workers::doctor::{Finding, Outcome};

use crate::error::Error;

/// The oldest Kubernetes that the chart takes (`kubeVersion`), as major and minor version.
const OLDEST: (u32, u32) = (1, 32);

/// Whether a version of Kubernetes is one that the operator runs on. Some providers write a `+` after the minor version.
pub(super) fn version(major: &str, minor: &str) -> Finding {
    let number = |text: &str| {
        let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<u32>().ok()
    };
    let told = format!("Kubernetes {major}.{minor}");
    let (result, remedy) = match number(major).zip(number(minor)) {
        None => (Outcome::CouldNotTell, None),
        Some(version) if version < OLDEST => (
            Outcome::NotOk,
            Some(format!("upgrade it to {}.{} or later", OLDEST.0, OLDEST.1)),
        ),
        Some(_) => (Outcome::Ok, None),
    };
    Finding {
        name: "version",
        subject: "cluster".to_owned(),
        result,
        detail: told,
        remedy,
    }
}

/// Whether the API server would take a worker's pod: quotas, limits, the namespace's security profile, webhooks.
pub(super) fn admission(answer: &Result<(), Error>) -> Finding {
    let (result, detail, remedy) = match answer {
        Ok(()) => (
            Outcome::Ok,
            "the API server takes a worker's pod".to_owned(),
            None,
        ),
        // That is about who asks.
        Err(Error::Forbidden { said, .. }) if said.contains("cannot create resource") => (
            Outcome::CouldNotTell,
            said.clone(),
            Some("ask for the right to create pods, or have somebody else look".to_owned()),
        ),
        Err(Error::Forbidden { said, .. } | Error::Refused { said, .. }) => {
            (Outcome::NotOk, said.clone(), Some(remedy(said).to_owned()))
        }
        Err(error) => (Outcome::CouldNotTell, error.to_string(), None),
    };
    Finding {
        name: "admission",
        subject: "cluster".to_owned(),
        result,
        detail,
        remedy,
    }
}

fn remedy(said: &str) -> &'static str {
    if said.contains("exceeded quota") || said.contains("failed quota") {
        "make room in the namespace's ResourceQuota, or ask for less in spec.workers.resources"
    } else if said.contains("PodSecurity") {
        "workers keep to the restricted profile: look for what changes their pods, such as a webhook"
    } else if said.contains("usage per") {
        "keep to the namespace's LimitRange in spec.workers.resources"
    } else {
        "change what it names"
    }
}

/// How far a pod is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// Nothing is in its way.
    Underway(String),
    /// Something is, and stays so until somebody mends it.
    Stuck(String),
    /// It has ended with a code.
    Ended(i32),
}

/// The stage of a pod.
pub(super) fn stage(pod: &Pod) -> Stage {
    let status = pod.status.as_ref();
    let containers = status.and_then(|status| status.container_statuses.as_ref());
    let state = containers
        .and_then(|all| all.first())
        .and_then(|container| container.state.clone())
        .unwrap_or_default();
    match state {
        ContainerState {
            terminated: Some(end),
            ..
        } => Stage::Ended(end.exit_code),
        ContainerState {
            running: Some(_), ..
        } => Stage::Underway("examining".to_owned()),
        ContainerState {
            waiting: Some(waiting),
            ..
        } => {
            let reason = waiting.reason.unwrap_or_default();
            let message = waiting.message.unwrap_or_default();
            if is_lasting(&reason) {
                Stage::Stuck(format!("{reason}: {message}"))
            } else {
                Stage::Underway(format!("its pod starts: {reason}"))
            }
        }
        ContainerState { .. } => unscheduled(pod),
    }
}

/// Reasons that do not go away by themselves.
fn is_lasting(reason: &str) -> bool {
    let lasting = [
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImagePullBackOff",
        "InvalidImageName",
    ];
    lasting.contains(&reason)
}

fn unscheduled(pod: &Pod) -> Stage {
    let status = pod.status.as_ref();
    let mut conditions = status
        .and_then(|status| status.conditions.as_ref())
        .into_iter()
        .flatten();
    let scheduled = conditions.find(|one| one.type_ == "PodScheduled" && one.status == "False");
    match scheduled {
        Some(why) => Stage::Underway(format!(
            "its pod waits for a node: {}",
            why.message.as_deref().unwrap_or_default()
        )),
        None => Stage::Underway("its pod starts".to_owned()),
    }
}

/// One report of what was found here and of the pod's, if there is one.
pub(super) fn report(here: &[Finding], of_pod: Option<Value>) -> Value {
    let there = of_pod.unwrap_or_else(|| json!({"ok": false, "checks": []}));
    let is_ok = |one: &Finding| one.result != Outcome::NotOk;
    let ok = there["ok"] == true && here.iter().all(is_ok);
    let of_pod = there["checks"].as_array().cloned().unwrap_or_default();
    let checks: Vec<Value> = here.iter().map(|one| json!(one)).chain(of_pod).collect();
    json!({"ok": ok, "checks": checks})
}

/// The report of a pod, somewhere in its log. That may have other lines, but none that is a brace alone.
pub(super) fn in_log(log: &str) -> Option<Value> {
    let start = log.lines().position(|line| line == "{")?;
    let lines: Vec<&str> = log.lines().skip(start).collect();
    let end = lines.iter().position(|line| *line == "}")?;
    serde_json::from_str(&lines[..=end].join("\n")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_version_is_that_of_the_chart() {
        let chart = include_str!("../../../../charts/wikiingest/Chart.yaml");
        let line = format!("kubeVersion: \">={}.{}.0-0\"", OLDEST.0, OLDEST.1);
        assert!(chart.lines().any(|it| it == line), "{line}");
        let result = |minor| version("1", minor).result;
        assert_eq!(result("31"), Outcome::NotOk);
        assert_eq!(result("32"), Outcome::Ok);
        assert_eq!(result("36+"), Outcome::Ok);
        assert_eq!(result(""), Outcome::CouldNotTell);
    }

    #[test]
    fn who_may_not_ask_is_told_from_what_is_not_taken() {
        let told = |said: &str| {
            admission(&Err(Error::Forbidden {
                what: "create a pod".to_owned(),
                said: said.to_owned(),
            }))
        };
        let quota = told(
            "pods \"a\" is forbidden: exceeded quota: small, requested: pods=1, used: pods=4, limited: pods=4",
        );
        assert_eq!(quota.result, Outcome::NotOk);
        assert!(quota.remedy.unwrap().contains("ResourceQuota"));
        let nobody = told("User \"u\" cannot create resource \"pods\" in API group \"\"");
        assert_eq!(nobody.result, Outcome::CouldNotTell);
        assert_eq!(admission(&Ok(())).result, Outcome::Ok);
    }

    fn pod(status: &Value) -> Pod {
        serde_json::from_value(json!({"metadata": {}, "status": status})).unwrap()
    }

    #[test]
    fn a_pod_that_cannot_start_is_told_from_one_that_starts() {
        let with = |state: Value| {
            stage(&pod(&json!({"containerStatuses": [{
                "name": "worker", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state,
            }]})))
        };
        let config = json!({"waiting": {
            "reason": "CreateContainerConfigError", "message": "secret \"lake\" not found",
        }});
        assert_eq!(
            with(config),
            Stage::Stuck("CreateContainerConfigError: secret \"lake\" not found".to_owned())
        );
        let starts = with(json!({"waiting": {"reason": "ContainerCreating"}}));
        assert!(matches!(starts, Stage::Underway(_)), "{starts:?}");
        assert_eq!(
            with(json!({"terminated": {"exitCode": 1}})),
            Stage::Ended(1)
        );
        let waits = json!({"conditions": [{
            "type": "PodScheduled", "status": "False", "message": "0/1 nodes are available",
        }]});
        let told = stage(&pod(&waits));
        assert!(
            matches!(&told, Stage::Underway(why) if why.ends_with("0/1 nodes are available")),
            "{told:?}"
        );
    }

    #[test]
    fn the_report_is_found_between_other_lines() {
        let log = "WARN slow\n{\n  \"ok\": true,\n  \"checks\": [{\"name\": \"files\"}]\n}\nbye";
        let report = report(&[version("1", "31")], in_log(log));
        assert_eq!(report["ok"], false);
        assert_eq!(report["checks"][0]["name"], "version");
        assert_eq!(report["checks"][1]["name"], "files");
        let none = super::report(&[], in_log("thread panicked"));
        assert_eq!(none, json!({"ok": false, "checks": []}));
    }
}
