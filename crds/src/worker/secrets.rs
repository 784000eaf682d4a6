//! How secrets reach a worker: as environment variables, never in the configuration file.

use crate::{Sink, SinkKind};

/// A secret value of a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SecretKey {
    /// The database's user.
    Username,
    /// The database user's password.
    Password,
    /// The certificate of the authority that signed the database server's.
    CaPem,
    /// The S3 access key's id.
    AccessKeyId,
    /// The S3 access key's secret.
    SecretAccessKey,
    /// The S3 session's token.
    SessionToken,
}

impl SecretKey {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Username,
        Self::Password,
        Self::CaPem,
        Self::AccessKeyId,
        Self::SecretAccessKey,
        Self::SessionToken,
    ];

    fn env_suffix(self) -> &'static str {
        match self {
            Self::Username => "USERNAME",
            Self::Password => "PASSWORD",
            Self::CaPem => "CA_PEM",
            Self::AccessKeyId => "ACCESS_KEY_ID",
            Self::SecretAccessKey => "SECRET_ACCESS_KEY",
            Self::SessionToken => "SESSION_TOKEN",
        }
    }
}

/// The environment variable that a secret value of a sink travels in: `WIKIINGEST_<SINK>_<KEY>`.
#[must_use]
pub fn secret_env(sink_name: &str, key: SecretKey) -> String {
    format!(
        "WIKIINGEST_{}_{}",
        sink_name.to_ascii_uppercase().replace('-', "_"),
        key.env_suffix()
    )
}

/// An environment variable and the key of the Secret that it is filled from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretVar {
    /// The environment variable.
    pub env: String,
    /// Name of the Secret.
    pub secret: String,
    /// The key within the Secret.
    pub key: String,
    /// Whether the key may be absent.
    pub optional: bool,
}

/// The environment variables that a sink's worker needs, and where each is filled from.
#[must_use]
pub fn secret_vars(sink: &Sink) -> Vec<SecretVar> {
    let var = |key: SecretKey, secret: &str, field: &str| SecretVar {
        env: secret_env(&sink.name, key),
        secret: secret.to_owned(),
        key: field.to_owned(),
        optional: key == SecretKey::SessionToken,
    };
    match sink.kind() {
        Some(SinkKind::SingleStore(server)) => {
            let login = &server.credentials_secret_ref.name;
            let ca = server
                .tls
                .as_ref()
                .and_then(|tls| tls.ca_secret_ref.as_ref());
            [
                var(SecretKey::Username, login, "username"),
                var(SecretKey::Password, login, "password"),
            ]
            .into_iter()
            .chain(ca.map(|ca| var(SecretKey::CaPem, &ca.name, &ca.key)))
            .collect()
        }
        Some(SinkKind::S3(s3)) => (s3.credentials_secret_ref.iter())
            .flat_map(|login| {
                [
                    var(SecretKey::AccessKeyId, &login.name, "accessKeyId"),
                    var(SecretKey::SecretAccessKey, &login.name, "secretAccessKey"),
                    var(SecretKey::SessionToken, &login.name, "sessionToken"),
                ]
            })
            .collect(),
        Some(SinkKind::Sqlite(_) | SinkKind::Folder(_)) | None => Vec::new(),
    }
}
