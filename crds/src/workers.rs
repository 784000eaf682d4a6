//! Settings of the pods that do the work.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ResourceRequirements, Toleration};
use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::LocalSecretRef;

/// Settings of the pods that do the work.
///
/// Few on purpose. Nothing here lets the author of a resource run as a ServiceAccount of their choice, mount a path of
/// the host or gain privilege, since the operator may do more in the namespace than the author may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Workers {
    /// The container image of the workers. Default: the one that the operator was installed with, which is of the same
    /// version. Example: registry.example.org/wikiingest/worker:0.1.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^[A-Za-z0-9][A-Za-z0-9._:/@-]*$")
    )]
    pub image: Option<String>,

    /// When to pull the image: Always, IfNotPresent or Never. Default: IfNotPresent, or Always for the tag latest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<PullPolicy>,

    /// Secrets with the login to the image's registry, in the namespace of this resource.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub image_pull_secrets: Vec<LocalSecretRef>,

    /// What each worker's container asks of its node and may use at most. A batch worker's memory does not grow with the
    /// size of the files. Default: what the operator was installed with.
    /// Example: `{requests: {cpu: 500m, memory: 128Mi}, limits: {memory: 256Mi}}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "resources_schema")]
    pub resources: Option<ResourceRequirements>,

    /// Labels that a node must have for the workers to run on it. Default: none. Example: `{kubernetes.io/arch: arm64}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "labels_schema")]
    pub node_selector: BTreeMap<String, String>,

    /// Taints of nodes that the workers tolerate. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,

    /// Annotations of the workers' own ServiceAccount, which is how clouds give it an identity.
    /// Example: `{eks.amazonaws.com/role-arn: "arn:aws:iam::111122223333:role/wikiingest"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "annotations_schema")]
    #[x_kube(
        validation = Rule::new(NOT_OF_KUBERNETES)
            .message("annotations of Kubernetes itself (kubernetes.io/, k8s.io/) cannot be set here: remove them"),
        validation = Rule::new("self.all(k, size(k) <= 317)")
            .message("the name of an annotation has at most 317 characters, 253 of them before the slash: shorten it"),
    )]
    pub service_account_annotations: BTreeMap<String, String>,
}

/// Its domains and all below them, which what only ends alike is not.
const NOT_OF_KUBERNETES: &str = "self.all(k, !k.startsWith('kubernetes.io/') && !k.startsWith('k8s.io/') \
&& !k.contains('.kubernetes.io/') && !k.contains('.k8s.io/'))";

/// When to pull the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(
    missing_docs,
    reason = "documented variants become a schema that Kubernetes does not take"
)]
pub enum PullPolicy {
    Always,
    IfNotPresent,
    Never,
}

impl PullPolicy {
    /// The policy as Kubernetes writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Always => "Always",
            Self::IfNotPresent => "IfNotPresent",
            Self::Never => "Never",
        }
    }
}

fn labels_schema(_: &mut SchemaGenerator) -> Schema {
    texts_schema(32, 63)
}

fn annotations_schema(_: &mut SchemaGenerator) -> Schema {
    texts_schema(16, 1024)
}

fn texts_schema(entries: u32, characters: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": entries,
        "additionalProperties": { "type": "string", "maxLength": characters },
    })
}

/// Kubernetes' own type without `claims`, which refers to parts of a pod that cannot be set here.
fn resources_schema(_: &mut SchemaGenerator) -> Schema {
    let quantities = |description: &str| {
        json_schema!({
            "type": "object",
            "description": description,
            "nullable": true,
            "maxProperties": 16,
            "additionalProperties": {
                "maxLength": 32,
                "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$",
                "x-kubernetes-int-or-string": true,
            },
        })
    };
    json_schema!({
        "type": "object",
        "nullable": true,
        "properties": {
            "requests": quantities("What is set aside for the container on its node. Example: {cpu: 500m, memory: 128Mi}."),
            "limits": quantities("What the container may use at most. Example: {memory: 256Mi}."),
        },
    })
}
