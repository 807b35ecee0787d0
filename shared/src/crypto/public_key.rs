//! Public keys: what kind they are, and verifying signatures made with their private halves.

use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey,
    VerificationAlgorithm,
};
use spki::SubjectPublicKeyInfoRef;
use spki::der::Decode as _;

/// OID of RSA keys (RFC 8017).
const RSA: spki::ObjectIdentifier = spki::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// OID of elliptic-curve keys (RFC 5480).
const EC: spki::ObjectIdentifier = spki::ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
/// OID of the curve P-256.
const P256: spki::ObjectIdentifier = spki::ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// The kind of a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    Rsa {
        bits: usize,
    },
    EcP256,
    /// A kind that Muster does not verify with.
    Other,
}

impl std::fmt::Display for KeyKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Rsa { bits } => write!(f, "RSA {bits}"),
            Self::EcP256 => f.write_str("EC P-256"),
            Self::Other => f.write_str("unsupported kind"),
        }
    }
}

/// Why a signature was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    #[error("the key is of a kind that is not supported (RSA 2048 to 4096 and EC P-256 are)")]
    UnsupportedKey,
    #[error("the signature does not match")]
    Mismatch,
    #[error("the signature uses an algorithm that is not supported")]
    UnsupportedAlgorithm,
}

/// Reads the kind of a DER SubjectPublicKeyInfo.
pub(super) fn kind(spki_der: &[u8]) -> KeyKind {
    let Ok(info) = SubjectPublicKeyInfoRef::from_der(spki_der) else {
        return KeyKind::Other;
    };
    if info.algorithm.oid == RSA {
        rsa_bits(info.subject_public_key.raw_bytes()).map_or(KeyKind::Other, |bits| KeyKind::Rsa { bits })
    } else if info.algorithm.oid == EC && info.algorithm.parameters_oid() == Ok(P256) {
        KeyKind::EcP256
    } else {
        KeyKind::Other
    }
}

/// Verifies a person's signature with SHA-256: PKCS#1 v1.5 for RSA, DER-encoded ECDSA for P-256.
///
/// # Errors
/// When the key is of another kind or size, or the signature does not match.
pub(super) fn verify(spki_der: &[u8], message: &[u8], signature: &[u8]) -> Result<(), SignatureError> {
    match kind(spki_der) {
        KeyKind::Rsa { bits } if (2048..=4096).contains(&bits) => {
            verify_with(&RSA_PKCS1_2048_8192_SHA256, spki_der, message, signature)
        }
        KeyKind::EcP256 => verify_with(&ECDSA_P256_SHA256_ASN1, spki_der, message, signature),
        KeyKind::Rsa { .. } | KeyKind::Other => Err(SignatureError::UnsupportedKey),
    }
}

/// Verifies a host's signature: the raw 64 bytes of ECDSA P-256 with SHA-256 (RFC 9421 §3.3.4).
///
/// # Errors
/// When the key is not EC P-256 or the signature does not match.
pub fn verify_host_signature(
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    if kind(spki_der) == KeyKind::EcP256 {
        verify_with(&ECDSA_P256_SHA256_FIXED, spki_der, message, signature)
    } else {
        Err(SignatureError::UnsupportedKey)
    }
}

/// Verifies with an explicit algorithm, as certificates name one.
pub(super) fn verify_with(
    algorithm: &'static dyn VerificationAlgorithm,
    spki_der: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureError> {
    let info =
        SubjectPublicKeyInfoRef::from_der(spki_der).map_err(|_error| SignatureError::UnsupportedKey)?;
    UnparsedPublicKey::new(algorithm, info.subject_public_key.raw_bytes())
        .verify(message, signature)
        .map_err(|_unspecified| SignatureError::Mismatch)
}

/// The size of the modulus of a PKCS#1 RSAPublicKey.
fn rsa_bits(pkcs1_der: &[u8]) -> Option<usize> {
    let key = rsa::pkcs1::RsaPublicKeyRef::from_der(pkcs1_der).ok()?;
    let modulus = key.modulus.as_bytes();
    let leading = modulus.first()?.leading_zeros() as usize;
    Some(modulus.len() * 8 - leading)
}
