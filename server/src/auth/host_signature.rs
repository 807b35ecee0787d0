//! Requests signed by hosts: `SignedHost` gives the identifier behind the key, and the body.
//!
//! Parties: the *host*, whose identity key signs; the *server*, which knows the key's public half from the
//! registration. Order of the checks: headers in the one accepted form → `created` within five minutes and
//! not before this process started → the key is on record and not pending → the signature fits method,
//! public name, path, query and digest → only then is the body read, up to its limit → it fits the digest →
//! the nonce was never seen. Nobody without a registered key makes the server buffer a body.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use actix_web::{FromRequest, HttpRequest, dev, web};
use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use muster_shared::protocol::error::ErrorCode;
use muster_shared::protocol::http_signature::{self, ALLOWED_SKEW_SECS, ParsedSignature, RequestParts};

use super::rights::state_of;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::{hosts, nonces};

/// The largest body of a registered host's request.
pub const MAX_HOST_BODY: usize = 16 * 1024 * 1024;

/// How long a registered host may take to send its body.
pub const HOST_BODY_WITHIN: Duration = Duration::from_mins(5);

/// How long a registration may take to arrive.
pub const REGISTER_BODY_WITHIN: Duration = Duration::from_secs(30);

/// The largest body of a registration, which is read before its key is known.
pub const MAX_REGISTER_BODY: usize = 64 * 1024;

/// A registered host, proved by its signature over this very request.
#[derive(Debug, Clone)]
pub struct SignedHost {
    /// As reported at registration.
    pub identifier: String,
    /// The identifier in lower case, as the database names the host.
    pub host_key: String,
    pub body: web::Bytes,
}

impl FromRequest for SignedHost {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        let payload = payload.take();
        Box::pin(async move {
            let state = state_of(&request)?;
            let signed = SignedRequest::read(&state, &request)?;
            let owner = signed.owner(&state).await?;
            signed.verify(&state, &request, &owner.spki)?;
            let body = read_body(payload, MAX_HOST_BODY, HOST_BODY_WITHIN).await?;
            signed.check_digest(&body)?;
            signed.spend_nonce(&state).await?;
            Ok(Self {
                identifier: owner.identifier,
                host_key: owner.host_key,
                body,
            })
        })
    }
}

/// A registered host that asks to switch protocols: the payload is left for the WebSocket.
#[derive(Debug, Clone)]
pub struct SignedUpgrade {
    pub identifier: String,
    pub host_key: String,
}

impl FromRequest for SignedUpgrade {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _payload: &mut dev::Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let state = state_of(&request)?;
            let signed = SignedRequest::read(&state, &request)?;
            let owner = signed.owner(&state).await?;
            signed.verify(&state, &request, &owner.spki)?;
            signed.check_digest(b"")?;
            signed.spend_nonce(&state).await?;
            Ok(Self {
                identifier: owner.identifier,
                host_key: owner.host_key,
            })
        })
    }
}

/// The request carries a host's signature, whether it is good or not.
pub fn is_signed(request: &HttpRequest) -> bool {
    request.headers().contains_key("signature-input")
}

/// The signature headers of a request, read and timely, not yet verified.
#[derive(Debug)]
pub struct SignedRequest {
    parsed: ParsedSignature,
    content_digest: String,
}

impl SignedRequest {
    /// Reads the headers and judges the time.
    ///
    /// # Errors
    /// `host_signature_missing`, `host_signature_invalid`, `host_clock_wrong` or `host_request_too_early`.
    pub fn read(state: &AppState, request: &HttpRequest) -> Result<Self, ApiError> {
        let header = |name: &str| -> Result<String, ApiError> {
            request
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
                .ok_or_else(|| {
                    ApiError::new(
                        ErrorCode::HostSignatureMissing,
                        format!("the header {name} is missing"),
                    )
                    .hint("this route is for agents, which sign their requests")
                })
        };
        let parsed = http_signature::parse(&header("signature-input")?, &header("signature")?)
            .map_err(|error| ApiError::new(ErrorCode::HostSignatureInvalid, error.to_string()))?;
        let content_digest = header("content-digest")?;
        let now = state.now();
        if !parsed.is_timely(now.as_second()) {
            return Err(ApiError::new(
                ErrorCode::HostClockWrong,
                format!("the request's time is more than {ALLOWED_SKEW_SECS} seconds from the server's"),
            )
            .hint("set the host's clock")
            .server_time(now));
        }
        if parsed.created < state.started_at.as_second() {
            return Err(ApiError::new(
                ErrorCode::HostRequestTooEarly,
                "the request was signed before this server started",
            )
            .hint("sign it again with the current time")
            .retry_after_secs(1)
            .server_time(now));
        }
        Ok(Self {
            parsed,
            content_digest,
        })
    }

    /// SHA-256 of the SPKI of the key that the request claims.
    pub fn keyid(&self) -> &str {
        &self.parsed.keyid
    }

    /// The host whose key this is.
    ///
    /// # Errors
    /// `host_unknown` or `host_pending`.
    pub async fn owner(&self, state: &AppState) -> Result<hosts::KeyOwner, ApiError> {
        match hosts::find_key(&state.store, self.keyid()).await? {
            Some(owner) if owner.pending => Err(ApiError::new(
                ErrorCode::HostPending,
                format!("{} waits for an administrator's decision", owner.identifier),
            )
            .hint("another key is on record for this identifier; decide on the host's page of the console")),
            Some(owner) => Ok(owner),
            None => Err(
                ApiError::new(ErrorCode::HostUnknown, "no host is registered with this key")
                    .hint("run `muster-agent register`"),
            ),
        }
    }

    /// Checks the signature with a public key.
    ///
    /// # Errors
    /// `host_signature_invalid`.
    pub fn verify(&self, state: &AppState, request: &HttpRequest, spki: &[u8]) -> Result<(), ApiError> {
        let authority = state.authority();
        let parts = RequestParts {
            method: request.method().as_str(),
            authority: &authority,
            path: request.uri().path(),
            query: request.query_string(),
        };
        self.parsed
            .verify(&parts, &self.content_digest, spki)
            .map_err(|error| {
                ApiError::new(ErrorCode::HostSignatureInvalid, error.to_string()).hint(format!(
                    "agents must reach this server as {authority}, its `name` and `public_port`"
                ))
            })
    }

    /// Checks that the body is the one that was digested.
    ///
    /// # Errors
    /// `host_signature_invalid`.
    pub fn check_digest(&self, body: &[u8]) -> Result<(), ApiError> {
        if http_signature::content_digest(body) == self.content_digest {
            Ok(())
        } else {
            Err(ApiError::new(
                ErrorCode::HostSignatureInvalid,
                "the body is not the one that Content-Digest names",
            ))
        }
    }

    /// Uses the nonce up.
    ///
    /// # Errors
    /// `host_request_replayed`.
    pub async fn spend_nonce(&self, state: &AppState) -> Result<(), ApiError> {
        let expires_at = Timestamp::from_second(self.parsed.created)
            .and_then(|created| created.checked_add(SignedDuration::from_secs(2 * ALLOWED_SKEW_SECS)))
            .unwrap_or(Timestamp::MAX);
        if nonces::spend(&state.store, self.keyid(), &self.parsed.nonce, expires_at).await? {
            Ok(())
        } else {
            Err(ApiError::new(
                ErrorCode::HostRequestReplayed,
                "this signed request was sent before",
            ))
        }
    }
}

/// Reads a body whole, up to a limit of bytes and of time.
///
/// # Errors
/// `body_too_large`, or `request_invalid` when the connection broke or was too slow.
pub async fn read_body(
    payload: dev::Payload,
    limit: usize,
    within: Duration,
) -> Result<web::Bytes, ApiError> {
    tokio::time::timeout(within, read_all(payload, limit))
        .await
        .map_err(|_elapsed| {
            let secs = within.as_secs();
            ApiError::new(
                ErrorCode::RequestInvalid,
                format!("the body did not arrive within {secs} seconds"),
            )
        })?
}

async fn read_all(mut payload: dev::Payload, limit: usize) -> Result<web::Bytes, ApiError> {
    let mut body = web::BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| {
            ApiError::new(ErrorCode::RequestInvalid, format!("the body broke off: {error}"))
        })?;
        if body.len() + chunk.len() > limit {
            return Err(ApiError::new(
                ErrorCode::BodyTooLarge,
                format!("the body is larger than {limit} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}
