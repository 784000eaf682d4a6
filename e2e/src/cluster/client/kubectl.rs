//! The cluster through its own client, as anybody would use it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::error::{Doing, Error, Result};
use crate::process::{capture, guarded, until};

/// How often a wait looks.
const GLANCE: Duration = Duration::from_millis(200);

/// A client with credentials and a namespace.
#[derive(Debug, Clone)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
    namespace: Option<String>,
}

impl Kubectl {
    /// With these credentials.
    #[must_use]
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self {
            program,
            kubeconfig,
            namespace: None,
        }
    }

    /// The same, in a namespace.
    #[must_use]
    pub fn in_namespace(&self, name: &str) -> Self {
        Self {
            namespace: Some(name.to_owned()),
            ..self.clone()
        }
    }

    /// A command line to add to.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = guarded(&self.program);
        command.env("KUBECONFIG", &self.kubeconfig);
        if let Some(namespace) = &self.namespace {
            command.args(["--namespace", namespace]);
        }
        command
    }

    /// Runs it to its end and gives back what it prints.
    ///
    /// # Errors
    /// What the client says.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        capture(self.command().args(args))
    }

    /// Applies objects, YAML or JSON, on the server's side, which has no limit on their size but its own.
    ///
    /// # Errors
    /// What the server says.
    pub fn apply(&self, objects: &str) -> Result<()> {
        self.apply_with(objects, &[])
    }

    /// Lets the server say what it would say of [`Self::apply`], and changes nothing.
    ///
    /// # Errors
    /// What the server says.
    pub fn would_apply(&self, objects: &str) -> Result<()> {
        self.apply_with(objects, &["--dry-run=server"])
    }

    /// Applies all files of a folder of CRDs, and waits until their kinds are served.
    ///
    /// # Errors
    /// What the server says.
    pub fn apply_crds(&self, folder: &Path) -> Result<()> {
        for entry in fs::read_dir(folder).doing_to("reading", folder)? {
            let file = entry.doing_to("reading", folder)?.path();
            self.apply(&fs::read_to_string(&file).doing_to("reading", &file)?)?;
        }
        self.established("--all")
    }

    /// Waits until a CRD, or all with `--all`, is served.
    ///
    /// # Errors
    /// If it is not within half a minute.
    pub(super) fn established(&self, crd: &str) -> Result<()> {
        let wait = ["wait", "--for=condition=Established", "crd", crd];
        // Of one that has no conditions at all yet it says that this is an error.
        until(Duration::from_secs(30), || self.run(&wait).map(drop))
    }

    fn apply_with(&self, objects: &str, how: &[&str]) -> Result<()> {
        let dir = crate::scratch::dir("apply")?;
        let file = dir.path().join("objects.yaml");
        fs::write(&file, objects).doing_to("writing", &file)?;
        let args = ["apply", "--server-side", "--force-conflicts"];
        let mut command = self.command();
        command.args(args).args(how).arg("--filename").arg(&file);
        capture(&mut command).map(drop)
    }

    /// An object, such as `("pod", "batch")`.
    ///
    /// # Errors
    /// If it is not there.
    pub fn get(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.run(&["get", kind, name, "--output", "json"])?;
        json(kind, &text)
    }

    /// The objects of a kind, with a selector of labels, which may be empty; with who set which field.
    ///
    /// # Errors
    /// What the server says.
    pub fn list(&self, kind: &str, selector: &str) -> Result<Vec<Value>> {
        let args = ["get", kind, "--selector", selector, "--output", "json"];
        let text = self.run(&[&args[..], &["--show-managed-fields"]].concat())?;
        items(kind, &text)
    }

    /// The same of all namespaces.
    ///
    /// # Errors
    /// What the server says.
    pub fn list_all(&self, kind: &str) -> Result<Vec<Value>> {
        let text = self.run(&["get", kind, "--all-namespaces", "--output", "json"])?;
        items(kind, &text)
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    /// If it stays for longer than `patience`.
    pub fn gone(&self, patience: Duration, kind: &str, name: &str) -> Result<()> {
        let deadline = Instant::now() + patience;
        while self.get(kind, name).is_ok() {
            if Instant::now() >= deadline {
                return Err(Error::other(format!("{kind} {name} stays")));
            }
            std::thread::sleep(GLANCE);
        }
        Ok(())
    }

    /// Waits until an object is there and as it should be, and gives it back.
    ///
    /// # Errors
    /// If that is not so when `patience` is over; the object is in the text.
    pub fn wait(
        &self,
        patience: Duration,
        kind: &str,
        name: &str,
        is_so: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let deadline = Instant::now() + patience;
        loop {
            let found = self.get(kind, name);
            match found {
                Ok(object) if is_so(&object) => return Ok(object),
                found if Instant::now() >= deadline => {
                    let state = found.map_or_else(
                        |error| error.to_string(),
                        |object| format!("{:#}", object["status"]),
                    );
                    return Err(Error::other(format!(
                        "{kind} {name} is not as it should be after {} s: {state}",
                        patience.as_secs()
                    )));
                }
                _ => std::thread::sleep(GLANCE),
            }
        }
    }

    /// Waits until all pods of a Deployment take requests.
    ///
    /// # Errors
    /// If they do not within `patience`.
    pub fn rolled_out(&self, deployment: &str, patience: Duration) -> Result<()> {
        let timeout = format!("--timeout={}s", patience.as_secs());
        let deployment = format!("deployment/{deployment}");
        self.run(&["rollout", "status", &deployment, &timeout])
            .map(drop)
    }

    /// What a pod, or the pod of `deployment/NAME`, printed.
    ///
    /// # Errors
    /// If there is no such pod.
    pub fn logs(&self, target: &str) -> Result<String> {
        self.run(&["logs", target, "--all-containers"])
    }

    /// Runs a program in a pod, or in the pod of `deployment/NAME`.
    ///
    /// # Errors
    /// If it fails.
    pub fn exec(&self, target: &str, program: &[&str]) -> Result<String> {
        capture(self.command().args(["exec", target, "--"]).args(program))
    }

    /// Deletes an object and waits until it is gone; it may not be there.
    ///
    /// # Errors
    /// What the server says.
    pub fn delete(&self, kind: &str, name: &str) -> Result<()> {
        self.run(&["delete", kind, name, "--ignore-not-found"])
            .map(drop)
    }
}

fn items(kind: &str, text: &str) -> Result<Vec<Value>> {
    let mut list = json(kind, text)?;
    match list["items"].take() {
        Value::Array(items) => Ok(items),
        other => Err(Error::other(format!("no list of {kind}: {other}"))),
    }
}

fn json(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text)
        .map_err(|error| Error::other(format!("kubectl get {what} gave no JSON: {error}")))
}
