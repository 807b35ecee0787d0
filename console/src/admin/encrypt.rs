//! Encrypting a package to the key of one host, and opening such files.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::crypto::{Certificate, CertificateError, KeyError, PrivateKey};
use muster_shared::hint::Hint;
use muster_shared::package::encrypted::{self, EncryptedError, MAX_ENCRYPTED_BYTES};
use muster_shared::package::{Package, PackageError, Unverified};
use secrecy::SecretString;

use super::write::{self, Readers};

/// The largest key file, in bytes.
const MAX_KEY_BYTES: u64 = 64 * 1024;

/// Why a file was not encrypted or decrypted; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum EncryptFailure {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} cannot be encrypted")]
    Package {
        path: PathBuf,
        #[source]
        source: PackageError,
    },
    #[error("{path} cannot be used as the host's certificate")]
    Certificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("the key file {path} cannot be used")]
    Key {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error("{path} is not encrypted")]
    NotEncrypted { path: PathBuf },
    #[error("{path} is encrypted already")]
    IsEncrypted { path: PathBuf },
    #[error("{path}")]
    Crypt {
        path: PathBuf,
        #[source]
        source: EncryptedError,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for EncryptFailure {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Package { source, .. } => source.hints(),
            Self::Key { source, .. } => source.hints(),
            Self::Crypt { source, .. } => source.hints(),
            Self::Read { .. }
            | Self::Certificate { .. }
            | Self::NotEncrypted { .. }
            | Self::IsEncrypted { .. }
            | Self::Write { .. } => Vec::new(),
        }
    }
}

/// The text of a key file, to be asked whether it needs a password.
///
/// # Errors
/// It cannot be read.
pub fn read_key_file(path: &Path) -> Result<String, EncryptFailure> {
    let bytes = read(path, MAX_KEY_BYTES)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The key in the text of a key file.
///
/// # Errors
/// It is none, or the password does not open it.
pub fn key(path: &Path, pem: &str, password: Option<&SecretString>) -> Result<PrivateKey, EncryptFailure> {
    PrivateKey::from_pem(pem, password).map_err(|source| EncryptFailure::Key {
        path: path.to_owned(),
        source,
    })
}

/// Encrypts a package file to the key of a certificate.
///
/// # Errors
/// It is no package, or the certificate has no RSA key.
pub fn encrypt(
    file: &Path,
    certificate: &Path,
    out: &Path,
    now: Timestamp,
) -> Result<Certificate, EncryptFailure> {
    let host = Certificate::chain_from_file(certificate)
        .and_then(|chain| chain.into_iter().next().ok_or(CertificateError::Empty))
        .map_err(|source| EncryptFailure::Certificate {
            path: certificate.to_owned(),
            source,
        })?;
    let bytes = read(file, MAX_ENCRYPTED_BYTES as u64)?;
    if encrypted::is_encrypted(&bytes) {
        return Err(EncryptFailure::IsEncrypted {
            path: file.to_owned(),
        });
    }
    Package::<Unverified>::open(file).map_err(|source| EncryptFailure::Package {
        path: file.to_owned(),
        source,
    })?;
    let encrypted = encrypted::encrypt(&bytes, &host, now).map_err(|source| EncryptFailure::Crypt {
        path: file.to_owned(),
        source,
    })?;
    store(out, &encrypted, Readers::Everyone)?;
    Ok(host)
}

/// Decrypts a file; what comes out is not verified.
///
/// # Errors
/// It is not encrypted, or not to this key.
pub fn decrypt(file: &Path, key: &PrivateKey, out: &Path) -> Result<u64, EncryptFailure> {
    let bytes = read(file, MAX_ENCRYPTED_BYTES as u64)?;
    if !encrypted::is_encrypted(&bytes) {
        return Err(EncryptFailure::NotEncrypted {
            path: file.to_owned(),
        });
    }
    let plain = encrypted::decrypt(&bytes, key).map_err(|source| EncryptFailure::Crypt {
        path: file.to_owned(),
        source,
    })?;
    // What was secret on its way stays its reader's own.
    store(out, &plain, Readers::Owner)?;
    Ok(plain.len() as u64)
}

fn store(path: &Path, bytes: &[u8], readers: Readers) -> Result<(), EncryptFailure> {
    write::replace(path, bytes, readers).map_err(|source| EncryptFailure::Write {
        path: path.to_owned(),
        source,
    })
}

fn read(path: &Path, limit: u64) -> Result<Vec<u8>, EncryptFailure> {
    let failed = |source| EncryptFailure::Read {
        path: path.to_owned(),
        source,
    };
    let mut bytes = Vec::new();
    fs_err::File::open(path)
        .and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
        .map_err(failed)?;
    if bytes.len() as u64 > limit {
        return Err(failed(std::io::Error::new(
            std::io::ErrorKind::FileTooLarge,
            format!("it has more than {limit} bytes"),
        )));
    }
    Ok(bytes)
}
