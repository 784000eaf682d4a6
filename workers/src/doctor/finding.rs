//! What is found: one line a check.

use std::fmt;

use serde::Serialize;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It is as it has to be.
    Ok,
    /// It is not, and loads will fail or be wrong.
    NotOk,
    /// It could not be tried, or not without writing.
    CouldNotTell,
}

impl Outcome {
    /// In words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::NotOk => "not ok",
            Self::CouldNotTell => "could not tell",
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was checked, such as `rights`; the same in every version.
    pub name: &'static str,
    /// Of what: `sink warehouse`, `source pageviews`.
    pub subject: String,
    /// How it ended.
    pub result: Outcome,
    /// What was seen.
    pub detail: String,
    /// What to do, where something is to be done.
    pub remedy: Option<String>,
}

/// A line, and where something is to be done a second one.
impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (result, subject) = (self.result.as_str(), &self.subject);
        write!(f, "{result:<14}  {subject}: {}: {}", self.name, self.detail)?;
        match &self.remedy {
            Some(remedy) if !remedy.is_empty() => write!(f, "\n{:16}to do: {remedy}", ""),
            _ => Ok(()),
        }
    }
}

/// What is found of one subject, as it is found.
#[derive(Debug)]
pub(super) struct Findings {
    subject: String,
    pub(super) found: Vec<Finding>,
}

impl Findings {
    pub(super) fn of(subject: impl Into<String>) -> Self {
        Self {
            subject: subject.into(),
            found: Vec::new(),
        }
    }

    pub(super) fn ok(&mut self, name: &'static str, detail: impl Into<String>) {
        self.add(name, Verdict::ok(detail));
    }

    pub(super) fn not_ok(
        &mut self,
        name: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(name, Verdict::not_ok(detail, remedy));
    }

    pub(super) fn could_not_tell(
        &mut self,
        name: &'static str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) {
        self.add(name, Verdict::could_not_tell(detail, remedy));
    }

    pub(super) fn add(&mut self, name: &'static str, verdict: Verdict) {
        self.found.push(Finding {
            name,
            subject: self.subject.clone(),
            result: verdict.result,
            detail: verdict.detail,
            remedy: verdict.remedy,
        });
    }
}

/// What an answer means, before it is known of whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) result: Outcome,
    pub(super) detail: String,
    pub(super) remedy: Option<String>,
}

impl Verdict {
    pub(super) fn ok(detail: impl Into<String>) -> Self {
        Self {
            result: Outcome::Ok,
            detail: detail.into(),
            remedy: None,
        }
    }

    pub(super) fn not_ok(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            result: Outcome::NotOk,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }

    pub(super) fn could_not_tell(detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            result: Outcome::CouldNotTell,
            detail: detail.into(),
            remedy: Some(remedy.into()),
        }
    }
}
