//! Packages of the repository: listed, uploaded with progress, deleted.

use std::path::Path;

use base64::Engine as _;
use futures_util::StreamExt as _;
use muster_shared::protocol::Page;
use muster_shared::protocol::package::{PackageRow, Uploaded};
use reqwest::Method;
use reqwest::header::{CONTENT_LENGTH, CONTENT_TYPE};
use tokio_util::io::ReaderStream;

use super::request::{ListQuery, segment};
use super::{Client, ClientError};

/// A list page of packages holds at most this many rows.
const PACKAGES_PAGE: u32 = 1000;
/// The answer to an upload is one row.
const UPLOADED_LIMIT: u64 = 1024 * 1024;
/// The largest index that is read, in bytes.
const INDEX_LIMIT: u64 = 128 << 20;
/// How much of a package is read from disk at once.
const UPLOAD_CHUNK: usize = 256 * 1024;

impl Client {
    /// One page of the repository's packages.
    pub async fn packages(&self, query: &ListQuery) -> Result<Page<PackageRow>, ClientError> {
        self.get("/api/v1/packages", &query.pairs()).await
    }

    /// The repository's index, as agents read it; `None` while there is none.
    pub async fn repository_index(&self) -> Result<Option<Vec<u8>>, ClientError> {
        let path = "/wapt/Packages";
        let response = match self.send(self.request(Method::GET, path, &[])?).await {
            Ok(response) => response,
            Err(error) if error.is_not_found() => return Ok(None),
            Err(error) => return Err(error),
        };
        self.read(response, path, INDEX_LIMIT).await.map(Some)
    }

    /// Every package of the repository that matches a filter.
    pub async fn all_packages(&self, filter: &str) -> Result<Vec<PackageRow>, ClientError> {
        let mut query = ListQuery::filtered(filter, PACKAGES_PAGE);
        let mut rows = Vec::new();
        loop {
            let page = self.packages(&query).await?;
            let empty = page.items.is_empty();
            rows.extend(page.items);
            match page.next {
                Some(next) if !empty => query.cursor = Some(next),
                _ => return Ok(rows),
            }
        }
    }

    /// Uploads a package file; the server checks it before it becomes visible.
    ///
    /// `sha256` is the hex digest of the file; `progress` hears how many bytes have gone out.
    ///
    /// # Errors
    /// What the server refuses, with its code, or a file that cannot be read.
    pub async fn upload_package(
        &self,
        path: &Path,
        sha256: &str,
        mut progress: impl FnMut(u64, u64) + Send + 'static,
    ) -> Result<Uploaded, ClientError> {
        let unreadable = |reason: String| ClientError::File {
            path: path.display().to_string(),
            reason,
        };
        let digest = hex::decode(sha256).map_err(|error| unreadable(error.to_string()))?;
        let digest = base64::engine::general_purpose::STANDARD.encode(digest);
        let file = fs_err::File::open(path).map_err(|error| unreadable(error.to_string()))?;
        let size = file
            .metadata()
            .map_err(|error| unreadable(error.to_string()))?
            .len();
        let file = tokio::fs::File::from_std(file.into_parts().0);
        let mut sent = 0_u64;
        progress(0, size);
        let body = ReaderStream::with_capacity(file, UPLOAD_CHUNK).inspect(move |chunk| {
            if let Ok(chunk) = chunk {
                sent += chunk.len() as u64;
                progress(sent, size);
            }
        });
        let route = "/api/v1/packages";
        let request = self
            .request(Method::POST, route, &[])?
            .header(CONTENT_TYPE, "application/zip")
            .header(CONTENT_LENGTH, size)
            .header("content-digest", format!("sha-256=:{digest}:"))
            .body(reqwest::Body::wrap_stream(body));
        let response = self.send(request).await?;
        let bytes = self.read(response, route, UPLOADED_LIMIT).await?;
        self.parse(&bytes, route)
    }

    /// Deletes a package from the repository.
    pub async fn delete_package(&self, filename: &str) -> Result<(), ClientError> {
        self.delete(&format!("/api/v1/packages/{}", segment(filename)))
            .await
    }
}
