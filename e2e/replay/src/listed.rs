//! Files that only index pages know: names, dates and sizes of years of hours, with nothing behind them.

use std::str::FromStr;
use std::time::SystemTime;

use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp, tz::TimeZone};

/// How long after the end of its hour a file is published.
const DELAY: SignedDuration = SignedDuration::from_mins(51);
/// More than there are hours since 2000.
const MOST: u32 = 300_000;

/// An archive with a file an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HourlyArchive {
    /// `other/pageviews/`
    Pageviews,
    /// `other/pagecounts-raw/`, where some names are a second or two late
    PagecountsRaw,
}

/// Hours of an archive that are listed, and missing when they are asked for: for a client that plans and fetches
/// nothing.
///
/// Written `pagecounts-raw@2007-01-01+87600`: the archive, the start of the first hour, how many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Whose files.
    pub archive: HourlyArchive,
    /// The start of the first hour.
    pub from: DateTime,
    /// How many hours.
    pub hours: u32,
}

/// Why a text does not say what to list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "cannot read {0:?}: write the archive (pageviews or pagecounts-raw), the first hour and how many, at most {MOST}, \
     such as pagecounts-raw@2007-01-01+87600"
)]
pub struct ListedError(String);

/// A file without bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    /// The path below the root.
    pub(crate) key: String,
    pub(crate) len: u64,
    pub(crate) modified: SystemTime,
}

impl FromStr for Listed {
    type Err = ListedError;

    fn from_str(text: &str) -> Result<Self, ListedError> {
        read(text).ok_or_else(|| ListedError(text.to_owned()))
    }
}

fn read(text: &str) -> Option<Listed> {
    let (archive, range) = text.split_once('@')?;
    let (from, hours) = range.rsplit_once('+')?;
    let archive = match archive {
        "pageviews" => HourlyArchive::Pageviews,
        "pagecounts-raw" => HourlyArchive::PagecountsRaw,
        _ => return None,
    };
    let from = match from.parse::<Date>() {
        Ok(date) if !from.contains('T') => date.at(0, 0, 0, 0),
        _ => from.parse().ok()?,
    };
    let hours = hours.parse().ok().filter(|hours| *hours <= MOST)?;
    Some(Listed {
        archive,
        from,
        hours,
    })
}

impl Listed {
    pub(crate) fn names(&self) -> impl Iterator<Item = Name> + '_ {
        // UTC has no gaps, so only years beyond all calendars end this early.
        let first = self.from.to_zoned(TimeZone::UTC).map(|at| at.timestamp());
        (0..self.hours).map_while(move |hour| {
            let end = first.clone().ok()?;
            let end = end
                .checked_add(SignedDuration::from_hours(i64::from(hour) + 1))
                .ok()?;
            Some(self.name(hour, end))
        })
    }

    /// Names tell the end of the hour.
    fn name(&self, hour: u32, end: Timestamp) -> Name {
        let (folder, prefix) = match self.archive {
            HourlyArchive::Pageviews => ("pageviews", "pageviews"),
            HourlyArchive::PagecountsRaw => ("pagecounts-raw", "pagecounts"),
        };
        let late = match self.archive {
            HourlyArchive::PagecountsRaw if hour % 311 == 7 => 1,
            HourlyArchive::PagecountsRaw if hour % 1999 == 5 => 2,
            _ => 0,
        };
        let path = end.strftime("%Y/%Y-%m");
        let stamp = end.strftime("%Y%m%d-%H%M");
        Name {
            key: format!("other/{folder}/{path}/{prefix}-{stamp}{late:02}.gz"),
            // 40 to 60 MB, in no pattern that a reader could rely on.
            len: 40_000_000 + u64::from(hour.wrapping_mul(2_654_435_761) % 20_000_000),
            modified: SystemTime::from(end + DELAY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_the_end_of_each_hour() {
        let listed: Listed = "pageviews@2015-12-31T22:00+2".parse().unwrap();
        let keys: Vec<String> = listed.names().map(|name| name.key).collect();
        assert_eq!(
            keys,
            [
                "other/pageviews/2015/2015-12/pageviews-20151231-230000.gz",
                "other/pageviews/2016/2016-01/pageviews-20160101-000000.gz"
            ]
        );
    }

    #[test]
    fn some_page_counts_are_late() {
        let listed: Listed = "pagecounts-raw@2007-01-01+87600".parse().unwrap();
        let names: Vec<Name> = listed.names().collect();
        assert_eq!(names.len(), 87_600);
        let late = names.iter().filter(|name| !name.key.ends_with("00.gz"));
        assert!((200..400).contains(&late.count()));
        assert!(names[5].key.ends_with("/pagecounts-20070101-060002.gz"));
        assert!(names[7].key.ends_with("/pagecounts-20070101-080001.gz"));
        let last = &names.last().unwrap().key;
        assert_eq!(
            last,
            "other/pagecounts-raw/2016/2016-12/pagecounts-20161229-000000.gz"
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        for text in [
            "",
            "pageviews",
            "pageviews@2015",
            "x@2015-01-01+1",
            "pageviews@2015-01-01+999999",
        ] {
            assert!(text.parse::<Listed>().is_err(), "{text}");
        }
    }
}
