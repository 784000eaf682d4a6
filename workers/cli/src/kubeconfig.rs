//! The way to a cluster, and what may be told of it: a kubeconfig holds credentials, and so may what goes wrong with one.

use std::error::Error as StdError;

use kube::{
    Client, Config,
    client::AuthError,
    config::{KubeConfigOptions, Kubeconfig, KubeconfigError},
};
use wikiingest_workers::failure::chain;

use crate::{args::Place, error::Error};

/// Reads the kubeconfig; in a pod without one there is the pod's account instead.
pub(crate) async fn read(place: &Place) -> Result<Config, Error> {
    let options = KubeConfigOptions {
        context: place.context.clone(),
        ..KubeConfigOptions::default()
    };
    let read = match &place.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    let config = match read {
        Ok(kubeconfig) => Config::from_custom_kubeconfig(kubeconfig, &options).await,
        Err(error) => Err(error),
    };
    let is_told = place.kubeconfig.is_some() || place.context.is_some();
    match config {
        Ok(config) => Ok(config),
        // In a pod there is an account instead.
        Err(error) => match Config::incluster() {
            Ok(config) if !is_told => Ok(config),
            _ => Err(Error::NoCluster(without_secrets(&error))),
        },
    }
}

/// A client. Nothing is asked of the API server yet.
pub(crate) fn client(config: Config) -> Result<Client, Error> {
    Client::try_from(config).map_err(|error| Error::NoCluster(text(&error)))
}

/// An error of the client and its causes, without what a command for credentials printed.
pub(crate) fn text(error: &kube::Error) -> String {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(this) = cause {
        if let Some(auth) = this.downcast_ref::<AuthError>() {
            return credentials(auth);
        }
        cause = this.source();
    }
    chain(error)
}

fn credentials(error: &AuthError) -> String {
    const COMMAND: &str = "the kubeconfig's command for credentials";
    match error {
        AuthError::AuthExecStart(why) => format!("{COMMAND} cannot be started: {why}"),
        AuthError::AuthExecRun { out, .. } => format!("{COMMAND} failed: {}", out.status),
        AuthError::AuthExecParse(_) => format!("{COMMAND} printed no credentials"),
        other => other.to_string(),
    }
}

/// A file that cannot be read as YAML would be shown in part, and may hold a token right there.
fn without_secrets(error: &KubeconfigError) -> String {
    match error {
        KubeconfigError::Parse(_) => "the kubeconfig is not what it should be as YAML".to_owned(),
        KubeconfigError::CurrentContextNotSet => "the kubeconfig has no current context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("the kubeconfig has no context {name:?}"),
        KubeconfigError::ReadConfig(why, path) => {
            format!("{} cannot be read: {why}", path.display())
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_wrong_with_a_kubeconfig_is_told_and_no_token_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let told = async |text: Option<&str>, context: Option<&str>| {
            let path = dir.path().join("config");
            let _ = std::fs::remove_file(&path);
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let place = Place {
                kubeconfig: Some(path),
                context: context.map(str::to_owned),
                namespace: None,
            };
            read(&place).await.unwrap_err().to_string()
        };
        let missing = told(None, None).await;
        assert!(
            missing.contains("cannot be read: No such file"),
            "{missing}"
        );
        assert!(missing.contains("set KUBECONFIG"), "{missing}");
        let empty = "apiVersion: v1\nkind: Config\n";
        let text = told(Some(empty), None).await;
        assert!(text.contains("no current context"), "{text}");
        let text = told(Some(empty), Some("other")).await;
        assert!(text.contains("no context \"other\""), "{text}");
        let broken = "users:\n- name: a\n  user: {token: geheim\n";
        let text = told(Some(broken), None).await;
        assert!(
            text.contains("as YAML") && !text.contains("geheim"),
            "{text}"
        );
    }

    #[test]
    fn what_a_command_for_credentials_printed_is_not_told() {
        use std::os::unix::process::ExitStatusExt as _;
        let out = std::process::Output {
            status: std::process::ExitStatus::from_raw(256),
            stdout: b"geheim".to_vec(),
            stderr: Vec::new(),
        };
        let error = AuthError::AuthExecRun {
            cmd: "get-token --secret geheim".to_owned(),
            out: Box::new(out),
        };
        let told = text(&kube::Error::Service(Box::new(error)));
        assert!(told.ends_with("failed: exit status: 1"), "{told}");
        assert!(!told.contains("geheim") && !told.contains("103"), "{told}");
    }
}
