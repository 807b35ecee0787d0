//! Trust at a given time: does a chain lead from a signer to an anchor?
//!
//! Parties: the *anchors* are the certificates of the caller's trust folder; the *leaf* made the signature;
//! *intermediates* came along with the signed thing and are not trusted for anything but being there.
//! Order of checks: the leaf's key kind and purpose to sign data; for every certificate of the path its
//! dates and its critical extensions; a leaf that is itself an anchor (pinned) ends the check; else each
//! issuer must be a CA that may sign certificates, within its path length, whose key made the signature,
//! until an anchor is reached. At the anchor, every certificate of the path is judged by the newest revocation
//! list that its issuer's key signed; an anchor that is not self-signed by a list of an issuer that is an anchor
//! too. Without a known list it passes; with one that ended, it does not. A key that another anchor took the trust
//! from passes nowhere in a path. WAPT signers are self-signed `CA:TRUE` certificates; pinned, they sign for
//! themselves, so `rustls-webpki`, which refuses CAs as end entities, is not used here.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::certificate::{Certificate, CertificateError};
use super::public_key::KeyKind;
use super::revocation::{CrlError, Issuers, Lists, RevocationList};
use crate::hint::Hint;

/// The longest path from leaf to anchor.
const MAX_DEPTH: usize = 8;

/// The most signature checks of one search, so that a crafted set of intermediates cannot burn time. What cannot
/// be the issuer by its name and key identifier costs none.
pub(super) const MAX_STEPS: usize = 64;

/// The most signature checks when many certificates are asked whether they lead to an anchor.
pub(super) const MAX_LEADING_CHECKS: usize = 200;

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
    #[error("the certificate {name} was revoked on {at} ({reason})")]
    Revoked {
        name: String,
        at: Timestamp,
        reason: &'static str,
    },
    #[error("the key of {name} is trusted no more: {by} took the trust from it")]
    Distrusted { name: String, by: String },
    #[error(
        "the revocation list of {issuer} ended on {next_update}: it cannot be told whether {name} was revoked"
    )]
    CrlExpired {
        name: String,
        issuer: String,
        next_update: Timestamp,
    },
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
            Self::Revoked { .. } | Self::Distrusted { .. } => {
                vec!["sign with another certificate; what this one signed has to be signed again".into()]
            }
            Self::CrlExpired { issuer, .. } => vec![format!(
                "whoever holds the key of {issuer} makes a new list with `muster cert crl` and publishes it with \
                 `muster-server trust add`"
            )],
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

/// The anchors of one endpoint, server or repository, and the revocation lists that it knows.
#[derive(Debug, Clone, Default)]
pub struct TrustStore {
    anchors: Vec<Certificate>,
    lists: Lists,
    /// Keys that are trusted no more, by the SHA-256 of their SubjectPublicKeyInfo, each with who took the trust.
    distrusted: Arc<BTreeMap<String, String>>,
}

impl TrustStore {
    /// A store of exactly these anchors, without revocation lists.
    pub fn new(anchors: Vec<Certificate>) -> Self {
        Self {
            anchors,
            lists: Lists::default(),
            distrusted: Arc::default(),
        }
    }

    /// The same store without trust in some keys (SHA-256 of the SubjectPublicKeyInfo, lower-case hex), each with who
    /// took it: nothing counts that leads through them.
    #[must_use]
    pub fn with_distrusted(mut self, keys: impl IntoIterator<Item = (String, String)>) -> Self {
        Arc::make_mut(&mut self.distrusted).extend(keys);
        self
    }

    /// The same store with revocation lists; see [`Self::add_crls`].
    #[must_use]
    pub fn with_crls(mut self, lists: impl IntoIterator<Item = RevocationList>) -> Self {
        self.add_crls(lists);
        self
    }

    /// Adds revocation lists: each counts only for certificates whose issuer's key signed it, and an older one never
    /// takes the place of a newer one of the same issuer. Those of strangers go through [`Self::read_crls`] first,
    /// which bounds how many there are.
    pub fn add_crls(&mut self, lists: impl IntoIterator<Item = RevocationList>) {
        self.lists.add(lists);
    }

    /// The revocation lists that count, those of anchors first: validly signed by an anchor, or by a CA that leads to
    /// one through the intermediates, the newest of each part, at most [`MAX_PARTS`](super::revocation::MAX_PARTS) of
    /// one key. Of an issuer that was taken back only the list counts by which it took itself back: that one counts
    /// for ever. Each comes with the certificate of its issuer.
    pub fn crls_in_force(
        &self,
        intermediates: &[Certificate],
        at: Timestamp,
    ) -> Vec<(Certificate, Arc<RevocationList>)> {
        Issuers::new(self, intermediates, at).in_force()
    }

    /// Reads revocation lists from a stranger, those of them that could count: validly signed by an anchor, or by a
    /// CA that leads to one. What anybody could have made is not taken apart any further, and the signature checks
    /// are bounded, so that it costs next to nothing. The second part says why bytes are no usable list.
    pub fn read_crls<'a>(
        &self,
        lists: impl IntoIterator<Item = &'a [u8]>,
        intermediates: &[Certificate],
        at: Timestamp,
    ) -> (Vec<RevocationList>, Vec<CrlError>) {
        let mut issuers = Issuers::new(self, intermediates, at);
        let (mut read, mut errors) = (Vec::new(), Vec::new());
        for der in lists {
            match RevocationList::outline(der) {
                Ok(outline) if issuers.have_signed(&outline) => match RevocationList::from_der(der) {
                    Ok(list) => read.push(list),
                    Err(error) => errors.push(error),
                },
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        (read, errors)
    }

    /// Those of the candidates that lead to an anchor, revoked ones too; the signature checks are bounded.
    pub fn leading<'a>(
        &self,
        candidates: impl Iterator<Item = &'a Certificate>,
        intermediates: &[Certificate],
        at: Timestamp,
    ) -> Vec<&'a Certificate> {
        let mut left = MAX_LEADING_CHECKS;
        candidates
            .filter(|candidate| self.leads_to_anchor(candidate, intermediates, at, &mut left))
            .collect()
    }

    /// All revocation lists that the store holds, whether they count or not.
    pub fn crls(&self) -> impl Iterator<Item = &RevocationList> {
        self.lists.iter().map(AsRef::as_ref)
    }

    /// Revoked ones too. Takes the signature checks that it cost from `left`.
    pub(super) fn leads_to_anchor(
        &self,
        certificate: &Certificate,
        intermediates: &[Certificate],
        at: Timestamp,
        left: &mut usize,
    ) -> bool {
        if self.is_pinned(certificate) {
            return true;
        }
        if *left == 0 || usable(certificate, at).is_err() {
            return false;
        }
        let mut search = Search::new(self, intermediates, at);
        search.limit = MAX_STEPS.min(*left);
        search.is_lenient = true;
        let leads = search.extend(&mut vec![certificate.clone()]);
        *left -= search.steps;
        leads
    }

    /// The issuer of lists was taken back itself, or a CA above it.
    pub(super) fn is_revoked(
        &self,
        issuer: &Certificate,
        intermediates: &[Certificate],
        at: Timestamp,
    ) -> bool {
        let mut search = Search::new(self, intermediates, at);
        !search.extend(&mut vec![issuer.clone()])
            && matches!(
                search.better,
                Some(TrustError::Revoked { .. } | TrustError::Distrusted { .. })
            )
    }

    pub(super) fn lists(&self) -> &Lists {
        &self.lists
    }

    /// How many signatures of lists were computed.
    #[cfg(test)]
    pub(super) fn list_checks(&self) -> usize {
        self.lists.checks()
    }

    /// Every certificate of every `.crt` and `.pem` file of a folder, in file name order, and every revocation
    /// list of every `.crl` file. A folder that does not exist is an empty store.
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
        let (mut files, mut list_files) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry.map_err(read)?.path();
            let extension = path.extension().and_then(|extension| extension.to_str());
            match extension {
                Some("crt" | "pem") => files.push(path),
                Some("crl") => list_files.push(path),
                _ => {}
            }
        }
        files.sort();
        list_files.sort();
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
        let mut store = Self::new(anchors);
        for file in list_files {
            store.add_crls(RevocationList::all_from_file(&file).map_err(|error| match error {
                CrlError::Read { path, source } => CertificateError::Read { path, source },
                error => CertificateError::Crl(Box::new(error)),
            })?);
        }
        Ok(store)
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
        let mut search = Search::new(self, intermediates, at);
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
    /// Signature checks so far, and at most.
    steps: usize,
    limit: usize,
    /// Whether a path counts whose certificates were taken back.
    is_lenient: bool,
    /// The reason on a path that would otherwise have led to an anchor.
    better: Option<TrustError>,
}

impl<'a> Search<'a> {
    fn new(store: &'a TrustStore, intermediates: &'a [Certificate], at: Timestamp) -> Self {
        Self {
            store,
            intermediates,
            at,
            steps: 0,
            limit: MAX_STEPS,
            is_lenient: false,
            better: None,
        }
    }

    /// Extends the path to an anchor; on failure leaves it as it was.
    fn extend(&mut self, path: &mut Vec<Certificate>) -> bool {
        let Some(last) = path.last().cloned() else {
            return false;
        };
        if self.store.is_pinned(&last) {
            if self.is_lenient {
                return true;
            }
            return match self.judge_revocation(path) {
                Ok(()) => true,
                Err(error) => {
                    self.better.get_or_insert(error);
                    false
                }
            };
        }
        if path.len() >= MAX_DEPTH {
            return false;
        }
        let candidates: Vec<&Certificate> = self.store.anchors.iter().chain(self.intermediates).collect();
        for issuer in candidates {
            if self.steps >= self.limit || !last.may_be_issued_by(issuer) || path.contains(issuer) {
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

    /// Every certificate of a path to an anchor by its key, and by the lists of its issuer.
    fn judge_revocation(&self, path: &[Certificate]) -> Result<(), TrustError> {
        let distrusted = &self.store.distrusted;
        if !distrusted.is_empty() {
            for certificate in path {
                if let Some(by) = distrusted.get(&certificate.spki_sha256()) {
                    return Err(TrustError::Distrusted {
                        name: certificate.common_name(),
                        by: by.clone(),
                    });
                }
            }
        }
        let lists = &self.store.lists;
        if lists.is_empty() {
            return Ok(());
        }
        for (place, certificate) in path.iter().enumerate() {
            let issuer = match path.get(place + 1) {
                Some(issuer) => Some(issuer),
                None if certificate.is_issued_by(certificate) => Some(certificate),
                None => self
                    .store
                    .anchors
                    .iter()
                    .find(|anchor| anchor.is_ca() && certificate.is_issued_by(anchor)),
            };
            if let Some(issuer) = issuer {
                lists.judge(certificate, issuer, self.at)?;
            }
        }
        Ok(())
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
