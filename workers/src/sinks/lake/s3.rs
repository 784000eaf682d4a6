//! S3, and servers that speak it. A small object goes up in one request, a large one in parts;
//! both appear only when complete, and only if nobody else was first (`If-None-Match: *`).

mod probe;

pub(crate) use self::probe::Said;

use std::{collections::HashSet, io, time::Duration};

use aws_sdk_s3::{
    Client,
    config::{BehaviorVersion, Builder, Credentials, Region, timeout::TimeoutConfig},
    error::{ProvideErrorMetadata, SdkError},
    operation::list_objects_v2::ListObjectsV2Error,
    primitives::{ByteStream, DateTime},
    types::{CompletedMultipartUpload, CompletedPart},
};
use aws_smithy_http_client::tls::{self, rustls_provider::CryptoMode};
use bytes::Bytes;
use jiff::Timestamp;
use tokio::runtime::Handle;
use wikiingest_crds::{
    S3Sink,
    worker::{SecretKey, secret_env},
};

use super::LakeError;
use crate::failure::{Class, chain};

/// Bytes a part; S3 takes 5 MiB to 5 GiB, and 10,000 parts.
const PART: usize = 8 << 20;

/// An endpoint that takes no connection for so long is down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// So is one that does not begin to answer, once it has the whole request.
const READ_TIMEOUT: Duration = Duration::from_mins(1);

/// An open upload that is older than this belongs to nobody who lives.
const ABANDONED_AFTER_SECONDS: i64 = 24 * 3600;

/// A bucket, and a prefix in it.
#[derive(Debug, Clone)]
pub struct S3 {
    client: Client,
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    endpoint: String,
    credentials: String,
}

impl S3 {
    pub(super) async fn open(name: &str, sink: &S3Sink) -> Result<Self, LakeError> {
        let s3 = Self::client(name, sink).await?;
        // A listing proves the endpoint, the bucket and the credentials before anything is read.
        s3.first().await.map_err(|error| s3.explain("", &error))?;
        Ok(s3)
    }

    /// What asks the bucket; nothing is asked yet.
    pub(crate) async fn client(name: &str, sink: &S3Sink) -> Result<Self, LakeError> {
        // The client panics where there are none.
        if rustls_native_certs::load_native_certs().certs.is_empty() {
            return Err(LakeError {
                place: format!("s3://{}", sink.bucket),
                what: "there are no trusted certificates on this system".to_owned(),
                advice: "install ca-certificates, or name a file of them in SSL_CERT_FILE"
                    .to_owned(),
                class: Class::BadConfig,
            });
        }
        let http = aws_smithy_http_client::Builder::new()
            .tls_provider(tls::Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(http)
            .region(Region::new(sink.region.clone()))
            .timeout_config(
                TimeoutConfig::builder()
                    .connect_timeout(CONNECT_TIMEOUT)
                    .read_timeout(READ_TIMEOUT)
                    .build(),
            );
        let variable = secret_env(name, SecretKey::AccessKeyId);
        let own = std::env::var(&variable).ok();
        if let Some(id) = &own {
            let variable = secret_env(name, SecretKey::SecretAccessKey);
            let secret = std::env::var(&variable).map_err(|_| LakeError {
                place: format!("s3://{}", sink.bucket),
                what: format!("{variable} is not set"),
                advice: "set it, as its partner is".to_owned(),
                class: Class::BadConfig,
            })?;
            let token = std::env::var(secret_env(name, SecretKey::SessionToken)).ok();
            loader = loader.credentials_provider(Credentials::new(
                id,
                secret,
                token,
                None,
                "environment",
            ));
        }
        if let Some(endpoint) = &sink.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        let config = Builder::from(&loader.load().await)
            .force_path_style(sink.endpoint.is_some())
            .build();
        let prefix = sink.prefix.as_deref().unwrap_or_default().trim_matches('/');
        let s3 = Self {
            client: Client::from_conf(config),
            bucket: sink.bucket.clone(),
            prefix: if prefix.is_empty() {
                String::new()
            } else {
                format!("{prefix}/")
            },
            endpoint: sink
                .endpoint
                .clone()
                .unwrap_or_else(|| format!("region {}", sink.region)),
            credentials: variable.replace("ACCESS_KEY_ID", "*"),
        };
        if sink.credentials_secret_ref.is_some() && own.is_none() {
            let what = format!("{variable} is not set");
            return Err(s3.place(
                "",
                what,
                "set it, or leave out credentialsSecretRef to use the identity of the pod",
                Class::BadConfig,
            ));
        }
        Ok(s3)
    }

    async fn first(&self) -> Result<(), SdkError<ListObjectsV2Error>> {
        let list = self.client.list_objects_v2().bucket(&self.bucket);
        list.prefix(&self.prefix).max_keys(1).send().await.map(drop)
    }

    pub(super) fn url(&self) -> String {
        format!("s3://{}/{} at {}", self.bucket, self.prefix, self.endpoint)
    }

    pub(super) fn place(&self, key: &str, what: String, advice: &str, class: Class) -> LakeError {
        LakeError {
            place: format!(
                "s3://{}/{}{key} at {}",
                self.bucket, self.prefix, self.endpoint
            ),
            what,
            advice: advice.to_owned(),
            class,
        }
    }

    fn explain<E, R>(&self, key: &str, error: &SdkError<E, R>) -> LakeError
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        R: std::fmt::Debug + 'static,
    {
        let code = error.code().unwrap_or_default().to_owned();
        let (advice, class) = match code.as_str() {
            "NoSuchBucket" => (
                "create the bucket, or correct spec.sinks[].s3.bucket".to_owned(),
                Class::BadConfig,
            ),
            "PermanentRedirect" | "AuthorizationHeaderMalformed" => (
                "correct spec.sinks[].s3.region".to_owned(),
                Class::BadConfig,
            ),
            "AccessDenied"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "ExpiredToken"
            | "Forbidden" => (
                format!("check {} and what its policy allows", self.credentials),
                Class::Refused,
            ),
            _ => (
                "check that it is up and reachable from here, then run again".to_owned(),
                Class::TryAgain,
            ),
        };
        let what = match error.message() {
            Some(message) => format!("{code}: {message}"),
            None => chain(error),
        };
        self.place(key, what, &advice, class)
    }

    /// The objects whose names begin with `prefix`, without our own prefix.
    pub(super) async fn list(&self, prefix: &str) -> Result<Vec<String>, LakeError> {
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{}{prefix}", self.prefix))
            .into_paginator()
            .send();
        let mut keys = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.explain(prefix, &error))?;
            let names = page.contents().iter().filter_map(|object| object.key());
            keys.extend(
                names
                    .filter_map(|key| key.strip_prefix(&self.prefix))
                    .map(ToOwned::to_owned),
            );
        }
        Ok(keys)
    }

    /// The names of a table's folders: of its days, as a rule.
    pub(super) async fn folders(&self, table: &str) -> Result<Vec<String>, LakeError> {
        let table = format!("{}{table}/", self.prefix);
        let mut pages = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(&table)
            .delimiter("/")
            .into_paginator()
            .send();
        let mut folders = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| self.explain(&table, &error))?;
            let names = page
                .common_prefixes()
                .iter()
                .filter_map(|found| found.prefix());
            folders.extend(
                names
                    .filter_map(|name| name.strip_prefix(&table)?.strip_suffix('/'))
                    .map(ToOwned::to_owned),
            );
        }
        Ok(folders)
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), LakeError> {
        let deleted = self
            .client
            .delete_object()
            .bucket(&self.bucket)
            .key(self.full(key))
            .send()
            .await;
        deleted.map(drop).map_err(|error| self.explain(key, &error))
    }

    pub(super) async fn get(&self, key: &str) -> Result<Option<Bytes>, LakeError> {
        let got = self
            .client
            .get_object()
            .bucket(&self.bucket)
            .key(self.full(key))
            .send()
            .await;
        let object = match got {
            Ok(object) => object,
            Err(error) if error.code() == Some("NoSuchKey") => return Ok(None),
            Err(error) => return Err(self.explain(key, &error)),
        };
        match object.body.collect().await {
            Ok(bytes) => Ok(Some(bytes.into_bytes())),
            Err(error) => Err(self.place(key, chain(&error), "run again", Class::TryAgain)),
        }
    }

    pub(super) async fn replace(&self, key: &str, bytes: Vec<u8>) -> Result<(), LakeError> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full(key))
            .body(ByteStream::from(bytes));
        put.send()
            .await
            .map(drop)
            .map_err(|error| self.explain(key, &error))
    }

    /// Aborts every open upload under a prefix whose key holds a text.
    pub(super) async fn abort_all(&self, prefix: &str, text: &str) -> Result<(), LakeError> {
        self.abort_uploads(prefix, |key, _| key.contains(text))
            .await
    }

    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    pub(super) fn upload(&self, key: &str) -> Upload {
        Upload {
            s3: self.clone(),
            key: key.to_owned(),
            buffer: Vec::new(),
            multipart: None,
            parts: Vec::new(),
            runtime: Handle::current(),
            failed: None,
        }
    }

    /// Aborts open uploads that are abandoned: those of objects that are there, for which nobody
    /// needs them any more, and old ones.
    pub(super) async fn sweep(&self, prefix: &str) -> Result<(), LakeError> {
        let there: HashSet<String> = self.list(prefix).await?.into_iter().collect();
        let done = |key: &str| {
            key.strip_prefix(&self.prefix)
                .is_some_and(|key| there.contains(key))
        };
        let old = Timestamp::now().as_second() - ABANDONED_AFTER_SECONDS;
        self.abort_uploads(prefix, |key, since| {
            done(key) || since.is_some_and(|since| since < old)
        })
        .await
    }

    /// Aborts the open uploads under a prefix that are abandoned, by key and time in seconds.
    async fn abort_uploads(
        &self,
        prefix: &str,
        abandoned: impl Fn(&str, Option<i64>) -> bool,
    ) -> Result<(), LakeError> {
        let mut marker: (Option<String>, Option<String>) = (None, None);
        loop {
            let page = self
                .client
                .list_multipart_uploads()
                .bucket(&self.bucket)
                .prefix(self.full(prefix))
                .set_key_marker(marker.0.take())
                .set_upload_id_marker(marker.1.take())
                .send()
                .await
                .map_err(|error| self.explain(prefix, &error))?;
            for upload in page.uploads() {
                let (Some(key), Some(id)) = (upload.key(), upload.upload_id()) else {
                    continue;
                };
                if abandoned(key, upload.initiated().map(DateTime::secs)) {
                    self.abort(key, id).await;
                }
            }
            if page.is_truncated() != Some(true) {
                return Ok(());
            }
            marker = (
                page.next_key_marker().map(Into::into),
                page.next_upload_id_marker().map(Into::into),
            );
        }
    }

    /// Failing to abort is no failure: the next sweep does it.
    async fn abort(&self, full_key: &str, id: &str) {
        let aborted = self
            .client
            .abort_multipart_upload()
            .bucket(&self.bucket)
            .key(full_key)
            .upload_id(id)
            .send()
            .await;
        if let Err(error) = aborted {
            tracing::warn!(
                key = full_key,
                error = chain(&error),
                "Open upload not aborted"
            );
        }
    }
}

/// An object that is being written, by a thread that may block.
#[derive(Debug)]
pub struct Upload {
    s3: S3,
    key: String,
    buffer: Vec<u8>,
    multipart: Option<String>,
    parts: Vec<CompletedPart>,
    runtime: Handle,
    failed: Option<LakeError>,
}

impl io::Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PART {
            let runtime = self.runtime.clone();
            if let Err(error) = runtime.block_on(self.part()) {
                self.failed = Some(error);
                return Err(io::Error::other("a part was not taken"));
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Upload {
    pub(super) fn failure(&self) -> Option<LakeError> {
        self.failed.clone()
    }

    async fn part(&mut self) -> Result<(), LakeError> {
        let S3 { client, bucket, .. } = &self.s3;
        let key = self.s3.full(&self.key);
        let id = if let Some(id) = &self.multipart {
            id.clone()
        } else {
            let created = client
                .create_multipart_upload()
                .bucket(bucket)
                .key(&key)
                .send()
                .await;
            let created = created.map_err(|error| self.s3.explain(&self.key, &error))?;
            let id = created.upload_id().unwrap_or_default().to_owned();
            self.multipart.insert(id).clone()
        };
        let number = i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX);
        let sent = client
            .upload_part()
            .bucket(bucket)
            .key(&key)
            .upload_id(id)
            .part_number(number)
            .body(ByteStream::from(std::mem::take(&mut self.buffer)))
            .send()
            .await
            .map_err(|error| self.s3.explain(&self.key, &error))?;
        self.parts.push(
            CompletedPart::builder()
                .part_number(number)
                .set_e_tag(sent.e_tag().map(Into::into))
                .set_checksum_crc32(sent.checksum_crc32().map(Into::into))
                .build(),
        );
        Ok(())
    }

    pub(super) async fn complete(mut self) -> Result<(), LakeError> {
        let completed = self.try_complete().await;
        match completed {
            Ok(()) => Ok(()),
            // Somebody else was first with the same version of the same unit, and may even have
            // cleaned up after us.
            Err(_) if self.is_there().await => {
                self.abort().await;
                Ok(())
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    async fn is_there(&self) -> bool {
        self.s3
            .list(&self.key)
            .await
            .is_ok_and(|keys| keys.contains(&self.key))
    }

    async fn try_complete(&mut self) -> Result<(), LakeError> {
        if self.multipart.is_none() {
            let S3 { client, bucket, .. } = &self.s3;
            let body = ByteStream::from(std::mem::take(&mut self.buffer));
            let put = client
                .put_object()
                .bucket(bucket)
                .key(self.s3.full(&self.key))
                .if_none_match("*")
                .body(body);
            return put
                .send()
                .await
                .map(drop)
                .map_err(|error| self.s3.explain(&self.key, &error));
        }
        if !self.buffer.is_empty() {
            self.part().await?;
        }
        let S3 { client, bucket, .. } = &self.s3;
        let parts = CompletedMultipartUpload::builder()
            .set_parts(Some(std::mem::take(&mut self.parts)))
            .build();
        client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(self.s3.full(&self.key))
            .set_upload_id(self.multipart.clone())
            .if_none_match("*")
            .multipart_upload(parts)
            .send()
            .await
            .map(drop)
            .map_err(|error| self.s3.explain(&self.key, &error))
    }

    pub(super) async fn abort(self) {
        if let Some(id) = &self.multipart {
            self.s3.abort(&self.s3.full(&self.key), id).await;
        }
    }
}
