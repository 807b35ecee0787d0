//! What is kept of an identity in the private folder: the record, the key, the certificate.

use std::path::Path;

use muster_shared::crypto::{Certificate, IdentityKey};
use serde::{Deserialize, Serialize};

use super::IdentityError;
use super::identifier::Origin;
use crate::config::is_identifier;
use crate::platform;

pub(super) const KEY_FILE: &str = "host-key.pem";
pub(super) const CERTIFICATE_FILE: &str = "host.crt";
pub(super) const RECORD_FILE: &str = "identity.json";

/// What is stored beside the key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub identifier: String,
    pub origin: Origin,
    #[serde(default)]
    pub registered: bool,
}

pub(super) fn remove(path: &Path) -> Result<(), IdentityError> {
    match fs_err::remove_file(path) {
        Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(IdentityError::Write {
            path: path.to_path_buf(),
            source,
        }),
        _ => Ok(()),
    }
}

pub(super) fn read_record(path: &Path) -> Result<Option<Record>, IdentityError> {
    let bytes = match fs_err::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(source) => {
            return Err(IdentityError::Read {
                path: path.to_path_buf(),
                source,
            });
        }
    };
    let record: Record = serde_json::from_slice(&bytes).map_err(|source| IdentityError::Record {
        path: path.to_path_buf(),
        source,
    })?;
    if !is_identifier(&record.identifier) {
        return Err(IdentityError::Identifier {
            path: path.to_path_buf(),
            identifier: record.identifier,
        });
    }
    Ok(Some(record))
}

pub(super) fn write_record(path: &Path, record: &Record) -> Result<(), IdentityError> {
    let bytes = serde_json::to_vec_pretty(record).map_err(|source| IdentityError::Record {
        path: path.to_path_buf(),
        source,
    })?;
    platform::write_private(path, &bytes).map_err(|source| IdentityError::Write {
        path: path.to_path_buf(),
        source,
    })
}

pub(super) fn load_or_make_key(path: &Path) -> Result<IdentityKey, IdentityError> {
    match fs_err::read_to_string(path) {
        Ok(pem) => IdentityKey::from_pem(&pem).map_err(IdentityError::Key),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = IdentityKey::generate().map_err(IdentityError::Key)?;
            let pem = key.to_pem().map_err(IdentityError::Key)?;
            platform::write_private(path, pem.as_bytes()).map_err(|source| IdentityError::Write {
                path: path.to_path_buf(),
                source,
            })?;
            Ok(key)
        }
        Err(source) => Err(IdentityError::Read {
            path: path.to_path_buf(),
            source,
        }),
    }
}

/// A certificate that is missing, broken or someone else's only means registering without it.
pub(super) fn read_certificate(path: &Path, identifier: &str, key: &IdentityKey) -> Option<Certificate> {
    let pem = fs_err::read_to_string(path).ok()?;
    let certificate = Certificate::from_pem(&pem)
        .inspect_err(|error| tracing::warn!(%error, "the host's certificate cannot be read"))
        .ok()?;
    check_own(&certificate, identifier, key)
        .inspect_err(|error| tracing::warn!(%error, "the stored host certificate is not used"))
        .ok()?;
    Some(certificate)
}

pub(super) fn check_own(
    certificate: &Certificate,
    identifier: &str,
    key: &IdentityKey,
) -> Result<(), IdentityError> {
    let found = certificate.common_name();
    if !found.eq_ignore_ascii_case(identifier) {
        return Err(IdentityError::OtherHost {
            expected: identifier.to_owned(),
            found,
        });
    }
    if certificate.spki_der() != key.spki_der() {
        return Err(IdentityError::OtherKey);
    }
    Ok(())
}
