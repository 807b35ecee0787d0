//! Why something could not be fetched from the repository.

use std::path::PathBuf;

use muster_shared::hint::Hint;
use muster_shared::protocol::error::ErrorCode;

use crate::server_client::ServerError;

/// Why something could not be fetched from the repository.
#[derive(Debug, thiserror::Error)]
pub enum RepoError {
    #[error("no repository is configured")]
    NotConfigured,
    #[error("{0:?} is not the address of a repository")]
    Address(String),
    #[error("the repository {name} cannot be used: {reason}")]
    Unusable { name: String, reason: String },
    #[error("{what} cannot be fetched")]
    Server {
        what: String,
        #[source]
        source: ServerError,
    },
    #[error("{what} is not in the repository {url}")]
    Missing { what: String, url: String },
    #[error("the repository {url} answered {what} with status {status}")]
    Status { what: String, url: String, status: u16 },
    #[error("{what} comes too slowly: less than {least} bytes in {seconds} s")]
    TooSlow { what: String, least: u64, seconds: u64 },
    #[error("{what} has {size} bytes, at most {limit} are taken")]
    TooLarge { what: String, size: u64, limit: u64 },
    #[error("{what} ended after {got} of {expected} bytes")]
    Cut { what: String, got: u64, expected: u64 },
    #[error("the transfer of {what} broke off")]
    Broken {
        what: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{what} is not the file that the index announces: {algorithm} is {found}, expected {expected}")]
    Hash {
        what: String,
        algorithm: &'static str,
        found: String,
        expected: String,
    },
    #[error("the index announces no hash for {what}")]
    NoHash { what: String },
    #[error("no space left for {what} in {folder}: {needed} bytes more are needed", folder = folder.display())]
    DiskFull {
        what: String,
        folder: PathBuf,
        needed: u64,
    },
    #[error("{path} cannot be written", path = path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the download of {what} was cancelled")]
    Cancelled { what: String },
}

impl RepoError {
    /// The kind of failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Server { source, .. } => source.code(),
            Self::Missing { .. } => ErrorCode::NotFound,
            Self::DiskFull { .. } => ErrorCode::StorageFull,
            Self::Hash { .. } => ErrorCode::PackageHashMismatch,
            Self::TooLarge { .. } => ErrorCode::BodyTooLarge,
            Self::NotConfigured | Self::Unusable { .. } | Self::Address(_) | Self::NoHash { .. } => {
                ErrorCode::RequestInvalid
            }
            Self::Status { .. } | Self::TooSlow { .. } | Self::Cut { .. } | Self::Broken { .. } => {
                ErrorCode::Unavailable
            }
            Self::Write { .. } | Self::Cancelled { .. } => ErrorCode::Internal,
        }
    }

    /// No usable answer came: what is in the cache still counts.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Server { source, .. } => source.is_unreachable(),
            Self::Status { status, .. } => *status >= 500,
            Self::TooSlow { .. } | Self::Cut { .. } | Self::Broken { .. } => true,
            _ => false,
        }
    }

    /// Another address that serves the same repository may do better.
    pub fn is_of_server(&self) -> bool {
        matches!(
            self,
            Self::Server { .. }
                | Self::Missing { .. }
                | Self::Status { .. }
                | Self::TooSlow { .. }
                | Self::TooLarge { .. }
                | Self::Cut { .. }
                | Self::Broken { .. }
                | Self::Hash { .. }
        )
    }

    /// Trying again now continues where this try ended.
    pub fn is_resumable(&self) -> bool {
        matches!(
            self,
            Self::TooSlow { .. }
                | Self::Cut { .. }
                | Self::Broken { .. }
                | Self::DiskFull { .. }
                | Self::Cancelled { .. }
        )
    }
}

impl Hint for RepoError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::NotConfigured | Self::Address(_) => {
                vec!["set wapt_server or repo_url in agent.toml, or register this host".to_owned()]
            }
            Self::Unusable { name, .. } => {
                vec![format!("correct the table [repository.{name}] in agent.toml")]
            }
            Self::Server { source, .. } => source.hints(),
            Self::Missing { .. } => vec!["run `muster-agent update`: the index may have changed".to_owned()],
            Self::Status { url, .. } => vec![format!(
                "open {url}/ in a browser to see whether it is a repository"
            )],
            Self::TooLarge { .. } => {
                vec!["raise download_limit_mib in agent.toml if this size is intended".to_owned()]
            }
            Self::TooSlow { .. } | Self::Cut { .. } | Self::Broken { .. } => {
                vec!["the next try continues where this one ended".to_owned()]
            }
            Self::Hash { .. } | Self::NoHash { .. } => {
                vec![
                    "rebuild the repository's index (`muster repo index`) or upload the package again"
                        .to_owned(),
                ]
            }
            Self::DiskFull { folder, .. } => vec![format!(
                "free space on the disk of {}; what was downloaded is kept",
                folder.display()
            )],
            Self::Write { .. } | Self::Cancelled { .. } => Vec::new(),
        }
    }
}
