//! What a run would find: its units, year by year, without fetching any. Whether what is held has changed upstream since
//! is not asked: that would be a request for each.

use std::{collections::BTreeMap, sync::Arc, time::Instant};

use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::worker::{ReportWindow, WorkerConfig};

use super::{
    dataset::utc,
    events::Observer,
    list::Listing,
    run::{RunError, bounds, expected_before, fetch, list_all, reading, wanted_by},
};
use crate::sinks::Sink;

/// What a run would find in its window.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Survey {
    /// The source.
    pub source: String,
    /// Which time of the data was looked at.
    pub window: ReportWindow,
    /// All units of the window.
    #[serde(flatten)]
    pub total: Counts,
    /// The same by the year that units start in.
    pub years: BTreeMap<i16, Counts>,
    /// How long it took to find out, in seconds.
    pub seconds: f64,
}

/// Units of some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    /// Some sink lacks them: a run would load them.
    pub due: u64,
    /// Every sink has them, in some version, or keeps nothing that old.
    pub held: u64,
    /// They should be published, and are not.
    pub missing: u64,
}

/// Looks at a window.
///
/// # Errors
/// As [`run`](super::run::run): a sink is down, or the host cannot be listed.
pub async fn survey(
    config: &WorkerConfig,
    observer: Arc<dyn Observer>,
    stop: CancellationToken,
) -> Result<Survey, RunError> {
    let began = Instant::now();
    let now = Timestamp::now();
    let (datasets, _) = reading(&config.source)?;
    let fetch = fetch(config, observer, stop)?;
    let (from, to) = bounds(config, &datasets, now);
    let sinks = Sink::open_all(&config.sinks).await?;
    let before = expected_before(config, now);
    let Listing { units, missing } = list_all(&fetch, &datasets, (from, to), before).await?;
    let mut survey = Survey {
        source: config.source.name.clone(),
        window: ReportWindow { from, to },
        total: Counts::default(),
        years: BTreeMap::new(),
        seconds: 0.0,
    };
    for (unit, wanted) in wanted_by(config, &sinks, &units, now).await? {
        let is_due = wanted.iter().any(|(_, held)| held.is_none());
        survey.count(unit.ts, |counts| {
            if is_due {
                counts.due += 1;
            } else {
                counts.held += 1;
            }
        });
    }
    for missing in missing {
        survey.count(missing.ts, |counts| counts.missing += 1);
    }
    survey.seconds = began.elapsed().as_secs_f64();
    Ok(survey)
}

impl Survey {
    /// As one line of JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn count(&mut self, ts: Timestamp, count: impl Fn(&mut Counts)) {
        count(&mut self.total);
        count(self.years.entry(utc(ts).year()).or_default());
    }
}
