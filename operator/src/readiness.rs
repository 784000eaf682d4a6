//! Whether the operator does its part, as `/readyz` says it.

use std::sync::{Mutex, PoisonError};

/// What the operator is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// It starts.
    #[default]
    Starting,
    /// It waits for the Lease, and may read it.
    StandingBy,
    /// It waits for the Lease, and cannot read it: it could not take over.
    Astray,
    /// It acts, and does not know yet what there is.
    Reading,
    /// It acts.
    Acting,
}

/// What is known of it.
#[derive(Debug, Default)]
pub struct Readiness(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    part: Part,
    has_crd: bool,
}

impl Readiness {
    /// What the operator is about from now on.
    pub fn is(&self, part: Part) {
        self.known().part = part;
    }

    /// Whether the CRD is in the cluster.
    pub fn has_crd(&self, has_crd: bool) {
        self.known().has_crd = has_crd;
    }

    /// Why it is not ready; none when it is. One that stands by is as ready as can be.
    #[must_use]
    pub fn trouble(&self) -> Option<&'static str> {
        let known = self.known();
        if !known.has_crd {
            return Some(
                "the CRD wikiingests.wikiingest.dev is not there, or cannot be read: wikiingest-operator crd | kubectl apply --server-side -f -",
            );
        }
        match known.part {
            Part::StandingBy | Part::Acting => None,
            Part::Starting => Some("starting"),
            Part::Astray => Some("the Lease cannot be read: the log says why"),
            Part::Reading => Some("waiting for the first list of resources and of their children"),
        }
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_ready_while_it_could_act_or_does_and_the_crd_is_there() {
        let readiness = Readiness::default();
        let said = || readiness.trouble().unwrap_or("ok");
        assert!(said().contains("CRD"));
        readiness.has_crd(true);
        assert_eq!(said(), "starting");
        readiness.is(Part::Astray);
        assert!(said().contains("Lease"));
        readiness.is(Part::StandingBy);
        assert_eq!(said(), "ok");
        // Who takes over has to look first.
        readiness.is(Part::Reading);
        assert!(said().contains("first list"));
        readiness.is(Part::Acting);
        assert_eq!(said(), "ok");
        // The CRD goes, and comes back.
        readiness.has_crd(false);
        assert!(said().contains("CRD"));
        readiness.has_crd(true);
        assert_eq!(said(), "ok");
    }
}
