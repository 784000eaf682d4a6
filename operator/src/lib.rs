//! The operator: from a `WikiIngest` to the workers that do what it says, and back to its status.
//!
//! A reconcile is one pipeline: dereference (what is there) → [`validate`] → [`build`] (what has to be there) → apply →
//! status. The steps in the middle are pure; only the ends talk to the API server.

pub mod admission;
pub mod apply;
pub mod build;
pub mod cache;
pub mod check;
pub mod controller;
pub mod crd;
pub mod dereference;
pub mod error;
pub mod events;
pub mod host_limit;
pub mod leader;
pub mod metrics;
pub mod names;
pub mod readiness;
pub mod scrape;
pub mod serve;
pub mod settings;
pub mod status;
pub mod validate;
pub mod watch;
