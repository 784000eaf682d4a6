//! `stream_checkpoint/<stream>.json`: how far a lake has got.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Lake, LakeError};
use crate::{
    failure::Class,
    sinks::changes::{Batch, Checkpoint},
    stream::position::Position,
};

/// The folder of the checkpoints.
pub(super) const FOLDER: &str = "stream_checkpoint";

/// What is held, and where the stream stands with it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State {
    pub(super) position: Position,
    pub(super) newest: Option<Timestamp>,
    pub(super) events: u64,
    pub(super) gap_seconds: u64,
}

impl State {
    /// As after a batch that brought so many events.
    pub(super) fn advance(&mut self, batch: &Batch, events: usize) {
        self.position.merge(&batch.position);
        self.newest = self.newest.max(batch.newest());
        self.events += events as u64;
        self.gap_seconds += Duration::as_secs(&batch.gap);
    }

    pub(super) fn checkpoint(&self) -> Checkpoint {
        Checkpoint {
            position: self.position.clone(),
            newest: self.newest,
        }
    }
}

/// A step that was begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Pending {
    #[serde(flatten)]
    pub(super) state: State,
    pub(super) objects: Vec<String>,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct File {
    #[serde(flatten)]
    pub(super) held: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<Pending>,
}

impl File {
    /// Reads it; a lake without one holds nothing.
    pub(super) async fn read(lake: &Lake, stream: &str) -> Result<Self, LakeError> {
        let key = key(stream);
        let Some(bytes) = lake.get(&key).await? else {
            return Ok(Self::default());
        };
        serde_json::from_slice(&bytes).map_err(|error| LakeError {
            place: key,
            what: format!("is no checkpoint: {error}"),
            advice: "restore it, or remove it together with the events in recent_changes/"
                .to_owned(),
            class: Class::BadConfig,
        })
    }

    pub(super) async fn write(&self, lake: &Lake, stream: &str) -> Result<(), LakeError> {
        let bytes = serde_json::to_vec(self).unwrap_or_default();
        lake.replace(&key(stream), bytes).await
    }
}

fn key(stream: &str) -> String {
    format!("{FOLDER}/{stream}.json")
}
