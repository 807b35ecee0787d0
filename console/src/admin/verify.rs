//! Checking a package file against the certificates that one trusts, and looking into one unchecked.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, CertificateError, PrivateKey, TrustStore};
use muster_shared::hint::{Hint, chain};
use muster_shared::package::content::Rules;
use muster_shared::package::{Package, PackageError, Sha1Twins, Unverified, Verified};
use muster_shared::protocol::error::ErrorCode;
use serde::Serialize;

use super::certificate::CertificateFacts;

/// Why a package is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    #[error("the trust folder {path} does not exist")]
    NoTrust { path: PathBuf },
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

impl VerifyError {
    /// The code of this kind of failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::NoTrust { .. } | Self::Trust { .. } | Self::EmptyTrust { .. } => {
                ErrorCode::PackageSignatureUntrusted
            }
            Self::Unreadable(source) | Self::Package { source, .. } => source.code(),
        }
    }
}

impl Hint for VerifyError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::EmptyTrust { .. } => {
                vec!["put the certificates of the signers you trust into it".to_owned()]
            }
            Self::Package { source, .. } | Self::Unreadable(source) => source.hints(),
            Self::NoTrust { .. } => {
                vec!["name the folder of the certificates that you trust".to_owned()]
            }
            Self::Trust {
                source: CertificateError::InFile { path, .. },
                ..
            } if holds_key(path) => vec![format!(
                "move the key {} elsewhere: the trust folder is for certificates only, keep keys out of it",
                path.display()
            )],
            Self::Trust { .. } => {
                vec!["the trust folder is for certificates only (PEM): take out what is none".to_owned()]
            }
        }
    }
}

/// A key that somebody keeps beside the certificates.
fn holds_key(path: &Path) -> bool {
    super::key_file::read(path).is_ok_and(|text| text.contains("PRIVATE KEY-----"))
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
    /// The rules that it carries, in the sections that have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// The rule of its section that it breaks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What checking one package file gave.
#[derive(Debug, Clone, Serialize)]
pub struct Verdict {
    pub file: PathBuf,
    pub accepted: bool,
    /// The same as a word.
    pub verdict: Word,
    /// Why it is refused.
    pub reason: Option<String>,
    pub code: Option<ErrorCode>,
    /// Common name of the one who signed, when it is accepted.
    pub signer: Option<String>,
    pub package: Option<String>,
    pub version: Option<String>,
    pub section: Option<String>,
    /// It is encrypted to one host and was opened with the key given.
    pub encrypted: bool,
    /// What is odd about it and does not refuse it.
    pub warnings: Vec<String>,
    /// What to do about a refusal.
    pub hints: Vec<String>,
}

/// Whether a machine that trusts the same would take a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    Accepted,
    Refused,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileFacts {
    pub name: String,
    pub size: u64,
}

/// Reads a trust folder, which may be empty.
///
/// # Errors
/// It is missing or cannot be read.
pub fn any_trust(folder: &Path) -> Result<TrustStore, VerifyError> {
    let path = || folder.to_owned();
    if matches!(fs_err::metadata(folder), Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
        return Err(VerifyError::NoTrust { path: path() });
    }
    TrustStore::from_folder(folder).map_err(|source| VerifyError::Trust { path: path(), source })
}

/// Reads a trust folder that must hold at least one certificate.
///
/// # Errors
/// It is missing, empty or cannot be read.
pub fn trust(folder: &Path) -> Result<TrustStore, VerifyError> {
    let store = any_trust(folder)?;
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
    open(path, None)
        .and_then(|(package, _encrypted)| package.verify(trust, now))
        .map_err(|source| refused(path, source))
}

/// Verifies a package file, decrypting it first when it is encrypted and a key is given.
pub fn judge(path: &Path, trust: &TrustStore, key: Option<&PrivateKey>, now: Timestamp) -> Verdict {
    let mut verdict = Verdict {
        file: path.to_owned(),
        accepted: false,
        verdict: Word::Refused,
        reason: None,
        code: None,
        signer: None,
        package: None,
        version: None,
        section: None,
        encrypted: false,
        warnings: Vec::new(),
        hints: Vec::new(),
    };
    let verified = open(path, key).and_then(|(package, encrypted)| {
        verdict.encrypted = encrypted;
        package.verify(trust, now)
    });
    match verified {
        Ok(package) => {
            let control = package.control();
            verdict.accepted = true;
            verdict.verdict = Word::Accepted;
            verdict.signer = Some(package.signer().common_name());
            verdict.package = Some(control.package().to_owned());
            verdict.version = Some(control.version().to_owned());
            verdict.section = Some(control.section().to_owned());
            verdict.warnings = warnings(&package);
        }
        Err(error) => {
            let needs_key = matches!(error, PackageError::Encrypted);
            let error = refused(path, error);
            verdict.code = Some(error.code());
            verdict.hints = error.hints();
            if needs_key {
                let here = "give the key of that host: --decrypt-key KEY".to_owned();
                verdict.hints.insert(0, here);
            }
            verdict.reason = Some(match error {
                VerifyError::Package { source, .. } => chain(&source),
                other => chain(&other),
            });
        }
    }
    verdict
}

/// What is odd about a package that is accepted.
fn warnings(package: &Package<Verified>) -> Vec<String> {
    let mut warnings = Vec::new();
    if let Err(error) = package.rules() {
        warnings.push(format!("agents will not install it: {}", chain(&error)));
    }
    match package.sha1_twins() {
        Ok(Sha1Twins::Absent | Sha1Twins::Consistent) => {}
        Ok(Sha1Twins::Contradicting(reason)) => {
            warnings.push(format!(
                "its SHA-1 twins contradict the signed manifest: {reason}"
            ));
        }
        Err(error) => warnings.push(chain(&error)),
    }
    warnings
}

/// Opens a file, with the key when it is encrypted; says whether it was.
fn open(path: &Path, key: Option<&PrivateKey>) -> Result<(Package<Unverified>, bool), PackageError> {
    match (Package::<Unverified>::open(path), key) {
        (Err(PackageError::Encrypted), Some(key)) => {
            Package::<Unverified>::open_encrypted(path, key).map(|package| (package, true))
        }
        (other, _) => other.map(|package| (package, false)),
    }
}

/// The facts of a verified package.
///
/// # Errors
/// The file can no longer be read.
pub fn verified_facts(package: &Package<Verified>, now: Timestamp) -> Result<PackageFacts, VerifyError> {
    let sha256 = package
        .sha256()
        .map_err(|source| refused(package.path(), source))?;
    Ok(PackageFacts {
        path: package.path().to_owned(),
        size: package.size(),
        sha256,
        verified: true,
        control: package.control().clone(),
        signer: Some(CertificateFacts::of(package.signer(), now)),
        files: files(package),
        problem: package.rules().err().map(|error| chain(&error)),
        rules: package.rules().unwrap_or_default(),
    })
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
        problem: package.claimed_rules().err().map(|error| chain(&error)),
        rules: package.claimed_rules().unwrap_or_default(),
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
