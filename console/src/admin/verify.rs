//! Checking a package file against the certificates that one trusts, and looking into one unchecked.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, CertificateError, TrustStore};
use muster_shared::hint::Hint;
use muster_shared::package::{Package, PackageError, Unverified, Verified};
use serde::Serialize;

use super::certificate::CertificateFacts;

/// Why a package is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the trust folder {path} cannot be used")]
    Trust {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("the trust folder {path} holds no certificate (.crt, .pem)")]
    EmptyTrust { path: PathBuf },
    #[error(transparent)]
    Unreadable(PackageError),
    #[error("{path} is refused")]
    Package {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
}

impl Hint for VerifyError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::EmptyTrust { .. } => {
                vec!["put the certificates of the signers you trust into it".to_owned()]
            }
            Self::Package { source, .. } | Self::Unreadable(source) => source.hints(),
            Self::Trust { .. } => Vec::new(),
        }
    }
}

/// What is in a package file.
#[derive(Debug, Clone, Serialize)]
pub struct PackageFacts {
    pub path: PathBuf,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Hex SHA-256 of the file; empty while the package is not verified.
    pub sha256: String,
    pub verified: bool,
    pub control: Control,
    /// As the package itself says; believed only when `verified`.
    pub signer: Option<CertificateFacts>,
    /// Relative paths and sizes, in bytes.
    pub files: Vec<FileFacts>,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    pub name: String,
    pub size: u64,
}

/// Reads a trust folder that must hold at least one certificate.
///
/// # Errors
/// It is missing, empty or cannot be read.
pub fn trust(folder: &Path) -> Result<TrustStore, VerifyError> {
    let store = TrustStore::from_folder(folder).map_err(|source| VerifyError::Trust {
        path: folder.to_owned(),
        source,
    })?;
    if store.is_empty() {
        return Err(VerifyError::EmptyTrust {
            path: folder.to_owned(),
        });
    }
    Ok(store)
}

/// Verifies a package file as an agent would.
///
/// # Errors
/// The first check that fails.
pub fn verify(path: &Path, trust: &TrustStore, now: Timestamp) -> Result<Package<Verified>, VerifyError> {
    let refused = |source| refused(path, source);
    Package::<Unverified>::open(path)
        .map_err(refused)?
        .verify(trust, now)
        .map_err(refused)
}

/// The facts of a verified package.
pub fn verified_facts(package: &Package<Verified>, now: Timestamp) -> PackageFacts {
    PackageFacts {
        path: package.path().to_owned(),
        size: package.size(),
        sha256: package.sha256().to_owned(),
        verified: true,
        control: package.control().clone(),
        signer: Some(CertificateFacts::of(package.signer(), now)),
        files: files(package),
    }
}

/// What a package file says of itself, believing nothing.
///
/// # Errors
/// The file is no package that can be read.
pub fn look(path: &Path, now: Timestamp) -> Result<PackageFacts, VerifyError> {
    let package = Package::<Unverified>::open(path).map_err(|source| refused(path, source))?;
    let certificates: Vec<Certificate> = package.certificates().unwrap_or_default();
    Ok(PackageFacts {
        path: path.to_owned(),
        size: package.size(),
        sha256: String::new(),
        verified: false,
        control: package.control().clone(),
        signer: certificates
            .first()
            .map(|certificate| CertificateFacts::of(certificate, now)),
        files: files(&package),
    })
}

/// A file that is not there says nothing about a package.
fn refused(path: &Path, source: PackageError) -> VerifyError {
    if matches!(source, PackageError::Read { .. }) {
        VerifyError::Unreadable(source)
    } else {
        VerifyError::Package {
            path: path.to_owned(),
            source,
        }
    }
}

fn files<S>(package: &Package<S>) -> Vec<FileFacts> {
    let entries = package.entries().iter().filter(|entry| !entry.is_dir());
    entries
        .map(|entry| FileFacts {
            name: entry.name.clone(),
            size: entry.size,
        })
        .collect()
}
