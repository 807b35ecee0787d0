//! Why a package cannot be read, verified, built or signed.

use std::path::PathBuf;

use super::content::ContentProblem;
use super::encrypted::EncryptedError;
use super::entry_name::NameProblem;
use crate::control::{ControlError, Problem};
use crate::crypto::{CertificateError, SignError, SignatureError, TrustError};
use crate::hint::Hint;
use crate::protocol::error::ErrorCode;

/// Why a package is refused, one variant per check that failed.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    #[error("cannot read the package {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("not a zip archive that can be read: {0}")]
    NotZip(String),
    #[error("the archive breaks a limit: {0}")]
    Limit(String),
    #[error("the member {name:?} of the archive is refused: {problem}")]
    Name { name: String, problem: NameProblem },
    #[error("{0} is missing from the package")]
    Missing(&'static str),
    #[error("WAPT/control cannot be read")]
    Control(#[source] ControlError),
    #[error("the control file breaks a rule: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Problems(Vec<Problem>),
    #[error("the package is not signed: {0}")]
    Unsigned(&'static str),
    #[error("WAPT/certificate.crt cannot be read")]
    Certificate(#[source] CertificateError),
    #[error("the signer is not trusted")]
    Untrusted(#[source] TrustError),
    #[error("the signature of the control file does not match (signer {signer})")]
    ControlSignature {
        signer: String,
        #[source]
        source: SignatureError,
    },
    #[error("the signature of the control file does not cover {0}")]
    NotCovered(&'static str),
    #[error("the signature of the manifest does not match (signer {signer})")]
    ManifestSignature {
        signer: String,
        #[source]
        source: SignatureError,
    },
    #[error("WAPT/manifest.sha256 cannot be read: {0}")]
    Manifest(String),
    #[error("{0} is not listed in the signed manifest")]
    ExtraFile(String),
    #[error("{0} is listed in the signed manifest and missing from the package")]
    MissingFile(String),
    #[error("{0} differs from the signed manifest")]
    ChangedFile(String),
    #[error("the package carries {file} and the certificate of {signer} may not sign code")]
    CodeSigning { file: &'static str, signer: String },
    #[error(transparent)]
    Content(ContentProblem),
    #[error("the package is encrypted for one host")]
    Encrypted,
    #[error(transparent)]
    Decrypt(EncryptedError),
    #[error("cannot sign")]
    Sign(#[source] SignError),
}

impl PackageError {
    /// The code of this kind of failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Read { source, .. } | Self::Write { source, .. }
                if source.kind() == std::io::ErrorKind::StorageFull =>
            {
                ErrorCode::StorageFull
            }
            Self::Write { .. } | Self::Sign(_) => ErrorCode::Internal,
            Self::Read { .. }
            | Self::NotZip(_)
            | Self::Limit(_)
            | Self::Name { .. }
            | Self::Missing(_)
            | Self::Encrypted
            | Self::Decrypt(_) => ErrorCode::PackageUnreadable,
            Self::Control(_) | Self::Problems(_) | Self::Content(_) => ErrorCode::PackageControlInvalid,
            Self::Unsigned(_) => ErrorCode::PackageUnsigned,
            Self::Certificate(_)
            | Self::ControlSignature { .. }
            | Self::NotCovered(_)
            | Self::ManifestSignature { .. } => ErrorCode::PackageSignatureInvalid,
            Self::Untrusted(_) => ErrorCode::PackageSignatureUntrusted,
            Self::Manifest(_) | Self::ExtraFile(_) | Self::MissingFile(_) | Self::ChangedFile(_) => {
                ErrorCode::PackageContentChanged
            }
            Self::CodeSigning { .. } => ErrorCode::PackageCodeSigningRequired,
        }
    }
}

impl Hint for PackageError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Untrusted(error) => error.hints(),
            Self::Sign(error) => error.hints(),
            Self::Unsigned(_) => vec!["sign it with `muster package sign FILE`".into()],
            Self::ControlSignature { .. }
            | Self::ManifestSignature { .. }
            | Self::ExtraFile(_)
            | Self::MissingFile(_)
            | Self::ChangedFile(_) => {
                vec!["the file was changed after it was signed; get it again from its packager".into()]
            }
            Self::CodeSigning { .. } => {
                vec!["sign with a certificate for code signing, or leave the script out".into()]
            }
            Self::Content(ContentProblem::Code { .. }) => {
                vec!["leave the script out, or make it a package of the section base".into()]
            }
            Self::Content(ContentProblem::NoRules { file, .. }) => {
                vec![format!("write the rules into {file}")]
            }
            Self::Control(ControlError::NoColon { .. }) => vec![
                "write `name : value`; a line that continues the value above begins with a space".into(),
            ],
            Self::Control(ControlError::ContinuesNothing { .. }) => {
                vec!["remove the space at the beginning of the line".into()]
            }
            Self::Name {
                problem: NameProblem::Link,
                ..
            } => vec!["put the file itself in the place of the link".into()],
            Self::Encrypted => vec![
                "decrypt it with the key of that host: `muster package decrypt FILE --decrypt-key KEY -o OUT`".into(),
            ],
            Self::Decrypt(error) => error.hints(),
            Self::NotZip(_) => vec!["check that the file was copied whole".into()],
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free some space and try again; nothing was changed".into()]
            }
            _ => Vec::new(),
        }
    }
}
