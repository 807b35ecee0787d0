//! Sending a package file to the repository of a server.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use muster_shared::control::{Control, Section};
use muster_shared::hint::Hint;
use muster_shared::package::{Package, PackageError, Unverified};
use muster_shared::protocol::package::Uploaded;
use sha2::{Digest as _, Sha256};

use crate::client::{Client, ClientError};

/// Why a package was not uploaded.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    #[error("{path} cannot be uploaded")]
    Package {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
    #[error("{path} is the package of a host, not one for the repository")]
    HostPackage { path: PathBuf },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the server did not take {path}")]
    Server {
        path: PathBuf,
        #[source]
        source: ClientError,
    },
}

impl Hint for UploadError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Package { source, .. } => source.hints(),
            Self::HostPackage { .. } => {
                vec!["assign packages with: muster host edit HOST --require NAME".to_owned()]
            }
            Self::Server { source, .. } => source.hints(),
            Self::Read { .. } => Vec::new(),
        }
    }
}

/// A package file that may be sent.
#[derive(Debug, Clone)]
pub struct Upload {
    pub path: PathBuf,
    pub control: Control,
    /// Hex SHA-256 of the file.
    pub sha256: String,
}

/// Looks at a file before it is sent: what the server would refuse anyway is refused here at once.
///
/// # Errors
/// It is no signed package, breaks a rule, or is the package of a host.
pub fn check(path: &Path) -> Result<Upload, UploadError> {
    let refused = |source| UploadError::Package {
        path: path.to_owned(),
        source,
    };
    let package = Package::<Unverified>::open(path).map_err(refused)?;
    package.certificates().map_err(refused)?;
    let control = package.control().clone();
    if control.is_section(Section::Host) {
        return Err(UploadError::HostPackage {
            path: path.to_owned(),
        });
    }
    let problems = control.problems_for_signing();
    if !problems.is_empty() {
        return Err(refused(PackageError::Problems(problems)));
    }
    let sha256 = digest(path).map_err(|source| UploadError::Read {
        path: path.to_owned(),
        source,
    })?;
    Ok(Upload {
        path: path.to_owned(),
        control,
        sha256,
    })
}

fn digest(path: &Path) -> std::io::Result<String> {
    let mut file = fs_err::File::open(path)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 256 * 1024];
    loop {
        let count = file.read(&mut chunk)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(hex::encode(hash.finalize()));
        }
        hash.update(bytes);
    }
}

/// Sends a checked file; `progress` hears bytes sent and bytes in all.
///
/// # Errors
/// The server refuses it or does not answer.
pub async fn send(
    client: &Client,
    upload: &Upload,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Uploaded, UploadError> {
    client
        .upload_package(&upload.path, &upload.sha256, progress)
        .await
        .map_err(|source| UploadError::Server {
            path: upload.path.clone(),
            source,
        })
}

/// [`check`], then [`send`].
///
/// # Errors
/// As both.
pub async fn upload(
    client: &Client,
    path: &Path,
    progress: impl FnMut(u64, u64) + Send + 'static,
) -> Result<Uploaded, UploadError> {
    let path = path.to_owned();
    let checked = tokio::task::spawn_blocking(move || check(&path)).await;
    let checked = checked.map_err(|error| UploadError::Read {
        path: PathBuf::new(),
        source: std::io::Error::other(error),
    })??;
    send(client, &checked, progress).await
}
