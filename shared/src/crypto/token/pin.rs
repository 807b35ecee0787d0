//! Naming a token, opening it for writing, and changing its PIN, which is tried once.

use std::path::Path;

use cryptoki::context::Pkcs11;
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use secrecy::{ExposeSecret as _, SecretString};

use super::find::{TokenInfo, token};
use super::session::{context, pin_refused};
use super::{TokenError, TokenSelector, Wanted, refused};
use crate::crypto::pkcs11_uri::Pkcs11Uri;

/// What names a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenName {
    /// Label or serial number; any token when empty.
    Text(String),
    Uri(Box<Pkcs11Uri>),
}

impl TokenName {
    /// The token that is meant. Asks for no PIN.
    ///
    /// # Errors
    /// When there is none, or several.
    pub fn find(&self, module: &Path) -> Result<TokenInfo, TokenError> {
        match self {
            Self::Text(text) => {
                let selector = TokenSelector {
                    token: text.clone(),
                    ..TokenSelector::default()
                };
                token(module, Wanted::Selector(&selector))
            }
            Self::Uri(uri) => {
                // An id or label names what is to come, not what tells tokens apart.
                let only_token = Pkcs11Uri {
                    id: None,
                    object: None,
                    object_type: None,
                    ..(**uri).clone()
                };
                token(module, Wanted::Uri(&only_token))
            }
        }
    }
}

/// Changes a token's PIN. The old one is tried once.
///
/// # Errors
/// When the token is not there, the old PIN is wrong, or the new one is too short or too long for it.
pub fn change_pin(
    module: &Path,
    name: &TokenName,
    old: &SecretString,
    new: &SecretString,
) -> Result<TokenInfo, TokenError> {
    let info = name.find(module)?;
    let (context, slot, session) = open_to_write(module, &info)?;
    let limits = context
        .get_token_info(slot)
        .map_err(|source| refused(&info.label, "tell about its PIN", source))?;
    let (least, most) = (limits.min_pin_length(), limits.max_pin_length());
    let length = new.expose_secret().len();
    // Before the token sees anything: a refused change may count as a wrong PIN.
    if length < least.max(1) || length > most {
        return Err(TokenError::PinLength {
            token: info.label,
            least,
            most,
        });
    }
    session
        .set_pin(old, new)
        .map_err(|source| pin_refused(&context, slot, &info, "change its PIN", source))?;
    Ok(info)
}

pub(super) fn open_to_write(module: &Path, info: &TokenInfo) -> Result<(Pkcs11, Slot, Session), TokenError> {
    let context = context(module)?;
    let slot = Slot::try_from(info.slot).map_err(|source| refused(&info.label, "name its slot", source))?;
    let session = context
        .open_rw_session(slot)
        .map_err(|source| refused(&info.label, "open a session for writing", source))?;
    Ok((context, slot, session))
}
