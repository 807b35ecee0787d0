//! Keys on PKCS#11 tokens: smartcards, security keys, HSMs.
//!
//! Parties: the *token* holds the key and never gives it out; the *module* is the vendor's library; the
//! *person* unlocks the token with a PIN. Rules: the PIN is asked late and never tried twice by itself,
//! because tokens lock; keys are found by the `CKA_ID` of their certificate, not by label; a module is
//! initialised once per process; readers with a PIN pad are given no PIN; keys that want a login for each
//! signature get one.

mod find;
mod manage;
mod method;
mod pin;
mod session;
mod signer;

use std::path::PathBuf;

use cryptoki::error::Error as Pkcs11Error;

pub use self::find::{PinState, TokenCertificate, TokenInfo, list};
pub use self::manage::{NewKey, OpenToken, TokenKey};
pub use self::pin::{TokenName, change_pin};
pub use self::signer::TokenSigner;
use super::pkcs11_uri::Pkcs11Uri;
use super::public_key::KeyKind;
use crate::hint::Hint;

/// At most this many tokens and certificates are looked at.
const MAX_OBJECTS: usize = 200;

/// Why a token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the PKCS#11 module {module} cannot be loaded")]
    Module {
        module: PathBuf,
        #[source]
        source: Pkcs11Error,
    },
    #[error("no token matches {wanted}; found: {found}")]
    NoToken { wanted: String, found: String },
    #[error("{count} tokens match {wanted}")]
    Ambiguous { wanted: String, count: usize },
    #[error("the token {token} holds no certificate with a private key that matches {wanted}")]
    NoKey { token: String, wanted: String },
    #[error("the token {token} holds {} keys that can sign: {}", keys.len(), names(keys))]
    SeveralKeys {
        token: String,
        /// Common name and PKCS#11 URI of each.
        keys: Vec<(String, String)>,
    },
    #[error("the key of the token {token} does not belong to the certificate of {name}")]
    OtherKey { token: String, name: String },
    #[error("the token {0} needs a PIN and none was given")]
    PinNeeded(String),
    #[error("the PIN of the token {token} is wrong{left}")]
    PinWrong { token: String, left: &'static str },
    #[error("the PIN of the token {0} is locked")]
    PinLocked(String),
    #[error("the token {0} was removed")]
    Removed(String),
    #[error("the token {token} offers no mechanism to sign with an {kind} key")]
    NoMechanism { token: String, kind: KeyKind },
    #[error("the token {token} holds something with the id {id} already")]
    IdTaken { token: String, id: String },
    #[error("{0:?} is not an id (hexadecimal, at most 32 bytes)")]
    Id(String),
    #[error("the PIN of the token {token} has {least} to {most} characters")]
    PinLength {
        token: String,
        least: usize,
        most: usize,
    },
    #[error("the token {token} gives its new public key in a form that cannot be read")]
    PublicKey { token: String },
    #[error("the key cannot be taken apart for the token")]
    Key(#[source] super::key::KeyError),
    #[error("the token {token} refused to {action}")]
    Refused {
        token: String,
        action: &'static str,
        #[source]
        source: Pkcs11Error,
    },
}

impl Hint for TokenError {
    fn hints(&self) -> Vec<String> {
        let advice = match self {
            Self::Module { .. } => "install the token's driver and give the path of its PKCS#11 library",
            Self::NoToken { .. } => "insert the token; `muster token list` shows what is found",
            Self::NoKey { .. } => "`muster token list` shows the certificates on each token",
            Self::SeveralKeys { keys, .. } => {
                let one = |(name, uri): &(String, String)| format!("for {name}: --key '{uri}'");
                return keys
                    .iter()
                    .map(one)
                    .chain(["or name the id with --key-id; `muster token list` shows it".to_owned()])
                    .collect();
            }
            Self::OtherKey { .. } => "give the key and the certificate of the same person",
            Self::PinNeeded(_) => "enter the PIN when asked, or give it with --pin-stdin",
            Self::PinWrong { .. } => "nothing was tried again: repeated wrong PINs lock the token",
            Self::PinLocked(_) => "unlock it with the PUK and the vendor's tool",
            Self::Removed(_) => "insert it again and repeat",
            Self::Ambiguous { .. } => "name the serial number too; `muster token list` shows it",
            Self::IdTaken { .. } => "give another one with --id, or none",
            Self::NoMechanism { .. }
            | Self::Refused { .. }
            | Self::Id(_)
            | Self::PinLength { .. }
            | Self::PublicKey { .. }
            | Self::Key(_) => return Vec::new(),
        };
        vec![advice.to_owned()]
    }
}

fn names(keys: &[(String, String)]) -> String {
    let names: Vec<&str> = keys.iter().map(|(name, _uri)| name.as_str()).collect();
    names.join(", ")
}

/// Which key of which token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenSelector {
    pub module: PathBuf,
    /// Label or serial number; any token when empty.
    pub token: String,
    /// `CKA_ID` in hex, label or fingerprint of the certificate; the only one that can sign when empty.
    pub key: String,
}

/// What names a token and a key on it.
#[derive(Debug, Clone, Copy)]
enum Wanted<'a> {
    Selector(&'a TokenSelector),
    Uri(&'a Pkcs11Uri),
}

impl Wanted<'_> {
    fn is_token(self, token: &TokenInfo) -> bool {
        match self {
            Self::Selector(TokenSelector { token: wanted, .. }) => {
                wanted.is_empty() || token.label == *wanted || token.serial == *wanted
            }
            Self::Uri(uri) => {
                let same =
                    |wanted: &Option<String>, own: &str| wanted.as_ref().is_none_or(|text| text == own);
                same(&uri.token, &token.label)
                    && same(&uri.serial, &token.serial)
                    && same(&uri.manufacturer, &token.manufacturer)
                    && same(&uri.model, &token.model)
                    && uri.slot_id.is_none_or(|slot| slot == token.slot)
            }
        }
    }

    /// By what stands beside the certificate; the label of its key may differ and is asked later.
    fn is_certificate(self, one: &TokenCertificate) -> bool {
        match self {
            Self::Selector(TokenSelector { key: wanted, .. }) => {
                wanted.is_empty()
                    || one.id.eq_ignore_ascii_case(wanted)
                    || one.label == *wanted
                    || one.certificate.fingerprint().eq_ignore_ascii_case(wanted)
            }
            Self::Uri(uri) => {
                uri.id.as_ref().is_none_or(|id| hex::encode(id) == one.id)
                    && uri.object.as_ref().is_none_or(|label| *label == one.label)
            }
        }
    }

    fn token_text(self) -> String {
        match self {
            Self::Selector(selector) => shown(&selector.token),
            Self::Uri(uri) => uri.to_string(),
        }
    }

    fn key_text(self) -> String {
        match self {
            Self::Selector(selector) => shown(&selector.key),
            Self::Uri(uri) => uri.to_string(),
        }
    }
}

fn refused(token: &str, action: &'static str, source: Pkcs11Error) -> TokenError {
    TokenError::Refused {
        token: token.to_owned(),
        action,
        source,
    }
}

fn shown(text: &str) -> String {
    if text.is_empty() {
        "(any)".to_owned()
    } else {
        text.to_owned()
    }
}
