//! Reaching an LDAP server: over TCP, with TLS from the beginning or begun on the plain port (RFC 4511 §4.14).
//!
//! What the server sends before TLS is one message of which only yes or no is believed; nothing after it is read until
//! TLS holds, so that nobody in the network can put words in front.

use std::io;
use std::sync::Arc;

use muster_shared::crypto::Certificate;
use muster_shared::crypto::tls::{ServerTrust, client_config};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::error::LdapFailure;
use super::guard;
use crate::config::Ldap as Server;

/// The request to begin TLS: message 1, the extended operation 1.3.6.1.4.1.1466.20037.
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";

/// The answer to it is at most this long, in bytes.
const MAX_ANSWER: usize = 16 * 1024;

/// A connection, with TLS or without.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The TLS settings for a server; `None` when the configuration has none used.
///
/// # Errors
/// When the authorities cannot be read.
pub(super) fn tls(server: &Server) -> Result<Option<Arc<rustls::ClientConfig>>, LdapFailure> {
    if !is_tls(server) {
        return Ok(None);
    }
    let trust = if let Some(path) = &server.authorities {
        let failed = |source| LdapFailure::Authorities {
            url: server.url.clone(),
            path: path.clone(),
            source: Box::new(source) as Box<dyn std::error::Error + Send + Sync>,
        };
        ServerTrust::Bundle(Certificate::chain_from_file(path).map_err(failed)?)
    } else {
        let found = rustls_native_certs::load_native_certs().certs;
        ServerTrust::System(found.iter().map(|certificate| certificate.to_vec()).collect())
    };
    client_config(&trust)
        .map(Some)
        .map_err(|source| LdapFailure::Tls {
            url: server.url.clone(),
            source,
        })
}

fn is_tls(server: &Server) -> bool {
    server.url.starts_with("ldaps://") || server.start_tls
}

/// Connects; with TLS settings the certificate holds before anything else is said.
///
/// # Errors
/// When the server cannot be reached, does not begin TLS, or is not the one that is trusted.
pub(super) async fn connect(
    server: &Server,
    tls: Option<Arc<rustls::ClientConfig>>,
) -> io::Result<Box<dyn Stream>> {
    let (host, port) = place(&server.url)?;
    let mut tcp = TcpStream::connect((host.as_str(), port)).await?;
    tcp.set_nodelay(true).ok();
    let Some(tls) = tls else {
        return Ok(Box::new(tcp));
    };
    if !server.url.starts_with("ldaps://") {
        tcp.write_all(START_TLS).await?;
        let answer = guard::message(&mut tcp, MAX_ANSWER)
            .await
            .map_err(io::Error::other)?;
        if !is_yes(&answer.unwrap_or_default()) {
            return Err(io::Error::other("it does not begin TLS on this port"));
        }
    }
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    Ok(Box::new(TlsConnector::from(tls).connect(name, tcp).await?))
}

/// The host name and the port of an address.
fn place(url: &str) -> io::Result<(String, u16)> {
    let bad = || io::Error::new(io::ErrorKind::InvalidInput, "ldap_url has no host name");
    let parsed: reqwest::Url = url.parse().map_err(|_error| bad())?;
    let host = parsed
        .host_str()
        .filter(|host| !host.is_empty())
        .ok_or_else(bad)?;
    let usual = if parsed.scheme() == "ldaps" { 636 } else { 389 };
    let host = host.trim_matches(['[', ']']).to_owned();
    Ok((host, parsed.port().unwrap_or(usual)))
}

/// The extended response to message 1 whose result is success (RFC 4511 §4.1.9).
fn is_yes(answer: &[u8]) -> bool {
    /// The content of the value at the beginning, and what follows it.
    fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
        let (&found, rest) = bytes.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (size, rest) = if first < 0x80 {
            (usize::from(first), rest)
        } else {
            let (digits, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            let size = digits.iter().try_fold(0_usize, |size, digit| {
                size.checked_mul(256)?.checked_add(usize::from(*digit))
            })?;
            (size, rest)
        };
        (found == tag).then(|| rest.split_at_checked(size))?
    }
    let result = || {
        let (message, _rest) = value(answer, 0x30)?;
        let (number, rest) = value(message, 0x02)?;
        let (response, _rest) = value(rest, 0x78)?;
        let (code, _rest) = value(response, 0x0a)?;
        Some(number == [1] && code == [0])
    };
    result().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::super::guard::tests::value;
    use super::*;

    #[test]
    fn addresses_have_the_usual_ports_unless_they_say_otherwise() {
        let at = |url: &str| place(url).unwrap();
        assert_eq!(at("ldap://dc.example.org"), ("dc.example.org".to_owned(), 389));
        assert_eq!(at("ldaps://dc.example.org"), ("dc.example.org".to_owned(), 636));
        assert_eq!(at("ldaps://[2001:db8::1]:7"), ("2001:db8::1".to_owned(), 7));
        assert!(place("ldap://").is_err());
    }

    #[test]
    fn only_a_success_of_the_message_asked_about_is_a_yes() {
        let answer = |number: u8, kind: u8, code: u8| {
            let response = value(kind, &[0x0a, 1, code, 4, 0, 4, 0]);
            value(0x30, &[&[2, 1, number][..], &response].concat())
        };
        assert!(is_yes(&answer(1, 0x78, 0)));
        assert!(!is_yes(&answer(1, 0x78, 2)));
        assert!(!is_yes(&answer(2, 0x78, 0)));
        assert!(!is_yes(&answer(1, 0x61, 0)));
        assert!(!is_yes(b""));
        let whole = answer(1, 0x78, 0);
        for end in 0..whole.len() {
            assert!(!is_yes(&whole[..end]), "{end}");
        }
    }

    #[test]
    fn the_request_to_begin_tls_is_one_whole_message() {
        assert_eq!(usize::from(START_TLS[1]), START_TLS.len() - 2);
        assert_eq!(usize::from(START_TLS[6]), START_TLS.len() - 7);
        assert_eq!(usize::from(START_TLS[8]), START_TLS.len() - 9);
    }
}
