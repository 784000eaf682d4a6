//! What is particular to each of Wikimedia's hourly archives: where its files lie, what their
//! names mean, and which tables its rows belong in.

use jiff::{
    SignedDuration, Timestamp,
    civil::{DateTime, date},
    tz::TimeZone,
};

/// An hourly archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// `other/pageviews`, since May 2015: human readers, desktop and mobile.
    Pageviews,
    /// `other/pagecounts-raw`, December 2007 to August 2016: all requests to the desktop sites.
    PagecountsRaw,
}

/// The tables of one dataset. Page views and page counts measure different things and overlap
/// in 2015 and 2016, so that each has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    /// A row a page, domain and hour; also the folder in the lake.
    pub facts: &'static str,
    /// A row a project, access and hour.
    pub projects: &'static str,
    /// The most read pages of a project and hour.
    pub top: &'static str,
}

/// One hour, the period of every file here.
pub const HOUR: SignedDuration = SignedDuration::from_hours(1);

impl Dataset {
    /// The name in the ledger, in reports and in the custom resource.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pageviews => "pageviews",
            Self::PagecountsRaw => "pagecountsRaw",
        }
    }

    /// Where its rows go.
    #[must_use]
    pub fn tables(self) -> Tables {
        match self {
            Self::Pageviews => Tables {
                facts: "pageviews_hourly",
                projects: "pageviews_project_hourly",
                top: "pageviews_top_hourly",
            },
            Self::PagecountsRaw => Tables {
                facts: "pagecounts_hourly",
                projects: "pagecounts_project_hourly",
                top: "pagecounts_top_hourly",
            },
        }
    }

    /// The folder of the index page that lists files named after `month`.
    #[must_use]
    pub fn folder(self, month: DateTime) -> String {
        format!("{}{}/", self.archive(), month.strftime("%Y/%Y-%m"))
    }

    /// The folder of the whole archive.
    #[must_use]
    pub fn archive(self) -> &'static str {
        match self {
            Self::Pageviews => "other/pageviews/",
            Self::PagecountsRaw => "other/pagecounts-raw/",
        }
    }

    /// The start of the hour that a file covers, or `None` for a name of something else.
    ///
    /// The name holds the **end** of the hour: `pageviews-20240803-060000.gz` covers 05:00 to
    /// 06:00 (`oozie/pageview/hourly/coordinator.xml` in Wikimedia's analytics-refinery: "file
    /// name must be the end of the aggregated hour"). Page counts carry stray seconds
    /// (`pagecounts-20081105-000001.gz`), which are dropped.
    #[must_use]
    pub fn hour_of(self, file_name: &str) -> Option<Timestamp> {
        let prefix = match self {
            Self::Pageviews => "pageviews-",
            Self::PagecountsRaw => "pagecounts-",
        };
        let digits = file_name.strip_prefix(prefix)?.strip_suffix(".gz")?;
        let (day, time) = digits.split_once('-')?;
        if day.len() != 8 || time.len() != 6 {
            return None;
        }
        let number = |text: &str| -> Option<i16> {
            text.bytes()
                .all(|b| b.is_ascii_digit())
                .then(|| text.parse().ok())?
        };
        let end = date(number(&day[..4])?, 1, 1)
            .with()
            .month(i8::try_from(number(&day[4..6])?).ok()?)
            .day(i8::try_from(number(&day[6..])?).ok()?)
            .build()
            .ok()?
            .at(
                i8::try_from(number(&time[..2])?)
                    .ok()
                    .filter(|hour| *hour < 24)?,
                0,
                0,
                0,
            );
        let end = end.to_zoned(TimeZone::UTC).ok()?.timestamp();
        Some(end - HOUR)
    }

    /// The name (without its ending) that the file of an hour usually has.
    #[must_use]
    pub fn usual_name(self, hour: Timestamp) -> String {
        let prefix = match self {
            Self::Pageviews => "pageviews",
            Self::PagecountsRaw => "pagecounts",
        };
        format!("{prefix}-{}", utc(hour + HOUR).strftime("%Y%m%d-%H%M%S"))
    }

    /// The folders whose files may cover hours of `[from, to)`.
    ///
    /// Since names are ends, the last hour of a month lies in the next month's folder.
    #[must_use]
    pub fn folders(self, from: Timestamp, to: Timestamp) -> Vec<String> {
        if from >= to {
            return Vec::new();
        }
        let first = utc(from + HOUR).first_of_month();
        let last = utc(to + HOUR - SignedDuration::from_nanos(1)).first_of_month();
        let mut folders = Vec::new();
        let mut month = first;
        while month.date() <= last.date() {
            folders.push(self.folder(month));
            let Ok(next) = month.date().checked_add(jiff::Span::new().months(1)) else {
                break;
            };
            month = next.at(0, 0, 0, 0);
        }
        folders
    }
}

/// A moment as UTC calendar fields.
#[must_use]
pub fn utc(moment: Timestamp) -> DateTime {
    moment.to_zoned(TimeZone::UTC).datetime()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_is_named_after_the_end_of_its_hour() {
        let hour = Dataset::Pageviews.hour_of("pageviews-20240803-060000.gz");
        assert_eq!(hour, Some(at("2024-08-03T05:00:00Z")));
    }

    #[test]
    fn midnight_belongs_to_the_day_the_month_and_the_year_before() {
        let hour = Dataset::Pageviews.hour_of("pageviews-20250101-000000.gz");
        assert_eq!(hour, Some(at("2024-12-31T23:00:00Z")));
    }

    #[test]
    fn stray_seconds_are_dropped() {
        let hour = Dataset::PagecountsRaw.hour_of("pagecounts-20081105-000001.gz");
        assert_eq!(hour, Some(at("2008-11-04T23:00:00Z")));
    }

    #[test]
    fn other_files_of_the_folder_are_not_units() {
        for name in [
            "projectviews-20240803-060000",
            "pageviews-20240803-060000",
            "pageviews-20240803-250000.gz",
            "pageviews-20241303-050000.gz",
            "pageviews-2024083-0060000.gz",
            "pagecounts-20240803-060000.gz",
            "pageviews-20240803-user.bz2",
            "md5sums.txt",
        ] {
            assert_eq!(Dataset::Pageviews.hour_of(name), None, "{name}");
        }
    }

    #[test]
    fn the_last_hour_of_a_month_is_sought_in_the_next_months_folder() {
        let folders =
            Dataset::Pageviews.folders(at("2024-12-31T23:00:00Z"), at("2025-01-01T00:00:00Z"));
        assert_eq!(folders, ["other/pageviews/2025/2025-01/"]);
        let folders =
            Dataset::PagecountsRaw.folders(at("2007-12-31T22:00:00Z"), at("2008-02-01T00:00:00Z"));
        assert_eq!(
            folders,
            [
                "other/pagecounts-raw/2007/2007-12/",
                "other/pagecounts-raw/2008/2008-01/",
                "other/pagecounts-raw/2008/2008-02/",
            ]
        );
        assert!(
            Dataset::Pageviews
                .folders(at("2025-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z"))
                .is_empty()
        );
    }
}
