//! Tokens that are plugged in, and what can be seen on them.

use std::path::{Path, PathBuf};

use cryptoki::object::{Attribute, AttributeType, CertificateType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use super::session::context;
use super::{MAX_OBJECTS, TokenError, Wanted, refused};
use crate::crypto::certificate::Certificate;
use crate::crypto::pkcs11_uri::Pkcs11Uri;

/// A token that is plugged in, with the certificates that can be seen without a PIN.
#[derive(Debug, Clone)]
pub struct TokenInfo {
    pub module: PathBuf,
    /// Position of the slot; a label or serial number names a token better.
    pub slot: u64,
    pub label: String,
    pub serial: String,
    pub manufacturer: String,
    pub model: String,
    pub pin: PinState,
    pub certificates: Vec<TokenCertificate>,
}

impl TokenInfo {
    /// The URI (RFC 7512) that names the token, or with a certificate the object with its id.
    pub fn uri(&self, certificate: Option<&TokenCertificate>) -> Pkcs11Uri {
        let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        Pkcs11Uri {
            token: text(&self.label),
            manufacturer: text(&self.manufacturer),
            serial: text(&self.serial),
            model: text(&self.model),
            id: certificate.and_then(|one| hex::decode(&one.id).ok()),
            object: certificate.and_then(|one| text(&one.label)),
            ..Pkcs11Uri::default()
        }
    }
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
            model: info.model().to_owned(),
            pin: pin_state(&info),
            certificates,
        });
    }
    Ok(tokens)
}

/// The one token that is wanted. Asks for no PIN.
pub(super) fn token(module: &Path, wanted: Wanted<'_>) -> Result<TokenInfo, TokenError> {
    let tokens = list(module)?;
    let labels: Vec<&str> = tokens.iter().map(|token| token.label.as_str()).collect();
    let none = TokenError::NoToken {
        wanted: wanted.token_text(),
        found: super::shown(&labels.join(", ")),
    };
    let mut matching: Vec<TokenInfo> = tokens
        .into_iter()
        .filter(|token| wanted.is_token(token))
        .collect();
    if matching.len() > 1 {
        // Certificates may only show after a PIN; those that show tell the tokens apart.
        let able: Vec<TokenInfo> = matching
            .iter()
            .filter(|token| pick(&token.certificates, wanted).is_some())
            .cloned()
            .collect();
        if able.len() > 1 && matches!(wanted, Wanted::Uri(_)) {
            return Err(TokenError::Ambiguous {
                wanted: wanted.token_text(),
                count: able.len(),
            });
        }
        matching = able;
    }
    matching.into_iter().next().ok_or(none)
}

pub(super) fn pin_state(info: &cryptoki::slot::TokenInfo) -> PinState {
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

pub(super) fn certificates(session: &Session, token: &str) -> Result<Vec<TokenCertificate>, TokenError> {
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
pub(super) fn candidates<'a>(
    certificates: &'a [TokenCertificate],
    wanted: Wanted<'a>,
) -> impl Iterator<Item = &'a TokenCertificate> {
    let matches = move |one: &&TokenCertificate| wanted.is_certificate(one);
    let (issuers, leaves): (Vec<_>, Vec<_>) = certificates
        .iter()
        .filter(matches)
        .partition(|one| issues_another(certificates, one));
    leaves.into_iter().chain(issuers)
}

/// It is a CA of another one among these.
pub(super) fn issues_another(certificates: &[TokenCertificate], one: &TokenCertificate) -> bool {
    certificates.iter().any(|other| {
        other.certificate.spki_der() != one.certificate.spki_der()
            && other.certificate.is_issued_by(&one.certificate)
    })
}

pub(super) fn pick<'a>(
    certificates: &'a [TokenCertificate],
    wanted: Wanted<'a>,
) -> Option<&'a TokenCertificate> {
    candidates(certificates, wanted).next()
}

pub(super) fn private_key(session: &Session, id_hex: &str) -> Option<ObjectHandle> {
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Id(hex::decode(id_hex).ok()?),
    ];
    session.find_objects(&template).ok()?.into_iter().next()
}

/// The certificate and its issuers on the same token, without the self-signed root.
pub(super) fn chain(leaf: &Certificate, all: &[TokenCertificate]) -> Vec<Certificate> {
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
