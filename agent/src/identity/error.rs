//! Why this host has no identity, and what to do about it.

use std::path::PathBuf;

use muster_shared::crypto::issue::IssueError;
use muster_shared::crypto::{CertificateError, KeyError};
use muster_shared::hint::Hint;

use super::files::KEY_FILE;

/// Why this host has no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("the folder of keys {folder} cannot be kept private", folder = folder.display())]
    Folder {
        folder: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} cannot be read", path = path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} cannot be written", path = path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} does not say who this host is", path = path.display())]
    Record {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{path} holds {identifier:?}, which is not an identifier", path = path.display())]
    Identifier { path: PathBuf, identifier: String },
    #[error("the identity key cannot be used")]
    Key(#[source] KeyError),
    #[error("the decryption key of this host cannot be used")]
    DecryptionKey(#[source] KeyError),
    #[error("the certificate of the decryption key cannot be made")]
    DecryptionCertificate(#[source] IssueError),
    #[error("the server's certificate for this host cannot be read")]
    Certificate(#[source] CertificateError),
    #[error("the server's certificate names {found:?}, this host is {expected:?}")]
    OtherHost { expected: String, found: String },
    #[error("the server's certificate is for another key than this host's")]
    OtherKey,
}

impl Hint for IdentityError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Folder { .. } | Self::Read { .. } | Self::Write { .. } => {
                vec!["run the command as root (administrator)".to_owned()]
            }
            Self::Record { path, .. } | Self::Identifier { path, .. } => vec![format!(
                "remove {} to choose the identifier again, then register",
                path.display()
            )],
            Self::Key(_) => vec![format!(
                "remove {KEY_FILE} from the folder of keys to make a new key; the server then asks an administrator"
            )],
            Self::DecryptionKey(_) => vec![
                "remove host-decrypt.pem from the folder of keys to make a new key; what was encrypted to the old one stays closed"
                    .to_owned(),
            ],
            Self::DecryptionCertificate(_) => Vec::new(),
            Self::Certificate(_) | Self::OtherHost { .. } | Self::OtherKey => {
                vec!["check that this is the right server; its log says whom it registered".to_owned()]
            }
        }
    }
}
