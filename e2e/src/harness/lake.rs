//! The lake as someone else sees it: a folder, or a bucket through the AWS SDK.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::{Client, Config};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::env::Env;
use super::tally::{Tally, open_lake};
use crate::servers::s3;

/// A lake of a test's own.
#[derive(Debug, Clone)]
pub enum Lake {
    /// A folder.
    Folder {
        /// Where it is.
        path: PathBuf,
    },
    /// A prefix of the bucket.
    S3 {
        /// The server.
        endpoint: String,
        /// The prefix.
        prefix: String,
    },
}

static PREFIXES: AtomicU32 = AtomicU32::new(0);

impl Lake {
    /// A folder that is not there yet.
    #[must_use]
    pub fn folder(dir: &Path) -> Self {
        Self::Folder {
            path: dir.join("lake"),
        }
    }

    /// An unused prefix of the bucket.
    #[must_use]
    pub fn s3(env: &Env) -> Self {
        let number = PREFIXES.fetch_add(1, Ordering::Relaxed);
        Self::S3 {
            endpoint: env.s3.clone(),
            prefix: format!("e2e-{}-{number}", std::process::id()),
        }
    }

    /// As a sink of the API, without its name.
    #[must_use]
    pub fn sink(&self) -> Value {
        match self {
            Self::Folder { path } => json!({"folder": {"path": path}}),
            Self::S3 { endpoint, prefix } => json!({"s3": {
                "bucket": s3::BUCKET,
                "prefix": prefix,
                "region": s3::REGION,
                "endpoint": endpoint,
                "credentialsSecretRef": {"name": "lake"},
            }}),
        }
    }

    /// What its Secret holds.
    #[must_use]
    pub fn secrets(&self) -> Vec<(&'static str, &'static str)> {
        match self {
            Self::Folder { .. } => Vec::new(),
            Self::S3 { .. } => {
                vec![
                    ("ACCESS_KEY_ID", s3::ACCESS_KEY_ID),
                    ("SECRET_ACCESS_KEY", s3::SECRET_ACCESS_KEY),
                ]
            }
        }
    }

    /// The paths of all that is in it, in order, whatever it is.
    #[must_use]
    pub fn objects(&self) -> Vec<String> {
        let mut objects = match self {
            Self::Folder { path } => files(path, path),
            Self::S3 { endpoint, prefix } => Bucket::new(endpoint).list(prefix),
        };
        objects.sort();
        objects
    }

    /// Multipart uploads that nobody finished or aborted.
    #[must_use]
    pub fn open_uploads(&self) -> Vec<String> {
        match self {
            Self::Folder { .. } => Vec::new(),
            Self::S3 { endpoint, prefix } => Bucket::new(endpoint).uploads(prefix),
        }
    }

    /// Files and uploads that are no objects, or not yet.
    #[must_use]
    pub fn unfinished(&self) -> Vec<String> {
        let mut unfinished = self.open_uploads();
        let is_object = |name: &str| {
            let (dir, file) = name.rsplit_once('/').unwrap_or(("", name));
            dir.contains("/dt=") && file.ends_with(".parquet") && !file.starts_with(['.', '_'])
        };
        unfinished.extend(self.objects().into_iter().filter(|name| !is_object(name)));
        unfinished
    }

    /// The objects of a table, as files: the folder itself, or a copy.
    #[must_use]
    pub fn table(&self, table: &str) -> Copy {
        match self {
            Self::Folder { path } => Copy {
                table: path.join(table),
                _dir: None,
            },
            Self::S3 { endpoint, prefix } => {
                let dir = crate::scratch::dir("lake").expect("a temporary folder");
                Bucket::new(endpoint).download(prefix, &format!("{table}/"), dir.path());
                Copy {
                    table: dir.path().join(table),
                    _dir: Some(dir),
                }
            }
        }
    }

    /// What is in a fact table, and how many rows each file has, by its path inside the table.
    #[must_use]
    pub fn tally(&self, env: &Env, facts: &str) -> (Tally, Vec<(String, u64)>) {
        let copy = self.table(facts);
        let found = open_lake(&env.python, "pyarrow", &copy.table);
        let files = found["files"]
            .as_object()
            .expect("pyarrow tells the rows of each file");
        let rows = |rows: &Value| rows.as_u64().expect("a number of rows");
        (
            Tally::of_json(&found),
            files
                .iter()
                .map(|(path, n)| (path.clone(), rows(n)))
                .collect(),
        )
    }
}

/// A table's objects on disk.
#[derive(Debug)]
pub struct Copy {
    /// The folder with the `dt=` folders.
    pub table: PathBuf,
    _dir: Option<TempDir>,
}

fn files(root: &Path, dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).into_iter().flatten() {
        let path = entry.expect("the folder can be read").path();
        if path.is_dir() {
            found.extend(files(root, &path));
        } else {
            found.push(
                path.strip_prefix(root)
                    .expect("it is below the root")
                    .display()
                    .to_string(),
            );
        }
    }
    found
}

/// The bucket, through a client of our own.
struct Bucket {
    runtime: tokio::runtime::Runtime,
    client: Client,
}

impl Bucket {
    fn new(endpoint: &str) -> Self {
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(s3::REGION))
            .endpoint_url(endpoint)
            .force_path_style(true)
            .credentials_provider(Credentials::new(
                s3::ACCESS_KEY_ID,
                s3::SECRET_ACCESS_KEY,
                None,
                None,
                "e2e",
            ))
            .http_client(http)
            .build();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            runtime,
            client: Client::from_conf(config),
        }
    }

    /// Keys below the prefix, without it.
    fn list(&self, prefix: &str) -> Vec<String> {
        let prefix = format!("{prefix}/");
        self.runtime.block_on(async {
            let mut pages = self
                .client
                .list_objects_v2()
                .bucket(s3::BUCKET)
                .prefix(&prefix)
                .into_paginator()
                .send();
            let mut keys = Vec::new();
            while let Some(page) = pages.next().await {
                let page = page.expect("the bucket can be listed");
                let objects = page
                    .contents()
                    .iter()
                    .filter_map(|object| object.key()?.strip_prefix(&prefix));
                keys.extend(objects.map(str::to_owned));
            }
            keys
        })
    }

    fn uploads(&self, prefix: &str) -> Vec<String> {
        let request = self
            .client
            .list_multipart_uploads()
            .bucket(s3::BUCKET)
            .prefix(format!("{prefix}/"));
        let answer = self
            .runtime
            .block_on(request.send())
            .expect("uploads can be listed");
        assert_ne!(
            answer.is_truncated(),
            Some(true),
            "more uploads than one answer holds"
        );
        answer
            .uploads()
            .iter()
            .map(|upload| upload.key().unwrap_or_default().to_owned())
            .collect()
    }

    /// Copies the objects whose path inside the prefix starts with `start`.
    fn download(&self, prefix: &str, start: &str, to: &Path) {
        for path in self
            .list(prefix)
            .into_iter()
            .filter(|path| path.starts_with(start))
        {
            let request = self
                .client
                .get_object()
                .bucket(s3::BUCKET)
                .key(format!("{prefix}/{path}"));
            let bytes = self.runtime.block_on(async {
                let object = request.send().await.expect("the object can be read");
                object
                    .body
                    .collect()
                    .await
                    .expect("the object can be read")
                    .into_bytes()
            });
            let file = to.join(path);
            fs::create_dir_all(file.parent().expect("a file has a folder"))
                .expect("the folder can be made");
            fs::write(file, bytes).expect("the file can be written");
        }
    }
}
