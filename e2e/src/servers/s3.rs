//! A real S3 server: SeaweedFS, from the wheel that PyPI has of it.
//!
//! What matters here was checked against it: `If-None-Match: *` on a put and on the completion of a multipart upload
//! gives 412 when the object is there, `ListMultipartUploads` (with a prefix) and `AbortMultipartUpload` work, a wrong
//! secret gives 403 `SignatureDoesNotMatch`, and a missing bucket 404 `NoSuchBucket`. Unlike AWS, aborting an upload
//! twice succeeds both times, and a bucket's name has at least three letters but may be made by anyone who is let in.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{START, launch, retry};
use crate::error::{Doing, Error, Result};
use crate::http;
use crate::process::{Guard, free_port, guarded};
use crate::scratch::Also;

/// The one access key that is let in.
pub const ACCESS_KEY_ID: &str = "E2EACCESSKEY";

/// Its secret.
pub const SECRET_ACCESS_KEY: &str = "e2e-s3-5ecret/with+signs";

/// The bucket that is there from the start; tests keep apart by prefix.
pub const BUCKET: &str = "lake";

/// A region, since clients want one.
pub const REGION: &str = "us-east-1";

/// A running server; dropped, it is gone with its data.
#[derive(Debug)]
pub struct S3 {
    // Declared before the rest: the server goes first.
    _server: Guard,
    _sockets: Also,
    _dir: TempDir,
    port: u16,
}

impl S3 {
    /// Starts the server with one empty bucket.
    ///
    /// `weed` is its program, in the `bin` folder of the Python environment.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(weed: &Path) -> Result<Self> {
        retry(|| Self::try_start(weed))
    }

    fn try_start(weed: &Path) -> Result<Self> {
        let dir = crate::scratch::dir("s3")?;
        let data = dir.path().join("data");
        fs::create_dir(&data).doing_to("making", &data)?;
        let identities = dir.path().join("identities.json");
        fs::write(&identities, identity()).doing_to("writing", &identities)?;
        let ports = Ports::choose()?;
        let mut command = guarded(weed);
        command
            .args([
                "-logtostderr=true",
                "server",
                "-ip=127.0.0.1",
                "-ip.bind=127.0.0.1",
            ])
            .args([
                "-filer",
                "-s3",
                "-s3.iam=false",
                "-s3.port.iceberg=0",
                "-s3.port.lance=0",
            ])
            // An upload to a bucket that is not there shall fail, as it does on AWS.
            .args(["-s3.autoCreateBucket=false", "-master.telemetry=false"])
            .args(["-master.volumeSizeLimitMB=256", "-volume.max=0"])
            .arg(format!("-dir={}", data.display()))
            .arg(format!("-s3.config={}", identities.display()))
            .args(ports.args())
            // It looks for settings in the home and the current folder: here it finds none.
            .env("HOME", dir.path())
            .current_dir(dir.path());
        let sockets = Also::new(ports.sockets());
        let known_as = ("weed", ports.s3);
        let server = launch(&mut command, dir.path(), known_as, START, || ports.ready())?;
        Ok(Self {
            _server: server,
            _sockets: sockets,
            _dir: dir,
            port: ports.s3,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

/// Who is let in, as the server reads it.
pub(crate) fn identity() -> String {
    json!({"identities": [{
        "name": "e2e",
        "credentials": [{"accessKey": ACCESS_KEY_ID, "secretKey": SECRET_ACCESS_KEY}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }]})
    .to_string()
}

/// SeaweedFS is four servers in one process, each with a port for HTTP and one for gRPC.
#[derive(Debug)]
struct Ports {
    master: u16,
    volume: u16,
    filer: u16,
    s3: u16,
    grpc: [u16; 4],
}

impl Ports {
    fn choose() -> Result<Self> {
        Ok(Self {
            master: free_port()?,
            volume: free_port()?,
            filer: free_port()?,
            s3: free_port()?,
            grpc: [free_port()?, free_port()?, free_port()?, free_port()?],
        })
    }

    fn args(&self) -> Vec<String> {
        let names = ["master", "volume", "filer", "s3"];
        let http = [self.master, self.volume, self.filer, self.s3];
        let http = names
            .iter()
            .zip(http)
            .map(|(name, port)| format!("-{name}.port={port}"));
        let grpc = names
            .iter()
            .zip(self.grpc)
            .map(|(name, port)| format!("-{name}.port.grpc={port}"));
        http.chain(grpc).collect()
    }

    /// Files that the server leaves in /tmp whatever it is told, named after its ports; most of these names are unused.
    fn sockets(&self) -> Vec<PathBuf> {
        let http = [self.master, self.volume, self.filer, self.s3];
        let names = [
            "master-grpc",
            "volume-grpc",
            "filer-grpc",
            "s3-grpc",
            "filer",
            "s3",
        ];
        let of_port =
            |port: u16| names.map(|name| format!("/tmp/seaweedfs-{name}-{port}.sock").into());
        http.into_iter()
            .chain(self.grpc)
            .flat_map(of_port)
            .collect()
    }

    fn ready(&self) -> Result<()> {
        ready(self.master, self.filer, self.s3)
    }
}

/// Whether every one of the four answers; makes the bucket on the way, which is a folder of the filer.
pub(crate) fn ready(master: u16, filer: u16, s3: u16) -> Result<()> {
    // Asked for a place before it has a volume server, the master looks again only after many seconds.
    let status = http::get(master, "/dir/status")?.text();
    let status: Value = serde_json::from_str(&status).unwrap_or_default();
    if status["Topology"]["Max"].as_u64().unwrap_or_default() == 0 {
        return Err(Error::other("no volume server yet"));
    }
    let assigned = http::get(master, &format!("/dir/assign?collection={BUCKET}"))?;
    if !assigned.text().contains("fid") {
        return Err(Error::other(format!(
            "no volume to write to yet: {}",
            assigned.text()
        )));
    }
    let bucket = http::post(filer, &format!("/buckets/{BUCKET}/"), "")?;
    // 409: made by an earlier look, when the last of the servers was not up yet.
    if bucket.status / 100 != 2 && bucket.status != 409 {
        return Err(Error::other(format!(
            "no bucket yet: {} {}",
            bucket.status,
            bucket.text()
        )));
    }
    http::get(s3, "/status").map(drop)
}
