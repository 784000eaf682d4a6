//! An installation, proved before the first load.

use serde::Serialize;
use serde_json::Value;
use wikiingest_crds::worker::{ExitCode, StreamConfig, WorkerConfig};

use super::{
    args::{Doctor, Output},
    console::Console,
    local::stop,
    resource::{self, ReadError},
};
use crate::{
    doctor::{self, Finding, Outcome, Subjects},
    failure::{Class, Classify},
    program::{self, ConfigError},
};

/// A file that does not say what to examine.
#[derive(Debug, thiserror::Error)]
pub(super) enum DoctorError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Classify for DoctorError {
    fn class(&self) -> Class {
        Class::BadConfig
    }
}

/// Examines what the files name, and prints a line a check, or all of them as JSON.
pub(super) async fn run(console: &Console, asked: &Doctor) -> Result<ExitCode, DoctorError> {
    let subjects = subjects(asked)?;
    let stop = stop(console);
    let mut all: Vec<Finding> = Vec::new();
    doctor::examine(&subjects, asked.how.write, &stop, |findings| {
        if asked.how.output == Output::Text {
            console.say(&lines(findings));
        }
        all.extend_from_slice(findings);
    })
    .await;
    let is_ok = !stop.is_cancelled() && !all.iter().any(|one| one.result == Outcome::NotOk);
    match asked.how.output {
        Output::Text => console.say(&sum(&all, stop.is_cancelled())),
        Output::Json => console.say(&json(is_ok, &all)),
    }
    Ok(if is_ok {
        ExitCode::Done
    } else {
        ExitCode::TryAgain
    })
}

fn subjects(asked: &Doctor) -> Result<Subjects, DoctorError> {
    let mut subjects = match &asked.file {
        Some(file) => {
            let resource = resource::accepted(file)?;
            Subjects::of(&resource.spec)
        }
        None => Subjects::default(),
    };
    for config in &asked.configs {
        // The two kinds of workers' files differ by this.
        if program::read::<Value>(config)?.get("window").is_some() {
            subjects.add_worker(&program::read::<WorkerConfig>(config)?);
        } else {
            subjects.add_stream(&program::read::<StreamConfig>(config)?);
        }
    }
    Ok(subjects)
}

fn lines(findings: &[Finding]) -> String {
    let lines = findings.iter().map(ToString::to_string);
    lines.collect::<Vec<_>>().join("\n")
}

fn sum(findings: &[Finding], stopped: bool) -> String {
    let count = |of| findings.iter().filter(|one| one.result == of).count();
    let end = if stopped {
        "; stopped before all was examined"
    } else {
        ""
    };
    format!(
        "{} ok, {} not ok, {} could not be told{end}",
        count(Outcome::Ok),
        count(Outcome::NotOk),
        count(Outcome::CouldNotTell)
    )
}

fn json(is_ok: bool, findings: &[Finding]) -> String {
    #[derive(Serialize)]
    struct Report<'a> {
        ok: bool,
        checks: &'a [Finding],
    }
    let report = Report {
        ok: is_ok,
        checks: findings,
    };
    serde_json::to_string_pretty(&report).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings() -> Vec<Finding> {
        let finding = |name, result, remedy: Option<&str>| Finding {
            name,
            subject: "sink lake".to_owned(),
            result,
            detail: "as seen".to_owned(),
            remedy: remedy.map(ToOwned::to_owned),
        };
        vec![
            finding("put", Outcome::Ok, None),
            finding("multipart", Outcome::NotOk, Some("allow it")),
        ]
    }

    #[test]
    fn what_is_to_be_done_stands_under_what_is_wrong() {
        assert_eq!(
            lines(&findings()),
            "ok              sink lake: put: as seen\n\
             not ok          sink lake: multipart: as seen\n                to do: allow it"
        );
        assert_eq!(
            sum(&findings(), false),
            "1 ok, 1 not ok, 0 could not be told"
        );
    }

    #[test]
    fn programs_read_the_same_as_json() {
        let report: Value = serde_json::from_str(&json(false, &findings())).unwrap();
        assert_eq!(report["ok"], false);
        assert_eq!(report["checks"][1]["name"], "multipart");
        assert_eq!(report["checks"][1]["result"], "notOk");
        assert_eq!(report["checks"][1]["remedy"], "allow it");
    }
}
