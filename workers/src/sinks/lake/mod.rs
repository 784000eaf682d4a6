//! A lake of Parquet objects: a folder, or a bucket on S3.
//!
//! A unit is one immutable object, `<table>/dt=<day>/<unit>-<etag8>.parquet`, whose name says
//! which version of the file it was made from; so the names are the lake's ledger. It appears
//! whole or not at all. Rejects lie in an object of the same name under `ingest_rejects/`,
//! written before and removed before the facts, so that the facts' object decides.

pub mod encode;
pub mod folder;
pub mod order;
pub mod runs;
pub mod s3;

use std::{collections::HashMap, sync::Arc};

use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use wikiingest_crds::{Compression, FolderSink, S3Sink};

use self::{
    encode::{EncodeError, Encoder},
    folder::Folder,
    s3::S3,
};
use crate::{
    batch::{
        dataset::{Dataset, utc},
        fetch::Mark,
        list::Unit,
    },
    failure::{Class, Classify},
    rows::{Batch, Summary},
    sinks::Held,
};

/// The folder of rejected lines.
const REJECTS: &str = "ingest_rejects";

/// A lake failed.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {what}; {advice}")]
pub struct LakeError {
    /// Which object, folder or bucket.
    pub place: String,
    /// What happened.
    pub what: String,
    /// What to do.
    pub advice: String,
    /// Whether to try again.
    pub class: Class,
}

impl Classify for LakeError {
    fn class(&self) -> Class {
        self.class
    }
}

/// Where objects are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lake {
    store: Store,
    zstd: i32,
}

#[derive(Debug, Clone)]
enum Store {
    Folder(Folder),
    S3(S3),
}

impl Lake {
    /// A folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(sink: &FolderSink) -> Result<Self, LakeError> {
        Ok(Self {
            store: Store::Folder(Folder::open(&sink.path)?),
            zstd: Compression::zstd_level(sink.compression.as_ref()),
        })
    }

    /// A bucket.
    ///
    /// # Errors
    /// When the bucket is not there, or refuses.
    pub async fn s3(name: &str, sink: &S3Sink) -> Result<Self, LakeError> {
        Ok(Self {
            store: Store::S3(S3::open(name, sink).await?),
            zstd: Compression::zstd_level(sink.compression.as_ref()),
        })
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, LakeError> {
        match &self.store {
            Store::Folder(folder) => folder.list(prefix),
            Store::S3(s3) => s3.list(prefix).await,
        }
    }

    async fn delete(&self, key: &str) -> Result<(), LakeError> {
        match &self.store {
            Store::Folder(folder) => folder.delete(key),
            Store::S3(s3) => s3.delete(key).await,
        }
    }

    /// The versions held of each unit, by the names of objects.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn held(
        &self,
        dataset: Dataset,
        units: &[Unit],
    ) -> Result<HashMap<String, Held>, LakeError> {
        let mut versions: HashMap<String, Vec<String>> = HashMap::new();
        for prefix in days(dataset.tables().facts, units) {
            for key in self.list(&prefix).await? {
                if let Some((unit, version)) = version_of(&key) {
                    versions
                        .entry(unit.to_owned())
                        .or_default()
                        .push(version.to_owned());
                }
            }
        }
        Ok(versions
            .into_iter()
            .map(|(unit, versions)| (unit, Held::Short(versions)))
            .collect())
    }

    /// What is held of one unit. A lake cannot be locked: whoever completes first wins, and the
    /// other finds that the object is there.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn claim(&self, unit: &Unit) -> Result<Option<Held>, LakeError> {
        let keys = self.list(&stem(unit.dataset.tables().facts, unit)).await?;
        let versions: Vec<_> = keys
            .iter()
            .filter_map(|key| Some(version_of(key)?.1.to_owned()))
            .collect();
        Ok((!versions.is_empty()).then_some(Held::Short(versions)))
    }

    /// Begins the object of a version.
    ///
    /// # Errors
    /// When it cannot be begun.
    pub fn writer(&self, unit: &Unit, mark: &Mark) -> Result<LakeWriter, LakeError> {
        let key = object(unit.dataset.tables().facts, unit, mark);
        let upload = self.upload(&key)?;
        let encoder = Encoder::start(upload, unit, mark, self.zstd);
        Ok(LakeWriter {
            lake: self.clone(),
            unit: unit.clone(),
            mark: mark.clone(),
            key,
            encoder: Some(encoder),
            upload: None,
        })
    }

    fn upload(&self, key: &str) -> Result<Upload, LakeError> {
        Ok(match &self.store {
            Store::Folder(folder) => Upload::Folder(Box::new(folder.upload(key)?)),
            Store::S3(s3) => Upload::S3(Box::new(s3.upload(key))),
        })
    }

    /// Removes all objects of a unit but those of one version.
    async fn keep_only(&self, unit: &Unit, mark: &Mark) -> Result<(), LakeError> {
        // The rejects first: while the old facts are there, somebody comes back for the rest.
        for table in [REJECTS, unit.dataset.tables().facts] {
            for key in self.list(&stem(table, unit)).await? {
                if key != object(table, unit, mark) {
                    self.delete(&key).await?;
                }
            }
        }
        Ok(())
    }

    /// Removes what killed workers have left of units that are held: half-written files, open
    /// uploads.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn sweep(&self, dataset: Dataset, units: &[Unit]) -> Result<(), LakeError> {
        let held = self.held(dataset, units).await?;
        let done = |key: &str| version_of(key).is_some_and(|(unit, _)| held.contains_key(unit));
        for table in [dataset.tables().facts, REJECTS] {
            for prefix in days(table, units) {
                match &self.store {
                    Store::Folder(folder) => folder.sweep(&prefix)?,
                    Store::S3(s3) => s3.sweep(&prefix, done).await?,
                }
            }
        }
        Ok(())
    }
}

/// An object on its way.
pub(crate) enum Upload {
    Folder(Box<folder::Upload>),
    S3(Box<s3::Upload>),
}

impl std::fmt::Debug for Upload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Upload")
    }
}

impl std::io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Folder(upload) => upload.write(bytes),
            Self::S3(upload) => upload.write(bytes),
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Folder(upload) => upload.flush(),
            Self::S3(upload) => upload.flush(),
        }
    }
}

impl Upload {
    async fn complete(self) -> Result<(), LakeError> {
        match self {
            Self::Folder(upload) => upload.complete(),
            Self::S3(upload) => upload.complete().await,
        }
    }

    async fn abort(self) {
        if let Self::S3(upload) = self {
            upload.abort().await;
        }
    }
}

/// A unit on its way into the lake.
#[derive(Debug)]
pub struct LakeWriter {
    lake: Lake,
    unit: Unit,
    mark: Mark,
    key: String,
    encoder: Option<Encoder>,
    upload: Option<Upload>,
}

impl LakeWriter {
    /// Encodes batches until the queue closes.
    ///
    /// # Errors
    /// When the object cannot be written.
    pub async fn write(&mut self, mut batches: Receiver<Arc<Batch>>) -> Result<(), LakeError> {
        let Some(encoder) = self.encoder.take() else {
            return Ok(());
        };
        while let Some(batch) = batches.recv().await {
            if !encoder.send(batch).await {
                break;
            }
        }
        let (upload, result) = encoder.finish().await;
        match result {
            Ok(()) => self.upload = upload,
            Err(error) => {
                // An upload that failed by itself knows better why.
                let Some(upload) = upload else {
                    return Err(self.explain(&error));
                };
                let known = match &upload {
                    Upload::S3(s3) => s3.failure(),
                    Upload::Folder(_) => None,
                };
                upload.abort().await;
                return Err(known.unwrap_or_else(|| self.explain(&error)));
            }
        }
        Ok(())
    }

    fn explain(&self, error: &EncodeError) -> LakeError {
        let what = crate::failure::chain(error);
        match &self.lake.store {
            Store::Folder(folder) => folder.explain(&self.key, what),
            Store::S3(s3) => s3.place(&self.key, what, "run again", Class::TryAgain),
        }
    }

    /// Completes the object, and removes those that it replaces.
    ///
    /// # Errors
    /// When the lake fails.
    pub async fn commit(mut self, summary: &Summary) -> Result<(), LakeError> {
        let Some(upload) = self.upload.take() else {
            return Ok(());
        };
        if let Err(error) = self.commit_rejects(summary).await {
            upload.abort().await;
            return Err(error);
        }
        upload.complete().await?;
        self.lake.keep_only(&self.unit, &self.mark).await
    }

    async fn commit_rejects(&self, summary: &Summary) -> Result<(), LakeError> {
        if summary.rejects.is_empty() {
            return Ok(());
        }
        let key = object(REJECTS, &self.unit, &self.mark);
        let mut rejects = self.lake.upload(&key)?;
        encode::rejects(&mut rejects, &self.unit, summary).map_err(|error| self.explain(&error))?;
        rejects.complete().await
    }

    /// Gives the object up.
    pub async fn abort(self) {
        if let Some(upload) = self.upload {
            upload.abort().await;
        }
    }
}

fn day(moment: Timestamp) -> String {
    utc(moment).strftime("%Y-%m-%d").to_string()
}

/// The folders of the days of some units, each once.
fn days(table: &str, units: &[Unit]) -> Vec<String> {
    let mut days: Vec<_> = units
        .iter()
        .map(|unit| format!("{table}/dt={}/", day(unit.ts)))
        .collect();
    days.sort();
    days.dedup();
    days
}

/// What the names of all versions of a unit begin with.
fn stem(table: &str, unit: &Unit) -> String {
    format!("{table}/dt={}/{}-", day(unit.ts), unit.name)
}

fn object(table: &str, unit: &Unit, mark: &Mark) -> String {
    format!("{}{}.parquet", stem(table, unit), mark.short())
}

/// The unit and the version in an object's name.
fn version_of(key: &str) -> Option<(&str, &str)> {
    let name = key.rsplit('/').next()?.strip_suffix(".parquet")?;
    name.rsplit_once('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hour_of_a_day_lies_with_its_own_day() {
        let unit = Unit {
            dataset: Dataset::Pageviews,
            name: "pageviews-20240804-000000".to_owned(),
            ts: "2024-08-03T23:00:00Z".parse().unwrap(),
            url: String::new(),
        };
        let mark = Mark {
            size: 1,
            etag: "\"x\"".to_owned(),
        };
        let key = object("pageviews_hourly", &unit, &mark);
        assert!(
            key.starts_with("pageviews_hourly/dt=2024-08-03/pageviews-20240804-000000-"),
            "{key}"
        );
        assert_eq!(
            version_of(&key),
            Some(("pageviews-20240804-000000", mark.short().as_str()))
        );
    }
}
