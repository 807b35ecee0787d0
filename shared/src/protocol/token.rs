//! Enrolment tokens: how new machines prove that the organisation expects them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// `POST /api/v1/enrolment-tokens`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct CreateToken {
    /// How many machines may use it, at most 10,000.
    pub uses: u32,
    /// How long it lives, in seconds, at most 365 days.
    pub lifetime_secs: u64,
    /// Packages that machines enrolled with it should have; a note for the administrator.
    #[serde(default)]
    pub note: String,
    /// For this very identifier only; such a token also replaces a known host's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identifier: Option<String>,
}

/// Answer to [`CreateToken`]: the only time the token itself is shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreatedToken {
    pub token: String,
    pub row: TokenRow,
}

/// A token in a list, without its secret.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TokenRow {
    /// Public part, names it in lists and in `DELETE /api/v1/enrolment-tokens/{id}`.
    pub id: String,
    pub uses_left: u32,
    pub uses: u32,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub created_by: String,
    #[serde(default)]
    pub note: String,
    #[serde(default)]
    pub identifier: Option<String>,
}
