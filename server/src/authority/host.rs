//! The host CA: certificates that say "this server accepted this key for this identifier".

use jiff::Timestamp;
use muster_shared::crypto::issue::Authority;
use muster_shared::crypto::{Certificate, TrustError, TrustStore};

use super::files::{AuthorityError, after_days, backdated};

/// How long a host's certificate lives, in days; it is issued anew at every registration.
const HOST_DAYS: i64 = 10 * 365;

/// The host CA with its key.
pub struct HostAuthority {
    authority: Authority,
    trust: TrustStore,
}

/// A certificate does not prove that this server accepted this key for this identifier.
#[derive(Debug, thiserror::Error)]
pub enum HostCertificateError {
    #[error("the certificate is for {found:?}, not for {wanted:?}")]
    OtherIdentifier { found: String, wanted: String },
    #[error("the certificate is for another key")]
    OtherKey,
    #[error("the certificate was not issued by this server's host CA")]
    Untrusted(#[source] TrustError),
}

impl HostAuthority {
    pub(super) fn new(authority: Authority) -> Self {
        let trust = TrustStore::new(vec![authority.certificate().clone()]);
        Self { authority, trust }
    }

    /// The CA's certificate.
    pub fn certificate(&self) -> &Certificate {
        self.authority.certificate()
    }

    /// Issues a certificate for a host's key.
    ///
    /// # Errors
    /// The key cannot be read.
    pub fn issue(
        &self,
        spki: &[u8],
        identifier: &str,
        now: Timestamp,
    ) -> Result<Certificate, AuthorityError> {
        let not_after = after_days(now, HOST_DAYS).min(self.certificate().not_after());
        self.authority
            .issue_host(spki, identifier, backdated(now), not_after)
            .map_err(|source| AuthorityError::Issue {
                name: identifier.to_owned(),
                source,
            })
    }

    /// Checks that a certificate was issued by this CA, for this key and this identifier, and is valid.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub fn check(
        &self,
        certificate: &Certificate,
        spki: &[u8],
        identifier: &str,
        now: Timestamp,
    ) -> Result<(), HostCertificateError> {
        if certificate.spki_der() != spki {
            return Err(HostCertificateError::OtherKey);
        }
        let found = certificate.common_name();
        if !found.eq_ignore_ascii_case(identifier) {
            return Err(HostCertificateError::OtherIdentifier {
                found,
                wanted: identifier.to_owned(),
            });
        }
        self.trust
            .check(certificate, &[], now)
            .map_err(HostCertificateError::Untrusted)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::AuthorityFiles;
    use muster_shared::crypto::IdentityKey;

    fn host_authority() -> HostAuthority {
        let folder = tempfile::tempdir().unwrap();
        let files = AuthorityFiles::new(folder.path());
        files.create(&["srv".to_owned()], now()).unwrap();
        files.host_authority().unwrap()
    }

    fn now() -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_certificate_proves_its_own_key_and_identifier_only() {
        let authority = host_authority();
        let (key, other) = (
            IdentityKey::generate().unwrap().spki_der(),
            IdentityKey::generate().unwrap().spki_der(),
        );
        let certificate = authority.issue(&key, "Host-A", now()).unwrap();
        authority.check(&certificate, &key, "host-a", now()).unwrap();
        assert!(matches!(
            authority.check(&certificate, &other, "host-a", now()),
            Err(HostCertificateError::OtherKey)
        ));
        assert!(matches!(
            authority.check(&certificate, &key, "host-b", now()),
            Err(HostCertificateError::OtherIdentifier { .. })
        ));
    }

    #[test]
    fn a_certificate_of_another_server_or_past_its_end_proves_nothing() {
        let (authority, stranger) = (host_authority(), host_authority());
        let key = IdentityKey::generate().unwrap().spki_der();
        let certificate = stranger.issue(&key, "host-a", now()).unwrap();
        assert!(matches!(
            authority.check(&certificate, &key, "host-a", now()),
            Err(HostCertificateError::Untrusted(_))
        ));
        let own = authority.issue(&key, "host-a", now()).unwrap();
        assert!(
            authority
                .check(&own, &key, "host-a", after_days(now(), HOST_DAYS + 1))
                .is_err()
        );
    }
}
