//! What there is to do with a resource's sources and sinks.

use wikiingest_crds::{Sink, SinkKind, Source, SourceKind, WikiIngestSpec};

/// What there is to do, in the order of the resource.
#[derive(Debug)]
pub(super) struct Plan<'a> {
    /// The sources whose files are loaded.
    pub(super) files: Vec<&'a Source>,
    /// The sources that are read all the time.
    pub(super) streams: Vec<&'a Source>,
    /// All sinks, those that nothing here feeds, too.
    sinks: &'a [Sink],
}

impl<'a> Plan<'a> {
    /// All of a resource.
    pub(super) fn new(spec: &'a WikiIngestSpec) -> Self {
        let sources = |wanted: fn(&Source) -> bool| {
            let sources = spec.sources.iter().filter(move |source| wanted(source));
            sources.collect()
        };
        Self {
            files: sources(has_files),
            streams: sources(is_stream),
            sinks: &spec.sinks,
        }
    }

    /// The sinks that those sources feed.
    pub(super) fn sinks(&self) -> Vec<&'a Sink> {
        let is_fed = |sink: &&Sink| self.feeds(sink);
        self.sinks.iter().filter(is_fed).collect()
    }

    /// The same, and those that old data are deleted from.
    pub(super) fn touched(&self) -> Vec<&'a Sink> {
        let is_touched = |sink: &&Sink| {
            let retention = sink.kind().and_then(SinkKind::retention);
            self.feeds(sink) || retention.is_some()
        };
        self.sinks.iter().filter(is_touched).collect()
    }

    fn feeds(&self, sink: &Sink) -> bool {
        let mut sources = self.files.iter().chain(&self.streams);
        sources.any(|source| source.sinks.contains(&sink.name))
    }
}

/// Sources by their names and kinds, in words.
pub(super) fn named<'a>(sources: impl IntoIterator<Item = &'a Source>) -> String {
    let names = sources.into_iter().map(|source| {
        let kind = source.kind().map_or("no kind", SourceKind::name);
        format!("{} ({kind})", source.name)
    });
    names.collect::<Vec<_>>().join(", ")
}

fn has_files(source: &Source) -> bool {
    source.kind().is_some_and(|kind| !kind.is_stream())
}

fn is_stream(source: &Source) -> bool {
    source.kind().is_some_and(SourceKind::is_stream)
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
                { "name": "media", "folder": { "path": "media" } },
            ],
            "sources": [
                { "name": "edits", "recentChanges": {}, "sinks": ["changes"] },
                { "name": "views", "pageviews": {}, "sinks": ["lake"] },
                { "name": "images", "mediacounts": {}, "sinks": ["media"] },
                { "name": "archive", "pagecountsRaw": {}, "sinks": ["lake", "warehouse"] },
            ],
        }))
        .unwrap()
    }

    #[test]
    fn files_and_streams_are_told_apart() {
        let spec = spec();
        let plan = Plan::new(&spec);
        assert_eq!(
            named(plan.files.iter().copied()),
            "views (pageviews), images (mediacounts), archive (pagecountsRaw)"
        );
        assert_eq!(named(plan.streams.iter().copied()), "edits (recentChanges)");
    }

    #[test]
    fn only_sinks_that_are_fed_are_touched() {
        let spec = spec();
        let names = |plan: &Plan<'_>| -> Vec<String> {
            let sinks = plan.sinks().into_iter();
            sinks.map(|sink| sink.name.clone()).collect()
        };
        let mut plan = Plan::new(&spec);
        assert_eq!(names(&plan), ["warehouse", "lake", "changes", "media"]);
        plan.streams.clear();
        assert_eq!(names(&plan), ["warehouse", "lake", "media"]);
    }

    #[test]
    fn a_sink_that_nothing_feeds_is_touched_to_delete_from_it() {
        let mut spec = spec();
        let retention = serde_json::json!({"mediacounts": "30d"});
        let changes = spec.sinks[2].folder.as_mut().unwrap();
        changes.retention = serde_json::from_value(retention).unwrap();
        spec.sources.truncate(2);
        spec.sources.remove(0);
        let plan = Plan::new(&spec);
        let touched = plan.touched();
        let names: Vec<_> = touched.iter().map(|sink| sink.name.as_str()).collect();
        assert_eq!(names, ["lake", "changes"]);
    }
}
