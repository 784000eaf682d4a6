//! A Docker engine, and its client told which.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::{Error, Result};
use crate::process::{capture, find};

/// Whose engine it is.
#[derive(Debug, Clone)]
enum Engine {
    /// The one that the client finds by itself.
    Found,
    /// Ours, at this address.
    Ours(String),
}

/// How to talk to an engine.
#[derive(Debug, Clone)]
pub(crate) struct Docker {
    engine: Engine,
}

impl Docker {
    /// The one that the client finds by itself, if there is one.
    pub(crate) fn found() -> Self {
        Self {
            engine: Engine::Found,
        }
    }

    /// Ours, by its socket.
    pub(crate) fn ours(socket: &Path) -> Self {
        Self {
            engine: Engine::Ours(format!("unix://{}", socket.display())),
        }
    }

    /// Whether it answers.
    pub(crate) fn answers(&self) -> bool {
        find("docker").is_some()
            && capture(
                self.client()
                    .args(["version", "--format", "{{.Server.Version}}"]),
            )
            .is_ok()
    }

    /// Its address, if the client does not find it by itself.
    pub(crate) fn host(&self) -> Option<&str> {
        match &self.engine {
            Engine::Found => None,
            Engine::Ours(host) => Some(host),
        }
    }

    /// The client.
    pub(crate) fn client(&self) -> Command {
        let mut command = Command::new("docker");
        self.tell(&mut command);
        command
    }

    /// Another program that talks to the engine, with `bin` first on its PATH.
    pub(crate) fn program(&self, program: impl AsRef<std::ffi::OsStr>, bin: &Path) -> Command {
        let mut command = Command::new(program);
        self.tell(&mut command);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let dirs = std::iter::once(PathBuf::from(bin)).chain(std::env::split_paths(&path));
        if let Ok(path) = std::env::join_paths(dirs) {
            command.env("PATH", path);
        }
        command
    }

    fn tell(&self, command: &mut Command) {
        if let Engine::Ours(host) = &self.engine {
            // Debian's engine is older than BuildKit's client likes.
            command
                .env("DOCKER_HOST", host)
                .env("DOCKER_BUILDKIT", "0")
                .env_remove("DOCKER_CONTEXT");
        }
    }

    /// Runs the client and gives back what it prints, without the last line's end.
    pub(crate) fn ask(&self, args: &[&str]) -> Result<String> {
        Ok(capture(self.client().args(args))?.trim_end().to_owned())
    }

    /// Whether the engine has an image.
    pub(crate) fn has_image(&self, name: &str) -> bool {
        self.ask(&["image", "inspect", "--format", "{{.Id}}", name])
            .is_ok()
    }

    /// Whether the engine has an image, or can get it from a registry. An engine that we started is on a machine that
    /// is taken for bare: it is not asked to wait for a registry that is not there.
    pub(crate) fn can_have(&self, name: &str) -> bool {
        self.has_image(name)
            || (self.host().is_none() && self.ask(&["pull", "--quiet", name]).is_ok())
    }

    /// An image's id.
    pub(crate) fn image_id(&self, name: &str) -> Result<String> {
        self.ask(&["image", "inspect", "--format", "{{.Id}}", name])
            .map_err(|error| Error::other(format!("the image {name} is not there: {error}")))
    }
}
