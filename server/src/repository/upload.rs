//! Receives one upload: streamed to a hidden file, hashed on the way, capped in size.
//!
//! Nothing of it is visible or kept until it is published; dropping it removes the file.

use std::io::Write as _;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, HeaderName};
use actix_web::web::{Bytes, BytesMut};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::{Stream, StreamExt as _};
use sha2::{Digest as _, Sha256};

use super::Repository;
use super::error::{RepositoryError, doing};
use super::file_store::Staged;

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");

/// Bytes collected before they go to the disk together.
const BUFFER_BYTES: usize = 1024 * 1024;

/// A file that came in whole.
pub struct Received {
    pub(super) staged: Box<dyn Staged>,
    /// Lower-case hex.
    pub(super) sha256: String,
}

/// What the sender says about the file before it comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Announced {
    pub sha256: Option<[u8; 32]>,
    /// In bytes.
    pub size: Option<u64>,
}

impl Announced {
    /// Reads `Content-Digest` (RFC 9530; other algorithms than SHA-256 are left alone) and `Content-Length`.
    ///
    /// # Errors
    /// The header is there and its `sha-256` cannot be read.
    pub fn read(request: &HttpRequest) -> Result<Self, RepositoryError> {
        let text = |name| {
            request
                .headers()
                .get(name)
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
        };
        let sha256 = match text(CONTENT_DIGEST) {
            None => None,
            Some(text) => parse_digest(&text).map_err(|()| RepositoryError::Header {
                header: "Content-Digest",
                value: text.into_owned(),
            })?,
        };
        Ok(Self {
            sha256,
            size: text(CONTENT_LENGTH).and_then(|text| text.parse().ok()),
        })
    }
}

impl Repository {
    /// Takes an upload.
    ///
    /// # Errors
    /// No signer is trusted, too large, cut short, other bytes than announced, or no room; nothing is left
    /// behind.
    pub async fn receive<S>(&self, payload: S, announced: Announced) -> Result<Received, RepositoryError>
    where
        S: Stream<Item = Result<Bytes, actix_web::error::PayloadError>>,
    {
        // What cannot be taken is refused before it travels.
        if self.signers.current()?.is_empty() {
            return Err(RepositoryError::NoTrustedSigner);
        }
        if announced.size.is_some_and(|size| size > self.upload_limit_bytes) {
            return Err(RepositoryError::TooLarge {
                limit_bytes: self.upload_limit_bytes,
            });
        }
        let mut payload = std::pin::pin!(payload);
        let files = std::sync::Arc::clone(&self.files);
        let staged = blocking(move || files.stage().map_err(doing("begin an upload"))).await?;
        let mut writer = Writer {
            staged,
            hash: Sha256::new(),
        };
        let mut buffer = BytesMut::new();
        let mut size: u64 = 0;
        while let Some(chunk) = payload.next().await {
            let chunk = chunk.map_err(RepositoryError::Cut)?;
            size = size.saturating_add(chunk.len() as u64);
            if size > self.upload_limit_bytes {
                return Err(RepositoryError::TooLarge {
                    limit_bytes: self.upload_limit_bytes,
                });
            }
            buffer.extend_from_slice(&chunk);
            if buffer.len() >= BUFFER_BYTES {
                writer = writer.write(buffer.split().freeze()).await?;
            }
        }
        writer = writer.write(buffer.freeze()).await?;
        let hash: [u8; 32] = writer.hash.finalize().into();
        match announced.sha256 {
            Some(announced) if announced != hash => Err(RepositoryError::OtherHash {
                announced: hex::encode(announced),
                received: hex::encode(hash),
            }),
            _ => Ok(Received {
                staged: writer.staged,
                sha256: hex::encode(hash),
            }),
        }
    }
}

/// The SHA-256 in a `Content-Digest`, if it has one.
fn parse_digest(text: &str) -> Result<Option<[u8; 32]>, ()> {
    for member in text.split(',') {
        let (algorithm, value) = member.split_once('=').ok_or(())?;
        if algorithm.trim() != "sha-256" {
            continue;
        }
        let encoded = value
            .trim()
            .strip_prefix(':')
            .and_then(|rest| rest.strip_suffix(':'))
            .ok_or(())?;
        let bytes = STANDARD.decode(encoded).map_err(|_error| ())?;
        return bytes.try_into().map(Some).map_err(|_bytes| ());
    }
    Ok(None)
}

/// Runs what blocks away from the threads that answer requests.
pub(super) async fn blocking<T, F>(work: F) -> Result<T, RepositoryError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, RepositoryError> + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(RepositoryError::Task)?
}

struct Writer {
    staged: Box<dyn Staged>,
    hash: Sha256,
}

impl Writer {
    async fn write(mut self, bytes: Bytes) -> Result<Self, RepositoryError> {
        blocking(move || {
            self.hash.update(&bytes);
            self.staged.write_all(&bytes).map_err(doing("write an upload"))?;
            Ok(self)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_read_by_its_algorithm() {
        let hash: [u8; 32] = Sha256::digest(b"x").into();
        let encoded = STANDARD.encode(hash);
        assert_eq!(parse_digest(&format!("sha-256=:{encoded}:")), Ok(Some(hash)));
        assert_eq!(
            parse_digest(&format!("sha-512=:AAAA:, sha-256=:{encoded}:")),
            Ok(Some(hash))
        );
        assert_eq!(parse_digest("sha-512=:AAAA:"), Ok(None));
        for bad in ["", "sha-256", "sha-256=x", "sha-256=:AAAA:", "sha-256=:!:"] {
            assert_eq!(parse_digest(bad), Err(()), "{bad}");
        }
    }
}
