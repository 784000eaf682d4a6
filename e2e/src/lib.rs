//! The machinery of wikiingest's end-to-end tests: real servers on loopback, inputs like the real ones, and a runner.
//!
//! `cargo e2e --help` is the way in. The suites themselves are in `tests/`, one file a promise of the product.

mod athena;
pub mod bench;
pub mod binaries;
pub mod cli;
pub mod cluster;
pub mod error;
#[cfg(feature = "servers")]
pub mod harness;
pub mod http;
pub mod install;
pub mod jars;
pub mod process;
mod readme;
mod say;
pub mod scratch;
pub mod servers;
mod steps;

pub use error::{Error, Result};
