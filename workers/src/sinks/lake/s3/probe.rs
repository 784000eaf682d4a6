//! What `wikiingest doctor` asks of a bucket: each request of the lake's, by itself, with the answer as it came.

use aws_sdk_s3::{
    config::http::HttpResponse,
    error::{ProvideErrorMetadata, SdkError},
    operation::create_multipart_upload::CreateMultipartUploadOutput,
    primitives::ByteStream,
    types::{CompletedMultipartUpload, CompletedPart},
};
use bytes::Bytes;

use super::S3;
use crate::{failure::chain, trouble::Trouble};

/// An answer that is none of success.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub(crate) struct Said {
    /// The status, where there was an answer.
    pub(crate) status: Option<u16>,
    /// S3's word for it.
    pub(crate) code: String,
    /// All of it, in words.
    pub(crate) what: String,
    /// The region that the bucket is in, where the answer says so.
    pub(crate) region: Option<String>,
    /// What stands between here and the server.
    pub(crate) trouble: Option<Trouble>,
}

impl Said {
    fn of<E>(error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let response = error.raw_response();
        let region = response.and_then(|answer| answer.headers().get("x-amz-bucket-region"));
        let code = error.code().unwrap_or_default().to_owned();
        let what = match error.message() {
            Some(message) => format!("{code}: {message}"),
            None => chain(error),
        };
        Self {
            status: response.map(|answer| answer.status().as_u16()),
            code,
            what,
            region: region.map(ToOwned::to_owned),
            trouble: Trouble::of(error),
        }
    }
}

impl S3 {
    /// What to check when credentials are refused.
    pub(crate) fn credentials(&self) -> &str {
        &self.credentials
    }

    /// Lists, as every run does first.
    pub(crate) async fn try_list(&self) -> Result<(), Said> {
        self.first().await.map_err(|error| Said::of(&error))
    }

    /// Lists open uploads, as what is swept does.
    pub(crate) async fn try_list_uploads(&self) -> Result<(), Said> {
        let list = self.client.list_multipart_uploads().bucket(&self.bucket);
        let listed = list.prefix(&self.prefix).max_uploads(1).send().await;
        listed.map(drop).map_err(|error| Said::of(&error))
    }

    /// Writes an object that is not there yet.
    pub(crate) async fn try_put(&self, key: &str, body: &'static [u8]) -> Result<(), Said> {
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(self.full(key))
            .if_none_match("*")
            .body(ByteStream::from_static(body));
        put.send().await.map(drop).map_err(|error| Said::of(&error))
    }

    /// Reads an object.
    pub(crate) async fn try_get(&self, key: &str) -> Result<Bytes, Said> {
        let get = self.client.get_object().bucket(&self.bucket);
        let got = get.key(self.full(key)).send().await;
        let object = got.map_err(|error| Said::of(&error))?;
        let body = object.body.collect().await.map_err(|error| Said {
            what: chain(&error),
            ..Said::default()
        })?;
        Ok(body.into_bytes())
    }

    /// Begins an upload in parts.
    pub(crate) async fn try_begin(&self, key: &str) -> Result<String, Said> {
        let create = self.client.create_multipart_upload().bucket(&self.bucket);
        let created: Result<CreateMultipartUploadOutput, _> =
            create.key(self.full(key)).send().await;
        let created = created.map_err(|error| Said::of(&error))?;
        Ok(created.upload_id().unwrap_or_default().to_owned())
    }

    /// Uploads the only part, and completes the object if it is not there yet.
    pub(crate) async fn try_complete(
        &self,
        key: &str,
        id: &str,
        body: &'static [u8],
    ) -> Result<(), Said> {
        let (full, bucket) = (self.full(key), &self.bucket);
        let part = self.client.upload_part().bucket(bucket).key(&full);
        let part = part.upload_id(id).part_number(1);
        let sent = part.body(ByteStream::from_static(body)).send().await;
        let sent = sent.map_err(|error| Said::of(&error))?;
        let part = CompletedPart::builder()
            .part_number(1)
            .set_e_tag(sent.e_tag().map(Into::into))
            .set_checksum_crc32(sent.checksum_crc32().map(Into::into))
            .build();
        let parts = CompletedMultipartUpload::builder().parts(part).build();
        let complete = self
            .client
            .complete_multipart_upload()
            .bucket(bucket)
            .key(&full);
        let complete = complete
            .upload_id(id)
            .if_none_match("*")
            .multipart_upload(parts);
        complete
            .send()
            .await
            .map(drop)
            .map_err(|error| Said::of(&error))
    }

    /// Gives an upload up.
    pub(crate) async fn try_abort(&self, key: &str, id: &str) -> Result<(), Said> {
        let abort = self.client.abort_multipart_upload().bucket(&self.bucket);
        let aborted = abort.key(self.full(key)).upload_id(id).send().await;
        aborted.map(drop).map_err(|error| Said::of(&error))
    }

    /// Removes an object; one that is not there is gone.
    pub(crate) async fn try_delete(&self, key: &str) -> Result<(), Said> {
        let delete = self.client.delete_object().bucket(&self.bucket);
        let deleted = delete.key(self.full(key)).send().await;
        deleted.map(drop).map_err(|error| Said::of(&error))
    }

    /// Gives up all uploads of keys that begin so.
    pub(crate) async fn abort_under(&self, prefix: &str) {
        // What is left is swept by a later run.
        let _ = self.abort_uploads(prefix, |_, _| true).await;
    }
}
