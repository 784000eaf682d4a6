//! What was written to the API server, by its own count.
//!
//! It does not tell who wrote: only what the operator may write is counted, and only Leases, which are renewed all the
//! time, are left out of that.

use std::ops::Sub;

use super::Kubectl;
use crate::error::Result;

const VERBS: &[&str] = &[
    "APPLY",
    "DELETE",
    "DELETECOLLECTION",
    "PATCH",
    "POST",
    "PUT",
];
/// Group and plural.
const CHILDREN: &[(&str, &str)] = &[
    ("", "configmaps"),
    ("", "serviceaccounts"),
    ("apps", "deployments"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
];
const EVENTS: (&str, &str) = ("events.k8s.io", "events");
const RESOURCES: (&str, &str) = ("wikiingest.dev", "wikiingests");

/// Requests that write, whatever came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Writes {
    /// To children of resources.
    pub children: f64,
    /// To resources and their status.
    pub status: f64,
    /// Events.
    pub events: f64,
}

impl Writes {
    /// From the API server's metrics: all since it started.
    #[must_use]
    pub fn of(metrics: &str) -> Self {
        let mut writes = Self::default();
        for line in metrics.lines() {
            let Some(count) = line.strip_prefix("apiserver_request_total{") else {
                continue;
            };
            let Some((labels, count)) = count.rsplit_once("} ") else {
                continue;
            };
            let label = |name| label(labels, name).unwrap_or_default();
            let (kind, part) = ((label("group"), label("resource")), label("subresource"));
            if !VERBS.contains(&label("verb")) {
                continue;
            }
            let count: f64 = count.parse().unwrap_or(f64::NAN);
            // Other parts are not the operator's to write, such as the tokens of service accounts.
            match part {
                "" if CHILDREN.contains(&kind) => writes.children += count,
                "" if kind == EVENTS => writes.events += count,
                "" | "status" if kind == RESOURCES => writes.status += count,
                _ => {}
            }
        }
        writes
    }

    /// All of them.
    #[must_use]
    pub fn all(self) -> f64 {
        self.children + self.status + self.events
    }
}

impl Sub for Writes {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            children: self.children - before.children,
            status: self.status - before.status,
            events: self.events - before.events,
        }
    }
}

impl Kubectl {
    /// What was written since the API server started.
    ///
    /// # Errors
    /// If it does not answer.
    pub fn writes(&self) -> Result<Writes> {
        Ok(Writes::of(&self.run(&["get", "--raw", "/metrics"])?))
    }
}

/// Of `name="value",…`. No value of the labels that are asked for has a quote or a comma in it.
fn label<'a>(labels: &'a str, name: &str) -> Option<&'a str> {
    labels.split(',').find_map(|label| {
        let (key, value) = label.split_once('=')?;
        (key == name).then(|| value.trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_are_counted_by_what_is_written() {
        let line = |group: &str, resource: &str, part: &str, verb: &str, count: u32| {
            format!(
                "apiserver_request_total{{code=\"201\",component=\"apiserver\",dry_run=\"\",group=\"{group}\",\
                 resource=\"{resource}\",scope=\"resource\",subresource=\"{part}\",verb=\"{verb}\",version=\"v1\"}} {count}\n"
            )
        };
        let before = Writes::of(&line("batch", "cronjobs", "", "APPLY", 100));
        let metrics = [
            line("batch", "cronjobs", "", "APPLY", 103),
            line("batch", "cronjobs", "", "LIST", 9),
            line("batch", "cronjobs", "status", "PUT", 9),
            line("", "serviceaccounts", "", "APPLY", 1),
            line("", "serviceaccounts", "token", "POST", 9),
            line("", "configmaps", "", "PATCH", 1),
            line("wikiingest.dev", "wikiingests", "status", "APPLY", 2),
            line("events.k8s.io", "events", "", "POST", 1000),
            line("", "events", "", "POST", 9),
            line("coordination.k8s.io", "leases", "", "PUT", 9),
            "# HELP apiserver_request_total Counter of requests\n".to_owned(),
        ];
        let expected = Writes {
            children: 5.0,
            status: 2.0,
            events: 1000.0,
        };
        let writes = Writes::of(&metrics.concat()) - before;
        assert_eq!(writes, expected);
        assert!((writes.all() - 1007.0).abs() < f64::EPSILON);
    }
}
