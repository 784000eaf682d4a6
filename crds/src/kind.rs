//! What kinds of source there are, whatever one of them is asked for.

use std::fmt;

use crate::{Retention, Span, Unit};

/// A kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Hourly page views.
    Pageviews,
    /// Daily page views.
    PageviewComplete,
    /// Hourly page counts of the archive.
    PagecountsRaw,
    /// Daily media counts.
    Mediacounts,
    /// The stream of recent changes.
    RecentChanges,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Pageviews,
        Self::PageviewComplete,
        Self::PagecountsRaw,
        Self::Mediacounts,
        Self::RecentChanges,
    ];

    /// Its name, as in the resource and in the ledger.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pageviews => "pageviews",
            Self::PageviewComplete => "pageviewComplete",
            Self::PagecountsRaw => "pagecountsRaw",
            Self::Mediacounts => "mediacounts",
            Self::RecentChanges => "recentChanges",
        }
    }

    /// What one file covers; none for a stream.
    #[must_use]
    pub fn unit(self) -> Option<Unit> {
        match self {
            Self::Pageviews | Self::PagecountsRaw => Some(Unit::Hour),
            Self::PageviewComplete | Self::Mediacounts => Some(Unit::Day),
            Self::RecentChanges => None,
        }
    }

    /// How long a sink keeps data of this kind; none for ever.
    #[must_use]
    pub fn retention(self, retention: &Retention) -> Option<&Span> {
        match self {
            Self::Pageviews => retention.pageviews.as_ref(),
            Self::PageviewComplete => retention.pageview_complete.as_ref(),
            Self::PagecountsRaw => retention.pagecounts_raw.as_ref(),
            Self::Mediacounts => retention.mediacounts.as_ref(),
            Self::RecentChanges => retention.recent_changes.as_ref(),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
