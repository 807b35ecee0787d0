//! The client of a Muster server: one connection pool, one session, a method for each route of docs/api.md.
//!
//! Parties: a person at this machine and the server. The server proves itself by the pinned SHA-256 of
//! its certificate (or of the CA it presents), or by the system's roots when no pin is known; only then
//! the password or the session token is sent. Every answer is read up to a limit and every wait has one.

mod actions;
mod enrolment_tokens;
mod error;
mod events;
mod first_contact;
mod host_packages;
mod hosts;
mod packages;
mod request;
mod session;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use muster_shared::crypto::tls::{ServerAddress, ServerTrust, client_config};
use muster_shared::protocol::Health;
use secrecy::SecretString;

pub use error::ClientError;
pub use events::{Events, Incoming};
pub use first_contact::{fetch_server_certificate, fetch_server_chain};
pub use host_packages::{HostPackageFile, Precondition};
pub use request::ListQuery;
pub(crate) use request::segment;

/// How long a connection may take to be made.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
/// How long the server may stay silent in the middle of an answer.
const SILENCE_WITHIN: Duration = Duration::from_mins(1);

/// A client of one server. Cloning is cheap and shares the session.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    /// Without a limit on silence: for events, which are silent when nothing happens.
    http_events: reqwest::Client,
    address: ServerAddress,
    base: String,
    token: Arc<RwLock<Option<SecretString>>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("server", &self.base)
            .finish_non_exhaustive()
    }
}

impl Client {
    /// A client for a server, without talking to it yet.
    ///
    /// # Errors
    /// [`ClientError::Setup`] when there is neither a pin nor a system root to check the server by.
    pub fn new(address: &ServerAddress) -> Result<Self, ClientError> {
        let base = address.base_url();
        let setup = |reason: String| ClientError::Setup {
            server: base.clone(),
            reason,
        };
        let trust = match &address.pin {
            Some(pin) => ServerTrust::Pin(pin.clone()),
            None => ServerTrust::System(system_roots()),
        };
        let tls = client_config(&trust).map_err(|error| setup(error.to_string()))?;
        let build = |silence: Option<Duration>| {
            let mut builder = reqwest::Client::builder()
                .tls_backend_preconfigured((*tls).clone())
                .user_agent(concat!("muster/", env!("CARGO_PKG_VERSION")))
                .https_only(true)
                .redirect(reqwest::redirect::Policy::none())
                .connect_timeout(CONNECT_WITHIN)
                .tcp_keepalive(Duration::from_secs(30));
            if let Some(silence) = silence {
                builder = builder.read_timeout(silence);
            }
            builder
                .build()
                .map_err(|error| setup(muster_shared::hint::chain(&error)))
        };
        Ok(Self {
            http: build(Some(SILENCE_WITHIN))?,
            http_events: build(None)?,
            address: address.clone(),
            base,
            token: Arc::new(RwLock::new(None)),
        })
    }

    /// A client for a server that answers: asks for its health.
    ///
    /// # Errors
    /// Whatever keeps the server from answering, with the certificate it presents when that is the reason.
    pub async fn connect(address: &ServerAddress) -> Result<Self, ClientError> {
        let client = Self::new(address)?;
        client.health().await?;
        Ok(client)
    }

    /// Whether the server is well, its version and its public name.
    pub async fn health(&self) -> Result<Health, ClientError> {
        self.get("/api/v1/health", &[]).await
    }

    /// The server that this client talks to.
    pub fn address(&self) -> &ServerAddress {
        &self.address
    }

    /// The address of the server's root: `https://name[:port]`.
    pub fn base_url(&self) -> &str {
        &self.base
    }

    /// Goes on with a session token that was kept from an earlier sign-in.
    pub fn set_token(&self, token: Option<SecretString>) {
        match self.token.write() {
            Ok(mut held) => *held = token,
            // A panic while the lock was held cannot leave a half-written token behind.
            Err(poisoned) => *poisoned.into_inner() = token,
        }
    }

    /// The session's token, when there is one.
    pub fn token(&self) -> Option<SecretString> {
        match self.token.read() {
            Ok(held) => held.clone(),
            Err(poisoned) => poisoned.into_inner().clone(),
        }
    }
}

/// The roots that the operating system trusts, DER.
pub(crate) fn system_roots() -> Vec<Vec<u8>> {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "a system certificate could not be read");
    }
    loaded
        .certs
        .into_iter()
        .map(|der| der.as_ref().to_vec())
        .collect()
}
