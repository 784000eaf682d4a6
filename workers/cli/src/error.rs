//! What can go wrong on a cluster, and what to do about it.

use std::time::Duration;

use kube::core::Status;
use wikiingest_workers::failure::{Class, Classify};

use crate::kubeconfig;

/// A command that could not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(
        "there is no way to a cluster: {0}; set KUBECONFIG, or name a file with --kubeconfig and one of its contexts with --context"
    )]
    NoCluster(String),
    #[error(
        "this cluster knows no WikiIngest: install the operator and its CRD, or name another cluster with --context"
    )]
    NoCrd,
    #[error("there is no WikiIngest {name} in namespace {namespace}: {instead}")]
    NoResource {
        name: String,
        namespace: String,
        /// The names that there are.
        instead: String,
    },
    #[error("{name} has no source {source_name}: it has {sources}")]
    NoSource {
        name: String,
        source_name: String,
        sources: String,
    },
    #[error(
        "the API server does not take the credentials of this context: log in again, or name another one with --context"
    )]
    Unauthorized,
    #[error(
        "not allowed to {what}: ask for that right whoever looks after the cluster; the API server says: {said}"
    )]
    Forbidden { what: String, said: String },
    #[error("cannot {what}: {said}")]
    Refused { what: String, said: String },
    #[error("cannot {what}: the resource changed at the same time; try again")]
    Conflict { what: String },
    #[error("cannot {what}: the API server says: {said}; try again")]
    Api { what: String, said: String },
    #[error(
        "cannot {what}: the answer cannot be read: {why}; is this program older than the cluster's CRD?"
    )]
    Unreadable { what: String, why: String },
    #[error("cannot {what}: {why}; is the cluster up, and the context the right one?")]
    Unreachable { what: String, why: String },
    #[error("cannot {what}: no answer within {} s; is the cluster up, and the context the right one?", .limit.as_secs())]
    Timeout { what: String, limit: Duration },
    /// The resource is not such that it can be done.
    #[error("{0}")]
    NotNow(String),
    #[error(
        "{name} is kept as git has it by {keeper}: change {field} in the file there, or say --force to change it here until {keeper} sets it back"
    )]
    Gitops {
        name: String,
        keeper: String,
        field: &'static str,
    },
    /// It may yet come, but nobody waits for it any longer.
    #[error("{0}")]
    NotBegun(String),
}

impl Classify for Error {
    fn class(&self) -> Class {
        match self {
            Self::NoCluster(_)
            | Self::NoCrd
            | Self::NoResource { .. }
            | Self::NoSource { .. }
            | Self::Refused { .. }
            | Self::NotNow(_)
            | Self::Gitops { .. } => Class::BadConfig,
            Self::Unauthorized | Self::Forbidden { .. } => Class::Refused,
            Self::Conflict { .. }
            | Self::Api { .. }
            | Self::Unreadable { .. }
            | Self::Unreachable { .. }
            | Self::Timeout { .. }
            | Self::NotBegun(_) => Class::TryAgain,
        }
    }
}

impl Error {
    /// What the client's error means; `what` completes the sentence "cannot …".
    pub(crate) fn of(what: &str, error: &kube::Error) -> Self {
        let what = what.to_owned();
        match error {
            kube::Error::Api(status) => Self::of_status(what, status),
            kube::Error::SerdeError(why) => Self::Unreadable {
                what,
                why: why.to_string(),
            },
            other => Self::Unreachable {
                what,
                why: kubeconfig::text(other),
            },
        }
    }

    fn of_status(what: String, status: &Status) -> Self {
        let said = status.message.clone();
        match status.code {
            401 => Self::Unauthorized,
            403 => Self::Forbidden { what, said },
            // What is not there has a name, unless it is the kind itself.
            404 if status
                .details
                .as_ref()
                .is_none_or(|details| details.name.is_empty()) =>
            {
                Self::NoCrd
            }
            404 | 400 | 422 => Self::Refused { what, said },
            409 => Self::Conflict { what },
            _ => Self::Api { what, said },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(code: u16, message: &str, name: Option<&str>) -> (String, Class) {
        let mut status = json!({"status": "Failure", "code": code, "message": message});
        if let Some(name) = name {
            status["details"] = json!({"name": name, "kind": "wikiingests"});
        }
        let status: Status = serde_json::from_value(status).unwrap();
        let error = Error::of("get WikiIngest a", &kube::Error::Api(Box::new(status)));
        (error.to_string(), error.class())
    }

    #[test]
    fn a_missing_kind_is_told_from_a_missing_resource() {
        let (text, class) = told(404, "404 page not found", None);
        assert!(text.contains("install the operator and its CRD"), "{text}");
        assert_eq!(class, Class::BadConfig);
        let (text, _) = told(404, "wikiingests \"a\" not found", Some("a"));
        assert!(text.contains("\"a\" not found"), "{text}");
    }

    #[test]
    fn who_is_not_allowed_is_told_what_on_what() {
        let said = "User \"u\" cannot get resource \"wikiingests\"";
        let (text, class) = told(403, said, Some("a"));
        assert!(
            text.starts_with("not allowed to get WikiIngest a: ask "),
            "{text}"
        );
        assert!(text.ends_with(said), "{text}");
        assert_eq!(class, Class::Refused);
        let (text, class) = told(401, "Unauthorized", None);
        assert!(text.contains("log in again"), "{text}");
        assert_eq!(class, Class::Refused);
    }

    #[test]
    fn what_may_pass_is_to_be_tried_again() {
        for code in [409, 429, 500, 503] {
            let (text, class) = told(code, "it is busy", None);
            assert!(text.ends_with("try again"), "{text}");
            assert_eq!(class, Class::TryAgain);
        }
    }
}
