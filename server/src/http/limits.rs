//! How much of a body, a query or a path is read, and the errors when it cannot be.

use actix_web::error::{JsonPayloadError, QueryPayloadError};
use actix_web::{HttpRequest, web};
use muster_shared::protocol::error::ErrorCode;

use crate::error::ApiError;

/// The largest JSON body of a route that does not say otherwise.
pub const MAX_JSON_BODY: usize = 256 * 1024;

/// JSON bodies up to a limit.
pub fn json(limit: usize) -> web::JsonConfig {
    web::JsonConfig::default()
        .limit(limit)
        .error_handler(move |error, _request: &HttpRequest| {
            let error = match error {
                JsonPayloadError::OverflowKnownLength { .. } | JsonPayloadError::Overflow { .. } => {
                    ApiError::new(
                        ErrorCode::BodyTooLarge,
                        format!("the body is larger than {limit} bytes"),
                    )
                }
                JsonPayloadError::ContentType => {
                    ApiError::new(ErrorCode::RequestInvalid, "the body is not JSON")
                        .hint("send `Content-Type: application/json`")
                }
                other => ApiError::new(
                    ErrorCode::RequestInvalid,
                    format!("the body cannot be read: {other}"),
                ),
            };
            error.into()
        })
}

/// Queries.
pub fn query() -> web::QueryConfig {
    web::QueryConfig::default().error_handler(|error, _request| {
        let reason = match error {
            QueryPayloadError::Deserialize(error) => error.to_string(),
            _ => "it is malformed".to_owned(),
        };
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("the query cannot be read: {reason}"),
        )
        .into()
    })
}

/// Paths.
pub fn path() -> web::PathConfig {
    web::PathConfig::default().error_handler(|error, _request| {
        ApiError::new(
            ErrorCode::RequestInvalid,
            format!("the path cannot be read: {error}"),
        )
        .into()
    })
}
