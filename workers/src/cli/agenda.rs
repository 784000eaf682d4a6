//! What is loaded next, and when: a pure decision of the resource and the time.

use std::collections::VecDeque;

use jiff::{SignedDuration, Timestamp};
use wikiingest_crds::{Backfill, Schedule, ScheduleError, Source, Span, worker::Window};

/// The most of a backfill that is loaded in one go. A whole year takes days, in which schedules come due.
const PIECE: SignedDuration = SignedDuration::from_hours(24);

/// One source, and the time of its data to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Load {
    /// The source's name.
    pub(super) source: String,
    /// Which time.
    pub(super) window: Window,
    /// Where to read it from, unless that is where its source is read from.
    pub(super) base_url: Option<String>,
    /// What to call it.
    pub(super) title: String,
    /// Whether it comes again by itself.
    is_scheduled: bool,
}

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Load this.
    Load(Load),
    /// Nothing, until the next schedule.
    Wait {
        /// When that is.
        until: Timestamp,
        /// Whose it is.
        source: String,
        /// The zone that its owner thinks in.
        time_zone: String,
    },
    /// Nothing, ever.
    Done,
}

/// What there is to load: schedules first, backfills in the gaps between them.
#[derive(Debug)]
pub(super) struct Agenda {
    scheduled: Vec<Scheduled>,
    past: VecDeque<Load>,
    put_off: Vec<Load>,
    follow: bool,
}

#[derive(Debug)]
struct Scheduled {
    source: String,
    schedule: Schedule,
    lookback: Span,
    due: Option<Timestamp>,
}

impl Agenda {
    /// All schedules are due at once, to catch up. With `follow` they come due again.
    pub(super) fn new(sources: &[&Source], now: Timestamp, follow: bool) -> Self {
        let scheduled = sources.iter().filter_map(|source| {
            Some(Scheduled {
                source: source.name.clone(),
                schedule: source.schedule.clone()?,
                lookback: source.lookback()?,
                due: Some(now),
            })
        });
        let past = sources.iter().flat_map(|source| {
            let pieces = |backfill| pieces(&source.name, backfill);
            source.backfill.iter().flat_map(pieces)
        });
        Self {
            scheduled: scheduled.collect(),
            past: past.collect(),
            put_off: Vec::new(),
            follow,
        }
    }

    /// What to do at this time. A load that is handed out is off the agenda.
    ///
    /// # Errors
    /// When a schedule is never due again.
    pub(super) fn next(&mut self, now: Timestamp) -> Result<Step, ScheduleError> {
        let due = self
            .scheduled
            .iter_mut()
            .filter(|scheduled| scheduled.due.is_some_and(|due| due <= now))
            // The one that has waited longest.
            .min_by_key(|scheduled| scheduled.due);
        if let Some(scheduled) = due {
            scheduled.due = if self.follow {
                Some(scheduled.schedule.next_after(now)?)
            } else {
                None
            };
            self.past.extend(self.put_off.drain(..));
            return Ok(Step::Load(scheduled.load()));
        }
        if let Some(load) = self.past.pop_front() {
            return Ok(Step::Load(load));
        }
        let next = self
            .scheduled
            .iter()
            .filter_map(|scheduled| Some((scheduled.due?, scheduled)))
            .min_by_key(|(due, _)| *due);
        Ok(next.map_or(Step::Done, |(until, scheduled)| Step::Wait {
            until,
            source: scheduled.source.clone(),
            time_zone: scheduled.schedule.time_zone().to_owned(),
        }))
    }

    /// A load has failed: a schedule comes again by itself, a backfill after the next schedule.
    pub(super) fn put_off(&mut self, load: Load) {
        if !load.is_scheduled {
            self.put_off.push(load);
        }
    }

    /// Nothing can be loaded now: all backfills wait for the next schedule, if there will be one.
    pub(super) fn put_off_all(&mut self) {
        if self
            .scheduled
            .iter()
            .any(|scheduled| scheduled.due.is_some())
        {
            self.put_off.extend(self.past.drain(..));
        }
    }
}

impl Scheduled {
    fn load(&self) -> Load {
        Load {
            source: self.source.clone(),
            title: format!("{}, last {}", self.source, self.lookback),
            base_url: None,
            window: Window::Lookback {
                lookback: self.lookback.clone(),
            },
            is_scheduled: true,
        }
    }
}

fn pieces(source: &str, backfill: &Backfill) -> Vec<Load> {
    let mut pieces = Vec::new();
    let mut from = backfill.from;
    while from < backfill.to {
        let to = from
            .checked_add(PIECE)
            .map_or(backfill.to, |end| end.min(backfill.to));
        pieces.push(Load {
            source: source.to_owned(),
            title: format!(
                "{source}, backfill {}, from {} UTC",
                backfill.name,
                from.strftime("%Y-%m-%d %H:%M")
            ),
            window: Window::Range {
                from,
                to,
                every: None,
            },
            base_url: backfill.base_url.clone(),
            is_scheduled: false,
        });
        from = to;
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn sources() -> Vec<Source> {
        serde_json::from_value(serde_json::json!([
            {
                "name": "slow", "pageviews": {}, "sinks": ["w"],
                "schedule": { "cron": "15 6 * * *", "timeZone": "Europe/Berlin", "lookback": "72h" },
                "backfill": [{ "name": "old", "from": "2024-01-01T00:00:00Z", "to": "2024-01-02T06:00:00Z" }],
            },
            {
                "name": "quick", "pageviews": {}, "sinks": ["w"],
                "schedule": { "cron": "25 * * * *" },
            },
        ]))
        .unwrap()
    }

    fn agenda(follow: bool) -> Agenda {
        let sources = sources();
        Agenda::new(
            &sources.iter().collect::<Vec<_>>(),
            at("2024-08-03T05:00:00Z"),
            follow,
        )
    }

    fn loaded(agenda: &mut Agenda, now: &str) -> Load {
        match agenda.next(at(now)).unwrap() {
            Step::Load(load) => load,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn catches_up_then_loads_the_past_a_day_at_a_time_then_waits_for_the_earliest_schedule() {
        let mut agenda = agenda(true);
        let titles: Vec<String> = (0..4)
            .map(|_| loaded(&mut agenda, "2024-08-03T05:00:00Z").title)
            .collect();
        assert_eq!(
            titles,
            [
                "slow, last 72h",
                "quick, last 48h",
                "slow, backfill old, from 2024-01-01 00:00 UTC",
                "slow, backfill old, from 2024-01-02 00:00 UTC",
            ]
        );
        let wait = agenda.next(at("2024-08-03T05:01:00Z")).unwrap();
        let until = at("2024-08-03T05:25:00Z");
        assert_eq!(
            wait,
            Step::Wait {
                until,
                source: "quick".to_owned(),
                time_zone: "Etc/UTC".to_owned()
            }
        );
    }

    #[test]
    fn a_backfill_is_read_from_its_own_host() {
        let mut sources = sources();
        let mirror = Some("https://mirror.example.org".to_owned());
        sources[0].backfill[0].base_url.clone_from(&mirror);
        let now = "2024-08-03T05:00:00Z";
        let mut agenda = Agenda::new(&[&sources[0]], at(now), true);
        assert_eq!(loaded(&mut agenda, now).base_url, None);
        assert_eq!(loaded(&mut agenda, now).base_url, mirror);
    }

    #[test]
    fn schedules_follow_the_clock_of_their_zone() {
        let sources = sources();
        let mut agenda = Agenda::new(&[&sources[0]], at("2024-08-03T05:00:00Z"), true);
        for _ in 0..3 {
            loaded(&mut agenda, "2024-08-03T05:00:00Z");
        }
        let Step::Wait {
            until, time_zone, ..
        } = agenda.next(at("2024-08-03T05:00:00Z")).unwrap()
        else {
            panic!("it is not due yet");
        };
        assert_eq!(
            (until, time_zone.as_str()),
            (at("2024-08-04T04:15:00Z"), "Europe/Berlin")
        );
    }

    #[test]
    fn a_schedule_that_comes_due_goes_before_the_rest_of_a_backfill() {
        let mut agenda = agenda(true);
        for _ in 0..3 {
            loaded(&mut agenda, "2024-08-03T05:00:00Z");
        }
        assert_eq!(
            loaded(&mut agenda, "2024-08-03T05:25:00Z").title,
            "quick, last 48h"
        );
        assert!(
            loaded(&mut agenda, "2024-08-03T05:26:00Z")
                .title
                .starts_with("slow, backfill")
        );
    }

    #[test]
    fn however_many_times_of_a_schedule_were_missed_it_runs_once() {
        let mut agenda = agenda(true);
        for _ in 0..4 {
            loaded(&mut agenda, "2024-08-03T05:00:00Z");
        }
        assert_eq!(loaded(&mut agenda, "2024-08-03T09:30:00Z").source, "quick");
        let Step::Wait { until, .. } = agenda.next(at("2024-08-03T09:30:00Z")).unwrap() else {
            panic!("nothing else is due");
        };
        assert_eq!(until, at("2024-08-03T10:25:00Z"));
    }

    #[test]
    fn what_failed_of_a_backfill_is_tried_again_after_the_next_schedule() {
        let mut agenda = agenda(true);
        for _ in 0..2 {
            loaded(&mut agenda, "2024-08-03T05:00:00Z");
        }
        let failed = loaded(&mut agenda, "2024-08-03T05:00:00Z");
        agenda.put_off(failed.clone());
        agenda.put_off_all();
        assert!(matches!(
            agenda.next(at("2024-08-03T05:01:00Z")),
            Ok(Step::Wait { .. })
        ));
        assert_eq!(loaded(&mut agenda, "2024-08-03T05:25:00Z").source, "quick");
        assert_eq!(loaded(&mut agenda, "2024-08-03T05:26:00Z"), failed);
        assert!(
            loaded(&mut agenda, "2024-08-03T05:27:00Z")
                .title
                .contains("from 2024-01-02 00:00")
        );
    }

    #[test]
    fn once_is_done_after_catching_up_even_if_all_of_it_fails() {
        let mut agenda = agenda(false);
        for _ in 0..4 {
            let load = loaded(&mut agenda, "2024-08-03T05:00:00Z");
            agenda.put_off(load);
            agenda.put_off_all();
        }
        assert_eq!(agenda.next(at("2024-08-03T05:25:00Z")), Ok(Step::Done));
    }
}
