//! The key that opens what is encrypted to this host: its own package, and secrets in packages (protocol.md §1).
//!
//! Parties: this *host* makes the RSA key on first need and keeps it in `private/`; the *server* and packagers
//! learn its certificate from the inventory and encrypt to it. It signs nothing, never answers over the network,
//! and is another key than the identity. A `host-decrypt.pem` that is there already (the key of a WAPT agent)
//! is kept and only gets a certificate.

use std::path::Path;
use std::sync::{Arc, PoisonError};

use jiff::{SignedDuration, Timestamp};
use muster_shared::crypto::{Certificate, PrivateKey, issue};

use super::{Identity, IdentityError};
use crate::platform;

/// The file of the decryption key in the private folder.
pub const KEY_FILE: &str = "host-decrypt.pem";
const CERTIFICATE_FILE: &str = "host-decrypt.crt";
const KEY_BITS: usize = 2048;
/// The certificate only carries the key; a host outlives no 30 years.
const VALID_DAYS: i64 = 30 * 365;

/// A host's decryption key and the certificate that others encrypt to.
#[derive(Debug)]
pub struct DecryptionKey {
    key: PrivateKey,
    certificate: Certificate,
}

impl DecryptionKey {
    /// The private half.
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    #[cfg(test)]
    pub(crate) fn in_folder(folder: &Path, now: Timestamp) -> Result<Arc<Self>, IdentityError> {
        load_or_make(folder, "host", now).map(Arc::new)
    }

    /// What is published in the inventory.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }
}

impl Identity {
    /// The decryption key; made and stored on first need. Blocks for as long as making an RSA key takes.
    ///
    /// # Errors
    /// When the private folder cannot be used, or the key in it is no RSA key that can be read.
    pub fn decryption_key(&self, now: Timestamp) -> Result<Arc<DecryptionKey>, IdentityError> {
        let mut held = self
            .inner
            .decryption
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = held.as_ref() {
            return Ok(Arc::clone(key));
        }
        let made = Arc::new(load_or_make(&self.inner.folder, &self.inner.identifier, now)?);
        *held = Some(Arc::clone(&made));
        Ok(made)
    }
}

fn load_or_make(folder: &Path, identifier: &str, now: Timestamp) -> Result<DecryptionKey, IdentityError> {
    let path = folder.join(KEY_FILE);
    let key = match fs_err::read_to_string(&path) {
        Ok(pem) => PrivateKey::from_pem(&pem, None).map_err(IdentityError::DecryptionKey)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let key = PrivateKey::generate_rsa(KEY_BITS).map_err(IdentityError::DecryptionKey)?;
            let pem = key.to_pem(None).map_err(IdentityError::DecryptionKey)?;
            write(&path, pem.as_bytes())?;
            tracing::info!("made the key that opens what is encrypted to this host");
            key
        }
        Err(source) => return Err(IdentityError::Read { path, source }),
    };
    if !matches!(key, PrivateKey::Rsa(_)) {
        return Err(IdentityError::DecryptionKey(
            muster_shared::crypto::KeyError::Unsupported,
        ));
    }
    let path = folder.join(CERTIFICATE_FILE);
    let spki = key.spki_der().map_err(IdentityError::DecryptionKey)?;
    let stored = fs_err::read_to_string(&path)
        .ok()
        .and_then(|pem| Certificate::from_pem(&pem).ok())
        .filter(|certificate| certificate.spki_der() == spki);
    let certificate = if let Some(certificate) = stored {
        certificate
    } else {
        let certificate = certificate(&key, identifier, now)?;
        write(&path, certificate.to_pem().as_bytes())?;
        certificate
    };
    Ok(DecryptionKey { key, certificate })
}

fn certificate(key: &PrivateKey, identifier: &str, now: Timestamp) -> Result<Certificate, IdentityError> {
    let subject = issue::Subject {
        common_name: identifier.to_owned(),
        ..issue::Subject::default()
    };
    let purpose = issue::Purpose {
        code_signing: false,
        client_auth: false,
        authority: false,
    };
    let day = SignedDuration::from_hours(24);
    issue::self_signed(
        key,
        &subject,
        purpose,
        now.saturating_sub(day).unwrap_or(now),
        now.saturating_add(SignedDuration::from_hours(24 * VALID_DAYS))
            .unwrap_or(now),
    )
    .map_err(IdentityError::DecryptionCertificate)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), IdentityError> {
    platform::write_private(path, bytes).map_err(|source| IdentityError::Write {
        path: path.to_owned(),
        source,
    })
}

#[cfg(test)]
mod tests {
    use muster_shared::clock::now;
    use muster_shared::package::encrypted;

    use super::*;

    #[test]
    fn the_key_is_made_once_and_opens_what_is_encrypted_to_its_certificate() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_make(folder.path(), "Host-1", now()).unwrap();
        assert_eq!(first.certificate().common_name(), "Host-1");
        assert!(!first.certificate().may_sign_code());
        let file = encrypted::encrypt(b"secret", first.certificate(), now()).unwrap();
        // A certificate that was lost is made anew for the same key.
        fs_err::remove_file(folder.path().join(CERTIFICATE_FILE)).unwrap();
        let again = load_or_make(folder.path(), "Host-1", now()).unwrap();
        assert_eq!(encrypted::decrypt(&file, again.key()).unwrap(), b"secret");
        assert_eq!(again.certificate().spki_der(), first.certificate().spki_der());
    }

    #[test]
    fn a_key_that_was_there_is_kept_and_another_kind_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/");
        let path = folder.path().join(KEY_FILE);
        fs_err::copy(golden.to_owned() + "keys/leaf.pem", &path).unwrap();
        let key = load_or_make(folder.path(), "Host-1", now()).unwrap();
        let host = golden.to_owned() + "host-encrypted/4C4C4544-004E-3510-8051-C7C04F325131.wapt";
        encrypted::decrypt(&fs_err::read(host).unwrap(), key.key()).unwrap();
        let ec = PrivateKey::generate_ec().unwrap();
        fs_err::write(&path, ec.to_pem(None).unwrap().as_bytes()).unwrap();
        assert!(load_or_make(folder.path(), "Host-1", now()).is_err());
    }
}
