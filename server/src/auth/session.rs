//! Sessions of people: a random token, stored as a hash, with an end.
//!
//! Parties: a person with a name and a password; the server. Order of a sign-in: the name is not locked →
//! the password matches (the decoy's, for a name that does not exist) → the failures are forgotten → a
//! token is drawn, its hash stored, the token answered once.

use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::session::{Right, Role, Session, SignIn};
use secrecy::SecretString;

use super::{lockout, secret};
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::{sessions, users};

/// A session that was found and has not expired.
#[derive(Debug, Clone)]
pub struct FoundSession {
    pub user: String,
    pub role: Role,
    pub expires_at: Timestamp,
    pub token_hash: String,
}

/// Signs a person in.
///
/// # Errors
/// `locked_out` or `sign_in_failed`, alike for names that exist and names that do not.
pub async fn sign_in(state: &AppState, request: SignIn) -> Result<Session, ApiError> {
    let (user, role) = check_password(state, &request.user, request.password.into()).await?;
    let token = secret::generate()?;
    let now = state.now();
    let expires_at = now
        .checked_add(SignedDuration::from_hours(i64::from(state.config.session_hours)))
        .map_err(|error| ApiError::internal("computing the end of a session", &error))?;
    sessions::insert(&state.store, &secret::hash(&token), &user, now, expires_at).await?;
    tracing::info!(%user, "signed in");
    Ok(Session {
        token,
        user,
        role,
        expires_at,
        server: state.config.name.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    })
}

/// Checks name and password under the rules of lock-out; used by sign-in and by registration.
///
/// # Errors
/// `locked_out` or `sign_in_failed`.
pub async fn check_password(
    state: &AppState,
    name: &str,
    password: SecretString,
) -> Result<(String, Role), ApiError> {
    let name = users::normalise(name);
    let now = state.now();
    // The failure is counted before the password is checked: a flood of tries at once is counted whole.
    let attempt = users::begin_attempt(&state.store, &name, now).await?;
    if let Some(secs) = lockout::secs_until(attempt.locked_until, now) {
        return Err(ApiError::new(
            ErrorCode::LockedOut,
            format!("too many failed sign-ins; wait {secs} seconds"),
        )
        .hint("an administrator of the server can set a new password: `muster-server user passwd NAME`")
        .retry_after_secs(secs));
    }
    let user = users::find(&state.store, &name).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    if state.passwords.verify(password, hash).await?
        && let Some(user) = user
    {
        users::forget_failures(&state.store, &name).await?;
        return Ok((user.name, user.role));
    }
    tracing::warn!(user = %name.escape_debug(), "a sign-in failed");
    Err(
        ApiError::new(ErrorCode::SignInFailed, "user and password do not match")
            .hint("check the user's name and the keyboard's layout"),
    )
}

/// Checks credentials and that their user may enrol hosts.
///
/// # Errors
/// As [`check_password`], or `right_missing`.
pub async fn check_enroller(
    state: &AppState,
    name: &str,
    password: SecretString,
) -> Result<String, ApiError> {
    let (user, role) = check_password(state, name, password).await?;
    if role.has(Right::Enrol) {
        Ok(user)
    } else {
        Err(
            ApiError::new(ErrorCode::RightMissing, format!("{user} may not enrol hosts"))
                .hint("use an enrolment token, or a user with the role deployer or administrator"),
        )
    }
}

/// The session behind a token, if there is one that has not expired.
///
/// # Errors
/// The database failed.
pub async fn find(state: &AppState, token: &str) -> Result<Option<FoundSession>, ApiError> {
    if token.len() > 128 {
        return Ok(None);
    }
    Ok(sessions::find(&state.store, &secret::hash(token), state.now()).await?)
}
