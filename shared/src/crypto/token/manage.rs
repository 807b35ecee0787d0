//! Putting keys and certificates onto a token: made there, brought there, renewed.
//!
//! Parties: the *person* holds the PIN; the *token* makes keys that never leave it. Rules: a PIN is tried once; a
//! key made or brought here is marked as private, sensitive and not to be taken out; nothing on the token is
//! overwritten; what was begun and not finished is taken off again.

use std::path::Path;

use cryptoki::context::Pkcs11;
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, AttributeType, CertificateType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;
use cryptoki::slot::Slot;
use der::Encode as _;
use secrecy::SecretString;

use super::find::{TokenCertificate, TokenInfo, certificates, private_key};
use super::method::Method;
use super::pin::{TokenName, open_to_write};
use super::session::log_in;
use super::{MAX_OBJECTS, TokenError, refused};
use crate::crypto::certificate::Certificate;
use crate::crypto::issue::IssuingKey;
use crate::crypto::key::{KeyError, KeyParts, PrivateKey, p256_spki};
use crate::crypto::public_key::{self, KeyKind};
use crate::crypto::signer::SignError;

/// The parameters of EC P-256 keys: its object identifier in DER.
const P256_PARAMETERS: [u8; 10] = [0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The longest `CKA_ID`, in bytes.
const MAX_ID_BYTES: usize = 32;

/// The kind of a key to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NewKey {
    Rsa {
        /// 2048 to 4096.
        bits: u16,
    },
    Ec,
}

/// A token that is unlocked and open for writing.
pub struct OpenToken {
    context: Pkcs11,
    slot: Slot,
    session: Session,
    info: TokenInfo,
}

impl OpenToken {
    /// Unlocks a token that a label, a serial number or a PKCS#11 URI names; any when it is empty and there is one.
    /// The PIN is tried once.
    ///
    /// # Errors
    /// When no such token is there, or the PIN is refused.
    pub fn open(module: &Path, name: &TokenName, pin: Option<&SecretString>) -> Result<Self, TokenError> {
        let info = name.find(module)?;
        let (context, slot, session) = open_to_write(module, &info)?;
        log_in(&context, slot, &session, &info, pin)?;
        Ok(Self {
            context,
            slot,
            session,
            info,
        })
    }

    /// What was seen of the token before it was unlocked.
    pub fn info(&self) -> &TokenInfo {
        &self.info
    }

    /// The certificates on the token, those that only show after the PIN included.
    ///
    /// # Errors
    /// When the token does not list them.
    pub fn certificates(&self) -> Result<Vec<TokenCertificate>, TokenError> {
        certificates(&self.session, &self.info.label)
    }

    /// An id for a new key: the one asked for when it is free, else the lowest free number.
    ///
    /// # Errors
    /// When the one asked for is taken or is none.
    pub fn free_id(&self, wanted: Option<&str>) -> Result<Vec<u8>, TokenError> {
        let taken = self.ids()?;
        if let Some(text) = wanted {
            let id = hex::decode(text)
                .ok()
                .filter(|id| (1..=MAX_ID_BYTES).contains(&id.len()))
                .ok_or_else(|| TokenError::Id(text.to_owned()))?;
            if taken.contains(&id) {
                return Err(TokenError::IdTaken {
                    token: self.info.label.clone(),
                    id: text.to_owned(),
                });
            }
            return Ok(id);
        }
        let free = (1..=u8::MAX)
            .map(|number| vec![number])
            .find(|id| !taken.contains(id));
        free.ok_or_else(|| TokenError::IdTaken {
            token: self.info.label.clone(),
            id: "01 to ff".to_owned(),
        })
    }

    /// Makes a key on the token. It stays there also when nothing else follows: see [`TokenKey::take_off`].
    ///
    /// # Errors
    /// When the token cannot make such a key or sign with it.
    pub fn generate(&self, kind: NewKey, label: &str, id: &[u8]) -> Result<TokenKey<'_>, TokenError> {
        let common = |class: ObjectClass, private: bool| {
            vec![
                Attribute::Class(class),
                Attribute::Token(true),
                Attribute::Private(private),
                Attribute::Label(label.as_bytes().to_vec()),
                Attribute::Id(id.to_vec()),
            ]
        };
        let mut public = common(ObjectClass::PUBLIC_KEY, false);
        public.push(Attribute::Verify(true));
        let mut private = common(ObjectClass::PRIVATE_KEY, true);
        private.extend([
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        let mechanism = match kind {
            NewKey::Rsa { bits } => {
                public.push(Attribute::ModulusBits(u64::from(bits).into()));
                public.push(Attribute::PublicExponent(vec![1, 0, 1]));
                Mechanism::RsaPkcsKeyPairGen
            }
            NewKey::Ec => {
                public.push(Attribute::EcParams(P256_PARAMETERS.to_vec()));
                Mechanism::EccKeyPairGen
            }
        };
        let (public, private) = self
            .session
            .generate_key_pair(&mechanism, &public, &private)
            .map_err(|source| refused(&self.info.label, "make a key", source))?;
        let made = self
            .spki(kind, public)
            .and_then(|spki| self.key(spki, private, Some(public)));
        if made.is_err() {
            self.session.destroy_object(private).ok();
            self.session.destroy_object(public).ok();
        }
        made
    }

    /// Brings a key onto the token.
    ///
    /// # Errors
    /// When the token does not take it or cannot sign with it.
    pub fn import(&self, key: &PrivateKey, label: &str, id: &[u8]) -> Result<TokenKey<'_>, TokenError> {
        let common = |class: ObjectClass, kind: KeyType, private: bool| {
            vec![
                Attribute::Class(class),
                Attribute::KeyType(kind),
                Attribute::Token(true),
                Attribute::Private(private),
                Attribute::Label(label.as_bytes().to_vec()),
                Attribute::Id(id.to_vec()),
            ]
        };
        let spki = key.spki_der().map_err(TokenError::Key)?;
        let (kind, public_parts, private_parts) = match key.parts().map_err(TokenError::Key)? {
            KeyParts::Rsa(parts) => {
                let public = vec![
                    Attribute::Modulus(parts.modulus.clone()),
                    Attribute::PublicExponent(parts.public_exponent.clone()),
                ];
                let mut private = public.clone();
                private.extend([
                    Attribute::PrivateExponent(parts.private_exponent.to_vec()),
                    Attribute::Prime1(parts.prime1.to_vec()),
                    Attribute::Prime2(parts.prime2.to_vec()),
                    Attribute::Exponent1(parts.exponent1.to_vec()),
                    Attribute::Exponent2(parts.exponent2.to_vec()),
                    Attribute::Coefficient(parts.coefficient.to_vec()),
                ]);
                (KeyType::RSA, public, private)
            }
            KeyParts::Ec { scalar, point } => {
                let parameters = Attribute::EcParams(P256_PARAMETERS.to_vec());
                let point = der::asn1::OctetString::new(point)
                    .and_then(|point| point.to_der())
                    .map_err(|_error| TokenError::Key(KeyError::Encode))?;
                (
                    KeyType::EC,
                    vec![parameters.clone(), Attribute::EcPoint(point)],
                    vec![parameters, Attribute::Value(scalar.to_vec())],
                )
            }
        };
        let mut private = common(ObjectClass::PRIVATE_KEY, kind, true);
        private.extend([
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
        ]);
        private.extend(private_parts);
        let mut public = common(ObjectClass::PUBLIC_KEY, kind, false);
        public.push(Attribute::Verify(true));
        public.extend(public_parts);
        let private = self
            .session
            .create_object(&private)
            .map_err(|source| refused(&self.info.label, "take the key", source))?;
        // The public half is a convenience: signing needs the private key and the certificate only.
        let public = self.session.create_object(&public).ok();
        let brought = self.key(spki, private, public);
        if brought.is_err() {
            self.session.destroy_object(private).ok();
            if let Some(public) = public {
                self.session.destroy_object(public).ok();
            }
        }
        brought
    }

    /// The key beside a certificate on the token.
    ///
    /// # Errors
    /// When there is none, or the token cannot sign with it.
    pub fn key_of(&self, held: &TokenCertificate) -> Result<TokenKey<'_>, TokenError> {
        let private = private_key(&self.session, &held.id).ok_or_else(|| TokenError::NoKey {
            token: self.info.label.clone(),
            wanted: held.id.clone(),
        })?;
        self.key(held.certificate.spki_der().to_vec(), private, None)
    }

    /// Puts a certificate onto the token, under the id of its key.
    ///
    /// # Errors
    /// When the token does not take it.
    pub fn store(&self, certificate: &Certificate, label: &str, id: &[u8]) -> Result<(), TokenError> {
        let names = certificate.raw_names();
        let object = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::CertificateType(CertificateType::X_509),
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Label(label.as_bytes().to_vec()),
            Attribute::Id(id.to_vec()),
            Attribute::Subject(names.subject),
            Attribute::Issuer(names.issuer),
            Attribute::SerialNumber(names.serial),
            Attribute::Value(certificate.der().to_vec()),
        ];
        self.session
            .create_object(&object)
            .map(drop)
            .map_err(|source| refused(&self.info.label, "take the certificate", source))
    }

    /// Puts a new certificate of the same key into the place of an old one. The old one goes last.
    ///
    /// # Errors
    /// When the token does not take the new one; the old one stays then.
    pub fn replace(&self, old: &TokenCertificate, new: &Certificate) -> Result<(), TokenError> {
        let id = hex::decode(&old.id).map_err(|_error| TokenError::Id(old.id.clone()))?;
        self.store(new, &old.label, &id)?;
        let template = [
            Attribute::Class(ObjectClass::CERTIFICATE),
            Attribute::Id(id),
            Attribute::Value(old.certificate.der().to_vec()),
        ];
        let failed = |source| refused(&self.info.label, "take the old certificate off", source);
        for object in self.session.find_objects(&template).map_err(failed)? {
            self.session.destroy_object(object).map_err(failed)?;
        }
        Ok(())
    }

    fn ids(&self) -> Result<Vec<Vec<u8>>, TokenError> {
        let failed = |source| refused(&self.info.label, "list what it holds", source);
        let mut ids = Vec::new();
        for class in [
            ObjectClass::PRIVATE_KEY,
            ObjectClass::CERTIFICATE,
            ObjectClass::PUBLIC_KEY,
        ] {
            let objects = self
                .session
                .find_objects(&[Attribute::Class(class)])
                .map_err(failed)?;
            for object in objects.into_iter().take(MAX_OBJECTS) {
                let found = self
                    .session
                    .get_attributes(object, &[AttributeType::Id])
                    .map_err(failed)?;
                ids.extend(found.into_iter().filter_map(|attribute| match attribute {
                    Attribute::Id(id) => Some(id),
                    _ => None,
                }));
            }
        }
        Ok(ids)
    }

    fn key(
        &self,
        spki: Vec<u8>,
        private: ObjectHandle,
        public: Option<ObjectHandle>,
    ) -> Result<TokenKey<'_>, TokenError> {
        let kind = public_key::kind(&spki);
        let mechanisms = self
            .context
            .get_mechanism_list(self.slot)
            .map_err(|source| refused(&self.info.label, "list its mechanisms", source))?;
        let method = Method::choose(kind, &mechanisms).ok_or_else(|| TokenError::NoMechanism {
            token: self.info.label.clone(),
            kind,
        })?;
        Ok(TokenKey {
            token: self,
            method,
            private,
            public,
            spki,
        })
    }

    /// The public half of a new key as certificates carry it.
    fn spki(&self, kind: NewKey, public: ObjectHandle) -> Result<Vec<u8>, TokenError> {
        let unreadable = || TokenError::PublicKey {
            token: self.info.label.clone(),
        };
        let wanted = match kind {
            NewKey::Rsa { .. } => vec![AttributeType::Modulus, AttributeType::PublicExponent],
            NewKey::Ec => vec![AttributeType::EcPoint],
        };
        let (mut modulus, mut exponent, mut point) = (Vec::new(), Vec::new(), Vec::new());
        let read = self
            .session
            .get_attributes(public, &wanted)
            .map_err(|source| refused(&self.info.label, "show its new public key", source))?;
        for attribute in read {
            match attribute {
                Attribute::Modulus(bytes) => modulus = bytes,
                Attribute::PublicExponent(bytes) => exponent = bytes,
                Attribute::EcPoint(bytes) => point = bytes,
                _ => {}
            }
        }
        match kind {
            NewKey::Rsa { .. } => rsa_spki(&modulus, &exponent).ok_or_else(unreadable),
            NewKey::Ec => {
                // The standard wraps the point in an octet string; some tokens do not.
                let point = point.strip_prefix(&[0x04, 0x41]).unwrap_or(&point);
                if point.len() != 65 || point.first() != Some(&0x04) {
                    return Err(unreadable());
                }
                Ok(p256_spki(point))
            }
        }
    }
}

impl std::fmt::Debug for OpenToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "OpenToken({})", self.info.label)
    }
}

/// A key on an open token.
pub struct TokenKey<'a> {
    token: &'a OpenToken,
    method: Method,
    private: ObjectHandle,
    public: Option<ObjectHandle>,
    spki: Vec<u8>,
}

impl TokenKey<'_> {
    /// Takes the key off the token again: what was to follow failed.
    pub fn take_off(&self) {
        for object in [Some(self.private), self.public].into_iter().flatten() {
            self.token.session.destroy_object(object).ok();
        }
    }

    /// The kind and size of the key.
    pub fn kind(&self) -> KeyKind {
        public_key::kind(&self.spki)
    }
}

impl IssuingKey for TokenKey<'_> {
    fn spki_der(&self) -> Result<Vec<u8>, KeyError> {
        Ok(self.spki.clone())
    }

    fn sign_data(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let (mechanism, data) = self.method.prepare(message);
        let signature = self.token.session.sign(&mechanism, self.private, &data);
        signature
            .map(|signature| self.method.finish(signature))
            .map_err(|source| SignError::Token(refused(&self.token.info.label, "sign", source)))
    }
}

impl std::fmt::Debug for TokenKey<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TokenKey({}, {})", self.token.info.label, self.kind())
    }
}

fn rsa_spki(modulus: &[u8], exponent: &[u8]) -> Option<Vec<u8>> {
    use der::asn1::{Any, BitString, UintRef};
    let key = [
        UintRef::new(modulus).ok()?.to_der().ok()?,
        UintRef::new(exponent).ok()?.to_der().ok()?,
    ];
    let key = Any::new(der::Tag::Sequence, key.concat()).ok()?.to_der().ok()?;
    spki::SubjectPublicKeyInfoOwned {
        algorithm: spki::AlgorithmIdentifierOwned {
            oid: spki::ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"),
            parameters: Some(Any::null()),
        },
        subject_public_key: BitString::from_bytes(&key).ok()?,
    }
    .to_der()
    .ok()
}
