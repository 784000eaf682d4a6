//! How a run that was asked for stands. Pure.

use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use wikiingest_crds::{LastRun, SourceStatus, WikiIngest, names};

use crate::words;

/// A run of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Run {
    /// The source.
    pub(super) source: String,
    /// Its Job.
    pub(super) job: String,
}

/// How it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    /// The operator has not taken it in yet.
    Asked,
    /// It has no pod yet, or waits for another one.
    Waiting,
    /// It is under way.
    Running,
    /// It is over.
    Ended {
        /// Whether it did what it could.
        good: bool,
        /// What it came to.
        what: String,
    },
}

impl Run {
    /// The run of a source that a token makes.
    pub(super) fn new(ingest: &str, source: &str, token: &str) -> Self {
        Self {
            source: source.to_owned(),
            job: names::of_job(ingest, source, token),
        }
    }
}

impl State {
    /// From the resource and from the Job as it was a moment before.
    pub(super) fn of(ingest: &WikiIngest, run: &Run, job: Option<&Job>, token: &str) -> Self {
        let status = ingest.status.as_ref();
        let mut sources = status.iter().flat_map(|status| &status.sources);
        let source = sources.find(|source| source.name == run.source);
        if let Some(last) = source.and_then(|source| last_run(source, run)) {
            return Self::Ended {
                good: words::is_success(last.exit_code),
                what: words::run(last),
            };
        }
        let handled = status.and_then(|status| status.last_handled_reconcile_at.as_deref());
        match job {
            Some(job) => Self::of_job(job, source),
            None if handled != Some(token) => Self::Asked,
            None => Self::Ended {
                good: false,
                what: format!("nobody knows how it ended: Job {} is gone", run.job),
            },
        }
    }

    fn of_job(job: &Job, source: Option<&SourceStatus>) -> Self {
        let told = source.and_then(|source| source.last_run.as_ref()?.finish_time);
        match finished(job) {
            // Another one that ended later is told of instead.
            Some((at, good)) if told > Some(at) => Self::Ended {
                good,
                what: if good { "done" } else { "failed" }.to_owned(),
            },
            // The operator tells in a moment how.
            Some(_) => Self::Running,
            None if job.status.as_ref().and_then(|status| status.ready) > Some(0) => Self::Running,
            None => Self::Waiting,
        }
    }

    /// Whether it ended well, and what it came to; none while it has not.
    pub(super) fn end(&self) -> Option<(bool, &str)> {
        match self {
            Self::Ended { good, what } => Some((*good, what)),
            _ => None,
        }
    }

    fn word(&self) -> &str {
        match self {
            Self::Asked => "asked for",
            Self::Waiting => "waits for a worker",
            Self::Running => "runs",
            Self::Ended { what, .. } => what,
        }
    }
}

fn last_run<'a>(source: &'a SourceStatus, run: &Run) -> Option<&'a LastRun> {
    let last = source.last_run.as_ref()?;
    (last.job.as_ref() == Some(&run.job)).then_some(last)
}

/// When a Job ended, and whether it did what it should; none while it has not.
fn finished(job: &Job) -> Option<(Timestamp, bool)> {
    let conditions = job.status.as_ref()?.conditions.as_ref()?;
    conditions.iter().find_map(|condition| {
        let ended = matches!(condition.type_.as_str(), "Complete" | "Failed");
        let at = condition.last_transition_time.as_ref()?.0;
        (ended && condition.status == "True").then_some((at, condition.type_ == "Complete"))
    })
}

/// All of them in a line.
pub(super) fn line(runs: &[Run], states: &[State]) -> String {
    let both = runs.iter().zip(states);
    let each = both.map(|(run, state)| format!("{} {}", run.source, state.word()));
    each.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::fixture::ingest;

    fn state(job: Option<Value>, token: &str) -> State {
        let run = Run::new("wikimedia", "pageviews", token);
        let job: Option<Job> = job.map(|status| {
            serde_json::from_value(json!({"metadata": {"name": run.job}, "status": status}))
                .unwrap()
        });
        State::of(&ingest(), &run, job.as_ref(), token)
    }

    fn ended(kind: &str, at: &str) -> Value {
        json!({"conditions": [{"type": kind, "status": "True", "lastTransitionTime": at}]})
    }

    #[test]
    fn a_run_is_asked_for_then_waits_then_runs() {
        assert_eq!(state(None, "two"), State::Asked);
        assert_eq!(state(Some(json!({})), "two"), State::Waiting);
        assert_eq!(
            state(Some(json!({"active": 1, "ready": 0})), "two"),
            State::Waiting
        );
        assert_eq!(
            state(Some(json!({"active": 1, "ready": 1})), "two"),
            State::Running
        );
        // Its end is told by the operator, soon.
        let job = ended("Failed", "2024-08-03T08:39:00Z");
        assert_eq!(state(Some(job), "two"), State::Running);
    }

    #[test]
    fn a_run_ends_as_the_operator_tells() {
        let mut ingest = ingest();
        let run = Run::new("wikimedia", "pageviews", "two");
        let source = &mut ingest.status.as_mut().unwrap().sources[0];
        let last = source.last_run.as_mut().unwrap();
        last.job = Some(run.job.clone());
        let state = State::of(&ingest, &run, None, "two");
        let (good, what) = state.end().unwrap();
        // Files that are not published yet are no failure.
        assert!(good && what.contains("1 not published yet"), "{what}");
    }

    #[test]
    fn a_run_that_another_one_was_told_of_instead_ends_as_its_job() {
        for (kind, good) in [("Complete", true), ("Failed", false)] {
            let state = state(Some(ended(kind, "2024-08-03T08:20:00Z")), "two");
            assert_eq!(state.end().map(|end| end.0), Some(good));
        }
    }

    #[test]
    fn a_run_whose_job_is_gone_is_not_waited_for() {
        let state = state(None, "one");
        assert!(
            state
                .end()
                .is_some_and(|(good, what)| !good && what.contains("is gone"))
        );
    }

    #[test]
    fn a_line_tells_of_all_runs() {
        let runs = ["a", "b"].map(|source| Run::new("wikimedia", source, "two"));
        let states = [State::Running, State::Asked];
        assert_eq!(line(&runs, &states), "a runs; b asked for");
    }
}
