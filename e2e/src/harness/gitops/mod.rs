//! What stands between git and the cluster: a fork of the repository on loopback, and the real controllers of Argo CD and
//! Flux, as processes beside the cluster that have its administrator's credentials.
//!
//! helm-controller, Flux's other half, is not to be had as a Go module; [`flux::Flux::helm_releases`] stands in for it.

pub mod argocd;
mod clean;
pub mod example;
pub mod flux;
mod process;
mod repository;
mod serve;
mod silence;
mod timeline;

pub use argocd::ArgoCd;
pub use clean::Clean;
pub use flux::Flux;
pub use repository::{Archive, Repository};
pub use silence::Silence;
pub use timeline::Timeline;
