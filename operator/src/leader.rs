//! One operator at a time: a Lease, taken and renewed by compare-and-swap on its version.
//!
//! Whoever cannot renew in time stops being the leader and has to end, since another may be at work by then. How old
//! another's Lease is, is measured from when it was seen to change, by this process's own clock: what time it is elsewhere
//! nobody knows.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, call};

/// The Lease's name.
const NAME: &str = "wikiingest-operator";
/// For how long it holds.
const HOLDS: Duration = Duration::from_secs(15);
/// How often it is renewed, and asked for.
const EVERY: Duration = Duration::from_secs(5);

/// Takes part in the election.
#[derive(Clone)]
pub struct Candidate {
    leases: Api<Lease>,
    identity: String,
    seen: Arc<Mutex<Option<Seen>>>,
}

/// Another's Lease, and since when it is so.
#[derive(Debug)]
struct Seen {
    spec: LeaseSpec,
    since: Instant,
}

impl Candidate {
    /// Under this name, which no other process has.
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity,
            seen: Arc::default(),
        }
    }

    /// Waits until this process is the leader. `tried` hears each time whether the Lease could be asked for.
    pub async fn elected(&self, tried: impl Fn(bool)) {
        loop {
            let held = self.try_hold().await;
            tried(held.is_ok());
            match held {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!("{error}; trying again"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Renews until the Lease is lost, or `stop`. Whether it is still this process's.
    pub async fn hold(&self, stop: CancellationToken) -> bool {
        let mut renewed = Instant::now();
        loop {
            if stop
                .run_until_cancelled(tokio::time::sleep(EVERY))
                .await
                .is_none()
            {
                return true;
            }
            // An API server that hangs must not let it run out unnoticed.
            let began = Instant::now();
            match tokio::time::timeout_at(renewed + HOLDS - EVERY, self.try_hold()).await {
                Ok(Ok(true)) => renewed = began,
                Ok(Ok(false)) => {
                    tracing::error!("Another operator holds the Lease; stopping");
                    return false;
                }
                Ok(Err(error)) => tracing::warn!("{error}"),
                Err(_) => {}
            }
            if renewed.elapsed() + EVERY > HOLDS {
                tracing::error!("The Lease could not be renewed in time; stopping");
                return false;
            }
        }
    }

    /// Takes or renews the Lease. False: somebody else has it, or was faster.
    async fn try_hold(&self) -> Result<bool, Error> {
        let Some(lease) = call("read the Lease", self.leases.get_opt(NAME)).await? else {
            let mut new = Lease::default();
            new.metadata.name = Some(NAME.to_owned());
            new.spec = Some(spec(&self.identity, None, Timestamp::now()));
            return swapped(
                call(
                    "create the Lease",
                    self.leases.create(&PostParams::default(), &new),
                )
                .await,
            );
        };
        let held = lease.spec.clone().unwrap_or_default();
        let ours = held.holder_identity.as_deref() == Some(self.identity.as_str());
        if !ours && holds(&mut *self.seen.lock().await, &held, Instant::now()) {
            return Ok(false);
        }
        let mut next = lease;
        let before = Some(&held).filter(|_| ours);
        next.spec = Some(spec(&self.identity, before, Timestamp::now()));
        // The version that was read goes with it: whoever is second is refused.
        swapped(
            call(
                "renew the Lease",
                self.leases.replace(NAME, &PostParams::default(), &next),
            )
            .await,
        )
    }

    /// Lets another process take the Lease at once. For when nothing is under way any more.
    pub async fn give_back(&self) {
        let Ok(Some(mut lease)) = call("read the Lease", self.leases.get_opt(NAME)).await else {
            return;
        };
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() == Some(self.identity.as_str()) {
            spec.holder_identity = None;
            let _ = call(
                "give back the Lease",
                self.leases.replace(NAME, &PostParams::default(), &lease),
            )
            .await;
        }
    }
}

/// What the Lease says while it is this process's, which had it before or takes it now.
fn spec(identity: &str, before: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
    let since = before.map_or(Some(MicroTime(now)), |before| before.acquire_time.clone());
    LeaseSpec {
        holder_identity: Some(identity.to_owned()),
        lease_duration_seconds: i32::try_from(HOLDS.as_secs()).ok(),
        acquire_time: since,
        renew_time: Some(MicroTime(now)),
        ..LeaseSpec::default()
    }
}

/// Whether another's Lease still holds: somebody has it, and it was seen to change less than its duration ago.
fn holds(seen: &mut Option<Seen>, spec: &LeaseSpec, now: Instant) -> bool {
    let holder = spec.holder_identity.as_deref().unwrap_or_default();
    if holder.is_empty() {
        return false;
    }
    let since = match seen {
        Some(seen) if seen.spec == *spec => seen.since,
        _ => {
            *seen = Some(Seen {
                spec: spec.clone(),
                since: now,
            });
            now
        }
    };
    let seconds = spec.lease_duration_seconds.unwrap_or(0);
    let duration = u64::try_from(seconds).map_or(HOLDS, Duration::from_secs);
    now.duration_since(since) < duration
}

fn swapped(written: Result<Lease, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if error.reason() == "Conflict" => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use kube::core::Status;

    use super::*;

    fn held_by(holder: &str, renewed: &str) -> LeaseSpec {
        spec(holder, None, renewed.parse().unwrap())
    }

    #[test]
    fn another_s_lease_runs_out_by_this_process_s_own_clock() {
        // Whatever its holder's clock says.
        for year in ["1999", "2999"] {
            let at = |second: u64| held_by("other", &format!("{year}-01-01T00:00:{second:02}Z"));
            let began = Instant::now();
            let after = |seconds| began + Duration::from_secs(seconds);
            let mut seen = None;
            assert!(holds(&mut seen, &at(0), after(0)));
            assert!(holds(&mut seen, &at(0), after(14)));
            // It is renewed.
            assert!(holds(&mut seen, &at(5), after(16)));
            assert!(holds(&mut seen, &at(5), after(30)));
            assert!(!holds(&mut seen, &at(5), after(31)));
            // Somebody else was faster.
            let third = held_by("third", "2026-01-01T00:00:00Z");
            assert!(holds(&mut seen, &third, after(32)));
        }
    }

    #[test]
    fn a_lease_that_was_given_back_is_anybody_s_at_once() {
        let mut free = held_by("other", "2026-01-01T00:00:00Z");
        for holder in [None, Some(String::new())] {
            free.holder_identity = holder;
            assert!(!holds(&mut None, &free, Instant::now()));
        }
        assert!(!holds(&mut None, &LeaseSpec::default(), Instant::now()));
    }

    #[test]
    fn a_renewed_lease_tells_since_when_it_is_held() {
        let first = held_by("me", "2026-01-01T00:00:00Z");
        let later = spec("me", Some(&first), "2026-01-01T00:00:05Z".parse().unwrap());
        assert_eq!(later.acquire_time, first.acquire_time);
        assert_ne!(later.renew_time, first.renew_time);
        assert_eq!(later.lease_duration_seconds, Some(15));
    }

    #[test]
    fn whoever_writes_second_does_not_hold_it() {
        let refused = |code| {
            let reason = if code == 409 { "Conflict" } else { "Forbidden" };
            let status = Status::failure("no", reason).with_code(code);
            swapped(Err(Error::Api {
                what: "renew the Lease".to_owned(),
                source: Box::new(kube::Error::Api(Box::new(status))),
            }))
        };
        assert!(swapped(Ok(Lease::default())).unwrap());
        assert!(!refused(409).unwrap());
        assert!(refused(403).is_err());
    }
}
