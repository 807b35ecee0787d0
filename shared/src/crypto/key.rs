//! Private keys: people's (RSA or EC P-256, in PEM files) and a host's identity key (EC P-256).

use pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _,
};
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use spki::EncodePublicKey as _;
use zeroize::Zeroizing;

use super::traditional_pem::Block;
use crate::hint::Hint;

/// The DER of `SubjectPublicKeyInfo` for EC P-256 up to the point itself (RFC 5480).
const P256_SPKI_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What stands before the private half in the PKCS#8 form of a P-256 key that `ring` reads.
const PKCS8_HEAD: [u8; 36] = [
    0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01,
    0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x04, 0x6d, 0x30, 0x6b, 0x02, 0x01, 0x01,
    0x04, 0x20,
];

/// What stands between the private and the public half.
const PKCS8_MIDDLE: [u8; 5] = [0xa1, 0x44, 0x03, 0x42, 0x00];

/// Why a private key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("the file holds no private key in PEM")]
    NotPem,
    #[error("the private key is encrypted and no password was given")]
    PasswordNeeded,
    #[error("the password does not open the private key")]
    WrongPassword,
    #[error("the private key is encrypted with {0}, which is not supported")]
    UnsupportedEncryption(String),
    #[error("the private key is of a kind that is not supported (RSA 2048 to 4096 and EC P-256 are)")]
    Unsupported,
    #[error("an RSA key of {0} bits is not supported (2048 to 4096 are)")]
    UnsupportedSize(usize),
    #[error("the private key cannot be made")]
    Generate,
    #[error("the private key cannot be encoded")]
    Encode,
}

impl Hint for KeyError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::PasswordNeeded => vec!["give the password when asked, or with --password-stdin".into()],
            Self::WrongPassword => vec!["type the password again; nothing was changed".into()],
            Self::UnsupportedEncryption(_) => {
                vec!["convert it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in OLD.pem -out NEW.pem".into()]
            }
            Self::Unsupported | Self::UnsupportedSize(_) => {
                vec!["make a new key with `muster key create`".into()]
            }
            Self::NotPem | Self::Generate | Self::Encode => Vec::new(),
        }
    }
}

/// A person's private key.
pub enum PrivateKey {
    Rsa(Box<rsa::PrivateKey>),
    Ec {
        pair: Box<EcdsaKeyPair>,
        /// Unencrypted PKCS#8, as `ring` needs it again for writing.
        pkcs8: Zeroizing<Vec<u8>>,
    },
}

impl PrivateKey {
    /// Makes an RSA key of 2048 to 4096 bits.
    ///
    /// # Errors
    /// When the size is out of range or the system gives no randomness.
    pub fn generate_rsa(bits: usize) -> Result<Self, KeyError> {
        if !(2048..=4096).contains(&bits) {
            return Err(KeyError::UnsupportedSize(bits));
        }
        rsa::PrivateKey::new(&mut SystemRng, bits)
            .map(|key| Self::Rsa(Box::new(key)))
            .map_err(|_error| KeyError::Generate)
    }

    /// Makes an EC P-256 key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate_ec() -> Result<Self, KeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_unspecified| KeyError::Generate)?;
        Self::from_pkcs8_der(pkcs8.as_ref())
    }

    /// A PEM text holds a private key that needs a password.
    pub fn is_encrypted(pem: &str) -> bool {
        Block::first_private_key(pem)
            .is_some_and(|block| block.label == "ENCRYPTED PRIVATE KEY" || block.is_traditionally_encrypted())
    }

    /// Reads a private key from PEM: PKCS#8 (encrypted or not), PKCS#1, SEC1, and the encrypted form of
    /// WAPT keys.
    ///
    /// # Errors
    /// Each way in which the key cannot be read, a wrong password apart from the others.
    pub fn from_pem(pem: &str, password: Option<&SecretString>) -> Result<Self, KeyError> {
        let block = Block::first_private_key(pem).ok_or(KeyError::NotPem)?;
        if block.label == "ENCRYPTED PRIVATE KEY" {
            let password = password.ok_or(KeyError::PasswordNeeded)?;
            let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(block.body.as_slice())
                .map_err(|_error| KeyError::NotPem)?;
            let document = info
                .decrypt(password.expose_secret())
                .map_err(|_error| KeyError::WrongPassword)?;
            return Self::from_pkcs8_der(document.as_bytes());
        }
        let body = if block.is_traditionally_encrypted() {
            let password = password.ok_or(KeyError::PasswordNeeded)?;
            if block.algorithm() != "AES-256-CBC" {
                return Err(KeyError::UnsupportedEncryption(block.algorithm().to_owned()));
            }
            block
                .decrypt(password.expose_secret())
                .ok_or(KeyError::WrongPassword)?
        } else {
            block.body.clone()
        };
        // A wrong password passes the padding check once in 256 times; the key then makes no sense.
        let unreadable = if block.is_traditionally_encrypted() {
            KeyError::WrongPassword
        } else {
            KeyError::Unsupported
        };
        match block.label.as_str() {
            "PRIVATE KEY" => Self::from_pkcs8_der(&body),
            "RSA PRIVATE KEY" => rsa::PrivateKey::from_pkcs1_der(&body)
                .map_err(|_error| unreadable)
                .and_then(Self::from_rsa),
            "EC PRIVATE KEY" => Self::from_sec1_der(&body).ok_or(unreadable),
            _ => Err(KeyError::Unsupported),
        }
    }

    /// Writes the key as PKCS#8 PEM, encrypted (PBES2, scrypt, AES-256-CBC) when a password is given.
    ///
    /// # Errors
    /// When encoding or the system's randomness fails.
    pub fn to_pem(&self, password: Option<&SecretString>) -> Result<Zeroizing<String>, KeyError> {
        let pkcs8 = self.to_pkcs8_der()?;
        let info = pkcs8::PrivateKeyInfoRef::try_from(pkcs8.as_slice()).map_err(|_error| KeyError::Encode)?;
        let (label, document) = match password {
            Some(password) => (
                "ENCRYPTED PRIVATE KEY",
                info.encrypt(password.expose_secret())
                    .map_err(|_error| KeyError::Encode)?,
            ),
            None => (
                "PRIVATE KEY",
                pkcs8::SecretDocument::try_from(pkcs8.as_slice()).map_err(|_error| KeyError::Encode)?,
            ),
        };
        document
            .to_pem(label, der::pem::LineEnding::LF)
            .map_err(|_error| KeyError::Encode)
    }

    /// Signs a message with SHA-256: PKCS#1 v1.5 for RSA, DER-encoded ECDSA for EC.
    ///
    /// # Errors
    /// When the key cannot sign, which a sound key always can.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(key) => key
                .pkcs1v15_sign::<rsa::sha2::Sha256>(message)
                .map_err(|_error| KeyError::Unsupported),
            Self::Ec { pair, .. } => pair
                .sign(&SystemRandom::new(), message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_unspecified| KeyError::Unsupported),
        }
    }

    /// The DER SubjectPublicKeyInfo of the public half.
    ///
    /// # Errors
    /// When encoding fails.
    pub fn spki_der(&self) -> Result<Vec<u8>, KeyError> {
        match self {
            Self::Rsa(key) => key
                .to_public_key()
                .to_public_key_der()
                .map(|document| document.as_bytes().to_vec())
                .map_err(|_error| KeyError::Encode),
            Self::Ec { pair, .. } => Ok(p256_spki(pair.public_key().as_ref())),
        }
    }

    /// The numbers that a token wants to see.
    ///
    /// # Errors
    /// When the key cannot be taken apart.
    #[cfg(feature = "token")]
    pub(super) fn parts(&self) -> Result<KeyParts, KeyError> {
        use der::Decode as _;
        use rsa::pkcs1::EncodeRsaPrivateKey as _;
        match self {
            Self::Rsa(key) => {
                let document = key.to_pkcs1_der().map_err(|_error| KeyError::Encode)?;
                let key = rsa::pkcs1::RsaPrivateKeyRef::from_der(document.as_bytes())
                    .map_err(|_error| KeyError::Encode)?;
                let secret = |bytes: &[u8]| Zeroizing::new(bytes.to_vec());
                Ok(KeyParts::Rsa(Box::new(RsaParts {
                    modulus: key.modulus.as_bytes().to_vec(),
                    public_exponent: key.public_exponent.as_bytes().to_vec(),
                    private_exponent: secret(key.private_exponent.as_bytes()),
                    prime1: secret(key.prime1.as_bytes()),
                    prime2: secret(key.prime2.as_bytes()),
                    exponent1: secret(key.exponent1.as_bytes()),
                    exponent2: secret(key.exponent2.as_bytes()),
                    coefficient: secret(key.coefficient.as_bytes()),
                })))
            }
            Self::Ec { pair, pkcs8 } => {
                let info = pkcs8::PrivateKeyInfoRef::try_from(pkcs8.as_slice())
                    .map_err(|_error| KeyError::Encode)?;
                let key = sec1::EcPrivateKey::from_der(info.private_key.as_bytes())
                    .map_err(|_error| KeyError::Encode)?;
                Ok(KeyParts::Ec {
                    scalar: Zeroizing::new(key.private_key.to_vec()),
                    point: pair.public_key().as_ref().to_vec(),
                })
            }
        }
    }

    /// The key in DER, PKCS#8, not encrypted: for a container that encrypts it.
    ///
    /// # Errors
    /// When encoding fails.
    pub fn to_pkcs8_plain(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        self.to_pkcs8_der()
    }

    /// Reads a key from DER, PKCS#8, that a container had encrypted.
    ///
    /// # Errors
    /// When it is of another kind or size.
    pub fn from_pkcs8_plain(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = Self::from_pkcs8_der(der) {
            return Ok(key);
        }
        // Other tools leave the public half of EC keys out, which `ring` wants to see.
        Self::from_pkcs8_ec(der).ok_or(KeyError::Unsupported)
    }

    fn from_pkcs8_ec(der: &[u8]) -> Option<Self> {
        use der::Decode as _;
        let info = pkcs8::PrivateKeyInfoRef::try_from(der).ok()?;
        let key = sec1::EcPrivateKey::from_der(info.private_key.as_bytes()).ok()?;
        Self::from_pkcs8_der(&sec1_to_pkcs8(key.private_key, key.public_key?)?).ok()
    }

    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        match self {
            Self::Rsa(key) => key
                .to_pkcs8_der()
                .map(|document| document.to_bytes())
                .map_err(|_error| KeyError::Encode),
            Self::Ec { pkcs8, .. } => Ok(pkcs8.clone()),
        }
    }

    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        if let Ok(key) = rsa::PrivateKey::from_pkcs8_der(der) {
            return Self::from_rsa(key);
        }
        if let Ok(pair) = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, der, &SystemRandom::new())
        {
            return Ok(Self::Ec {
                pair: Box::new(pair),
                pkcs8: Zeroizing::new(der.to_vec()),
            });
        }
        Err(KeyError::Unsupported)
    }

    fn from_rsa(key: rsa::PrivateKey) -> Result<Self, KeyError> {
        use rsa::traits::PublicKeyParts as _;
        let bits = key.n().bit_width_vartime() as usize;
        if (2048..=4096).contains(&bits) {
            Ok(Self::Rsa(Box::new(key)))
        } else {
            Err(KeyError::UnsupportedSize(bits))
        }
    }

    fn from_sec1_der(der: &[u8]) -> Option<Self> {
        use der::Decode as _;
        let key = sec1::EcPrivateKey::from_der(der).ok()?;
        let pkcs8 = sec1_to_pkcs8(key.private_key, key.public_key?)?;
        Self::from_pkcs8_der(&pkcs8).ok()
    }
}

/// The numbers of a key.
#[cfg(feature = "token")]
pub(super) enum KeyParts {
    Rsa(Box<RsaParts>),
    Ec {
        scalar: Zeroizing<Vec<u8>>,
        /// Uncompressed.
        point: Vec<u8>,
    },
}

/// The numbers of an RSA key, big-endian (RFC 8017 A.1.2).
#[cfg(feature = "token")]
pub(super) struct RsaParts {
    pub modulus: Vec<u8>,
    pub public_exponent: Vec<u8>,
    pub private_exponent: Zeroizing<Vec<u8>>,
    pub prime1: Zeroizing<Vec<u8>>,
    pub prime2: Zeroizing<Vec<u8>>,
    pub exponent1: Zeroizing<Vec<u8>>,
    pub exponent2: Zeroizing<Vec<u8>>,
    pub coefficient: Zeroizing<Vec<u8>>,
}

/// PKCS#8 (RFC 5208) around the SEC1 structure of a P-256 key, in the one form that `ring` reads.
fn sec1_to_pkcs8(private: &[u8], public: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    if private.len() != 32 || public.len() != 65 {
        return None;
    }
    let mut pkcs8 = Zeroizing::new(Vec::with_capacity(
        PKCS8_HEAD.len() + 32 + PKCS8_MIDDLE.len() + 65,
    ));
    pkcs8.extend_from_slice(&PKCS8_HEAD);
    pkcs8.extend_from_slice(private);
    pkcs8.extend_from_slice(&PKCS8_MIDDLE);
    pkcs8.extend_from_slice(public);
    Some(pkcs8)
}

pub(super) fn p256_spki(point: &[u8]) -> Vec<u8> {
    let mut spki = P256_SPKI_PREFIX.to_vec();
    spki.extend_from_slice(point);
    spki
}

/// A host's identity key: EC P-256, made on the host, never leaves it.
pub struct IdentityKey {
    pair: EcdsaKeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
}

impl IdentityKey {
    /// Makes a new identity key.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_unspecified| KeyError::Generate)?;
        Self::from_pkcs8_der(pkcs8.as_ref())
    }

    /// Reads an unencrypted PKCS#8 PEM.
    ///
    /// # Errors
    /// When it is not an EC P-256 key.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let block = Block::first_private_key(pem).ok_or(KeyError::NotPem)?;
        Self::from_pkcs8_der(&block.body)
    }

    /// Writes an unencrypted PKCS#8 PEM: the folder's permissions protect it.
    ///
    /// # Errors
    /// When encoding fails.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, KeyError> {
        pkcs8::SecretDocument::try_from(self.pkcs8.as_slice())
            .and_then(|document| document.to_pem("PRIVATE KEY", der::pem::LineEnding::LF))
            .map_err(|_error| KeyError::Encode)
    }

    /// The DER SubjectPublicKeyInfo of the public half.
    pub fn spki_der(&self) -> Vec<u8> {
        p256_spki(self.pair.public_key().as_ref())
    }

    /// Lower-case hex SHA-256 of the SubjectPublicKeyInfo: the `keyid` of request signatures.
    pub fn keyid(&self) -> String {
        hex::encode(Sha256::digest(self.spki_der()))
    }

    /// Signs a message: the raw 64 bytes of ECDSA P-256 with SHA-256.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn sign_raw(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        self.pair
            .sign(&SystemRandom::new(), message)
            .map(|signature| signature.as_ref().to_vec())
            .map_err(|_unspecified| KeyError::Generate)
    }

    fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der, &SystemRandom::new())
            .map(|pair| Self {
                pair,
                pkcs8: Zeroizing::new(der.to_vec()),
            })
            .map_err(|_rejected| KeyError::Unsupported)
    }
}

impl std::fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PrivateKey(…)")
    }
}

impl std::fmt::Debug for IdentityKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "IdentityKey({})", self.keyid())
    }
}

/// Fills a buffer with random bytes of the system.
///
/// # Errors
/// When the system gives none.
pub(crate) fn fill_random(buffer: &mut [u8]) -> Result<(), KeyError> {
    SystemRandom::new()
        .fill(buffer)
        .map_err(|_unspecified| KeyError::Generate)
}

/// The system's randomness for the `rsa` crate.
struct SystemRng;

impl rsa::rand_core::TryRng for SystemRng {
    type Error = std::io::Error;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, dst: &mut [u8]) -> Result<(), Self::Error> {
        fill_random(dst).map_err(|_error| std::io::Error::other("the system gives no randomness"))
    }
}

impl rsa::rand_core::TryCryptoRng for SystemRng {}
