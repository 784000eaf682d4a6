//! A user's fork of the repository: what is pushed to it is what the controllers fetch.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::serve::Server;
use crate::error::{Doing, Error, Result};
use crate::install::hex;
use crate::process::capture;
use crate::steps::{Workspace, files};

/// The branch that the examples name.
const BRANCH: &str = "main";

/// A repository on loopback, over git's smart HTTP, and a clone of it to change things in.
#[derive(Debug)]
pub struct Repository {
    server: Server,
    dir: TempDir,
}

/// All files of a commit in one, as Flux's source-controller publishes them.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Its path on the server.
    pub path: String,
    /// The same with the server's address.
    pub url: String,
    /// The branch and the commit, as Flux writes them.
    pub revision: String,
    /// Of its bytes.
    pub digest: String,
    /// Bytes.
    pub size: usize,
}

impl Repository {
    /// With the charts and the examples of the work tree as they are, in one commit.
    ///
    /// # Errors
    /// If git refuses.
    pub fn fork() -> Result<Self> {
        let dir = crate::scratch::dir("git")?;
        for part in ["clone", "archives"] {
            let path = dir.path().join(part);
            fs::create_dir(&path).doing_to("making", &path)?;
        }
        let server = Server::start(dir.path())?;
        let repository = Self { server, dir };
        repository.copy("charts")?;
        let bare = repository.bare();
        let branch = format!("--initial-branch={BRANCH}");
        capture(
            git(repository.dir.path())
                .args(["init", "--quiet", "--bare", &branch])
                .arg(bare),
        )?;
        repository.git(&["init", "--quiet", &branch])?;
        Ok(repository)
    }

    fn copy(&self, folder: &str) -> Result<()> {
        let workspace = Workspace::find()?;
        for file in files(&workspace)? {
            if file.starts_with(folder) {
                let text = fs::read(workspace.root().join(&file)).doing_to("reading", &file)?;
                self.put(&file, &text)?;
            }
        }
        Ok(())
    }

    /// Where the controllers fetch it.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/wikiingest.git", self.server.port())
    }

    /// The clone's folder, for whoever applies files of it by hand.
    #[must_use]
    pub fn dir(&self) -> PathBuf {
        self.dir.path().join("clone")
    }

    fn bare(&self) -> PathBuf {
        self.dir.path().join("wikiingest.git")
    }

    /// A file's text.
    ///
    /// # Errors
    /// If it is not there.
    pub fn text(&self, file: &str) -> Result<String> {
        let path = self.dir().join(file);
        fs::read_to_string(&path).doing_to("reading", &path)
    }

    /// Changes a file's text, as `sed` does.
    ///
    /// # Errors
    /// If the words are not there: the test is about another file then.
    pub fn replace(&self, file: &str, from: &str, to: &str) -> Result<()> {
        let text = self.text(file)?;
        if !text.contains(from) {
            return Err(Error::other(format!("{file} does not say {from:?}")));
        }
        self.put(Path::new(file), text.replace(from, to).as_bytes())
    }

    /// Changes the one object of a file.
    ///
    /// # Errors
    /// If it is not YAML.
    pub fn edit(&self, file: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
        let mut object = self.object(file)?;
        change(&mut object);
        self.write(file, &object)
    }

    /// The one object of a file.
    ///
    /// # Errors
    /// If it is not YAML.
    pub fn object(&self, file: &str) -> Result<Value> {
        serde_saphyr::from_str(&self.text(file)?)
            .map_err(|error| Error::other(format!("{file} is not YAML: {error}")))
    }

    /// Writes an object; JSON is YAML as well.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn write(&self, file: &str, object: &Value) -> Result<()> {
        self.put(Path::new(file), format!("{object:#}\n").as_bytes())
    }

    fn put(&self, file: &Path, text: &[u8]) -> Result<()> {
        let path = self.dir().join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).doing_to("making", parent)?;
        }
        fs::write(&path, text).doing_to("writing", &path)
    }

    /// Removes a file.
    ///
    /// # Errors
    /// If it is not there.
    pub fn remove(&self, file: &str) -> Result<()> {
        let path = self.dir().join(file);
        fs::remove_file(&path).doing_to("removing", &path)
    }

    /// Commits all that was changed, pushes it, and gives the commit's name.
    ///
    /// # Errors
    /// If nothing was changed.
    pub fn push(&self, message: &str) -> Result<String> {
        self.git(&["add", "--all"])?;
        self.git(&["commit", "--quiet", "--message", message])?;
        let bare = self.bare().display().to_string();
        self.git(&["push", "--quiet", &bare, BRANCH])?;
        self.head()
    }

    fn head(&self) -> Result<String> {
        Ok(self.git(&["rev-parse", "HEAD"])?.trim().to_owned())
    }

    /// What was pushed last, in one file.
    ///
    /// # Errors
    /// If nothing was.
    pub fn archive(&self) -> Result<Archive> {
        let head = self.head()?;
        let name = format!("{head}.tar.gz");
        let file = self.dir.path().join("archives").join(&name);
        let output = file.display().to_string();
        self.git(&["archive", "--format=tar.gz", "--output", &output, &head])?;
        let content = fs::read(&file).doing_to("reading", &file)?;
        let path = format!("archives/{name}");
        Ok(Archive {
            url: format!("http://127.0.0.1:{}/{path}", self.server.port()),
            path,
            revision: format!("{BRANCH}@sha1:{head}"),
            digest: format!("sha256:{}", hex(&Sha256::digest(&content))),
            size: content.len(),
        })
    }

    fn git(&self, args: &[&str]) -> Result<String> {
        capture(git(&self.dir()).args(args))
    }
}

/// Git with nobody's settings.
fn git(dir: &Path) -> Command {
    let mut git = Command::new("git");
    git.current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1");
    for who in ["AUTHOR", "COMMITTER"] {
        git.env(format!("GIT_{who}_NAME"), "A user")
            .env(format!("GIT_{who}_EMAIL"), "user@example.org");
    }
    git
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_can_be_cloned_over_http() {
        let fork = Repository::fork().expect("a fork");
        fork.push("as it is").expect("a push");
        fork.edit(
            "charts/gitops/argocd/wikimedia/wikiingest.yaml",
            |resource| {
                resource["metadata"]["name"] = "other".into();
            },
        )
        .expect("an edit");
        let head = fork.push("another name").expect("a push");
        let clone = crate::scratch::dir("clone").expect("a folder");
        let fetch = ["clone", "--quiet", "--depth=1", &fork.url(), "."];
        capture(git(clone.path()).args(fetch)).expect("a clone");
        let cloned = capture(git(clone.path()).args(["rev-parse", "HEAD"])).expect("a commit");
        assert_eq!(cloned.trim(), head);
        let archive = fork.archive().expect("an archive");
        let answer = crate::http::get(fork.server.port(), &format!("/{}", archive.path));
        assert_eq!(answer.expect("an answer").body.len(), archive.size);
    }
}
