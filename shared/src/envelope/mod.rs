//! Signed documents: the DSSE v1 envelope (protocol.md §2).
//!
//! Parties: a *person* signs the exact payload bytes once; *anyone* may carry the envelope; the *verifier*
//! (an agent, or the server before it relays) holds the anchors. Order of checks: the envelope is bounded
//! and has the payload type that the caller expects; each signature's leaf is the certificate whose
//! fingerprint is its `keyid`, and all others are untrusted intermediates; the leaf's chain is trusted at the
//! given time; its key made the signature over the pre-authentication encoding. Only then are the payload
//! bytes parsed, strictly. Nothing outside the payload is believed.

pub mod merkle;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::crypto::{
    Certificate, CertificateError, SignError, SignatureError, Signer, TrustError, TrustStore,
};
use crate::hint::Hint;
use crate::protocol::error::ErrorCode;

/// The largest payload, in bytes.
pub const MAX_PAYLOAD_BYTES: usize = 128 * 1024;
/// The most signatures of one envelope.
pub const MAX_SIGNATURES: usize = 16;
/// The most certificates of one envelope.
pub const MAX_CERTIFICATES: usize = 64;

/// A payload with its signatures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    #[serde(rename = "payloadType")]
    pub payload_type: String,
    /// Base64 of the exact bytes.
    pub payload: String,
    pub signatures: Vec<EnvelopeSignature>,
    /// PEM certificates: leaves and untrusted intermediates.
    #[serde(default)]
    pub certificates: Vec<String>,
}

/// One signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvelopeSignature {
    /// Lower-case hex SHA-256 of the leaf certificate.
    pub keyid: String,
    /// Base64.
    pub sig: String,
}

/// Why an envelope is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    #[error("the envelope is of type {found:?}, expected {expected:?}")]
    Type { found: String, expected: String },
    #[error("the envelope is too large or has too many parts")]
    TooLarge,
    #[error("the envelope carries no signature")]
    Unsigned,
    #[error("the payload or a signature is not base64")]
    Base64,
    #[error("a certificate of the envelope cannot be read")]
    Certificate(#[source] CertificateError),
    #[error("no certificate with the fingerprint {0} is in the envelope")]
    NoCertificate(String),
    #[error("the signature of {signer} does not fit the payload")]
    Signature {
        signer: String,
        #[source]
        source: SignatureError,
    },
    #[error("the signer is not trusted")]
    Trust(#[source] TrustError),
    #[error("the signed payload cannot be read: {0}")]
    Payload(String),
    #[error("the payload cannot be signed")]
    Sign(#[source] SignError),
}

impl EnvelopeError {
    /// The code of this kind of failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Type { .. } | Self::Payload(_) => ErrorCode::PayloadUnsupported,
            Self::TooLarge
            | Self::Unsigned
            | Self::Base64
            | Self::Certificate(_)
            | Self::NoCertificate(_) => ErrorCode::EnvelopeInvalid,
            Self::Signature { .. } => ErrorCode::EnvelopeSignatureInvalid,
            Self::Trust(_) => ErrorCode::EnvelopeSignerUntrusted,
            Self::Sign(_) => ErrorCode::Internal,
        }
    }
}

impl Hint for EnvelopeError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Trust(error) => error.hints(),
            Self::Sign(error) => error.hints(),
            _ => Vec::new(),
        }
    }
}

/// The payload of an envelope whose every signature was checked.
#[derive(Debug, Clone)]
pub struct VerifiedEnvelope {
    pub payload: Vec<u8>,
    /// The leaves, one per distinct public key.
    pub signers: Vec<Certificate>,
}

impl VerifiedEnvelope {
    /// The first signer; there is always one.
    pub fn signer(&self) -> &Certificate {
        self.signers
            .first()
            .expect("verify refuses an envelope without a signature")
    }
}

impl Envelope {
    /// Signs payload bytes once.
    ///
    /// # Errors
    /// When the payload is too large or the key cannot sign.
    pub fn sign(payload_type: &str, payload: &[u8], signer: &dyn Signer) -> Result<Self, EnvelopeError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(EnvelopeError::TooLarge);
        }
        let signature = signer
            .sign(&pre_authentication_encoding(payload_type, payload))
            .map_err(EnvelopeError::Sign)?;
        Ok(Self {
            payload_type: payload_type.to_owned(),
            payload: BASE64.encode(payload),
            signatures: vec![EnvelopeSignature {
                keyid: signer.certificate().fingerprint(),
                sig: BASE64.encode(signature),
            }],
            certificates: signer.chain().iter().map(Certificate::to_pem).collect(),
        })
    }

    /// Checks every signature and returns the payload bytes.
    ///
    /// # Errors
    /// The first check that fails, in the order of the module's text.
    pub fn verify(
        &self,
        expected_type: &str,
        trust: &TrustStore,
        at: Timestamp,
    ) -> Result<VerifiedEnvelope, EnvelopeError> {
        if self.payload_type != expected_type {
            return Err(EnvelopeError::Type {
                found: self.payload_type.chars().take(100).collect(),
                expected: expected_type.to_owned(),
            });
        }
        if self.payload.len() > MAX_PAYLOAD_BYTES / 3 * 4 + 8
            || self.signatures.len() > MAX_SIGNATURES
            || self.certificates.len() > MAX_CERTIFICATES
        {
            return Err(EnvelopeError::TooLarge);
        }
        if self.signatures.is_empty() {
            return Err(EnvelopeError::Unsigned);
        }
        let payload = self.payload_unverified()?;
        let certificates = self
            .certificates
            .iter()
            .map(|pem| Certificate::from_pem(pem))
            .collect::<Result<Vec<_>, _>>()
            .map_err(EnvelopeError::Certificate)?;
        let message = pre_authentication_encoding(&self.payload_type, &payload);
        let mut signers: Vec<Certificate> = Vec::new();
        for signature in &self.signatures {
            let leaf = certificates
                .iter()
                .find(|certificate| certificate.fingerprint() == signature.keyid)
                .ok_or_else(|| EnvelopeError::NoCertificate(signature.keyid.chars().take(64).collect()))?;
            trust
                .check(leaf, &certificates, at)
                .map_err(EnvelopeError::Trust)?;
            let bytes = BASE64
                .decode(&signature.sig)
                .map_err(|_error| EnvelopeError::Base64)?;
            leaf.verify(&message, &bytes)
                .map_err(|source| EnvelopeError::Signature {
                    signer: leaf.common_name(),
                    source,
                })?;
            if !signers.iter().any(|known| known.spki_der() == leaf.spki_der()) {
                signers.push(leaf.clone());
            }
        }
        Ok(VerifiedEnvelope { payload, signers })
    }

    /// The payload bytes before any check: for display and for finding the batch, never for deciding.
    ///
    /// # Errors
    /// When the payload is not base64.
    pub fn payload_unverified(&self) -> Result<Vec<u8>, EnvelopeError> {
        BASE64
            .decode(&self.payload)
            .map_err(|_error| EnvelopeError::Base64)
    }
}

/// Parses the bytes of a verified payload. The types of payloads refuse unknown fields and duplicate keys.
///
/// # Errors
/// When the bytes are not what the type says.
pub fn parse_payload<T: DeserializeOwned>(payload: &[u8]) -> Result<T, EnvelopeError> {
    serde_json::from_slice(payload).map_err(|error| EnvelopeError::Payload(error.to_string()))
}

/// DSSE v1: `"DSSEv1" SP LEN(type) SP type SP LEN(body) SP body`.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut encoded = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    encoded.extend_from_slice(payload);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pre_authentication_encoding_is_that_of_the_standard() {
        // The example of the DSSE specification.
        assert_eq!(
            pre_authentication_encoding("http://example.com/HelloWorld", b"hello world"),
            b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
        );
    }
}
