//! What is waited for, as people see it: a line that changes on a terminal, a line a change elsewhere.

use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use kube::ResourceExt as _;
use wikiingest_crds::WikiIngest;
use wikiingest_workers::failure::{Class, Classify as _};

use crate::{console, error::Error, status::condition};

/// How often it is looked how things stand.
pub(crate) const GLANCE: Duration = Duration::from_secs(1);
/// How long the operator may take to begin with what it is asked for.
const PATIENCE: Duration = Duration::from_mins(2);
/// How long something may be in the way before nobody waits any longer: it may have been mended just now.
const GRACE: Duration = Duration::from_secs(15);

/// How often the line moves, so that people see that something goes on.
const TICK: Duration = Duration::from_millis(120);

/// Shows how things stand until it is dropped.
#[derive(Debug)]
pub(crate) struct Line {
    spinner: ProgressBar,
    shown: String,
    /// Since when the API server does not answer.
    silent: Option<Instant>,
}

impl Line {
    /// Shows nothing yet.
    pub(crate) fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} {wide_msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let spinner = ProgressBar::new_spinner().with_style(style);
        spinner.enable_steady_tick(TICK);
        Self {
            spinner,
            shown: String::new(),
            silent: None,
        }
    }

    /// Shows how things stand.
    pub(crate) fn show(&mut self, text: String) {
        if text == self.shown {
            return;
        }
        if self.spinner.is_hidden() {
            console::note(&text);
        } else {
            self.spinner.set_message(text.clone());
        }
        self.shown = text;
    }

    /// What the API server answered; none where it may answer the next time. It may be started anew while somebody waits.
    pub(crate) fn bear<T>(&mut self, answer: Result<T, Error>) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => {
                self.silent = None;
                Ok(Some(answer))
            }
            Err(error) => {
                let since = *self.silent.get_or_insert_with(Instant::now);
                if error.class() != Class::TryAgain || since.elapsed() > PATIENCE {
                    return Err(error);
                }
                self.show(error.to_string());
                Ok(None)
            }
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.spinner.finish_and_clear();
    }
}

/// Whether nobody need wait any longer for the operator to begin.
pub(crate) fn not_begun(ingest: &WikiIngest, asked: Instant) -> Result<(), Error> {
    let name = ingest.name_any();
    let stalled = condition(ingest, "Stalled").filter(|stalled| stalled.status == "True");
    if let Some(stalled) = stalled.filter(|_| asked.elapsed() > GRACE) {
        return Err(Error::NotBegun(format!(
            "{name} waits until this is mended, then it begins by itself: {}: {}",
            stalled.reason, stalled.message
        )));
    }
    let ready = condition(ingest, "Ready");
    // It takes as long as it takes, and the runs come after it.
    let is_migrating = ready.is_some_and(|ready| ready.reason == "Migrating");
    if asked.elapsed() > PATIENCE && !is_migrating {
        let namespace = ingest.namespace().unwrap_or_default();
        return Err(Error::NotBegun(format!(
            "{name} is asked for, and no operator has begun within {} s: is one running that looks after namespace {namespace}?",
            PATIENCE.as_secs()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::{condition, ingest, with_conditions};

    #[test]
    fn an_api_server_that_is_gone_for_a_moment_ends_no_waiting() {
        let silence = || {
            Err::<(), Error>(Error::Timeout {
                what: "get WikiIngest a".to_owned(),
                limit: PATIENCE,
            })
        };
        let mut line = Line::new();
        assert!(matches!(line.bear(silence()), Ok(None)));
        assert!(matches!(line.bear(Ok(1)), Ok(Some(1))));
        assert!(line.silent.is_none());
        line.silent = Instant::now().checked_sub(PATIENCE + GLANCE);
        assert!(line.bear(silence()).is_err());
        assert!(line.bear(Err::<(), Error>(Error::NoCrd)).is_err());
    }

    #[test]
    fn nobody_waits_for_what_a_person_has_to_mend_or_for_an_operator_that_is_not_there() {
        let ago = |seconds: u64| {
            Instant::now()
                .checked_sub(Duration::from_secs(seconds))
                .unwrap()
        };
        let stalled = with_conditions(json!([condition(
            "Stalled",
            "True",
            "SecretNotFound",
            "there is no Secret lake: create it"
        ),]));
        assert!(not_begun(&stalled, ago(5)).is_ok());
        let text = not_begun(&stalled, ago(20)).unwrap_err().to_string();
        assert!(
            text.contains("SecretNotFound: there is no Secret lake"),
            "{text}"
        );
        assert!(not_begun(&ingest(), ago(60)).is_ok());
        let text = not_begun(&ingest(), ago(130)).unwrap_err().to_string();
        assert!(text.contains("looks after namespace default?"), "{text}");
        let migrating = with_conditions(json!([condition("Ready", "False", "Migrating", "")]));
        assert!(not_begun(&migrating, ago(1300)).is_ok());
    }
}
