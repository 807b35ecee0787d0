//! Keys, certificates and trust.
//!
//! Parties: *people* sign packages and actions with RSA (or EC P-256) keys in files or on tokens; *hosts*
//! sign their requests with an EC P-256 identity key; the *server* has a CA for its TLS name and one for
//! its hosts. Only certificates in an endpoint's trust folder are anchors; everything a package, an index or
//! an envelope brings along is an untrusted intermediate. Revocation lists may come from anywhere; each counts by its
//! issuer's signature.

mod certificate;
mod chain;
pub mod issue;
mod key;
pub mod pkcs11_uri;
mod public_key;
pub mod revocation;
mod signer;
pub mod tls;
#[cfg(feature = "token")]
pub mod token;
mod traditional_pem;

pub use certificate::{Certificate, CertificateError};
pub use chain::{TrustError, TrustStore};
pub(crate) use key::fill_random;
pub use key::{IdentityKey, KeyError, PrivateKey};
pub use public_key::{KeyKind, SignatureError, verify_host_signature};
pub use revocation::{CrlError, RevocationList};
pub use signer::{FileSigner, SignError, Signer};
