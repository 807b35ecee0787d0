//! Host packages: fetched with their `ETag`, replaced only when nobody else changed them meanwhile.

use muster_shared::protocol::package::Uploaded;
use reqwest::Method;
use reqwest::header::{ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::request::segment;
use super::{Client, ClientError};

/// A host package is a control file and signatures: far below this.
const HOST_PACKAGE_LIMIT: u64 = 16 * 1024 * 1024;

/// A host package as the server holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPackageFile {
    pub bytes: Vec<u8>,
    /// With its quotes, as it goes back in [`Precondition::Unchanged`].
    pub etag: String,
}

/// What must hold for a host package to be replaced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Precondition {
    /// The server still holds the one with this `ETag`.
    Unchanged(String),
    /// The server holds none.
    Absent,
}

impl Client {
    /// The host package of a host; `None` when it has none.
    pub async fn host_package(&self, identifier: &str) -> Result<Option<HostPackageFile>, ClientError> {
        let path = format!("/api/v1/host-packages/{}", segment(identifier));
        let response = match self.send(self.request(Method::GET, &path, &[])?).await {
            Ok(response) => response,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        let etag = response
            .headers()
            .get(ETAG)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
            .ok_or_else(|| ClientError::Unreadable {
                server: self.base_url().to_owned(),
                request: path.clone(),
                reason: "it carries no ETag".to_owned(),
            })?;
        let bytes = self.read(response, &path, HOST_PACKAGE_LIMIT).await?;
        Ok(Some(HostPackageFile { bytes, etag }))
    }

    /// Replaces a host package.
    ///
    /// # Errors
    /// `changed` when somebody else changed it since it was read; nothing is overwritten then.
    pub async fn put_host_package(
        &self,
        identifier: &str,
        bytes: Vec<u8>,
        precondition: &Precondition,
    ) -> Result<Uploaded, ClientError> {
        let path = format!("/api/v1/host-packages/{}", segment(identifier));
        let (name, value): (HeaderName, &str) = match precondition {
            Precondition::Unchanged(etag) => (IF_MATCH, etag),
            Precondition::Absent => (IF_NONE_MATCH, "*"),
        };
        let value = HeaderValue::from_str(value).map_err(|error| ClientError::Setup {
            server: self.base_url().to_owned(),
            reason: error.to_string(),
        })?;
        let request = self
            .request(Method::PUT, &path, &[])?
            .header(name, value)
            .header(reqwest::header::CONTENT_TYPE, "application/zip")
            .body(bytes);
        let response = self.send(request).await?;
        let bytes = self.read(response, &path, HOST_PACKAGE_LIMIT).await?;
        self.parse(&bytes, &path)
    }
}
