//! Why a request to the server gave nothing.

use std::error::Error as _;

use muster_shared::crypto::{KeyError, tls::TlsError};
use muster_shared::hint::Hint;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};

use crate::identity::IdentityError;

/// Why a request to the server gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("no server is configured")]
    NotConfigured,
    #[error("the server {server} cannot be trusted with these settings")]
    Trust {
        server: String,
        #[source]
        source: Box<TlsError>,
    },
    #[error("the file of server certificates {path} cannot be used", path = path.display())]
    Bundle {
        path: std::path::PathBuf,
        #[source]
        source: Box<muster_shared::crypto::CertificateError>,
    },
    #[error("the client certificate {path} cannot be used", path = path.display())]
    ClientCertificate {
        path: std::path::PathBuf,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("the proxy {proxy} cannot be used")]
    Proxy {
        proxy: String,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    #[error("HTTP cannot be set up")]
    Setup(#[source] reqwest::Error),
    #[error("{server} cannot be reached")]
    Unreachable {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{server} is not the server that this host trusts")]
    NotTrusted {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("the certificate of {server} does not count at the time that this machine's clock shows")]
    OtherTime {
        server: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{server} did not answer {what} in time")]
    TooSlow { server: String, what: String },
    #[error("the answer of {server} to {what} is larger than {limit} bytes")]
    TooLarge {
        server: String,
        what: String,
        limit: u64,
    },
    #[error("the answer of {server} to {what} cannot be read")]
    Unreadable {
        server: String,
        what: String,
        #[source]
        source: serde_json::Error,
    },
    #[error("{server} answered {what} with status {status}")]
    Status {
        server: String,
        what: String,
        status: u16,
    },
    #[error("{what} was refused: {body}", body = body.message)]
    Refused { what: String, body: Box<ErrorBody> },
    #[error("the request cannot be signed")]
    Sign(#[source] KeyError),
    #[error("the request cannot be written")]
    Write(#[source] serde_json::Error),
    #[error("the registration cannot be kept")]
    Identity(#[source] Box<IdentityError>),
}

impl From<IdentityError> for ServerError {
    fn from(error: IdentityError) -> Self {
        Self::Identity(Box::new(error))
    }
}

impl ServerError {
    /// The kind of failure, as the server told it or as it was seen here.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Refused { body, .. } => body.code,
            Self::Unreachable { .. }
            | Self::NotTrusted { .. }
            | Self::OtherTime { .. }
            | Self::TooSlow { .. }
            | Self::Status { .. } => ErrorCode::Unavailable,
            Self::NotConfigured
            | Self::Trust { .. }
            | Self::Bundle { .. }
            | Self::ClientCertificate { .. }
            | Self::Proxy { .. } => ErrorCode::RequestInvalid,
            Self::Setup(_)
            | Self::TooLarge { .. }
            | Self::Unreadable { .. }
            | Self::Sign(_)
            | Self::Write(_)
            | Self::Identity(_) => ErrorCode::Internal,
        }
    }

    /// The server's own words, when it answered.
    pub fn body(&self) -> Option<&ErrorBody> {
        match self {
            Self::Refused { body, .. } => Some(body),
            _ => None,
        }
    }

    /// No answer came: the agent goes on alone and tries again later.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Unreachable { .. }
                | Self::NotTrusted { .. }
                | Self::OtherTime { .. }
                | Self::TooSlow { .. }
                | Self::Status { .. }
        )
    }

    /// What reqwest says, told apart: certificate, time, everything else.
    pub(crate) fn of_transport(server: &str, what: &str, source: reqwest::Error) -> Self {
        match cause_in_tls(&source) {
            Some(Cause::Time) => {
                return Self::OtherTime {
                    server: server.to_owned(),
                    source: source.without_url(),
                };
            }
            Some(Cause::Trust) => {
                return Self::NotTrusted {
                    server: server.to_owned(),
                    source: source.without_url(),
                };
            }
            None => {}
        }
        if source.is_timeout() {
            return Self::TooSlow {
                server: server.to_owned(),
                what: what.to_owned(),
            };
        }
        Self::Unreachable {
            server: server.to_owned(),
            source: source.without_url(),
        }
    }
}

/// Characters of a refusal's text, and of each advice; and how many of these are read.
const MAX_SAID: usize = 2000;
const MAX_ADVICE: usize = 500;
const MAX_ADVICES: usize = 8;

/// What a server says when it refuses, as it may be kept, logged and shown at a terminal: bounded, and without
/// characters that a terminal would obey.
pub(crate) fn bounded(mut body: ErrorBody) -> ErrorBody {
    let plain = |text: &str, most: usize| -> String {
        let shown = text
            .chars()
            .filter(|letter| !letter.is_control() || *letter == '\n');
        shown.take(most).collect()
    };
    body.message = plain(&body.message, MAX_SAID);
    body.request_id = plain(&body.request_id, 64);
    body.hints.truncate(MAX_ADVICES);
    for hint in &mut body.hints {
        *hint = plain(hint, MAX_ADVICE);
    }
    body
}

/// Why TLS does not take a certificate.
enum Cause {
    /// It is not of today, by this machine's clock.
    Time,
    Trust,
}

fn cause_in_tls(error: &reqwest::Error) -> Option<Cause> {
    use rustls::CertificateError::{Expired, ExpiredContext, NotValidYet, NotValidYetContext};

    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(tls) = tls_error(current) {
            return match tls {
                rustls::Error::InvalidCertificate(
                    Expired | ExpiredContext { .. } | NotValidYet | NotValidYetContext { .. },
                ) => Some(Cause::Time),
                rustls::Error::InvalidCertificate(_) | rustls::Error::InvalidCertRevocationList(_) => {
                    Some(Cause::Trust)
                }
                _ => None,
            };
        }
        cause = current.source();
    }
    None
}

/// The TLS error itself, or inside of I/O errors: these carry their inner error beside the chain of sources.
fn tls_error<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    let mut current = error;
    loop {
        if let Some(tls) = current.downcast_ref::<rustls::Error>() {
            return Some(tls);
        }
        current = current.downcast_ref::<std::io::Error>()?.get_ref()?;
    }
}

impl Hint for ServerError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotConfigured => {
                vec![
                    "register with `muster-agent register --server muster://NAME#sha256=… --token TOKEN`"
                        .to_owned(),
                ]
            }
            Self::Trust { source, .. } => source.hints(),
            Self::Bundle { .. } => {
                vec!["set verify_cert to a PEM file with the server's CA certificate".to_owned()]
            }
            Self::ClientCertificate { .. } => {
                vec!["set client_certificate and client_private_key to PEM files that belong together".to_owned()]
            }
            Self::Proxy { .. } => {
                vec!["write http_proxy as http://NAME:PORT or http://USER:PASSWORD@NAME:PORT".to_owned()]
            }
            Self::Unreachable { server, .. } | Self::TooSlow { server, .. } | Self::Status { server, .. } => {
                vec![
                    format!("check that {server} runs and that no firewall stands in between"),
                    "what is in the cache can still be installed".to_owned(),
                ]
            }
            Self::OtherTime { .. } => vec![
                "set this machine's clock; if it is right, the server's certificate has ended".to_owned(),
            ],
            Self::NotTrusted { .. } => vec![
                "register with the whole muster:// line, as `muster-server init` or `muster-server address` prints it"
                    .to_owned(),
                "an agent that registered before has the fingerprint as server_pin in agent.toml: compare the two"
                    .to_owned(),
            ],
            Self::TooLarge { .. } | Self::Unreadable { .. } => {
                vec!["check that the address is that of a Muster server of this version".to_owned()]
            }
            Self::Refused { body, .. } => {
                let mut hints = body.hints.clone();
                if hints.is_empty() {
                    hints.extend(own_hint(body.code).map(str::to_owned));
                }
                hints
            }
            Self::Identity(source) => source.hints(),
            Self::Setup(_) | Self::Sign(_) | Self::Write(_) => Vec::new(),
        }
    }
}

fn own_hint(code: ErrorCode) -> Option<&'static str> {
    Some(match code {
        ErrorCode::HostUnknown => "register this host with `muster-agent register --token TOKEN`",
        ErrorCode::HostPending => "an administrator decides on this host in the console, page Hosts",
        ErrorCode::EnrolmentTokenInvalid => "make a new one with `muster enrol-token create`",
        ErrorCode::RegistrationRefused => "give an enrolment token, or a user who may register hosts",
        ErrorCode::HostClockWrong => "set the machine's clock",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_hostile_server_says_is_bounded_and_commands_no_terminal() {
        let mut body = ErrorBody::new(
            ErrorCode::Internal,
            format!("\u{1b}]0;owned\u{7}no\u{9b}2J{}", "x".repeat(3_000_000)),
        );
        body.hints = vec!["\u{1b}[31mrun this".repeat(1000); 1000];
        let bounded = bounded(body);
        assert!(
            bounded.message.starts_with("]0;ownedno2Jx"),
            "{}",
            &bounded.message[..40]
        );
        assert_eq!(bounded.message.chars().count(), MAX_SAID);
        assert_eq!(bounded.hints.len(), MAX_ADVICES);
        for hint in &bounded.hints {
            assert!(!hint.contains('\u{1b}') && hint.len() <= MAX_ADVICE);
        }
    }
}
