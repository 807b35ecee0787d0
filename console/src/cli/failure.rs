//! How a command fails: the chain of causes, what to do about it, and the exit code.

use std::io::Write as _;
use std::process::ExitCode;

use muster_shared::hint::Hint;
use serde::Serialize;

/// How a command ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// It was carried out, and part of it failed (some hosts, some files).
    Partly,
    /// It was carried out, and the answer is no.
    Refused,
}

impl Outcome {
    pub(crate) fn exit_code(self) -> ExitCode {
        match self {
            Self::Done => ExitCode::SUCCESS,
            Self::Partly => ExitCode::from(3),
            Self::Refused => ExitCode::FAILURE,
        }
    }
}

/// A refusal that this program itself decides, with advice.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refusal {
    message: String,
    hints: Vec<String>,
    is_usage: bool,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            hints: Vec::new(),
            is_usage: false,
        }
    }

    /// What was asked for names something that is not there: exit code 2.
    pub(crate) fn usage(mut self) -> Self {
        self.is_usage = true;
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

impl Hint for Refusal {
    fn hints(&self) -> Vec<String> {
        self.hints.clone()
    }
}

#[derive(Serialize)]
struct FailureBody {
    code: &'static str,
    message: String,
    hints: Vec<String>,
}

/// Writes an error to standard error: `error: …`, an empty line, `hint: …` lines; or one JSON line.
pub(crate) fn report(error: &anyhow::Error, json: bool) {
    let hints = hints(error);
    let message = message(error);
    let mut stderr = std::io::stderr().lock();
    if json {
        let body = FailureBody {
            code: code(error),
            message,
            hints,
        };
        let text = serde_json::json!({ "error": body });
        writeln!(stderr, "{text}").ok();
        return;
    }
    writeln!(stderr, "error: {message}").ok();
    if !hints.is_empty() {
        writeln!(stderr).ok();
        for hint in hints {
            writeln!(stderr, "hint: {hint}").ok();
        }
    }
}

/// 2 when the command names what is not there, else 1.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    use crate::admin::verify::VerifyError;
    let is_usage = error.chain().any(|cause| {
        cause
            .downcast_ref::<Refusal>()
            .is_some_and(|refusal| refusal.is_usage)
            || matches!(
                cause.downcast_ref::<VerifyError>(),
                Some(VerifyError::NoTrust { .. })
            )
    });
    if is_usage {
        ExitCode::from(2)
    } else {
        ExitCode::FAILURE
    }
}

/// The reader at the other end of a pipe went away: not an error of ours.
pub(crate) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<std::io::Error>()
            .is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
    })
}

/// All causes on one line, none said twice.
fn message(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let cause = without_known_path(&cause, &text);
        if text.ends_with(cause) {
            continue;
        }
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(cause);
    }
    text
}

/// "failed to open file `x`: no such file", once `x` was named before, is only "no such file".
fn without_known_path<'a>(cause: &'a str, before: &str) -> &'a str {
    let shortened = || {
        let (_, rest) = cause.strip_prefix("failed to ")?.split_once('`')?;
        let (path, reason) = rest.split_once("`: ")?;
        before.contains(path).then_some(reason)
    };
    shortened().unwrap_or(cause)
}

fn code(error: &anyhow::Error) -> &'static str {
    use muster_shared::package::PackageError;
    use muster_shared::protocol::error::ErrorCode;

    use crate::admin::host_package::HostPackageError;
    use crate::client::ClientError;
    for cause in error.chain() {
        if let Some(client) = cause.downcast_ref::<ClientError>() {
            return match client {
                ClientError::Refused { body, .. } => body.code.as_str(),
                ClientError::Unreachable { .. } => "server_unreachable",
                ClientError::Tls { .. } => "server_certificate_untrusted",
                ClientError::Timeout { .. } => "server_timeout",
                ClientError::Unreadable { .. } | ClientError::TooLarge { .. } => "server_answer_unreadable",
                ClientError::Setup { .. } | ClientError::File { .. } => "failed",
            };
        }
        if let Some(HostPackageError::Changed { .. }) = cause.downcast_ref::<HostPackageError>() {
            return ErrorCode::Changed.as_str();
        }
        let boxed = || cause.downcast_ref::<Box<PackageError>>().map(AsRef::as_ref);
        if let Some(package) = cause.downcast_ref::<PackageError>().or_else(boxed) {
            return package.code().as_str();
        }
    }
    "failed"
}

macro_rules! first_hints {
    ($cause:expr, $($kind:ty),* $(,)?) => {
        $(
            if let Some(known) = $cause.downcast_ref::<$kind>() {
                let hints = known.hints();
                if !hints.is_empty() {
                    return hints;
                }
            }
        )*
    };
}

/// The advice of the outermost cause that has any.
fn hints(error: &anyhow::Error) -> Vec<String> {
    for cause in error.chain() {
        first_hints!(
            cause,
            Refusal,
            crate::client::ClientError,
            crate::settings::SettingsError,
            crate::admin::act::ActError,
            crate::admin::agent_program::AgentProgramError,
            crate::admin::diff::DiffError,
            crate::admin::duplicate::DuplicateError,
            crate::admin::edit::EditError,
            crate::admin::external_repository::RepositoryAccessError,
            crate::admin::import::ImportError,
            crate::admin::import::PlanError,
            crate::admin::promote::PromoteError,
            crate::admin::resolve::ResolveError,
            crate::admin::sign::ResignError,
            crate::admin::try_package::TryError,
            crate::admin::build::BuildFailure,
            crate::admin::encrypt::EncryptFailure,
            crate::admin::enrol::EnrolError,
            crate::admin::host_package::HostPackageError,
            crate::admin::installer::InstallerError,
            crate::admin::key::KeyCreateError,
            crate::admin::key_file::KeyFileError,
            crate::admin::password::ShortPassword,
            crate::admin::pkcs12::Pkcs12Error,
            crate::admin::renew::RenewError,
            crate::admin::revoke::RevokeError,
            crate::admin::distrust::DistrustFileError,
            crate::admin::repository_rules::RulesFileError,
            crate::admin::token::TokenChangeError,
            muster_shared::crypto::pkcs11_uri::UriError,
            muster_shared::crypto::token::TokenError,
            crate::admin::migrate::repository::RepositoryMigrationError,
            crate::admin::repository::FolderError,
            crate::admin::signer::SignerError,
            crate::admin::targets::TargetError,
            crate::admin::template::TemplateError,
            crate::admin::upload::UploadError,
            crate::admin::verify::VerifyError,
            muster_shared::crypto::SignError,
            muster_shared::crypto::TrustError,
            muster_shared::crypto::tls::TlsError,
            muster_shared::package::PackageError,
        );
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            match io.kind() {
                std::io::ErrorKind::StorageFull => {
                    return vec!["free some space and try again".to_owned()];
                }
                std::io::ErrorKind::NotFound => {
                    return vec!["check the path: there is nothing of that name".to_owned()];
                }
                std::io::ErrorKind::PermissionDenied => {
                    return vec!["check the permissions, or choose another folder".to_owned()];
                }
                _ => {}
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn a_message_says_each_thing_once() {
        let error = fs_err::read("/nowhere/x")
            .context("cannot read /nowhere/x")
            .unwrap_err();
        let text = message(&error);
        assert_eq!(text.matches("/nowhere/x").count(), 1, "{text}");
        assert_eq!(text.matches("os error 2").count(), 1, "{text}");
    }
}
