//! Publishes the file's events in time, round after round.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::event::{Dated, Template};
use super::log::Upcoming;
use super::options::Pace;

/// The events of the file and their repetitions; each is made when it is asked for.
#[derive(Debug)]
pub(crate) struct Playback {
    /// Each event with its time in milliseconds.
    events: Vec<(Arc<Template>, i64)>,
    rounds: u64,
    /// How much later the next round is, in seconds.
    span: i64,
    pace: Pace,
}

impl Playback {
    pub(crate) fn new(templates: Vec<Template>, rounds: u64, pace: Pace) -> Self {
        let events = timed(templates);
        let times = || events.iter().map(|(_, ts)| *ts);
        let (first, last) = (times().min().unwrap_or(0), times().max().unwrap_or(0));
        Self {
            // Whole seconds, as `timestamp` has no smaller ones, and never none.
            span: (last - first).div_euclid(1000) + 1,
            events,
            rounds,
            pace,
        }
    }

    /// How many events there are in all.
    pub(crate) fn total(&self) -> u64 {
        self.rounds.saturating_mul(self.events.len() as u64)
    }

    /// The event number `n`, from 0 on; it has to be below the total.
    fn place(&self, n: u64) -> Option<(&Arc<Template>, i64, u64)> {
        let len = self.events.len() as u64;
        let index = usize::try_from(n.checked_rem(len)?).ok()?;
        let (template, ts) = self.events.get(index)?;
        Some((template, *ts, n / len))
    }

    pub(crate) fn event(&self, n: u64) -> Option<Upcoming> {
        let (template, ts, round) = self.place(n)?;
        let shift = self.shift(round);
        Some(Upcoming {
            template: Arc::clone(template),
            ts: ts.saturating_add(shift.saturating_mul(1000)),
            round,
            dated: match round {
                0 => Dated::AsGiven,
                _ => Dated::Shifted(shift),
            },
        })
    }

    pub(crate) fn id(&self, n: u64) -> Option<String> {
        let (template, _, round) = self.place(n)?;
        template.id(round)
    }

    /// How long after the start an event is published. One that is earlier than those before it
    /// comes right after them.
    pub(crate) fn due(&self, n: u64) -> Duration {
        match self.pace {
            Pace::Max => Duration::ZERO,
            Pace::PerSecond(rate) => {
                Duration::try_from_secs_f64(n as f64 / rate).unwrap_or(Duration::MAX)
            }
            Pace::Real => {
                let ts = self.event(n).map_or(0, |event| event.ts);
                let first = self.events.first().map_or(0, |(_, first)| *first);
                Duration::from_millis(u64::try_from(ts.saturating_sub(first)).unwrap_or(0))
            }
        }
    }

    fn shift(&self, round: u64) -> i64 {
        self.span
            .saturating_mul(i64::try_from(round).unwrap_or(i64::MAX))
    }
}

/// Gives events without a time that of the one before them.
fn timed(templates: Vec<Template>) -> Vec<(Arc<Template>, i64)> {
    let known = templates.iter().find_map(|template| template.ts);
    let mut last = known.unwrap_or_else(now);
    let mut timed = Vec::with_capacity(templates.len());
    for template in templates {
        last = template.ts.unwrap_or(last);
        timed.push((Arc::new(template), last));
    }
    timed
}

/// Milliseconds since 1970.
pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    })
}

/// How far a playback has come.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) next: u64,
    started: Instant,
}

impl Progress {
    pub(crate) fn start() -> Self {
        Self {
            next: 0,
            started: Instant::now(),
        }
    }

    /// When the next event is due; none when there is no more.
    pub(crate) fn due(&self, playback: &Playback) -> Option<Instant> {
        let left = self.next < playback.total();
        // One that is due after the end of time is due in a year.
        let far = Duration::from_hours(365 * 24);
        left.then(|| self.started + playback.due(self.next).min(far))
    }

    /// The events that are due by now, `most` at most.
    pub(crate) fn take(&mut self, playback: &Playback, most: usize) -> Vec<Upcoming> {
        let now = Instant::now();
        let mut events = Vec::new();
        while events.len() < most && self.due(playback).is_some_and(|due| due <= now) {
            events.extend(playback.event(self.next));
            self.next += 1;
        }
        events
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn playback(pace: Pace) -> Playback {
        let lines = [
            r#"{"meta":{"id":"a","dt":"2026-11-01T00:00:00.500Z"}}"#,
            r#"{"meta":{"id":"b","dt":"2026-11-01T00:00:03.400Z"}}"#,
            r#"{"meta":{"id":"c","dt":"2026-11-01T00:00:02Z"}}"#,
            r#"{"meta":{"id":"d"}}"#,
        ];
        let templates = lines.iter().map(|line| Template::parse(line).unwrap());
        Playback::new(templates.collect(), 1000, pace)
    }

    #[test]
    fn keeps_the_distances_and_the_order() {
        let playback = playback(Pace::Real);
        let due: Vec<u128> = (0..6).map(|n| playback.due(n).as_millis()).collect();
        assert_eq!(due, [0, 2900, 1500, 1500, 3000, 5900]);
        assert_eq!(playback.total(), 4000);
    }

    #[test]
    fn repeats_later_and_under_other_names() {
        let playback = playback(Pace::Max);
        let (first, again) = (playback.event(1).unwrap(), playback.event(5).unwrap());
        assert_eq!((first.round, first.dated), (0, Dated::AsGiven));
        assert_eq!((again.round, again.dated), (1, Dated::Shifted(3)));
        assert_eq!(again.ts - first.ts, 3000);
        let ids: std::collections::BTreeSet<_> = (0..4000).map(|n| playback.id(n)).collect();
        assert_eq!(ids.len(), 4000);
        assert_eq!(playback.id(1).unwrap(), "b");
    }

    #[test]
    fn publishes_so_many_a_second() {
        let playback = playback(Pace::PerSecond(50.0));
        assert_eq!(playback.due(100), Duration::from_secs(2));
    }
}
