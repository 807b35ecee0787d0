//! Keys on PKCS#11 tokens: smartcards, security keys, HSMs.
//!
//! Parties: the *token* holds the key and never gives it out; the *module* is the vendor's library; the
//! *person* unlocks the token with a PIN. Rules: the PIN is asked late and never tried twice by itself,
//! because tokens lock; keys are found by the `CKA_ID` of their certificate, not by label; a module is
//! initialised once per process; readers with a PIN pad are given no PIN; keys that want a login for each
//! signature get one.

mod method;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use self::method::Method;
use super::certificate::Certificate;
use super::public_key::KeyKind;
use super::signer::{SignError, Signer};
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
    #[error("the token {token} holds no certificate with a private key that matches {wanted}")]
    NoKey { token: String, wanted: String },
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
            Self::PinNeeded(_) => "enter the PIN when asked, or give it with --pin-stdin",
            Self::PinWrong { .. } => "nothing was tried again: repeated wrong PINs lock the token",
            Self::PinLocked(_) => "unlock it with the PUK and the vendor's tool",
            Self::Removed(_) => "insert it again and repeat",
            Self::NoMechanism { .. } | Self::Refused { .. } => return Vec::new(),
        };
        vec![advice.to_owned()]
    }
}

/// A token that is plugged in, with the certificates that can be seen without a PIN.
#[derive(Debug, Clone)]
pub struct TokenInfo {
    pub module: PathBuf,
    /// Position of the slot; a label or serial number names a token better.
    pub slot: u64,
    pub label: String,
    pub serial: String,
    pub manufacturer: String,
    pub pin: PinState,
    pub certificates: Vec<TokenCertificate>,
}

/// A certificate on a token.
#[derive(Debug, Clone)]
pub struct TokenCertificate {
    pub label: String,
    /// `CKA_ID`, lower-case hex: joins certificate and key.
    pub id: String,
    pub certificate: Certificate,
}

/// What the token tells about its PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PinState {
    NotNeeded,
    /// Asked by this program.
    Ready,
    /// Asked by the reader's own pad.
    ReaderPad,
    /// A wrong PIN was entered since the last right one.
    WrongBefore,
    /// The next wrong PIN locks the token.
    LastTry,
    Locked,
}

impl PinState {
    /// What to tell the person.
    pub fn text(self) -> &'static str {
        match self {
            Self::NotNeeded => "no PIN needed",
            Self::Ready => "PIN needed",
            Self::ReaderPad => "PIN on the reader",
            Self::WrongBefore => "a wrong PIN was entered",
            Self::LastTry => "last try before it locks",
            Self::Locked => "locked",
        }
    }
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

/// Lists the tokens that a module finds. Asks for no PIN.
///
/// # Errors
/// When the module cannot be loaded or a token does not answer.
pub fn list(module: &Path) -> Result<Vec<TokenInfo>, TokenError> {
    let context = context(module)?;
    let failed = |source| TokenError::Module {
        module: module.to_owned(),
        source,
    };
    let mut tokens = Vec::new();
    for slot in context
        .get_slots_with_initialized_token()
        .map_err(failed)?
        .into_iter()
        .take(MAX_OBJECTS)
    {
        let Ok(info) = context.get_token_info(slot) else {
            continue;
        };
        let certificates = context
            .open_ro_session(slot)
            .map_err(|source| refused(info.label(), "open a session", source))
            .and_then(|session| certificates(&session, info.label()))?;
        tokens.push(TokenInfo {
            module: module.to_owned(),
            slot: slot.id(),
            label: info.label().to_owned(),
            serial: info.serial_number().to_owned(),
            manufacturer: info.manufacturer_id().to_owned(),
            pin: pin_state(&info),
            certificates,
        });
    }
    Ok(tokens)
}

/// A key on a token, unlocked.
pub struct TokenSigner {
    session: Session,
    key: ObjectHandle,
    method: Method,
    always_authenticate: bool,
    pin: Option<SecretString>,
    token: String,
    chain: Vec<Certificate>,
}

impl TokenSigner {
    /// Opens a token and unlocks it. The PIN is tried once.
    ///
    /// # Errors
    /// When no such token or key is there, or the PIN is refused.
    pub fn open(selector: &TokenSelector, pin: Option<&SecretString>) -> Result<Self, TokenError> {
        let tokens = list(&selector.module)?;
        let info = tokens
            .iter()
            .filter(|token| {
                selector.token.is_empty() || token.label == selector.token || token.serial == selector.token
            })
            .find(|token| tokens.len() == 1 || pick(&token.certificates, &selector.key).is_some())
            .ok_or_else(|| TokenError::NoToken {
                wanted: shown(&selector.token),
                found: shown(
                    &tokens
                        .iter()
                        .map(|token| token.label.as_str())
                        .collect::<Vec<_>>()
                        .join(", "),
                ),
            })?;
        let context = context(&selector.module)?;
        let slot =
            Slot::try_from(info.slot).map_err(|source| refused(&info.label, "name its slot", source))?;
        let session = context
            .open_ro_session(slot)
            .map_err(|source| refused(&info.label, "open a session", source))?;
        log_in(&context, slot, &session, info, pin)?;
        // Some tokens show certificates only after the login.
        let all = certificates(&session, &info.label)?;
        let no_key = || TokenError::NoKey {
            token: info.label.clone(),
            wanted: shown(&selector.key),
        };
        let (chosen, key) = candidates(&all, &selector.key)
            .find_map(|one| Some((one, private_key(&session, &one.id)?)))
            .ok_or_else(no_key)?;
        let always_authenticate = session
            .get_attributes(key, &[AttributeType::AlwaysAuthenticate])
            .is_ok_and(|values| values.contains(&Attribute::AlwaysAuthenticate(true)));
        let mechanisms = context
            .get_mechanism_list(slot)
            .map_err(|source| refused(&info.label, "list its mechanisms", source))?;
        let kind = chosen.certificate.key_kind();
        let method = Method::choose(kind, &mechanisms).ok_or_else(|| TokenError::NoMechanism {
            token: info.label.clone(),
            kind,
        })?;
        Ok(Self {
            session,
            key,
            method,
            always_authenticate,
            pin: if always_authenticate { pin.cloned() } else { None },
            token: info.label.clone(),
            chain: chain(&chosen.certificate, &all),
        })
    }

    fn sign_on_token(&self, message: &[u8]) -> Result<Vec<u8>, TokenError> {
        let (mechanism, data) = self.method.prepare(message);
        let signature = if self.always_authenticate {
            self.session
                .sign_init(&mechanism, self.key)
                .and_then(|()| self.session.login(UserType::ContextSpecific, self.pin.as_ref()))
                .and_then(|()| self.session.sign_update(&data))
                .and_then(|()| self.session.sign_final())
        } else {
            self.session.sign(&mechanism, self.key, &data)
        };
        let signature = signature.map_err(|source| match source {
            Pkcs11Error::Pkcs11(RvError::TokenNotPresent | RvError::DeviceRemoved, _) => {
                TokenError::Removed(self.token.clone())
            }
            Pkcs11Error::Pkcs11(RvError::PinIncorrect, _) => TokenError::PinWrong {
                token: self.token.clone(),
                left: "",
            },
            source => refused(&self.token, "sign", source),
        })?;
        Ok(self.method.finish(signature))
    }
}

impl Signer for TokenSigner {
    fn certificate(&self) -> &Certificate {
        self.chain
            .first()
            .expect("the chain begins with the chosen certificate")
    }

    fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        self.sign_on_token(message).map_err(SignError::Token)
    }
}

impl std::fmt::Debug for TokenSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenSigner({}, {:?})", self.token, self.method)
    }
}

/// One initialised context per module and process: a second `C_Initialize` fails by the standard.
fn context(module: &Path) -> Result<Pkcs11, TokenError> {
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

fn log_in(
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
        Err(Pkcs11Error::Pkcs11(RvError::PinIncorrect | RvError::PinLenRange | RvError::PinInvalid, _)) => {
            let after = context.get_token_info(slot).map(|info| pin_state(&info));
            Err(match after {
                Ok(PinState::Locked) => TokenError::PinLocked(info.label.clone()),
                Ok(PinState::LastTry) => TokenError::PinWrong {
                    token: info.label.clone(),
                    left: "; one try is left before it locks",
                },
                _ => TokenError::PinWrong {
                    token: info.label.clone(),
                    left: "",
                },
            })
        }
        Err(Pkcs11Error::Pkcs11(RvError::PinLocked, _)) => Err(TokenError::PinLocked(info.label.clone())),
        Err(source) => Err(refused(&info.label, "log in", source)),
    }
}

fn pin_state(info: &cryptoki::slot::TokenInfo) -> PinState {
    if info.user_pin_locked() {
        PinState::Locked
    } else if !info.login_required() {
        PinState::NotNeeded
    } else if info.user_pin_final_try() {
        PinState::LastTry
    } else if info.user_pin_count_low() {
        PinState::WrongBefore
    } else if info.protected_authentication_path() {
        PinState::ReaderPad
    } else {
        PinState::Ready
    }
}

fn certificates(session: &Session, token: &str) -> Result<Vec<TokenCertificate>, TokenError> {
    let template = [
        Attribute::Class(ObjectClass::CERTIFICATE),
        Attribute::CertificateType(CertificateType::X_509),
    ];
    let failed = |source| refused(token, "list its certificates", source);
    let mut found = Vec::new();
    for object in session
        .find_objects(&template)
        .map_err(failed)?
        .into_iter()
        .take(MAX_OBJECTS)
    {
        let wanted = [AttributeType::Value, AttributeType::Id, AttributeType::Label];
        let (mut value, mut id, mut label) = (Vec::new(), Vec::new(), Vec::new());
        for attribute in session.get_attributes(object, &wanted).map_err(failed)? {
            match attribute {
                Attribute::Value(bytes) => value = bytes,
                Attribute::Id(bytes) => id = bytes,
                Attribute::Label(bytes) => label = bytes,
                _ => {}
            }
        }
        // A certificate that cannot be read is of no use for signing; others on the token may be.
        if let Ok(certificate) = Certificate::from_der(&value) {
            found.push(TokenCertificate {
                label: String::from_utf8_lossy(&label).into_owned(),
                id: hex::encode(id),
                certificate,
            });
        }
    }
    found.sort_by(|a, b| (&a.id, &a.label).cmp(&(&b.id, &b.label)));
    Ok(found)
}

/// The certificates that a selector may mean; leaves first, so that a CA on the token is not taken for one.
fn candidates<'a>(
    certificates: &'a [TokenCertificate],
    wanted: &'a str,
) -> impl Iterator<Item = &'a TokenCertificate> {
    let matches = move |one: &&TokenCertificate| {
        wanted.is_empty()
            || one.id.eq_ignore_ascii_case(wanted)
            || one.label == wanted
            || one.certificate.fingerprint().eq_ignore_ascii_case(wanted)
    };
    let issues_another = move |one: &TokenCertificate| {
        certificates.iter().any(|other| {
            other.certificate != one.certificate && other.certificate.is_issued_by(&one.certificate)
        })
    };
    let (issuers, leaves): (Vec<_>, Vec<_>) = certificates
        .iter()
        .filter(matches)
        .partition(|one| issues_another(one));
    leaves.into_iter().chain(issuers)
}

fn pick<'a>(certificates: &'a [TokenCertificate], wanted: &'a str) -> Option<&'a TokenCertificate> {
    candidates(certificates, wanted).next()
}

fn private_key(session: &Session, id_hex: &str) -> Option<ObjectHandle> {
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Id(hex::decode(id_hex).ok()?),
    ];
    session.find_objects(&template).ok()?.into_iter().next()
}

/// The certificate and its issuers on the same token, without the self-signed root.
fn chain(leaf: &Certificate, all: &[TokenCertificate]) -> Vec<Certificate> {
    let mut chain = vec![leaf.clone()];
    while let Some(last) = chain.last().filter(|last| !last.is_self_issued()) {
        let issuer = all
            .iter()
            .map(|one| &one.certificate)
            .find(|one| !one.is_self_issued() && !chain.contains(one) && last.is_issued_by(one));
        match issuer {
            Some(issuer) => {
                let issuer = issuer.clone();
                chain.push(issuer);
            }
            None => break,
        }
    }
    chain
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
