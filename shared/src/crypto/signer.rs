//! Who signs: a key in a file or on a token, together with its certificate.

use std::path::{Path, PathBuf};

use secrecy::SecretString;

use super::certificate::{Certificate, CertificateError};
use super::key::{KeyError, PrivateKey};
use crate::hint::Hint;

/// A person's means to sign.
pub trait Signer: Send {
    /// The certificate of the key.
    fn certificate(&self) -> &Certificate;

    /// The certificate and its intermediates, as they are put into packages and envelopes: signer first.
    fn chain(&self) -> &[Certificate];

    /// Signs a message with SHA-256: PKCS#1 v1.5 for RSA, DER-encoded ECDSA for EC P-256.
    ///
    /// # Errors
    /// When the key cannot be used now.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// Why something could not be signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the certificate file {path} cannot be used")]
    Certificate {
        path: PathBuf,
        #[source]
        source: CertificateError,
    },
    #[error("the key file {path} cannot be used")]
    Key {
        path: PathBuf,
        #[source]
        source: KeyError,
    },
    #[error("the key {key} does not belong to the certificate {certificate}")]
    KeyMismatch { key: String, certificate: String },
    #[error("signing failed")]
    Sign(#[source] KeyError),
    #[cfg(feature = "token")]
    #[error("the token cannot sign")]
    Token(#[source] super::token::TokenError),
}

impl Hint for SignError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Read { .. } => vec!["check the path and the permissions of the file".into()],
            Self::Certificate { .. } => {
                vec!["give the .crt file (PEM) that belongs to the key".into()]
            }
            Self::Key { source, .. } | Self::Sign(source) => source.hints(),
            Self::KeyMismatch { .. } => {
                vec!["give the key and the certificate of the same person".into()]
            }
            #[cfg(feature = "token")]
            Self::Token(source) => source.hints(),
        }
    }
}

/// A key in a PEM file.
#[derive(Debug)]
pub struct FileSigner {
    key: PrivateKey,
    chain: Vec<Certificate>,
}

impl FileSigner {
    /// Opens a key file and the PEM file of its certificate (signer first, then intermediates).
    ///
    /// # Errors
    /// When a file cannot be read, the password is wrong, or the two do not belong together.
    pub fn open(certificate: &Path, key: &Path, password: Option<&SecretString>) -> Result<Self, SignError> {
        let chain = Certificate::chain_from_file(certificate).map_err(|source| SignError::Certificate {
            path: certificate.to_owned(),
            source,
        })?;
        let pem = fs_err::read_to_string(key)
            .map(zeroize::Zeroizing::new)
            .map_err(|source| SignError::Read {
                path: key.to_owned(),
                source,
            })?;
        let private = PrivateKey::from_pem(&pem, password).map_err(|source| SignError::Key {
            path: key.to_owned(),
            source,
        })?;
        Self::new(private, chain).map_err(|error| match error {
            SignError::KeyMismatch { .. } => SignError::KeyMismatch {
                key: key.display().to_string(),
                certificate: certificate.display().to_string(),
            },
            other => other,
        })
    }

    /// Joins a key and its chain.
    ///
    /// # Errors
    /// When the chain is empty or its first certificate is of another key.
    pub fn new(key: PrivateKey, chain: Vec<Certificate>) -> Result<Self, SignError> {
        let spki = key.spki_der().map_err(SignError::Sign)?;
        match chain.first() {
            Some(first) if first.spki_der() == spki => Ok(Self { key, chain }),
            first => Err(SignError::KeyMismatch {
                key: "given".into(),
                certificate: first.map_or_else(|| "(none)".into(), Certificate::common_name),
            }),
        }
    }
}

impl Signer for FileSigner {
    fn certificate(&self) -> &Certificate {
        // `new` refuses an empty chain.
        self.chain.first().expect("a signer's chain is never empty")
    }

    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.key.sign(message).map_err(SignError::Sign)
    }
}
