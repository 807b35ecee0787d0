//! An X.509 certificate: what it says, and the signatures that its key made.

mod extensions;

use der::{Decode as _, Encode as _, Reader as _, SliceReader};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, SubjectKeyIdentifier};

use super::public_key::{self, KeyKind, SignatureError};

/// The largest certificate read, in bytes.
const MAX_CERTIFICATE_BYTES: usize = 64 * 1024;

/// The most certificates read from one PEM text.
const MAX_CHAIN: usize = 1000;

/// Why bytes are not a certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    #[error("not a PEM text with certificates")]
    NotPem,
    #[error("the PEM text holds no certificate")]
    Empty,
    #[error(
        "the certificate is larger than {MAX_CERTIFICATE_BYTES} bytes, or there are more than {MAX_CHAIN}"
    )]
    TooLarge,
    #[error("not a certificate that can be read")]
    Der(#[source] der::Error),
    #[error("{path} cannot be used as a certificate")]
    InFile {
        path: std::path::PathBuf,
        #[source]
        source: Box<CertificateError>,
    },
    #[error(transparent)]
    Crl(Box<super::revocation::CrlError>),
    #[error("cannot read {path}")]
    Read {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
}

/// A certificate. Holding one says nothing about trust: see [`super::TrustStore`].
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    /// The part that the issuer signed, as it stands in `der`.
    tbs: Vec<u8>,
    spki: Vec<u8>,
    parsed: x509_cert::Certificate,
}

impl Certificate {
    /// Reads a DER certificate.
    ///
    /// # Errors
    /// When the bytes are not one whole certificate.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(CertificateError::TooLarge);
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(CertificateError::Der)?;
        let tbs = first_element(der).map_err(CertificateError::Der)?.to_vec();
        let spki = parsed
            .tbs_certificate()
            .subject_public_key_info()
            .to_der()
            .map_err(CertificateError::Der)?;
        Ok(Self {
            der: der.to_vec(),
            tbs,
            spki,
            parsed,
        })
    }

    /// Reads the first certificate of a PEM text.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        Self::chain_from_pem(pem)?
            .into_iter()
            .next()
            .ok_or(CertificateError::Empty)
    }

    /// Reads all certificates of a PEM text, in order; anything between the blocks is passed over.
    ///
    /// # Errors
    /// When there is none, or one of them cannot be read.
    pub fn chain_from_pem(pem: &str) -> Result<Vec<Self>, CertificateError> {
        use rustls::pki_types::pem::PemObject as _;
        let mut chain = Vec::new();
        for item in rustls::pki_types::CertificateDer::pem_slice_iter(pem.as_bytes()) {
            let der = item.map_err(|_error| CertificateError::NotPem)?;
            if chain.len() == MAX_CHAIN {
                return Err(CertificateError::TooLarge);
            }
            chain.push(Self::from_der(&der)?);
        }
        if chain.is_empty() {
            Err(CertificateError::Empty)
        } else {
            Ok(chain)
        }
    }

    /// Reads all certificates of a PEM file.
    ///
    /// # Errors
    /// When the file or a certificate in it cannot be read.
    pub fn chain_from_file(path: &std::path::Path) -> Result<Vec<Self>, CertificateError> {
        let text = fs_err::read_to_string(path).map_err(|source| CertificateError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::chain_from_pem(&text)
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate in PEM, 64 columns, ending with a line end.
    pub fn to_pem(&self) -> String {
        der::pem::encode_string("CERTIFICATE", der::pem::LineEnding::LF, &self.der).unwrap_or_default()
    }

    /// Lower-case hex SHA-256 of the DER: names the certificate everywhere.
    pub fn fingerprint(&self) -> String {
        hex::encode(Sha256::digest(&self.der))
    }

    /// Lower-case hex SHA-256 of the public key: stays the same when a certificate is renewed.
    pub fn spki_sha256(&self) -> String {
        hex::encode(Sha256::digest(&self.spki))
    }

    /// The DER SubjectPublicKeyInfo.
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// The kind and size of the public key.
    pub fn key_kind(&self) -> KeyKind {
        public_key::kind(&self.spki)
    }

    /// The subject's common name, or the whole subject when it has none.
    pub fn common_name(&self) -> String {
        self.tbs()
            .subject()
            .common_name()
            .ok()
            .flatten()
            .map_or_else(|| self.subject(), |name| name.value().into_owned())
    }

    /// The subject as RFC 4514 text.
    pub fn subject(&self) -> String {
        self.tbs().subject().to_string()
    }

    /// The issuer as RFC 4514 text.
    pub fn issuer(&self) -> String {
        self.tbs().issuer().to_string()
    }

    /// The serial number in lower-case hex.
    pub fn serial(&self) -> String {
        hex::encode(self.tbs().serial_number().as_bytes())
    }

    /// Valid from this second.
    pub fn not_before(&self) -> Timestamp {
        timestamp(self.tbs().validity().not_before)
    }

    /// Valid to the end of this second.
    pub fn not_after(&self) -> Timestamp {
        timestamp(self.tbs().validity().not_after)
    }

    /// The serial number as it stands in the certificate.
    pub(super) fn serial_bytes(&self) -> &[u8] {
        self.tbs().serial_number().as_bytes()
    }

    /// Subject, issuer and serial number in DER, as tokens keep them beside a certificate.
    #[cfg(feature = "token")]
    pub(super) fn raw_names(&self) -> RawNames {
        use der::Encode as _;
        RawNames {
            subject: self.tbs().subject().to_der().unwrap_or_default(),
            issuer: self.tbs().issuer().to_der().unwrap_or_default(),
            serial: self.tbs().serial_number().to_der().unwrap_or_default(),
        }
    }

    pub(super) fn subject_name(&self) -> &x509_cert::name::Name {
        self.tbs().subject()
    }

    /// The signed part.
    pub(super) fn tbs_der(&self) -> &[u8] {
        &self.tbs
    }

    /// Issuer and subject are the same name.
    pub fn is_self_issued(&self) -> bool {
        self.tbs().issuer() == self.tbs().subject()
    }

    /// Verifies a signature that the certificate's key made over a message.
    ///
    /// # Errors
    /// When the key's kind is not supported or the signature does not match.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        public_key::verify(&self.spki, message, signature)
    }

    /// Verifies a SHA-1 signature of an RSA key: only to say whether an old twin is consistent, never for trust.
    ///
    /// # Errors
    /// When the key is not RSA or the signature does not match.
    pub fn verify_legacy_sha1(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
        let algorithm = &ring::signature::RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY;
        public_key::verify_with(algorithm, &self.spki, message, signature)
    }

    /// Names match and key identifiers do not contradict: only then is the signature worth checking.
    pub(super) fn may_be_issued_by(&self, issuer: &Self) -> bool {
        if self.tbs().issuer() != issuer.tbs().subject() {
            return false;
        }
        match (
            self.extension::<AuthorityKeyIdentifier>()
                .and_then(|aki| aki.key_identifier),
            issuer.extension::<SubjectKeyIdentifier>(),
        ) {
            (Some(wanted), Some(found)) => wanted.as_bytes() == found.0.as_bytes(),
            _ => true,
        }
    }

    /// Names match, key identifiers do not contradict, and the issuer's key made this signature.
    pub fn is_issued_by(&self, issuer: &Self) -> bool {
        if !self.may_be_issued_by(issuer) {
            return false;
        }
        self.verify_issuer_signature(issuer).is_ok()
    }

    fn verify_issuer_signature(&self, issuer: &Self) -> Result<(), SignatureError> {
        verify_by(
            issuer,
            &self.parsed.signature_algorithm().oid.to_string(),
            &self.tbs,
            self.parsed.signature().raw_bytes(),
        )
    }

    fn tbs(&self) -> &x509_cert::TbsCertificate {
        self.parsed.tbs_certificate()
    }
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl std::fmt::Debug for Certificate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificate")
            .field("subject", &self.subject())
            .field("fingerprint", &self.fingerprint())
            .finish_non_exhaustive()
    }
}

/// What tokens keep beside a certificate, in DER.
#[cfg(feature = "token")]
pub(super) struct RawNames {
    pub subject: Vec<u8>,
    pub issuer: Vec<u8>,
    pub serial: Vec<u8>,
}

/// Verifies the signature of a certificate or revocation list by its issuer's key, with the algorithm that it names.
pub(super) fn verify_by(
    issuer: &Certificate,
    algorithm: &str,
    tbs: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    use ring::signature as ring_signature;
    let algorithm: &'static dyn ring_signature::VerificationAlgorithm = match algorithm {
        "1.2.840.113549.1.1.11" => &ring_signature::RSA_PKCS1_2048_8192_SHA256,
        "1.2.840.113549.1.1.12" => &ring_signature::RSA_PKCS1_2048_8192_SHA384,
        "1.2.840.113549.1.1.13" => &ring_signature::RSA_PKCS1_2048_8192_SHA512,
        "1.2.840.10045.4.3.2" => &ring_signature::ECDSA_P256_SHA256_ASN1,
        _ => return Err(SignatureError::UnsupportedAlgorithm),
    };
    public_key::verify_with(algorithm, &issuer.spki, tbs, signature)
}

/// The bytes of the first element inside a DER sequence.
fn first_element(der: &[u8]) -> Result<&[u8], der::Error> {
    let mut reader = SliceReader::new(der)?;
    der::Header::decode(&mut reader)?;
    reader.tlv_bytes()
}

pub(super) fn timestamp(time: x509_cert::time::Time) -> Timestamp {
    i64::try_from(time.to_unix_duration().as_secs())
        .ok()
        .and_then(|secs| Timestamp::from_second(secs).ok())
        .unwrap_or(Timestamp::MAX)
}
