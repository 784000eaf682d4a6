//! Recent changes as the stream publishes them: a busy mix of wikis and kinds, with every field of the schema.
//!
//! As with [`Hour`](super::generate::Hour), the same arguments give the same bytes.

use std::fmt::Write as _;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::{Value, json};

use super::generate::{Random, Vocabulary};
use super::words::SCRIPTS;

/// Part of every cached file's name: raise it whenever the output changes.
pub const VERSION: u32 = 1;

/// The day of the first event; its time is [`START`].
const DAY: u64 = 3;
/// Milliseconds of that day at which the first event happens.
const START: u64 = 5 * 3_600_000;
/// A time before all events, for those who read them from the beginning.
pub(super) const FROM: &str = "2024-08-03T04:59:00Z";
/// Milliseconds between events, on average: 50 a second.
const APART: u64 = 20;
/// By how much an event may be dated late: nobody publishes in the order of the clock.
const LATE: usize = 61;

/// A wiki: its database, its host, what its titles are written in (an index of [`SCRIPTS`]), and its weight.
const WIKIS: &[(&str, &str, usize, f64)] = &[
    ("commonswiki", "commons.wikimedia.org", 0, 0.40),
    ("wikidatawiki", "www.wikidata.org", 0, 0.14),
    ("enwiki", "en.wikipedia.org", 0, 0.12),
    ("zhwiki", "zh.wikipedia.org", 6, 0.05),
    ("frwiki", "fr.wikipedia.org", 0, 0.04),
    ("dewiki", "de.wikipedia.org", 0, 0.03),
    ("ruwiki", "ru.wikipedia.org", 1, 0.03),
    ("frwiktionary", "fr.wiktionary.org", 0, 0.02),
    ("jawiki", "ja.wikipedia.org", 7, 0.02),
    ("eswiki", "es.wikipedia.org", 0, 0.02),
    ("itwiki", "it.wikipedia.org", 0, 0.015),
    ("arwiki", "ar.wikipedia.org", 2, 0.015),
    ("plwiki", "pl.wikipedia.org", 0, 0.01),
    ("ptwiki", "pt.wikipedia.org", 0, 0.01),
    ("ukwiki", "uk.wikipedia.org", 1, 0.01),
    ("trwiki", "tr.wikipedia.org", 0, 0.01),
    ("nlwiki", "nl.wikipedia.org", 0, 0.01),
    ("hewiki", "he.wikipedia.org", 3, 0.01),
    ("mediawikiwiki", "www.mediawiki.org", 0, 0.01),
    ("fawiki", "fa.wikipedia.org", 2, 0.005),
    ("viwiki", "vi.wikipedia.org", 0, 0.005),
    ("svwiki", "sv.wikipedia.org", 0, 0.005),
    ("kowiki", "ko.wikipedia.org", 8, 0.005),
    ("cswiki", "cs.wikipedia.org", 0, 0.005),
    ("elwiki", "el.wikipedia.org", 4, 0.003),
    ("hiwiki", "hi.wikipedia.org", 5, 0.003),
    ("thwiki", "th.wikipedia.org", 9, 0.003),
    ("incubatorwiki", "incubator.wikimedia.org", 0, 0.002),
    ("metawiki", "meta.wikimedia.org", 0, 0.002),
    ("bgwiki", "bg.wikipedia.org", 1, 0.002),
];

/// What a log entry can be: its type and action.
const LOGS: &[(&str, &str)] = &[
    ("upload", "upload"),
    ("move", "move"),
    ("delete", "delete"),
    ("newusers", "create"),
    ("block", "block"),
    ("patrol", "patrol"),
];

/// Changes, in the order of the stream.
#[derive(Debug, Clone, Copy)]
pub struct Events {
    /// How many.
    pub count: usize,
    /// Others have other ids.
    pub seed: u64,
}

impl Events {
    /// Writes them, one JSON object a line.
    ///
    /// # Errors
    /// If `out` cannot be written to.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut world = World::new(self.seed);
        for n in 0..self.count {
            serde_json::to_writer(&mut *out, &world.event(n as u64))?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }
}

/// Who edits what, where.
struct World {
    random: Random,
    vocabularies: Vec<Vocabulary>,
    /// Of each wiki, the pages that are busy now.
    pages: Vec<Vec<String>>,
    users: Vec<String>,
    offsets: [u64; 2],
}

/// An event, its fields in the order in which the host has them.
#[derive(Serialize)]
struct Event {
    #[serde(rename = "$schema")]
    schema: &'static str,
    meta: Meta,
    id: u64,
    #[serde(rename = "type")]
    kind: &'static str,
    namespace: i64,
    title: String,
    title_url: String,
    comment: String,
    timestamp: u64,
    user: String,
    bot: bool,
    #[serde(flatten)]
    particular: Particular,
    server_url: String,
    server_name: &'static str,
    server_script_path: &'static str,
    wiki: &'static str,
    parsedcomment: String,
}

#[derive(Serialize)]
struct Meta {
    uri: String,
    request_id: String,
    id: String,
    domain: &'static str,
    stream: &'static str,
    dt: String,
    topic: &'static str,
    partition: u64,
    offset: u64,
}

/// What not every kind has.
#[derive(Serialize)]
#[serde(untagged)]
enum Particular {
    Edit {
        notify_url: String,
        minor: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        patrolled: Option<bool>,
        length: Pair,
        revision: Pair,
    },
    Categorize {
        notify_url: String,
    },
    Log {
        log_id: u64,
        log_type: &'static str,
        log_action: &'static str,
        log_params: Value,
        log_action_comment: String,
    },
}

/// A page that is new has nothing old.
#[derive(Serialize)]
struct Pair {
    #[serde(skip_serializing_if = "Option::is_none")]
    old: Option<u64>,
    new: u64,
}

/// What an event is about.
struct Subject {
    namespace: i64,
    title: String,
    comment: String,
    parsedcomment: String,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let vocabularies: Vec<Vocabulary> = SCRIPTS.iter().map(Vocabulary::of).collect();
        let pages = WIKIS
            .iter()
            .map(|(wiki, _, script, _)| {
                (0..2_000)
                    .map(|_| page(&mut random, &vocabularies[*script], wiki))
                    .collect()
            })
            .collect();
        let users = (0..3_000)
            .map(|n| {
                let name = vocabularies[0].word(&mut random).to_owned();
                let number = random.below(3_000);
                if is_bot(n) {
                    format!("{name}Bot")
                } else {
                    format!("{name}{number}")
                }
            })
            .collect();
        Self {
            random,
            vocabularies,
            pages,
            users,
            offsets: [5_559_405_228, 1_203_117_345],
        }
    }

    fn event(&mut self, n: u64) -> Event {
        let at = self.random.weighted();
        let (wiki, host, script, _) = WIKIS[at];
        let server_url = format!("https://{host}");
        let kind = self.kind();
        let subject = self.subject(at, script, kind);
        let title_url = format!("{server_url}/wiki/{}", in_url(&subject.title));
        let id = 2_842_663_881 + n;
        let user = self.random.near_the_front(self.users.len());
        let millis = START + n * APART + self.random.below(LATE) as u64;
        Event {
            schema: "/mediawiki/recentchange/1.0.0",
            meta: self.meta(host, title_url.clone(), millis),
            id,
            kind,
            namespace: subject.namespace,
            title: subject.title,
            title_url,
            comment: subject.comment,
            // The third of August 2024.
            timestamp: 1_722_643_200 + millis / 1000,
            user: self.users[user].clone(),
            bot: is_bot(user),
            particular: self.particular(kind, &server_url, id),
            server_url,
            server_name: host,
            server_script_path: "/w",
            wiki,
            parsedcomment: subject.parsedcomment,
        }
    }

    /// 42 % edits, 52 % changes of categories, and a few others.
    fn kind(&mut self) -> &'static str {
        match self.random.below(100) {
            0..=51 => "categorize",
            52..=93 => "edit",
            94..=96 => "new",
            _ => "log",
        }
    }

    fn subject(&mut self, wiki: usize, script: usize, kind: &str) -> Subject {
        let vocabulary = &self.vocabularies[script];
        let random = &mut self.random;
        let title = if random.chance(0.6) {
            let pages = &self.pages[wiki];
            pages[random.near_the_front(pages.len())].clone()
        } else {
            page(random, vocabulary, WIKIS[wiki].0)
        };
        if kind == "categorize" {
            let category = vocabulary.title(random).replace('_', " ");
            let comment = format!("[[:{title}]] added to category");
            let link = link(&title);
            return Subject {
                namespace: 14,
                title: format!("Category:{category}"),
                comment,
                parsedcomment: format!("{link} added to category"),
            };
        }
        let words: Vec<&str> = (0..=random.below(3))
            .map(|_| vocabulary.word(random))
            .collect();
        let words = words.join(" ");
        let about = vocabulary.title(random).replace('_', " ");
        Subject {
            namespace: namespace(&title),
            comment: format!("/* {about} */ {words} [[{about}]]"),
            parsedcomment: format!(
                "<span class=\"autocomment\"><a href=\"/wiki/{}#{}\">→\u{200e}<bdi dir=\"ltr\">{}</bdi></a></span> {words} {}",
                in_url(&title),
                in_html(&about).replace(' ', "_"),
                in_html(&about),
                link(&about)
            ),
            title,
        }
    }

    fn meta(&mut self, host: &'static str, uri: String, millis: u64) -> Meta {
        let random = &mut self.random;
        let codfw = usize::from(random.chance(0.04));
        let offset = self.offsets[codfw];
        self.offsets[codfw] += 1;
        Meta {
            uri,
            request_id: uuid(random),
            id: uuid(random),
            domain: host,
            stream: "mediawiki.recentchange",
            dt: moment(millis),
            topic: [
                "eqiad.mediawiki.recentchange",
                "codfw.mediawiki.recentchange",
            ][codfw],
            partition: 0,
            offset,
        }
    }

    fn particular(&mut self, kind: &str, server: &str, id: u64) -> Particular {
        let random = &mut self.random;
        let new = 1_016_570_351 + id % 1_000_000_000;
        let old = new - 1 - random.below(10_000_000) as u64;
        match kind {
            "categorize" => Particular::Categorize {
                notify_url: format!("{server}/w/index.php?diff={new}&oldid={old}&rcid={id}"),
            },
            "log" => {
                let (log_type, log_action) = LOGS[random.below(LOGS.len())];
                let user = random.near_the_front(self.users.len());
                let user = &self.users[user];
                Particular::Log {
                    log_id: 8_296_737 + id % 1_000_000,
                    log_type,
                    log_action,
                    // Upstream has both.
                    log_params: if random.chance(0.3) {
                        json!([])
                    } else {
                        json!({"target": user, "noredir": "0", "userid": random.below(9_000_000)})
                    },
                    log_action_comment: format!(
                        "{log_action} by [[User:{user}|{user}]] in [[Special:Log/{log_type}]]"
                    ),
                }
            }
            _ => {
                let length = 200 + random.below(60_000) as u64;
                let is_new = kind == "new";
                Particular::Edit {
                    notify_url: if is_new {
                        format!("{server}/w/index.php?oldid={new}&rcid={id}")
                    } else {
                        format!("{server}/w/index.php?diff={new}&oldid={old}&rcid={id}")
                    },
                    minor: random.chance(0.3),
                    // Wikis that do not patrol do not say.
                    patrolled: random.chance(0.8).then(|| random.chance(0.6)),
                    length: Pair {
                        old: (!is_new).then_some(length),
                        new: length + random.below(3_000) as u64,
                    },
                    revision: Pair {
                        old: (!is_new).then_some(old),
                        new,
                    },
                }
            }
        }
    }
}

impl Random {
    /// A wiki by its weight.
    fn weighted(&mut self) -> usize {
        let total: f64 = WIKIS.iter().map(|wiki| wiki.3).sum();
        let mut left = self.unit() * total;
        WIKIS
            .iter()
            .position(|wiki| {
                left -= wiki.3;
                left < 0.0
            })
            .unwrap_or_default()
    }

    /// A number below `n`: a tenth of them is taken half of the time.
    fn near_the_front(&mut self, n: usize) -> usize {
        let spread = 1 + self.below(n);
        let spread = 1 + self.below(spread);
        self.below(spread)
    }
}

/// Bots edit more than people do: they are among the first.
fn is_bot(user: usize) -> bool {
    user.is_multiple_of(3) && user < 300
}

fn page(random: &mut Random, vocabulary: &Vocabulary, wiki: &str) -> String {
    let title = vocabulary.title(random).replace('_', " ");
    match wiki {
        "wikidatawiki" => format!("Q{}", 1 + random.below(130_000_000)),
        "commonswiki" => format!("File:{title} - {}.jpg", random.below(9_000_000)),
        _ => title,
    }
}

fn namespace(title: &str) -> i64 {
    match title.split_once(':') {
        Some(("File", _)) => 6,
        Some(("Category", _)) => 14,
        Some(("User", _)) => 2,
        Some(("Special", _)) => -1,
        _ => 0,
    }
}

fn link(title: &str) -> String {
    let text = in_html(title);
    format!(
        "<a href=\"/wiki/{}\" title=\"{text}\">{text}</a>",
        in_url(title)
    )
}

fn in_html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

fn in_url(title: &str) -> String {
    title.bytes().fold(String::new(), |mut url, byte| {
        match byte {
            b' ' => url.push('_'),
            b'-' | b'_' | b'.' | b':' | b'/' | b',' | b'(' | b')' | b'!' | b'*' => {
                url.push(char::from(byte));
            }
            byte if byte.is_ascii_alphanumeric() => url.push(char::from(byte)),
            byte => {
                let _ = write!(url, "%{byte:02X}");
            }
        }
        url
    })
}

fn uuid(random: &mut Random) -> String {
    let (a, b) = (random.any(), random.any());
    format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        a >> 32,
        (a >> 16) & 0xffff,
        a & 0xfff,
        0x8000 | (b >> 50),
        b & 0xffff_ffff_ffff
    )
}

/// A time from milliseconds of the first day; a month is enough.
fn moment(millis: u64) -> String {
    let seconds = millis / 1000;
    format!(
        "2024-08-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        DAY + seconds / 86_400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60,
        millis % 1000
    )
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashSet};

    use super::*;

    fn events(count: usize) -> Vec<Value> {
        let mut out = Vec::new();
        Events { count, seed: 1 }
            .write(&mut out)
            .expect("a Vec takes everything");
        let text = String::from_utf8(out).expect("it is UTF-8");
        text.lines()
            .map(|line| serde_json::from_str(line).expect("it is JSON"))
            .collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_they_are_as_many_as_the_hosts() {
        let bytes = |seed| {
            let mut out = Vec::new();
            let count = 5_000;
            Events { count, seed }
                .write(&mut out)
                .expect("a Vec takes everything");
            out
        };
        let one = bytes(1);
        assert!(one == bytes(1) && one != bytes(2));
        let mean = one.len() / 5_000;
        assert!((1_165..1_210).contains(&mean), "{mean}");
    }

    #[test]
    fn kinds_wikis_and_topics_are_mixed_as_on_the_host() {
        let mut seen: BTreeMap<(&str, String), usize> = BTreeMap::new();
        let events = events(5_000);
        for event in &events {
            for (field, value) in [
                ("type", &event["type"]),
                ("wiki", &event["wiki"]),
                ("topic", &event["meta"]["topic"]),
                ("title", &event["title"]),
            ] {
                *seen.entry((field, value.to_string())).or_default() += 1;
            }
        }
        let share = |field, value: &str| seen[&(field, format!("\"{value}\""))] as f64 / 5_000.0;
        assert!((0.40..0.44).contains(&share("type", "edit")));
        assert!((0.50..0.54).contains(&share("type", "categorize")));
        assert!((0.02..0.04).contains(&share("type", "log")));
        assert!(share("wiki", "commonswiki") > 0.3);
        assert!(share("topic", "eqiad.mediawiki.recentchange") > 0.9);
        assert_eq!(seen.keys().filter(|key| key.0 == "wiki").count(), 30);
        let hottest = seen.iter().filter(|seen| seen.0.0 == "title");
        assert!(hottest.map(|seen| *seen.1).max() > Some(5));
    }

    #[test]
    fn ids_are_unique_and_times_go_back_by_40_ms_at_most() {
        let events = events(5_000);
        let ids: HashSet<&str> = events
            .iter()
            .filter_map(|event| event["meta"]["id"].as_str())
            .collect();
        assert_eq!(ids.len(), events.len());
        assert!(ids.iter().all(|id| id.len() == 36), "{ids:?}");
        let times: Vec<&str> = events
            .iter()
            .filter_map(|event| event["meta"]["dt"].as_str())
            .collect();
        assert!(times[0] > FROM && times[0].starts_with("2024-08-03T05:00:00."));
        let inversions = times.windows(2).filter(|two| two[0] > two[1]).count();
        assert!(inversions > 500, "{inversions}");
        assert_eq!(events[0]["timestamp"], 1_722_661_200);
    }

    #[test]
    fn every_field_of_the_schema_is_there_in_some_event() {
        let events = events(2_000);
        for field in [
            "minor",
            "patrolled",
            "length",
            "revision",
            "notify_url",
            "log_id",
            "log_type",
            "log_action",
            "log_action_comment",
            "log_params",
        ] {
            let with = events
                .iter()
                .filter(|event| event.get(field).is_some())
                .count();
            assert!((1..2_000).contains(&with), "{field}: {with}");
        }
    }
}
