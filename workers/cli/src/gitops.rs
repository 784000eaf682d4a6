//! Resources that are kept as git has them: whatever is changed here is changed back.

use kube::ResourceExt as _;
use wikiingest_crds::WikiIngest;

use crate::error::Error;

/// The label or annotation that tells, who it is, and what the value is the name of.
const KEEPERS: [(&str, &str, &str); 3] = [
    ("argocd.argoproj.io/tracking-id", "Argo CD", "application"),
    ("kustomize.toolkit.fluxcd.io/name", "Flux", "Kustomization"),
    ("helm.toolkit.fluxcd.io/name", "Flux", "HelmRelease"),
];

/// What client-side `kubectl apply` leaves on a resource.
const APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Lets nobody change a field that would be changed back, unless that is what they want.
pub(crate) fn guard(ingest: &WikiIngest, field: &'static str, force: bool) -> Result<(), Error> {
    match keeper(ingest) {
        Some(keeper) if !force => Err(Error::Gitops {
            name: ingest.name_any(),
            keeper,
            field,
        }),
        _ => Ok(()),
    }
}

/// Whether the next `kubectl apply` of a file takes out of lists what the file does not have.
pub(crate) fn is_applied_from_a_file(ingest: &WikiIngest) -> bool {
    ingest.annotations().contains_key(APPLIED)
}

fn keeper(ingest: &WikiIngest) -> Option<String> {
    KEEPERS.iter().find_map(|(key, who, what)| {
        let value = ingest.annotations().get(*key);
        let value = value.or_else(|| ingest.labels().get(*key))?;
        // Argo CD's has the object after a colon.
        let name = value.split(':').next().unwrap_or_default();
        Some(format!("{who} ({what} {name})"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::ingest;

    fn told(what: &str, key: &str, value: &str) -> Option<String> {
        let mut ingest = ingest();
        let map = [(key.to_owned(), value.to_owned())].into();
        if what == "labels" {
            ingest.metadata.labels = Some(map);
        } else {
            ingest.metadata.annotations = Some(map);
        }
        guard(&ingest, "spec.suspend", true).unwrap();
        let guarded = guard(&ingest, "spec.suspend", false);
        guarded.err().map(|error| error.to_string())
    }

    #[test]
    fn who_keeps_a_resource_is_told_and_where_to_change_it() {
        for (what, key, value, keeper) in [
            (
                "annotations",
                "argocd.argoproj.io/tracking-id",
                "data:wikiingest.dev/WikiIngest:default/wikimedia",
                "Argo CD (application data)",
            ),
            (
                "labels",
                "kustomize.toolkit.fluxcd.io/name",
                "data",
                "Flux (Kustomization data)",
            ),
            (
                "labels",
                "helm.toolkit.fluxcd.io/name",
                "data",
                "Flux (HelmRelease data)",
            ),
        ] {
            let text = told(what, key, value).unwrap();
            assert!(
                text.contains(&format!("by {keeper}: change spec.suspend in the file")),
                "{text}"
            );
            assert!(text.contains("--force"), "{text}");
        }
        assert_eq!(told("labels", "team", "data"), None);
    }

    #[test]
    fn a_file_that_was_applied_is_known_by_its_trace() {
        let mut ingest = ingest();
        assert!(!is_applied_from_a_file(&ingest));
        let traces = json!({(APPLIED): "{}"});
        ingest.metadata.annotations = serde_json::from_value(traces).unwrap();
        assert!(is_applied_from_a_file(&ingest));
    }
}
