//! Passwords: argon2id, off the request threads, a few at a time.
//!
//! The parameters travel with each hash, so they can be raised without touching the users. Checking a name
//! that does not exist costs the same as checking one that does.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use muster_shared::protocol::error::ErrorCode;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

use crate::error::ApiError;

/// The fewest characters of a password.
pub const MIN_PASSWORD_CHARS: usize = 10;

/// The most bytes of a password: bounds the work of one sign-in.
pub const MAX_PASSWORD_BYTES: usize = 1024;

/// Hashes at work at the same time; each takes 19 MiB.
const AT_ONCE: usize = 4;

/// Sign-ins that wait for their turn before more are told to come back.
const WAITING: usize = 64;

/// Makes and checks password hashes.
#[derive(Debug, Clone)]
pub struct PasswordHasher {
    turns: Arc<Semaphore>,
    queue: Arc<Semaphore>,
    /// Checked in place of the hash of a user who does not exist.
    decoy: Arc<str>,
}

impl PasswordHasher {
    /// Prepares hashing; computes one hash.
    ///
    /// # Errors
    /// The operating system gives no random bytes.
    pub fn new() -> Result<Self, ApiError> {
        Ok(Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Arc::new(Semaphore::new(WAITING)),
            decoy: hash_now(&SecretString::from("nobody's password"))?.into(),
        })
    }

    /// The hash to store for a password.
    ///
    /// # Errors
    /// The password breaks a rule, or the server is overloaded.
    pub async fn hash(&self, password: SecretString) -> Result<String, ApiError> {
        check_rules(&password)?;
        self.in_turn(move || hash_now(&password)).await?
    }

    /// Whether the password is the one behind the hash; without a hash it is not, at the same price.
    ///
    /// # Errors
    /// The server is overloaded.
    pub async fn verify(&self, password: SecretString, hash: Option<String>) -> Result<bool, ApiError> {
        if password.expose_secret().len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        let exists = hash.is_some();
        let hash = hash.unwrap_or_else(|| self.decoy.to_string());
        let matches = self.in_turn(move || matches(&password, &hash)).await?;
        Ok(matches && exists)
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let _place = self.queue.try_acquire().map_err(|_full| {
            ApiError::new(ErrorCode::TooManyRequests, "too many sign-ins at the same time")
                .retry_after_secs(2)
        })?;
        let _turn = self
            .turns
            .acquire()
            .await
            .map_err(|_closed| ApiError::new(ErrorCode::Unavailable, "the server is stopping"))?;
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|error| ApiError::internal("hashing a password", &error))
    }
}

/// The rules of a new password.
///
/// # Errors
/// `request_invalid` with the rule.
pub fn check_rules(password: &SecretString) -> Result<(), ApiError> {
    let text = password.expose_secret();
    if text.chars().count() < MIN_PASSWORD_CHARS {
        return Err(ApiError::new(
            ErrorCode::RequestInvalid,
            format!("a password has at least {MIN_PASSWORD_CHARS} characters"),
        )
        .hint("four or five words are easier to remember than a short riddle"));
    }
    if text.len() > MAX_PASSWORD_BYTES {
        return Err(ApiError::new(
            ErrorCode::RequestInvalid,
            format!("a password has at most {MAX_PASSWORD_BYTES} bytes"),
        ));
    }
    Ok(())
}

fn hash_now(password: &SecretString) -> Result<String, ApiError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.expose_secret().as_bytes())
        .map_err(|error| ApiError::internal("hashing a password", &error))?;
    Ok(hash.to_string())
}

fn matches(password: &SecretString, hash: &str) -> bool {
    match PasswordHash::new(hash) {
        Ok(hash) => Argon2::default()
            .verify_password(password.expose_secret().as_bytes(), &hash)
            .is_ok(),
        Err(error) => {
            tracing::error!(%error, "a stored password hash cannot be read");
            false
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_matches_its_hash_and_no_other() {
        let hasher = PasswordHasher::new().unwrap();
        let hash = hasher.hash("correct horse battery".into()).await.unwrap();
        assert!(hash.starts_with("$argon2id$"));
        assert!(
            hasher
                .verify("correct horse battery".into(), Some(hash.clone()))
                .await
                .unwrap()
        );
        assert!(!hasher.verify("correct horse".into(), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_can_sign_in_with_the_password_of_the_decoy() {
        let hasher = PasswordHasher::new().unwrap();
        assert!(!hasher.verify("nobody's password".into(), None).await.unwrap());
    }

    #[tokio::test]
    async fn short_passwords_are_refused_with_the_rule() {
        let hasher = PasswordHasher::new().unwrap();
        let error = hasher.hash("short".into()).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::RequestInvalid);
        assert!(error.body().message.contains("10 characters"));
    }
}
