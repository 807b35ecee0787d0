//! The modules of this process, and unlocking a token.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use super::find::{PinState, TokenInfo, pin_state};
use super::{TokenError, refused};

/// One initialised context per module and process: a second `C_Initialize` fails by the standard.
pub(super) fn context(module: &Path) -> Result<Pkcs11, TokenError> {
    static CONTEXTS: OnceLock<Mutex<HashMap<PathBuf, Pkcs11>>> = OnceLock::new();
    let mut contexts = CONTEXTS
        .get_or_init(Mutex::default)
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(context) = contexts.get(module) {
        return Ok(context.clone());
    }
    let failed = |source| TokenError::Module {
        module: module.to_owned(),
        source,
    };
    let context = Pkcs11::new(module).map_err(failed)?;
    match context.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(source) => return Err(failed(source)),
    }
    contexts.insert(module.to_owned(), context.clone());
    Ok(context)
}

pub(super) fn log_in(
    context: &Pkcs11,
    slot: Slot,
    session: &Session,
    info: &TokenInfo,
    pin: Option<&SecretString>,
) -> Result<(), TokenError> {
    let pin = match info.pin {
        PinState::NotNeeded => return Ok(()),
        PinState::Locked => return Err(TokenError::PinLocked(info.label.clone())),
        PinState::ReaderPad => None,
        PinState::Ready | PinState::WrongBefore | PinState::LastTry => {
            Some(pin.ok_or_else(|| TokenError::PinNeeded(info.label.clone()))?)
        }
    };
    match session.login(UserType::User, pin) {
        Ok(()) | Err(Pkcs11Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(()),
        Err(source) => Err(pin_refused(context, slot, info, "log in", source)),
    }
}

/// Why a token did not take a PIN; it is never tried again.
pub(super) fn pin_refused(
    context: &Pkcs11,
    slot: Slot,
    info: &TokenInfo,
    action: &'static str,
    source: Pkcs11Error,
) -> TokenError {
    match source {
        Pkcs11Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _) => {
            let after = context.get_token_info(slot).map(|info| pin_state(&info));
            match after {
                Ok(PinState::Locked) => TokenError::PinLocked(info.label.clone()),
                Ok(PinState::LastTry) => TokenError::PinWrong {
                    token: info.label.clone(),
                    left: "; one try is left before it locks",
                },
                _ => TokenError::PinWrong {
                    token: info.label.clone(),
                    left: "",
                },
            }
        }
        Pkcs11Error::Pkcs11(RvError::PinLocked, _) => TokenError::PinLocked(info.label.clone()),
        source => refused(&info.label, action, source),
    }
}
