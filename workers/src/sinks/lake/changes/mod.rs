//! Events of a stream in a lake: immutable objects, and a checkpoint beside them.
//!
//! Events are encoded into temporary files, one a day, until the roll is old or large enough.
//! Then, in three steps:
//!
//! 1. the checkpoint's `next` names the objects to come and where the stream will stand with them;
//! 2. the objects are completed;
//! 3. `next` becomes what is held.
//!
//! Whoever finds a `next` finishes it if all its objects are there, and else removes those that
//! are. So the objects and the checkpoint change as one, and what was not yet in an object is
//! read again from the stream.

mod checkpoint;
mod held;
mod roll;

use std::io::Seek as _;

use jiff::Timestamp;
use tokio::time::Instant;
use wikiingest_crds::StreamOptions;

use self::{
    checkpoint::{File, Pending, State},
    held::HeldIds,
    roll::{Roll, Rolled},
};
use super::{Lake, LakeError, encode::EncodeError};
use crate::{
    failure::Class,
    scratch::ScratchError,
    sinks::changes::{Batch, Checkpoint, Written},
    stream::event::Change,
};

/// The folder of the objects.
const TABLE: &str = "recent_changes";
/// The folder of rejected frames.
const REJECTS: &str = "ingest_rejects";

/// Writes one stream.
#[derive(Debug)]
pub struct Changes {
    lake: Lake,
    stream: String,
    interval: std::time::Duration,
    size: usize,
    state: State,
    held: HeldIds,
    roll: Option<Roll>,
    /// A roll whose objects are on their way.
    rolled: Option<Rolled>,
    /// A temporary file failed, and what it held is in no object.
    lost: bool,
}

impl Changes {
    pub(in crate::sinks) fn new(lake: Lake, stream: &str, options: &StreamOptions) -> Self {
        Self {
            held: HeldIds::new(lake.clone(), stream),
            lake,
            stream: stream.to_owned(),
            interval: options.object_interval.to_std(),
            size: options.object_size as usize,
            state: State::default(),
            roll: None,
            rolled: None,
            lost: false,
        }
    }

    /// Whether events are lost to this process, and have to be read again by another.
    #[must_use]
    pub fn lost(&self) -> bool {
        self.lost
    }

    /// How far the lake has got, after what a killed worker left is finished or removed.
    ///
    /// # Errors
    /// When the lake does not answer.
    pub async fn resume(&mut self) -> Result<Checkpoint, LakeError> {
        let mut file = File::read(&self.lake, &self.stream).await?;
        if let Some(next) = file.next.take() {
            settle(&self.lake, &self.stream, &mut file, next).await?;
        }
        // There is one worker a stream, so that whatever is half-written is a dead one's.
        for table in [TABLE, REJECTS, checkpoint::FOLDER] {
            self.lake.sweep_stream(table, &self.stream).await?;
        }
        self.state = file.held;
        Ok(self.state.checkpoint())
    }

    /// Takes a batch into the roll, after one that is due was completed.
    ///
    /// # Errors
    /// When the lake does not answer, or a temporary file fails; nothing of the batch is taken.
    pub async fn write(&mut self, batch: &Batch) -> Result<Written, LakeError> {
        let flushed = self.due().is_some_and(|due| due <= Instant::now());
        if flushed {
            self.flush().await?;
        }
        if self.state.position.is_empty() {
            self.begin(batch).await?;
        }
        let changes = self.lacking(batch).await?;
        let mut roll = self
            .roll
            .take()
            .unwrap_or_else(|| Roll::start(self.state.clone()));
        let zstd = self.lake.zstd;
        let added = tokio::task::block_in_place(|| roll.add(batch, &changes, zstd));
        let written = Written {
            durable: flushed,
            visible: false,
            ..Written::of(&changes, batch.events.len())
        };
        drop(changes);
        if let Err(error) = added {
            self.lost = true;
            return Err(self.lake.explain(TABLE, &error));
        }
        self.roll = Some(roll);
        Ok(written)
    }

    /// Writes down where a new stream begins. Its events show with the first object only, and whoever comes after a
    /// worker that was killed until then has to read them again.
    async fn begin(&mut self, batch: &Batch) -> Result<(), LakeError> {
        let mut held = self.state.clone();
        held.position.advance(&batch.first);
        let file = File {
            held: held.clone(),
            next: None,
        };
        file.write(&self.lake, &self.stream).await?;
        self.state = held;
        Ok(())
    }

    /// When the roll, or what is left of the one before, has to be completed.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        if let Some(rolled) = &self.rolled {
            return Some(rolled.since);
        }
        let roll = self.roll.as_ref()?;
        Some(if roll.len() >= self.size {
            roll.started()
        } else {
            roll.started() + self.interval
        })
    }

    /// Completes the roll.
    ///
    /// # Errors
    /// When the lake does not answer; the roll is still there for another try.
    pub async fn flush(&mut self) -> Result<bool, LakeError> {
        self.complete().await?;
        let Some(roll) = self.roll.take() else {
            return Ok(false);
        };
        let rolled = tokio::task::block_in_place(|| roll.finish(&self.stream));
        self.lost = rolled.is_err();
        self.rolled = Some(rolled.map_err(|error| self.lake.explain(TABLE, &error))?);
        self.complete().await?;
        Ok(true)
    }

    async fn complete(&mut self) -> Result<(), LakeError> {
        let Some(rolled) = &self.rolled else {
            return Ok(());
        };
        let mut file = File {
            held: self.state.clone(),
            next: Some(Pending {
                state: rolled.state.clone(),
                objects: rolled.keys().map(ToOwned::to_owned).collect(),
            }),
        };
        file.write(&self.lake, &self.stream).await?;
        for object in &rolled.objects {
            put(&self.lake, &object.key, &object.file).await?;
        }
        file = File {
            held: rolled.state.clone(),
            next: None,
        };
        file.write(&self.lake, &self.stream).await?;
        for key in rolled.keys().filter(|key| key.starts_with(TABLE)) {
            self.held.wrote(key);
        }
        self.state = rolled.state.clone();
        self.rolled = None;
        Ok(())
    }

    /// The changes that the lake lacks.
    async fn lacking<'a>(&mut self, batch: &'a Batch) -> Result<Vec<Change<'a>>, LakeError> {
        let mut changes = Vec::with_capacity(batch.events.len());
        for event in &batch.events {
            if event.perhaps_held && self.held.contains(event.key, event.ts).await? {
                continue;
            }
            let change = event.change().map_err(|what| LakeError {
                place: TABLE.to_owned(),
                what,
                advice: "report this as a bug".to_owned(),
                class: Class::TryAgain,
            })?;
            changes.push(change);
        }
        Ok(changes)
    }
}

/// Finishes the step that a killed worker began, if it got as far as that, and else undoes it.
async fn settle(
    lake: &Lake,
    stream: &str,
    file: &mut File,
    next: Pending,
) -> Result<(), LakeError> {
    let mut there = Vec::new();
    for key in &next.objects {
        if lake.list(key).await?.contains(key) {
            there.push(key);
        }
    }
    if there.len() == next.objects.len() {
        file.held = next.state;
    } else {
        for key in there {
            lake.delete(key).await?;
        }
    }
    file.write(lake, stream).await
}

/// Copies a temporary file into the lake.
async fn put(lake: &Lake, key: &str, file: &std::fs::File) -> Result<(), LakeError> {
    let scratched = |error: std::io::Error| lake.explain(key, &ScratchError::from(error).into());
    let mut from = file.try_clone().map_err(scratched)?;
    let mut upload = lake.upload(key)?;
    let copying = tokio::task::spawn_blocking(move || {
        let copied = from
            .rewind()
            .and_then(|()| std::io::copy(&mut from, &mut upload));
        (upload, copied)
    });
    let (upload, copied) = copying
        .await
        .map_err(|_| lake.explain(key, &EncodeError::Stopped))?;
    match copied {
        Ok(_) => upload.complete().await,
        Err(error) => {
            let known = upload.give_up().await;
            Err(known.unwrap_or_else(|| lake.explain(key, &EncodeError::Parquet(error.into()))))
        }
    }
}

/// The day's folder of a table.
fn day(table: &str, moment: Timestamp) -> String {
    format!("{table}/dt={}/", super::day(moment))
}

#[cfg(test)]
mod tests {
    use wikiingest_crds::FolderSink;

    use super::*;

    #[tokio::test]
    async fn what_a_killed_worker_was_writing_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let names = [
            "recent_changes/dt=2026-11-23/.edits-1-2-3.parquet.abc.tmp",
            "ingest_rejects/dt=2026-11-23/.edits-1-3.parquet.abc.tmp",
            "stream_checkpoint/.edits.json.abc.tmp",
            "stream_checkpoint/.others.json.abc.tmp",
        ];
        let mut files = Vec::new();
        for name in names {
            let path = root.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            files.push((std::fs::File::create(&path).unwrap(), path));
        }
        // The last one is being written.
        files[3].0.lock().unwrap();

        let sink: FolderSink =
            serde_json::from_value(serde_json::json!({"path": root.path()})).unwrap();
        let lake = Lake::folder(&sink).unwrap();
        let options = StreamOptions::default();
        Changes::new(lake, "edits", &options)
            .resume()
            .await
            .unwrap();

        let left: Vec<_> = files.iter().map(|(_, path)| path.exists()).collect();
        assert_eq!(left, [false, false, false, true]);
    }
}
