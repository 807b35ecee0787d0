//! How a token signs: the mechanisms that it offers, and what is left to do before and after.

use cryptoki::mechanism::{Mechanism, MechanismType};
use sha2::{Digest as _, Sha256};

use crate::crypto::public_key::KeyKind;

/// How the token makes a signature.
#[derive(Debug, Clone, Copy)]
pub(super) enum Method {
    /// The token hashes and pads.
    RsaWithHash,
    /// The token pads a DigestInfo made here.
    RsaOverDigestInfo,
    /// The token hashes; the result is turned into DER here.
    EcdsaWithHash,
    /// The token signs a hash made here; the result is turned into DER here.
    EcdsaOverHash,
}

impl Method {
    /// The best method for a kind of key, `None` when the token offers none.
    pub(super) fn choose(kind: KeyKind, mechanisms: &[MechanismType]) -> Option<Self> {
        let has = |mechanism| mechanisms.contains(&mechanism);
        match kind {
            KeyKind::Rsa { .. } if has(MechanismType::SHA256_RSA_PKCS) => Some(Method::RsaWithHash),
            KeyKind::Rsa { .. } if has(MechanismType::RSA_PKCS) => Some(Method::RsaOverDigestInfo),
            KeyKind::EcP256 if has(MechanismType::ECDSA_SHA256) => Some(Method::EcdsaWithHash),
            KeyKind::EcP256 if has(MechanismType::ECDSA) => Some(Method::EcdsaOverHash),
            KeyKind::Rsa { .. } | KeyKind::EcP256 | KeyKind::Other => None,
        }
    }

    /// The mechanism, and the bytes that the token signs for a message.
    pub(super) fn prepare(self, message: &[u8]) -> (Mechanism<'static>, Vec<u8>) {
        let hash = Sha256::digest(message);
        match self {
            Self::RsaWithHash => (Mechanism::Sha256RsaPkcs, message.to_vec()),
            Self::RsaOverDigestInfo => (Mechanism::RsaPkcs, digest_info(&hash)),
            Self::EcdsaWithHash => (Mechanism::EcdsaSha256, message.to_vec()),
            Self::EcdsaOverHash => (Mechanism::Ecdsa, hash.to_vec()),
        }
    }

    /// The token's signature in the form that verifiers read.
    pub(super) fn finish(self, signature: Vec<u8>) -> Vec<u8> {
        match self {
            Self::RsaWithHash | Self::RsaOverDigestInfo => signature,
            Self::EcdsaWithHash | Self::EcdsaOverHash => ecdsa_to_der(&signature),
        }
    }
}

/// DigestInfo of a SHA-256 hash (RFC 8017 §9.2).
fn digest_info(hash: &[u8]) -> Vec<u8> {
    const PREFIX: [u8; 19] = [
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00,
        0x04, 0x20,
    ];
    let mut info = PREFIX.to_vec();
    info.extend_from_slice(hash);
    info
}

/// The token's `r ‖ s` as a DER sequence of two integers (RFC 3279 §2.2.3).
fn ecdsa_to_der(raw: &[u8]) -> Vec<u8> {
    let (r, s) = raw.split_at(raw.len() / 2);
    let integer = |bytes: &[u8]| {
        let start = bytes
            .iter()
            .position(|byte| *byte != 0)
            .unwrap_or(bytes.len().saturating_sub(1));
        let digits = bytes.get(start..).unwrap_or_default();
        let padding = usize::from(digits.first().is_some_and(|byte| byte & 0x80 != 0));
        let mut der = vec![0x02, (digits.len() + padding) as u8];
        der.extend(std::iter::repeat_n(0, padding));
        der.extend_from_slice(digits);
        der
    };
    let body = [integer(r), integer(s)].concat();
    // Two P-256 integers are at most 70 bytes: the short form of the length holds.
    let mut der = vec![0x30, body.len() as u8];
    der.extend_from_slice(&body);
    der
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raw_ecdsa_becomes_the_der_that_verifiers_read() {
        let mut raw = [0_u8; 64];
        raw[0] = 0x80;
        raw[63] = 0x01;
        let der = ecdsa_to_der(&raw);
        assert_eq!(der.get(..5), Some(&[0x30, 0x26, 0x02, 0x21, 0x00][..]));
        assert_eq!(der.get(der.len() - 3..), Some(&[0x02, 0x01, 0x01][..]));
    }
}
