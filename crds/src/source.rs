//! Where the data come from.

use std::time::Duration;

use jiff::civil::{Date, date};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{Backfill, Kind, Schedule, Span, StreamOptions};

/// One data set of Wikimedia's and where its data go. Set exactly one of pageviews, pageviewComplete, pagecountsRaw,
/// mediacounts and recentChanges.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new(ONE_KIND).message("a source must have exactly one kind: set one of pageviews, pageviewComplete, pagecountsRaw, mediacounts, recentChanges"),
    validation = Rule::new("!has(self.recentChanges) || !has(self.schedule)")
        .message("recentChanges is a stream, read all the time: remove schedule").field_path(".schedule"),
    validation = Rule::new("!has(self.recentChanges) || !has(self.backfill) || size(self.backfill) == 0")
        .message("recentChanges is a stream and has no past to load beyond its own retention: remove backfill, or use startFrom").field_path(".backfill"),
    validation = Rule::new("has(self.recentChanges) || !has(self.startFrom)")
        .message("startFrom is for recentChanges only: remove it, or use schedule.lookback or backfill").field_path(".startFrom"),
    validation = Rule::new("has(self.recentChanges) || !has(self.stream)")
        .message("stream is for recentChanges only: remove it").field_path(".stream"),
    validation = Rule::new("has(self.recentChanges) || has(self.schedule) || (has(self.backfill) && size(self.backfill) > 0)")
        .message("a source of files needs a schedule, a backfill, or both; for example schedule: {cron: \"25 * * * *\"}"),
    validation = Rule::new(HOURLY_ALIGNED)
        .message("hourly files start on the hour: write backfill times such as 2024-01-01T05:00:00Z").field_path(".backfill"),
    validation = Rule::new(DAILY_ALIGNED)
        .message("daily files start at midnight UTC: write backfill times such as 2024-01-01T00:00:00Z").field_path(".backfill"),
)]
pub struct Source {
    /// Name of the source, unique within the resource: lower-case letters, digits and hyphens, at most 20. Its jobs and
    /// its status show under this name. Example: pageviews.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// Views of every page in every hour, by users, since May 2015. A file an hour, about 50 MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pageviews: Option<Pageviews>,

    /// Views of every page in every day, split by hour, kind of access and kind of reader, since December 2011. Up to
    /// three files a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pageview_complete: Option<PageviewComplete>,

    /// Requests of every page in every hour from December 2007 to August 2016, counted by other rules than pageviews. An
    /// archive that does not grow any more, so it is mostly loaded by a backfill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagecounts_raw: Option<PagecountsRaw>,

    /// Transfers of every media file in every day, by size and referer, since January 2015. A file a day, about 750 MB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mediacounts: Option<Mediacounts>,

    /// Every edit, new page, log entry and change of category on every wiki, as it happens. A stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_changes: Option<RecentChanges>,

    /// When to look for new files, and how far back. Sources of files only; recentChanges is read all the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,

    /// Where to read from instead of Wikimedia's own host: the URL of a mirror, under which the paths are the same. A
    /// backfill may have its own. Each host has its own limit of connections from the whole cluster.
    /// Default: `https://dumps.wikimedia.org` for files, `https://stream.wikimedia.org` for the stream.
    /// Example: `https://mirror.example.org/wikimedia`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^https?://[A-Za-z0-9._:\[\]-]+(/[A-Za-z0-9._~%/-]*)?$")
    )]
    pub base_url: Option<String>,

    /// Names of the sinks that the data go to, each declared under spec.sinks. One download feeds all of them.
    /// Example: `[warehouse, lake]`.
    #[schemars(length(min = 1, max = 8), inner(length(min = 1, max = 20)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub sinks: Vec<String>,

    /// Past ranges to load once, beside the schedule and behind it. Sources of files only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub backfill: Vec<Backfill>,

    /// Where the stream is first read from: latest, or a time inside its retention (7 days at least), from which it
    /// catches up. Afterwards it goes on from where it stopped. What a sink's retention would delete again is not
    /// written to it. recentChanges only. Default: latest.
    /// Example: 2026-01-31T12:00:00Z.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 6, max = 35),
        regex(
            pattern = r"^(latest|[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2}))$"
        )
    )]
    pub start_from: Option<String>,

    /// How the stream is read and written. recentChanges only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<StreamOptions>,
}

const ONE_KIND: &str = "[has(self.pageviews), has(self.pageviewComplete), has(self.pagecountsRaw), \
has(self.mediacounts), has(self.recentChanges)].exists_one(x, x)";

const HOURLY_ALIGNED: &str = "!(has(self.pageviews) || has(self.pagecountsRaw)) || !has(self.backfill) || \
self.backfill.all(b, [b.from, b.to].all(t, t.getMinutes() == 0 && t.getSeconds() == 0 && t.getMilliseconds() == 0))";

const DAILY_ALIGNED: &str = "!(has(self.pageviewComplete) || has(self.mediacounts)) || !has(self.backfill) || \
self.backfill.all(b, [b.from, b.to].all(t, t.getHours() == 0 && t.getMinutes() == 0 && t.getSeconds() == 0 && t.getMilliseconds() == 0))";

/// The kind of a [`Source`], with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SourceKind<'a> {
    /// Hourly page views.
    Pageviews(&'a Pageviews),
    /// Daily page views in full.
    PageviewComplete(&'a PageviewComplete),
    /// The hourly archive to 2016.
    PagecountsRaw(&'a PagecountsRaw),
    /// Daily transfers of media files.
    Mediacounts(&'a Mediacounts),
    /// The stream of changes.
    RecentChanges(&'a RecentChanges),
}

/// How much time one file of a batch source covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// One hour.
    Hour,
    /// One day, UTC.
    Day,
}

impl Unit {
    /// The time that one file covers.
    #[must_use]
    pub fn length(self) -> Duration {
        match self {
            Self::Hour => Duration::from_hours(1),
            Self::Day => Duration::from_hours(24),
        }
    }

    /// How far back a schedule looks when it does not say.
    #[must_use]
    pub fn default_lookback(self) -> Span {
        match self {
            Self::Hour => Span::hours(48),
            Self::Day => Span::days(7),
        }
    }
}

impl SourceKind<'_> {
    /// The kind alone, without what it is asked for.
    #[must_use]
    pub fn plain(self) -> Kind {
        match self {
            Self::Pageviews(_) => Kind::Pageviews,
            Self::PageviewComplete(_) => Kind::PageviewComplete,
            Self::PagecountsRaw(_) => Kind::PagecountsRaw,
            Self::Mediacounts(_) => Kind::Mediacounts,
            Self::RecentChanges(_) => Kind::RecentChanges,
        }
    }

    /// The name of the kind, as in the resource and in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.plain().name()
    }

    /// What one file covers; none for a stream.
    #[must_use]
    pub fn unit(self) -> Option<Unit> {
        self.plain().unit()
    }

    /// Whether the source is a stream and has no files.
    #[must_use]
    pub fn is_stream(self) -> bool {
        self.unit().is_none()
    }

    /// The first day of the data set; none for a stream.
    #[must_use]
    pub fn first_day(self) -> Option<Date> {
        match self {
            Self::Pageviews(_) => Some(date(2015, 5, 1)),
            Self::PageviewComplete(_) => Some(date(2011, 12, 1)),
            Self::PagecountsRaw(_) => Some(date(2007, 12, 9)),
            Self::Mediacounts(_) => Some(date(2015, 1, 1)),
            Self::RecentChanges(_) => None,
        }
    }

    /// The first day after the end of the data set; none while it still grows.
    #[must_use]
    pub fn end_day(self) -> Option<Date> {
        matches!(self, Self::PagecountsRaw(_)).then(|| date(2016, 9, 1))
    }
}

impl Source {
    /// The one kind that is set; none when several are, or nothing is.
    #[must_use]
    pub fn kind(&self) -> Option<SourceKind<'_>> {
        let mut kinds = [
            self.pageviews.as_ref().map(SourceKind::Pageviews),
            self.pageview_complete
                .as_ref()
                .map(SourceKind::PageviewComplete),
            self.pagecounts_raw.as_ref().map(SourceKind::PagecountsRaw),
            self.mediacounts.as_ref().map(SourceKind::Mediacounts),
            self.recent_changes.as_ref().map(SourceKind::RecentChanges),
        ]
        .into_iter()
        .flatten();
        kinds.next().filter(|_| kinds.next().is_none())
    }

    /// How far back a scheduled run looks; none without a schedule.
    #[must_use]
    pub fn lookback(&self) -> Option<Span> {
        let schedule = self.schedule.as_ref()?;
        let unit = self.kind()?.unit()?;
        Some(
            schedule
                .lookback
                .clone()
                .unwrap_or_else(|| unit.default_lookback()),
        )
    }
}

/// Which hourly page views to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Pageviews {
    /// The projects to load, by their names such as en.wikipedia, de.wikivoyage, commons.wikimedia or wikidata; "*"
    /// alone is all of them. What is loaded already stays as it is. Default: `["*"]`. Example:
    /// `[en.wikipedia, de.wikipedia]`.
    #[serde(default = "all")]
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 64),
            regex(pattern = r"^(\*|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new(ALL_ALONE).message("\"*\" is all projects: list it alone, or list projects without it"))]
    pub projects: Vec<String>,

    /// Leave out pages with fewer views than this in the hour. Totals by project still count them. Default: 0 (all).
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_views: i64,
}

/// Which hourly page counts of the archive to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PagecountsRaw {
    /// The projects to load, by their names such as en.wikipedia, de.wikibooks or commons.wikimedia; "*" alone is all of
    /// them. What is loaded already stays as it is. Default: `["*"]`. Example: `[en.wikipedia, de.wikipedia]`.
    #[serde(default = "all")]
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 64),
            regex(pattern = r"^(\*|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new(ALL_ALONE).message("\"*\" is all projects: list it alone, or list projects without it"))]
    pub projects: Vec<String>,

    /// Leave out pages with fewer requests than this in the hour. Totals by project still count them. Default: 0 (all).
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_views: i64,
}

/// Which daily page views to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PageviewComplete {
    /// The projects to load, by their names such as en.wikipedia, de.wikivoyage, commons.wikimedia or wikidata; "*"
    /// alone is all of them. Default: `["*"]`. Example: `[en.wikipedia, de.wikipedia]`.
    #[serde(default = "all")]
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 64),
            regex(pattern = r"^(\*|[a-z0-9]([a-z0-9.-]*[a-z0-9])?)$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new(ALL_ALONE).message("\"*\" is all projects: list it alone, or list projects without it"))]
    pub projects: Vec<String>,

    /// The kinds of reader to load, a file a day each: user (since December 2011), spider (since May 2015) and automated
    /// (since June 2020). Default: `[user]`.
    #[serde(default = "users")]
    #[schemars(length(min = 1, max = 3))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub agents: Vec<Agent>,

    /// Leave out pages with fewer views than this in the day. Totals by project still count them. Default: 0 (all).
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_views: i64,
}

/// Who read a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(
    missing_docs,
    reason = "documented variants become a schema that Kubernetes does not take"
)]
pub enum Agent {
    User,
    Spider,
    Automated,
}

/// Which daily media counts to load.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mediacounts {
    /// Leave out files with fewer transfers than this in the day. Default: 0 (all).
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000))]
    pub min_transfers: i64,
}

/// Which changes to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecentChanges {
    /// The wikis to load, by the names of their databases such as enwiki, dewiktionary, commonswiki or wikidatawiki; "*"
    /// alone is all of them. Default: `["*"]`. Example: `[enwiki, dewiki]`.
    #[serde(default = "all")]
    #[schemars(
        length(min = 1, max = 64),
        inner(
            length(min = 1, max = 64),
            regex(pattern = r"^(\*|[a-z0-9]([a-z0-9_-]*[a-z0-9])?)$")
        )
    )]
    #[x_kube(merge_strategy = ListMerge::Set, validation = Rule::new(ALL_ALONE).message("\"*\" is all wikis: list it alone, or list wikis without it"))]
    pub wikis: Vec<String>,

    /// The types of change to load: edit (of a page), new (page), log (moves, uploads, blocks and the like), categorize
    /// (a page entered or left a category) and external (a change on another wiki, such as Wikidata, that shows here).
    /// Default: all of them.
    #[serde(default = "all_types")]
    #[schemars(length(min = 1, max = 5))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub types: Vec<ChangeType>,
}

/// What kind of change an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[allow(
    missing_docs,
    reason = "documented variants become a schema that Kubernetes does not take"
)]
pub enum ChangeType {
    Edit,
    New,
    Log,
    Categorize,
    External,
}

const ALL_ALONE: &str = "size(self) == 1 || !('*' in self)";

fn all() -> Vec<String> {
    vec!["*".to_owned()]
}

fn users() -> Vec<Agent> {
    vec![Agent::User]
}

fn all_types() -> Vec<ChangeType> {
    vec![
        ChangeType::Edit,
        ChangeType::New,
        ChangeType::Log,
        ChangeType::Categorize,
        ChangeType::External,
    ]
}

impl Default for Pageviews {
    fn default() -> Self {
        Self {
            projects: all(),
            min_views: 0,
        }
    }
}

impl Default for PagecountsRaw {
    fn default() -> Self {
        Self {
            projects: all(),
            min_views: 0,
        }
    }
}

impl Default for PageviewComplete {
    fn default() -> Self {
        Self {
            projects: all(),
            agents: users(),
            min_views: 0,
        }
    }
}

impl Default for RecentChanges {
    fn default() -> Self {
        Self {
            wikis: all(),
            types: all_types(),
        }
    }
}
