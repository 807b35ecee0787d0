//! How a command fails: the cause, what to do about it, the code for programs and the exit code.

use std::fmt;

use muster_shared::hint::{Hint, chain};
use muster_shared::protocol::error::{ErrorBody, ErrorCode};

/// Exit codes of `muster-agent`; the help text lists them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Refused, or failed as a whole; nothing was changed unless the message says so.
    Failed = 1,
    /// The command line cannot be understood.
    Usage = 2,
    /// The command ran, and at least one package is in ERROR or impossible.
    Packages = 3,
    /// The server or the repository cannot be reached.
    Unreachable = 4,
    /// Another `muster-agent` works on this agent's state.
    Busy = 5,
}

/// A failed command or task.
#[derive(Debug)]
pub struct Failure {
    error: anyhow::Error,
    code: ErrorCode,
    hints: Vec<String>,
    exit: Exit,
}

impl Failure {
    /// A failure with its code and message.
    pub fn new(code: ErrorCode, message: impl fmt::Display) -> Self {
        Self {
            error: anyhow::anyhow!("{message}"),
            code,
            hints: Vec::new(),
            exit: Exit::Failed,
        }
    }

    /// A failure out of an error that knows what to do about it.
    pub fn from_hinted<E: std::error::Error + Hint + Send + Sync + 'static>(
        code: ErrorCode,
        error: E,
    ) -> Self {
        let hints = error.hints();
        Self {
            error: anyhow::Error::new(error),
            code,
            hints,
            exit: Exit::Failed,
        }
    }

    /// The same failure with one more thing to do about it.
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same failure with another exit code.
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// The kind of failure.
    pub fn code(&self) -> ErrorCode {
        self.code
    }

    /// What the process returns.
    pub fn exit(&self) -> Exit {
        self.exit
    }

    /// The failure as programs and the local API get it.
    pub fn body(&self) -> ErrorBody {
        let mut body = ErrorBody::new(self.code, chain(self));
        body.hints.clone_from(&self.hints);
        body
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)
    }
}

impl std::error::Error for Failure {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.chain().nth(1)
    }
}

impl Hint for Failure {
    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => failure,
            Err(error) => Self {
                code: code_of(&error),
                error,
                hints: Vec::new(),
                exit: Exit::Failed,
            },
        }
    }
}

impl From<ErrorBody> for Failure {
    fn from(body: ErrorBody) -> Self {
        let exit = match body.code {
            ErrorCode::Unavailable => Exit::Unreachable,
            _ => Exit::Failed,
        };
        Self {
            code: body.code,
            hints: body.hints.clone(),
            error: anyhow::anyhow!("{}", body.message),
            exit,
        }
    }
}

impl From<crate::config::ConfigError> for Failure {
    fn from(error: crate::config::ConfigError) -> Self {
        Self::from_hinted(ErrorCode::RequestInvalid, error)
    }
}

impl From<crate::state::StateError> for Failure {
    fn from(error: crate::state::StateError) -> Self {
        let code = if error.is_full() {
            ErrorCode::StorageFull
        } else {
            ErrorCode::Internal
        };
        Self::from_hinted(code, error)
    }
}

/// A full disk is worth its own code, wherever in the chain it hides.
fn code_of(error: &anyhow::Error) -> ErrorCode {
    let full = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::StorageFull);
    if full {
        ErrorCode::StorageFull
    } else {
        ErrorCode::Internal
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_keeps_its_code_through_contexts() {
        use anyhow::Context as _;
        let result: Result<(), std::io::Error> = Err(std::io::ErrorKind::StorageFull.into());
        let failure = Failure::from(result.context("writing the index").unwrap_err());
        assert_eq!(failure.code(), ErrorCode::StorageFull);
        assert!(failure.body().message.starts_with("writing the index: "));
    }

    #[test]
    fn a_failure_survives_a_trip_through_anyhow() {
        let failure = Failure::new(ErrorCode::NotFound, "no package x")
            .with_hint("look")
            .with_exit(Exit::Packages);
        let back = Failure::from(anyhow::Error::new(failure));
        assert_eq!(back.code(), ErrorCode::NotFound);
        assert_eq!(back.exit(), Exit::Packages);
        assert_eq!(back.body().hints, ["look"]);
    }
}
