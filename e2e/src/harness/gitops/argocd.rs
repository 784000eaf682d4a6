//! Argo CD: its repository server and its application controller, with a Redis between them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::process::Controller;
use crate::cluster::client::{Cluster, Kubectl};
use crate::cluster::gitops;
use crate::error::{Doing, Error, Result};
use crate::install::{self, Program};
use crate::process::{find, free_port};
use crate::say::say;

/// Debian has Redis' server twice: as a package with a service, which would start it, and under another name in the
/// package of its tools. It goes by how it is called.
const REDIS: Program = Program {
    name: "redis-check-rdb",
    package: "redis-tools",
};

/// How often, in seconds, an Application is looked at without cause; minutes, where people have many.
const RESYNC: &str = "10";

/// Running, with the namespace `argocd`.
#[derive(Debug)]
pub struct ArgoCd {
    kubectl: Kubectl,
    _controllers: [Controller; 3],
    _dir: TempDir,
}

impl ArgoCd {
    /// Installs what its manifests would, and starts it with the administrator's credentials.
    ///
    /// # Errors
    /// If it does not come up.
    pub fn start(cluster: &Cluster) -> Result<Self> {
        install::debian(&[REDIS])?;
        let programs = gitops::argocd(cluster.home())?;
        let kubectl = cluster.kubectl()?;
        objects(&kubectl, &programs)?;
        let dir = crate::scratch::dir("argocd")?;
        let starter = Starter {
            path: path(cluster, &programs)?,
            kubeconfig: cluster.kubeconfig(),
            dir: dir.path(),
            programs,
        };
        let (redis, at) = starter.redis()?;
        let (repositories, served) = starter.repositories(&at)?;
        let applications = starter.applications(&at, &served)?;
        Ok(Self {
            kubectl: kubectl.in_namespace("argocd"),
            _controllers: [applications, repositories, redis],
            _dir: dir,
        })
    }

    /// `kubectl` in its namespace.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Looks at an Application's source now, as its button and a webhook do.
    ///
    /// # Errors
    /// If it is not there.
    pub fn refresh(&self, application: &str) -> Result<()> {
        let refresh = "argocd.argoproj.io/refresh=normal";
        let args = [
            "annotate",
            "application",
            application,
            "--overwrite",
            refresh,
        ];
        self.kubectl.run(&args).map(drop)
    }
}

impl Drop for ArgoCd {
    /// For the log of a test that failed: what it makes of its Applications.
    fn drop(&mut self) {
        if std::thread::panicking() {
            for application in self.kubectl.list_all("application").unwrap_or_default() {
                let name = &application["metadata"]["name"];
                say!("--- Application {name}\n{}", told(&application));
            }
        }
    }
}

/// What matters of an Application's status.
fn told(application: &Value) -> String {
    let status = &application["status"];
    let resources = status["resources"].as_array().into_iter().flatten();
    let resources: Vec<_> = resources
        .filter(|resource| {
            resource["status"] != "Synced" || resource["health"]["status"] != "Healthy"
        })
        .map(|it| json!([it["kind"], it["name"], it["status"], it["health"]]))
        .collect();
    let operation = &status["operationState"];
    let told = json!({
        "sync": status["sync"]["status"], "revision": status["sync"]["revision"], "health": status["health"],
        "operation": [operation["phase"], operation["message"], operation["retryCount"]],
        "conditions": status["conditions"], "resources": resources,
    });
    format!("{told:#}")
}

/// The CRDs, and what it does not start without.
fn objects(kubectl: &Kubectl, programs: &Path) -> Result<()> {
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "argocd"}});
    kubectl.apply(&namespace.to_string())?;
    kubectl.apply_crds(&programs.join("crds"))?;
    let named = |kind: &str, name: &str| {
        let labels = json!({"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "argocd"});
        let metadata = json!({"name": name, "namespace": "argocd", "labels": labels});
        json!({"apiVersion": "v1", "kind": kind, "metadata": metadata})
    };
    let mut secret = named("Secret", "argocd-secret");
    secret["stringData"] = json!({"server.secretkey": "of no use here"});
    let project = json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "AppProject",
        "metadata": {"name": "default", "namespace": "argocd"},
        "spec": {
            "sourceRepos": ["*"],
            "destinations": [{"namespace": "*", "server": "*"}],
            "clusterResourceWhitelist": [{"group": "*", "kind": "*"}],
        },
    });
    for object in [named("ConfigMap", "argocd-cm"), secret, project] {
        kubectl.apply(&object.to_string())?;
    }
    Ok(())
}

/// With our programs, and helm and kubectl of the cluster's, before all others.
fn path(cluster: &Cluster, programs: &Path) -> Result<std::ffi::OsString> {
    let helm = cluster.home().helm()?;
    let first = [Some(programs), helm.parent()];
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let all = first.into_iter().flatten().map(Path::to_owned);
    std::env::join_paths(all.chain(std::env::split_paths(&rest)))
        .map_err(|error| Error::other(format!("PATH: {error}")))
}

struct Starter<'a> {
    programs: PathBuf,
    path: std::ffi::OsString,
    kubeconfig: PathBuf,
    dir: &'a Path,
}

impl Starter<'_> {
    fn redis(&self) -> Result<(Controller, String)> {
        let installed =
            find(REDIS.name).ok_or_else(|| Error::other("redis-tools has no server"))?;
        let program = self.dir.join("redis-server");
        symlink(&installed, &program).doing_to("making", &program)?;
        let port = free_port()?;
        let mut redis = Controller::start("redis", &program, self.dir, |command| {
            command
                .args(["--bind", "127.0.0.1", "--port", &port.to_string()])
                .args(["--save", "", "--appendonly", "no"]);
        })?;
        redis.listens(port)?;
        Ok((redis, format!("127.0.0.1:{port}")))
    }

    fn repositories(&self, redis: &str) -> Result<(Controller, String)> {
        let (port, metrics) = (free_port()?.to_string(), free_port()?.to_string());
        let mut server = self.start("argocd-repo-server", |command| {
            command
                .args(["--address", "127.0.0.1", "--port", &port])
                .args(["--metrics-address", "127.0.0.1", "--metrics-port", &metrics])
                .args(["--redis", redis, "--revision-cache-expiration", "5s"]);
        })?;
        server.listens(port.parse().unwrap_or_default())?;
        Ok((server, format!("127.0.0.1:{port}")))
    }

    fn applications(&self, redis: &str, repositories: &str) -> Result<Controller> {
        let metrics = free_port()?;
        let mut controller = self.start("argocd-application-controller", |command| {
            command
                .args(["--namespace", "argocd", "--redis", redis])
                .args(["--repo-server", repositories])
                .args(["--app-resync", RESYNC, "--app-resync-jitter", "0"])
                // So that what its web page would say of a resource stands in the Application.
                .arg("--persist-resource-health")
                .args(["--metrics-port", &metrics.to_string()]);
        })?;
        controller.listens(metrics)?;
        Ok(controller)
    }

    fn start(
        &self,
        role: &'static str,
        arguments: impl FnOnce(&mut std::process::Command),
    ) -> Result<Controller> {
        let folder = |name: &str| {
            let folder = self.dir.join(name);
            fs::create_dir_all(&folder).doing_to("making", &folder)?;
            Ok::<_, Error>(folder)
        };
        let (tls, ssh, gpg) = (folder("tls")?, folder("ssh")?, folder("gpg")?);
        let (keys, plugins) = (folder("gnupg")?, folder("plugins")?);
        Controller::start(role, &self.programs.join(role), self.dir, |command| {
            command
                .env("PATH", &self.path)
                .env("KUBECONFIG", &self.kubeconfig)
                // Lets `https://kubernetes.default.svc` be the cluster of those credentials.
                .env("ARGOCD_FAKE_IN_CLUSTER", "true")
                .env("ARGOCD_GPG_ENABLED", "false")
                .env("ARGOCD_TLS_DATA_PATH", tls)
                .env("ARGOCD_SSH_DATA_PATH", ssh)
                .env("ARGOCD_GPG_DATA_PATH", gpg)
                .env("ARGOCD_GNUPGHOME", keys)
                .env("ARGOCD_PLUGINSOCKFILEPATH", plugins);
            arguments(command);
        })
    }
}

/// What an Application says of one of its resources, if it does.
#[must_use]
pub fn resource<'a>(application: &'a Value, kind: &str, name: &str) -> Option<&'a Value> {
    let resources = application["status"]["resources"].as_array()?;
    resources
        .iter()
        .find(|resource| resource["kind"] == kind && resource["name"] == name)
}
