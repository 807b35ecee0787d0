//! How the server is reached: its address, what TLS trusts, which proxy stands in between.

use std::sync::Arc;
use std::time::Duration;

use muster_shared::crypto::Certificate;
use muster_shared::crypto::tls::{ServerAddress, ServerTrust, client_config};

use super::client_certificate;
use super::error::ServerError;
use crate::config::{ClientCertificate, Config, RepositorySettings, VerifyCert};

/// A connection that does not come about within this time is given up.
pub(crate) const CONNECT_WITHIN: Duration = Duration::from_secs(15);

/// Everything needed to open connections to one host, for requests and for the live channel alike.
#[derive(Clone)]
pub(crate) struct Connection {
    pub address: ServerAddress,
    pub tls: Arc<rustls::ClientConfig>,
    pub proxy: Option<String>,
    /// How long it may take to come about.
    within: Duration,
}

/// What reaching an origin takes.
struct Reach<'a> {
    pin: Option<&'a str>,
    verify_cert: &'a VerifyCert,
    proxy: Option<&'a str>,
    client: Option<&'a ClientCertificate>,
    within: Duration,
}

impl Connection {
    /// The connection to the configured server.
    pub(crate) fn to_server(config: &Config) -> Result<Self, ServerError> {
        let server = config.server.as_deref().ok_or(ServerError::NotConfigured)?;
        let repositories = &config.repositories;
        let reach = Reach {
            pin: config.server_pin.as_deref(),
            verify_cert: &config.verify_cert,
            proxy: config
                .http_proxy
                .as_deref()
                .filter(|_proxy| repositories.use_http_proxy_for_server),
            client: repositories.client_certificate.as_ref(),
            within: CONNECT_WITHIN,
        };
        Self::to(server, &reach)
    }

    /// The connection to an address of the web that belongs to no repository of its own: reached as the main one, but
    /// who this machine is, is only shown to the server and the main repository themselves.
    pub(crate) fn to_repository(url: &str, config: &Config) -> Result<Self, ServerError> {
        let own = [config.server.clone(), config.repository_url()];
        let is_own = own.iter().flatten().any(|own| is_same_origin(own, url));
        Self::reach(url, &config.repositories.main, config, None, is_own)
    }

    /// The connection to an address that serves a repository: the configured one, or that of a rule, whose pin comes
    /// along. The server's pin holds for the server's own address, a repository's for the configured one.
    pub(crate) fn to_source(
        url: &str,
        settings: &RepositorySettings,
        config: &Config,
        pin_of_rule: Option<&str>,
    ) -> Result<Self, ServerError> {
        Self::reach(url, settings, config, pin_of_rule, true)
    }

    fn reach(
        url: &str,
        settings: &RepositorySettings,
        config: &Config,
        pin_of_rule: Option<&str>,
        shows_certificate: bool,
    ) -> Result<Self, ServerError> {
        let is_at = |other: Option<&str>| other.is_some_and(|other| is_same_origin(other, url));
        let own_url = settings.repo_url.as_deref().or(config.repo_url.as_deref());
        let is_servers =
            is_at(config.server.as_deref()) || (config.server.is_none() && is_at(config.repo_url.as_deref()));
        let pin = pin_of_rule
            .or(settings.server_pin.as_deref().filter(|_pin| is_at(own_url)))
            .or(config.server_pin.as_deref().filter(|_pin| is_servers));
        let repositories = &config.repositories;
        let through_proxy = settings
            .use_http_proxy_for_repo
            .unwrap_or(repositories.use_http_proxy_for_repo);
        let reach = Reach {
            pin,
            verify_cert: settings.verify_cert.as_ref().unwrap_or(&config.verify_cert),
            proxy: settings
                .http_proxy
                .as_deref()
                .or(config.http_proxy.as_deref())
                .filter(|_proxy| through_proxy),
            client: settings
                .client_certificate
                .as_ref()
                .or(repositories.client_certificate.as_ref())
                .filter(|_client| shows_certificate),
            within: settings
                .timeout
                .unwrap_or(repositories.timeout)
                .min(CONNECT_WITHIN),
        };
        Self::to(origin_of(url), &reach)
    }

    fn to(origin: &str, reach: &Reach<'_>) -> Result<Self, ServerError> {
        let trusted = |source| ServerError::Trust {
            server: origin.to_owned(),
            source: Box::new(source),
        };
        let address = ServerAddress::parse(origin).map_err(trusted)?;
        let trust = match (reach.pin, reach.verify_cert) {
            (Some(pin), _) => ServerTrust::Pin(pin.to_owned()),
            (None, VerifyCert::Bundle(path)) => {
                ServerTrust::Bundle(Certificate::chain_from_file(path).map_err(|source| {
                    ServerError::Bundle {
                        path: path.clone(),
                        source: Box::new(source),
                    }
                })?)
            }
            (None, VerifyCert::System) => ServerTrust::System(system_authorities()),
        };
        let mut tls = client_config(&trust).map_err(trusted)?;
        if let Some(client) = reach.client {
            tls = client_certificate::showing(&tls, client)?;
        }
        Ok(Self {
            address,
            tls,
            proxy: reach.proxy.map(str::to_owned),
            within: reach.within,
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
            .connect_timeout(self.within)
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
pub(crate) fn origin_of(url: &str) -> &str {
    let start = url.find("://").map_or(0, |at| at + 3);
    match url.get(start..).and_then(|rest| rest.find('/')) {
        Some(slash) => url.get(..start + slash).unwrap_or(url),
        None => url,
    }
}

/// Both lead to the same server.
fn is_same_origin(one: &str, other: &str) -> bool {
    match (
        ServerAddress::parse(origin_of(one)),
        ServerAddress::parse(origin_of(other)),
    ) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
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
        (None, Some((_, host))) => host.to_owned(),
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
        // Written wrongly, it is shown where that is said.
        assert_eq!(without_password("ann:secret@proxy:3128"), "proxy:3128");
    }

    #[test]
    fn the_client_certificate_is_shown_to_own_servers_and_to_no_publisher_of_lists() {
        let place = tempfile::tempdir().unwrap();
        let day = jiff::SignedDuration::from_hours(24);
        let now = muster_shared::clock::now();
        let ca = muster_shared::crypto::issue::Authority::create("ca", now - day, now + day).unwrap();
        let (leaf, key) = ca
            .issue_server(&["pc-1".to_owned()], now - day, now + day)
            .unwrap();
        let ca = ca.certificate().to_pem();
        for (name, text) in [
            ("pc.crt", leaf.to_pem()),
            ("pc.pem", key.to_string()),
            ("ca.pem", ca),
        ] {
            fs_err::write(place.path().join(name), text).unwrap();
        }
        let folder = place.path().display();
        let text = format!(
            "wapt_server = \"https://a.org\"\nrepo_url = \"https://b.org/wapt\"\n\
             client_certificate = '{folder}/pc.crt'\nclient_private_key = '{folder}/pc.pem'\n\
             verify_cert = '{folder}/ca.pem'"
        );
        let config = Config::parse(&text, std::path::Path::new("agent.toml")).unwrap();
        let shows = |connection: Result<Connection, ServerError>| {
            connection.ok().unwrap().tls.client_auth_cert_resolver.has_certs()
        };
        assert!(shows(Connection::to_server(&config)));
        assert!(shows(Connection::to_repository("https://a.org/wapt", &config)));
        assert!(shows(Connection::to_repository(
            "https://B.org:443/wapt/x.crl",
            &config
        )));
        assert!(shows(Connection::to_source(
            "https://mirror.org/wapt",
            &config.repositories.main,
            &config,
            None
        )));
        assert!(!shows(Connection::to_repository(
            "https://crl.elsewhere.org/ca.crl",
            &config
        )));
        assert!(!shows(Connection::to_repository(
            "https://b.org.evil.org/ca.crl",
            &config
        )));
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
