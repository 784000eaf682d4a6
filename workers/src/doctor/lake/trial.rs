//! What only writing tells, on objects of its own that are removed in the end.

use tokio_util::sync::CancellationToken;

use super::meaning::{Place, or, overwriting, refused};
use crate::{
    doctor::{
        finding::{Findings, Verdict},
        random,
    },
    sinks::lake::s3::{S3, Said},
};

/// All that is tried.
const TRIED: [&str; 7] = [
    "put",
    "get",
    "put-once",
    "multipart",
    "multipart-once",
    "abort",
    "delete",
];

const BODY: &[u8] = b"wikiingest doctor was here, and is to have removed this";

/// Says of each that it was not tried, and why.
pub(super) fn not_tried(findings: &mut Findings, why: &str, remedy: &str) {
    for name in TRIED {
        if findings.found.iter().all(|finding| finding.name != name) {
            findings.could_not_tell(name, format!("not tried: {why}"), remedy);
        }
    }
}

/// Tries all of it, and leaves nothing behind.
pub(super) async fn run(s3: &S3, place: &Place, stop: &CancellationToken, findings: &mut Findings) {
    let name = format!("{}{}", random::PREFIX, random::suffix());
    let trial = Trial {
        s3,
        place,
        whole: format!("{name}-whole"),
        parts: format!("{name}-parts"),
    };
    let _ = stop
        .run_until_cancelled(Box::pin(trial.all(findings)))
        .await;
    trial.remove(&name, findings).await;
    not_tried(
        findings,
        "something before it failed",
        "mend that, and run again",
    );
}

struct Trial<'a> {
    s3: &'a S3,
    place: &'a Place,
    whole: String,
    parts: String,
}

impl Trial<'_> {
    async fn all(&self, findings: &mut Findings) {
        let put = self.s3.try_put(&self.whole, BODY).await;
        let is_there = put.is_ok();
        self.add(
            findings,
            "put",
            "s3:PutObject",
            put,
            "an object can be written",
        );
        if is_there {
            self.read(findings).await;
            let again = self.s3.try_put(&self.whole, BODY).await;
            findings.add("put-once", overwriting("a put", again));
        }
        self.multipart(findings).await;
    }

    async fn read(&self, findings: &mut Findings) {
        match self.s3.try_get(&self.whole).await {
            Ok(bytes) if bytes == BODY => findings.ok("get", "it comes back as it was written"),
            Ok(_) => findings.not_ok(
                "get",
                "an object comes back otherwise than it was written",
                "look at the server and at proxies in between",
            ),
            Err(said) => self.add(findings, "get", "s3:GetObject", Err(said), ""),
        }
    }

    /// Large objects go up in parts, on which policies and proxies may have rules of their own.
    async fn multipart(&self, findings: &mut Findings) {
        let action = "s3:PutObject of a multipart upload";
        let id = match self.s3.try_begin(&self.parts).await {
            Ok(id) => id,
            Err(said) => return self.add(findings, "multipart", action, Err(said), ""),
        };
        let completed = self.s3.try_complete(&self.parts, &id, BODY).await;
        let is_there = completed.is_ok();
        self.add(
            findings,
            "multipart",
            action,
            completed,
            "an object can be written in parts",
        );
        let Ok(id) = self.s3.try_begin(&self.parts).await else {
            return;
        };
        if is_there {
            let again = self.s3.try_complete(&self.parts, &id, BODY).await;
            findings.add("multipart-once", overwriting("a multipart upload", again));
        }
        let aborted = self.s3.try_abort(&self.parts, &id).await;
        // One that was refused may be gone by itself.
        let aborted = aborted.or_else(|said| {
            if said.code == "NoSuchUpload" {
                Ok(())
            } else {
                Err(said)
            }
        });
        let detail = "an upload can be given up";
        self.add(
            findings,
            "abort",
            "s3:AbortMultipartUpload",
            aborted,
            detail,
        );
    }

    async fn remove(&self, name: &str, findings: &mut Findings) {
        self.s3.abort_under(name).await;
        let whole = self.s3.try_delete(&self.whole).await;
        let deleted = whole.and(self.s3.try_delete(&self.parts).await);
        match deleted {
            Ok(()) => findings.ok("delete", "what was written is removed again"),
            Err(said) => {
                let (found, verdict) = refused(&said, "s3:DeleteObject", self.place);
                let detail = format!(
                    "{}; {} and {} may be left",
                    verdict.detail, self.whole, self.parts
                );
                let remedy = verdict.remedy.unwrap_or_default();
                findings.add(or(found, "delete"), Verdict::not_ok(detail, remedy));
            }
        }
    }

    fn add(
        &self,
        findings: &mut Findings,
        name: &'static str,
        action: &str,
        done: Result<(), Said>,
        detail: &str,
    ) {
        match done {
            Ok(()) => findings.ok(name, detail),
            Err(said) => {
                let (found, verdict) = refused(&said, action, self.place);
                findings.add(or(found, name), verdict);
            }
        }
    }
}
