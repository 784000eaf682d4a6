//! One event: read once, and written as often as it is sent.

use std::io::Write as _;

use serde_json::value::RawValue;

use super::members::Members;
use super::topic::Topic;
use super::uuid;

/// Why a line is not an event.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not a JSON object, or its `meta` is none.
    #[error("not an event ({0}): one JSON object a line belongs there")]
    Json(#[from] serde_json::Error),
    /// A topic that the stream does not have.
    #[error(
        "its meta.topic is {topic:?}: use eqiad.mediawiki.recentchange or codfw.mediawiki.recentchange, or leave it out"
    )]
    Topic {
        /// The topic as given.
        topic: String,
    },
}

/// An event as it was given, cut at the places that change from one publishing to the next.
#[derive(Debug)]
pub(crate) struct Template {
    pub(crate) topic: Topic,
    /// `meta.dt` in milliseconds, where it can be read.
    pub(crate) ts: Option<i64>,
    pub(crate) offset: Option<i64>,
    id: Option<String>,
    timestamp: Option<i64>,
    parts: Vec<Part>,
    len: usize,
}

#[derive(Debug)]
enum Part {
    Text(Vec<u8>),
    /// `meta.id`, `meta.dt` and `timestamp`, each with the text it has when nothing changes it.
    Id(String),
    Dt(String),
    Timestamp(String),
    /// `meta.offset`: the event says where in the log it is.
    Offset,
}

/// The times that an event is published with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dated {
    AsGiven,
    /// Later by so many seconds, as repeated events are.
    Shifted(i64),
    /// At the moment of publishing, in milliseconds.
    Now(i64),
}

/// What is particular to one publishing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issue {
    pub(crate) offset: i64,
    /// 0 for the first time, then which repetition it is.
    pub(crate) round: u64,
    pub(crate) dated: Dated,
}

impl Template {
    pub(crate) fn parse(line: &str) -> Result<Self, EventError> {
        // Only white space can hold them in JSON; the host collapses them as well.
        let line = line.replace(['\r', '\n'], " ");
        let event: Members<'_> = serde_json::from_str(&line)?;
        let meta: Members<'_> = match event.get("meta") {
            Some(meta) => serde_json::from_str(meta.get())?,
            None => Members::default(),
        };
        let topic = topic(&meta)?;
        let mut draft = Draft::default();
        draft.object(&event, |draft, key, value| match key {
            "meta" => draft.meta(&meta, topic),
            "timestamp" => draft.slot(Part::Timestamp(value.get().to_owned())),
            _ => draft.text(value.get()),
        });
        if event.get("meta").is_none() {
            draft.reopen(event.0.is_empty());
            draft.text("\"meta\":");
            draft.meta(&meta, topic);
            draft.text("}");
        }
        let id = meta.get("id").map(|raw| {
            serde_json::from_str::<String>(raw.get()).unwrap_or_else(|_| raw.get().to_owned())
        });
        let dt: Option<String> = meta.read("dt");
        Ok(Self {
            topic,
            ts: dt.and_then(|dt| millis(&dt)),
            offset: meta.read("offset"),
            id,
            timestamp: event.read("timestamp"),
            len: line.len() + 100,
            parts: draft.finish(),
        })
    }

    /// About how many bytes it has when it is written.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Its `meta.id` in this round.
    pub(crate) fn id(&self, round: u64) -> Option<String> {
        let id = self.id.as_ref()?;
        Some(match round {
            0 => id.clone(),
            round => uuid::derived(id, round),
        })
    }

    /// Writes it as one line of JSON.
    pub(crate) fn write(&self, issue: Issue, out: &mut Vec<u8>) {
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Id(given) => match issue.round {
                    0 => out.extend_from_slice(given.as_bytes()),
                    round => quoted(self.id(round).unwrap_or_default(), out),
                },
                Part::Dt(given) => match self.moved(issue.dated) {
                    None => out.extend_from_slice(given.as_bytes()),
                    Some(ts) => quoted(iso(ts), out),
                },
                Part::Timestamp(given) => match self.seconds(issue.dated) {
                    None => out.extend_from_slice(given.as_bytes()),
                    Some(seconds) => number(seconds, out),
                },
                Part::Offset => number(issue.offset, out),
            }
        }
    }

    fn moved(&self, dated: Dated) -> Option<i64> {
        match dated {
            Dated::AsGiven => None,
            Dated::Shifted(seconds) => Some(self.ts?.saturating_add(seconds.saturating_mul(1000))),
            Dated::Now(ts) => Some(ts),
        }
    }

    fn seconds(&self, dated: Dated) -> Option<i64> {
        match dated {
            Dated::AsGiven => None,
            Dated::Shifted(seconds) => Some(self.timestamp?.saturating_add(seconds)),
            Dated::Now(ts) => Some(ts.div_euclid(1000)),
        }
    }
}

fn topic(meta: &Members<'_>) -> Result<Topic, EventError> {
    match meta.get("topic") {
        None => Ok(Topic::Eqiad),
        Some(raw) => {
            let topic: String = serde_json::from_str(raw.get())?;
            Topic::named(&topic).ok_or(EventError::Topic { topic })
        }
    }
}

/// A time in milliseconds; `None` for what is no ISO 8601 time of a known zone.
pub(crate) fn millis(dt: &str) -> Option<i64> {
    let time: jiff::Timestamp = dt.parse().ok()?;
    Some(time.as_millisecond())
}

/// As `meta.dt` is written: milliseconds and `Z`.
pub(crate) fn iso(millis: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(millis).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    format!("{time:.3}")
}

fn quoted(text: String, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend(text.into_bytes());
    out.push(b'"');
}

fn number(number: i64, out: &mut Vec<u8>) {
    // A vector takes everything.
    let _ = write!(out, "{number}");
}

/// A template being written.
#[derive(Default)]
struct Draft {
    parts: Vec<Part>,
    text: Vec<u8>,
}

impl Draft {
    fn text(&mut self, text: &str) {
        self.text.extend_from_slice(text.as_bytes());
    }

    fn slot(&mut self, part: Part) {
        if !self.text.is_empty() {
            self.parts.push(Part::Text(std::mem::take(&mut self.text)));
        }
        self.parts.push(part);
    }

    fn object(&mut self, members: &Members<'_>, mut value: impl FnMut(&mut Self, &str, &RawValue)) {
        self.text("{");
        for (n, (key, raw)) in members.0.iter().enumerate() {
            let comma = if n == 0 { "" } else { "," };
            let name = serde_json::Value::from(key.as_str());
            self.text(&format!("{comma}{name}:"));
            value(self, key, raw);
        }
        self.text("}");
    }

    fn meta(&mut self, meta: &Members<'_>, topic: Topic) {
        self.object(meta, |draft, key, value| match key {
            "id" => draft.slot(Part::Id(value.get().to_owned())),
            "dt" => draft.slot(Part::Dt(value.get().to_owned())),
            "offset" => draft.slot(Part::Offset),
            _ => draft.text(value.get()),
        });
        let mut first = meta.0.is_empty();
        for name in ["topic", "partition", "offset"] {
            if meta.get(name).is_some() {
                continue;
            }
            self.reopen(std::mem::take(&mut first));
            match name {
                "topic" => self.text(&format!("\"topic\":\"{}\"", topic.name())),
                "partition" => self.text("\"partition\":0"),
                _ => {
                    self.text("\"offset\":");
                    self.slot(Part::Offset);
                }
            }
            self.text("}");
        }
    }

    /// Makes room for one more member in the object that was written last.
    fn reopen(&mut self, empty: bool) {
        self.text.pop();
        if !empty {
            self.text(",");
        }
    }

    fn finish(mut self) -> Vec<Part> {
        self.parts.push(Part::Text(self.text));
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(line: &str, issue: Issue) -> String {
        let mut out = Vec::new();
        Template::parse(line).unwrap().write(issue, &mut out);
        String::from_utf8(out).unwrap()
    }

    const FIRST: Issue = Issue {
        offset: 7,
        round: 0,
        dated: Dated::AsGiven,
    };

    #[test]
    fn is_sent_as_it_was_given() {
        let line = r#"{"z":1,"meta":{"dt":"2026-11-01T00:00:00Z","id":"a","topic":"codfw.mediawiki.recentchange","partition":0,"offset":7},"a":[ 1, 1.50 ],"timestamp":5,"\"":"\u00e4"}"#;
        assert_eq!(written(line, FIRST), line);
        assert_eq!(Template::parse(line).unwrap().topic, Topic::Codfw);
    }

    #[test]
    fn gains_its_place_in_the_log() {
        let place = r#""topic":"eqiad.mediawiki.recentchange","partition":0,"offset":7"#;
        for (line, wanted) in [
            ("{}".to_owned(), format!("{{\"meta\":{{{place}}}}}")),
            (
                r#"{"a":1}"#.to_owned(),
                format!("{{\"a\":1,\"meta\":{{{place}}}}}"),
            ),
            (
                "{\"meta\":{\"id\":\"x\"},\r\n\"a\":1}".to_owned(),
                format!("{{\"meta\":{{\"id\":\"x\",{place}}},\"a\":1}}"),
            ),
            (
                r#"{"meta":{"offset":12}}"#.to_owned(),
                "{\"meta\":{\"offset\":7,\"topic\":\"eqiad.mediawiki.recentchange\",\"partition\":0}}"
                    .to_owned(),
            ),
        ] {
            assert_eq!(written(&line, FIRST), wanted);
        }
    }

    #[test]
    fn is_dated_anew() {
        let line = r#"{"meta":{"id":"a","dt":"2026-11-01T00:00:00Z","topic":"eqiad.mediawiki.recentchange","partition":0,"offset":1},"timestamp":1793491199}"#;
        let shifted = written(
            line,
            Issue {
                round: 2,
                dated: Dated::Shifted(60),
                ..FIRST
            },
        );
        assert!(
            shifted.contains("\"2026-11-01T00:01:00.000Z\""),
            "{shifted}"
        );
        assert!(shifted.contains("\"timestamp\":1793491259"), "{shifted}");
        assert!(shifted.contains(&uuid::derived("a", 2)), "{shifted}");
        let now = written(
            line,
            Issue {
                dated: Dated::Now(1_793_500_000_042),
                ..FIRST
            },
        );
        assert!(
            now.contains("\"id\":\"a\",\"dt\":\"2026-11-01T02:26:40.042Z\"")
                && now.contains("\"timestamp\":1793500000}"),
            "{now}"
        );
    }

    #[test]
    fn says_what_is_wrong() {
        for (line, why) in [
            (
                "[]",
                "not an event (invalid type: sequence, expected a JSON object",
            ),
            ("{\"a\":", "not an event (EOF"),
            ("{\"meta\":5}", "expected a JSON object"),
            (
                r#"{"meta":{"topic":"x"}}"#,
                "its meta.topic is \"x\": use eqiad.",
            ),
        ] {
            let said = Template::parse(line).unwrap_err().to_string();
            assert!(said.contains(why), "{said}");
        }
    }
}
