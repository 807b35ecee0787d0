//! The encrypted PEM form of WAPT keys (`Proc-Type: 4,ENCRYPTED`), read only.
//!
//! OpenSSL's traditional encryption: AES-256-CBC with the IV of `DEK-Info`, the key derived from the password
//! by `EVP_BytesToKey` with MD5 and one round, salted by the first 8 bytes of the IV (formats.md §0). It is
//! weak; Muster writes PKCS#8 PBES2 only.

use aes::Aes256;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _, block_padding::Pkcs7};
use base64::Engine as _;
use md5::{Digest as _, Md5};
use zeroize::Zeroizing;

/// One PEM block with its headers.
pub(super) struct Block {
    pub(super) label: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Zeroizing<Vec<u8>>,
}

impl Block {
    /// Reads the first block of a PEM text whose label ends with `PRIVATE KEY`.
    pub(super) fn first_private_key(pem: &str) -> Option<Self> {
        let mut lines = pem.lines().map(str::trim_end);
        let label = loop {
            let line = lines.next()?;
            let label = line
                .strip_prefix("-----BEGIN ")
                .and_then(|rest| rest.strip_suffix("-----"));
            if let Some(label) = label.filter(|label| label.ends_with("PRIVATE KEY")) {
                break label.to_owned();
            }
        };
        let end = format!("-----END {label}-----");
        let mut headers = Vec::new();
        let mut encoded = Zeroizing::new(String::new());
        loop {
            let line = lines.next()?;
            if line == end {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.trim().to_owned(), value.trim().to_owned()));
            } else {
                encoded.push_str(line.trim());
            }
        }
        let body = base64::engine::general_purpose::STANDARD
            .decode(encoded.as_bytes())
            .ok()?;
        Some(Self {
            label,
            headers,
            body: Zeroizing::new(body),
        })
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _value)| found == name)
            .map(|(_name, value)| value.as_str())
    }

    /// The block is encrypted in the traditional way.
    pub(super) fn is_traditionally_encrypted(&self) -> bool {
        self.header("Proc-Type")
            .is_some_and(|value| value.contains("ENCRYPTED"))
    }

    /// The algorithm of the traditional encryption, for messages.
    pub(super) fn algorithm(&self) -> &str {
        self.header("DEK-Info")
            .and_then(|value| value.split(',').next())
            .unwrap_or("unknown")
    }

    /// Decrypts the body; `None` when the algorithm is not AES-256-CBC or the padding does not fit, which
    /// is how a wrong password shows.
    pub(super) fn decrypt(&self, password: &str) -> Option<Zeroizing<Vec<u8>>> {
        let (algorithm, iv_hex) = self.header("DEK-Info")?.split_once(',')?;
        if algorithm.trim() != "AES-256-CBC" {
            return None;
        }
        let iv: [u8; 16] = hex::decode(iv_hex.trim()).ok()?.try_into().ok()?;
        let salt = iv.get(..8)?;
        let first = Md5::new().chain_update(password).chain_update(salt).finalize();
        let second = Md5::new()
            .chain_update(first)
            .chain_update(password)
            .chain_update(salt)
            .finalize();
        let mut key = Zeroizing::new([0_u8; 32]);
        for (slot, byte) in key.iter_mut().zip(first.iter().chain(second.iter())) {
            *slot = *byte;
        }
        let decryptor = cbc::Decryptor::<Aes256>::new_from_slices(&key[..], &iv).ok()?;
        let mut buffer = self.body.clone();
        let length = decryptor.decrypt_padded::<Pkcs7>(&mut buffer).ok()?.len();
        buffer.truncate(length);
        Some(buffer)
    }
}
