//! What S3's answers mean.

use wikiingest_crds::S3Sink;

use crate::{
    doctor::{finding::Verdict, reach, source::host},
    sinks::lake::s3::Said,
};

/// What a listing proves.
pub(super) const HELD: [(&str, &str); 5] = [
    ("reachable", "the server answers"),
    (
        "credentials",
        "the access key is known and its secret is right",
    ),
    (
        "clock",
        "the server takes signatures of this machine's time, or of its own, which the client then goes by",
    ),
    (
        "bucket",
        "the bucket is there, in the region that was named",
    ),
    ("list", "objects can be listed"),
];

/// Which bucket, for people.
#[derive(Debug)]
pub(super) struct Place {
    bucket: String,
    region: String,
    /// Of a server other than Amazon's.
    endpoint: Option<String>,
    credentials: String,
}

impl Place {
    pub(super) fn new(sink: &S3Sink, credentials: &str) -> Self {
        Self {
            bucket: sink.bucket.clone(),
            region: sink.region.clone(),
            endpoint: sink.endpoint.clone(),
            credentials: credentials.to_owned(),
        }
    }

    fn host(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => host(endpoint),
            None => format!("s3.{}.amazonaws.com", self.region),
        }
    }

    pub(super) fn addressing(&self) -> String {
        let host = self.host();
        match &self.endpoint {
            Some(endpoint) if endpoint.starts_with("http:") => {
                format!(
                    "the bucket is named in the path at {host}; without TLS, all can be read on the way"
                )
            }
            Some(_) => format!("the bucket is named in the path at {host}, by TLS"),
            None => format!(
                "the bucket is named in the host, {}.{host}, by TLS",
                self.bucket
            ),
        }
    }
}

/// The check that an answer belongs to, and what it means; `action` is what a policy calls the request.
pub(super) fn refused(said: &Said, action: &str, place: &Place) -> (&'static str, Verdict) {
    let Place { bucket, region, .. } = place;
    match said.code.as_str() {
        "NoSuchBucket" => (
            "bucket",
            Verdict::not_ok(
                format!("there is no bucket {bucket:?} at {}", place.host()),
                "create the bucket, or correct spec.sinks[].s3.bucket",
            ),
        ),
        "PermanentRedirect"
        | "AuthorizationHeaderMalformed"
        | "IllegalLocationConstraintException" => ("bucket", other_region(said, region)),
        "RequestTimeTooSkewed" => (
            "clock",
            Verdict::not_ok(
                format!(
                    "this machine's clock is more than 15 min off the server's, and no signature is taken: {}",
                    said.what
                ),
                "set this machine's clock, as a rule by NTP (timedatectl set-ntp true, chronyd)",
            ),
        ),
        "InvalidAccessKeyId" | "SignatureDoesNotMatch" | "ExpiredToken" | "InvalidToken" => (
            "credentials",
            Verdict::not_ok(
                format!("the access key or its secret is wrong: {}", said.what),
                format!("check {}", place.credentials),
            ),
        ),
        "AccessDenied" | "Forbidden" | "AllAccessDisabled" => (
            "rights",
            Verdict::not_ok(
                format!("the access key may not {action}: {}", said.what),
                format!(
                    "allow {action} on the bucket {bucket:?} and its objects, in the policy of {}",
                    place.credentials
                ),
            ),
        ),
        _ => other(said, place),
    }
}

fn other(said: &Said, place: &Place) -> (&'static str, Verdict) {
    if let Some(trouble) = said.trouble {
        let is_tls = place
            .endpoint
            .as_deref()
            .is_none_or(|url| url.starts_with("https:"));
        let trouble = if is_tls {
            trouble.in_handshake()
        } else {
            trouble
        };
        let verdict = reach::no_way(Some(trouble), &place.host(), &said.what, None);
        return (reach::check_of(Some(trouble)), verdict);
    }
    // Nothing was sent: the chain of providers had nothing.
    if said.status.is_none() && said.what.contains("credential") {
        let verdict = Verdict::not_ok(
            format!("no credentials are found: {}", said.what),
            "give the pod an identity (IRSA, Pod Identity, instance profile), or set credentialsSecretRef",
        );
        return ("credentials", verdict);
    }
    let verdict = Verdict::not_ok(
        format!(
            "{} answered otherwise than S3 does: {}",
            place.host(),
            said.what
        ),
        "look at the server and at proxies in between",
    );
    ("reachable", verdict)
}

fn other_region(said: &Said, region: &str) -> Verdict {
    let told = said.region.as_deref().or_else(|| expecting(&said.what));
    let right = told.map_or_else(
        || "another region".to_owned(),
        |told| format!("region {told}"),
    );
    Verdict::not_ok(
        format!("the bucket is in {right}, not in {region}: {}", said.what),
        format!(
            "set spec.sinks[].s3.region to {}",
            told.unwrap_or("the bucket's own")
        ),
    )
}

/// `the region 'us-east-1' is wrong; expecting 'eu-west-1'`
fn expecting(what: &str) -> Option<&str> {
    let (_, rest) = what.split_once("expecting '")?;
    Some(rest.split_once('\'')?.0)
}

/// A refusal is of the request itself, unless it says what else is wrong.
pub(super) fn or(name: &'static str, request: &'static str) -> &'static str {
    if matches!(name, "rights" | "reachable") {
        request
    } else {
        name
    }
}

/// Whether an object was kept from being written over.
pub(super) fn overwriting(what: &str, written: Result<(), Said>) -> Verdict {
    match written {
        Err(said) if said.status == Some(412) || said.status == Some(409) => Verdict::ok(format!(
            "{what} with If-None-Match: * does not replace an object that is there"
        )),
        Err(said) if said.code == "NotImplemented" || said.status == Some(501) => Verdict::not_ok(
            format!(
                "the server knows no {what} with If-None-Match: {}",
                said.what
            ),
            "use a server with conditional writes, which keep two workers from writing one object",
        ),
        Err(said) => Verdict::not_ok(
            format!(
                "{what} with If-None-Match: * failed in another way than by 412: {}",
                said.what
            ),
            "look at the server's log",
        ),
        Ok(()) => Verdict::not_ok(
            format!(
                "{what} with If-None-Match: * replaced an object that was there: the server ignores conditions"
            ),
            "use a server with conditional writes, which keep two workers from writing one object",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{doctor::finding::Outcome, trouble::Trouble};

    fn place() -> Place {
        Place {
            bucket: "lake".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: None,
            credentials: "WIKIINGEST_LAKE_*".to_owned(),
        }
    }

    fn said(code: &str, status: u16) -> Said {
        Said {
            status: Some(status),
            code: code.to_owned(),
            what: format!("{code}: told so"),
            ..Said::default()
        }
    }

    fn told(code: &str, status: u16) -> (&'static str, String) {
        let (name, verdict) = refused(&said(code, status), "s3:PutObject", &place());
        (name, verdict.detail)
    }

    #[test]
    fn each_refusal_is_of_its_own_check() {
        for (code, name, part) in [
            ("NoSuchBucket", "bucket", "no bucket \"lake\""),
            (
                "RequestTimeTooSkewed",
                "clock",
                "clock is more than 15 min off",
            ),
            ("SignatureDoesNotMatch", "credentials", "secret is wrong"),
            ("AccessDenied", "rights", "may not s3:PutObject"),
        ] {
            let (found, detail) = told(code, 403);
            assert_eq!(found, name);
            assert!(detail.contains(part), "{detail}");
        }
        assert_eq!(or("rights", "put"), "put");
        assert_eq!(or("clock", "put"), "clock");
    }

    #[test]
    fn the_right_region_is_named_wherever_the_answer_has_it() {
        let by_header = Said {
            region: Some("eu-west-1".to_owned()),
            ..said("PermanentRedirect", 301)
        };
        let by_text = Said {
            what: "the region 'us-east-1' is wrong; expecting 'eu-west-1'".to_owned(),
            ..said("AuthorizationHeaderMalformed", 400)
        };
        for said in [by_header, by_text] {
            let (name, verdict) = refused(&said, "s3:ListBucket", &place());
            assert_eq!(name, "bucket");
            assert!(
                verdict
                    .detail
                    .contains("in region eu-west-1, not in us-east-1")
            );
        }
    }

    #[test]
    fn a_request_that_was_never_sent_for_want_of_credentials_is_told() {
        let said = Said {
            what: "dispatch failure: no providers in chain provided credentials".to_owned(),
            ..Said::default()
        };
        assert_eq!(refused(&said, "s3:ListBucket", &place()).0, "credentials");
    }

    #[test]
    fn only_a_refusal_proves_that_nothing_is_written_over() {
        assert_eq!(
            overwriting("a put", Err(said("PreconditionFailed", 412))).result,
            Outcome::Ok
        );
        assert_eq!(overwriting("a put", Ok(())).result, Outcome::NotOk);
        assert_eq!(
            overwriting("a put", Err(said("AccessDenied", 403))).result,
            Outcome::NotOk
        );
    }

    #[test]
    fn tls_that_is_cut_is_told_where_tls_is_spoken() {
        let cut = Said {
            trouble: Some(Trouble::Cut),
            what: "io error".to_owned(),
            ..Said::default()
        };
        assert_eq!(refused(&cut, "s3:ListBucket", &place()).0, "tls");
        let plain = Place {
            endpoint: Some("http://minio:9000".to_owned()),
            ..place()
        };
        assert_eq!(refused(&cut, "s3:ListBucket", &plain).0, "reachable");
    }
}
