//! Signing with a key on a token.

use std::path::Path;

use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use super::find::{TokenCertificate, candidates, certificates, chain, private_key, token};
use super::method::Method;
use super::session::{context, log_in};
use super::{TokenError, TokenSelector, Wanted, refused};
use crate::crypto::certificate::Certificate;
use crate::crypto::pkcs11_uri::Pkcs11Uri;
use crate::crypto::signer::{SignError, Signer};

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
        Self::open_wanted(&selector.module, Wanted::Selector(selector), pin)
    }

    /// Opens the token that a PKCS#11 URI names and unlocks it. The PIN is tried once.
    ///
    /// # Errors
    /// As [`Self::open`], and when several tokens match.
    pub fn open_uri(module: &Path, uri: &Pkcs11Uri, pin: Option<&SecretString>) -> Result<Self, TokenError> {
        Self::open_wanted(module, Wanted::Uri(uri), pin)
    }

    fn open_wanted(
        module: &Path,
        wanted: Wanted<'_>,
        pin: Option<&SecretString>,
    ) -> Result<Self, TokenError> {
        let info = token(module, wanted)?;
        let context = context(module)?;
        let slot =
            Slot::try_from(info.slot).map_err(|source| refused(&info.label, "name its slot", source))?;
        let session = context
            .open_ro_session(slot)
            .map_err(|source| refused(&info.label, "open a session", source))?;
        log_in(&context, slot, &session, &info, pin)?;
        // Some tokens show certificates only after the login.
        let all = certificates(&session, &info.label)?;
        let no_key = || TokenError::NoKey {
            token: info.label.clone(),
            wanted: wanted.key_text(),
        };
        let (chosen, key) = candidates(&all, wanted)
            .find_map(|one| Some((one, private_key(&session, &one.id)?)))
            .or_else(|| by_key_label(&session, &all, wanted))
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

/// A URI may give the label of the key where its certificate has another.
fn by_key_label<'a>(
    session: &Session,
    all: &'a [TokenCertificate],
    wanted: Wanted<'_>,
) -> Option<(&'a TokenCertificate, ObjectHandle)> {
    let Wanted::Uri(uri) = wanted else { return None };
    let label = uri.object.as_ref()?;
    all.iter()
        .filter(|one| uri.id.as_ref().is_none_or(|id| hex::encode(id) == one.id))
        .find_map(|one| {
            let key = private_key(session, &one.id)?;
            let found = session.get_attributes(key, &[AttributeType::Label]).ok()?;
            let same = found.contains(&Attribute::Label(label.as_bytes().to_vec()));
            same.then_some((one, key))
        })
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
