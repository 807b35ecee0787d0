//! One request and its answer: address, session token, limits, and errors told apart.

use std::time::Duration;

use muster_shared::hint::chain;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::{Method, RequestBuilder, Response};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, first_contact};

/// How long an ordinary request may take in all.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);
/// A list of 50,000 hosts is about 40 MiB.
const ANSWER_LIMIT: u64 = 256 * 1024 * 1024;
const ERROR_LIMIT: u64 = 256 * 1024;

/// What to ask of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// An expression of the filter language, empty for everything.
    pub filter: String,
    /// A field name, `-` before it for descending; empty for the server's order.
    pub sort: String,
    /// How many rows at most; `None` for the server's default.
    pub limit: Option<u32>,
    /// Where the page before this one ended.
    pub cursor: Option<String>,
}

impl ListQuery {
    /// Everything that matches a filter, in pages of a size.
    pub fn filtered(filter: impl Into<String>, limit: u32) -> Self {
        Self {
            filter: filter.into(),
            limit: Some(limit),
            ..Self::default()
        }
    }

    pub(super) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        if !self.filter.is_empty() {
            pairs.push(("filter", self.filter.clone()));
        }
        if !self.sort.is_empty() {
            pairs.push(("sort", self.sort.clone()));
        }
        if let Some(limit) = self.limit {
            pairs.push(("limit", limit.to_string()));
        }
        if let Some(cursor) = &self.cursor {
            pairs.push(("cursor", cursor.clone()));
        }
        pairs
    }
}

impl Client {
    pub(super) async fn get<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<T, ClientError> {
        let request = self.request(Method::GET, path, query)?;
        self.json(request.timeout(ANSWER_WITHIN), path).await
    }

    pub(super) async fn post<B: Serialize + Sync, T: DeserializeOwned>(
        &self,
        path: &str,
        body: &B,
    ) -> Result<T, ClientError> {
        let request = self.request(Method::POST, path, &[])?;
        self.json(request.timeout(ANSWER_WITHIN).json(body), path).await
    }

    pub(super) async fn delete(&self, path: &str) -> Result<(), ClientError> {
        let request = self.request(Method::DELETE, path, &[])?;
        self.send(request.timeout(ANSWER_WITHIN)).await.map(drop)
    }

    /// A request with the session's token; `path` is already percent-encoded.
    pub(super) fn request(
        &self,
        method: Method,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<RequestBuilder, ClientError> {
        self.request_with(&self.http, method, path, query)
    }

    pub(super) fn request_with(
        &self,
        http: &reqwest::Client,
        method: Method,
        path: &str,
        query: &[(&'static str, String)],
    ) -> Result<RequestBuilder, ClientError> {
        let mut url = reqwest::Url::parse(&format!("{}{path}", self.base_url())).map_err(|error| {
            ClientError::Setup {
                server: self.base_url().to_owned(),
                reason: error.to_string(),
            }
        })?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let mut headers = HeaderMap::new();
        if let Some(token) = self.token() {
            let value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut value = value.map_err(|error| ClientError::Setup {
                server: self.base_url().to_owned(),
                reason: error.to_string(),
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        Ok(http.request(method, url).headers(headers))
    }

    /// Sends a request; an answer that is not a success becomes an error.
    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response, ClientError> {
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Err(self.transport_error(&error).await),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let status = status.as_u16();
        let bytes = self
            .read(response, "the request", ERROR_LIMIT)
            .await
            .unwrap_or_default();
        let body = serde_json::from_slice::<ErrorBody>(&bytes).unwrap_or_else(|_not_ours| {
            ErrorBody::new(
                ErrorCode::Unknown,
                format!(
                    "{} answered HTTP {status}, which is not an answer of Muster",
                    self.base_url()
                ),
            )
        });
        Err(ClientError::Refused {
            status,
            body: Box::new(body),
        })
    }

    async fn json<T: DeserializeOwned>(&self, request: RequestBuilder, what: &str) -> Result<T, ClientError> {
        let response = self.send(request).await?;
        let bytes = self.read(response, what, ANSWER_LIMIT).await?;
        self.parse(&bytes, what)
    }

    pub(super) fn parse<T: DeserializeOwned>(&self, bytes: &[u8], what: &str) -> Result<T, ClientError> {
        serde_json::from_slice(bytes).map_err(|error| ClientError::Unreadable {
            server: self.base_url().to_owned(),
            request: what.to_owned(),
            reason: error.to_string(),
        })
    }

    /// The body of an answer, up to a limit.
    pub(super) async fn read(
        &self,
        mut response: Response,
        what: &str,
        limit: u64,
    ) -> Result<Vec<u8>, ClientError> {
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    if (bytes.len() + chunk.len()) as u64 > limit {
                        return Err(ClientError::TooLarge {
                            server: self.base_url().to_owned(),
                            request: what.to_owned(),
                            limit,
                        });
                    }
                    bytes.extend_from_slice(&chunk);
                }
                Ok(None) => return Ok(bytes),
                Err(error) => return Err(self.transport_error(&error).await),
            }
        }
    }

    /// Tells apart what kept an answer from coming.
    pub(super) async fn transport_error(&self, error: &reqwest::Error) -> ClientError {
        let server = self.base_url().to_owned();
        if let Some(reason) = tls_reason(error) {
            let address = self.address();
            let presented = first_contact::fetch_server_certificate(&address.host, address.port).await;
            return ClientError::Tls {
                server,
                reason,
                presented: presented.ok().map(|certificate| certificate.fingerprint()),
            };
        }
        if error.is_timeout() {
            let after = if error.is_connect() {
                super::CONNECT_WITHIN
            } else {
                ANSWER_WITHIN
            };
            return ClientError::Timeout { server, after };
        }
        ClientError::Unreachable {
            server,
            reason: innermost(error),
        }
    }
}

/// The complaint of TLS inside a transport error, when it is one about certificates.
fn tls_reason(error: &reqwest::Error) -> Option<String> {
    complaint(std::error::Error::source(error)?, 0)
}

/// TLS errors hide in the payload of I/O errors, one in another, and not in what these give as their source.
fn complaint(error: &(dyn std::error::Error + 'static), depth: usize) -> Option<String> {
    if depth > 16 {
        return None;
    }
    if let Some(rustls::Error::InvalidCertificate(reason)) = error.downcast_ref::<rustls::Error>() {
        return Some(certificate_reason(reason));
    }
    let payload = error
        .downcast_ref::<std::io::Error>()
        .and_then(std::io::Error::get_ref);
    let inside = payload.and_then(|inner| complaint(inner, depth + 1));
    inside.or_else(|| complaint(error.source()?, depth + 1))
}

fn certificate_reason(reason: &rustls::CertificateError) -> String {
    match reason {
        rustls::CertificateError::UnknownIssuer => {
            // The pin's verifier says the same when the pinned certificate is not among those presented.
            "neither the fingerprint known here nor a root of this system vouches for it".to_owned()
        }
        other => other.to_string(),
    }
}

/// The innermost cause: what the system said, without the layers above repeating themselves.
fn innermost(error: &reqwest::Error) -> String {
    let mut deepest: &(dyn std::error::Error + 'static) = error;
    while let Some(cause) = deepest.source() {
        deepest = cause;
    }
    chain(deepest)
}

/// One segment of a path: everything but unreserved characters is percent-encoded.
pub(crate) fn segment(text: &str) -> String {
    use std::fmt::Write as _;
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            write!(encoded, "%{byte:02X}").ok();
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_refused_deep_inside_a_transport_error_is_found() {
        let refused = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        let inner = std::io::Error::new(std::io::ErrorKind::InvalidData, refused);
        let outer = std::io::Error::other(inner);
        assert!(complaint(&outer, 0).is_some());
        assert!(complaint(&std::io::Error::other("other"), 0).is_none());
    }

    #[test]
    fn a_path_segment_cannot_leave_its_place() {
        assert_eq!(segment("host-1.example_~"), "host-1.example_~");
        assert_eq!(segment("../a b/é?x#y"), "..%2Fa%20b%2F%C3%A9%3Fx%23y");
    }

    #[test]
    fn a_list_query_leaves_out_what_is_not_asked() {
        assert!(ListQuery::default().pairs().is_empty());
        let query = ListQuery {
            sort: "-last_seen".into(),
            cursor: Some("c".into()),
            ..ListQuery::filtered("status:error", 10)
        };
        assert_eq!(
            query.pairs(),
            [
                ("filter", "status:error".to_owned()),
                ("sort", "-last_seen".to_owned()),
                ("limit", "10".to_owned()),
                ("cursor", "c".to_owned()),
            ]
        );
    }
}
