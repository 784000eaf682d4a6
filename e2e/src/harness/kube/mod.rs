//! The test cluster as the suites use it: namespaces of their own, servers as pods, and the same views of the stores as
//! the other suites have, through forwarded ports.

mod forward;
mod kstatus;
mod operator;
mod operator_world;
mod servers;
mod worker;

pub use crate::cluster::client::{Chart, Cluster, Helm, Kubectl, Namespace, Writes, crd};
pub use forward::Forward;
pub use kstatus::{Answer, agrees, kstatus, meaning};
pub use operator::{OPERATOR, OPERATOR_PODS, operator_values};
pub use operator_world::OperatorWorld;
pub use servers::{Content, MariaDbPod, ReplayPod, S3Pod};
pub use worker::{PodRun, restricted};
