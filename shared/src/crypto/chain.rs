//! Trust at a given time: does a chain lead from a signer to an anchor?
//!
//! Parties: the *anchors* are the certificates of the caller's trust folder; the *leaf* made the signature;
//! *intermediates* came along with the signed thing and are not trusted for anything but being there.
//! Order of checks: the leaf's key kind and purpose to sign data; for every certificate of the path its
//! dates and its critical extensions; a leaf that is itself an anchor (pinned) ends the check; else each
//! issuer must be a CA that may sign certificates, within its path length, whose key made the signature,
//! until an anchor is reached. WAPT signers are self-signed `CA:TRUE` certificates; pinned, they sign for
//! themselves, so `rustls-webpki`, which refuses CAs as end entities, is not used here.

use std::path::Path;

use jiff::Timestamp;

use super::certificate::{Certificate, CertificateError};
use super::public_key::KeyKind;
use crate::hint::Hint;

/// The longest path from leaf to anchor.
const MAX_DEPTH: usize = 8;

/// The most signature checks of one search, so that a crafted set of intermediates cannot burn time.
const MAX_STEPS: usize = 64;

/// Why a signer is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    #[error("no trusted certificate issued the signer {signer} (issuer: {issuer})")]
    UnknownIssuer { signer: String, issuer: String },
    #[error("the certificate {name} expired on {not_after}")]
    Expired { name: String, not_after: Timestamp },
    #[error("the certificate {name} is not valid before {not_before}")]
    NotYetValid { name: String, not_before: Timestamp },
    #[error("the certificate {name} has the critical extension {oid}, which is not understood")]
    CriticalExtension { name: String, oid: String },
    #[error("the key of {name} is not supported (RSA 2048 to 4096 or EC P-256)")]
    UnsupportedKey { name: String },
    #[error("the certificate {name} may not sign data (key usage)")]
    NotForSigning { name: String },
    #[error("the certificate {name} is made for {purposes}, not for a person who signs")]
    WrongPurpose { name: String, purposes: String },
    #[error("the extension {oid} of the certificate {name} is damaged")]
    DamagedExtension { name: String, oid: String },
}

impl Hint for TrustError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnknownIssuer { .. } => {
                vec!["add the signer's certificate, or the CA that issued it, to the trust folder".into()]
            }
            Self::Expired { .. } => {
                vec!["renew the certificate with the same key and sign again".into()]
            }
            Self::NotYetValid { .. } => vec!["check the clock of this machine".into()],
            Self::CriticalExtension { .. }
            | Self::UnsupportedKey { .. }
            | Self::NotForSigning { .. }
            | Self::WrongPurpose { .. }
            | Self::DamagedExtension { .. } => {
                vec!["sign with a certificate made for signing, for example by `muster key create`".into()]
            }
        }
    }
}

/// The anchors of one endpoint, server or repository.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
}

impl TrustStore {
    /// A store of exactly these anchors.
    pub fn new(anchors: Vec<Certificate>) -> Self {
        Self { anchors }
    }

    /// Every certificate of every `.crt` and `.pem` file of a folder, in file name order. A folder that
    /// does not exist is an empty store.
    ///
    /// # Errors
    /// When the folder or a file in it cannot be read: trust is never half-loaded silently.
    pub fn from_folder(folder: &Path) -> Result<Self, CertificateError> {
        let read = |source| CertificateError::Read {
            path: folder.to_owned(),
            source,
        };
        let entries = match fs_err::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(read(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let path = entry.map_err(read)?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            if matches!(extension, Some("crt" | "pem")) {
                files.push(path);
            }
        }
        files.sort();
        let mut anchors: Vec<Certificate> = Vec::new();
        for file in files {
            // Which file it is matters more than what is wrong with it.
            let certificates = Certificate::chain_from_file(&file).map_err(|source| match source {
                read @ CertificateError::Read { .. } => read,
                source => CertificateError::InFile {
                    path: file.clone(),
                    source: Box::new(source),
                },
            })?;
            for certificate in certificates {
                if !anchors.contains(&certificate) {
                    anchors.push(certificate);
                }
            }
        }
        Ok(Self { anchors })
    }

    /// The anchors.
    pub fn anchors(&self) -> &[Certificate] {
        &self.anchors
    }

    /// Nothing is trusted.
    pub fn is_empty(&self) -> bool {
        self.anchors.is_empty()
    }

    /// The very certificate is an anchor.
    pub fn is_pinned(&self, certificate: &Certificate) -> bool {
        self.anchors.contains(certificate)
    }

    /// Checks that the leaf is trusted as a person's signature on packages at a time: as [`Self::check`], and a
    /// leaf that is not pinned itself must be made for signing, not for a server or for mail.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub fn check_signer(
        &self,
        leaf: &Certificate,
        intermediates: &[Certificate],
        at: Timestamp,
    ) -> Result<Vec<Certificate>, TrustError> {
        let path = self.check(leaf, intermediates, at)?;
        if !self.is_pinned(leaf)
            && let Err(purposes) = leaf.check_signing_purpose()
        {
            return Err(TrustError::WrongPurpose {
                name: leaf.common_name(),
                purposes,
            });
        }
        Ok(path)
    }

    /// Checks that the leaf is trusted at a time, and returns the path from leaf to anchor.
    ///
    /// # Errors
    /// The first rule that the leaf breaks, or the best reason why no path leads to an anchor.
    pub fn check(
        &self,
        leaf: &Certificate,
        intermediates: &[Certificate],
        at: Timestamp,
    ) -> Result<Vec<Certificate>, TrustError> {
        match leaf.key_kind() {
            KeyKind::Rsa { bits } if (2048..=4096).contains(&bits) => {}
            KeyKind::EcP256 => {}
            KeyKind::Rsa { .. } | KeyKind::Other => {
                return Err(TrustError::UnsupportedKey {
                    name: leaf.common_name(),
                });
            }
        }
        if !leaf.may_sign_data() {
            return Err(TrustError::NotForSigning {
                name: leaf.common_name(),
            });
        }
        usable(leaf, at)?;
        let mut search = Search {
            store: self,
            intermediates,
            at,
            steps: 0,
            better: None,
        };
        let mut path = vec![leaf.clone()];
        if search.extend(&mut path) {
            return Ok(path);
        }
        Err(search.better.unwrap_or_else(|| TrustError::UnknownIssuer {
            signer: leaf.common_name(),
            issuer: leaf.issuer(),
        }))
    }
}

/// One depth-first search for a path.
struct Search<'a> {
    store: &'a TrustStore,
    intermediates: &'a [Certificate],
    at: Timestamp,
    steps: usize,
    /// The reason on a path that would otherwise have led to an anchor.
    better: Option<TrustError>,
}

impl Search<'_> {
    /// Extends the path to an anchor; on failure leaves it as it was.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> bool {
        let Some(last) = path.last().cloned() else {
            return false;
        };
        if self.store.is_pinned(&last) {
            return true;
        }
        if path.len() >= MAX_DEPTH {
            return false;
        }
        let candidates: Vec<&Certificate> = self.store.anchors.iter().chain(self.intermediates).collect();
        for issuer in candidates {
            if path.contains(issuer) || self.steps >= MAX_STEPS {
                continue;
            }
            // The leaf does not count towards the path length (RFC 5280 §4.2.1.9).
            let cas_below = path.len() - 1;
            let within_length = issuer
                .path_length()
                .is_none_or(|length| cas_below <= usize::from(length));
            if !issuer.is_ca() || !issuer.may_sign_certificates() || !within_length {
                continue;
            }
            self.steps += 1;
            if !last.is_issued_by(issuer) {
                continue;
            }
            if let Err(error) = usable(issuer, self.at) {
                self.better.get_or_insert(error);
                continue;
            }
            path.push(issuer.clone());
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        false
    }
}

/// Dates and critical extensions.
fn usable(certificate: &Certificate, at: Timestamp) -> Result<(), TrustError> {
    let name = || certificate.common_name();
    if at < certificate.not_before() {
        return Err(TrustError::NotYetValid {
            name: name(),
            not_before: certificate.not_before(),
        });
    }
    if at > certificate.not_after() {
        return Err(TrustError::Expired {
            name: name(),
            not_after: certificate.not_after(),
        });
    }
    if let Some(oid) = certificate.damaged_extension() {
        return Err(TrustError::DamagedExtension { name: name(), oid });
    }
    if let Some(oid) = certificate.unknown_critical_extension() {
        return Err(TrustError::CriticalExtension { name: name(), oid });
    }
    Ok(())
}
