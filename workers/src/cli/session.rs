//! Works off an agenda: one load at a time, so that the host sees two connections at most.

use std::{sync::Arc, time::Duration};

use indicatif::HumanDuration;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::{
    ScheduleError, WikiIngestSpec,
    worker::{ExitCode, Report, ResolveError, resolve},
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
        let mut config = resolve(self.spec, &load.source, load.window.clone())?;
        if load.base_url.is_some() {
            config.source.base_url.clone_from(&load.base_url);
        }
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
    use super::*;

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
