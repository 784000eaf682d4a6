//! The servers as pods of a test's namespace, with the views of them that the other suites use too.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Forward, Namespace};
use crate::error::{Doing, Error, Result};
use crate::harness::{Dump, Lake, Warehouse, env};
use crate::process::until;
use crate::servers::replay::Replay;
use crate::servers::{mariadb, s3};

/// How long a server may take to start, on a machine that builds something else.
const START: Duration = Duration::from_mins(2);

/// MariaDB at `mariadb:3306`, with one empty database.
#[derive(Debug)]
pub struct MariaDbPod {
    /// The warehouse, seen from here.
    pub warehouse: Warehouse,
    _forward: Forward,
}

/// An S3 server at `http://s3:8333`, with an empty bucket.
#[derive(Debug)]
pub struct S3Pod {
    /// The lake, seen from here.
    pub lake: Lake,
    _forward: Forward,
}

/// The stand-in for Wikimedia's hosts, at [`ReplayPod::BASE_URL`].
#[derive(Debug)]
pub struct ReplayPod {
    /// To ask it what it saw, and to change its faults.
    pub replay: Replay,
}

/// What the stand-in serves.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// The repository's samples.
    Samples,
    /// A folder laid out like the host's; less than a megabyte in all.
    Dump(&'a Dump),
    /// A stream of the samples of recent changes.
    Events,
}

impl Namespace {
    /// Starts MariaDB.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn mariadb(&self) -> Result<MariaDbPod> {
        self.kubectl().apply(&manifest("mariadb.yaml")?)?;
        self.mariadb_again("wikimedia")
    }

    /// Starts MariaDB and the S3 server, both at once.
    ///
    /// # Errors
    /// If one of them does not come up.
    pub fn stores(&self) -> Result<(MariaDbPod, S3Pod)> {
        self.kubectl().apply(&manifest("mariadb.yaml")?)?;
        self.kubectl().apply(&manifest("s3.yaml")?)?;
        Ok((self.mariadb_again("wikimedia")?, self.s3_again()?))
    }

    /// Looks at MariaDB again, which may run in another pod now; the database is made if it is not there.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn mariadb_again(&self, database: &str) -> Result<MariaDbPod> {
        self.comes_up("mariadb")?;
        let forward = Forward::new(self.kubectl(), "deployment/mariadb", &[3306])?;
        let create = format!("CREATE DATABASE IF NOT EXISTS {database}");
        until(START, || mariadb::sql(forward.port(), &create))?;
        let warehouse = Warehouse::MariaDb {
            port: forward.port(),
            database: database.to_owned(),
        };
        Ok(MariaDbPod {
            warehouse,
            _forward: forward,
        })
    }

    /// Starts the S3 server.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn s3(&self) -> Result<S3Pod> {
        self.kubectl().apply(&manifest("s3.yaml")?)?;
        self.s3_again()
    }

    /// Looks at the S3 server again, which may run in another pod now.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn s3_again(&self) -> Result<S3Pod> {
        self.comes_up("s3")?;
        let forward = Forward::new(self.kubectl(), "deployment/s3", &[9333, 8888, 8333])?;
        let [master, filer, port] = forward.ports() else {
            return Err(Error::other("three ports were asked for"));
        };
        until(START, || s3::ready(*master, *filer, *port))?;
        let lake = Lake::S3 {
            endpoint: format!("http://127.0.0.1:{port}"),
            prefix: "wikimedia".to_owned(),
        };
        Ok(S3Pod {
            lake,
            _forward: forward,
        })
    }

    /// Starts the stand-in, or anew with something else to serve; `args` tell more, in the words of
    /// `wikimedia-replay --help`.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn replay(&self, content: Content<'_>, args: &[&str]) -> Result<ReplayPod> {
        let (what, files) = match content {
            Content::Samples => (["--root", "/samples"], Vec::new()),
            Content::Dump(dump) => (["--root", "/files"], files(dump.root(), dump.root())?),
            Content::Events => (
                ["--events", "/samples/recentchange/stream-2025-05-03.ndjson"],
                Vec::new(),
            ),
        };
        self.upload(&files)?;
        let listen = ["--listen", "0.0.0.0:8080"];
        let args = json!([&what[..], &listen[..], args].concat());
        let items: Vec<Value> = (0..files.len())
            .map(|number| json!({"key": key(number), "path": files[number].1}))
            .collect();
        let manifest = manifest("replay.yaml")?
            .replace("$ARGS", &args.to_string())
            .replace("$FILES", &json!(items).to_string());
        self.kubectl().apply(&manifest)?;
        self.replay_again()
    }

    /// Looks at the stand-in again, which may run in another pod now.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn replay_again(&self) -> Result<ReplayPod> {
        self.comes_up("replay")?;
        let forward = Forward::new(self.kubectl(), "deployment/replay", &[8080])?;
        let port = forward.port();
        Ok(ReplayPod {
            replay: Replay::behind(forward.into_guard(), port),
        })
    }

    fn comes_up(&self, name: &str) -> Result<()> {
        let rolled_out = self.kubectl().rolled_out(name, START);
        rolled_out.map_err(|error| {
            let logs = self.kubectl().logs(&format!("deployment/{name}"));
            Error::other(format!(
                "{name} does not come up: {error}\n{}",
                logs.unwrap_or_default()
            ))
        })
    }

    /// As a `ConfigMap`, whose keys may not be paths.
    fn upload(&self, files: &[(PathBuf, String)]) -> Result<()> {
        self.kubectl().delete("configmap", "replay")?;
        let mut create = self.kubectl().command();
        create.args(["create", "configmap", "replay"]);
        for (number, (file, _)) in files.iter().enumerate() {
            create.arg(format!("--from-file={}={}", key(number), file.display()));
        }
        crate::process::capture(&mut create).map(drop)
    }
}

fn key(number: usize) -> String {
    format!("file-{number}")
}

/// The files below a folder, with their paths inside it.
fn files(root: &Path, dir: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).doing_to("reading", dir)? {
        let path = entry.doing_to("reading", dir)?.path();
        if path.is_dir() {
            found.extend(files(root, &path)?);
        } else if let Ok(inside) = path.strip_prefix(root) {
            let inside = inside.display().to_string();
            found.push((path, inside));
        }
    }
    Ok(found)
}

pub(super) fn manifest(name: &str) -> Result<String> {
    let path = env::file("cluster/manifests").join(name);
    std::fs::read_to_string(&path).doing_to("reading", &path)
}

impl MariaDbPod {
    /// As a sink of the API, without its name, for pods of the same namespace.
    #[must_use]
    pub fn sink(&self) -> Value {
        let mut sink = self.warehouse.sink();
        sink["singleStore"]["host"] = json!("mariadb");
        sink["singleStore"]["port"] = json!(3306);
        sink
    }
}

impl S3Pod {
    /// As a sink of the API, without its name, for pods of the same namespace.
    #[must_use]
    pub fn sink(&self) -> Value {
        let mut sink = self.lake.sink();
        sink["s3"]["endpoint"] = json!("http://s3:8333");
        sink
    }
}

impl ReplayPod {
    /// What a source's `baseUrl` is set to, in the same namespace.
    pub const BASE_URL: &'static str = "http://replay:8080";
}
