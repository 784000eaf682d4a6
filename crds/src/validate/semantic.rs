//! The checks that neither a schema nor CEL can make.

use super::{Problem, Target};
use crate::{SinkKind, WikiIngestSpec};

/// What is wrong with a spec that the schema and its CEL rules let pass.
#[must_use]
pub fn semantic(spec: &WikiIngestSpec, target: Target) -> Vec<Problem> {
    let mut problems = Vec::new();
    if target == Target::Cluster {
        refuse_embedded(spec, &mut problems);
    }
    problems
}

/// A pod has no disk that outlives it, so what an embedded sink holds would be lost with the pod.
fn refuse_embedded(spec: &WikiIngestSpec, problems: &mut Vec<Problem>) {
    for (index, sink) in spec.sinks.iter().enumerate() {
        let (kind, instead) = match sink.kind() {
            Some(SinkKind::Sqlite(_)) => ("sqlite", "singleStore"),
            Some(SinkKind::Folder(_)) => ("folder", "s3"),
            _ => continue,
        };
        problems.push(Problem {
            path: format!("spec.sinks[{index}].{kind}"),
            message: format!(
                "a {kind} sink is for \"wikiingest local\" only, since files in a pod are lost with it: use a {instead} sink on a cluster"
            ),
        });
    }
}
