//! Which events a lake's objects hold, for those few that may be held already.

use std::collections::{HashMap, HashSet, VecDeque};

use arrow::array::{Array as _, AsArray as _};
use bytes::Bytes;
use jiff::Timestamp;
use parquet::arrow::{ProjectionMask, arrow_reader::ParquetRecordBatchReaderBuilder};

use super::{Lake, LakeError, TABLE, day, roll::Name};
use crate::{failure::Class, stream::event};

/// Objects whose ids are remembered: those of half an hour, as a rule.
const OBJECTS: usize = 6;

/// The ids in a lake, read when they are asked for.
#[derive(Debug)]
pub(super) struct HeldIds {
    lake: Lake,
    stream: String,
    /// The objects of each day that was asked for, with their times.
    days: HashMap<String, Vec<(String, Name)>>,
    /// The ids of the objects that were asked for last.
    ids: VecDeque<(String, HashSet<u128>)>,
}

impl HeldIds {
    pub(super) fn new(lake: Lake, stream: &str) -> Self {
        Self {
            lake,
            stream: stream.to_owned(),
            days: HashMap::new(),
            ids: VecDeque::new(),
        }
    }

    /// Whether an object holds an event.
    pub(super) async fn contains(&mut self, key: u128, ts: Timestamp) -> Result<bool, LakeError> {
        let day = day(TABLE, ts);
        if !self.days.contains_key(&day) {
            let prefix = format!("{day}{}-", self.stream);
            let objects = self.lake.list(&prefix).await?;
            let named = objects.into_iter().filter_map(|object| {
                let name = Name::parse(&object, &self.stream)?;
                Some((object, name))
            });
            self.days.insert(day.clone(), named.collect());
        }
        let covering: Vec<String> = self
            .days
            .get(&day)
            .into_iter()
            .flatten()
            .filter(|(_, name)| name.covers(ts))
            .map(|(object, _)| object.clone())
            .collect();
        for object in covering {
            if self.ids_of(&object).await?.contains(&key) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An object was added.
    pub(super) fn wrote(&mut self, object: &str) {
        let Some((folder, _)) = object.rsplit_once('/') else {
            return;
        };
        if let Some(objects) = self.days.get_mut(&format!("{folder}/"))
            && let Some(name) = Name::parse(object, &self.stream)
        {
            objects.push((object.to_owned(), name));
        }
    }

    async fn ids_of(&mut self, object: &str) -> Result<&HashSet<u128>, LakeError> {
        let known = self.ids.iter().position(|(known, _)| known == object);
        let at = if let Some(at) = known {
            at
        } else {
            let ids = self.read(object).await?;
            if self.ids.len() == OBJECTS {
                self.ids.pop_front();
            }
            self.ids.push_back((object.to_owned(), ids));
            self.ids.len() - 1
        };
        Ok(&self.ids[at].1)
    }

    async fn read(&self, object: &str) -> Result<HashSet<u128>, LakeError> {
        // Retention may have removed it since it was listed.
        let Some(bytes) = self.lake.get(object).await? else {
            return Ok(HashSet::new());
        };
        tokio::task::block_in_place(|| ids(bytes)).map_err(|error| LakeError {
            place: object.to_owned(),
            what: format!("cannot be read: {error}"),
            advice: "restore it, or remove it".to_owned(),
            class: Class::TryAgain,
        })
    }
}

fn ids(bytes: Bytes) -> parquet::errors::Result<HashSet<u128>> {
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes)?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), ["event_id"]);
    let mut ids = HashSet::new();
    for batch in builder.with_projection(mask).build()? {
        let batch = batch?;
        let column = batch.column(0).as_string::<i32>();
        ids.extend((0..column.len()).map(|row| event::key(column.value(row))));
    }
    Ok(ids)
}
