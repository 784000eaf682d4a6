//! Where the data go.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Span;

/// The ZSTD level of Parquet files when none is given. With titles stored by what sets them apart from the one before,
/// level 1 already makes smaller files than other writers do at level 3.
pub const DEFAULT_ZSTD_LEVEL: i32 = 1;

/// One place that data go to. Set exactly one of singleStore, s3, sqlite and folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new(ONE_KIND).message("a sink must have exactly one kind: set one of singleStore, s3, sqlite, folder"))]
pub struct Sink {
    /// Name of the sink, unique within the resource, by which sources refer to it: lower-case letters, digits and
    /// hyphens, at most 20. Example: warehouse.
    #[schemars(
        length(min = 1, max = 20),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// A SingleStore database, or another server that speaks MySQL's protocol (MySQL, MariaDB).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub single_store: Option<SingleStoreSink>,

    /// Parquet files in a bucket of Amazon S3 or of a server compatible with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Sink>,

    /// A SQLite database file. For "wikiingest local" only: on a cluster the operator refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sqlite: Option<SqliteSink>,

    /// Parquet files in a local folder. For "wikiingest local" only: on a cluster the operator refuses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub folder: Option<FolderSink>,
}

const ONE_KIND: &str =
    "[has(self.singleStore), has(self.s3), has(self.sqlite), has(self.folder)].exists_one(x, x)";

/// The kind of a [`Sink`], with its settings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum SinkKind<'a> {
    /// A server that speaks MySQL's protocol.
    SingleStore(&'a SingleStoreSink),
    /// Parquet files in a bucket.
    S3(&'a S3Sink),
    /// A local database file.
    Sqlite(&'a SqliteSink),
    /// Parquet files in a local folder.
    Folder(&'a FolderSink),
}

impl<'a> SinkKind<'a> {
    /// The name of the kind, as in the resource.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SingleStore(_) => "singleStore",
            Self::S3(_) => "s3",
            Self::Sqlite(_) => "sqlite",
            Self::Folder(_) => "folder",
        }
    }

    /// How long the sink keeps data, when not for ever.
    #[must_use]
    pub fn retention(self) -> Option<&'a Retention> {
        match self {
            Self::SingleStore(sink) => sink.retention.as_ref(),
            Self::S3(sink) => sink.retention.as_ref(),
            Self::Sqlite(sink) => sink.retention.as_ref(),
            Self::Folder(sink) => sink.retention.as_ref(),
        }
    }
}

impl Sink {
    /// The one kind that is set; none when several are, or nothing is.
    #[must_use]
    pub fn kind(&self) -> Option<SinkKind<'_>> {
        match (&self.single_store, &self.s3, &self.sqlite, &self.folder) {
            (Some(sink), None, None, None) => Some(SinkKind::SingleStore(sink)),
            (None, Some(sink), None, None) => Some(SinkKind::S3(sink)),
            (None, None, Some(sink), None) => Some(SinkKind::Sqlite(sink)),
            (None, None, None, Some(sink)) => Some(SinkKind::Folder(sink)),
            _ => None,
        }
    }
}

/// A SingleStore database, or another server that speaks MySQL's protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SingleStoreSink {
    /// Host name or IP address of the server, without port. Example: svc-sdb.example.internal.
    #[schemars(
        length(min = 1, max = 253),
        regex(
            pattern = r"^([A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|([0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f.]*)$"
        )
    )]
    pub host: String,

    /// TCP port of the server. Default: 3306.
    #[serde(default = "mysql_port")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: u16,

    /// The database that holds the tables. It must exist; the tables in it are created. Example: wikimedia.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub database: String,

    /// The Secret with the login, in the namespace of this resource. Its keys are username and password.
    pub credentials_secret_ref: LocalSecretRef,

    /// How the connection is encrypted. Default: when the server offers it, without checking its certificate (mode
    /// Preferred).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,

    /// How long rows are kept, for each kind of source. A daily run deletes what is older, whether or not a source
    /// still brings more of it, and no run loads it again. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

fn mysql_port() -> u16 {
    3306
}

/// A Secret in the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LocalSecretRef {
    /// Name of the Secret, in the namespace of this resource. Example: singlestore.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,
}

/// One key of a Secret in the namespace of the resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// Name of the Secret, in the namespace of this resource. Example: singlestore-ca.
    #[schemars(
        length(min = 1, max = 253),
        regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$")
    )]
    pub name: String,

    /// The key within the Secret. Example: ca.pem.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[-._a-zA-Z0-9]+$"))]
    pub key: String,
}

/// How a connection is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.caSecretRef) || self.mode in ['VerifyCa', 'VerifyIdentity']")
    .message("caSecretRef is used only to check the server's certificate: set mode to VerifyCa or VerifyIdentity, or leave caSecretRef out")
    .field_path(".mode"))]
pub struct Tls {
    /// What is asked of the server. Disabled: no encryption. Preferred: encrypted when the server offers it. Required:
    /// encrypted, whoever the server is. VerifyCa: its certificate must be signed by a known authority. VerifyIdentity:
    /// and it must be the host's own, which alone protects from someone in between.
    pub mode: TlsMode,

    /// The certificate of the authority that signed the server's, in PEM, for VerifyCa and VerifyIdentity. Default: the
    /// authorities that come with the worker's image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_secret_ref: Option<SecretKeyRef>,
}

/// What is asked of the server's encryption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[allow(
    missing_docs,
    reason = "documented variants become a schema that Kubernetes does not take"
)]
pub enum TlsMode {
    Disabled,
    #[default]
    Preferred,
    Required,
    VerifyCa,
    VerifyIdentity,
}

/// Parquet files in a bucket of Amazon S3 or of a server compatible with it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct S3Sink {
    /// Name of the bucket. It must exist. Example: wikimedia-lake.
    #[schemars(
        length(min = 3, max = 63),
        regex(pattern = r"^[a-z0-9][a-z0-9.-]+[a-z0-9]$")
    )]
    pub bucket: String,

    /// What the keys of all objects begin with, without a slash at either end. Default: nothing. Example: wikimedia/v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 1, max = 512),
        regex(pattern = r"^[A-Za-z0-9_.=-]+(/[A-Za-z0-9_.=-]+)*$")
    )]
    pub prefix: Option<String>,

    /// The bucket's region. Servers other than Amazon's mostly take any; us-east-1 is a safe choice there.
    /// Example: eu-west-1.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub region: String,

    /// URL of a server compatible with S3 (Ceph, Garage, MinIO, SeaweedFS). The bucket is then named in the path, not in
    /// the host. Default: Amazon's own for the region. Example: `http://minio.storage.svc:9000`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 8, max = 512),
        regex(pattern = r"^https?://[A-Za-z0-9._:\[\]-]+/?$")
    )]
    pub endpoint: Option<String>,

    /// The Secret with the access key, in the namespace of this resource. Its keys are accessKeyId and secretAccessKey,
    /// and sessionToken when there is one. Default: the pod's own identity (IRSA, Pod Identity, instance profile).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials_secret_ref: Option<LocalSecretRef>,

    /// How the Parquet files are compressed. Default: ZSTD at level 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,

    /// How long objects are kept, for each kind of source. A daily run deletes what is older, whether or not a source
    /// still brings more of it, and no run loads it again. Of a lake whole days go. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// A SQLite database file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SqliteSink {
    /// Path of the database file, created when it is not there. Relative paths start at the working directory.
    /// Example: wikimedia.db.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,

    /// How long rows are kept, for each kind of source. A daily run deletes what is older, whether or not a source
    /// still brings more of it, and no run loads it again. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// Parquet files in a local folder.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FolderSink {
    /// Path of the folder, created when it is not there. Relative paths start at the working directory. Example: lake.
    #[schemars(length(min = 1, max = 1024))]
    pub path: String,

    /// How the Parquet files are compressed. Default: ZSTD at level 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compression: Option<Compression>,

    /// How long files are kept, for each kind of source. A daily run deletes what is older, whether or not a source
    /// still brings more of it, and no run loads it again. Of a lake whole days go. Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retention: Option<Retention>,
}

/// How Parquet files are compressed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Compression {
    /// ZSTD's level, from 1 (fastest) to 19 (smallest). Default: 1; 3 makes files an eighth smaller and takes a fifth
    /// longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 19))]
    pub zstd: Option<i32>,
}

impl Compression {
    /// The level to compress with, whether or not one was given.
    #[must_use]
    pub fn zstd_level(compression: Option<&Self>) -> i32 {
        compression
            .and_then(|c| c.zstd)
            .unwrap_or(DEFAULT_ZSTD_LEVEL)
    }
}

/// How long a sink keeps the data of each kind of source.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// How long hourly page views are kept, by the hour that they count. A number and a unit (h, d, w).
    /// Default: for ever. Example: 90d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pageviews: Option<Span>,

    /// How long daily page views are kept, by the day that they count. A number and a unit (d, w).
    /// Default: for ever. Example: 365d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pageview_complete: Option<Span>,

    /// How long page counts of the archive are kept, by the hour that they count. All of them are from before
    /// September 2016. A number and a unit (d, w). Default: for ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pagecounts_raw: Option<Span>,

    /// How long media counts are kept, by the day that they count. A number and a unit (d, w). Default: for ever.
    /// Example: 90d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mediacounts: Option<Span>,

    /// How long recent changes are kept, by the time of the change. A number and a unit (h, d, w). Default: for ever.
    /// Example: 30d.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent_changes: Option<Span>,
}
