//! Resources of which nothing is started.

use kube::ResourceExt as _;
use wikiingest_crds::{WikiIngest, names::PAUSED};

/// Why nothing of a resource is started now, and how it goes on.
pub(crate) fn why(ingest: &WikiIngest) -> Option<String> {
    let name = ingest.name_any();
    if ingest.spec.suspend {
        return Some(format!(
            "{name} is suspended, and nothing is started meanwhile: `wikiingest resume {name}` goes on"
        ));
    }
    is_left_alone(ingest).then(|| {
        format!(
            "the operator leaves {name} alone, and starts nothing meanwhile: `wikiingest resume {name} --operator` goes on"
        )
    })
}

/// Whether the operator is to keep its hands off.
pub(crate) fn is_left_alone(ingest: &WikiIngest) -> bool {
    ingest.annotations().get(PAUSED).map(String::as_str) == Some("true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::ingest;

    #[test]
    fn what_is_not_started_says_how_it_goes_on() {
        assert_eq!(why(&ingest()), None);
        let mut paused = ingest();
        let annotations = paused.annotations_mut();
        annotations.insert(PAUSED.to_owned(), "true".to_owned());
        let text = why(&paused).unwrap();
        assert!(
            text.contains("`wikiingest resume wikimedia --operator`"),
            "{text}"
        );
        let mut suspended = ingest();
        suspended.spec.suspend = true;
        let text = why(&suspended).unwrap();
        assert!(
            text.contains("`wikiingest resume wikimedia` goes on"),
            "{text}"
        );
    }
}
