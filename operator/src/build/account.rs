//! What the workers run as: an identity for clouds, and no rights here.

use serde_json::json;

use super::{Child, Context, Kind};
use crate::names;

pub(super) fn account(context: &Context<'_>) -> Child {
    let annotations = context
        .ingest
        .spec
        .workers
        .as_ref()
        .map(|workers| &workers.service_account_annotations);
    let mut body = json!({"automountServiceAccountToken": false});
    if let Some(annotations) = annotations.filter(|annotations| !annotations.is_empty()) {
        body["metadata"] = json!({"annotations": annotations});
    }
    context.child(
        Kind::ServiceAccount,
        names::of_ingest(context.ingest.name),
        &names::labels(context.ingest.name, None),
        body,
    )
}
