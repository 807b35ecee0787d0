//! Why an agent did not become another build.

use std::path::PathBuf;

use muster_shared::hint::Hint;

use super::order::{Order, Phase};
use crate::state::StateError;

/// Why an agent did not become another build; the present one goes on.
#[derive(Debug, thiserror::Error)]
pub enum UpgradeError {
    #[error("the agent is already becoming {}", .0.new_version)]
    UnderWay(Box<Order>),
    #[error("{path} has the SHA-256 {found}, not {expected}", path = path.display())]
    Hash {
        path: PathBuf,
        expected: String,
        found: String,
    },
    #[error("{path} is neither a program, nor an installer of the agent, for this system", path = .0.display())]
    NotAnAgent(PathBuf),
    #[error("{path} is larger than {limit} MiB", path = path.display())]
    TooLarge { path: PathBuf, limit: u64 },
    #[error("the new agent fails its test on this machine: {0}")]
    Unfit(String),
    #[error("the installer {path} cannot be used: {reason}", path = path.display())]
    Installer { path: PathBuf, reason: String },
    #[error("cannot {action} {path}", path = path.display())]
    File {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} does not say what the agent is becoming", path = path.display())]
    Record {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("the watchdog cannot be started")]
    Watchdog(#[source] std::io::Error),
    #[error("the service cannot be started again")]
    Restart(#[source] std::io::Error),
    #[error(transparent)]
    State(#[from] StateError),
}

impl UpgradeError {
    pub(super) fn file(
        action: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action, path, source }
    }
}

impl Hint for UpgradeError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::UnderWay(order) => vec![match order.phase {
                Phase::Staged => {
                    "it begins when the present task is over; `muster-agent self-upgrade --cancel` calls it off".to_owned()
                }
                _ => "wait until it is over; `muster-agent self-upgrade --status` says how it stands".to_owned(),
            }],
            Self::Hash { .. } => vec!["fetch the file again, from where its hash was published".to_owned()],
            Self::NotAnAgent(_) => vec![
                "give the program muster-agent itself, its .deb, or its Windows installer, built for this processor"
                    .to_owned(),
            ],
            Self::Unfit(_) => {
                vec!["the present agent goes on; give the message to whoever built the new one".to_owned()]
            }
            Self::File { .. } | Self::Watchdog(_) | Self::Restart(_) => {
                vec!["run the command as root (administrator)".to_owned()]
            }
            Self::Record { path, .. } => vec![format!("remove {}, then try again", path.display())],
            Self::State(error) => error.hints(),
            Self::TooLarge { .. } | Self::Installer { .. } => Vec::new(),
        }
    }
}
