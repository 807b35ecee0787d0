//! Requests of this host to its server, each signed by the identity key (RFC 9421).
//!
//! Parties: the *host* signs; the *server* is recognised by TLS (pin, bundle or system) before anything is
//! sent; a proxy in between sees nothing. Order: TLS holds; the request is signed for the server's public
//! name at the server's time; the answer is read within a size and a time. A server that says the clock is
//! wrong moves an offset that is **used for request signatures and nothing else**. A server that no longer
//! knows this host gets the certificate that it once issued, once, without anybody's help.

use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::StreamExt as _;
use muster_shared::clock::{Clock, SystemClock};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};
use muster_shared::protocol::host::{
    PUBLIC_ADDRESS_HEADER, RegisterAnswer, RegisterOutcome, RegisterRequest,
};
use muster_shared::protocol::http_signature::{self, RequestParts, SignedHeaders};
use muster_shared::protocol::inventory::{Report, ReportAnswer};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::config::Config;
use crate::identity::Identity;

mod client_certificate;
pub(crate) mod connection;
mod error;
mod http;

pub(crate) use self::http::Http;
pub(crate) use connection::{Connection, origin_of, without_password};
pub use error::ServerError;
pub(crate) use error::bounded;

/// Answers that are documents may be at most this large, in bytes.
const MAX_ANSWER_BYTES: u64 = 4 * 1024 * 1024;

/// A document is asked and answered within this time.
const ANSWER_WITHIN: Duration = Duration::from_mins(2);

/// How long to wait before signing again for a server that has just started. Signatures count whole
/// seconds, so a shorter wait could be refused the same way.
const TOO_EARLY_WAIT: Duration = Duration::from_millis(1200);

/// What a registration proves itself with; all empty means the host's own key or certificate.
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// Enrolment token.
    pub token: Option<SecretString>,
    /// A user with the right to register hosts.
    pub user: Option<String>,
    pub password: Option<SecretString>,
}

/// Talks to the server in this host's name; clones share the clock offset and the connections.
#[derive(Clone)]
pub struct ServerClient {
    shared: Arc<Shared>,
}

struct Shared {
    connection: Connection,
    http: Http,
    identity: Identity,
    hostname: String,
    description: Option<String>,
    clock: Box<dyn Clock>,
    /// Server's time minus this machine's, in seconds; for signatures only.
    offset_secs: AtomicI64,
    /// This host's address as the server saw it last.
    public_address: Mutex<Option<IpAddr>>,
}

impl std::fmt::Debug for ServerClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServerClient")
            .field("server", &self.server())
            .field("identity", &self.shared.identity)
            .finish_non_exhaustive()
    }
}

impl ServerClient {
    /// A client of the configured server. Nothing is sent yet.
    ///
    /// # Errors
    /// When no server is configured, or what is to be trusted cannot be read.
    pub fn new(config: &Config, identity: &Identity) -> Result<Self, ServerError> {
        Self::with_clock(config, identity, Box::new(SystemClock))
    }

    /// The same with another clock, for tests.
    ///
    /// # Errors
    /// As [`ServerClient::new`].
    pub fn with_clock(
        config: &Config,
        identity: &Identity,
        clock: Box<dyn Clock>,
    ) -> Result<Self, ServerError> {
        let connection = Connection::to_server(config)?;
        let http = Http::over(&connection)?;
        Ok(Self {
            shared: Arc::new(Shared {
                connection,
                http,
                identity: identity.clone(),
                hostname: config.fqdn(),
                description: config.description.clone(),
                clock,
                offset_secs: AtomicI64::new(0),
                public_address: Mutex::default(),
            }),
        })
    }

    /// The server's address, `https://name[:port]`.
    pub fn server(&self) -> String {
        self.shared.connection.address.base_url()
    }

    /// This host's address as the server saw it last: what its answer says, which may be any proxy's.
    pub fn public_address(&self) -> Option<IpAddr> {
        *self
            .shared
            .public_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The network changed: what is open leads nowhere any more.
    pub fn forget_connections(&self) {
        self.shared.http.forget_connections();
    }

    /// The identity that signs.
    pub fn identity(&self) -> &Identity {
        &self.shared.identity
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.shared.connection
    }

    /// Registers this host and keeps what the server gave it. A pending answer is an answer, not an error.
    ///
    /// # Errors
    /// When the server refuses, cannot be reached, or gives a certificate that is not for this host.
    pub async fn register(&self, proof: &Proof) -> Result<RegisterAnswer, ServerError> {
        let identity = self.identity();
        let secret =
            |value: &Option<SecretString>| value.as_ref().map(|text| text.expose_secret().to_owned());
        let request = RegisterRequest {
            identifier: identity.identifier().to_owned(),
            public_key: BASE64.encode(identity.key().spki_der()),
            hostname: self.shared.hostname.clone(),
            description: self.shared.description.clone().unwrap_or_default(),
            token: secret(&proof.token),
            user: proof.user.clone(),
            password: secret(&proof.password),
            certificate: identity.certificate().map(|certificate| certificate.to_pem()),
        };
        let body = serde_json::to_vec(&request).map_err(ServerError::Write)?;
        let what = "registration";
        let response = self
            .send_learning(&Method::POST, "/api/v1/register", &body, &HeaderMap::new(), what)
            .await?;
        let answer: RegisterAnswer = self.read_json(response, what).await?;
        identity.store_registration(&answer)?;
        Ok(answer)
    }

    /// Has the server forget this host.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn unregister(&self) -> Result<(), ServerError> {
        self.send_learning(
            &Method::DELETE,
            "/api/v1/host",
            b"",
            &HeaderMap::new(),
            "unregistering",
        )
        .await
        .map(|_empty| ())
    }

    /// Sends a report and gives the hashes that the server now holds.
    ///
    /// # Errors
    /// When the server refuses or cannot be reached.
    pub async fn report(&self, report: &Report) -> Result<ReportAnswer, ServerError> {
        self.post_json("/api/v1/host/report", report, "report").await
    }

    async fn post_json<A: DeserializeOwned>(
        &self,
        path: &str,
        request: &impl Serialize,
        what: &str,
    ) -> Result<A, ServerError> {
        let body = serde_json::to_vec(request).map_err(ServerError::Write)?;
        let response = self
            .send(&Method::POST, path, &body, &HeaderMap::new(), what)
            .await?;
        self.read_json(response, what).await
    }

    /// Sends a signed GET; the caller reads the body within limits of its own. 304 is an answer.
    pub(crate) async fn get(
        &self,
        path: &str,
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Response, ServerError> {
        self.send(&Method::GET, path, b"", headers, what).await
    }

    /// As [`Self::send_learning`]; a server that does not know this host gets its certificate first, once.
    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: &[u8],
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Response, ServerError> {
        match self.send_learning(method, path, body, headers, what).await {
            Err(error) if error.code() == ErrorCode::HostUnknown && self.register_again().await? => {
                self.send_learning(method, path, body, headers, what).await
            }
            other => other,
        }
    }

    /// Registers by the certificate alone, for a server that lost its database. `false`: there is none.
    pub(crate) async fn register_again(&self) -> Result<bool, ServerError> {
        if self.identity().certificate().is_none() {
            return Ok(false);
        }
        tracing::info!(server = %self.server(), "the server does not know this host; registering by certificate");
        let answer = self.register(&Proof::default()).await?;
        Ok(answer.outcome == RegisterOutcome::Registered)
    }

    /// Sends, and once more when the server says how to do it right: its time, or that it has just started.
    async fn send_learning(
        &self,
        method: &Method,
        path: &str,
        body: &[u8],
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Response, ServerError> {
        match self.send_once(method, path, body, headers, what).await {
            Err(ServerError::Refused { body: refusal, .. }) if self.learn(&refusal).await => {
                self.send_once(method, path, body, headers, what).await
            }
            other => other,
        }
    }

    /// Takes what a refusal teaches; `true` when the same request, signed again, may pass.
    pub(crate) async fn learn(&self, refusal: &ErrorBody) -> bool {
        match (refusal.code, refusal.server_time) {
            (ErrorCode::HostClockWrong, Some(server_time)) => {
                let offset = server_time.as_second() - self.shared.clock.now().as_second();
                tracing::warn!(
                    offset_secs = offset,
                    "this machine's clock differs from the server's; requests are signed at the server's time"
                );
                self.shared.offset_secs.store(offset, Ordering::Relaxed);
                true
            }
            (ErrorCode::HostRequestTooEarly, _) => {
                tokio::time::sleep(TOO_EARLY_WAIT).await;
                true
            }
            _ => false,
        }
    }

    /// Signs a request of this host at the server's time.
    pub(crate) fn sign(
        &self,
        method: &str,
        path: &str,
        query: &str,
        body: &[u8],
    ) -> Result<SignedHeaders, ServerError> {
        let authority = self.shared.connection.address.authority();
        let parts = RequestParts {
            method,
            authority: &authority,
            path,
            query,
        };
        let created = self
            .shared
            .clock
            .now()
            .as_second()
            .saturating_add(self.shared.offset_secs.load(Ordering::Relaxed));
        let nonce = uuid::Uuid::new_v4().simple().to_string();
        let digest = http_signature::content_digest(body);
        http_signature::sign(&parts, &digest, created, &nonce, self.identity().key())
            .map_err(ServerError::Sign)
    }

    async fn send_once(
        &self,
        method: &Method,
        path: &str,
        body: &[u8],
        headers: &HeaderMap,
        what: &str,
    ) -> Result<Response, ServerError> {
        let signed = self.sign(method.as_str(), path, "", body)?;
        let mut all = headers.clone();
        for (name, value) in [
            ("content-digest", signed.content_digest),
            ("signature-input", signed.signature_input),
            ("signature", signed.signature),
        ] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                all.insert(HeaderName::from_static(name), value);
            }
        }
        let mut request = self
            .shared
            .http
            .client()
            .request(method.clone(), format!("{}{path}", self.server()))
            .headers(all);
        if *method != Method::GET {
            request = request
                .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
                .body(body.to_vec());
        }
        let response = match tokio::time::timeout(ANSWER_WITHIN, request.send()).await {
            Ok(sent) => sent.map_err(|source| ServerError::of_transport(&self.server(), what, source))?,
            Err(_elapsed) => return Err(self.too_slow(what)),
        };
        let address = response.headers().get(PUBLIC_ADDRESS_HEADER);
        if let Some(address) = address.and_then(|value| value.to_str().ok()?.parse::<IpAddr>().ok()) {
            let mut known = self
                .shared
                .public_address
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            *known = Some(address.to_canonical());
        }
        if response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED {
            return Ok(response);
        }
        Err(self.refusal(response, what).await)
    }

    async fn refusal(&self, response: Response, what: &str) -> ServerError {
        let status = response.status().as_u16();
        let bytes = match self.read_body(response, what).await {
            Ok(bytes) => bytes,
            Err(error) => return error,
        };
        match serde_json::from_slice::<ErrorBody>(&bytes) {
            Ok(body) => ServerError::Refused {
                what: what.to_owned(),
                body: Box::new(bounded(body)),
            },
            // A proxy's page, or another program at that address.
            Err(_not_ours) => ServerError::Status {
                server: self.server(),
                what: what.to_owned(),
                status,
            },
        }
    }

    async fn read_json<A: DeserializeOwned>(&self, response: Response, what: &str) -> Result<A, ServerError> {
        let bytes = self.read_body(response, what).await?;
        serde_json::from_slice(&bytes).map_err(|source| ServerError::Unreadable {
            server: self.server(),
            what: what.to_owned(),
            source,
        })
    }

    async fn read_body(&self, response: Response, what: &str) -> Result<Vec<u8>, ServerError> {
        let limited = async {
            let mut bytes = Vec::new();
            let mut chunks = response.bytes_stream();
            while let Some(chunk) = chunks.next().await {
                let chunk =
                    chunk.map_err(|source| ServerError::of_transport(&self.server(), what, source))?;
                if (bytes.len() + chunk.len()) as u64 > MAX_ANSWER_BYTES {
                    return Err(ServerError::TooLarge {
                        server: self.server(),
                        what: what.to_owned(),
                        limit: MAX_ANSWER_BYTES,
                    });
                }
                bytes.extend_from_slice(&chunk);
            }
            Ok(bytes)
        };
        match tokio::time::timeout(ANSWER_WITHIN, limited).await {
            Ok(result) => result,
            Err(_elapsed) => Err(self.too_slow(what)),
        }
    }

    fn too_slow(&self, what: &str) -> ServerError {
        ServerError::TooSlow {
            server: self.server(),
            what: what.to_owned(),
        }
    }
}
