//! Where a client stands in each topic: what ids say, and what `Last-Event-ID` and `since` ask for.

use std::io::Write as _;

use serde::Deserialize;

use super::event::millis;
use super::topic::{TOPICS, Topic};

/// A place in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Position {
    /// After what is there already.
    Latest,
    Offset(i64),
    /// The first event that is not older, in milliseconds.
    Timestamp(i64),
}

/// A place in both topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Positions(pub(crate) [Position; 2]);

/// Why a position cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PositionError {
    #[error(
        "Last-Event-ID is not an array of topics with their partition and timestamp or offset: {0}"
    )]
    Id(#[from] serde_json::Error),
    #[error("Last-Event-ID names the topic {0:?}, which this stream does not have")]
    Topic(String),
    #[error(
        "Last-Event-ID names partition {partition} of {topic}: each topic has partition 0 only"
    )]
    Partition { topic: String, partition: i64 },
    #[error("Last-Event-ID gives {0} neither a timestamp nor an offset")]
    Nowhere(String),
    #[error("since is {0:?}: milliseconds or an ISO 8601 time belong there")]
    Since(String),
}

/// One entry of an id.
#[derive(Deserialize)]
struct Entry {
    topic: String,
    partition: i64,
    offset: Option<i64>,
    timestamp: Option<i64>,
}

impl Entry {
    fn position(&self) -> Option<Position> {
        match (self.offset, self.timestamp) {
            (Some(offset), _) if offset < 0 => Some(Position::Latest),
            (Some(offset), _) => Some(Position::Offset(offset)),
            (None, Some(timestamp)) => Some(Position::Timestamp(timestamp)),
            (None, None) => None,
        }
    }
}

impl Positions {
    pub(crate) const LATEST: Self = Self([Position::Latest; 2]);

    /// What a client asks for: the header wins, and nothing is the latest.
    pub(crate) fn asked(
        last_event_id: Option<&str>,
        since: Option<&str>,
    ) -> Result<Self, PositionError> {
        match (last_event_id, since) {
            (Some(id), _) if !id.trim().is_empty() => Self::of_id(id),
            (_, Some(since)) if !since.is_empty() => Self::of_since(since),
            _ => Ok(Self::LATEST),
        }
    }

    fn of_id(id: &str) -> Result<Self, PositionError> {
        let mut positions = Self::LATEST;
        for entry in serde_json::from_str::<Vec<Entry>>(id)? {
            let Some(topic) = Topic::named(&entry.topic) else {
                return Err(PositionError::Topic(entry.topic));
            };
            if entry.partition != 0 {
                return Err(PositionError::Partition {
                    topic: entry.topic,
                    partition: entry.partition,
                });
            }
            let position = entry.position();
            positions.0[topic.index()] = position.ok_or(PositionError::Nowhere(entry.topic))?;
        }
        Ok(positions)
    }

    fn of_since(since: &str) -> Result<Self, PositionError> {
        let millis = since_millis(since).ok_or_else(|| PositionError::Since(since.to_owned()))?;
        Ok(Self([Position::Timestamp(millis); 2]))
    }

    pub(crate) fn of(&self, topic: Topic) -> Position {
        self.0[topic.index()]
    }

    /// An event of this time was sent. As the host does it: one more than its time.
    pub(crate) fn sent(&mut self, topic: Topic, ts: i64) {
        self.0[topic.index()] = Position::Timestamp(ts + 1);
    }

    /// Writes it as an id.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        for (n, topic) in TOPICS.into_iter().enumerate() {
            let (name, at) = match self.of(topic) {
                Position::Latest => ("offset", -1),
                Position::Offset(offset) => ("offset", offset),
                Position::Timestamp(timestamp) => ("timestamp", timestamp),
            };
            let start = if n == 0 { '[' } else { ',' };
            // A vector takes everything.
            let _ = write!(
                out,
                "{start}{{\"topic\":\"{}\",\"partition\":0,\"{name}\":{at}}}",
                topic.name()
            );
        }
        out.push(b']');
    }
}

/// A number of milliseconds, or a time or date, in UTC where it names no zone.
fn since_millis(since: &str) -> Option<i64> {
    let zoned = || since.parse().ok().or_else(|| millis(since));
    let civil = || {
        let time: jiff::civil::DateTime = since.parse().ok()?;
        let time = time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(time.timestamp().as_millisecond())
    };
    zoned().or_else(civil)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(id: Option<&str>, since: Option<&str>) -> Result<[Position; 2], String> {
        let positions = Positions::asked(id, since);
        positions
            .map(|positions| positions.0)
            .map_err(|why| why.to_string())
    }

    use Position::{Latest, Offset, Timestamp};

    #[test]
    fn reads_what_clients_ask_for() {
        let id = r#"[{"topic":"codfw.mediawiki.recentchange","partition":0,"timestamp":5},
            {"topic":"eqiad.mediawiki.recentchange","partition":0,"offset":3,"timestamp":9}]"#;
        assert_eq!(asked(Some(id), Some("junk")), Ok([Offset(3), Timestamp(5)]));
        let one = r#"[{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]"#;
        assert_eq!(asked(Some(one), None), Ok([Latest, Latest]));
        assert_eq!(asked(None, None), Ok([Latest, Latest]));
        assert_eq!(asked(Some(""), Some("")), Ok([Latest, Latest]));
        for (since, millis) in [
            ("1793491199123", 1_793_491_199_123),
            ("2026-11-01T00:00:00.5Z", 1_793_491_200_500),
            ("2026-11-01T01:00+01:00", 1_793_491_200_000),
            ("2026-11-01T00:00:00", 1_793_491_200_000),
            ("2026-11-01", 1_793_491_200_000),
        ] {
            assert_eq!(
                asked(None, Some(since)),
                Ok([Timestamp(millis); 2]),
                "{since}"
            );
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (id, why) in [
            ("{", "Last-Event-ID is not an array"),
            ("{}", "Last-Event-ID is not an array"),
            (r#"[{"topic":"x","partition":0}]"#, "the topic \"x\""),
            (
                r#"[{"topic":"eqiad.mediawiki.recentchange","partition":1,"offset":1}]"#,
                "partition 1 of",
            ),
            (
                r#"[{"topic":"eqiad.mediawiki.recentchange","partition":0}]"#,
                "neither a timestamp nor an offset",
            ),
        ] {
            let said = asked(Some(id), Some("5")).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        for since in ["yesterday", "2026-13-01", "5s"] {
            assert!(
                asked(None, Some(since))
                    .unwrap_err()
                    .starts_with("since is"),
                "{since}"
            );
        }
    }

    #[test]
    fn is_written_as_the_host_does() {
        let mut positions = Positions::LATEST;
        positions.sent(Topic::Eqiad, 41);
        let mut out = Vec::new();
        positions.write(&mut out);
        assert_eq!(
            String::from_utf8(out).unwrap(),
            r#"[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":42},{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]"#
        );
    }
}
