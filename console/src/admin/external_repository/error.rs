//! Why a repository or one of its packages cannot be had.

use std::path::PathBuf;

use muster_shared::hint::Hint;
use muster_shared::index::IndexError;
use muster_shared::package::PackageError;

/// Why a repository cannot be read, or a package of it is not taken.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryAccessError {
    #[error("{0:?} is no address of a repository")]
    Address(String),
    #[error("cannot prepare the connection to {url}: {reason}")]
    Setup { url: String, reason: String },
    #[error("cannot get {url}: {reason}")]
    Unreachable { url: String, reason: String },
    #[error("{url}: the server answered {status}")]
    Status { url: String, status: u16 },
    #[error("{url} is larger than the {limit} bytes that it may have; the download was stopped")]
    TooLarge { url: String, limit: u64 },
    #[error("{url} ended after {read} of {size} bytes")]
    TooShort { url: String, read: u64, size: u64 },
    #[error("cannot read {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is neither a folder of packages nor a package file")]
    NoRepository { path: PathBuf },
    #[error("cannot keep the download")]
    Temporary(#[source] std::io::Error),
    #[error("the index of {repository} cannot be read")]
    Index {
        repository: String,
        #[source]
        source: IndexError,
    },
    #[error("{filename} of {repository} is refused")]
    Refused {
        filename: String,
        repository: String,
        #[source]
        source: Box<PackageError>,
    },
    #[error("{filename} is not what the index of {repository} says: another {what}")]
    Differs {
        repository: String,
        filename: String,
        what: String,
    },
}

impl Hint for RepositoryAccessError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Address(_) => vec![
                "give https://NAME/PATH, muster://NAME#sha256=…, the name of a configured import source, or a folder"
                    .to_owned(),
            ],
            Self::Unreachable { .. } => vec![
                "check the address and the network; a certificate of your own CA is given with --ca or --pin"
                    .to_owned(),
            ],
            Self::Status { status: 404, .. } => {
                vec!["give the address of the folder that holds the file Packages".to_owned()]
            }
            Self::Refused { source, .. } if matches!(**source, PackageError::Untrusted(_)) => vec![
                "compare the signer with its owner, then put the certificate into this repository's trust folder: \
                 `muster import-source signers REPOSITORY` shows and saves them"
                    .to_owned(),
            ],
            Self::Refused { source, .. } => source.hints(),
            Self::Differs { .. } => vec![
                "the repository may be in the middle of an update; try again, then tell its owner".to_owned(),
            ],
            Self::NoRepository { .. } => {
                vec!["give a folder with Packages or with .wapt files, or a .wapt file".to_owned()]
            }
            Self::Setup { .. }
            | Self::Status { .. }
            | Self::TooLarge { .. }
            | Self::TooShort { .. }
            | Self::Read { .. }
            | Self::Temporary(_)
            | Self::Index { .. } => Vec::new(),
        }
    }
}
