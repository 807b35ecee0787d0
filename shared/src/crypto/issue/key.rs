//! What signs a new certificate or revocation list: a key in memory, or a person's signer, token or file.

use std::sync::{Mutex, PoisonError};

use der::asn1::{Any, BitString};
use der::{Decode as _, Encode as _, Tag};
use rcgen::SignatureAlgorithm;

use super::IssueError;
use crate::crypto::key::{KeyError, PrivateKey};
use crate::crypto::public_key::{self, KeyKind};
use crate::crypto::signer::{SignError, Signer};

/// A key that signs certificates and revocation lists.
pub trait IssuingKey {
    /// The DER SubjectPublicKeyInfo of the key.
    ///
    /// # Errors
    /// When it cannot be encoded.
    fn spki_der(&self) -> Result<Vec<u8>, KeyError>;

    /// Signs with SHA-256: PKCS#1 v1.5 for RSA, DER-encoded ECDSA for EC P-256.
    ///
    /// # Errors
    /// When the key cannot be used now.
    fn sign_data(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

impl IssuingKey for PrivateKey {
    fn spki_der(&self) -> Result<Vec<u8>, KeyError> {
        Self::spki_der(self)
    }

    fn sign_data(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign(message).map_err(SignError::Sign)
    }
}

/// The key of an open signer.
pub struct SignerKey<'a>(pub &'a dyn Signer);

impl IssuingKey for SignerKey<'_> {
    fn spki_der(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.0.certificate().spki_der().to_vec())
    }

    fn sign_data(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.0.sign(message)
    }
}

impl std::fmt::Debug for SignerKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignerKey({})", self.0.certificate().common_name())
    }
}

/// The signature algorithm of a kind of key, in DER.
pub(super) fn algorithm_der(kind: KeyKind) -> Result<Vec<u8>, IssueError> {
    let (oid, parameters) = match kind {
        KeyKind::Rsa { .. } => ("1.2.840.113549.1.1.11", Some(Any::null())),
        KeyKind::EcP256 => ("1.2.840.10045.4.3.2", None),
        KeyKind::Other => return Err(IssueError::Key(KeyError::Unsupported)),
    };
    let oid = spki::ObjectIdentifier::new_unwrap(oid);
    let algorithm = spki::AlgorithmIdentifierOwned { oid, parameters };
    algorithm.to_der().map_err(IssueError::Encode)
}

/// `SEQUENCE { tbs, algorithm, signature }`: what a certificate and a revocation list are.
pub(super) fn signed(tbs: &[u8], key: &dyn IssuingKey) -> Result<Vec<u8>, IssueError> {
    let algorithm = algorithm_der(public_key::kind(&key.spki_der()?))?;
    let signature = key
        .sign_data(tbs)
        .map_err(|error| IssueError::Sign(Box::new(error)))?;
    let bits = BitString::from_bytes(&signature)
        .and_then(|bits| bits.to_der())
        .map_err(IssueError::Encode)?;
    sequence(&[tbs, &algorithm, &bits])
}

/// A DER sequence of elements that are DER already.
pub(super) fn sequence(parts: &[&[u8]]) -> Result<Vec<u8>, IssueError> {
    Any::new(Tag::Sequence, parts.concat())
        .and_then(|sequence| sequence.to_der())
        .map_err(IssueError::Encode)
}

/// An [`IssuingKey`] as `rcgen` wants to see it.
pub(super) struct RcgenKey<'a> {
    key: &'a dyn IssuingKey,
    kind: KeyKind,
    public: Vec<u8>,
    /// `rcgen` has no room for the reason of a failure.
    failure: Mutex<Option<SignError>>,
}

impl<'a> RcgenKey<'a> {
    pub(super) fn new(key: &'a dyn IssuingKey) -> Result<Self, KeyError> {
        let spki = key.spki_der()?;
        let info = spki::SubjectPublicKeyInfoRef::from_der(&spki).map_err(|_error| KeyError::Encode)?;
        Ok(Self {
            key,
            kind: public_key::kind(&spki),
            public: info.subject_public_key.raw_bytes().to_vec(),
            failure: Mutex::new(None),
        })
    }

    /// The reason why making something failed.
    pub(super) fn failed(&self, error: rcgen::Error) -> IssueError {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        failure.map_or(IssueError::Make(error), |error| IssueError::Sign(Box::new(error)))
    }
}

impl rcgen::PublicKeyData for RcgenKey<'_> {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        match self.kind {
            KeyKind::EcP256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            KeyKind::Rsa { .. } | KeyKind::Other => &rcgen::PKCS_RSA_SHA256,
        }
    }
}

impl rcgen::SigningKey for RcgenKey<'_> {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.key.sign_data(message).map_err(|error| {
            *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            rcgen::Error::RemoteKeyError
        })
    }
}
