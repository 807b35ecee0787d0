//! One middleware around all routes: gives each request an id, writes every error as JSON with that id,
//! sets the security headers and writes the request log.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap,
    HeaderName, HeaderValue, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use actix_web::middleware::Next;
use actix_web::{Error, HttpResponse};
use muster_shared::protocol::error::ErrorCode;
use tokio::time::Instant;
use uuid::Uuid;

use crate::error::ApiError;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Headers of an answer that say nothing about the one written in its place.
const ABOUT_THE_BODY: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_ENCODING, CONTENT_LENGTH, TRANSFER_ENCODING];

/// Headers that every answer carries unless its handler says otherwise.
const SECURITY_HEADERS: [(HeaderName, &str); 5] = [
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (X_FRAME_OPTIONS, "DENY"),
    (REFERRER_POLICY, "no-referrer"),
    (STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
];

/// The middleware.
///
/// # Errors
/// What the service returned.
pub async fn answer(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let id = Uuid::now_v7().simple().to_string();
    let started = Instant::now();
    let response = next.call(request).await?.map_into_boxed_body();
    let mut response = write_error(response, &id);
    let is_api = response.request().path().starts_with("/api/");
    let headers = response.headers_mut();
    for (name, value) in SECURITY_HEADERS {
        set_if_absent(headers, name, HeaderValue::from_static(value));
    }
    if is_api {
        set_if_absent(headers, CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        headers.insert(REQUEST_ID, value);
    }
    log(&response, &id, started);
    Ok(response)
}

fn set_if_absent(headers: &mut HeaderMap, name: HeaderName, value: HeaderValue) {
    if !headers.contains_key(&name) {
        headers.insert(name, value);
    }
}

/// Writes an error again, with the request id; errors of the framework get a code of the table.
fn write_error(response: ServiceResponse<BoxBody>, id: &str) -> ServiceResponse<BoxBody> {
    let status = response.status();
    if !(status.is_client_error() || status.is_server_error()) {
        return response;
    }
    let own = response
        .response()
        .error()
        .and_then(|error| error.as_error::<ApiError>())
        .cloned();
    let is_json = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|value| value.as_bytes().starts_with(b"application/json"));
    let error = match own {
        Some(error) => error,
        None if is_json => return response,
        None => {
            let reason = response.response().error().map(ToString::to_string);
            match framework_error(status, response.request().path(), reason) {
                Some(error) => error,
                None => return response,
            }
        }
    };
    let (request, before) = response.into_parts();
    let mut written = error.response(id);
    // What the handler or the framework said about the error, such as `Allow`, goes along.
    for (name, value) in before.headers() {
        if !ABOUT_THE_BODY.contains(name) && !written.headers().contains_key(name) {
            written.headers_mut().insert(name.clone(), value.clone());
        }
    }
    ServiceResponse::new(request, written)
}

fn framework_error(status: StatusCode, path: &str, reason: Option<String>) -> Option<ApiError> {
    let reason = |fallback: &str| reason.clone().unwrap_or_else(|| fallback.to_owned());
    Some(match status {
        StatusCode::NOT_FOUND => ApiError::new(
            ErrorCode::RouteNotFound,
            format!("there is no route {}", shown(path)),
        )
        .hint("GET /api/v1/openapi.json lists the routes"),
        StatusCode::METHOD_NOT_ALLOWED => ApiError::new(
            ErrorCode::MethodNotAllowed,
            format!("{} does not take this method", shown(path)),
        ),
        StatusCode::PAYLOAD_TOO_LARGE => {
            ApiError::new(ErrorCode::BodyTooLarge, reason("the body is too large"))
        }
        StatusCode::BAD_REQUEST | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::REQUEST_TIMEOUT => {
            ApiError::new(ErrorCode::RequestInvalid, reason("the request cannot be read"))
        }
        status if status.is_server_error() => {
            tracing::error!(%status, path, reason = reason(""), "the framework answered with an error");
            ApiError::new(ErrorCode::Internal, "the server failed")
        }
        _ => return None,
    })
}

/// A path short and plain enough to be repeated.
fn shown(path: &str) -> String {
    path.chars().filter(char::is_ascii_graphic).take(200).collect()
}

fn log(response: &ServiceResponse<BoxBody>, id: &str, started: Instant) {
    let status = response.status();
    let request = response.request();
    let (method, path) = (request.method(), request.path());
    let millis = started.elapsed().as_millis() as u64;
    if status.is_server_error() {
        tracing::warn!(request_id = id, %method, path, status = status.as_u16(), millis, "request failed");
    } else {
        tracing::debug!(request_id = id, %method, path, status = status.as_u16(), millis, "request");
    }
}

/// Answers paths that no route takes.
pub async fn no_route(request: actix_web::HttpRequest) -> HttpResponse {
    tracing::trace!(path = request.path(), "no such route");
    HttpResponse::NotFound().finish()
}
