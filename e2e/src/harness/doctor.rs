//! `wikiingest doctor`, and what it found.

use serde_json::Value;

use super::config::Config;
use super::env::Env;
use super::worker::{self, Run};

/// What it found.
#[derive(Debug)]
pub struct Diagnosis {
    run: Run,
    checks: Vec<Value>,
}

/// Examines what a worker's configuration names.
#[must_use]
pub fn examine(env: &Env, config: &Config, args: &[&str]) -> Diagnosis {
    let args = [&["--output", "json"][..], args].concat();
    let run = worker::doctor(env, config, &args).wait();
    let json = run.output.find('{').map_or("", |at| &run.output[at..]);
    let report: Value = serde_json::from_str(json)
        .unwrap_or_else(|error| panic!("{error}: the doctor said:\n{}", run.output));
    let checks = report["checks"]
        .as_array()
        .expect("a list of checks")
        .clone();
    Diagnosis { run, checks }
}

impl Diagnosis {
    /// Fails unless nothing is wrong.
    pub fn is_healthy(&self) {
        let bad = self.bad();
        assert!(bad.is_empty(), "{bad:#?}");
        assert_eq!(self.run.code, Some(0), "{}", self.run.output);
    }

    /// Fails unless this check of this subject ended so, and its detail has this part.
    pub fn is(&self, subject: &str, name: &str, result: &str, part: &str) {
        let of_name = |check: &&Value| check["subject"] == subject && check["name"] == name;
        let found: Vec<_> = self.checks.iter().filter(of_name).collect();
        let fits = |check: &&Value| {
            let detail = check["detail"].as_str().unwrap_or_default();
            check["result"] == result && detail.contains(part)
        };
        assert!(
            found.iter().any(fits),
            "{subject}: {name} is not {result} with {part:?}: {found:#?}\n{}",
            self.run.output
        );
    }

    /// Fails unless this is named as wrong, with something to do, and the program says so by its exit code.
    pub fn names(&self, subject: &str, name: &str, part: &str) {
        self.is(subject, name, "notOk", part);
        for check in self.bad() {
            let remedy = check["remedy"].as_str().unwrap_or_default();
            assert!(!remedy.is_empty(), "nothing to do about {check}");
        }
        assert_eq!(self.run.code, Some(1), "{}", self.run.output);
    }

    /// Fails if anything else of the subject is named as wrong.
    pub fn names_nothing_else(&self, subject: &str, names: &[&str]) {
        let other = |check: &&Value| {
            check["subject"] == subject
                && !names.contains(&check["name"].as_str().unwrap_or_default())
        };
        let bad = self.bad();
        let other: Vec<_> = bad.iter().filter(|check| other(check)).collect();
        assert!(other.is_empty(), "{other:#?}");
    }

    fn bad(&self) -> Vec<&Value> {
        let is_bad = |check: &&Value| check["result"] == "notOk";
        self.checks.iter().filter(is_bad).collect()
    }
}
