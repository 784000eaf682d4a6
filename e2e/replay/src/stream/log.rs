//! What has been published, in order, as Kafka keeps it: two topics whose offsets only grow, and
//! whose timestamps do not.

use std::collections::VecDeque;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use tokio::sync::watch;

use super::event::{Dated, Issue, Template};
use super::id::{Position, Positions};
use super::topic::{TOPICS, Topic};

/// A published event.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    template: Arc<Template>,
    issue: Issue,
    /// Kafka's timestamp, in milliseconds.
    pub(crate) ts: i64,
}

impl Record {
    pub(crate) fn topic(&self) -> Topic {
        self.template.topic
    }

    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        self.template.write(self.issue, out);
    }
}

/// An event to publish.
#[derive(Debug, Clone)]
pub(crate) struct Upcoming {
    pub(crate) template: Arc<Template>,
    pub(crate) ts: i64,
    pub(crate) round: u64,
    pub(crate) dated: Dated,
}

/// Where published events came from: enough to name them all without keeping them.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// So many events in the order of the file and its repetitions.
    Played(u64),
    Appended(Arc<Template>),
}

/// A reader's place in the log, and what it passes over.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    /// The place of the next event, counted over both topics.
    pub(crate) next: u64,
    /// Reads up to here.
    pub(crate) end: u64,
    /// The first offset that it wants of each topic.
    pub(crate) floor: [i64; 2],
    /// The oldest timestamp that it wants.
    pub(crate) oldest: i64,
}

impl Reader {
    fn wants(&self, record: &Record) -> bool {
        record.issue.offset >= self.floor[record.topic().index()] && record.ts >= self.oldest
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    state: RwLock<State>,
    published: watch::Sender<u64>,
    retention: usize,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<Record>,
    /// How many events are older than the first record.
    dropped: u64,
    /// The offset that each topic gives next; none before its first event.
    next: [Option<i64>; 2],
    origins: Vec<Origin>,
}

impl Log {
    pub(crate) fn new(retention: Option<usize>) -> Self {
        Self {
            state: RwLock::default(),
            published: watch::Sender::new(0),
            retention: retention.unwrap_or(usize::MAX).max(1),
        }
    }

    pub(crate) fn publish(&self, events: Vec<Upcoming>, origins: impl Iterator<Item = Origin>) {
        let mut state = self.write();
        for event in events {
            state.push(event);
        }
        for origin in origins {
            state.came(origin);
        }
        while state.records.len() > self.retention {
            state.records.pop_front();
            state.dropped += 1;
        }
        let end = state.end();
        drop(state);
        self.published.send_replace(end);
    }

    /// Changes whenever something is published.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.published.subscribe()
    }

    /// How many events were ever published.
    pub(crate) fn published(&self) -> u64 {
        self.read().end()
    }

    pub(crate) fn origins(&self) -> Vec<Origin> {
        self.read().origins.clone()
    }

    /// The timestamp of the event that was published last.
    pub(crate) fn last_ts(&self) -> Option<i64> {
        self.read().records.back().map(|record| record.ts)
    }

    /// Where a client starts that asks for these positions, and what its ids say before it was sent
    /// anything.
    pub(crate) fn start(&self, asked: &Positions) -> (Reader, Positions) {
        let state = self.read();
        let mut reader = Reader {
            next: state.end(),
            end: u64::MAX,
            floor: [i64::MIN; 2],
            oldest: i64::MIN,
        };
        let mut shown = *asked;
        for topic in TOPICS {
            let Some(end) = state.next[topic.index()] else {
                shown.0[topic.index()] = Position::Latest;
                continue;
            };
            let found = state.seek(topic, asked.of(topic));
            reader.floor[topic.index()] = found.map_or(end, |(_, offset)| offset);
            reader.next = reader.next.min(found.map_or(u64::MAX, |(place, _)| place));
        }
        (reader, shown)
    }

    /// The next events for this reader, of about `bytes` in all, each with its place.
    pub(crate) fn next(&self, reader: &mut Reader, bytes: usize) -> Vec<(u64, Record)> {
        let state = self.read();
        // What was dropped meanwhile is lost to it, as on the host.
        reader.next = reader.next.max(state.dropped);
        let (mut found, mut len) = (Vec::new(), 0);
        while len < bytes && reader.next < reader.end {
            let Some(record) = state.at(reader.next) else {
                break;
            };
            if reader.wants(record) {
                found.push((reader.next, record.clone()));
                len += record.template.len();
            }
            reader.next += 1;
        }
        found
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn end(&self) -> u64 {
        self.dropped + self.records.len() as u64
    }

    fn at(&self, place: u64) -> Option<&Record> {
        let index = usize::try_from(place.checked_sub(self.dropped)?).ok()?;
        self.records.get(index)
    }

    fn push(&mut self, event: Upcoming) {
        let next = &mut self.next[event.template.topic.index()];
        let offset = next.unwrap_or_else(|| event.template.offset.unwrap_or(0));
        *next = Some(offset + 1);
        self.records.push_back(Record {
            issue: Issue {
                offset,
                round: event.round,
                dated: event.dated,
            },
            ts: event.ts,
            template: event.template,
        });
    }

    fn came(&mut self, origin: Origin) {
        match (self.origins.last_mut(), origin) {
            (Some(Origin::Played(before)), Origin::Played(more)) => *before += more,
            (_, origin) => self.origins.push(origin),
        }
    }

    /// The place and offset of the first event at this position; none for the latest.
    fn seek(&self, topic: Topic, position: Position) -> Option<(u64, i64)> {
        if position == Position::Latest {
            return None;
        }
        let fits = |record: &Record| match position {
            Position::Latest => false,
            Position::Offset(offset) => record.issue.offset >= offset,
            // Kafka's offsetsForTimes. Later events of an earlier time are not missed by mistake here,
            // but as they are on the host.
            Position::Timestamp(ts) => record.ts >= ts,
        };
        let mut records = self.records.iter().enumerate();
        let (index, record) = records.find(|(_, it)| it.topic() == topic && fits(it))?;
        Some((self.dropped + index as u64, record.issue.offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Publishes events of these topics and times.
    fn log(retention: Option<usize>, events: &[(char, i64)]) -> Log {
        let log = Log::new(retention);
        let events: Vec<Upcoming> = events
            .iter()
            .map(|(topic, ts)| {
                let (topic, first) = if *topic == 'e' {
                    ("eqiad", 100)
                } else {
                    ("codfw", 7)
                };
                let line = format!(
                    r#"{{"meta":{{"topic":"{topic}.mediawiki.recentchange","offset":{first}}}}}"#
                );
                Upcoming {
                    template: Arc::new(Template::parse(&line).unwrap()),
                    ts: *ts,
                    round: 0,
                    dated: Dated::AsGiven,
                }
            })
            .collect();
        let count = events.len() as u64;
        log.publish(events, std::iter::once(Origin::Played(count)));
        log
    }

    fn from(log: &Log, eqiad: Position, codfw: Position) -> Vec<(i64, i64)> {
        let (mut reader, _) = log.start(&Positions([eqiad, codfw]));
        let found = log.next(&mut reader, usize::MAX);
        found
            .iter()
            .map(|(_, it)| (it.issue.offset, it.ts))
            .collect()
    }

    use Position::{Latest, Offset, Timestamp};

    const EVENTS: [(char, i64); 6] = [
        ('e', 10),
        ('c', 11),
        ('e', 12),
        ('e', 11),
        ('c', 14),
        ('e', 15),
    ];

    #[test]
    fn counts_offsets_from_the_first() {
        let log = log(None, &EVENTS);
        assert_eq!(
            from(&log, Offset(0), Offset(0)),
            [(100, 10), (7, 11), (101, 12), (102, 11), (8, 14), (103, 15)]
        );
        assert_eq!(from(&log, Offset(102), Latest), [(102, 11), (103, 15)]);
        assert_eq!(from(&log, Offset(9999), Offset(8)), [(8, 14)]);
        assert_eq!(from(&log, Latest, Latest), []);
    }

    #[test]
    fn a_timestamp_skips_what_came_late() {
        let log = log(None, &EVENTS);
        // After the event of 12 a client asks for 13: the one of 11 behind it is never sent.
        assert_eq!(from(&log, Timestamp(13), Latest), [(103, 15)]);
        assert_eq!(
            from(&log, Timestamp(11), Latest),
            [(101, 12), (102, 11), (103, 15)]
        );
        assert_eq!(from(&log, Timestamp(16), Timestamp(99)), []);
    }

    #[test]
    fn forgets_the_oldest() {
        let log = log(Some(2), &EVENTS);
        assert_eq!(log.published(), 6);
        assert_eq!(from(&log, Offset(0), Timestamp(0)), [(8, 14), (103, 15)]);
        let mut late = Reader {
            next: 0,
            end: u64::MAX,
            floor: [i64::MIN; 2],
            oldest: i64::MIN,
        };
        assert_eq!(
            log.next(&mut late, 1).len(),
            1,
            "a chunk holds one at least"
        );
        assert_eq!((late.next, log.next(&mut late, 1).len()), (5, 1));
    }

    #[test]
    fn an_idle_topic_starts_at_its_first_event() {
        let log = log(None, &EVENTS[..1]);
        let (mut reader, shown) = log.start(&Positions([Timestamp(10), Timestamp(5)]));
        assert_eq!(shown, Positions([Timestamp(10), Latest]));
        let template = Arc::new(
            Template::parse(r#"{"meta":{"topic":"codfw.mediawiki.recentchange"}}"#).unwrap(),
        );
        log.publish(
            vec![Upcoming {
                template,
                ts: 1,
                round: 0,
                dated: Dated::AsGiven,
            }],
            std::iter::empty(),
        );
        assert_eq!(log.next(&mut reader, usize::MAX).len(), 2);
    }
}
