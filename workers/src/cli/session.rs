//! Works off an agenda: one load at a time, so that a host sees no more connections than one load makes.

use std::{sync::Arc, time::Duration};

use indicatif::HumanDuration;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    DUMPS_URL, Host, ScheduleError, WikiIngestSpec, usual_connections,
    worker::{ExitCode, Report, ResolveError, Window, WorkerConfig, resolve},
};

use super::{
    agenda::{Agenda, Load, Step},
    console::Console,
    progress::Progress,
    summary,
};
use crate::{
    batch::run,
    failure::{Class, Classify, chain},
};

/// How long is slept at most before the clock is looked at again. A timer stands still while a laptop is closed, and the
/// clock does not.
const NAP: Duration = Duration::from_secs(20);

/// A resource that validation should not have let pass.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

impl Classify for SessionError {
    fn class(&self) -> Class {
        Class::BadConfig
    }
}

/// What loading needs.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) console: &'a Console,
    pub(super) spec: &'a WikiIngestSpec,
    pub(super) stop: CancellationToken,
}

/// What all loads came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Total {
    /// Files loaded.
    pub(super) loaded: u32,
    /// Files that were loaded already.
    pub(super) held: u32,
    /// The worst exit code.
    pub(super) exit: ExitCode,
    /// Whether it was stopped before all was loaded.
    pub(super) stopped: bool,
}

impl Session<'_> {
    /// Loads what is on the agenda, until that is empty or somebody stops it.
    pub(super) async fn work(&self, mut agenda: Agenda) -> Result<Total, SessionError> {
        let mut total = Total {
            loaded: 0,
            held: 0,
            exit: ExitCode::Done,
            stopped: false,
        };
        loop {
            let step = agenda.next(Timestamp::now())?;
            if step != Step::Done && self.stop.is_cancelled() {
                total.stopped = true;
                return Ok(total);
            }
            match step {
                Step::Done => return Ok(total),
                Step::Wait {
                    until,
                    source,
                    time_zone,
                } => {
                    let next = waiting(&source, until, &time_zone, Timestamp::now());
                    self.console.note(&next);
                    self.wait(until).await;
                }
                Step::Load(load) => {
                    let ended = self.load(&load).await?;
                    total.add(&ended);
                    if self.stop.is_cancelled() && ended.exit() == ExitCode::TryAgain {
                        total.stopped = true;
                        return Ok(total);
                    }
                    postpone(&mut agenda, load, &ended);
                }
            }
        }
    }

    async fn load(&self, load: &Load) -> Result<Ended, SessionError> {
        let window = load.window.clone();
        let config = config_of(self.spec, &load.source, window, load.base_url.as_deref())?;
        let progress = Arc::new(Progress::new(self.console, &load.title));
        let ended = run::run(&config, Arc::clone(&progress) as _, self.stop.clone()).await;
        progress.clear();
        Ok(match ended {
            Ok(report) => {
                self.console.say(&summary::of(&load.title, &report));
                Ended::Report(Box::new(report))
            }
            Err(error) => {
                // Whoever stopped it knows why.
                if !self.stop.is_cancelled() {
                    let why = chain(&error);
                    self.console.note(&format!("{}: failed: {why}", load.title));
                }
                Ended::NotBegun(error.class())
            }
        })
    }

    async fn wait(&self, until: Timestamp) {
        while let Ok(left) = Duration::try_from(until.duration_since(Timestamp::now()))
            && !left.is_zero()
        {
            tokio::select! {
                () = tokio::time::sleep(left.min(NAP)) => {}
                () = self.stop.cancelled() => return,
            }
        }
    }
}

/// What a load is told: nothing else reads from its host meanwhile, so that it has all of the connections there may be.
fn config_of(
    spec: &WikiIngestSpec,
    source: &str,
    window: Window,
    base_url: Option<&str>,
) -> Result<WorkerConfig, ResolveError> {
    let mut config = resolve(spec, source, window)?;
    if let Some(base_url) = base_url {
        config.source.base_url = Some(base_url.to_owned());
    }
    let base_url = config.source.base_url.as_deref().unwrap_or(DUMPS_URL);
    let connections = usual_connections(&Host::of(base_url));
    config.limits.connections = u8::try_from(connections).unwrap_or(u8::MAX);
    Ok(config)
}

impl Total {
    fn add(&mut self, ended: &Ended) {
        self.exit = worse(self.exit, ended.exit());
        if let Ended::Report(report) = ended {
            self.loaded += report.loaded;
            self.held += report.skipped;
        }
    }
}

/// How a load ended.
enum Ended {
    Report(Box<Report>),
    NotBegun(Class),
}

impl Ended {
    fn exit(&self) -> ExitCode {
        match self {
            Self::Report(report) => {
                ExitCode::from_code(report.exit_code).unwrap_or(ExitCode::TryAgain)
            }
            Self::NotBegun(class) => (*class).into(),
        }
    }
}

/// A file that fails is no reason to hold back the others; a host or a sink that is down is.
fn postpone(agenda: &mut Agenda, load: Load, ended: &Ended) {
    match ended {
        Ended::Report(report) if report.failed_count == 0 => {}
        Ended::Report(_) => agenda.put_off(load),
        Ended::NotBegun(_) => {
            agenda.put_off(load);
            agenda.put_off_all();
        }
    }
}

fn waiting(source: &str, until: Timestamp, time_zone: &str, now: Timestamp) -> String {
    let at = until.in_tz(time_zone).map_or_else(
        |_| until.to_string(),
        |at| at.strftime("%Y-%m-%d %H:%M (%Q)").to_string(),
    );
    let left = Duration::try_from(until.duration_since(now)).unwrap_or_default();
    format!(
        "Next: {source} at {at}, in {}. Ctrl-C stops.",
        HumanDuration(left)
    )
}

pub(super) fn worse(a: ExitCode, b: ExitCode) -> ExitCode {
    let severity = |exit| match exit {
        ExitCode::Done => 0,
        ExitCode::UnitsMissing => 1,
        ExitCode::TryAgain => 2,
        ExitCode::BadConfig => 3,
        ExitCode::Refused => 4,
    };
    if severity(b) > severity(a) { b } else { a }
}

#[cfg(test)]
mod tests {
    use wikiingest_crds::Span;

    use super::*;

    #[test]
    fn a_load_has_the_connections_of_the_host_that_it_is_read_from() {
        let spec = serde_json::from_value(serde_json::json!({
            "contact": "https://example.org/bot",
            "sinks": [{"name": "lake", "folder": {"path": "lake"}}],
            "sources": [{"name": "views", "pageviews": {}, "sinks": ["lake"]}],
        }))
        .unwrap();
        let connections = |base_url: Option<&str>| {
            let lookback = Span::hours(1);
            let config = config_of(&spec, "views", Window::Lookback { lookback }, base_url);
            config.unwrap().limits.connections
        };
        assert_eq!(connections(None), 2);
        assert_eq!(connections(Some("https://mirror.accum.se/elsewhere")), 4);
        assert_eq!(connections(Some("https://mirror.example.org")), 2);
    }

    #[test]
    fn the_worst_exit_code_wins_in_either_order() {
        let order = [
            ExitCode::Done,
            ExitCode::UnitsMissing,
            ExitCode::TryAgain,
            ExitCode::BadConfig,
            ExitCode::Refused,
        ];
        for (better, worse_one) in order.iter().zip(&order[1..]) {
            assert_eq!(worse(*better, *worse_one), *worse_one);
            assert_eq!(worse(*worse_one, *better), *worse_one);
        }
    }

    #[test]
    fn the_next_schedule_is_told_by_the_clock_of_its_zone() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(
            waiting(
                "views",
                at("2024-08-03T05:25:00Z"),
                "Europe/Berlin",
                at("2024-08-03T05:13:00Z")
            ),
            "Next: views at 2024-08-03 07:25 (Europe/Berlin), in 12 minutes. Ctrl-C stops."
        );
    }
}
