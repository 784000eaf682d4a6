//! An event of the stream, `mediawiki/recentchange` (jsonschema/mediawiki/recentchange in
//! wikimedia/schemas-event-primary).
//!
//! Only `meta.id` and `meta.dt` have to be there: without them an event cannot be told from
//! another, or has no time. Any other field may be absent, and one that is not of its published
//! type counts as absent; the event is kept as it came beside its columns, so nothing is lost.

mod change;
mod lenient;

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio::sync::OwnedSemaphorePermit;
use wikiingest_crds::{ChangeType, RecentChanges};

pub use self::change::{COLUMNS, Change, Kind, Value};
use self::lenient::Text;
use super::frame::Frame;
use crate::{batch::dataset::utc, hex::hex};

/// The longest value of the columns that are parts of keys, in bytes.
pub const KEY_BYTES: usize = 128;
/// The longest id: a UUID has 36.
const ID_BYTES: usize = 64;
/// The longest reason that is kept with a frame that cannot be read, in characters. Parsers quote what they choke on.
const REASON_CHARS: usize = 400;
/// The first and the last year that an event may be of: what is beyond no store takes, and it would push every later
/// event into the past.
const YEARS: std::ops::RangeInclusive<i16> = 2001..=2100;

/// What a frame turned out to be.
#[derive(Debug)]
pub enum Parsed {
    /// A change.
    Event(Event),
    /// One that the source does not want, and its time.
    Filtered(Timestamp),
    /// A sign of life that upstream sends itself.
    Canary,
    /// Something that cannot be read.
    Bad(Bad),
}

/// A change: it can be taken apart, and is not yet.
#[derive(Debug)]
pub struct Event {
    /// The hash of its id, for [`Seen`](super::seen::Seen).
    pub key: u128,
    /// `meta.dt`.
    pub ts: Timestamp,
    /// It may be held already: it is older than what this process remembers.
    pub perhaps_held: bool,
    /// The event as it came: JSON, UTF-8.
    pub raw: Bytes,
    /// Where the stream stands with it: the frame's `id`.
    pub cursor: Bytes,
    /// Its share of what may be held in memory, given back when the last sink is done with it.
    pub room: Option<OwnedSemaphorePermit>,
}

/// A frame that is no event, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bad {
    /// The frame's data, or the start of it.
    pub raw: Bytes,
    /// What is wrong with it.
    pub reason: String,
    /// Where the stream stands with it.
    pub cursor: Bytes,
}

impl Bad {
    /// What it is kept under, once however often it comes: the hash of its bytes, in hex.
    #[must_use]
    pub fn unit(&self) -> String {
        hex(&Sha256::digest(&self.raw))
    }
}

/// Which events are wanted.
#[derive(Debug, Clone)]
pub struct Filter {
    /// `None` is all of them.
    wikis: Option<Vec<String>>,
    /// `None` is all of them, those that are yet to be invented, too.
    types: Option<Vec<&'static str>>,
}

impl Filter {
    /// What a source asks for.
    #[must_use]
    pub fn new(source: &RecentChanges) -> Self {
        let all_wikis = source.wikis.iter().any(|wiki| wiki == "*");
        let name = |kind: &ChangeType| match kind {
            ChangeType::Edit => "edit",
            ChangeType::New => "new",
            ChangeType::Log => "log",
            ChangeType::Categorize => "categorize",
            ChangeType::External => "external",
        };
        let mut types: Vec<_> = source.types.iter().map(name).collect();
        types.sort_unstable();
        types.dedup();
        Self {
            wikis: (!all_wikis).then(|| source.wikis.clone()),
            types: (types.len() < 5).then_some(types),
        }
    }

    fn wants(&self, wiki: Option<&str>, kind: Option<&str>) -> bool {
        let listed = |list: &[&str], value: Option<&str>| value.is_some_and(|v| list.contains(&v));
        self.types.as_ref().is_none_or(|types| listed(types, kind))
            && self.wikis.as_ref().is_none_or(|wikis| {
                wiki.is_some_and(|wiki| wikis.iter().any(|wanted| wanted == wiki))
            })
    }
}

/// What has to be known of an event before it is taken apart.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    meta: Meta<'a>,
    #[serde(borrow, default, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow, default)]
    wiki: Text<'a>,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(borrow, default)]
    id: Text<'a>,
    #[serde(borrow, default)]
    dt: Text<'a>,
    #[serde(borrow, default)]
    domain: Text<'a>,
}

/// Reads a frame.
#[must_use]
pub fn parse(frame: Frame, filter: &Filter) -> Parsed {
    let read = if frame.overlong {
        Err("the frame is longer than 8 MiB".to_owned())
    } else {
        head(&frame.data, filter)
    };
    match read {
        Ok(Read::Event(key, ts)) => Parsed::Event(Event {
            key,
            ts,
            perhaps_held: false,
            raw: frame.data,
            cursor: frame.id,
            room: None,
        }),
        Ok(Read::Filtered(ts)) => Parsed::Filtered(ts),
        Ok(Read::Canary) => Parsed::Canary,
        Err(reason) => Parsed::Bad(Bad {
            raw: frame.data.slice(..frame.data.len().min(super::frame::KEPT)),
            reason: reason.chars().take(REASON_CHARS).collect(),
            cursor: frame.id,
        }),
    }
}

enum Read {
    Event(u128, Timestamp),
    Filtered(Timestamp),
    Canary,
}

fn head(data: &[u8], filter: &Filter) -> Result<Read, String> {
    let text = simdutf8::compat::from_utf8(data)
        .map_err(|error| format!("not UTF-8 from byte {} on", error.valid_up_to() + 1))?;
    let head: Head<'_> = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if head.meta.domain.get() == Some("canary") {
        return Ok(Read::Canary);
    }
    let id = head
        .meta
        .id
        .get()
        .filter(|id| !id.is_empty())
        .ok_or("meta.id is missing")?;
    let dt = head.meta.dt.get().ok_or("meta.dt is missing")?;
    let ts: Timestamp = dt
        .parse()
        .map_err(|error| format!("meta.dt is no time: {error}"))?;
    if !YEARS.contains(&utc(ts).year()) {
        return Err(format!("meta.dt is no time of a change: {ts}"));
    }
    // Databases take two texts for the same that differ by spaces at the end.
    if id.contains(char::is_whitespace) {
        return Err("meta.id has white space".to_owned());
    }
    let (wiki, kind) = (head.wiki.get(), head.kind.get());
    let limits = [
        ("meta.id", Some(id), ID_BYTES),
        ("wiki", wiki, KEY_BYTES),
        ("type", kind, KEY_BYTES),
    ];
    for (name, value, limit) in limits {
        if value.is_some_and(|value| value.len() > limit) {
            return Err(format!("{name} is longer than {limit} bytes"));
        }
    }
    if !filter.wants(wiki, kind) {
        return Ok(Read::Filtered(ts));
    }
    // A parser skips more than it takes: a text that is cut within a character, say, or a field that comes twice. What
    // cannot be taken apart has to be known here, where it costs no other event.
    Change::read(text, ts).map_err(|error| error.to_string())?;
    Ok(Read::Event(key(id), ts))
}

/// The hash of an id.
#[must_use]
pub fn key(id: &str) -> u128 {
    let digest = Sha256::digest(id.as_bytes());
    digest
        .first_chunk()
        .map_or(0, |bytes| u128::from_le_bytes(*bytes))
}

impl Event {
    /// The event by its columns.
    ///
    /// # Errors
    /// Never for what [`parse`] let pass.
    pub fn change(&self) -> Result<Change<'_>, String> {
        let text = simdutf8::basic::from_utf8(&self.raw).map_err(|error| error.to_string())?;
        Change::read(text, self.ts).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(wikis: &[&str], types: &[ChangeType]) -> Filter {
        Filter::new(&RecentChanges {
            wikis: wikis.iter().map(ToString::to_string).collect(),
            types: types.to_vec(),
        })
    }

    fn all() -> Filter {
        use ChangeType::{Categorize, Edit, External, Log, New};
        filter(&["*"], &[Edit, New, Log, Categorize, External])
    }

    fn read(data: &str, filter: &Filter) -> Parsed {
        let frame = Frame {
            kind: Bytes::new(),
            id: Bytes::from_static(b"[]"),
            data: data.to_owned().into(),
            overlong: false,
        };
        parse(frame, filter)
    }

    const META: &str =
        r#""meta":{"id":"b18f469c-1522-4e04-b167-0b34aa79ea3e","dt":"2025-05-03T07:46:19.123Z"}"#;

    #[test]
    fn only_an_id_and_a_time_have_to_be_there() {
        let Parsed::Event(event) = read(&format!("{{{META}}}"), &all()) else {
            panic!("no event");
        };
        assert_eq!(event.ts.to_string(), "2025-05-03T07:46:19.123Z");
        let whole = format!(r#"{{{META},"type":142,"wiki":["odd"],"new_field":{{}}}}"#);
        assert!(matches!(read(&whole, &all()), Parsed::Event(_)));
        for (data, reason) in [
            ("{", "EOF"),
            ("[]", "invalid"),
            (
                r#"{"meta":{"dt":"2025-05-03T07:46:19Z"}}"#,
                "meta.id is missing",
            ),
            (r#"{"meta":{"id":"a"}}"#, "meta.dt is missing"),
            (
                r#"{"meta":{"id":"a","dt":"yesterday"}}"#,
                "meta.dt is no time",
            ),
        ] {
            let Parsed::Bad(bad) = read(data, &all()) else {
                panic!("{data} was read");
            };
            assert!(bad.reason.contains(reason), "{}", bad.reason);
            assert_eq!(bad.raw, data);
        }
        let long = format!(r#"{{{META},"wiki":"{}"}}"#, "w".repeat(200));
        assert!(matches!(read(&long, &all()), Parsed::Bad(_)));
    }

    #[test]
    fn what_no_store_would_take_is_bad_from_the_start() {
        let meta = |id: &str, dt: &str| format!(r#"{{"meta":{{"id":"{id}","dt":"{dt}"}}}}"#);
        for data in [
            format!(r#"{{{META},"comment":"\ud83d"}}"#),
            format!(r#"{{{META},"id":1e999}}"#),
            format!(r#"{{{META},"title":"a","title":"b"}}"#),
            meta("a ", "2025-05-03T07:46:19Z"),
            meta("a", "-000001-01-01T00:00:00Z"),
            meta("a", "2925-05-03T07:46:19Z"),
            meta("a", &format!("2025-05-03T07:46:19Z{}", "x".repeat(2_000))),
            format!("\"{}\"", "x".repeat(2_000)),
        ] {
            let Parsed::Bad(bad) = read(&data, &all()) else {
                panic!("{data} was read");
            };
            assert!(bad.reason.chars().count() <= REASON_CHARS, "{}", bad.reason);
            assert!(!bad.reason.is_empty());
        }
    }

    #[test]
    fn canaries_are_told_apart() {
        let canary = r#"{"meta":{"dt":"2024-10-01T19:02:00.000Z","domain":"canary","id":"x"}}"#;
        assert!(matches!(read(canary, &all()), Parsed::Canary));
    }

    #[test]
    fn filters_go_by_wiki_and_type() {
        let event =
            |wiki: &str, kind: &str| format!(r#"{{{META},"wiki":"{wiki}","type":"{kind}"}}"#);
        let some = filter(&["enwiki"], &[ChangeType::Edit]);
        assert!(matches!(
            read(&event("enwiki", "edit"), &some),
            Parsed::Event(_)
        ));
        assert!(matches!(
            read(&event("dewiki", "edit"), &some),
            Parsed::Filtered(_)
        ));
        assert!(matches!(
            read(&event("enwiki", "log"), &some),
            Parsed::Filtered(_)
        ));
        // Who wants all types wants those of tomorrow.
        assert!(matches!(
            read(&event("enwiki", "142"), &all()),
            Parsed::Event(_)
        ));
        assert!(matches!(
            read(&event("enwiki", "142"), &some),
            Parsed::Filtered(_)
        ));
    }
}
