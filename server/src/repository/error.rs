//! Why the repository did not do what it was asked, and what the asker is told.

use std::io;

use muster_shared::crypto::TrustError;
use muster_shared::hint::{Hint, chain};
use muster_shared::package::PackageError;
use muster_shared::protocol::error::ErrorCode;
use thiserror::Error;

use super::file_store::FileNameError;
use crate::domain::package_upload::UploadRefusal;
use crate::error::ApiError;
use crate::store::StoreError;
use crate::trust::SignersError;

/// A request to the repository failed.
#[derive(Debug, Error)]
pub enum RepositoryError {
    #[error(transparent)]
    Package(#[from] PackageError),
    #[error(transparent)]
    Refused(#[from] UploadRefusal),
    #[error("no signer is trusted by this server yet")]
    NoTrustedSigner,
    #[error("the package is larger than {limit_bytes} bytes")]
    TooLarge { limit_bytes: u64 },
    #[error("the upload ended early or cannot be read")]
    Cut(#[source] actix_web::error::PayloadError),
    #[error("the header {header} cannot be understood: {value:?}")]
    Header { header: &'static str, value: String },
    #[error("the bytes received have the hash {received}, announced was {announced}")]
    OtherHash { announced: String, received: String },
    #[error("the package's own values give it the file name {0:?}, which no repository can hold")]
    FileName(String),
    #[error("there is no {what} {name} in the repository")]
    NotFound { what: &'static str, name: String },
    #[error("cannot {doing}")]
    Files {
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    #[error("cannot write the index")]
    Index(#[source] muster_shared::index::IndexError),
    #[error(transparent)]
    Signers(#[from] SignersError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("a task of the repository did not end")]
    Task(#[source] tokio::task::JoinError),
}

impl RepositoryError {
    /// The code of the public table.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Package(error) => error.code(),
            Self::Refused(refusal) => refusal.code(),
            Self::NoTrustedSigner => ErrorCode::PackageSignatureUntrusted,
            Self::TooLarge { .. } | Self::Cut(actix_web::error::PayloadError::Overflow) => {
                ErrorCode::BodyTooLarge
            }
            Self::Cut(_) | Self::Header { .. } => ErrorCode::RequestInvalid,
            Self::OtherHash { .. } => ErrorCode::PackageHashMismatch,
            Self::FileName(_) => ErrorCode::PackageControlInvalid,
            Self::NotFound { .. } => ErrorCode::NotFound,
            Self::Files { source, .. } if is_storage_full(source) => ErrorCode::StorageFull,
            Self::Store(error) if error.is_storage_full() => ErrorCode::StorageFull,
            Self::Files { .. } | Self::Index(_) | Self::Signers(_) | Self::Store(_) | Self::Task(_) => {
                ErrorCode::Internal
            }
        }
    }
}

impl Hint for RepositoryError {
    fn hints(&self) -> Vec<String> {
        match self {
            // The trust folder of a server is kept by a command.
            Self::Package(PackageError::Untrusted(TrustError::UnknownIssuer { .. })) => vec![
                "on the server, add the certificate of the signer, or of the CA that issued it: `muster-server trust \
                 add FILE.crt`"
                    .into(),
            ],
            Self::Package(error) => error.hints(),
            Self::Refused(refusal) => refusal.hints(),
            Self::NoTrustedSigner => vec![
                "on the server, add the certificate of who signs packages: `muster-server trust add FILE.crt`".into(),
            ],
            Self::TooLarge { .. } => {
                vec!["make the package smaller, or raise upload_limit_mib in server.toml".into()]
            }
            Self::Cut(_) => vec!["send the file again".into()],
            Self::OtherHash { .. } => vec!["the file was damaged on its way; send it again".into()],
            Self::FileName(_) => vec!["rename the package or shorten its version, and sign it again".into()],
            Self::Files { source, .. } if is_storage_full(source) => {
                vec!["free space on the volume of the server's data folder; nothing of the upload was kept".into()]
            }
            Self::Header { header, .. } => vec![match *header {
                "Content-Digest" => "write it as sha-256=:BASE64: (RFC 9530)".to_owned(),
                _ => "write one entity tag in double quotes".to_owned(),
            }],
            Self::NotFound { .. }
            | Self::Files { .. }
            | Self::Index(_)
            | Self::Signers(_)
            | Self::Store(_)
            | Self::Task(_) => Vec::new(),
        }
    }
}

impl From<RepositoryError> for ApiError {
    #[track_caller]
    fn from(error: RepositoryError) -> Self {
        let code = error.code();
        match error {
            RepositoryError::Store(error) => error.into(),
            error if code == ErrorCode::StorageFull => {
                tracing::error!(error = %chain(&error), "the disk of the repository is full");
                Self::new(code, "the server's disk is full").hints(error.hints())
            }
            error if code == ErrorCode::Internal => Self::internal("keeping its repository", &error),
            error => Self::new(code, chain(&error)).hints(error.hints()),
        }
    }
}

impl From<FileNameError> for RepositoryError {
    fn from(error: FileNameError) -> Self {
        Self::FileName(error.into_name())
    }
}

/// Names what was being done to a file.
pub(crate) fn doing(doing: &'static str) -> impl FnOnce(io::Error) -> RepositoryError {
    move |source| RepositoryError::Files { doing, source }
}

/// No room: the disk, a quota, or the largest file that the system allows.
fn is_storage_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
