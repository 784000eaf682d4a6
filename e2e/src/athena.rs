//! What stands for Amazon Athena, which runs on nobody's own machine: Trino, which answers its queries, Hive's parser, which
//! reads its DDL, and a client.

use crate::error::Result;
use crate::install::{self, Python};
use crate::jars::Jars;
use crate::servers::s3::S3;
use crate::servers::trino::Trino;
use crate::steps::Workspace;

/// All of it, running.
#[derive(Debug)]
pub(crate) struct Athena {
    trino: Trino,
    jars: Jars,
    python: Python,
}

impl Athena {
    /// Installs what is missing, and starts Trino over the S3 server's bucket.
    pub(crate) fn start(workspace: &Workspace, s3: &S3) -> Result<Self> {
        let (jars, python) = install(workspace)?;
        let trino = Trino::start(&jars, s3)?;
        Ok(Self {
            trino,
            jars,
            python,
        })
    }

    /// What its suite is told.
    pub(crate) fn environment(&self) -> [(&'static str, String); 3] {
        [
            ("WIKIINGEST_E2E_TRINO_PORT", self.trino.port().to_string()),
            (
                "WIKIINGEST_E2E_TRINO_JARS",
                self.jars.folder().display().to_string(),
            ),
            (
                "WIKIINGEST_E2E_TRINO_PYTHON",
                self.python.interpreter().display().to_string(),
            ),
        ]
    }
}

/// Installs what is missing.
pub(crate) fn install(workspace: &Workspace) -> Result<(Jars, Python)> {
    let e2e = workspace.e2e();
    let jars = Jars::install(&e2e.join("trino"))?;
    let python = install::python(&e2e.join("requirements-athena.txt"))?;
    Ok((jars, python))
}
