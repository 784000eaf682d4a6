//! What passes between the operator and a worker.
//!
//! In: a [`WorkerConfig`] as a JSON file, without secrets, and the secrets in environment variables ([`secret_env`]).
//! Out: an [`ExitCode`] and a [`Report`]; of a stream worker, which does not end, a [`StreamReport`] over HTTP. A run that
//! deletes what is too old has an [`ExpireConfig`] and an [`ExpireReport`] instead.

mod config;
mod exit;
mod expire;
mod report;
mod resolve;
mod secrets;
mod stream;

pub use config::{InvalidWindow, Limits, Window, WorkerConfig};
pub use exit::ExitCode;
pub use expire::{ExpireConfig, ExpireReport, FailedTerm, Term};
pub use report::{FailedUnit, REPORT_LIMIT, Report, ReportWindow};
pub use resolve::{ResolveError, resolve, resolve_stream};
pub use secrets::{SecretKey, SecretVar, secret_env, secret_vars};
pub use stream::{StreamConfig, StreamLimits, StreamReport};
