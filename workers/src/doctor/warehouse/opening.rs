//! What it means that a server lets us in, or does not.

use wikiingest_crds::TlsMode;

use crate::{
    doctor::{
        finding::{Findings, Verdict},
        reach,
    },
    sinks::warehouse::WarehouseError,
};

/// What has to hold one after the other.
const STEPS: [&str; 3] = ["reachable", "credentials", "database"];

/// All of it held.
pub(super) fn opened(findings: &mut Findings) {
    for (step, detail) in STEPS.into_iter().zip(HELD) {
        findings.ok(step, detail);
    }
}

const HELD: [&str; 3] = [
    "the server answers",
    "user and password are right",
    "the database is there",
];

/// Something did not; what comes before it did.
pub(super) fn failed(error: &WarehouseError, findings: &mut Findings) {
    let (step, verdict) = judge(error);
    let before = STEPS.iter().position(|name| *name == step).unwrap_or(0);
    for (step, detail) in STEPS.into_iter().zip(HELD).take(before) {
        findings.ok(step, detail);
    }
    findings.add(step, verdict);
}

fn judge(error: &WarehouseError) -> (&'static str, Verdict) {
    let own = |detail| Verdict::not_ok(detail, error.advice.clone().unwrap_or_default());
    let place = &error.place;
    match (error.code, error.trouble) {
        (Some(1045 | 1698), _) => {
            let detail = format!("wrong user or password, says {place}: {}", error.what);
            ("credentials", own(detail))
        }
        (Some(1044), _) => {
            let detail = format!(
                "the user has no rights in the database {place}: {}",
                error.what
            );
            ("database", own(detail))
        }
        (Some(1049), _) => {
            let detail = format!("there is no such database as {place}: {}", error.what);
            ("database", own(detail))
        }
        _ if error.no_tls => ("tls", own(format!("{place}: {}", error.what))),
        (None, Some(trouble)) => {
            let host = place.split('/').next().unwrap_or(place);
            let verdict = reach::no_way(Some(trouble), host, &error.what, None);
            (reach::check_of(Some(trouble)), verdict)
        }
        (None, None) if error.what.ends_with(" is not set") => {
            ("credentials", own(error.what.clone()))
        }
        _ => ("reachable", own(format!("{place}: {}", error.what))),
    }
}

/// Whether the connection is encrypted as was asked for.
pub(super) fn tls(mode: TlsMode, cipher: &str) -> Verdict {
    let asked = format!("tls.mode is {mode:?}");
    match (mode, cipher) {
        (TlsMode::Disabled, _) => Verdict::ok(format!("{asked}: the connection is not encrypted")),
        (TlsMode::Preferred, "") => Verdict::ok(format!(
            "{asked}, and the server offers no encryption: whoever is in between can read all of it"
        )),
        // The client does not go on without what these ask for.
        (_, "") => Verdict::ok(asked),
        (_, cipher) => Verdict::ok(format!("{asked}: encrypted by {cipher}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{failure::Class, trouble::Trouble};

    fn told(code: Option<u16>, trouble: Option<Trouble>, what: &str) -> (&'static str, String) {
        let error = WarehouseError {
            place: "db:3306/wiki".to_owned(),
            what: what.to_owned(),
            advice: Some("do this".to_owned()),
            class: Class::Refused,
            contended: false,
            no_tls: false,
            code,
            trouble,
        };
        let (step, verdict) = judge(&error);
        (step, verdict.detail)
    }

    #[test]
    fn the_step_that_failed_is_named() {
        let (step, detail) = told(Some(1045), None, "Access denied");
        assert_eq!(step, "credentials");
        assert!(
            detail.starts_with("wrong user or password, says db:3306/wiki"),
            "{detail}"
        );
        assert_eq!(told(Some(1049), None, "x").0, "database");
        assert_eq!(
            told(None, None, "WIKIINGEST_W_PASSWORD is not set").0,
            "credentials"
        );
        let (step, detail) = told(None, Some(Trouble::Refused), "x");
        assert_eq!(step, "reachable");
        assert!(detail.contains("nothing listens at db:3306"), "{detail}");
        assert_eq!(told(None, Some(Trouble::Untrusted), "x").0, "tls");
    }

    #[test]
    fn a_database_that_lacks_is_told_after_what_was_right() {
        let mut findings = Findings::of("sink w");
        let error = WarehouseError {
            place: "db:3306/wiki".to_owned(),
            what: "Unknown database".to_owned(),
            advice: None,
            class: Class::BadConfig,
            contended: false,
            no_tls: false,
            code: Some(1049),
            trouble: None,
        };
        failed(&error, &mut findings);
        let names: Vec<_> = findings.found.iter().map(|finding| finding.name).collect();
        assert_eq!(names, ["reachable", "credentials", "database"]);
    }
}
