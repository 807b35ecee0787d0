//! How clients recognise their server: a pinned fingerprint, a bundle, or the system's authorities.
//!
//! Parties: the *client* (console or agent) knows either the SHA-256 of the server's CA or leaf certificate
//! (the pin, from a `muster://` line), or a set of CA certificates. The *server* sends its TLS leaf and the
//! CA that issued it. Order of checks with a pin: the pinned certificate must be among those presented; a
//! pinned leaf is accepted as itself; else the leaf must chain to the pinned CA, be valid now and carry the
//! host's name; the handshake signature is checked in every case.

use std::fmt;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest as _, Sha256};

use super::certificate::{Certificate, CertificateError};

/// Why a server's address or trust cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("{0:?} is not a server address")]
    Address(String),
    #[error("{0:?} is not a SHA-256 fingerprint of 64 hexadecimal digits")]
    Pin(String),
    #[error("a certificate of the bundle cannot be read")]
    Bundle(#[source] CertificateError),
    #[error("a certificate of the bundle cannot be an authority for servers")]
    NotAnAuthority(#[source] rustls::Error),
    #[error("no certificate authority to check the server with")]
    NoAuthority,
    #[error("TLS cannot be set up")]
    Setup(#[source] rustls::Error),
}

impl crate::hint::Hint for TlsError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Address(_) => vec![
                "write muster://NAME:PORT#sha256=FINGERPRINT as `muster-server init` printed it, or https://NAME:PORT"
                    .into(),
            ],
            Self::Pin(_) => vec!["copy the fingerprint that `muster-server init` printed".into()],
            Self::Bundle(_) | Self::NotAnAuthority(_) | Self::NoAuthority => {
                vec!["give a PEM file with the CA certificate of the server".into()]
            }
            Self::Setup(_) => Vec::new(),
        }
    }
}

/// A server's address, with the pin when the address carries one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerAddress {
    pub host: String,
    pub port: u16,
    /// Lower-case hex SHA-256 of the server's CA or leaf certificate.
    pub pin: Option<String>,
}

impl ServerAddress {
    /// Reads `muster://name[:port]#sha256=HEX`, `https://name[:port]`, or `name[:port]`.
    ///
    /// # Errors
    /// When it is none of these.
    pub fn parse(text: &str) -> Result<Self, TlsError> {
        let bad = || TlsError::Address(text.to_owned());
        let trimmed = text.trim();
        let rest = trimmed
            .strip_prefix("muster://")
            .or_else(|| trimmed.strip_prefix("https://"))
            .unwrap_or(trimmed);
        if rest.contains("://") {
            return Err(bad());
        }
        let (authority, fragment) = match rest.split_once('#') {
            Some((authority, fragment)) => (authority, Some(fragment)),
            None => (rest, None),
        };
        let authority = authority.trim_end_matches('/');
        let (host, port) = if let Some(v6) = authority.strip_prefix('[') {
            let (host, after) = v6.split_once(']').ok_or_else(bad)?;
            (host, after.strip_prefix(':'))
        } else {
            match authority.rsplit_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (authority, None),
            }
        };
        let port = match port {
            Some(port) => port.parse().ok().filter(|port| *port != 0).ok_or_else(bad)?,
            None => 443,
        };
        if host.is_empty() || ServerName::try_from(host.to_owned()).is_err() {
            return Err(bad());
        }
        let pin = match fragment {
            None | Some("") => None,
            Some(fragment) => {
                let hex = fragment.strip_prefix("sha256=").ok_or_else(bad)?;
                Some(parse_pin(hex)?)
            }
        };
        Ok(Self {
            host: host.to_ascii_lowercase(),
            port,
            pin,
        })
    }

    /// `name:port`, with brackets around an IPv6 address; without the port when it is 443, as HTTP clients
    /// write the `Host` header.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == 443 {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// `https://name[:port]`, without a slash at the end.
    pub fn base_url(&self) -> String {
        format!("https://{}", self.authority())
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "muster://{}", self.authority())?;
        self.pin.as_ref().map_or(Ok(()), |pin| write!(f, "#sha256={pin}"))
    }
}

/// Reads a fingerprint; colons between the bytes are passed over.
///
/// # Errors
/// When it is not 64 hexadecimal digits.
pub fn parse_pin(text: &str) -> Result<String, TlsError> {
    let pin: String = text
        .chars()
        .filter(|c| *c != ':')
        .collect::<String>()
        .to_ascii_lowercase();
    if pin.len() == 64 && pin.chars().all(|c| c.is_ascii_hexdigit()) {
        Ok(pin)
    } else {
        Err(TlsError::Pin(text.to_owned()))
    }
}

/// What a client believes of its server.
#[derive(Debug, Clone)]
pub enum ServerTrust {
    /// SHA-256 of the server's CA or leaf certificate.
    Pin(String),
    /// These CA certificates.
    Bundle(Vec<Certificate>),
    /// The system's CA certificates, in DER; unusable ones are passed over.
    System(Vec<Vec<u8>>),
}

/// The TLS settings of a client.
///
/// # Errors
/// When the trust given cannot be used.
pub fn client_config(trust: &ServerTrust) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(TlsError::Setup)?;
    let config = match trust {
        ServerTrust::Pin(pin) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(PinVerifier {
                pin: parse_pin(pin)?,
                provider,
            }))
            .with_no_client_auth(),
        ServerTrust::Bundle(certificates) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates {
                roots
                    .add(CertificateDer::from(certificate.der().to_vec()))
                    .map_err(TlsError::NotAnAuthority)?;
            }
            if roots.is_empty() {
                return Err(TlsError::NoAuthority);
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
        ServerTrust::System(certificates) => {
            let mut roots = RootCertStore::empty();
            roots.add_parsable_certificates(certificates.iter().map(|der| CertificateDer::from(der.clone())));
            if roots.is_empty() {
                return Err(TlsError::NoAuthority);
            }
            builder.with_root_certificates(roots).with_no_client_auth()
        }
    };
    Ok(Arc::new(config))
}

#[derive(Debug)]
struct PinVerifier {
    pin: String,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_pinned = |der: &CertificateDer<'_>| hex::encode(Sha256::digest(der)) == self.pin;
        if is_pinned(end_entity) {
            return Ok(ServerCertVerified::assertion());
        }
        let Some(authority) = intermediates.iter().find(|der| is_pinned(der)) else {
            return Err(rustls::Error::InvalidCertificate(
                rustls::CertificateError::UnknownIssuer,
            ));
        };
        let mut roots = RootCertStore::empty();
        roots.add(authority.clone().into_owned())?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), self.provider.clone())
            .build()
            .map_err(|error| rustls::Error::General(error.to_string()))?;
        verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_in_every_form_people_write_them() {
        let pin = "ab".repeat(32);
        let full = ServerAddress::parse(&format!("muster://Srv.example.org:8443#sha256={pin}")).unwrap();
        assert_eq!((full.host.as_str(), full.port), ("srv.example.org", 8443));
        assert_eq!(full.pin.as_deref(), Some(pin.as_str()));
        assert_eq!(full.base_url(), "https://srv.example.org:8443");
        assert_eq!(
            full.to_string(),
            format!("muster://srv.example.org:8443#sha256={pin}")
        );
        let short = ServerAddress::parse("srv.example.org").unwrap();
        assert_eq!(short.base_url(), "https://srv.example.org");
        let v6 = ServerAddress::parse("https://[::1]:7000/").unwrap();
        assert_eq!(v6.base_url(), "https://[::1]:7000");
    }

    #[test]
    fn addresses_that_are_none_are_refused() {
        for bad in [
            "",
            "http://a",
            "a:b",
            "a:0",
            "muster://a#sha256=12",
            "muster://a#md5=1",
            "a b",
            "[::1",
        ] {
            assert!(ServerAddress::parse(bad).is_err(), "{bad}");
        }
    }
}
