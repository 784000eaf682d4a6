//! Where the data of each kind of source are.

use wikiingest_crds::{Agent, Kind};

use crate::{
    batch::dataset::Dataset,
    sinks::expire::{Pattern, Rejects},
};

/// The archives of a kind of source; none of a stream. Of complete page views all kinds of reader: one that is read no
/// longer has data, too.
#[must_use]
pub(super) fn datasets(kind: Kind) -> Vec<Dataset> {
    match kind {
        Kind::Pageviews => vec![Dataset::Pageviews],
        Kind::PagecountsRaw => vec![Dataset::PagecountsRaw],
        Kind::PageviewComplete => [Agent::User, Agent::Spider, Agent::Automated]
            .map(Dataset::PageviewComplete)
            .to_vec(),
        Kind::Mediacounts => vec![Dataset::Mediacounts],
        Kind::RecentChanges => Vec::new(),
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

/// How an archive's rejected lines are known: they bear its name, and lie in an object named after the file.
pub(super) fn rejects(dataset: Dataset) -> Rejects {
    let (prefix, then) = match dataset {
        Dataset::Pageviews => ("pageviews", "-00000000-000000-"),
        Dataset::PagecountsRaw => ("pagecounts", "-00000000-000000-"),
        Dataset::PageviewComplete(_) => ("pageviews", "-00000000-a"),
        Dataset::Mediacounts => ("mediacounts", ".0000"),
    };
    Rejects {
        source: dataset.name().to_owned(),
        object: Pattern {
            prefix: prefix.to_owned(),
            then,
        },
    }
}

/// How a stream's rejected lines are known: they bear the source's own name.
pub(super) fn rejects_of_stream(name: &str) -> Rejects {
    Rejects {
        source: name.to_owned(),
        object: Pattern {
            prefix: name.to_owned(),
            then: "-00000000T000000000-",
        },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{
        batch::fetch::Mark,
        sinks::{lake, warehouse::schema},
    };

    fn places(kind: Kind) -> Vec<Option<Dataset>> {
        let datasets = datasets(kind);
        if datasets.is_empty() {
            return vec![None];
        }
        datasets.into_iter().map(Some).collect()
    }

    /// Whoever adds a table says here whose it is, or it grows for ever.
    #[test]
    fn every_table_with_a_time_is_some_kinds_or_is_kept() {
        let known: BTreeSet<String> = Kind::ALL
            .into_iter()
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
        let kinds = [
            Kind::Pageviews,
            Kind::PageviewComplete,
            Kind::PagecountsRaw,
            Kind::Mediacounts,
            Kind::RecentChanges,
        ];
        for (nth, kind) in kinds.into_iter().enumerate() {
            let stream = || rejects_of_stream("pageviews");
            let rejects = places(kind)[0].map_or_else(stream, rejects);
            let fits: Vec<_> = (0..objects.len())
                .filter(|object| rejects.object.fits(&objects[*object]))
                .collect();
            assert_eq!(fits, [nth], "{rejects:?}");
        }
    }
}
