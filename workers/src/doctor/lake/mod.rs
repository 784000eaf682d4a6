//! A bucket: each request that loads make, by itself.

mod meaning;
mod trial;

use tokio_util::sync::CancellationToken;
use wikiingest_crds::S3Sink;

use super::finding::{Finding, Findings};
use crate::sinks::lake::s3::S3;

/// Asks, and with `write` tries.
pub(super) async fn examine(
    name: &str,
    sink: &S3Sink,
    write: bool,
    stop: &CancellationToken,
) -> Vec<Finding> {
    let mut findings = Findings::of(format!("sink {name}"));
    match S3::client(name, sink).await {
        Ok(s3) => Box::pin(look(&s3, sink, write, stop, &mut findings)).await,
        Err(error) => {
            // Nothing was asked yet: a secret is not set, or the system has no certificates.
            let name = if error.what.contains("certificates") {
                "tls"
            } else {
                "credentials"
            };
            findings.not_ok(name, error.what, error.advice);
        }
    }
    findings.found
}

async fn look(
    s3: &S3,
    sink: &S3Sink,
    write: bool,
    stop: &CancellationToken,
    findings: &mut Findings,
) {
    let place = meaning::Place::new(sink, s3.credentials());
    if let Err(said) = s3.try_list().await {
        let (name, verdict) = meaning::refused(&said, "s3:ListBucket", &place);
        return findings.add(name, verdict);
    }
    for (name, detail) in meaning::HELD {
        findings.ok(name, detail);
    }
    findings.ok("addressing", place.addressing());
    match s3.try_list_uploads().await {
        Ok(()) => findings.ok(
            "list-uploads",
            "open uploads can be listed, to sweep those of killed workers",
        ),
        Err(said) => {
            let (name, verdict) = meaning::refused(&said, "s3:ListBucketMultipartUploads", &place);
            findings.add(meaning::or(name, "list-uploads"), verdict);
        }
    }
    if write {
        trial::run(s3, &place, stop, findings).await;
    } else {
        trial::not_tried(
            findings,
            "nothing is written without --write",
            "run with --write",
        );
    }
}
