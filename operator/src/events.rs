//! What `kubectl describe` shows of a resource's life: an event at each turn, never twice for the same.

use std::time::Duration;

use k8s_openapi::api::core::v1::ObjectReference;
use kube::{
    Client, Resource as _, ResourceExt as _,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use tokio::{sync::mpsc, task::JoinHandle};
use wikiingest_crds::{BackfillPhase, RetentionRun, WikiIngest, WikiIngestStatus};

use crate::{apply::Done, error::call, names};

/// The most bytes of a note.
const LONGEST: usize = 1000;

/// A turn to be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Turn {
    warning: bool,
    reason: &'static str,
    note: String,
}

fn normal(reason: &'static str, note: impl Into<String>) -> Turn {
    Turn {
        warning: false,
        reason,
        note: note.into(),
    }
}

fn warning(reason: &'static str, note: impl Into<String>) -> Turn {
    Turn {
        warning: true,
        ..normal(reason, note)
    }
}

/// The turns between two statuses, and what was done.
#[must_use]
pub fn turns(
    before: Option<&WikiIngestStatus>,
    after: &WikiIngestStatus,
    done: &Done,
) -> Vec<Turn> {
    let mut turns = Vec::new();
    if !done.pruned.is_empty() {
        turns.push(normal("Pruned", done.pruned.join(", ")));
    }
    let ready = |status: &WikiIngestStatus| {
        let condition = status.conditions.iter().find(|one| one.type_ == "Ready")?;
        Some((
            condition.status == "True",
            condition.reason.clone(),
            condition.message.clone(),
        ))
    };
    let stalled = after.conditions.iter().any(|one| one.type_ == "Stalled");
    let was = before.and_then(ready);
    match ready(after) {
        // One event where both come together: an event is a write, and a thousand resources may come at once.
        Some((true, ..)) if !was.as_ref().is_some_and(|was| was.0) => {
            turns.push(normal("Ready", ready_note(done)));
        }
        _ if !done.applied.is_empty() => turns.push(normal("Applied", done.applied.join(", "))),
        _ => {}
    }
    match ready(after) {
        Some((false, reason, message))
            if stalled && was.map(|was| was.1) != Some(reason.clone()) =>
        {
            turns.push(warning("Stalled", format!("{reason}: {message}")));
        }
        _ => {}
    }
    for source in &after.sources {
        let earlier =
            before.and_then(|before| before.sources.iter().find(|one| one.name == source.name));
        let run = source.last_run.as_ref();
        if let Some(run) = run.filter(|run| {
            earlier.and_then(|one| one.last_run.as_ref()?.job.as_ref()) != run.job.as_ref()
        }) && let Some(message) = run.message.as_ref().filter(|_| run.exit_code != 2)
        {
            turns.push(warning(
                "RunFailed",
                format!("source {}: {message}", source.name),
            ));
        }
    }
    turns.extend(deletion_failed(before, after));
    for backfill in &after.backfills {
        let earlier = before.and_then(|before| {
            let mut all = before.backfills.iter();
            all.find(|one| one.source == backfill.source && one.name == backfill.name)
        });
        if earlier.map(|earlier| earlier.phase) == Some(backfill.phase) {
            continue;
        }
        let what = format!("backfill {} of source {}", backfill.name, backfill.source);
        match backfill.phase {
            BackfillPhase::Running => turns.push(normal("BackfillStarted", what)),
            BackfillPhase::Complete => turns.push(normal("BackfillCompleted", what)),
            BackfillPhase::Failed => {
                let why = backfill
                    .message
                    .as_deref()
                    .unwrap_or("some parts could not be loaded");
                turns.push(warning("BackfillFailed", format!("{what}: {why}")));
            }
            BackfillPhase::Pending | BackfillPhase::Suspended => {}
        }
    }
    turns
}

/// A run that should have deleted what is kept no longer, and failed.
fn deletion_failed(before: Option<&WikiIngestStatus>, after: &WikiIngestStatus) -> Option<Turn> {
    fn last(status: &WikiIngestStatus) -> Option<&RetentionRun> {
        status.retention.as_ref()?.last_run.as_ref()
    }
    let run = last(after)?;
    let message = run.message.as_ref()?;
    let is_new = before.and_then(last).map(|one| &one.job) != Some(&run.job);
    is_new.then(|| warning("RunFailed", format!("retention: {message}")))
}

fn ready_note(done: &Done) -> String {
    let mut note = "everything is set up and running".to_owned();
    if !done.applied.is_empty() {
        note += "; applied ";
        note += &done.applied.join(", ");
    }
    note
}

/// Turns of resources that wait to be published; what comes when so many wait is logged only.
const WAITING: usize = 4096;

/// How long is waited after an event: of a thousand resources that come at once, all are set up before all are told of.
const PACE: Duration = Duration::from_millis(100);

/// Publishes turns, one after another and in nobody's way: no reconcile waits for it. One that cannot be published is
/// logged only.
#[derive(Clone, Debug)]
pub struct Publisher(mpsc::Sender<(ObjectReference, Vec<Turn>)>);

impl Publisher {
    /// In the name of this operator. The task ends when all that publish are gone and nothing waits any more.
    #[must_use]
    pub fn start(client: Client, instance: String) -> (Self, JoinHandle<()>) {
        let recorder = Recorder::new(
            client,
            Reporter {
                controller: names::MANAGER.to_owned(),
                instance: Some(instance),
            },
        );
        let (sender, mut queue) = mpsc::channel::<(ObjectReference, Vec<Turn>)>(WAITING);
        let publishing = tokio::spawn(async move {
            while let Some((regarding, turns)) = queue.recv().await {
                for turn in turns {
                    publish(&recorder, &regarding, turn).await;
                    tokio::time::sleep(PACE).await;
                }
            }
        });
        (Self(sender), publishing)
    }

    /// Publishes turns of a resource, soon.
    pub fn publish(&self, ingest: &WikiIngest, turns: Vec<Turn>) {
        if turns.is_empty() {
            return;
        }
        if self.0.try_send((ingest.object_ref(&()), turns)).is_err() {
            tracing::warn!(
                resource = ingest.name_any(),
                "Too many events wait: not published"
            );
        }
    }
}

async fn publish(recorder: &Recorder, regarding: &ObjectReference, turn: Turn) {
    let end = turn.note.floor_char_boundary(LONGEST);
    let event = Event {
        type_: if turn.warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: turn.reason.to_owned(),
        note: Some(turn.note[..end].to_owned()),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = call("publish an event", recorder.publish(&event, regarding)).await {
        tracing::warn!(%error, reason = turn.reason, "Event not published");
    }
}
