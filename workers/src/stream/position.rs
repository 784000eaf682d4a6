//! Where the stream stands.
//!
//! The id of an event is a JSON array with an entry for each Kafka topic behind the stream, one a
//! datacentre: `{"topic", "partition", "timestamp"}` once it had events, `{…, "offset": -1}` before.
//! The timestamp is that of the next event to come at the earliest, in milliseconds. A topic's
//! events are *not* in the order of their timestamps, so that going on at the very id loses some
//! (`lib/Kasocki.js` in wikimedia/KafkaSSE asks Kafka for the first offset of a time); we go back
//! some seconds, in every topic, and drop by id what comes twice. Offsets differ between
//! datacentres and are not used.

use std::{collections::BTreeMap, time::Duration};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The topics of the stream, for a start at a time.
const TOPICS: [&str; 2] = [
    "codfw.mediawiki.recentchange",
    "eqiad.mediawiki.recentchange",
];

/// The newest time seen of each topic, in milliseconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(BTreeMap<String, i64>);

/// An entry of an id. It has other fields, too.
#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    #[serde(borrow)]
    topic: std::borrow::Cow<'a, str>,
    #[serde(default)]
    partition: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
}

impl Position {
    /// A moment, in every topic.
    #[must_use]
    pub fn at(moment: Timestamp) -> Self {
        let moment = moment.as_millisecond();
        Self(TOPICS.map(|topic| (topic.to_owned(), moment)).into())
    }

    /// Moves on to an event's id. It never goes back, whatever the server sends again. An id that
    /// cannot be read changes nothing.
    pub fn advance(&mut self, id: &[u8]) {
        let Ok(entries) = serde_json::from_slice::<Vec<Entry<'_>>>(id) else {
            return;
        };
        for entry in entries {
            let Some(timestamp) = entry.timestamp else {
                continue;
            };
            match self.0.get_mut(entry.topic.as_ref()) {
                Some(newest) => *newest = timestamp.max(*newest),
                None => {
                    self.0.insert(entry.topic.into_owned(), timestamp);
                }
            }
        }
    }

    /// Moves on to where another one is further.
    pub fn merge(&mut self, other: &Self) {
        for (topic, timestamp) in &other.0 {
            let mine = self.0.entry(topic.clone()).or_insert(*timestamp);
            *mine = (*mine).max(*timestamp);
        }
    }

    /// The earlier of two, topic by topic. Who has not seen a topic may lack all of it since the earliest that it has
    /// seen of others.
    #[must_use]
    pub fn earlier(&self, other: &Self) -> Self {
        let topics = self.0.keys().chain(other.0.keys());
        let at = |topic: &String| {
            [self, other]
                .into_iter()
                .filter_map(|one| one.at_least(topic))
                .min()
        };
        Self(
            topics
                .filter_map(|topic| Some((topic.clone(), at(topic)?)))
                .collect(),
        )
    }

    fn at_least(&self, topic: &str) -> Option<i64> {
        self.0.get(topic).or_else(|| self.0.values().min()).copied()
    }

    /// Whether nothing was seen yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The newest moment of all topics.
    #[must_use]
    pub fn newest(&self) -> Option<Timestamp> {
        let newest = self.0.values().max()?;
        Timestamp::from_millisecond(*newest).ok()
    }

    /// What to send as `Last-Event-ID`, to go on some time before. A topic that had no event yet
    /// is read from where the others are, for one of these days Wikimedia moves to its datacentre.
    #[must_use]
    pub fn last_event_id(&self, rewind: Duration) -> Option<String> {
        let earliest = *self.0.values().min()?;
        let rewind = i64::try_from(rewind.as_millis()).unwrap_or(i64::MAX);
        let unseen = TOPICS
            .into_iter()
            .filter(|topic| !self.0.contains_key(*topic))
            .map(|topic| (topic, earliest));
        let seen = self.0.iter().map(|(topic, at)| (topic.as_str(), *at));
        let entries: Vec<_> = seen
            .chain(unseen)
            .map(|(topic, timestamp)| Entry {
                topic: topic.into(),
                partition: 0,
                timestamp: Some(timestamp.saturating_sub(rewind)),
            })
            .collect();
        serde_json::to_string(&entries).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &[u8] = br#"[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":1790487705416},{"topic":"codfw.mediawiki.recentchange","partition":0,"offset":-1}]"#;

    #[test]
    fn every_topic_is_rewound_and_none_is_read_from_its_end() {
        let mut position = Position::default();
        assert_eq!(position.last_event_id(Duration::ZERO), None);
        position.advance(ID);
        assert_eq!(
            position.last_event_id(Duration::from_secs(30)).unwrap(),
            r#"[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":1790487675416},{"topic":"codfw.mediawiki.recentchange","partition":0,"timestamp":1790487675416}]"#
        );
    }

    #[test]
    fn it_never_goes_back_and_bad_ids_change_nothing() {
        let mut position = Position::default();
        position.advance(ID);
        let before = position.clone();
        for id in [
            br#"[{"topic":"eqiad.mediawiki.recentchange","partition":0,"timestamp":5}]"#.as_slice(),
            b"",
            b"{}",
            b"[{\"topic\":",
        ] {
            position.advance(id);
            assert_eq!(position, before);
        }
    }

    #[test]
    fn the_earlier_of_two_has_every_topic() {
        let mut a = Position::at("2026-01-01T00:00:10Z".parse().unwrap());
        let b = Position::at("2026-01-01T00:00:05Z".parse().unwrap());
        a.advance(br#"[{"topic":"x","timestamp":7}]"#);
        let earlier = a.earlier(&b);
        assert_eq!(earlier.newest(), b.newest());
        assert_eq!(
            earlier
                .last_event_id(Duration::ZERO)
                .unwrap()
                .matches("topic")
                .count(),
            3
        );
        // One that never saw a topic may lack what the other has of it.
        let mut late = Position::default();
        late.advance(br#"[{"topic":"x","timestamp":4},{"topic":"y","timestamp":4}]"#);
        let mut early = Position::default();
        early.advance(br#"[{"topic":"x","timestamp":1}]"#);
        for both in [late.earlier(&early), early.earlier(&late)] {
            assert_eq!(serde_json::to_string(&both).unwrap(), r#"{"x":1,"y":1}"#);
        }
        assert_eq!(Position::default().earlier(&late), late);
        let text = serde_json::to_string(&a).unwrap();
        assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), a);
    }
}
