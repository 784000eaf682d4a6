//! A real Trino, the engine that Amazon Athena's third version is made of, over the S3 server's bucket.
//!
//! Its catalog `lake` is what Athena's Glue is: a metastore, here of files in the bucket itself, and tables whose partitions
//! are projected.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use super::s3::{ACCESS_KEY_ID, BUCKET, REGION, S3, SECRET_ACCESS_KEY};
use super::{launch, retry};
use crate::error::{Doing, Error, Result};
use crate::http;
use crate::jars::Jars;
use crate::process::{Guard, free_port};

/// It takes a quarter of a minute on two cores that have nothing else to do.
const START: Duration = Duration::from_mins(4);

/// The version that it gives itself, which a server of a release has from its archive.
const VERSION: &str = "435";

/// What Java is told. Trino looks at its own memory through an agent, and wants times to be UTC.
const JAVA: &[&str] = &[
    "-Xmx1500M",
    "-Djdk.attach.allowAttachSelf=true",
    "-Duser.timezone=UTC",
    "--add-opens=java.base/java.nio=ALL-UNNAMED",
    "-Dconfig=config.properties",
];

/// A running server; dropped, it is gone with its settings.
#[derive(Debug)]
pub struct Trino {
    // Declared before the folder: the server goes first.
    _server: Guard,
    _dir: TempDir,
    port: u16,
}

impl Trino {
    /// Starts the server over an S3 server's bucket.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(jars: &Jars, s3: &S3) -> Result<Self> {
        retry(|| Self::try_start(jars, s3))
    }

    fn try_start(jars: &Jars, s3: &S3) -> Result<Self> {
        let dir = crate::scratch::dir("trino")?;
        let port = free_port()?;
        write(dir.path(), "config.properties", &settings(jars, port))?;
        write(dir.path(), "catalog/lake.properties", &catalog(s3))?;
        let mut command = jars.server(JAVA);
        command.arg(VERSION).current_dir(dir.path());
        let known_as = ("Trino", port);
        let server = launch(&mut command, dir.path(), known_as, START, || ready(port))?;
        Ok(Self {
            _server: server,
            _dir: dir,
            port,
        })
    }

    /// The port, on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn write(dir: &Path, name: &str, text: &str) -> Result<()> {
    let file = dir.join(name);
    let folder = file.parent().unwrap_or(dir);
    fs::create_dir_all(folder).doing_to("making", folder)?;
    fs::write(&file, text).doing_to("writing", &file)
}

fn settings(jars: &Jars, port: u16) -> String {
    format!(
        "node.id=e2e\n\
         node.environment=e2e\n\
         node.internal-address=127.0.0.1\n\
         node.bind-ip=127.0.0.1\n\
         coordinator=true\n\
         node-scheduler.include-coordinator=true\n\
         http-server.http.port={port}\n\
         discovery.uri=http://127.0.0.1:{port}\n\
         plugin.dir={}\n\
         catalog.config-dir=catalog\n\
         query.max-memory=500MB\n\
         query.max-memory-per-node=500MB\n\
         memory.heap-headroom-per-node=300MB\n",
        jars.plugins().display()
    )
}

/// What is small is fetched whole, and what lies close together in one piece, both with what no query needs: of an object
/// of a test that would be all of it, where a real hour is twenty times as large. So nothing is small or close.
fn catalog(s3: &S3) -> String {
    format!(
        "connector.name=hive\n\
         hive.metastore=file\n\
         hive.metastore.catalog.dir=s3://{BUCKET}/_metastore\n\
         hive.partition-projection-enabled=true\n\
         hive.non-managed-table-writes-enabled=true\n\
         hive.parquet.time-zone=UTC\n\
         parquet.small-file-threshold=0B\n\
         parquet.max-merge-distance=0B\n\
         fs.hadoop.enabled=false\n\
         fs.native-s3.enabled=true\n\
         s3.endpoint={}\n\
         s3.region={REGION}\n\
         s3.path-style-access=true\n\
         s3.aws-access-key={ACCESS_KEY_ID}\n\
         s3.aws-secret-key={SECRET_ACCESS_KEY}\n",
        s3.endpoint()
    )
}

/// Whether it has all its parts. It answers before that.
fn ready(port: u16) -> Result<()> {
    let info = http::get(port, "/v1/info")?;
    let info: Value = serde_json::from_slice(&info.body).unwrap_or_default();
    if info["starting"] == Value::Bool(false) {
        return Ok(());
    }
    Err(Error::other(format!("it is not done starting: {info}")))
}
