//! Signing with a key on a token.

use std::path::Path;

use cryptoki::error::{Error as Pkcs11Error, RvError};
use cryptoki::object::{Attribute, AttributeType, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use secrecy::SecretString;

use super::find::{
    TokenCertificate, TokenInfo, candidates, certificates, chain, issues_another, private_key, token,
};
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
        Self::open_with(selector, pin, &[])
    }

    /// Opens a token and unlocks it, to sign with a certificate that need not be on it: `given`, signer first, then
    /// those above it; the token's own when empty. The PIN is tried once.
    ///
    /// # Errors
    /// As [`Self::open`], and when the certificate belongs to none of the keys.
    pub fn open_with(
        selector: &TokenSelector,
        pin: Option<&SecretString>,
        given: &[Certificate],
    ) -> Result<Self, TokenError> {
        Self::open_wanted(&selector.module, Wanted::Selector(selector), pin, given)
    }

    /// Opens the token that a PKCS#11 URI names and unlocks it. The PIN is tried once.
    ///
    /// # Errors
    /// As [`Self::open_with`], and when several tokens match.
    pub fn open_uri(
        module: &Path,
        uri: &Pkcs11Uri,
        pin: Option<&SecretString>,
        given: &[Certificate],
    ) -> Result<Self, TokenError> {
        Self::open_wanted(module, Wanted::Uri(uri), pin, given)
    }

    fn open_wanted(
        module: &Path,
        wanted: Wanted<'_>,
        pin: Option<&SecretString>,
        given: &[Certificate],
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
        let mut usable: Vec<_> = candidates(&all, wanted)
            .filter_map(|one| Some((one, private_key(&session, &one.id)?)))
            .collect();
        if usable.is_empty() {
            usable.extend(by_key_label(&session, &all, wanted));
        }
        if usable.is_empty() {
            return Err(no_key());
        }
        let (chosen, key) = match given.first() {
            Some(given) => usable
                .into_iter()
                .find(|(one, _)| one.certificate.spki_der() == given.spki_der())
                .ok_or_else(|| TokenError::OtherKey {
                    token: info.label.clone(),
                    name: given.common_name(),
                })?,
            None => only_key(&info, &all, usable)?,
        };
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
            chain: if given.is_empty() {
                chain(&chosen.certificate, &all)
            } else {
                given.to_vec()
            },
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

/// A key is never guessed: what is signed with the wrong one is refused elsewhere, or believed in another's name. Only
/// a CA beside those that it issued certificates for is never meant.
fn only_key<'a>(
    info: &TokenInfo,
    all: &[TokenCertificate],
    usable: Vec<(&'a TokenCertificate, ObjectHandle)>,
) -> Result<(&'a TokenCertificate, ObjectHandle), TokenError> {
    let mut different: Vec<(&TokenCertificate, ObjectHandle)> = Vec::new();
    for (one, key) in usable {
        let is_known = different
            .iter()
            .any(|(other, _)| other.certificate.spki_der() == one.certificate.spki_der());
        if !is_known && (different.is_empty() || !issues_another(all, one)) {
            different.push((one, key));
        }
    }
    match different.as_slice() {
        [only] => Ok(*only),
        _ => Err(TokenError::SeveralKeys {
            token: info.label.clone(),
            keys: different
                .iter()
                .map(|(one, _)| (one.certificate.common_name(), info.uri(Some(one)).to_string()))
                .collect(),
        }),
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
