//! A run that deletes what is too old.

use std::{collections::HashMap, time::Instant};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use wikiingest_crds::worker::{ExitCode, ExpireConfig, ExpireReport, FailedTerm, Term};

use super::expiries;
use crate::{
    failure::{Class, Classify, chain},
    sinks::{
        Sink, SinkError,
        expire::{Expired, Expiry},
    },
};

/// How long a run that is asked to end may take to: well within the 30 s that Kubernetes gives.
const STOP_WITHIN: std::time::Duration = std::time::Duration::from_secs(10);

/// Deletes what is too old, sink by sink, until `stop` is cancelled. One that fails does not hold
/// the others up; what failed is in the report.
pub async fn expire(config: &ExpireConfig, stop: &CancellationToken) -> ExpireReport {
    let began = Instant::now();
    let mut tally = Tally::default();
    let too_late = async {
        stop.cancelled().await;
        tokio::time::sleep(STOP_WITHIN).await;
    };
    // A step that is cut off is undone, or was done: the next run finds what is left.
    tokio::select! {
        () = tally.run(config, Timestamp::now(), stop) => {}
        () = too_late => {}
    }
    let stopped = stop.is_cancelled().then_some(Class::TryAgain);
    let exit = tally
        .class
        .max(stopped)
        .map_or(ExitCode::Done, ExitCode::from);
    ExpireReport {
        rows: tally.expired.rows,
        objects: tally.expired.objects,
        failed_count: u32::try_from(tally.failed.len()).unwrap_or(u32::MAX),
        failed: tally.failed,
        seconds: began.elapsed().as_secs_f64(),
        exit_code: exit.code(),
    }
}

/// What a run came to.
#[derive(Default)]
struct Tally {
    expired: Expired,
    failed: Vec<FailedTerm>,
    class: Option<Class>,
}

impl Tally {
    async fn run(&mut self, config: &ExpireConfig, now: Timestamp, stop: &CancellationToken) {
        let mut sinks: HashMap<&str, Result<Sink, SinkError>> = HashMap::new();
        for term in config.terms() {
            if stop.is_cancelled() {
                return;
            }
            for expiry in expiries(&term, &config.streams, now) {
                // A sink of which nothing has to go is not touched.
                let name = term.sink.name.as_str();
                if !sinks.contains_key(name) {
                    sinks.insert(name, Sink::open(term.sink).await);
                }
                match sinks.get(name) {
                    Some(Ok(sink)) => {
                        let ended = self.delete(&term, &expiry, sink, stop).await;
                        self.note(&term, ended.as_ref().err());
                    }
                    Some(Err(error)) => self.note(&term, Some(error)),
                    None => {}
                }
            }
        }
    }

    async fn delete(
        &mut self,
        term: &Term<'_>,
        expiry: &Expiry,
        sink: &Sink,
        stop: &CancellationToken,
    ) -> Result<(), SinkError> {
        let before = self.expired;
        let ended = sink.expire(expiry, &mut self.expired, stop).await;
        tracing::info!(
            sink = sink.name,
            kind = %term.kind,
            before = %expiry.before,
            rows = self.expired.rows - before.rows,
            objects = self.expired.objects - before.objects,
            "Old data deleted"
        );
        ended
    }

    fn note(&mut self, term: &Term<'_>, error: Option<&SinkError>) {
        let Some(error) = error else { return };
        let text = chain(error);
        tracing::error!(
            sink = term.sink.name,
            kind = %term.kind,
            error = text,
            "Old data not deleted"
        );
        self.class = self.class.max(Some(error.class()));
        self.failed.push(FailedTerm {
            sink: term.sink.name.clone(),
            kind: term.kind.to_string(),
            error: text,
        });
    }
}
