//! Random secrets: drawn, shown once, kept only as hashes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::{SecureRandom as _, SystemRandom};
use sha2::{Digest as _, Sha256};

use muster_shared::protocol::error::ErrorCode;

use crate::error::ApiError;

/// A new secret of 256 bits in 43 characters that need no escaping anywhere.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn generate() -> Result<String, ApiError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// A short random name, not secret.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn generate_id() -> Result<String, ApiError> {
    Ok(hex::encode(random::<8>()?))
}

/// A password that a person can type: 20 characters in five groups, 96 bits and more.
///
/// # Errors
/// The operating system gives no random bytes.
pub fn generate_password() -> Result<String, ApiError> {
    // 32 characters that are not mistaken for each other: five bits each.
    const LETTERS: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz234567890";
    let mut password = String::new();
    for (index, byte) in random::<20>()?.into_iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            password.push('-');
        }
        password.push(char::from(LETTERS[usize::from(byte % 32)]));
    }
    Ok(password)
}

/// How a secret is kept: SHA-256, which is enough for 256 random bits.
pub fn hash(secret: &str) -> String {
    hex::encode(Sha256::digest(secret.as_bytes()))
}

fn random<const N: usize>() -> Result<[u8; N], ApiError> {
    let mut bytes = [0_u8; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_unspecified| ApiError::new(ErrorCode::Internal, "the system gives no random bytes"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_differ_and_their_hashes_do_not_show_them() {
        let (one, two) = (generate().unwrap(), generate().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), 43);
        assert!(!hash(&one).contains(&one));
        assert_eq!(hash(&one), hash(&one));
    }

    #[test]
    fn a_generated_password_is_easy_to_type() {
        let password = generate_password().unwrap();
        assert_eq!(password.len(), 24);
        assert_eq!(password.split('-').count(), 5);
    }
}
