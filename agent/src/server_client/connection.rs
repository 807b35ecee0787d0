//! How the server is reached: its address, what TLS trusts, which proxy stands in between.

use std::sync::Arc;
use std::time::Duration;

use muster_shared::crypto::Certificate;
use muster_shared::crypto::tls::{ServerAddress, ServerTrust, client_config};

use super::error::ServerError;
use crate::config::{Config, VerifyCert};

/// A connection that does not come about within this time is given up.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Everything needed to open connections to one host, for requests and for the live channel alike.
#[derive(Clone)]
pub(crate) struct Connection {
    pub address: ServerAddress,
    pub tls: Arc<rustls::ClientConfig>,
    pub proxy: Option<String>,
}

impl Connection {
    /// The connection to the configured server.
    pub(crate) fn to_server(config: &Config) -> Result<Self, ServerError> {
        let server = config.server.as_deref().ok_or(ServerError::NotConfigured)?;
        Self::to(server, config, true)
    }

    /// The connection to the repository: the pin holds for it too when it is the same host.
    pub(crate) fn to_repository(url: &str, config: &Config) -> Result<Self, ServerError> {
        let of_server = config
            .server
            .as_deref()
            .and_then(|server| ServerAddress::parse(server).ok());
        let own = ServerAddress::parse(origin_of(url)).ok();
        let is_server = own.is_some() && own == of_server;
        Self::to(origin_of(url), config, is_server || config.server.is_none())
    }

    fn to(origin: &str, config: &Config, pinned: bool) -> Result<Self, ServerError> {
        let trusted = |source| ServerError::Trust {
            server: origin.to_owned(),
            source: Box::new(source),
        };
        let address = ServerAddress::parse(origin).map_err(trusted)?;
        let trust = match (&config.server_pin, &config.verify_cert) {
            (Some(pin), _) if pinned => ServerTrust::Pin(pin.clone()),
            (_, VerifyCert::Bundle(path)) => {
                ServerTrust::Bundle(Certificate::chain_from_file(path).map_err(|source| {
                    ServerError::Bundle {
                        path: path.clone(),
                        source: Box::new(source),
                    }
                })?)
            }
            (_, VerifyCert::System) => ServerTrust::System(system_authorities()),
        };
        let tls = client_config(&trust).map_err(trusted)?;
        Ok(Self {
            address,
            tls,
            proxy: config.http_proxy.clone(),
        })
    }

    /// An HTTP client over this connection. It follows no redirect: what is signed is signed for this host.
    pub(crate) fn http_client(&self) -> Result<reqwest::Client, ServerError> {
        self.client(true)
    }

    /// The same for what carries its own signature, such as revocation lists: plain HTTP will do.
    pub(crate) fn http_client_for_signed(&self) -> Result<reqwest::Client, ServerError> {
        self.client(false)
    }

    fn client(&self, https_only: bool) -> Result<reqwest::Client, ServerError> {
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured((*self.tls).clone())
            .https_only(https_only)
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_WITHIN)
            .pool_idle_timeout(Duration::from_secs(20))
            .pool_max_idle_per_host(1)
            // Compressed bodies would make sizes and ranges mean something else.
            .no_gzip()
            .no_proxy()
            .user_agent(concat!("muster-agent/", env!("CARGO_PKG_VERSION")));
        if let Some(proxy) = &self.proxy {
            let proxy = reqwest::Proxy::all(proxy).map_err(|source| ServerError::Proxy {
                proxy: without_password(proxy),
                source: Box::new(source),
            })?;
            builder = builder.proxy(proxy);
        }
        builder.build().map_err(ServerError::Setup)
    }
}

/// `https://name:port` of an address with a path.
fn origin_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    match url.get(start..).and_then(|rest| rest.find('/')) {
        Some(slash) => url.get(..start + slash).unwrap_or(url),
        None => url,
    }
}

fn system_authorities() -> Vec<Vec<u8>> {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::debug!(%error, "a certificate of the system cannot be read");
    }
    found
        .certs
        .into_iter()
        .map(|certificate| certificate.to_vec())
        .collect()
}

/// A proxy's address as it may be shown.
pub(crate) fn without_password(proxy: &str) -> String {
    match (proxy.split_once("://"), proxy.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        _ => proxy.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_origin_is_cut_before_the_path() {
        assert_eq!(origin_of("https://a.org:8443/wapt"), "https://a.org:8443");
        assert_eq!(origin_of("https://a.org"), "https://a.org");
    }

    #[test]
    fn a_proxy_is_shown_without_its_password() {
        assert_eq!(
            without_password("http://ann:secret@proxy:3128"),
            "http://proxy:3128"
        );
        assert_eq!(without_password("http://proxy:3128"), "http://proxy:3128");
    }

    #[test]
    fn without_a_server_there_is_no_connection() {
        let error = Connection::to_server(&Config::default()).err().unwrap();
        assert!(matches!(error, ServerError::NotConfigured));
    }

    #[test]
    fn the_servers_pin_does_not_bind_a_repository_elsewhere() {
        let text = format!(
            "wapt_server = \"https://a.org\"\nserver_pin = \"{}\"\nrepo_url = \"https://b.org/wapt\"\nverify_cert = \"/nowhere.pem\"",
            "ab".repeat(32)
        );
        let config = Config::parse(&text, std::path::Path::new("agent.toml")).unwrap();
        assert!(Connection::to_server(&config).is_ok());
        assert!(Connection::to_repository("https://a.org/wapt", &config).is_ok());
        let elsewhere = Connection::to_repository("https://b.org/wapt", &config);
        assert!(matches!(elsewhere, Err(ServerError::Bundle { .. })));
    }
}
