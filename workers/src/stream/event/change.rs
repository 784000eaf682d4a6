//! An event by its columns.

use std::borrow::Cow;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::lenient::{Flag, Int, Text};

/// More than any page has.
const MOST_BYTES: i64 = 1 << 40;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A moment, UTC.
    Time,
    /// Text.
    Text,
    /// A whole number.
    Int,
    /// True or false.
    Flag,
}

/// A column's value in one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// A moment, UTC.
    Time(Timestamp),
    /// Text.
    Text(Option<&'a str>),
    /// A whole number.
    Int(Option<i64>),
    /// True or false.
    Flag(Option<bool>),
}

/// An event, taken apart. A field that it does not have is `None`.
#[derive(Debug)]
pub struct Change<'a> {
    ts: Timestamp,
    raw: &'a str,
    fields: Fields<'a>,
    log_params: Option<Cow<'a, str>>,
}

impl<'a> Change<'a> {
    pub(super) fn read(raw: &'a str, ts: Timestamp) -> serde_json::Result<Self> {
        let mut fields: Fields<'a> = serde_json::from_str(raw)?;
        // Object, array or text, as upstream has it: kept as JSON.
        let log_params = fields.log_params.take().map(|value| value.get().into());
        Ok(Self {
            ts,
            raw,
            fields,
            log_params,
        })
    }

    /// `meta.dt`.
    #[must_use]
    pub fn ts(&self) -> Timestamp {
        self.ts
    }

    /// The wiki's database name; empty if the event has none.
    #[must_use]
    pub fn wiki(&self) -> &str {
        self.fields.wiki.get().unwrap_or_default()
    }

    /// `edit`, `new`, `log`, `categorize`, `external`, or what will come; empty if it has none.
    #[must_use]
    pub fn kind(&self) -> &str {
        self.fields.kind.get().unwrap_or_default()
    }

    /// Whether a bot did it.
    #[must_use]
    pub fn is_bot(&self) -> bool {
        self.fields.bot.0 == Some(true)
    }

    /// `meta.id`.
    #[must_use]
    pub fn event_id(&self) -> &str {
        self.fields.meta.id.get().unwrap_or_default()
    }

    /// By how many bytes the page changed, where the event says so; no more than a tebibyte, so that sums of it have
    /// room.
    #[must_use]
    pub fn bytes_changed(&self) -> i64 {
        let length = &self.fields.length;
        let old = length.old.0.unwrap_or(0);
        let changed = length.new.0.map_or(0, |new| new.saturating_sub(old));
        changed.clamp(-MOST_BYTES, MOST_BYTES)
    }
}

#[derive(Debug, Deserialize)]
struct Fields<'a> {
    #[serde(borrow)]
    meta: Meta<'a>,
    #[serde(borrow, default, rename = "$schema")]
    schema: Text<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    wiki: Text<'a>,
    #[serde(default)]
    bot: Flag,
    #[serde(default)]
    minor: Flag,
    #[serde(default)]
    patrolled: Flag,
    #[serde(default)]
    namespace: Int,
    #[serde(borrow, default)]
    title: Text<'a>,
    #[serde(borrow, default)]
    title_url: Text<'a>,
    #[serde(borrow, default)]
    user: Text<'a>,
    #[serde(borrow, default)]
    comment: Text<'a>,
    #[serde(borrow, default)]
    parsedcomment: Text<'a>,
    #[serde(default)]
    id: Int,
    #[serde(default)]
    timestamp: Int,
    #[serde(default, deserialize_with = "pair")]
    length: Pair,
    #[serde(default, deserialize_with = "pair")]
    revision: Pair,
    #[serde(borrow, default)]
    notify_url: Text<'a>,
    #[serde(default)]
    log_id: Int,
    #[serde(borrow, default)]
    log_type: Text<'a>,
    #[serde(borrow, default)]
    log_action: Text<'a>,
    #[serde(borrow, default)]
    log_action_comment: Text<'a>,
    #[serde(borrow, default)]
    log_params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    server_url: Text<'a>,
    #[serde(borrow, default)]
    server_name: Text<'a>,
    #[serde(borrow, default)]
    server_script_path: Text<'a>,
}

#[derive(Debug, Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    uri: Text<'a>,
    #[serde(borrow, default)]
    request_id: Text<'a>,
    #[serde(borrow, default)]
    domain: Text<'a>,
    #[serde(borrow, default)]
    stream: Text<'a>,
    #[serde(borrow, default)]
    topic: Text<'a>,
    #[serde(default)]
    partition: Int,
    #[serde(default)]
    offset: Int,
}

/// `{"old": 1, "new": 2}`.
#[derive(Debug, Default, Deserialize)]
struct Pair {
    #[serde(default)]
    old: Int,
    #[serde(default)]
    new: Int,
}

/// A pair, or none where there is something else.
fn pair<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Pair, D::Error> {
    let value = <&RawValue>::deserialize(deserializer)?;
    Ok(serde_json::from_str(value.get()).unwrap_or_default())
}

/// The columns, each with where its value is: the order of the tables and of the lake's files.
macro_rules! columns {
    ($change:ident; $($name:literal $kind:ident $value:expr,)*) => {
        /// The columns of `recent_changes`: name, kind, and whether it may be null.
        pub const COLUMNS: &[(&str, Kind, bool)] = &[
            $(($name, Kind::$kind, !matches!($name.as_bytes(), b"event_id" | b"ts" | b"raw")),)*
        ];

        impl Change<'_> {
            /// The values, in the order of [`COLUMNS`].
            #[must_use]
            pub fn values(&self) -> [Value<'_>; COLUMNS.len()] {
                let $change = self;
                [$(Value::$kind($value),)*]
            }
        }
    };
}

columns! { change;
    "event_id" Text change.fields.meta.id.get(),
    "ts" Time change.ts,
    "type" Text change.fields.kind.get(),
    "wiki" Text change.fields.wiki.get(),
    "bot" Flag change.fields.bot.0,
    "minor" Flag change.fields.minor.0,
    "patrolled" Flag change.fields.patrolled.0,
    "namespace" Int change.fields.namespace.0,
    "title" Text change.fields.title.get(),
    "title_url" Text change.fields.title_url.get(),
    "user_name" Text change.fields.user.get(),
    "comment" Text change.fields.comment.get(),
    "parsedcomment" Text change.fields.parsedcomment.get(),
    "rc_id" Int change.fields.id.0,
    "rc_timestamp" Int change.fields.timestamp.0,
    "length_old" Int change.fields.length.old.0,
    "length_new" Int change.fields.length.new.0,
    "revision_old" Int change.fields.revision.old.0,
    "revision_new" Int change.fields.revision.new.0,
    "notify_url" Text change.fields.notify_url.get(),
    "log_id" Int change.fields.log_id.0,
    "log_type" Text change.fields.log_type.get(),
    "log_action" Text change.fields.log_action.get(),
    "log_action_comment" Text change.fields.log_action_comment.get(),
    "log_params" Text change.log_params.as_deref(),
    "server_url" Text change.fields.server_url.get(),
    "server_name" Text change.fields.server_name.get(),
    "server_script_path" Text change.fields.server_script_path.get(),
    "schema_uri" Text change.fields.schema.get(),
    "meta_uri" Text change.fields.meta.uri.get(),
    "meta_request_id" Text change.fields.meta.request_id.get(),
    "meta_domain" Text change.fields.meta.domain.get(),
    "meta_stream" Text change.fields.meta.stream.get(),
    "meta_topic" Text change.fields.meta.topic.get(),
    "meta_partition" Int change.fields.meta.partition.0,
    "meta_offset" Int change.fields.meta.offset.0,
    "raw" Text Some(change.raw),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value<'a>(change: &'a Change<'_>, name: &str) -> Value<'a> {
        let at = COLUMNS
            .iter()
            .position(|(column, ..)| *column == name)
            .unwrap();
        change.values()[at].clone()
    }

    #[test]
    fn every_field_has_its_column() {
        let raw = r#"{"$schema":"/mediawiki/recentchange/1.0.0","meta":{"uri":"u","request_id":"r","id":"i","dt":"2025-05-03T07:46:19Z","domain":"d","stream":"s","topic":"t","partition":0,"offset":5559405228},"id":2842663881,"type":"log","namespace":-1,"title":"T\"\u00e4","title_url":"tu","comment":"c","timestamp":1746258379,"user":"U","bot":true,"minor":false,"patrolled":true,"length":{"old":5,"new":3},"revision":{"old":1016570351,"new":1027292291},"notify_url":"n","log_id":0,"log_type":"lt","log_action":"la","log_action_comment":"lc","log_params":[264770296,"x"],"server_url":"su","server_name":"sn","server_script_path":"/w","wiki":"commonswiki","parsedcomment":"p"}"#;
        let change = Change::read(raw, Timestamp::UNIX_EPOCH).unwrap();
        for (at, (name, kind, nullable)) in COLUMNS.iter().enumerate() {
            let value = change.values()[at].clone();
            let absent = matches!(
                value,
                Value::Text(None) | Value::Int(None) | Value::Flag(None)
            );
            assert!(!absent, "{name} {kind:?} {nullable}");
        }
        assert_eq!(value(&change, "title"), Value::Text(Some("T\"ä")));
        assert_eq!(
            value(&change, "log_params"),
            Value::Text(Some(r#"[264770296,"x"]"#))
        );
        assert_eq!(
            value(&change, "revision_new"),
            Value::Int(Some(1_027_292_291))
        );
        assert_eq!(change.bytes_changed(), -2);
        assert!(change.is_bot());
    }

    #[test]
    fn odd_values_are_absent_and_cost_no_other() {
        let raw = r#"{"meta":{"id":"i"},"length":7,"revision":{"old":"x","new":2},"title":["t"],"user":null,"wiki":"enwiki","log_params":null}"#;
        let change = Change::read(raw, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(value(&change, "length_new"), Value::Int(None));
        assert_eq!(value(&change, "revision_old"), Value::Int(None));
        assert_eq!(value(&change, "revision_new"), Value::Int(Some(2)));
        assert_eq!(value(&change, "title"), Value::Text(None));
        assert_eq!(value(&change, "log_params"), Value::Text(None));
        assert_eq!(change.wiki(), "enwiki");
    }
}
