//! One operator at a time: a Lease, taken and renewed by compare-and-swap on its version.
//!
//! Whoever cannot renew in time stops being the leader and has to end, since another may be at work by then.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{Api, Client, api::PostParams};
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
}

impl Candidate {
    /// Under this name, which no other process has.
    #[must_use]
    pub fn new(client: Client, namespace: &str, identity: String) -> Self {
        Self {
            leases: Api::namespaced(client, namespace),
            identity,
        }
    }

    /// Waits until this process is the leader.
    pub async fn elected(&self) {
        loop {
            match self.try_hold().await {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) => tracing::warn!("{error}; trying again"),
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// Renews until the Lease is lost, or `stop`.
    pub async fn hold(&self, stop: CancellationToken) {
        let mut renewed = tokio::time::Instant::now();
        loop {
            if stop
                .run_until_cancelled(tokio::time::sleep(EVERY))
                .await
                .is_none()
            {
                return;
            }
            // An API server that hangs must not let it run out unnoticed.
            let began = tokio::time::Instant::now();
            match tokio::time::timeout_at(renewed + HOLDS - EVERY, self.try_hold()).await {
                Ok(Ok(true)) => renewed = began,
                Ok(Ok(false)) => {
                    tracing::error!("Another operator holds the Lease; stopping");
                    return;
                }
                Ok(Err(error)) => tracing::warn!("{error}"),
                Err(_) => {}
            }
            if renewed.elapsed() + EVERY > HOLDS {
                tracing::error!("The Lease could not be renewed in time; stopping");
                return;
            }
        }
    }

    /// Takes or renews the Lease. False: somebody else has it, or was faster.
    async fn try_hold(&self) -> Result<bool, Error> {
        let now = Timestamp::now();
        let Some(lease) = call("read the Lease", self.leases.get_opt(NAME)).await? else {
            let mut new = Lease::default();
            new.metadata.name = Some(NAME.to_owned());
            new.spec = Some(self.spec(None, now));
            return swapped(
                call(
                    "create the Lease",
                    self.leases.create(&PostParams::default(), &new),
                )
                .await,
            );
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let ours = spec.holder_identity.as_deref() == Some(self.identity.as_str());
        if !ours && holds(&spec, now) {
            return Ok(false);
        }
        let mut next = lease;
        next.spec = Some(self.spec(Some(&spec).filter(|_| ours), now));
        // The version that was read goes with it: whoever is second is refused.
        swapped(
            call(
                "renew the Lease",
                self.leases.replace(NAME, &PostParams::default(), &next),
            )
            .await,
        )
    }

    fn spec(&self, mine: Option<&LeaseSpec>, now: Timestamp) -> LeaseSpec {
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(HOLDS.as_secs()).ok(),
            acquire_time: mine.map_or(Some(MicroTime(now)), |mine| mine.acquire_time.clone()),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        }
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

fn holds(spec: &LeaseSpec, now: Timestamp) -> bool {
    let held = spec
        .holder_identity
        .as_deref()
        .is_some_and(|holder| !holder.is_empty());
    let renewed = spec
        .renew_time
        .as_ref()
        .map_or(Timestamp::UNIX_EPOCH, |time| time.0);
    let seconds = i64::from(spec.lease_duration_seconds.unwrap_or(0));
    held && now.duration_since(renewed).as_secs() < seconds
}

fn swapped(written: Result<Lease, Error>) -> Result<bool, Error> {
    match written {
        Ok(_) => Ok(true),
        Err(error) if error.reason() == "Conflict" => Ok(false),
        Err(error) => Err(error),
    }
}
