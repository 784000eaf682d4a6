//! Where the data of each kind of source are.

use wikiingest_crds::{Source, SourceKind};

use crate::sinks::expire::{Pattern, Rejects};

/// The tables that a kind of source feeds, those of its roll-ups, too. The first has the facts, and names the folder in a
/// lake. None for a kind that is not loaded yet.
#[must_use]
pub fn tables(kind: SourceKind<'_>) -> Vec<&'static str> {
    match kind {
        SourceKind::Pageviews(_) => vec![
            "pageviews_hourly",
            "pageviews_project_hourly",
            "pageviews_top_hourly",
        ],
        SourceKind::PagecountsRaw(_) => vec![
            "pagecounts_hourly",
            "pagecounts_project_hourly",
            "pagecounts_top_hourly",
        ],
        SourceKind::RecentChanges(_) => vec!["recent_changes", "recent_changes_minute"],
        SourceKind::PageviewComplete(_) | SourceKind::Mediacounts(_) => Vec::new(),
    }
}

/// How a source's rejected lines are known. Those of files bear the kind's name, and lie in an object named after the
/// file; those of a stream bear the source's own.
pub(super) fn rejects(source: &Source, kind: SourceKind<'_>) -> Rejects {
    let (prefix, then) = match kind {
        SourceKind::Pageviews(_) => ("pageviews", "-00000000-000000-"),
        SourceKind::PagecountsRaw(_) => ("pagecounts", "-00000000-000000-"),
        SourceKind::PageviewComplete(_) => ("pageviews", "-00000000-a"),
        SourceKind::Mediacounts(_) => ("mediacounts", ".0000"),
        SourceKind::RecentChanges(_) => (source.name.as_str(), "-00000000T000000000-"),
    };
    let name = if kind.is_stream() {
        source.name.as_str()
    } else {
        kind.name()
    };
    Rejects {
        source: name.to_owned(),
        object: Pattern {
            prefix: prefix.to_owned(),
            then,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;
    use crate::{
        batch::{dataset::Dataset, fetch::Mark},
        sinks::{lake, warehouse::schema},
    };

    fn sources() -> Vec<Source> {
        let kinds = [
            "pageviews",
            "pageviewComplete",
            "pagecountsRaw",
            "mediacounts",
            "recentChanges",
        ];
        let source = |kind: &str| json!({"name": "pageviews", kind: {}, "sinks": []});
        let sources = kinds.map(|kind| serde_json::from_value(source(kind)).unwrap());
        sources.into()
    }

    /// Whoever adds a table says here whose it is, or it grows for ever.
    #[test]
    fn every_table_with_a_time_is_some_kinds_or_is_kept() {
        let sources = sources();
        let known: BTreeSet<String> = sources
            .iter()
            .flat_map(|source| tables(source.kind().unwrap()))
            // The ledger is kept, and rejects go with what they were rejected from.
            .chain(["ingest_ledger", "ingest_rejects"])
            .map(ToOwned::to_owned)
            .collect();
        let statements = schema::MYSQL.iter().flat_map(schema::Migration::statements);
        let with_time: BTreeSet<String> = statements
            .filter(|statement| statement.contains("\n  ts DATETIME"))
            .filter_map(|statement| {
                let (_, rest) = statement.split_once("TABLE IF NOT EXISTS ")?;
                Some(rest.split_whitespace().next()?.to_owned())
            })
            .collect();
        assert_eq!(known, with_time);
    }

    #[test]
    fn the_first_table_is_where_the_facts_go() {
        for (dataset, kind) in [(Dataset::Pageviews, 0), (Dataset::PagecountsRaw, 2)] {
            let sources = sources();
            let tables = tables(sources[kind].kind().unwrap());
            assert_eq!(tables[0], dataset.tables().facts);
        }
    }

    #[test]
    fn each_kinds_rejects_are_told_from_all_others() {
        let mark = Mark {
            size: 1,
            etag: "\"x\"".to_owned(),
        };
        let objects = [
            lake::file("pageviews-20240804-000000", &mark),
            lake::file("pageviews-20240803-user", &mark),
            lake::file("pagecounts-20081105-000001", &mark),
            lake::file("mediacounts.2024-08-03.v00", &mark),
            // A stream that is called like a file.
            "pageviews-20261123T101500000-0a1b2c3d.parquet".to_owned(),
        ];
        for (nth, source) in sources().iter().enumerate() {
            let rejects = rejects(source, source.kind().unwrap());
            let fits: Vec<_> = (0..objects.len())
                .filter(|object| rejects.object.fits(&objects[*object]))
                .collect();
            assert_eq!(fits, [nth], "{rejects:?}");
        }
    }
}
