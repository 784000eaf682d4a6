//! A stream as people see it: a line that changes on a terminal, a line every ten seconds elsewhere.

use std::{
    collections::{BTreeMap, VecDeque},
    convert::Infallible,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use indicatif::{HumanCount, HumanDuration, ProgressBar, ProgressStyle};
use jiff::Timestamp;

use super::console::Console;
use crate::stream::events::{Event, Observer, Taken};

const STYLE: &str = "{spinner} {prefix}: {wide_msg}";
/// How often the line is written anew on a terminal.
const BLINK: Duration = Duration::from_millis(250);
/// How often it is, where lines stay.
const LINE: Duration = Duration::from_secs(10);
/// Over how long events a second are measured.
const RATE: Duration = Duration::from_secs(5);
/// Over how long wikis are counted.
const WIKIS: Duration = Duration::from_mins(1);
/// How many of them are named.
const TOP: usize = 3;
/// A stream that is further behind is shown by its own clock.
const FAR: Duration = Duration::from_hours(24);

/// Shows one stream.
#[derive(Debug)]
pub(super) struct Live {
    console: Console,
    source: String,
    bar: ProgressBar,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    began: Instant,
    connected: bool,
    lost: Duration,
    sinks: Vec<Tally>,
}

/// What a sink took.
#[derive(Debug, Default)]
struct Tally {
    name: String,
    written: u64,
    held: u64,
    /// The newest time of what it took last, and when that was.
    newest: Option<(Timestamp, Timestamp)>,
    /// What it took in the last minute.
    recent: VecDeque<Recent>,
}

#[derive(Debug)]
struct Recent {
    at: Instant,
    events: u64,
    wikis: Vec<(String, u64)>,
}

impl Live {
    /// Begins to show a source that feeds these sinks.
    pub(super) fn new(console: &Console, source: &str, sinks: &[String]) -> Self {
        let style = ProgressStyle::with_template(STYLE);
        let bar = ProgressBar::new_spinner()
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_spinner()))
            .with_prefix(source.to_owned());
        Self {
            console: console.clone(),
            source: source.to_owned(),
            bar: console.bars().add(bar),
            state: Mutex::new(State {
                began: Instant::now(),
                connected: false,
                lost: Duration::ZERO,
                sinks: sinks.iter().map(|name| Tally::new(name)).collect(),
            }),
        }
    }

    /// Keeps the line up to date, until it is dropped.
    pub(super) async fn show(&self) -> Infallible {
        let hidden = self.console.bars().is_hidden();
        let every = if hidden { LINE } else { BLINK };
        let mut ticks = tokio::time::interval(every);
        // The first is at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let line = self.state().line(Instant::now());
            if hidden {
                self.console.note(&format!("{}: {line}", self.source));
            } else {
                self.bar.set_message(line);
                self.bar.tick();
            }
        }
    }

    /// Takes the line off the screen.
    pub(super) fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// What all of it came to.
    pub(super) fn summary(&self) -> String {
        self.state().summary(&self.source)
    }

    /// Events that came again and were held already, in the sink that had most of them.
    pub(super) fn held(&self) -> u64 {
        let state = self.state();
        state.sinks.iter().map(|sink| sink.held).max().unwrap_or(0)
    }

    /// Events that were new, to the sink that had most of them.
    pub(super) fn written(&self) -> u64 {
        let state = self.state();
        let written = state.sinks.iter().map(|sink| sink.written);
        written.max().unwrap_or(0)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Live {
    fn on(&self, event: &Event<'_>) {
        let mut state = self.state();
        match event {
            Event::Connected => state.connected = true,
            Event::Disconnected => state.connected = false,
            Event::Gap { lost } => state.lost += *lost,
            Event::Committed(taken) => {
                let sink = state.sinks.iter_mut().find(|sink| sink.name == taken.sink);
                if let Some(sink) = sink {
                    sink.take(taken, Instant::now(), Timestamp::now());
                }
            }
            // The log has these.
            Event::Reconnect { .. } | Event::SinkFailed { .. } => {}
        }
    }
}

impl Tally {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            ..Self::default()
        }
    }

    fn take(&mut self, taken: &Taken<'_>, at: Instant, now: Timestamp) {
        self.written += taken.new_events();
        self.held += taken.held;
        if let Some(newest) = taken.events.iter().map(|event| event.ts).max() {
            self.newest = Some((newest, now));
        }
        self.forget(at);
        self.recent.push_back(Recent {
            at,
            events: taken.events.len() as u64,
            wikis: taken.wikis.to_vec(),
        });
    }

    fn forget(&mut self, now: Instant) {
        while let Some(oldest) = self.recent.front()
            && now.duration_since(oldest.at) > WIKIS
        {
            self.recent.pop_front();
        }
    }

    fn rate(&self, now: Instant, running: Duration) -> f64 {
        let since = |recent: &&Recent| now.duration_since(recent.at) <= RATE;
        let events: u64 = self
            .recent
            .iter()
            .rev()
            .take_while(since)
            .map(Recent::events)
            .sum();
        events as f64 / RATE.min(running).as_secs_f64().max(1.0)
    }

    fn wikis(&self) -> Vec<(&str, u64)> {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (wiki, count) in self.recent.iter().flat_map(|recent| &recent.wikis) {
            *counts.entry(wiki).or_default() += count;
        }
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        counts.truncate(TOP);
        counts
    }
}

impl Recent {
    fn events(&self) -> u64 {
        self.events
    }
}

impl State {
    fn line(&mut self, now: Instant) -> String {
        let running = now.duration_since(self.began);
        for sink in &mut self.sinks {
            sink.forget(now);
        }
        // One that lacks more than the others tells more.
        let busiest = self.sinks.iter().max_by_key(|sink| sink.written);
        let mut parts = Vec::new();
        if !self.connected {
            parts.push("connecting".to_owned());
        }
        if let Some(sink) = busiest {
            parts.push(format!("{:.1} events/s", sink.rate(now, running)));
            parts.extend(sink.newest.map(|(newest, at)| lag(newest, at)));
            let wikis = sink.wikis();
            parts.extend(
                wikis
                    .iter()
                    .map(|(wiki, count)| format!("{wiki} {}", HumanCount(*count))),
            );
        }
        let sinks = self.sinks.iter().map(Tally::total).collect::<Vec<_>>();
        format!("{} -> {}", parts.join(", "), sinks.join(", "))
    }

    fn summary(&self, source: &str) -> String {
        let sinks = self.sinks.iter().map(Tally::total).collect::<Vec<_>>();
        let held = self.sinks.iter().map(|sink| sink.held).max().unwrap_or(0);
        let again = if held == 0 {
            String::new()
        } else {
            format!("; {} held already", HumanCount(held))
        };
        let lost = if self.lost.is_zero() {
            String::new()
        } else {
            format!(
                "; {} lost, which the host no longer had",
                HumanDuration(self.lost)
            )
        };
        format!(
            "{source}:\n  new events: {}{again}{lost}, in {:.1} s",
            sinks.join(", "),
            self.began.elapsed().as_secs_f64()
        )
    }
}

impl Tally {
    fn total(&self) -> String {
        format!("{} {}", self.name, HumanCount(self.written))
    }
}

/// How far behind a batch was when it was committed, or where it stands if that is long ago.
fn lag(newest: Timestamp, committed: Timestamp) -> String {
    let behind = Duration::try_from(committed.duration_since(newest)).unwrap_or_default();
    if behind > FAR {
        format!("at {}", newest.strftime("%Y-%m-%d %H:%M:%SZ"))
    } else if behind > Duration::from_mins(1) {
        format!("lag {}", HumanDuration(behind))
    } else {
        format!("lag {:.1} s", behind.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use super::*;
    use crate::stream::event;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn events(count: usize) -> Vec<Arc<event::Event>> {
        let event = event::Event {
            key: 1,
            ts: at("2026-01-01T00:00:00Z"),
            perhaps_held: false,
            raw: Bytes::new(),
            cursor: Bytes::new(),
            room: None,
        };
        let event = Arc::new(event);
        vec![event; count]
    }

    fn taken<'a>(
        sink: &'a str,
        events: &'a [Arc<event::Event>],
        wikis: &'a [(String, u64)],
    ) -> Taken<'a> {
        Taken {
            sink,
            events,
            wikis,
            held: 1,
            newest: None,
        }
    }

    #[test]
    fn the_lag_is_a_time_of_the_stream_when_it_is_of_another_day() {
        let newest = at("2025-05-03T07:47:12.5Z");
        for (now, told) in [
            ("2025-05-03T07:47:12.9Z", "lag 0.4 s"),
            ("2025-05-03T07:47:12Z", "lag 0.0 s"),
            ("2025-05-03T07:50:13Z", "lag 3 minutes"),
            ("2025-05-04T07:47:13Z", "at 2025-05-03 07:47:12Z"),
        ] {
            assert_eq!(lag(newest, at(now)), told);
        }
    }

    #[test]
    fn the_line_has_the_rate_the_lag_the_top_wikis_of_the_minute_and_the_sinks() {
        let console = Console::default();
        let live = Live::new(&console, "edits", &["w".to_owned(), "lake".to_owned()]);
        let wikis = |wikis: &[(&str, u64)]| -> Vec<(String, u64)> {
            let wikis = wikis.iter();
            wikis
                .map(|(wiki, count)| ((*wiki).to_owned(), *count))
                .collect()
        };
        let began = live.state().began;
        let now = at("2026-01-01T00:00:01.5Z");
        {
            let mut state = live.state();
            let old = wikis(&[("oldwiki", 100)]);
            let many = events(100);
            state.sinks[0].take(&taken("w", &many, &old), began, now);
            let later = began + Duration::from_secs(70);
            let new = wikis(&[("a", 1), ("b", 2), ("c", 3), ("d", 4)]);
            let few = events(11);
            state.sinks[0].take(&taken("w", &few, &new), later, now);
            assert_eq!(
                state.line(later + Duration::from_secs(1)),
                "connecting, 2.2 events/s, lag 1.5 s, d 4, c 3, b 2 -> w 110, lake 0"
            );
        }
        let summary = live.summary();
        assert!(
            summary.starts_with("edits:\n  new events: w 110, lake 0; 2 held already, in "),
            "{summary}"
        );
    }
}
