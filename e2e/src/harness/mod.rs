//! What the suites share: a folder laid out like the dumps host, a worker run as the operator would run it, and the
//! warehouse and the lake as someone else sees them.
//!
//! Nothing here is the product's own code: configurations are JSON, MariaDB is asked through its client, SQLite and
//! Parquet through Python, S3 through the AWS SDK. A suite that fails says what was wrong by panicking.

#![allow(
    clippy::missing_panics_doc,
    reason = "panicking is how a test says that something is wrong"
)]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "panicking is how a test says that something is wrong"
)]

pub mod athena;
pub mod between;
pub mod changes;
pub mod config;
pub mod doctor;
pub mod dump;
pub mod env;
pub mod format;
#[cfg(feature = "cluster")]
pub mod gitops;
#[cfg(feature = "cluster")]
pub mod kube;
pub mod lake;
pub mod tally;
pub mod warehouse;
pub mod worker;
pub mod world;

pub use athena::Athena;
pub use config::Config;
pub use dump::{Dump, Hour};
pub use env::Env;
pub use lake::Lake;
pub use tally::Tally;
pub use warehouse::Warehouse;
pub use worker::Run;
pub use world::World;
