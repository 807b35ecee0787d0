//! Revocation lists (RFC 5280 §5): which certificates their issuer took back.
//!
//! Parties: an *issuer* signs the list of the serial numbers that it takes back; *anyone* may carry it: a folder,
//! an index, a web server. Order of checks: size; structure and both algorithm fields; a list that is not a
//! whole one (delta, indirect, only some reasons) is refused, and so is a critical extension that is not
//! understood; when a certificate is judged, the list's signature by the very key that issued the certificate.
//! Only then does the list count as known. A list with a bad signature is as good as none, so that nobody can
//! block a signer with a forged one. Of the known lists of an issuer the newest counts; one that ended without a
//! successor refuses, because an attacker may be holding the successor back. A list by which a self-signed issuer
//! took itself back counts for ever, and nothing that its key signs afterwards counts any more: whoever stole the
//! key would take the revocation back with it.

mod issuers;
mod lists;
mod read;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use der::asn1::BitString;
use der::{Decode as _, Reader as _, Tag, TagNumber};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::CrlReason;
use x509_cert::name::Name;

use super::certificate::{self, Certificate};
pub(super) use issuers::Issuers;
pub(super) use lists::Lists;
use read::{Facts, enter, entries, next_is};

/// The largest revocation list that is read, in bytes.
pub const MAX_CRL_BYTES: usize = 4 << 20;

/// The most parts that count of what one key publishes: one for leaves, one for authorities, and the same again
/// when an issuer moves them. Of more the newest count.
pub const MAX_PARTS: usize = 4;

/// The most certificates that one list may take back.
const MAX_ENTRIES: usize = 100_000;

/// The most lists in one PEM text.
const MAX_IN_PEM: usize = 100;

/// Why bytes are not a usable revocation list.
#[derive(Debug, thiserror::Error)]
pub enum CrlError {
    #[error("the revocation list is larger than {MAX_CRL_BYTES} bytes")]
    TooLarge,
    #[error("the revocation list names more than {MAX_ENTRIES} certificates")]
    TooManyEntries,
    #[error("the PEM text cannot be read")]
    NotPem,
    #[error("the PEM text holds no revocation list")]
    Empty,
    #[error("the PEM text holds more than {MAX_IN_PEM} revocation lists")]
    TooMany,
    #[error("not a revocation list that can be read")]
    Der(#[source] der::Error),
    #[error("the revocation list names two different signature algorithms")]
    Algorithms,
    #[error("the signature of the revocation list is not made of whole bytes")]
    Signature,
    #[error("the revocation list only holds changes to another one (delta); a complete one is needed")]
    Delta,
    #[error("the revocation list speaks for other issuers too (indirect); each issuer's own is needed")]
    Indirect,
    #[error("the revocation list is only about some reasons or attribute certificates")]
    Partial,
    #[error("the revocation list has the critical extension {oid}, which is not understood")]
    Critical { oid: String },
    #[error("{path} cannot be used as a revocation list")]
    InFile {
        path: PathBuf,
        #[source]
        source: Box<CrlError>,
    },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// One certificate that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revoked {
    /// When the issuer says that it happened.
    pub at: Timestamp,
    /// Why, when the issuer says so.
    pub reason: Option<Reason>,
}

/// Why a certificate was taken back (RFC 5280 §5.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    KeyCompromise,
    CaCompromise,
    AffiliationChanged,
    Superseded,
    CessationOfOperation,
    CertificateHold,
    PrivilegeWithdrawn,
    AaCompromise,
}

impl Reason {
    /// Every reason, in the order of its number.
    pub const ALL: [Self; 8] = [
        Self::KeyCompromise,
        Self::CaCompromise,
        Self::AffiliationChanged,
        Self::Superseded,
        Self::CessationOfOperation,
        Self::CertificateHold,
        Self::PrivilegeWithdrawn,
        Self::AaCompromise,
    ];

    /// The name of the standard, as tools print it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::KeyCompromise => "keyCompromise",
            Self::CaCompromise => "cACompromise",
            Self::AffiliationChanged => "affiliationChanged",
            Self::Superseded => "superseded",
            Self::CessationOfOperation => "cessationOfOperation",
            Self::CertificateHold => "certificateHold",
            Self::PrivilegeWithdrawn => "privilegeWithdrawn",
            Self::AaCompromise => "aACompromise",
        }
    }

    pub(super) fn to_crl(self) -> CrlReason {
        match self {
            Self::KeyCompromise => CrlReason::KeyCompromise,
            Self::CaCompromise => CrlReason::CaCompromise,
            Self::AffiliationChanged => CrlReason::AffiliationChanged,
            Self::Superseded => CrlReason::Superseded,
            Self::CessationOfOperation => CrlReason::CessationOfOperation,
            Self::CertificateHold => CrlReason::CertificateHold,
            Self::PrivilegeWithdrawn => CrlReason::PrivilegeWithdrawn,
            Self::AaCompromise => CrlReason::AaCompromise,
        }
    }

    fn from_crl(reason: CrlReason) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.to_crl() == reason)
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which certificates of its issuer a list is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    All,
    Leaves,
    Authorities,
}

/// A revocation list. Holding one says nothing about trust: its signature counts only where a certificate of
/// its issuer is judged.
#[derive(Clone)]
pub struct RevocationList {
    der: Vec<u8>,
    /// Where the signed part stands in `der`.
    tbs: Range<usize>,
    algorithm: String,
    signature: Vec<u8>,
    issuer: Name,
    authority_key_id: Option<Vec<u8>>,
    /// Big-endian without leading zeroes.
    number: Option<Vec<u8>>,
    this_update: Timestamp,
    next_update: Option<Timestamp>,
    scope: Scope,
    /// The issuing distribution point in DER; empty for a list that is all that its issuer publishes.
    part: Vec<u8>,
    revoked: HashMap<Box<[u8]>, Revoked>,
    fingerprint: [u8; 32],
}

impl RevocationList {
    /// Reads one list in DER.
    ///
    /// # Errors
    /// Each way in which the bytes are not one whole, complete list.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        Self::parse(der, true)
    }

    /// Everything but the entries: enough to judge the signature, at no cost in memory.
    pub(super) fn outline(der: &[u8]) -> Result<Self, CrlError> {
        Self::parse(der, false)
    }

    fn parse(der: &[u8], with_entries: bool) -> Result<Self, CrlError> {
        if der.len() > MAX_CRL_BYTES {
            return Err(CrlError::TooLarge);
        }
        let mut outer = enter(der)?;
        let start = usize::try_from(outer.position()).map_err(|_error| CrlError::TooLarge)?;
        let tbs = outer.tlv_bytes().map_err(CrlError::Der)?;
        let algorithm = spki::AlgorithmIdentifierOwned::decode(&mut outer).map_err(CrlError::Der)?;
        let signature = BitString::decode(&mut outer).map_err(CrlError::Der)?;
        outer.finish().map_err(CrlError::Der)?;
        // One list has one form: otherwise the same signature would carry two fingerprints.
        let signature = signature.as_bytes().ok_or(CrlError::Signature)?.to_vec();

        let mut inner = enter(tbs)?;
        if next_is(&inner, &[Tag::Integer]) {
            u8::decode(&mut inner).map_err(CrlError::Der)?;
        }
        let named = spki::AlgorithmIdentifierOwned::decode(&mut inner).map_err(CrlError::Der)?;
        if named != algorithm {
            return Err(CrlError::Algorithms);
        }
        let issuer = Name::decode(&mut inner).map_err(CrlError::Der)?;
        let this_update = x509_cert::time::Time::decode(&mut inner).map_err(CrlError::Der)?;
        let next_update = if next_is(&inner, &[Tag::UtcTime, Tag::GeneralizedTime]) {
            Some(x509_cert::time::Time::decode(&mut inner).map_err(CrlError::Der)?)
        } else {
            None
        };
        let revoked = if next_is(&inner, &[Tag::Sequence]) {
            let list = inner.tlv_bytes().map_err(CrlError::Der)?;
            if with_entries {
                entries(list)?
            } else {
                HashMap::new()
            }
        } else {
            HashMap::new()
        };
        let extensions = if inner.is_finished() {
            Vec::new()
        } else {
            der::asn1::ContextSpecific::<Vec<Extension>>::decode_explicit(&mut inner, TagNumber(0))
                .map_err(CrlError::Der)?
                .map(|tagged| tagged.value)
                .unwrap_or_default()
        };
        inner.finish().map_err(CrlError::Der)?;
        let facts = Facts::of(&extensions)?;
        Ok(Self {
            tbs: start..start + tbs.len(),
            algorithm: algorithm.oid.to_string(),
            signature,
            issuer,
            authority_key_id: facts.authority_key_id,
            number: facts.number,
            this_update: certificate::timestamp(this_update),
            next_update: next_update.map(certificate::timestamp),
            scope: facts.scope,
            part: facts.part,
            revoked,
            fingerprint: Sha256::digest(der).into(),
            der: der.to_vec(),
        })
    }

    /// Reads a list in DER, or all lists of a PEM text; anything between the PEM blocks is passed over.
    ///
    /// # Errors
    /// When there is none, or one of them cannot be used.
    pub fn all_from_bytes(bytes: &[u8]) -> Result<Vec<Self>, CrlError> {
        use rustls::pki_types::pem::PemObject as _;
        if bytes.first() == Some(&0x30) {
            return Ok(vec![Self::from_der(bytes)?]);
        }
        let mut lists = Vec::new();
        for item in rustls::pki_types::CertificateRevocationListDer::pem_slice_iter(bytes) {
            let der = item.map_err(|_error| CrlError::NotPem)?;
            if lists.len() == MAX_IN_PEM {
                return Err(CrlError::TooMany);
            }
            lists.push(Self::from_der(&der)?);
        }
        if lists.is_empty() {
            Err(CrlError::Empty)
        } else {
            Ok(lists)
        }
    }

    /// Reads all lists of a file, DER or PEM.
    ///
    /// # Errors
    /// When the file cannot be read, and as [`Self::all_from_bytes`] with the file's name.
    pub fn all_from_file(path: &Path) -> Result<Vec<Self>, CrlError> {
        use std::io::Read as _;
        let read = |source| CrlError::Read {
            path: path.to_owned(),
            source,
        };
        let mut bytes = Vec::new();
        // PEM takes a third more, and there may be several.
        let limit = 8 * MAX_CRL_BYTES as u64;
        let file = fs_err::File::open(path).map_err(read)?;
        file.take(limit + 1).read_to_end(&mut bytes).map_err(read)?;
        let in_file = |source| CrlError::InFile {
            path: path.to_owned(),
            source: Box::new(source),
        };
        if bytes.len() as u64 > limit {
            return Err(in_file(CrlError::TooLarge));
        }
        Self::all_from_bytes(&bytes).map_err(in_file)
    }

    /// The list in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The list in PEM.
    pub fn to_pem(&self) -> String {
        der::pem::encode_string("X509 CRL", der::pem::LineEnding::LF, &self.der).unwrap_or_default()
    }

    /// Lower-case hex SHA-256 of the DER.
    pub fn fingerprint(&self) -> String {
        hex::encode(self.fingerprint)
    }

    /// Names the series of lists that this one belongs to, in lower-case hex: the key of the issuer that verified it,
    /// and the part. A newer list has the same name, one of another issuer or about another part of the certificates
    /// has another. The list by which an issuer took itself back stands alone: nothing takes its place.
    pub fn series(&self, issuer: &Certificate) -> String {
        if self.takes_back_itself(issuer) {
            return format!("{}-itself-{}", issuer.spki_sha256(), issuer.serial());
        }
        let part = hex::encode(Sha256::digest(&self.part));
        format!("{}-{}", issuer.spki_sha256(), part.get(..16).unwrap_or(&part))
    }

    /// The list names the serial number of its own issuer's certificate, which is self-signed.
    pub fn takes_back_itself(&self, issuer: &Certificate) -> bool {
        issuer.is_self_issued() && self.entry(issuer.serial_bytes()).is_some()
    }

    /// The issuer as RFC 4514 text.
    pub fn issuer(&self) -> String {
        self.issuer.to_string()
    }

    /// The identifier of the issuer's key, lower-case hex, when the list names it.
    pub fn authority_key_id(&self) -> Option<String> {
        self.authority_key_id.as_ref().map(hex::encode)
    }

    /// The list's number, big-endian; it grows from list to list.
    pub fn number(&self) -> Option<&[u8]> {
        self.number.as_deref()
    }

    /// When the list was made.
    pub fn this_update(&self) -> Timestamp {
        self.this_update
    }

    /// When the next one is due at the latest; `None` when the issuer promises none.
    pub fn next_update(&self) -> Option<Timestamp> {
        self.next_update
    }

    /// The list ended without a successor.
    pub fn is_expired(&self, at: Timestamp) -> bool {
        self.next_update.is_some_and(|next| at > next)
    }

    /// Serial numbers in lower-case hex, and when and why each was taken back; in no order.
    pub fn entries(&self) -> impl Iterator<Item = (String, Revoked)> {
        self.revoked
            .iter()
            .map(|(serial, revoked)| (hex::encode(serial), *revoked))
    }

    /// How many certificates the list takes back.
    pub fn len(&self) -> usize {
        self.revoked.len()
    }

    /// The list takes nothing back.
    pub fn is_empty(&self) -> bool {
        self.revoked.is_empty()
    }

    /// The issuer's key made the signature, and the issuer's name or key identifier is the list's.
    pub fn is_signed_by(&self, issuer: &Certificate) -> bool {
        self.may_be_of(issuer) && issuer.may_sign_lists() && self.has_signature_of(issuer)
    }

    fn has_signature_of(&self, issuer: &Certificate) -> bool {
        certificate::verify_by(
            issuer,
            &self.algorithm,
            self.der.get(self.tbs.clone()).unwrap_or_default(),
            &self.signature,
        )
        .is_ok()
    }

    /// What the list says about a serial number; meaningful only for certificates of the list's issuer.
    pub fn entry(&self, serial: &[u8]) -> Option<Revoked> {
        self.revoked.get(serial).copied()
    }

    fn may_be_of(&self, issuer: &Certificate) -> bool {
        let same_key = match (&self.authority_key_id, issuer.subject_key_id()) {
            (Some(named), Some(own)) => Some(*named == own),
            _ => None,
        };
        same_key.unwrap_or_else(|| self.issuer == *issuer.subject_name())
    }

    fn covers(&self, certificate: &Certificate) -> bool {
        match self.scope {
            Scope::All => true,
            Scope::Leaves => !certificate.is_ca(),
            Scope::Authorities => certificate.is_ca(),
        }
    }

    /// By number when both have one, then by date.
    fn age(&self, other: &Self) -> std::cmp::Ordering {
        let by_number = match (&self.number, &other.number) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            _ => std::cmp::Ordering::Equal,
        };
        by_number.then(self.this_update.cmp(&other.this_update))
    }
}

impl std::fmt::Debug for RevocationList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RevocationList")
            .field("issuer", &self.issuer())
            .field("this_update", &self.this_update)
            .field("revoked", &self.revoked.len())
            .finish_non_exhaustive()
    }
}
