//! Where rows land. A sink takes a unit in three steps, so that a unit is there once however
//! often it is tried, by however many workers, and wherever they are killed:
//!
//! 1. [`Sink::claim`] keeps others from loading the unit (where the store can), and tells which
//!    version is held.
//! 2. [`Claim::open`] begins to write a version; [`Writer::write`] takes the batches. Nobody
//!    sees them yet.
//! 3. [`Writer::commit`] makes the unit visible at once, and removes what it replaces.
//!
//! Whatever ends before the commit leaves what was held before.

pub mod changes;
pub mod expire;
pub mod lake;
mod migrate;
pub mod warehouse;

pub use migrate::migrate;

use std::{collections::HashMap, sync::Arc};

use tokio::sync::mpsc::Receiver;
use wikiingest_crds::{Sink as SinkSpec, SinkKind};

use self::{
    lake::{Lake, LakeError},
    warehouse::{WarehouseError, mysql, sqlite},
};
use crate::{
    batch::{dataset::Dataset, fetch::Mark, list::Unit},
    failure::{Class, Classify},
    rows::{Batch, Summary},
};

/// A sink failed.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// A database.
    #[error("sink {name}: {source}")]
    Warehouse {
        /// The sink's name.
        name: String,
        /// What happened.
        source: WarehouseError,
    },
    /// A lake.
    #[error("sink {name}: {source}")]
    Lake {
        /// The sink's name.
        name: String,
        /// What happened.
        source: LakeError,
    },
    /// Two sinks that are one.
    #[error("sinks {name} and {other} are the same place, {place}: leave one out")]
    Twice {
        /// One of them.
        name: String,
        /// The other.
        other: String,
        /// Where both lead.
        place: String,
    },
    /// A sink without a kind, or with several.
    #[error("sink {name}: must have exactly one kind, of singleStore, s3, sqlite, folder")]
    NoKind {
        /// The sink's name.
        name: String,
    },
}

impl Classify for SinkError {
    fn class(&self) -> Class {
        match self {
            Self::Warehouse { source, .. } => source.class(),
            Self::Lake { source, .. } => source.class(),
            Self::NoKind { .. } | Self::Twice { .. } => Class::BadConfig,
        }
    }
}

/// A place where units are kept.
#[derive(Debug)]
pub struct Sink {
    /// Its name in the custom resource.
    pub name: String,
    store: Store,
}

#[derive(Debug)]
enum Store {
    Mysql(mysql::Mysql),
    Sqlite(sqlite::Sqlite),
    Lake(Lake),
}

impl Sink {
    /// Connects.
    ///
    /// # Errors
    /// When the sink is down, refuses, or its settings are wrong.
    pub async fn open(spec: &SinkSpec) -> Result<Self, SinkError> {
        let name = spec.name.clone();
        let store = match spec.kind() {
            None => return Err(SinkError::NoKind { name }),
            Some(SinkKind::SingleStore(sink)) => mysql::Mysql::open(&name, sink)
                .await
                .map(Store::Mysql)
                .map_err(warehouse_error(&name))?,
            Some(SinkKind::Sqlite(sink)) => sqlite::Sqlite::open(&sink.path)
                .await
                .map(Store::Sqlite)
                .map_err(warehouse_error(&name))?,
            Some(SinkKind::S3(sink)) => Lake::s3(&name, sink)
                .await
                .map(Store::Lake)
                .map_err(lake_error(&name))?,
            Some(SinkKind::Folder(sink)) => Lake::folder(sink)
                .map(Store::Lake)
                .map_err(lake_error(&name))?,
        };
        Ok(Self { name, store })
    }

    /// Connects to several.
    ///
    /// They come in the same order for every worker, whatever order they are named in, so that
    /// two workers cannot wait for each other.
    ///
    /// # Errors
    /// As [`Sink::open`], and when two of them are the same place.
    pub async fn open_all(specs: &[SinkSpec]) -> Result<Vec<Self>, SinkError> {
        let mut sinks: Vec<Self> = Vec::new();
        for spec in specs {
            sinks.push(Self::open(spec).await?);
        }
        sinks.sort_by_key(Self::place);
        for pair in sinks.windows(2) {
            if pair[0].place() == pair[1].place() {
                return Err(SinkError::Twice {
                    name: pair[0].name.clone(),
                    other: pair[1].name.clone(),
                    place: pair[0].place(),
                });
            }
        }
        Ok(sinks)
    }

    /// Where it leads, however that was spelled.
    fn place(&self) -> String {
        match &self.store {
            Store::Mysql(store) => store.place(),
            Store::Sqlite(store) => store.place(),
            Store::Lake(lake) => lake.place(),
        }
    }

    /// Whether it keeps roll-ups beside the facts.
    #[must_use]
    pub fn wants_rollups(&self) -> bool {
        !matches!(self.store, Store::Lake(_))
    }

    /// Brings a database to the current schema; a lake has none.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn migrate(&self) -> Result<Vec<&'static str>, SinkError> {
        match &self.store {
            Store::Mysql(store) => store.migrate().await,
            Store::Sqlite(store) => store.migrate().await,
            Store::Lake(_) => return Ok(Vec::new()),
        }
        .map_err(warehouse_error(&self.name))
    }

    /// The units of the list that are held, and in which version.
    ///
    /// # Errors
    /// When the sink does not answer.
    pub async fn held(
        &self,
        dataset: Dataset,
        units: &[Unit],
    ) -> Result<HashMap<String, Held>, SinkError> {
        match &self.store {
            Store::Mysql(store) => store
                .held(dataset, units)
                .await
                .map_err(warehouse_error(&self.name)),
            Store::Sqlite(store) => store
                .held(dataset, units)
                .await
                .map_err(warehouse_error(&self.name)),
            Store::Lake(lake) => lake
                .held(dataset, units)
                .await
                .map_err(lake_error(&self.name)),
        }
    }

    /// Begins to load a unit.
    ///
    /// # Errors
    /// When the sink does not answer.
    pub async fn claim(&self, unit: &Unit) -> Result<Claim, SinkError> {
        let (held, claimed) = match &self.store {
            Store::Mysql(store) => {
                let (held, claim) = store
                    .claim(unit)
                    .await
                    .map_err(warehouse_error(&self.name))?;
                (held, Claimed::Mysql(Box::new(claim)))
            }
            Store::Sqlite(store) => {
                let (held, claim) = store
                    .claim(unit)
                    .await
                    .map_err(warehouse_error(&self.name))?;
                (held, Claimed::Sqlite(Box::new(claim)))
            }
            Store::Lake(lake) => {
                let (held, claim) = lake.claim(unit).await.map_err(lake_error(&self.name))?;
                (held, Claimed::Lake(claim))
            }
        };
        Ok(Claim {
            sink: self.name.clone(),
            unit: unit.clone(),
            held,
            claimed,
        })
    }

    /// Removes what killed workers have left of units that are loaded.
    ///
    /// # Errors
    /// When the sink does not answer.
    pub async fn sweep(&self, dataset: Dataset, units: &[Unit]) -> Result<(), SinkError> {
        match &self.store {
            Store::Lake(lake) => lake
                .sweep(dataset, units)
                .await
                .map_err(lake_error(&self.name)),
            _ => Ok(()),
        }
    }
}

fn warehouse_error(name: &str) -> impl FnOnce(WarehouseError) -> SinkError + use<> {
    let name = name.to_owned();
    move |source| SinkError::Warehouse { name, source }
}

fn lake_error(name: &str) -> impl FnOnce(LakeError) -> SinkError + use<> {
    let name = name.to_owned();
    move |source| SinkError::Lake { name, source }
}

/// What a sink holds of a unit's hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// The version in the ledger.
    Exactly(Mark),
    /// The objects in a lake, whose names tell unit and version; several when a worker was
    /// killed between writing a new one and removing the old.
    Objects(Vec<String>),
}

impl Held {
    /// Whether it is this version of the unit and nothing else.
    #[must_use]
    pub fn is(&self, unit: &Unit, mark: &Mark) -> bool {
        match self {
            Self::Exactly(held) => held == mark,
            Self::Objects(held) => {
                matches!(held.as_slice(), [one] if *one == lake::file(&unit.name, mark))
            }
        }
    }
}

/// A unit that is ours to load.
#[derive(Debug)]
pub struct Claim {
    /// The sink's name.
    pub sink: String,
    unit: Unit,
    /// What the sink holds of it now.
    pub held: Option<Held>,
    claimed: Claimed,
}

#[derive(Debug)]
enum Claimed {
    Mysql(Box<mysql::Claim>),
    Sqlite(Box<sqlite::Claim>),
    Lake(lake::Claim),
}

impl Claim {
    /// Begins to write a version of the unit.
    ///
    /// # Errors
    /// When the sink does not answer.
    pub fn open(self, mark: &Mark) -> Result<Writer, SinkError> {
        let Self {
            sink,
            unit,
            claimed,
            ..
        } = self;
        let opened = match claimed {
            Claimed::Mysql(claim) => Opened::Mysql(claim),
            Claimed::Sqlite(claim) => Opened::Sqlite(claim),
            Claimed::Lake(claim) => {
                let writer = claim.writer(&unit, mark).map_err(lake_error(&sink))?;
                Opened::Lake(Box::new(writer))
            }
        };
        Ok(Writer {
            sink,
            unit,
            mark: mark.clone(),
            opened,
        })
    }
}

/// A unit on its way into a sink.
#[derive(Debug)]
pub struct Writer {
    /// The sink's name.
    pub sink: String,
    unit: Unit,
    mark: Mark,
    opened: Opened,
}

#[derive(Debug)]
enum Opened {
    Mysql(Box<mysql::Claim>),
    Sqlite(Box<sqlite::Claim>),
    Lake(Box<lake::LakeWriter>),
}

impl Writer {
    /// Writes batches until the queue closes.
    ///
    /// # Errors
    /// When the sink fails; what was written is undone when the writer is dropped.
    pub async fn write(&mut self, batches: Receiver<Arc<Batch>>) -> Result<(), SinkError> {
        match &mut self.opened {
            Opened::Mysql(claim) => claim
                .write(&self.unit, batches)
                .await
                .map_err(warehouse_error(&self.sink)),
            Opened::Sqlite(claim) => claim
                .write(&self.unit, batches)
                .await
                .map_err(warehouse_error(&self.sink)),
            Opened::Lake(writer) => writer.write(batches).await.map_err(lake_error(&self.sink)),
        }
    }

    /// Whether the sink has the table that tells which units have landed.
    #[must_use]
    pub fn has_ledger(&self) -> bool {
        !matches!(self.opened, Opened::Lake(_))
    }

    /// Makes the unit visible.
    ///
    /// # Errors
    /// When the sink fails; the unit is then as it was before.
    pub async fn commit(self, summary: &Summary) -> Result<(), SinkError> {
        let Self {
            sink,
            unit,
            mark,
            opened,
        } = self;
        match opened {
            Opened::Mysql(claim) => claim
                .commit(&unit, &mark, summary)
                .await
                .map_err(warehouse_error(&sink)),
            Opened::Sqlite(claim) => claim
                .commit(&unit, &mark, summary)
                .await
                .map_err(warehouse_error(&sink)),
            Opened::Lake(writer) => writer.commit(summary).await.map_err(lake_error(&sink)),
        }
    }
    /// Undoes what was written. A database does so by itself when its connection goes; so does a
    /// folder when its file does.
    pub async fn abort(self) {
        if let Opened::Lake(writer) = self.opened {
            writer.abort().await;
        }
    }
}
