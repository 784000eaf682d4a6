//! What our images are built on: public images, or trees of Debian packages where there is no registry.

use sha2::{Digest as _, Sha256};

use super::docker::Docker;
use super::home::Home;
use super::{install_packages, script, static_file};
use crate::error::{Doing, Result};
use crate::install::hex;
use crate::say::say;
use crate::steps::stream;

/// A base, by what is on it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Base {
    /// What the Dockerfiles name, which those who build for themselves get.
    public: &'static str,
    /// What ours is called.
    name: &'static str,
    /// What ours is made of.
    packages: &'static str,
}

/// What programs linked to glibc need.
pub(crate) const RUNTIME: Base = Base {
    public: "gcr.io/distroless/cc-debian12:nonroot",
    name: "runtime",
    packages: "libc6,libgcc-s1,ca-certificates",
};

/// With MariaDB, and what its script that makes a data folder calls.
pub(crate) const MARIADB: Base = Base {
    public: "debian:bookworm-slim",
    name: "mariadb",
    packages: "libc6,dash,coreutils,sed,grep,hostname,mariadb-server-core,mariadb-client-core",
};

impl Base {
    /// An image that the engine has.
    pub(crate) fn get(self, home: &Home, docker: &Docker) -> Result<String> {
        let own = self.own_name()?;
        if docker.has_image(&own) {
            return Ok(own);
        }
        if docker.can_have(self.public) {
            return Ok(self.public.to_owned());
        }
        self.make(home, docker, &own)?;
        Ok(own)
    }

    fn own_name(self) -> Result<String> {
        let script = static_file("base-image.sh")?;
        let mut hash = Sha256::new();
        hash.update(std::fs::read(&script).doing_to("reading", &script)?);
        hash.update(self.packages);
        let hash = hex(&hash.finalize()[..6]);
        Ok(format!("wikiingest/e2e-base-{}:{hash}", self.name))
    }

    fn make(self, home: &Home, docker: &Docker, own: &str) -> Result<()> {
        install_packages()?;
        say!("making the base image {own} of Debian packages");
        let work = home.work()?;
        let mut script = script("base-image.sh")?;
        script.arg(work.path()).args([own, self.packages]);
        if let Some(host) = docker.host() {
            script.env("DOCKER_HOST", host);
        }
        stream(&mut script)
    }
}
