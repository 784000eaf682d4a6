//! What went wrong lately, from the events about a resource.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Event;
use wikiingest_workers::failure::chain;

use crate::{error::Error, words::ago};

/// The latest, at most so many.
const SHOWN: usize = 5;

/// A warning a line, the latest last.
pub(super) fn told(events: Result<Vec<Event>, Error>, now: Timestamp) -> Vec<String> {
    let mut events = match events {
        Ok(events) => events,
        // All else is there to be shown.
        Err(error) => return vec![format!("not known: {}", chain(&error))],
    };
    events.sort_by_key(last_seen);
    let older = events.len().saturating_sub(SHOWN);
    events
        .iter()
        .skip(older)
        .map(|event| line(event, now))
        .collect()
}

fn line(event: &Event, now: Timestamp) -> String {
    let when = last_seen(event).map_or_else(String::new, |time| ago(time, now) + ", ");
    let times = match times(event) {
        0 | 1 => String::new(),
        times => format!(" ({times} times)"),
    };
    let reason = event.reason.as_deref().unwrap_or_default();
    let message = event.message.as_deref().unwrap_or_default();
    format!("{when}{reason}{times}: {message}")
}

/// Events have the time of their last occurrence in one of these, by how they were published.
fn last_seen(event: &Event) -> Option<Timestamp> {
    let series = event.series.as_ref();
    let of_series = series.and_then(|series| series.last_observed_time.as_ref());
    let latest = of_series.or(event.event_time.as_ref()).map(|time| time.0);
    latest.or_else(|| event.last_timestamp.as_ref().map(|time| time.0))
}

fn times(event: &Event) -> i32 {
    let of_series = event.series.as_ref().and_then(|series| series.count);
    of_series.or(event.count).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture::now;

    fn event(minute: u32, series: bool) -> Event {
        let mut event = json!({
            "involvedObject": {}, "metadata": {}, "type": "Warning", "reason": "RunFailed",
            "message": format!("at {minute}"),
            "eventTime": format!("2024-08-03T08:{minute:02}:00.000000Z"),
        });
        if series {
            event["series"] =
                json!({"count": 3, "lastObservedTime": "2024-08-03T08:39:00.000000Z"});
        }
        serde_json::from_value(event).unwrap()
    }

    #[test]
    fn the_latest_warnings_are_told_with_how_often_they_came() {
        let mut events: Vec<Event> = (10..20).map(|minute| event(minute, false)).collect();
        events.insert(0, event(5, true));
        let told = told(Ok(events), now());
        assert_eq!(told.len(), SHOWN);
        assert_eq!(told[0], "24m ago, RunFailed: at 16");
        assert_eq!(told[4], "1m ago, RunFailed (3 times): at 5");
    }

    #[test]
    fn who_may_not_see_events_is_told_so_beside_the_rest() {
        let error = Error::Forbidden {
            what: "list events in namespace a".to_owned(),
            said: "no".to_owned(),
        };
        let told = told(Err(error), now());
        assert!(
            told[0].starts_with("not known: not allowed to list events"),
            "{told:?}"
        );
    }
}
