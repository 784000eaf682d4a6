//! Which of a resource's sources and sinks this program can use.

use wikiingest_crds::{Sink, Source, SourceKind, WikiIngestSpec};

/// The sources that can be loaded here, in the order of the resource.
pub(super) fn sources(spec: &WikiIngestSpec) -> Vec<&Source> {
    spec.sources
        .iter()
        .filter(|source| is_loaded(source))
        .collect()
}

/// The sinks that those sources feed, in the order of the resource.
pub(super) fn sinks(spec: &WikiIngestSpec) -> Vec<&Sink> {
    let fed = sources(spec);
    let is_fed = |sink: &&Sink| fed.iter().any(|source| source.sinks.contains(&sink.name));
    spec.sinks.iter().filter(is_fed).collect()
}

/// The other sources, in words; none when there are none.
pub(super) fn left_out(spec: &WikiIngestSpec) -> Option<String> {
    let others: Vec<String> = spec
        .sources
        .iter()
        .filter(|source| !is_loaded(source))
        .map(|source| {
            let kind = source.kind().map_or("no kind", SourceKind::name);
            format!("{} ({kind})", source.name)
        })
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "Left out: {}. This version loads pageviews and pagecountsRaw.",
            others.join(", ")
        )
    })
}

fn is_loaded(source: &Source) -> bool {
    matches!(
        source.kind(),
        Some(SourceKind::Pageviews(_) | SourceKind::PagecountsRaw(_))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> WikiIngestSpec {
        serde_json::from_value(serde_json::json!({
            "contact": "https://example.org/bot",
            "sinks": [
                { "name": "warehouse", "sqlite": { "path": "w.db" } },
                { "name": "lake", "folder": { "path": "lake" } },
                { "name": "changes", "folder": { "path": "changes" } },
            ],
            "sources": [
                { "name": "edits", "recentChanges": {}, "sinks": ["changes"] },
                { "name": "views", "pageviews": {}, "sinks": ["lake"] },
                { "name": "archive", "pagecountsRaw": {}, "sinks": ["lake", "warehouse"] },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn what_can_be_loaded_is_and_the_rest_is_named() {
        let spec = spec();
        let names: Vec<_> = sources(&spec)
            .iter()
            .map(|source| source.name.as_str())
            .collect();
        assert_eq!(names, ["views", "archive"]);
        assert!(
            left_out(&spec)
                .unwrap()
                .starts_with("Left out: edits (recentChanges). ")
        );
    }

    #[test]
    fn only_sinks_that_are_fed_are_touched() {
        let spec = spec();
        let names: Vec<_> = sinks(&spec).iter().map(|sink| sink.name.as_str()).collect();
        assert_eq!(names, ["warehouse", "lake"]);
    }
}
