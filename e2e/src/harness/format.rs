//! What is particular to each archive: its kind in the API, its files' names, its tables.

use serde_json::{Value, json};

use super::dump::Hour;
use crate::bench::generate::Archive;

impl Archive {
    /// The kind of source in the API.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Pageviews => "pageviews",
            Self::Pagecounts => "pagecountsRaw",
            Self::PageviewComplete => "pageviewComplete",
            Self::Mediacounts => "mediacounts",
        }
    }

    /// What the source is asked for.
    #[must_use]
    pub fn options(self) -> Value {
        match self {
            Self::PageviewComplete => json!({"agents": ["user"]}),
            _ => json!({}),
        }
    }

    /// The source in the ledger and among the rejects.
    #[must_use]
    pub fn source(self) -> &'static str {
        match self {
            Self::PageviewComplete => "pageviewComplete-user",
            other => other.kind(),
        }
    }

    /// The facts, in the warehouse and in the lake.
    #[must_use]
    pub fn facts(self) -> &'static str {
        self.tables()[0]
    }

    /// The facts and what is derived from them.
    #[must_use]
    pub fn tables(self) -> &'static [&'static str] {
        match self {
            Self::Pageviews => &[
                "pageviews_hourly",
                "pageviews_project_hourly",
                "pageviews_top_hourly",
            ],
            Self::Pagecounts => &[
                "pagecounts_hourly",
                "pagecounts_project_hourly",
                "pagecounts_top_hourly",
            ],
            Self::PageviewComplete => &[
                "pageview_complete_hourly",
                "pageview_complete_project_hourly",
                "pageview_complete_top_daily",
            ],
            Self::Mediacounts => &["mediacounts_daily", "mediacounts_top_daily"],
        }
    }

    /// How many hours a file covers.
    #[must_use]
    pub fn hours(self) -> u16 {
        match self {
            Self::Pageviews | Self::Pagecounts => 1,
            Self::PageviewComplete | Self::Mediacounts => 24,
        }
    }

    /// A time by its hours from the beginning of 3 August 2024; of page counts, which had ended by then, of 2016.
    fn time(self, hour: Hour, format: &str) -> String {
        let text = hour.text(format);
        match self {
            Self::Pagecounts => text.replace("2024", "2016"),
            _ => text,
        }
    }

    /// The start of a unit, counted in units, as the worker's configuration has it.
    #[must_use]
    pub fn timestamp(self, unit: Hour) -> String {
        self.time(Hour(unit.0 * self.hours()), "%Y-%m-%dT%H:00:00Z")
    }

    /// The same as the warehouse has it.
    #[must_use]
    pub fn ts(self, unit: Hour) -> String {
        self.time(Hour(unit.0 * self.hours()), "%Y-%m-%d %H:00:00")
    }

    /// The name of a unit.
    #[must_use]
    pub fn unit(self, unit: Hour) -> String {
        let start = Hour(unit.0 * self.hours());
        let end = self.time(Hour(start.0 + 1), "%Y%m%d-%H");
        match self {
            Self::Pageviews => format!("pageviews-{end}0000"),
            // Seconds are not always none.
            Self::Pagecounts => format!("pagecounts-{end}0001"),
            Self::PageviewComplete => format!("pageviews-{}-user", start.text("%Y%m%d")),
            Self::Mediacounts => format!("mediacounts.{}.v00", start.text("%Y-%m-%d")),
        }
    }

    /// The path of a unit's file on the host.
    #[must_use]
    pub fn path(self, unit: Hour) -> String {
        let start = Hour(unit.0 * self.hours());
        let month = |hour: Hour| self.time(hour, "%Y/%Y-%m");
        let name = self.unit(unit);
        match self {
            Self::Pageviews => format!("other/pageviews/{}/{name}.gz", month(Hour(start.0 + 1))),
            Self::Pagecounts => {
                format!(
                    "other/pagecounts-raw/{}/{name}.gz",
                    month(Hour(start.0 + 1))
                )
            }
            Self::PageviewComplete => {
                format!("other/pageview_complete/{}/{name}.bz2", month(start))
            }
            Self::Mediacounts => format!(
                "other/mediacounts/daily/{}/{name}.tsv.bz2",
                start.text("%Y")
            ),
        }
    }

    /// A line that none of its fields can be read from, and a word of what is said of it.
    #[must_use]
    pub fn bad_line(self) -> (&'static str, &'static str) {
        match self {
            Self::Pageviews | Self::Pagecounts => ("zz Broken one 0", "views"),
            Self::PageviewComplete => ("zz.wikipedia Broken 1 desktop 1 Y1", "series"),
            Self::Mediacounts => ("/zz/Broken\t1", "columns"),
        }
    }
}

/// A row of a fact table as SQL of any dialect: what tells it from others, its title or path, its number.
#[derive(Debug)]
pub struct Row {
    pub(super) key: &'static str,
    pub(super) title: &'static str,
    pub(super) number: &'static str,
}

/// The row of a fact table, as `readers/read_dump.py` has it.
pub(super) fn row(facts: &str) -> Row {
    match facts {
        "pageviews_hourly" => Row {
            key: "domain_code",
            title: "title",
            number: "views",
        },
        "pagecounts_hourly" => Row {
            key: "CONCAT(domain_code, ' ', bytes, ' ', is_broken)",
            title: "title",
            number: "views",
        },
        "pageview_complete_hourly" => Row {
            key: "CONCAT(agent, ' ', project, ' ', access, ' ', COALESCE(page_id, '-'), ' ', ts)",
            title: "title",
            number: "views",
        },
        "mediacounts_daily" => Row {
            key: "CONCAT(response_bytes, ' ', transfers, ' ', original, ' ', transcoded_audio, ' ', transcoded_image, \
                  ' ', image_0_199, ' ', image_200_399, ' ', image_400_599, ' ', image_600_799, ' ', image_800_999, \
                  ' ', image_1000, ' ', transcoded_movie, ' ', movie_0_239, ' ', movie_240_479, ' ', movie_480, \
                  ' ', referer_internal, ' ', referer_external, ' ', referer_unknown, ' ', project, ' ', file)",
            title: "base_name",
            number: "transfers",
        },
        other => panic!("{other} is no table of facts"),
    }
}
