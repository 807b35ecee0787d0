//! What all lists take: `limit`, `cursor`, `filter`, `sort`.

use muster_shared::protocol::error::ErrorCode;
use serde::Deserialize;

use crate::error::ApiError;

/// Rows of a page unless told otherwise.
pub const DEFAULT_LIMIT: usize = 200;

/// The most rows of a page.
pub const MAX_LIMIT: usize = 1000;

/// The most rows of a page of the fleet.
pub const MAX_FLEET_LIMIT: usize = 50_000;

/// The query of a list.
#[derive(Debug, Default, Deserialize)]
pub struct ListQuery {
    #[serde(default)]
    pub limit: Option<usize>,
    #[serde(default)]
    pub cursor: Option<String>,
    #[serde(default)]
    pub filter: Option<String>,
    #[serde(default)]
    pub sort: Option<String>,
}

impl ListQuery {
    /// How many rows.
    ///
    /// # Errors
    /// `request_invalid` when it is none or too many.
    pub fn limit(&self, most: usize) -> Result<usize, ApiError> {
        match self.limit {
            None => Ok(DEFAULT_LIMIT),
            Some(limit) if (1..=most).contains(&limit) => Ok(limit),
            Some(limit) => Err(ApiError::new(
                ErrorCode::RequestInvalid,
                format!("limit is {limit}, but it must be from 1 to {most}"),
            )),
        }
    }
}

/// An error for a cursor that did not come from this list.
pub fn bad_cursor() -> ApiError {
    ApiError::new(
        ErrorCode::RequestInvalid,
        "the cursor is not one that this list gave",
    )
    .hint("begin again without a cursor")
}
