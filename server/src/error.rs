//! The one error type of handlers: a code of the public table, a message, hints; causes go to the log.
//!
//! Domain and store errors convert into it with `?`. What the caller may not know (SQL, paths) is logged
//! once, here, and answered as `internal` with the request id to find it by.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use jiff::Timestamp;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};

use crate::store::StoreError;

/// Every handler's error.
#[derive(Debug, Clone)]
pub struct ApiError {
    body: ErrorBody,
    retry_after_secs: Option<u64>,
}

/// What a handler answers.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// An error of the table with its message: the object and the rule, in words.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            body: ErrorBody::new(code, message),
            retry_after_secs: None,
        }
    }

    /// Adds one thing to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hints.push(hint.into());
        self
    }

    /// Adds several things to do about it.
    #[must_use]
    pub fn hints(mut self, hints: impl IntoIterator<Item = String>) -> Self {
        self.body.hints.extend(hints);
        self
    }

    /// Tells the client when to come back.
    #[must_use]
    pub fn retry_after_secs(mut self, secs: u64) -> Self {
        self.retry_after_secs = Some(secs);
        self
    }

    /// Tells a host the server's time.
    #[must_use]
    pub fn server_time(mut self, at: Timestamp) -> Self {
        self.body.server_time = Some(at);
        self
    }

    /// An error of the server itself: the cause is logged, the caller learns only the code.
    #[track_caller]
    pub fn internal(doing: &str, cause: &(dyn std::error::Error + 'static)) -> Self {
        let at = std::panic::Location::caller();
        tracing::error!(%at, doing, error = %muster_shared::hint::chain(cause), "a request failed inside the server");
        Self::new(ErrorCode::Internal, format!("the server failed while {doing}"))
            .hint("the server's log has the cause under this request id")
    }

    /// `not_found` for an object named in the path.
    pub fn not_found(what: &str, name: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("there is no {what} {name}"))
    }

    /// Its code.
    pub fn code(&self) -> ErrorCode {
        self.body.code
    }

    /// What crosses the wire, but for the request id.
    pub fn body(&self) -> &ErrorBody {
        &self.body
    }

    pub(crate) fn response(&self, request_id: &str) -> HttpResponse {
        let mut body = self.body.clone();
        request_id.clone_into(&mut body.request_id);
        let mut response = HttpResponse::build(self.status_code());
        if let Some(secs) = self.retry_after_secs {
            response.insert_header(("Retry-After", secs.to_string()));
        }
        response.json(body)
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.body.code.as_str(), self.body.message)
    }
}

impl std::error::Error for ApiError {}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.body.code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        // The middleware in `http::answers` writes it again with the request id.
        self.response("")
    }
}

impl From<StoreError> for ApiError {
    #[track_caller]
    fn from(error: StoreError) -> Self {
        if error.is_storage_full() {
            tracing::error!(error = %muster_shared::hint::chain(&error), "the disk of the database is full");
            return Self::new(ErrorCode::StorageFull, "the server's disk is full")
                .hint("free space on the volume of the server's data folder");
        }
        if matches!(
            &error,
            StoreError::Statement(sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed)
        ) {
            return Self::new(ErrorCode::Unavailable, "the database does not answer in time")
                .retry_after_secs(5);
        }
        Self::internal("asking its database", &error)
    }
}

impl From<sqlx::Error> for ApiError {
    #[track_caller]
    fn from(error: sqlx::Error) -> Self {
        Self::from(StoreError::from(error))
    }
}
