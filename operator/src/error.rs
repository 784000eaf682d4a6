//! What can go wrong between the operator and the API server.

use std::time::Duration;

use wikiingest_crds::worker::ResolveError;

/// A reconcile did not get to its end.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server said no, or nothing that makes sense.
    #[error("cannot {what}: {source}")]
    Api {
        /// What was asked for.
        what: String,
        /// What it said.
        source: Box<kube::Error>,
    },
    /// The API server does not answer.
    #[error("cannot {what}: no answer within {} s", .limit.as_secs())]
    Timeout {
        /// What was asked for.
        what: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// Something of this name is there and is not the resource's.
    #[error(
        "there is a {kind} {name} that is not this resource's: rename the resource or the source, or remove it"
    )]
    NameTaken {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// Something of this name belongs to a resource that was deleted, and is not gone yet.
    #[error(
        "the {kind} {name} of a resource that was deleted is still there; it is on its way out"
    )]
    Leaving {
        /// What it is.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// A source has no configuration, although it was found to be valid.
    #[error("cannot build the workers' configuration: {0}")]
    Build(#[from] ResolveError),
}

impl Error {
    /// A word for it, as a label of metrics and the reason of an event.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Api { source, .. } => match source.as_ref() {
                kube::Error::Api(status) if status.code == 403 => "Forbidden",
                kube::Error::Api(status) if status.code == 409 => "Conflict",
                kube::Error::Api(status) if matches!(status.code, 400 | 422) => "Rejected",
                kube::Error::Api(_) => "ApiError",
                _ => "Unreachable",
            },
            Self::Timeout { .. } => "Timeout",
            Self::NameTaken { .. } => "NameTaken",
            Self::Leaving { .. } => "Leaving",
            Self::Build(_) => "Build",
        }
    }
}

/// Whether the API server says that there is no such object, or no such kind.
pub(crate) fn is_not_found(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.code == 404)
}

/// How long a call may take, retries of the client's own included.
const LIMIT: Duration = Duration::from_secs(30);

/// Makes a call; `what` completes the sentence "cannot …".
///
/// # Errors
/// When it fails, or takes too long.
pub async fn call<T>(
    what: impl Into<String>,
    call: impl Future<Output = kube::Result<T>>,
) -> Result<T, Error> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(source)) => Err(Error::Api {
            what: what.into(),
            source: Box::new(source),
        }),
        Err(_) => Err(Error::Timeout {
            what: what.into(),
            limit: LIMIT,
        }),
    }
}
