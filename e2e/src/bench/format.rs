//! The archives that are measured: what sets one apart from the others, as values.

use serde_json::{Value, json};

use super::case::Target;
use super::generate::Archive;

/// An archive: its generated file, the source that loads it, what it is held against.
#[derive(Debug)]
pub(super) struct Format {
    /// Which bench it is.
    pub(super) bench: &'static str,
    pub(super) archive: Archive,
    /// What its cached files are called.
    pub(super) name: &'static str,
    /// Where the file is on the host.
    pub(super) file: &'static str,
    /// The start of the hour or day whose file it is.
    pub(super) from: &'static str,
    /// Its end.
    pub(super) to: &'static str,
    /// The source's kind in the worker's config.
    pub(super) kind: &'static str,
    pub(super) options: fn() -> Value,
    /// What the names of its tables begin with.
    pub(super) family: &'static str,
    /// The table of its rows.
    pub(super) facts: &'static str,
    /// The program that only unpacks it, and how that is told to.
    pub(super) floor: (&'static str, &'static [&'static str]),
    /// What loading it into Parquet should not exceed.
    pub(super) parquet: Target,
    /// The same, into Parquet and MariaDB at once.
    pub(super) both: Target,
}

const IGZIP: (&str, &[&str]) = ("igzip", &["-dc"]);
const LBZIP2: (&str, &[&str]) = ("lbzip2", &["-dc", "-n2"]);

/// What hours should not exceed, beside igzip.
const HOUR: Target = Target {
    ratio: Some(4.5),
    rss_mib: Some(64.0),
    others: &[],
};
const HOUR_AND_MARIADB: Target = Target {
    ratio: Some(1.3),
    rss_mib: Some(128.0),
    others: &[],
};
/// What days should not exceed, beside lbzip2 on two cores.
const DAY: Target = Target {
    ratio: Some(1.75),
    rss_mib: Some(160.0),
    others: &[],
};

/// What a pod is given by default is a quarter more (`operator/src/settings.rs`). Of its time nothing is asked.
const DAY_AND_MARIADB: Target = Target {
    ratio: None,
    rss_mib: Some(192.0),
    others: &[],
};

pub(super) static PAGEVIEWS: Format = Format {
    bench: "pageviews-hour",
    archive: Archive::Pageviews,
    name: "pageviews",
    file: "other/pageviews/2024/2024-08/pageviews-20240803-060000.gz",
    from: "2024-08-03T05:00:00Z",
    to: "2024-08-03T06:00:00Z",
    kind: "pageviews",
    options: || json!({}),
    family: "pageviews",
    facts: "pageviews_hourly",
    floor: IGZIP,
    parquet: HOUR,
    both: HOUR_AND_MARIADB,
};

pub(super) static PAGECOUNTS: Format = Format {
    bench: "pagecounts",
    archive: Archive::Pagecounts,
    name: "pagecounts",
    file: "other/pagecounts-raw/2015/2015-12/pagecounts-20151201-060000.gz",
    from: "2015-12-01T05:00:00Z",
    to: "2015-12-01T06:00:00Z",
    kind: "pagecountsRaw",
    options: || json!({}),
    family: "pagecounts",
    facts: "pagecounts_hourly",
    floor: IGZIP,
    parquet: HOUR,
    both: HOUR_AND_MARIADB,
};

pub(super) static PAGEVIEW_COMPLETE: Format = Format {
    bench: "pageview-complete",
    archive: Archive::PageviewComplete,
    name: "pageview-complete",
    file: "other/pageview_complete/2024/2024-08/pageviews-20240803-user.bz2",
    from: "2024-08-03T00:00:00Z",
    to: "2024-08-04T00:00:00Z",
    kind: "pageviewComplete",
    options: || json!({"agents": ["user"]}),
    family: "pageview_complete",
    facts: "pageview_complete_hourly",
    floor: LBZIP2,
    parquet: DAY,
    both: DAY_AND_MARIADB,
};

pub(super) static MEDIACOUNTS: Format = Format {
    bench: "mediacounts-day",
    archive: Archive::Mediacounts,
    name: "mediacounts",
    file: "other/mediacounts/daily/2024/mediacounts.2024-08-03.v00.tsv.bz2",
    from: "2024-08-03T00:00:00Z",
    to: "2024-08-04T00:00:00Z",
    kind: "mediacounts",
    options: || json!({}),
    family: "mediacounts",
    facts: "mediacounts_daily",
    floor: LBZIP2,
    parquet: DAY,
    both: DAY_AND_MARIADB,
};

/// All of them.
pub(super) static FORMATS: [&Format; 4] =
    [&PAGEVIEWS, &PAGECOUNTS, &PAGEVIEW_COMPLETE, &MEDIACOUNTS];
