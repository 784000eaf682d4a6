//! Cron expressions as a Kubernetes `CronJob` reads them.
//!
//! The grammar is that of the API server's own parser, which takes less than most: five fields, no `L`, `W` or `#`,
//! Sunday is 0 only. What passes here, it takes. When a schedule is due is then left to `croner`.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use jiff::{Timestamp, Zoned, tz::TimeZone};

use crate::Schedule;

/// What is wrong with a schedule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The cron expression cannot be read.
    #[error("{0:?} is not a cron expression: {1}")]
    Cron(String, String),
    /// The cron expression is for a date that there is not.
    #[error("{0:?} is never due: no year has such a day")]
    Never(String),
    /// The time zone is not known.
    #[error("{0:?} is not a time zone: {1}")]
    TimeZone(String, String),
}

/// A field of an expression: its name, its bounds, and names for its values from the lowest on.
struct Field {
    name: &'static str,
    min: u32,
    max: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field {
        name: "minute",
        min: 0,
        max: 59,
        names: &[],
    },
    Field {
        name: "hour",
        min: 0,
        max: 23,
        names: &[],
    },
    Field {
        name: "day of month",
        min: 1,
        max: 31,
        names: &[],
    },
    Field {
        name: "month",
        min: 1,
        max: 12,
        names: &[
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ],
    },
    Field {
        name: "day of week",
        min: 0,
        max: 6,
        names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"],
    },
];

impl Schedule {
    /// When the schedule is next due, after but not at `after`.
    ///
    /// # Errors
    /// When the expression or the time zone is not valid, or when the schedule is never due.
    pub fn next_after(&self, after: Timestamp) -> Result<Timestamp, ScheduleError> {
        let zone = self.zone()?;
        let next = self
            .parse()?
            .find_next_occurrence(&after.to_zoned(zone), false);
        next.map(|next: Zoned| next.timestamp())
            .map_err(|_| ScheduleError::Never(self.cron.clone()))
    }

    fn parse(&self) -> Result<Cron, ScheduleError> {
        let error = |reason: String| ScheduleError::Cron(self.cron.clone(), reason);
        let canonical = canonical(&self.cron).map_err(error)?;
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .sloppy_ranges(true)
            .build();
        parser
            .parse(&canonical)
            .map_err(|source| error(source.to_string()))
    }

    /// Names are matched as they are written, as on a node, though jiff would take any case.
    fn zone(&self) -> Result<TimeZone, ScheduleError> {
        let name = self.time_zone();
        let found = TimeZone::get(name).ok();
        match found.as_ref().and_then(TimeZone::iana_name) {
            Some(known) if known == name => found.ok_or_else(|| unknown_zone(name, None)),
            other => Err(unknown_zone(name, other)),
        }
    }

    /// Whether the expression can be read and is ever due.
    pub(crate) fn check_cron(&self) -> Result<(), ScheduleError> {
        let due = self
            .parse()?
            .find_next_occurrence(&Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC), true);
        due.map(drop)
            .map_err(|_| ScheduleError::Never(self.cron.clone()))
    }

    /// Whether the time zone is known.
    pub(crate) fn check_zone(&self) -> Result<(), ScheduleError> {
        self.zone().map(drop)
    }
}

fn unknown_zone(name: &str, same_but_case: Option<&str>) -> ScheduleError {
    let known: Vec<String> = jiff::tz::db()
        .available()
        .map(|zone| zone.to_string())
        .collect();
    let near =
        same_but_case.or_else(|| crate::validate::nearest(name, known.iter().map(String::as_str)));
    let advice = near.map_or_else(
        || "write a name of the IANA database, such as Etc/UTC or Europe/Berlin".to_owned(),
        |near| format!("did you mean {near}?"),
    );
    ScheduleError::TimeZone(name.to_owned(), advice)
}

/// The expression in numbers alone, for a parser that knows other names.
fn canonical(cron: &str) -> Result<String, String> {
    if cron.starts_with("TZ=") || cron.starts_with("CRON_TZ=") {
        return Err("set the time zone in timeZone, not in the expression".to_owned());
    }
    if let Some(descriptor) = cron.strip_prefix('@') {
        return expand(descriptor).map(str::to_owned);
    }
    let parts: Vec<&str> = cron.split_whitespace().collect();
    if parts.len() != FIELDS.len() {
        return Err(format!(
            "it has {} fields and must have five (minute, hour, day of month, month, day of week), such as \"25 * * * *\"",
            parts.len()
        ));
    }
    let fields = FIELDS
        .iter()
        .zip(parts)
        .map(|(field, text)| field.canonical(text));
    Ok(fields.collect::<Result<Vec<_>, _>>()?.join(" "))
}

fn expand(descriptor: &str) -> Result<&'static str, String> {
    match descriptor {
        "hourly" => Ok("0 * * * *"),
        "daily" | "midnight" => Ok("0 0 * * *"),
        "weekly" => Ok("0 0 * * 0"),
        "monthly" => Ok("0 0 1 * *"),
        "yearly" | "annually" => Ok("0 0 1 1 *"),
        every if every.starts_with("every") => {
            Err("@every counts from when the operator started: write fields instead, such as \"0 */6 * * *\" for every six hours".to_owned())
        }
        _ => Err("write @hourly, @daily, @weekly, @monthly or @yearly, or five fields such as \"25 * * * *\"".to_owned()),
    }
}

impl Field {
    fn canonical(&self, text: &str) -> Result<String, String> {
        let items = text.split(',').map(|item| self.item(item));
        Ok(items.collect::<Result<Vec<_>, _>>()?.join(","))
    }

    /// `*`, `5`, `1-5` or `mon-fri`, each with or without a step such as `/2`.
    fn item(&self, text: &str) -> Result<String, String> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.step(step)?)),
            None => (text, None),
        };
        let range = self.range(range)?;
        Ok(step.map_or_else(|| range.clone(), |step| format!("{range}/{step}")))
    }

    fn range(&self, text: &str) -> Result<String, String> {
        if matches!(text, "*" | "?") {
            return Ok("*".to_owned());
        }
        let Some((low, high)) = text.split_once('-') else {
            return self.value(text).map(|value| value.to_string());
        };
        let (low, high) = (self.value(low)?, self.value(high)?);
        if low > high {
            return Err(format!(
                "the {} goes from {low} to {high}: the first must not be the greater",
                self.name
            ));
        }
        Ok(format!("{low}-{high}"))
    }

    fn step(&self, text: &str) -> Result<u32, String> {
        number(text)
            .filter(|step| *step > 0)
            .ok_or_else(|| format!("the {}'s step {text:?} must be a number above 0", self.name))
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        let named = self
            .names
            .iter()
            .position(|name| name.eq_ignore_ascii_case(text));
        let value = named
            .and_then(|index| u32::try_from(index).ok())
            .map(|index| index + self.min)
            .or_else(|| number(text));
        value
            .filter(|value| (self.min..=self.max).contains(value))
            .ok_or_else(|| {
                let ends = self.names.first().zip(self.names.last());
                let or_names = ends.map_or_else(String::new, |(first, last)| {
                    format!(", or {first} to {last}")
                });
                format!(
                    "the {} {text:?} must be from {} to {}{or_names}",
                    self.name, self.min, self.max
                )
            })
    }
}

/// Digits only: what stands for a number elsewhere (a sign, say) does not here.
fn number(text: &str) -> Option<u32> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "what is unexpected here fails the test")]
mod tests {
    use super::*;

    fn schedule(cron: &str, zone: &str) -> Schedule {
        Schedule {
            cron: cron.to_owned(),
            time_zone: Some(zone.to_owned()),
            lookback: None,
        }
    }

    fn next(cron: &str, zone: &str, after: &str) -> String {
        schedule(cron, zone)
            .next_after(after.parse().unwrap())
            .unwrap()
            .to_string()
    }

    #[test]
    fn is_due_when_a_cronjob_would_be() {
        let after = "2024-08-03T05:25:00Z";
        for (cron, due) in [
            ("25 * * * *", "2024-08-03T06:25:00Z"),
            ("*/15 * * * *", "2024-08-03T05:30:00Z"),
            ("5/20 * * * *", "2024-08-03T05:45:00Z"),
            ("0 0 ? * mon-FRI", "2024-08-05T00:00:00Z"),
            ("0 0 1 jan,dec *", "2024-12-01T00:00:00Z"),
            // Either day is enough where both are given.
            ("0 0 6 * 0", "2024-08-04T00:00:00Z"),
            ("@hourly", "2024-08-03T06:00:00Z"),
            ("@midnight", "2024-08-04T00:00:00Z"),
            ("@weekly", "2024-08-04T00:00:00Z"),
            ("@annually", "2025-01-01T00:00:00Z"),
        ] {
            assert_eq!(next(cron, "Etc/UTC", after), due, "{cron}");
        }
    }

    #[test]
    fn is_due_by_the_clock_of_its_zone() {
        assert_eq!(
            next("15 6 * * *", "Europe/Berlin", "2024-08-03T00:00:00Z"),
            "2024-08-03T04:15:00Z"
        );
        assert_eq!(
            next("15 6 * * *", "Europe/Berlin", "2024-12-03T00:00:00Z"),
            "2024-12-03T05:15:00Z"
        );
    }

    #[test]
    fn takes_no_more_than_the_api_server() {
        for (cron, reason) in [
            ("", "0 fields"),
            ("* * * *", "4 fields"),
            ("0 0 * * * *", "6 fields"),
            ("60 * * * *", "minute \"60\" must be from 0 to 59"),
            ("* 24 * * *", "hour"),
            ("* * 0 * *", "day of month"),
            (
                "* * * 13 *",
                "month \"13\" must be from 1 to 12, or jan to dec",
            ),
            (
                "* * * * 7",
                "day of week \"7\" must be from 0 to 6, or sun to sat",
            ),
            ("* * L * *", "day of month \"L\""),
            ("* * 15W * *", "day of month"),
            ("* * * * 1#2", "day of week"),
            ("*/0 * * * *", "step \"0\" must be a number above 0"),
            ("30-10 * * * *", "from 30 to 10"),
            ("1,,2 * * * *", "minute \"\""),
            ("+1 * * * *", "minute"),
            ("*/5/2 * * * *", "step"),
            ("TZ=UTC 0 * * * *", "timeZone"),
            ("CRON_TZ=UTC 0 * * * *", "timeZone"),
            ("@every 1h", "0 */6 * * *"),
            ("@reboot", "@hourly"),
            ("0 0 30 2 *", "never due"),
        ] {
            let error = schedule(cron, "Etc/UTC")
                .check_cron()
                .unwrap_err()
                .to_string();
            assert!(error.contains(reason), "{cron}: {error}");
        }
    }

    #[test]
    fn knows_time_zones_by_their_exact_names() {
        assert_eq!(schedule("@daily", "Asia/Kathmandu").check_zone(), Ok(()));
        for (zone, advice) in [
            ("europe/berlin", "did you mean Europe/Berlin?"),
            ("Europe/Berln", "did you mean Europe/Berlin?"),
            ("Local", "IANA"),
            ("+02:00", "IANA"),
        ] {
            let error = schedule("@daily", zone)
                .check_zone()
                .unwrap_err()
                .to_string();
            assert!(error.contains(advice), "{zone}: {error}");
        }
    }
}
