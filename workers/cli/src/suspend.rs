//! Resources that stop for a while, and go on.

use kube::ResourceExt as _;
use serde_json::{Value, json};
use wikiingest_crds::{WikiIngest, names::PAUSED, worker::ExitCode};

use crate::{args::Suspend, cluster::Cluster, console, error::Error, gitops, idle::is_left_alone};

/// Which of the two, and which way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    Suspend,
    Resume,
    LeaveAlone,
    TakeUp,
}

/// Stops loading, or the operator.
pub(crate) async fn pause(args: &Suspend) -> Result<ExitCode, Error> {
    let change = if args.operator {
        Change::LeaveAlone
    } else {
        Change::Suspend
    };
    run(args, change).await
}

/// Goes on.
pub(crate) async fn resume(args: &Suspend) -> Result<ExitCode, Error> {
    let change = if args.operator {
        Change::TakeUp
    } else {
        Change::Resume
    };
    run(args, change).await
}

async fn run(args: &Suspend, change: Change) -> Result<ExitCode, Error> {
    let cluster = Cluster::find(&args.place).await?;
    let ingest = cluster.get(&args.name).await?;
    if change.is_made(&ingest) {
        console::say(&format!("{} is {}, as it was", args.name, change.word()));
    } else {
        if matches!(change, Change::Suspend | Change::Resume) {
            gitops::guard(&ingest, "spec.suspend", args.force)?;
        }
        cluster.patch(&args.name, &change.patch()).await?;
        console::say(&format!("{} is {} now", args.name, change.word()));
    }
    if let Some(hint) = hint(&ingest, change) {
        console::note(&hint);
    }
    Ok(ExitCode::Done)
}

impl Change {
    fn is_made(self, ingest: &WikiIngest) -> bool {
        match self {
            Self::Suspend => ingest.spec.suspend,
            Self::Resume => !ingest.spec.suspend,
            Self::LeaveAlone => is_left_alone(ingest),
            Self::TakeUp => !is_left_alone(ingest),
        }
    }

    fn patch(self) -> Value {
        match self {
            Self::Suspend => json!({"spec": {"suspend": true}}),
            Self::Resume => json!({"spec": {"suspend": false}}),
            Self::LeaveAlone => json!({"metadata": {"annotations": {(PAUSED): "true"}}}),
            Self::TakeUp => json!({"metadata": {"annotations": {(PAUSED): null}}}),
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Suspend => "suspended",
            Self::Resume => "not suspended",
            Self::LeaveAlone => "left alone by the operator",
            Self::TakeUp => "looked after by the operator",
        }
    }
}

/// What else there is to know, of the resource as it was before.
fn hint(ingest: &WikiIngest, change: Change) -> Option<String> {
    let name = ingest.name_any();
    match change {
        Change::Suspend | Change::Resume if is_left_alone(ingest) => Some(format!(
            "It has no effect yet, since the operator leaves {name} alone: `wikiingest resume {name} --operator`"
        )),
        Change::TakeUp if ingest.spec.suspend => Some(format!(
            "{name} is suspended: `wikiingest resume {name}` goes on loading"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ingest;

    #[test]
    fn each_change_is_a_patch_of_one_field() {
        let patch = |change: Change| change.patch().to_string();
        assert_eq!(patch(Change::Suspend), r#"{"spec":{"suspend":true}}"#);
        assert_eq!(patch(Change::Resume), r#"{"spec":{"suspend":false}}"#);
        assert_eq!(
            patch(Change::LeaveAlone),
            r#"{"metadata":{"annotations":{"wikiingest.dev/paused":"true"}}}"#
        );
        assert_eq!(
            patch(Change::TakeUp),
            r#"{"metadata":{"annotations":{"wikiingest.dev/paused":null}}}"#
        );
    }

    #[test]
    fn what_is_so_already_is_known() {
        let mut ingest = ingest();
        assert!(Change::Resume.is_made(&ingest) && Change::TakeUp.is_made(&ingest));
        ingest.spec.suspend = true;
        ingest
            .annotations_mut()
            .insert(PAUSED.to_owned(), "true".to_owned());
        assert!(Change::Suspend.is_made(&ingest) && Change::LeaveAlone.is_made(&ingest));
    }

    #[test]
    fn the_other_kind_of_pause_is_not_forgotten() {
        let mut ingest = ingest();
        assert_eq!(hint(&ingest, Change::Resume), None);
        ingest.spec.suspend = true;
        let text = hint(&ingest, Change::TakeUp).unwrap();
        assert!(text.contains("`wikiingest resume wikimedia`"), "{text}");
        ingest
            .annotations_mut()
            .insert(PAUSED.to_owned(), "true".to_owned());
        let text = hint(&ingest, Change::Resume).unwrap();
        assert!(text.contains("--operator`"), "{text}");
    }
}
