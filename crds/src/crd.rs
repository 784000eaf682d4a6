//! The CRD made of the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;

use crate::WikiIngest;

/// The CRD, as it is installed.
#[must_use]
pub fn crd() -> CustomResourceDefinition {
    WikiIngest::crd()
}
