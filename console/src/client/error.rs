//! What can go wrong between a console and its server, with what to do about it.

use std::time::Duration;

use muster_shared::hint::Hint;
use muster_shared::protocol::error::{ErrorBody, ErrorCode};

/// Why a request to the server did not give what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientError {
    /// The server answered, and refused.
    #[error("{}", .body.message)]
    Refused {
        /// HTTP status of the answer.
        status: u16,
        body: Box<ErrorBody>,
    },
    /// No connection could be made, or it broke before an answer came.
    #[error("cannot reach {server}: {reason}")]
    Unreachable { server: String, reason: String },
    /// The server's certificate is not the one expected.
    #[error("the certificate of {server} is not trusted: {reason}")]
    Tls {
        server: String,
        reason: String,
        /// Hex SHA-256 of the certificate that the server presents now, when it could be had.
        presented: Option<String>,
    },
    /// The server took too long.
    #[error("{server} did not answer within {} s", .after.as_secs())]
    Timeout { server: String, after: Duration },
    /// The answer is not what this version understands.
    #[error("the answer of {server} to {request} cannot be read: {reason}")]
    Unreadable {
        server: String,
        request: String,
        reason: String,
    },
    /// The answer is larger than this client takes.
    #[error("the answer of {server} to {request} is larger than {limit} bytes")]
    TooLarge {
        server: String,
        request: String,
        limit: u64,
    },
    /// The machine itself cannot do it: certificates of the system, address, TLS set-up.
    #[error("cannot prepare the connection to {server}: {reason}")]
    Setup { server: String, reason: String },
    /// A file to send could not be read.
    #[error("cannot read {path}: {reason}")]
    File { path: String, reason: String },
}

impl ClientError {
    /// The server's code, when the server answered.
    pub fn code(&self) -> Option<ErrorCode> {
        if let Self::Refused { body, .. } = self {
            Some(body.code)
        } else {
            None
        }
    }

    /// No valid session: the person must sign in again.
    pub fn is_sign_in_required(&self) -> bool {
        self.code() == Some(ErrorCode::SignInRequired)
    }

    /// There is no such object on the server.
    pub fn is_not_found(&self) -> bool {
        self.code() == Some(ErrorCode::NotFound)
    }

    /// Trying the same again later may work.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Timeout { .. } => true,
            Self::Refused { status, .. } => matches!(status, 429 | 500 | 502 | 503 | 504),
            Self::Tls { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Setup { .. }
            | Self::File { .. } => false,
        }
    }
}

impl Hint for ClientError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Refused { body, .. } => {
                let mut hints = body.hints.clone();
                match body.code {
                    ErrorCode::SignInRequired if hints.is_empty() => {
                        hints.push("sign in first: muster sign-in".to_owned());
                    }
                    ErrorCode::Internal if !body.request_id.is_empty() => hints.push(format!(
                        "the server's log has the cause under request {}",
                        body.request_id
                    )),
                    ErrorCode::FilterInvalid if hints.is_empty() => {
                        hints.push("`muster host list --help` shows the filter language".to_owned());
                    }
                    ErrorCode::RouteNotFound => hints
                        .push("the server is older than this program; upgrade the server first".to_owned()),
                    _ => {}
                }
                hints
            }
            Self::Unreachable { .. } => {
                vec!["check the name and port, and that muster-server runs there".to_owned()]
            }
            Self::Tls { presented, .. } => {
                let mut hints = Vec::new();
                if let Some(fingerprint) = presented {
                    hints.push(format!("the server presents sha256={fingerprint}"));
                }
                hints.push(
                    "compare it with the muster:// line that `muster-server init` printed; if the server was \
                     really set up anew, sign in again with the new line"
                        .to_owned(),
                );
                hints
            }
            Self::Timeout { .. } => {
                vec!["the server or the network is overloaded; try again".to_owned()]
            }
            Self::Unreadable { .. } => {
                vec!["check that this address is a Muster server and of the same version".to_owned()]
            }
            Self::TooLarge { .. } => vec!["ask for less with a filter or a limit".to_owned()],
            Self::Setup { .. } | Self::File { .. } => Vec::new(),
        }
    }
}
