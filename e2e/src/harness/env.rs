//! Where the servers are: the runner says so in environment variables.

use std::path::{Path, PathBuf};

use crate::binaries::Binaries;

/// What the runner started and found.
#[derive(Debug, Clone)]
pub struct Env {
    /// The port of MariaDB.
    pub mariadb: u16,
    /// The S3 server.
    pub s3: String,
    /// A Python with the readers.
    pub python: PathBuf,
    /// A Python with Spark.
    pub spark: PathBuf,
    /// More real samples, laid out as `pageviews/*.gz` and `pagecounts/*.gz`.
    pub real_data: Option<PathBuf>,
    /// The programs under test.
    pub binaries: Binaries,
}

impl Env {
    /// Reads the environment.
    #[must_use]
    pub fn get() -> Self {
        assert_eq!(
            std::env::var("WIKIINGEST_E2E").as_deref(),
            Ok("1"),
            "these tests need servers: run `cargo e2e test --only servers`, which starts them"
        );
        Self {
            mariadb: var("MARIADB_PORT")
                .parse()
                .expect("WIKIINGEST_E2E_MARIADB_PORT is a port"),
            s3: var("S3"),
            python: var("PYTHON").into(),
            spark: var("SPARK_PYTHON").into(),
            real_data: std::env::var_os("WIKIINGEST_REAL_DATA").map(PathBuf::from),
            binaries: Binaries::beside_this_program().expect("the programs under test"),
        }
    }
}

/// What the runner says in one of its variables.
pub(super) fn var(name: &str) -> String {
    let name = format!("WIKIINGEST_E2E_{name}");
    std::env::var(&name)
        .unwrap_or_else(|_| panic!("{name} is not set: run `cargo e2e test --all --only servers`"))
}

/// A file of this crate.
#[must_use]
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
