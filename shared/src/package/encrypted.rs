//! Host packages encrypted to one host: `RSAFERNET`, an RSA-OAEP block, a Fernet token (formats.md §3).
//!
//! Parties: *whoever serves a host package* encrypts it to the certificate that the host reported; the *host*
//! alone holds the RSA key (its decryption key, never its identity key). Encryption hides what a host is
//! assigned; it proves nothing: a decrypted package is verified as any other.
//!
//! Keys: a fresh Fernet key for each file, 16 bytes for HMAC-SHA256 and 16 for AES-128-CBC, wrapped as its
//! base64 text with RSA-OAEP (SHA-1, MGF1 with SHA-1, no label; its security does not rest on collisions).
//!
//! Order of checks when decrypting: size → magic and block length → OAEP → HMAC over the whole token, in
//! constant time → padding. A wrong key, a changed byte and a cut file all end in the same error, and a block
//! that OAEP refuses goes on with a random key, so that nobody learns which check failed.

use aes::Aes128;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt as _, BlockModeEncrypt as _, KeyIvInit as _};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use rsa::pkcs8::DecodePublicKey as _;
use sha1::Sha1;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::crypto::{Certificate, KeyKind, PrivateKey, fill_random};
use crate::hint::Hint;

/// The largest package that is encrypted, in bytes: one without payload, as host packages are, is far smaller.
pub const MAX_PLAIN_BYTES: usize = 64 * 1024 * 1024;

/// The largest encrypted file that is read, in bytes.
pub const MAX_ENCRYPTED_BYTES: usize = MAX_PLAIN_BYTES / 3 * 4 + 4096;

const MAGIC: &[u8] = b"RSAFERNET";
/// Digits that give the length of the RSA block.
const LENGTH_DIGITS: usize = 3;
const FERNET_VERSION: u8 = 0x80;
/// Version, time, initialisation vector.
const HEADER_BYTES: usize = 1 + 8 + 16;
const MAC_BYTES: usize = 32;

/// Why a file is not encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EncryptedError {
    /// On purpose nothing more is said.
    #[error("the file cannot be decrypted with this key")]
    Decrypt,
    #[error("{size} bytes are too large to be encrypted, at most {MAX_PLAIN_BYTES} are")]
    TooLarge { size: usize },
    #[error("the certificate of {name} has an {kind} key, and only RSA keys decrypt")]
    NotRsa { name: String, kind: String },
    #[error("the system gives no randomness")]
    Randomness,
}

impl Hint for EncryptedError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Decrypt => {
                vec!["check that the key is the one of the host that the file is for, and that the file was copied whole".into()]
            }
            Self::NotRsa { .. } => {
                vec!["use the decryption certificate that the host reports, not its identity".into()]
            }
            Self::TooLarge { .. } | Self::Randomness => Vec::new(),
        }
    }
}

/// The file begins as encrypted ones do; nothing else is checked.
pub fn is_encrypted(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Packages can be encrypted to this certificate: its key is RSA of 2048 to 4096 bits.
pub fn is_usable(certificate: &Certificate) -> bool {
    matches!(certificate.key_kind(), KeyKind::Rsa { bits } if (2048..=4096).contains(&bits))
}

/// Encrypts a package to the key of a certificate; `at` goes into the token in clear, in whole seconds.
///
/// # Errors
/// When the key is not RSA of 2048 to 4096 bits, the package is too large, or there is no randomness.
pub fn encrypt(bytes: &[u8], certificate: &Certificate, at: Timestamp) -> Result<Vec<u8>, EncryptedError> {
    if bytes.len() > MAX_PLAIN_BYTES {
        return Err(EncryptedError::TooLarge { size: bytes.len() });
    }
    let kind = certificate.key_kind();
    let not_rsa = || EncryptedError::NotRsa {
        name: certificate.common_name(),
        kind: kind.to_string(),
    };
    if !is_usable(certificate) {
        return Err(not_rsa());
    }
    let public = rsa::PublicKey::from_public_key_der(certificate.spki_der()).map_err(|_error| not_rsa())?;
    let mut key = Zeroizing::new([0_u8; 32]);
    let mut iv = [0_u8; 16];
    for buffer in [&mut key[..], &mut iv[..]] {
        fill_random(buffer).map_err(|_error| EncryptedError::Randomness)?;
    }
    let key_text = Zeroizing::new(URL_SAFE.encode(&key[..]));
    let block = public
        .oaep_encrypt::<Sha1>(key_text.as_bytes())
        .map_err(|_error| EncryptedError::Randomness)?;
    let token = seal(&key, iv, bytes, at).ok_or(EncryptedError::Randomness)?;
    let mut file = MAGIC.to_vec();
    file.extend_from_slice(format!("{:0width$}", block.len(), width = LENGTH_DIGITS).as_bytes());
    file.extend_from_slice(&block);
    file.extend_from_slice(token.as_bytes());
    Ok(file)
}

/// Decrypts a file that was encrypted to the certificate of this key.
///
/// # Errors
/// [`EncryptedError::Decrypt`], whatever is wrong with the key or the file.
pub fn decrypt(bytes: &[u8], key: &PrivateKey) -> Result<Vec<u8>, EncryptedError> {
    try_decrypt(bytes, key).ok_or(EncryptedError::Decrypt)
}

fn try_decrypt(bytes: &[u8], key: &PrivateKey) -> Option<Vec<u8>> {
    let PrivateKey::Rsa(key) = key else { return None };
    if bytes.len() > MAX_ENCRYPTED_BYTES {
        return None;
    }
    let (digits, rest) = bytes.strip_prefix(MAGIC)?.split_at_checked(LENGTH_DIGITS)?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let length: usize = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let (block, token) = rest.split_at_checked(length)?;
    let mut fernet_key = Zeroizing::new([0_u8; 32]);
    fill_random(&mut fernet_key[..]).ok()?;
    if let Some(unwrapped) = unwrap_key(key, block) {
        *fernet_key = *unwrapped;
    }
    open(&fernet_key, token)
}

/// The Fernet key in an RSA block.
fn unwrap_key(key: &rsa::PrivateKey, block: &[u8]) -> Option<Zeroizing<[u8; 32]>> {
    let text = Zeroizing::new(key.oaep_decrypt::<Sha1>(block).ok()?);
    let bytes = Zeroizing::new(URL_SAFE.decode(text.as_slice()).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

/// A Fernet token: version, time, vector, ciphertext and MAC, all in base64.
fn seal(key: &[u8; 32], iv: [u8; 16], bytes: &[u8], at: Timestamp) -> Option<String> {
    let (mac_key, cipher_key) = key.split_at_checked(16)?;
    let mut token = Vec::with_capacity(HEADER_BYTES + bytes.len() + 16 + MAC_BYTES);
    token.push(FERNET_VERSION);
    token.extend_from_slice(&u64::try_from(at.as_second()).unwrap_or_default().to_be_bytes());
    token.extend_from_slice(&iv);
    let encryptor = cbc::Encryptor::<Aes128>::new_from_slices(cipher_key, &iv).ok()?;
    // Padding fills the last block, or adds one.
    let mut ciphertext = bytes.to_vec();
    ciphertext.resize(bytes.len() / 16 * 16 + 16, 0);
    token.extend_from_slice(
        encryptor
            .encrypt_padded::<Pkcs7>(&mut ciphertext, bytes.len())
            .ok()?,
    );
    let mac = Hmac::<Sha256>::new_from_slice(mac_key).ok()?.chain_update(&token);
    token.extend_from_slice(&mac.finalize().into_bytes());
    Some(URL_SAFE.encode(token))
}

fn open(key: &[u8; 32], token: &[u8]) -> Option<Vec<u8>> {
    let (mac_key, cipher_key) = key.split_at_checked(16)?;
    let token = URL_SAFE.decode(token).ok()?;
    let (signed, mac) = token.split_at_checked(token.len().checked_sub(MAC_BYTES)?)?;
    Hmac::<Sha256>::new_from_slice(mac_key)
        .ok()?
        .chain_update(signed)
        .verify_slice(mac)
        .ok()?;
    let (header, ciphertext) = signed.split_at_checked(HEADER_BYTES)?;
    if header.first() != Some(&FERNET_VERSION) {
        return None;
    }
    // The time is not looked at: a host package has its own date, which is signed.
    let decryptor = cbc::Decryptor::<Aes128>::new_from_slices(cipher_key, header.get(9..)?).ok()?;
    let mut buffer = ciphertext.to_vec();
    let length = decryptor.decrypt_padded::<Pkcs7>(&mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at() -> Timestamp {
        "2026-11-24T12:00:00Z".parse().unwrap()
    }

    fn golden(path: &str) -> Vec<u8> {
        fs_err::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/golden/").to_owned() + path).unwrap()
    }

    fn key(name: &str) -> PrivateKey {
        let pem = String::from_utf8(golden(&format!("keys/{name}.pem"))).unwrap();
        PrivateKey::from_pem(&pem, None).unwrap()
    }

    fn certificate(name: &str) -> Certificate {
        let pem = String::from_utf8(golden(&format!("keys/{name}.crt"))).unwrap();
        Certificate::from_pem(&pem).unwrap()
    }

    const HOST: &str = "4C4C4544-004E-3510-8051-C7C04F325131.wapt";

    #[test]
    fn the_golden_file_opens_with_the_key_of_its_host_and_no_other() {
        let encrypted = golden(&format!("host-encrypted/{HOST}"));
        let plain = golden(&format!("repo-host/{HOST}"));
        assert!(is_encrypted(&encrypted) && !is_encrypted(&plain));
        assert_eq!(decrypt(&encrypted, &key("leaf")).unwrap(), plain);
        assert_eq!(decrypt(&encrypted, &key("signer")), Err(EncryptedError::Decrypt));
        assert_eq!(decrypt(&plain, &key("leaf")), Err(EncryptedError::Decrypt));
    }

    #[test]
    fn what_is_encrypted_here_opens_here() {
        let large = vec![9; 100_000];
        for plain in [&b""[..], b"PK", &[7; 16], &large] {
            let file = encrypt(plain, &certificate("leaf"), at()).unwrap();
            assert!(file.starts_with(b"RSAFERNET256"));
            assert_eq!(decrypt(&file, &key("leaf")).unwrap(), plain);
        }
        let twice = [(), ()].map(|()| encrypt(b"same", &certificate("leaf"), at()).unwrap());
        assert_ne!(twice[0], twice[1]);
    }

    #[test]
    fn every_change_and_every_cut_give_the_same_error() {
        let file = encrypt(b"a small host package", &certificate("leaf"), at()).unwrap();
        for position in 0..file.len() {
            let mut changed = file.clone();
            changed[position] ^= 1;
            assert_eq!(
                decrypt(&changed, &key("leaf")),
                Err(EncryptedError::Decrypt),
                "{position}"
            );
            if position % 7 == 0 {
                assert_eq!(
                    decrypt(&file[..position], &key("leaf")),
                    Err(EncryptedError::Decrypt)
                );
            }
        }
        let mut longer = file;
        longer.extend(b"AAAA");
        assert_eq!(decrypt(&longer, &key("leaf")), Err(EncryptedError::Decrypt));
    }

    #[test]
    fn only_rsa_keys_are_encrypted_to() {
        let ec = crate::crypto::issue::Authority::create("EC", at(), "2036-01-01T00:00:00Z".parse().unwrap());
        let error = encrypt(b"x", ec.unwrap().certificate(), at()).unwrap_err();
        assert!(error.to_string().contains("EC P-256"), "{error}");
    }
}
