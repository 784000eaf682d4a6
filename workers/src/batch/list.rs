//! From index pages to units of work. Names are read from the host's own listing and never
//! guessed: page counts have stray seconds, and hours are missing.

use std::{collections::BTreeMap, sync::LazyLock};

use jiff::{Timestamp, tz::TimeZone};
use regex::Regex;

use super::{
    dataset::Dataset,
    fetch::{Fetch, FetchError},
};

/// A dump file, the unit that is loaded once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// The archive it belongs to.
    pub dataset: Dataset,
    /// The file's name without its ending: `pageviews-20240803-060000`.
    pub name: String,
    /// The start of the hour or day that it covers.
    pub ts: Timestamp,
    /// Where it is.
    pub url: String,
}

/// The units of a window.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Listing {
    /// Published units, oldest first.
    pub units: Vec<Unit>,
    /// Units that should be published by now and are not.
    pub missing: Vec<Missing>,
}

/// A unit that should be published and is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The name that it usually has.
    pub name: String,
    /// The start of its hour or day.
    pub ts: Timestamp,
}

/// Lists the units that start in `[from, to)`.
///
/// # Errors
/// When an index page cannot be had, or the host does not have the archive at all; a month or year
/// that has no page has no units.
pub async fn list(
    fetch: &Fetch,
    dataset: Dataset,
    (from, to): (Timestamp, Timestamp),
    expected_before: Timestamp,
) -> Result<Listing, FetchError> {
    let mut units = BTreeMap::new();
    let mut listed = 0;
    for folder in dataset.folders(from, to) {
        let url = fetch.url(&folder);
        let page = fetch.page(&url).await?.unwrap_or_default();
        let found = units_of(dataset, &url, &page);
        listed += found.len();
        for unit in found {
            if unit.ts >= from && unit.ts < to {
                // Two files of one hour (an odd second beside the full hour): the later name.
                units.insert(unit.ts, unit);
            }
        }
    }
    if listed == 0 {
        // A month may have no file yet; its archive is always there.
        let url = fetch.url(dataset.archive());
        if fetch.page(&url).await?.is_none() {
            return Err(FetchError::NoArchive { url });
        }
    }
    let missing = missing(dataset, &units, from, to.min(expected_before));
    Ok(Listing {
        units: units.into_values().collect(),
        missing,
    })
}

/// The units that an index page lists, in the order of their names.
pub(crate) fn units_of(dataset: Dataset, folder_url: &str, page: &str) -> Vec<Unit> {
    static HREF: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"href=["'](?:[^"']*/)?([A-Za-z0-9_.-]+)["']"#).ok());
    let mut units: Vec<Unit> = HREF
        .iter()
        .flat_map(|href| href.captures_iter(page))
        .filter_map(|captures| captures.get(1))
        .filter_map(|file| {
            let file = file.as_str();
            let (name, ts) = dataset.unit_of(file)?;
            Some(Unit {
                dataset,
                name: name.to_owned(),
                ts,
                url: format!("{folder_url}{file}"),
            })
        })
        .collect();
    units.sort_by(|a, b| a.name.cmp(&b.name));
    units
}

fn missing(
    dataset: Dataset,
    units: &BTreeMap<Timestamp, Unit>,
    from: Timestamp,
    before: Timestamp,
) -> Vec<Missing> {
    let first = dataset.first_day().to_zoned(TimeZone::UTC);
    let mut start = first.map_or(from, |first| from.max(first.timestamp()));
    let mut missing = Vec::new();
    // A unit counts once its time is over.
    while start + dataset.period() <= before {
        if !units.contains_key(&start) {
            missing.push(Missing {
                name: dataset.usual_name(start),
                ts: start,
            });
        }
        start += dataset.period();
    }
    missing
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = r#"<html><head><title>Index of /other/pageviews/2024/2024-08/</title></head>
<body><h1>Index of /other/pageviews/2024/2024-08/</h1><hr><pre><a href="../">../</a>
<a href="pageviews-20240803-060000.gz">pageviews-20240803-060000.gz</a>   03-Aug-2024 06:51   49611234
<a href="projectviews-20240803-060000">projectviews-20240803-060000</a>   03-Aug-2024 06:51   24311
<a href="pageviews-20240803-050000.gz">pageviews-20240803-050000.gz</a>   03-Aug-2024 05:51   49611234
</pre><hr></body></html>"#;

    #[test]
    fn an_index_page_gives_the_units_and_nothing_else() {
        let units = units_of(
            Dataset::Pageviews,
            "http://h/other/pageviews/2024/2024-08/",
            PAGE,
        );
        let names: Vec<_> = units.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(
            names,
            ["pageviews-20240803-050000", "pageviews-20240803-060000"]
        );
        assert_eq!(
            units[1].url,
            "http://h/other/pageviews/2024/2024-08/pageviews-20240803-060000.gz"
        );
        assert_eq!(units[1].ts, "2024-08-03T05:00:00Z".parse().unwrap());
    }

    #[test]
    fn an_hour_that_is_over_and_not_listed_is_missing() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let missing = missing(
            Dataset::Pageviews,
            &BTreeMap::new(),
            at("2024-08-03T05:00:00Z"),
            at("2024-08-03T06:30:00Z"),
        );
        assert_eq!(missing.len(), 1);
        assert_eq!(missing[0].name, "pageviews-20240803-060000");
    }

    #[test]
    fn nothing_is_missing_from_before_an_archive_began() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let missing = missing(
            Dataset::PageviewComplete(wikiingest_crds::Agent::Automated),
            &BTreeMap::new(),
            at("2020-05-30T00:00:00Z"),
            at("2020-06-03T12:00:00Z"),
        );
        let names: Vec<_> = missing.iter().map(|unit| unit.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "pageviews-20200601-automated",
                "pageviews-20200602-automated"
            ]
        );
    }
}
