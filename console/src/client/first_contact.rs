//! First contact: which certificate a server presents, before anything is believed or sent.
//!
//! Parties: this machine and whoever answers at an address. The handshake is broken off by our own
//! verifier as soon as the chain has been seen, so no request, password or token can follow it. What is
//! seen here is believed only after a person has compared its fingerprint (protocol.md §4).

use std::io::{ErrorKind, Read as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use muster_shared::crypto::Certificate;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned};

use super::ClientError;

const WITHIN: Duration = Duration::from_secs(10);

/// The certificate to pin: the CA at the top of the chain that the server presents, or its leaf when it
/// presents no CA.
///
/// # Errors
/// When nobody answers there, or whoever answers does not speak TLS.
pub async fn fetch_server_certificate(host: &str, port: u16) -> Result<Certificate, ClientError> {
    let chain = fetch_server_chain(host, port).await?;
    let top = chain.iter().rev().find(|certificate| certificate.is_ca());
    top.or_else(|| chain.first())
        .cloned()
        .ok_or_else(|| ClientError::Unreadable {
            server: format!("{host}:{port}"),
            request: "the TLS handshake".to_owned(),
            reason: "it presents no certificate".to_owned(),
        })
}

/// Every certificate that the server presents, its own first.
///
/// # Errors
/// As [`fetch_server_certificate`].
pub async fn fetch_server_chain(host: &str, port: u16) -> Result<Vec<Certificate>, ClientError> {
    let server = format!("{host}:{port}");
    let name = host.to_owned();
    let asked = tokio::task::spawn_blocking(move || handshake(&name, port));
    match asked.await {
        Ok(result) => result,
        Err(error) => Err(ClientError::Setup {
            server,
            reason: error.to_string(),
        }),
    }
}

fn handshake(host: &str, port: u16) -> Result<Vec<Certificate>, ClientError> {
    let server = format!("{host}:{port}");
    let unreachable = |error: std::io::Error| match error.kind() {
        ErrorKind::TimedOut | ErrorKind::WouldBlock => ClientError::Timeout {
            server: server.clone(),
            after: WITHIN,
        },
        _ => ClientError::Unreachable {
            server: server.clone(),
            reason: error.to_string(),
        },
    };
    let setup = |reason: String| ClientError::Setup {
        server: server.clone(),
        reason,
    };

    let seen = Arc::new(Onlooker::new());
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| setup(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Onlooker>::clone(&seen))
        .with_no_client_auth();
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned())
        .map_err(|error| setup(error.to_string()))?;
    let connection =
        ClientConnection::new(Arc::new(config), name).map_err(|error| setup(error.to_string()))?;

    let stream = dial(host, port).map_err(unreachable)?;
    let mut tls = StreamOwned::new(connection, stream);
    // The verifier ends the handshake, so reading always fails; what counts is what it saw.
    let failed = tls.read(&mut [0_u8; 1]).err();

    let ders = seen.chain.lock().map(|chain| chain.clone()).unwrap_or_default();
    if ders.is_empty() {
        let error = failed.unwrap_or_else(|| ErrorKind::UnexpectedEof.into());
        if matches!(error.kind(), ErrorKind::InvalidData) {
            return Err(ClientError::Unreadable {
                server: server.clone(),
                request: "the TLS handshake".to_owned(),
                reason: "it does not speak TLS".to_owned(),
            });
        }
        return Err(unreachable(error));
    }
    ders.iter()
        .map(|der| {
            Certificate::from_der(der).map_err(|error| ClientError::Unreadable {
                server: server.clone(),
                request: "the TLS handshake".to_owned(),
                reason: error.to_string(),
            })
        })
        .collect()
}

/// Connects to the first address that answers.
fn dial(host: &str, port: u16) -> std::io::Result<TcpStream> {
    let mut last = std::io::Error::new(ErrorKind::NotFound, "the name has no address");
    for address in (host.trim_matches(['[', ']']), port).to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, WITHIN) {
            Ok(stream) => {
                stream.set_read_timeout(Some(WITHIN))?;
                stream.set_write_timeout(Some(WITHIN))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Keeps the chain and refuses it.
#[derive(Debug)]
struct Onlooker {
    chain: Mutex<Vec<Vec<u8>>>,
}

impl Onlooker {
    fn new() -> Self {
        Self {
            chain: Mutex::new(Vec::new()),
        }
    }
}

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Ok(mut chain) = self.chain.lock() {
            chain.push(end_entity.to_vec());
            chain.extend(intermediates.iter().take(8).map(|der| der.to_vec()));
        }
        Err(rustls::Error::General("seen".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("seen".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("seen".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::ring::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
