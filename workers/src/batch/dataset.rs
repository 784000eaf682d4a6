//! What is particular to each of Wikimedia's archives: where its files lie, what their names mean, how they are
//! compressed, and which tables its rows belong in.

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, DateTime, date},
    tz::TimeZone,
};
use wikiingest_crds::Agent;

/// An archive: one file an hour, or one a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dataset {
    /// `other/pageviews`, since May 2015: human readers, desktop and mobile.
    Pageviews,
    /// `other/pagecounts-raw`, December 2007 to August 2016: all requests to the desktop sites.
    PagecountsRaw,
    /// `other/pageview_complete`, since December 2011: a day's page views of one kind of reader, with page ids. The
    /// files of several kinds lie side by side, and each kind is an archive here.
    PageviewComplete(Agent),
    /// `other/mediacounts`, since 2015: transfers of media files.
    Mediacounts,
}

/// The tables of one dataset. What measures different things has tables of its own, even where the columns are alike
/// and the times overlap: page counts hold robots, page views do not, and complete page views are the same readers
/// again, corrected, by page id and with finer access methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tables {
    /// A row a page or media file and hour or day; also the folder in the lake.
    pub facts: &'static str,
    /// What is derived from it, in databases.
    pub rollups: &'static [&'static str],
}

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Any number of members.
    Gzip,
    /// Any number of streams.
    Bzip2,
}

const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);

impl Dataset {
    /// The name in the ledger and among the rejects.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pageviews => "pageviews",
            Self::PagecountsRaw => "pagecountsRaw",
            Self::PageviewComplete(Agent::User) => "pageviewComplete-user",
            Self::PageviewComplete(Agent::Spider) => "pageviewComplete-spider",
            Self::PageviewComplete(Agent::Automated) => "pageviewComplete-automated",
            Self::Mediacounts => "mediacounts",
        }
    }

    /// Where its rows go.
    #[must_use]
    pub fn tables(self) -> Tables {
        match self {
            Self::Pageviews => Tables {
                facts: "pageviews_hourly",
                rollups: &["pageviews_project_hourly", "pageviews_top_hourly"],
            },
            Self::PagecountsRaw => Tables {
                facts: "pagecounts_hourly",
                rollups: &["pagecounts_project_hourly", "pagecounts_top_hourly"],
            },
            Self::PageviewComplete(_) => Tables {
                facts: "pageview_complete_hourly",
                rollups: &[
                    "pageview_complete_project_hourly",
                    "pageview_complete_top_daily",
                ],
            },
            Self::Mediacounts => Tables {
                facts: "mediacounts_daily",
                rollups: &["mediacounts_top_daily"],
            },
        }
    }

    /// The kind of reader, where tables hold the rows of several by their column `agent`.
    #[must_use]
    pub fn agent(self) -> Option<&'static str> {
        match self {
            Self::PageviewComplete(agent) => Some(agent_name(agent)),
            _ => None,
        }
    }

    /// The time that a file covers.
    #[must_use]
    pub fn period(self) -> SignedDuration {
        match self {
            Self::Pageviews | Self::PagecountsRaw => HOUR,
            Self::PageviewComplete(_) | Self::Mediacounts => DAY,
        }
    }

    /// The first day that there are files of, which is the data set's own or, where a kind of reader was told apart
    /// later, that day (`readme.html` of `other/pageview_complete`).
    #[must_use]
    pub fn first_day(self) -> Date {
        match self {
            Self::Pageviews | Self::PageviewComplete(Agent::Spider) => date(2015, 5, 1),
            Self::PagecountsRaw => date(2007, 12, 9),
            Self::PageviewComplete(Agent::User) => date(2011, 12, 1),
            Self::PageviewComplete(Agent::Automated) => date(2020, 6, 1),
            Self::Mediacounts => date(2015, 1, 1),
        }
    }

    /// How its files are compressed.
    #[must_use]
    pub fn compression(self) -> Compression {
        match self {
            Self::Pageviews | Self::PagecountsRaw => Compression::Gzip,
            Self::PageviewComplete(_) | Self::Mediacounts => Compression::Bzip2,
        }
    }

    /// The folder of the whole archive.
    #[must_use]
    pub fn archive(self) -> &'static str {
        match self {
            Self::Pageviews => "other/pageviews/",
            Self::PagecountsRaw => "other/pagecounts-raw/",
            Self::PageviewComplete(_) => "other/pageview_complete/",
            Self::Mediacounts => "other/mediacounts/daily/",
        }
    }

    /// The folder of the index page that lists files named after a time of `month`: by year and month, or by year.
    fn folder(self, month: DateTime) -> String {
        let format = match self {
            Self::Mediacounts => "%Y",
            _ => "%Y/%Y-%m",
        };
        format!("{}{}/", self.archive(), month.strftime(format))
    }

    /// How file names end that begin with a unit's name.
    fn ending(self) -> &'static str {
        match self {
            Self::Pageviews | Self::PagecountsRaw => ".gz",
            Self::PageviewComplete(_) => ".bz2",
            Self::Mediacounts => ".tsv.bz2",
        }
    }

    /// The unit's name in a file's name, and the start of what it covers; none for a name of something else.
    #[must_use]
    pub fn unit_of(self, file_name: &str) -> Option<(&str, Timestamp)> {
        let name = file_name.strip_suffix(self.ending())?;
        Some((name, self.start_of(name)?))
    }

    /// The start of what a unit covers, or `None` for a name of something else.
    ///
    /// The names of hourly files hold the **end** of the hour: `pageviews-20240803-060000` covers 05:00 to 06:00
    /// (`oozie/pageview/hourly/coordinator.xml` in Wikimedia's analytics-refinery: "file name must be the end of the
    /// aggregated hour"). Page counts carry stray seconds (`pagecounts-20081105-000001`), which are dropped. Those of
    /// daily files hold the day.
    #[must_use]
    pub fn start_of(self, unit: &str) -> Option<Timestamp> {
        let start = match self {
            Self::Pageviews => hour_ending(unit.strip_prefix("pageviews-")?)?,
            Self::PagecountsRaw => hour_ending(unit.strip_prefix("pagecounts-")?)?,
            Self::PageviewComplete(agent) => {
                let (day, of) = unit.strip_prefix("pageviews-")?.split_once('-')?;
                let day = (of == agent_name(agent)).then(|| day_of(day, 8))??;
                day.at(0, 0, 0, 0)
            }
            Self::Mediacounts => {
                let day = unit.strip_prefix("mediacounts.")?.strip_suffix(".v00")?;
                day_of(day, 10)?.at(0, 0, 0, 0)
            }
        };
        Some(start.to_zoned(TimeZone::UTC).ok()?.timestamp())
    }

    /// The name that a unit that starts then usually has.
    #[must_use]
    pub fn usual_name(self, start: Timestamp) -> String {
        let end = utc(start + HOUR).strftime("%Y%m%d-%H%M%S");
        match self {
            Self::Pageviews => format!("pageviews-{end}"),
            Self::PagecountsRaw => format!("pagecounts-{end}"),
            Self::PageviewComplete(agent) => {
                let day = utc(start).strftime("%Y%m%d");
                format!("pageviews-{day}-{}", agent_name(agent))
            }
            Self::Mediacounts => format!("mediacounts.{}.v00", utc(start).strftime("%Y-%m-%d")),
        }
    }

    /// What the names of all units that start when this one does have in common: all of it but minutes and seconds,
    /// which a file that was published again may have others of.
    #[must_use]
    pub fn stem(self, unit: &str) -> &str {
        let minutes = match self {
            Self::Pageviews | Self::PagecountsRaw => 4,
            Self::PageviewComplete(_) | Self::Mediacounts => 0,
        };
        unit.get(..unit.len().saturating_sub(minutes))
            .unwrap_or(unit)
    }

    /// The folders whose files may cover times of `[from, to)`.
    ///
    /// Where names are ends, the last hour of a month lies in the next month's folder.
    #[must_use]
    pub fn folders(self, from: Timestamp, to: Timestamp) -> Vec<String> {
        if from >= to {
            return Vec::new();
        }
        let shift = match self {
            Self::Pageviews | Self::PagecountsRaw => HOUR,
            Self::PageviewComplete(_) | Self::Mediacounts => SignedDuration::ZERO,
        };
        let month = |moment: Timestamp| utc(moment + shift).date().first_of_month();
        let last = month(to - SignedDuration::from_nanos(1));
        let mut folders: Vec<_> = month(from)
            .series(1.month())
            .take_while(|month| *month <= last)
            .map(|month| self.folder(month.at(0, 0, 0, 0)))
            .collect();
        // A year's folder comes once a month.
        folders.dedup();
        folders
    }

    /// The start of the first unit that begins at `moment` or later.
    #[must_use]
    pub fn ceil(self, moment: Timestamp) -> Timestamp {
        let period = self.period().as_secs();
        let seconds = moment.as_second();
        let floor = Timestamp::from_second(seconds - seconds.rem_euclid(period)).unwrap_or(moment);
        if floor == moment {
            moment
        } else {
            floor + self.period()
        }
    }
}

/// As in file names, and in the column `agent`.
fn agent_name(agent: Agent) -> &'static str {
    match agent {
        Agent::User => "user",
        Agent::Spider => "spider",
        Agent::Automated => "automated",
    }
}

/// The start of the hour that ends at a name's `YYYYMMDD-HHMMSS`.
fn hour_ending(digits: &str) -> Option<DateTime> {
    let (day, time) = digits.split_once('-')?;
    if time.len() != 6 || !time.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let hour = time[..2].parse().ok().filter(|hour| *hour < 24)?;
    let end = day_of(day, 8)?.at(hour, 0, 0, 0);
    end.checked_sub(HOUR).ok()
}

/// A day of 8 characters (`YYYYMMDD`) or 10 (`YYYY-MM-DD`).
fn day_of(text: &str, length: usize) -> Option<Date> {
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    (text.len() == length && digits == 8).then(|| text.parse().ok())?
}

/// A moment as UTC calendar fields.
#[must_use]
pub fn utc(moment: Timestamp) -> DateTime {
    moment.to_zoned(TimeZone::UTC).datetime()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Dataset; 6] = [
        Dataset::Pageviews,
        Dataset::PagecountsRaw,
        Dataset::PageviewComplete(Agent::User),
        Dataset::PageviewComplete(Agent::Spider),
        Dataset::PageviewComplete(Agent::Automated),
        Dataset::Mediacounts,
    ];

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn an_hourly_file_is_named_after_its_end_and_a_daily_one_after_its_day() {
        for (dataset, file, unit, start) in [
            (
                Dataset::Pageviews,
                "pageviews-20240803-060000.gz",
                "pageviews-20240803-060000",
                "2024-08-03T05:00:00Z",
            ),
            // Midnight belongs to the day, the month and the year before.
            (
                Dataset::Pageviews,
                "pageviews-20250101-000000.gz",
                "pageviews-20250101-000000",
                "2024-12-31T23:00:00Z",
            ),
            // Stray seconds.
            (
                Dataset::PagecountsRaw,
                "pagecounts-20081105-000001.gz",
                "pagecounts-20081105-000001",
                "2008-11-04T23:00:00Z",
            ),
            (
                Dataset::PageviewComplete(Agent::Spider),
                "pageviews-20240803-spider.bz2",
                "pageviews-20240803-spider",
                "2024-08-03T00:00:00Z",
            ),
            (
                Dataset::Mediacounts,
                "mediacounts.2024-08-03.v00.tsv.bz2",
                "mediacounts.2024-08-03.v00",
                "2024-08-03T00:00:00Z",
            ),
        ] {
            assert_eq!(dataset.unit_of(file), Some((unit, at(start))), "{file}");
        }
    }

    #[test]
    fn usual_names_are_read_back_by_their_own_archive_only() {
        let start = at("2024-07-31T00:00:00Z");
        for dataset in ALL {
            let name = dataset.usual_name(start);
            let readers: Vec<_> = ALL
                .iter()
                .filter(|other| other.start_of(&name) == Some(start))
                .collect();
            assert_eq!(readers, [&dataset], "{name}");
            assert!(name.starts_with(dataset.stem(&name)), "{name}");
        }
    }

    #[test]
    fn other_files_of_the_folders_are_not_units() {
        for name in [
            "projectviews-20240803-060000",
            "pageviews-20240803-060000",
            "pageviews-20240803-250000.gz",
            "pageviews-20241303-050000.gz",
            "pageviews-2024083-0060000.gz",
            "pageviews-+0240803-060000.gz",
            "projectcounts-20081105-000001",
            "pageviews-202408-user.bz2",
            "pageviews-20240803-robot.bz2",
            "mediacounts.top1000.2024-08-03.v00.csv.zip",
            "mediacounts.2024-08-03.v01.tsv.bz2",
            "mediacounts.20240803.v00.tsv.bz2",
            "readme.html",
            "md5sums.txt",
        ] {
            for dataset in ALL {
                assert_eq!(dataset.unit_of(name), None, "{name}");
            }
        }
    }

    #[test]
    fn folders_are_those_that_names_lead_to() {
        let folders = |dataset: Dataset, from, to| dataset.folders(at(from), at(to));
        assert_eq!(
            folders(
                Dataset::Pageviews,
                "2024-12-31T23:00:00Z",
                "2025-01-01T00:00:00Z"
            ),
            ["other/pageviews/2025/2025-01/"]
        );
        assert_eq!(
            folders(
                Dataset::PagecountsRaw,
                "2007-12-31T22:00:00Z",
                "2008-02-01T00:00:00Z"
            ),
            [
                "other/pagecounts-raw/2007/2007-12/",
                "other/pagecounts-raw/2008/2008-01/",
                "other/pagecounts-raw/2008/2008-02/",
            ]
        );
        assert_eq!(
            folders(
                Dataset::PageviewComplete(Agent::User),
                "2024-12-31T00:00:00Z",
                "2025-01-01T00:00:00Z"
            ),
            ["other/pageview_complete/2024/2024-12/"]
        );
        assert_eq!(
            folders(
                Dataset::Mediacounts,
                "2023-11-01T00:00:00Z",
                "2024-03-01T00:00:00Z"
            ),
            [
                "other/mediacounts/daily/2023/",
                "other/mediacounts/daily/2024/"
            ]
        );
        assert!(
            folders(
                Dataset::Pageviews,
                "2025-01-01T00:00:00Z",
                "2025-01-01T00:00:00Z"
            )
            .is_empty()
        );
    }

    #[test]
    fn the_first_unit_of_a_window_begins_in_it() {
        let moment = at("2024-08-03T05:00:01Z");
        assert_eq!(Dataset::Pageviews.ceil(moment), at("2024-08-03T06:00:00Z"));
        assert_eq!(
            Dataset::Mediacounts.ceil(moment),
            at("2024-08-04T00:00:00Z")
        );
        let midnight = at("2024-08-03T00:00:00Z");
        assert_eq!(Dataset::Mediacounts.ceil(midnight), midnight);
    }
}
