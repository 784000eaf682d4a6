//! A lake of Parquet objects: a folder, or a bucket on S3.
//!
//! A unit is one immutable object, `<table>/dt=<day>/<unit>-<etag8>.parquet`, whose name says
//! which version of the file it was made from; so the names are the lake's ledger. It appears
//! whole or not at all. Rejects lie in an object of the same name under `ingest_rejects/`,
//! written before and removed before the facts, so that the facts' object decides.

pub mod changes;
pub mod encode;
mod expire;
pub mod folder;
pub mod order;
pub mod pages;
pub mod runs;
pub mod s3;

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use jiff::Timestamp;
use tokio::sync::mpsc::Receiver;
use wikiingest_crds::{Compression, FolderSink, S3Sink};

use self::{
    encode::{EncodeError, Encoder, Rejected},
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
    scratch,
    sinks::Held,
};

/// The folder of rejected lines.
const REJECTS: &str = "ingest_rejects";

/// A lake failed.
#[derive(Debug, Clone, thiserror::Error)]
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

    pub(in crate::sinks) fn place(&self) -> String {
        match &self.store {
            Store::Folder(folder) => folder.place(),
            Store::S3(s3) => s3.url(),
        }
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

    /// The objects held of each unit's time.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn held(
        &self,
        dataset: Dataset,
        units: &[Unit],
    ) -> Result<HashMap<String, Held>, LakeError> {
        let of_dataset = units.iter().filter(|unit| unit.dataset == dataset);
        let by_start: HashMap<Timestamp, &Unit> = of_dataset.map(|unit| (unit.ts, unit)).collect();
        let mut objects: HashMap<String, Vec<String>> = HashMap::new();
        for prefix in self.prefixes(dataset.tables().facts, units) {
            for key in self.list(&prefix).await? {
                let start = unit_of(&key).and_then(|name| dataset.start_of(name));
                if let Some(unit) = start.and_then(|start| by_start.get(&start)) {
                    let objects = objects.entry(unit.name.clone()).or_default();
                    objects.push(file_of(&key).to_owned());
                }
            }
        }
        Ok(objects
            .into_iter()
            .map(|(unit, objects)| (unit, Held::Objects(objects)))
            .collect())
    }

    /// What is held of a unit's time. A lake cannot be locked: whoever completes first wins, and
    /// the other finds that the object is there.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn claim(&self, unit: &Unit) -> Result<(Option<Held>, Claim), LakeError> {
        let facts = self.list(&stem(unit.dataset.tables().facts, unit)).await?;
        let rejects = self.list(&stem(REJECTS, unit)).await?;
        let objects: Vec<_> = facts.iter().map(|key| file_of(key).to_owned()).collect();
        let held = (!objects.is_empty()).then_some(Held::Objects(objects));
        // The rejects first: while the old facts are there, somebody comes back for the rest.
        let seen = rejects.into_iter().chain(facts).collect();
        let lake = self.clone();
        Ok((held, Claim { lake, seen }))
    }

    /// What to list for all objects of some units: their days, or of a bucket, where each list is a request that brings a
    /// thousand names, months of which there are several days.
    fn prefixes(&self, table: &str, units: &[Unit]) -> Vec<String> {
        let days = days(table, units);
        match &self.store {
            Store::Folder(_) => days,
            Store::S3(_) => months(days),
        }
    }

    fn upload(&self, key: &str) -> Result<Upload, LakeError> {
        Ok(match &self.store {
            Store::Folder(folder) => Upload::Folder(Box::new(folder.upload(key)?)),
            Store::S3(s3) => Upload::S3(Box::new(s3.upload(key))),
        })
    }

    /// An object's bytes, if it is there.
    async fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        match &self.store {
            Store::Folder(folder) => folder.get(key),
            Store::S3(s3) => s3.get(key).await,
        }
    }

    /// Writes a small object, over the one that may be there.
    async fn replace(&self, key: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        match &self.store {
            Store::Folder(folder) => {
                let mut upload = folder.upload(key)?;
                std::io::Write::write_all(&mut upload, &bytes)
                    .map_err(|error| folder.explain(key, error.to_string()))?;
                upload.complete()
            }
            Store::S3(s3) => s3.replace(key, bytes).await,
        }
    }

    /// Removes what a killed worker has left of a stream's objects in a table.
    async fn sweep_stream(&self, table: &str, stream: &str) -> Result<(), LakeError> {
        match &self.store {
            Store::Folder(folder) => folder.sweep_all(table),
            Store::S3(s3) => {
                s3.abort_all(&format!("{table}/"), &format!("/{stream}-"))
                    .await
            }
        }
    }

    fn explain(&self, key: &str, error: &EncodeError) -> LakeError {
        if let EncodeError::Scratch(error) = error {
            return LakeError {
                place: key.to_owned(),
                what: error.what.clone(),
                advice: scratch::ADVICE.to_owned(),
                class: Class::TryAgain,
            };
        }
        let what = crate::failure::chain(error);
        match &self.store {
            Store::Folder(folder) => folder.explain(key, what),
            Store::S3(s3) => s3.place(key, what, "run again", Class::TryAgain),
        }
    }

    /// Removes what killed workers have left: half-written files that nobody is writing, open
    /// uploads of objects that are there.
    ///
    /// # Errors
    /// When the lake cannot be listed.
    pub async fn sweep(&self, dataset: Dataset, units: &[Unit]) -> Result<(), LakeError> {
        for table in [dataset.tables().facts, REJECTS] {
            for prefix in self.prefixes(table, units) {
                match &self.store {
                    Store::Folder(folder) => folder.sweep(&prefix)?,
                    Store::S3(s3) => s3.sweep(&prefix).await?,
                }
            }
        }
        Ok(())
    }
}

/// The objects that a new version of a unit replaces.
#[derive(Debug)]
pub struct Claim {
    lake: Lake,
    /// Those that were there when the unit was claimed; ones that come later are somebody
    /// else's, and newer.
    seen: Vec<String>,
}

impl Claim {
    /// Begins the object of a version.
    ///
    /// # Errors
    /// When it cannot be begun.
    pub fn writer(self, unit: &Unit, mark: &Mark) -> Result<LakeWriter, LakeError> {
        let Self { lake, seen } = self;
        let key = object(unit.dataset.tables().facts, unit, mark);
        let upload = lake.upload(&key)?;
        let encoder = Encoder::start(upload, unit, mark, lake.zstd);
        Ok(LakeWriter {
            lake,
            seen,
            unit: unit.clone(),
            mark: mark.clone(),
            key,
            encoder: Some(encoder),
            upload: None,
        })
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

    /// Aborts it; an upload that failed by itself knows better why.
    async fn give_up(self) -> Option<LakeError> {
        let known = match &self {
            Self::S3(upload) => upload.failure(),
            Self::Folder(_) => None,
        };
        self.abort().await;
        known
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
    seen: Vec<String>,
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
                let Some(upload) = upload else {
                    return Err(self.lake.explain(&self.key, &error));
                };
                let known = upload.give_up().await;
                return Err(known.unwrap_or_else(|| self.lake.explain(&self.key, &error)));
            }
        }
        Ok(())
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
        let rejects = object(REJECTS, &self.unit, &self.mark);
        for key in &self.seen {
            if *key != self.key && *key != rejects {
                self.lake.delete(key).await?;
            }
        }
        Ok(())
    }

    async fn commit_rejects(&self, summary: &Summary) -> Result<(), LakeError> {
        if summary.rejects.is_empty() {
            return Ok(());
        }
        let key = object(REJECTS, &self.unit, &self.mark);
        let rows = summary.rejects.iter().map(|reject| Rejected {
            unit: &self.unit.name,
            line_no: reject.line_no,
            line: &reject.line,
            reason: &reject.reason,
        });
        let upload = self.lake.upload(&key)?;
        let rejects = encode::rejects(upload, self.unit.dataset.name(), rows)
            .map_err(|error| self.lake.explain(&self.key, &error))?;
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

/// The days (`…/dt=2024-08-03/`), and instead of several of a month that month (`…/dt=2024-08-`).
fn months(days: Vec<String>) -> Vec<String> {
    let month = |day: &str| day.get(..day.len() - "03/".len()).map(ToOwned::to_owned);
    let mut prefixes: Vec<String> = Vec::new();
    for day in days {
        match (prefixes.last_mut(), month(&day)) {
            (Some(last), Some(month)) if last.starts_with(&month) => *last = month,
            _ => prefixes.push(day),
        }
    }
    prefixes
}

/// What the names of all objects of a unit's time begin with.
fn stem(table: &str, unit: &Unit) -> String {
    let stem = unit.dataset.stem(&unit.name);
    format!("{table}/dt={}/{stem}", day(unit.ts))
}

fn object(table: &str, unit: &Unit, mark: &Mark) -> String {
    let file = file(&unit.name, mark);
    format!("{table}/dt={}/{file}", day(unit.ts))
}

/// The name of the object of a version.
#[must_use]
pub fn file(unit: &str, mark: &Mark) -> String {
    format!("{unit}-{}.parquet", mark.short())
}

/// An object's name without its folders.
fn file_of(key: &str) -> &str {
    key.rsplit('/').next().unwrap_or(key)
}

/// The unit in an object's name.
fn unit_of(key: &str) -> Option<&str> {
    let (unit, _) = file_of(key).strip_suffix(".parquet")?.rsplit_once('-')?;
    Some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_days_of_a_month_are_listed_at_once() {
        let days = [
            "2024-07-31",
            "2024-08-01",
            "2024-08-02",
            "2024-08-31",
            "2024-09-01",
        ];
        let days = days.map(|day| format!("t/dt={day}/")).to_vec();
        let expected = ["t/dt=2024-07-31/", "t/dt=2024-08-", "t/dt=2024-09-01/"];
        assert_eq!(months(days), expected);
    }

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
        assert_eq!(unit_of(&key), Some("pageviews-20240804-000000"));
        assert_eq!(
            stem("pageviews_hourly", &unit),
            "pageviews_hourly/dt=2024-08-03/pageviews-20240804-00"
        );
    }
}
