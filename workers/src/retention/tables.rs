//! Where the data of each kind of source are.

use wikiingest_crds::{Agent, Source, SourceKind};

use crate::{
    batch::dataset::Dataset,
    sinks::expire::{Pattern, Rejects},
};

/// The archives of a kind of source; none of a stream. Of complete page views all kinds of reader: one that the source
/// reads no longer has data, too.
#[must_use]
pub(super) fn datasets(kind: SourceKind<'_>) -> Vec<Dataset> {
    match kind {
        SourceKind::Pageviews(_) => vec![Dataset::Pageviews],
        SourceKind::PagecountsRaw(_) => vec![Dataset::PagecountsRaw],
        SourceKind::PageviewComplete(_) => [Agent::User, Agent::Spider, Agent::Automated]
            .map(Dataset::PageviewComplete)
            .to_vec(),
        SourceKind::Mediacounts(_) => vec![Dataset::Mediacounts],
        SourceKind::RecentChanges(_) => Vec::new(),
    }
}

/// The tables that an archive feeds, or a stream where there is none, those of the roll-ups, too. The first has the
/// facts, and names the folder in a lake.
#[must_use]
pub fn tables(dataset: Option<Dataset>) -> Vec<&'static str> {
    let Some(dataset) = dataset else {
        return vec!["recent_changes", "recent_changes_minute"];
    };
    let tables = dataset.tables();
    let facts = std::iter::once(tables.facts);
    facts.chain(tables.rollups.iter().copied()).collect()
}

/// How a source's rejected lines are known. Those of files bear the archive's name, and lie in an object named after the
/// file; those of a stream bear the source's own.
pub(super) fn rejects(source: &Source, dataset: Option<Dataset>) -> Rejects {
    let (prefix, then) = match dataset {
        Some(Dataset::Pageviews) => ("pageviews", "-00000000-000000-"),
        Some(Dataset::PagecountsRaw) => ("pagecounts", "-00000000-000000-"),
        Some(Dataset::PageviewComplete(_)) => ("pageviews", "-00000000-a"),
        Some(Dataset::Mediacounts) => ("mediacounts", ".0000"),
        None => (source.name.as_str(), "-00000000T000000000-"),
    };
    let name = dataset.map_or(source.name.as_str(), |dataset| dataset.name());
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
        batch::fetch::Mark,
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

    fn places(source: &Source) -> Vec<Option<Dataset>> {
        let datasets = datasets(source.kind().unwrap());
        if datasets.is_empty() {
            return vec![None];
        }
        datasets.into_iter().map(Some).collect()
    }

    /// Whoever adds a table says here whose it is, or it grows for ever.
    #[test]
    fn every_table_with_a_time_is_some_kinds_or_is_kept() {
        let sources = sources();
        let known: BTreeSet<String> = sources
            .iter()
            .flat_map(places)
            .flat_map(tables)
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
            let rejects = rejects(source, places(source)[0]);
            let fits: Vec<_> = (0..objects.len())
                .filter(|object| rejects.object.fits(&objects[*object]))
                .collect();
            assert_eq!(fits, [nth], "{rejects:?}");
        }
    }
}
