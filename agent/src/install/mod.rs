//! Installing and removing one package: verified bytes in, recorded status out, nothing half-done unseen.
//!
//! `stage` verifies, checks and unpacks; `run` goes through the steps; `remove` undoes; `journal` makes a
//! power cut at any step end in a state from which the task goes on. A failure says in which step it happened.

mod crash;
pub mod journal;
mod live_log;
mod outcome;
pub mod reboot;
pub mod remove;
pub mod run;
pub mod stage;

use muster_shared::hint::Hint;
use muster_shared::package::PackageError;
use muster_shared::protocol::error::ErrorCode;

use crate::repo::RepoError;
use crate::script::ScriptError;
use crate::state::StateError;

/// A step of an installation or a removal; the journal names it before it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Download,
    Verify,
    Checks,
    Unpack,
    /// `install()` runs.
    Install,
    UninstallKeys,
    /// The status is written; what is of no more use is being cleared away.
    Finish,
    /// `uninstall()` runs.
    Remove,
    /// The software is gone; the row is being deleted.
    Forget,
}

impl Step {
    /// The steps of an installation that the journal names, in their order. Those before them touch nothing but
    /// the cache, and the uninstall keys are looked at by the process that ran `install()`.
    pub const INSTALL: [Self; 4] = [Self::Checks, Self::Unpack, Self::Install, Self::Finish];

    /// The steps of a removal that the journal names, in their order.
    pub const REMOVE: [Self; 2] = [Self::Remove, Self::Forget];

    /// The word in the journal and in `failed_step`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Download => "download",
            Self::Verify => "verify",
            Self::Checks => "checks",
            Self::Unpack => "unpack",
            Self::Install => "install",
            Self::UninstallKeys => "uninstall-keys",
            Self::Finish => "finish",
            Self::Remove => "remove",
            Self::Forget => "forget",
        }
    }

    /// Reads the word of a journal row.
    pub fn parse(text: &str) -> Option<Self> {
        Self::INSTALL
            .into_iter()
            .chain(Self::REMOVE)
            .find(|step| step.as_str() == text)
    }
}

/// Why a package was not installed or removed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    #[error("{package} cannot be downloaded")]
    Download {
        package: String,
        #[source]
        source: RepoError,
    },
    #[error("{package} is refused")]
    Verify {
        package: String,
        #[source]
        source: PackageError,
    },
    #[error("{package} is not the package that was announced: {difference}")]
    Other { package: String, difference: String },
    #[error("{package} needs version {needed} of the agent")]
    OldAgent { package: String, needed: String },
    #[error("{package} needs {missing}, which is not installed")]
    Dependency { package: String, missing: String },
    #[error("{package} and {conflict} exclude each other")]
    Conflict { package: String, conflict: String },
    #[error("{package} needs {needed} bytes of disk space, {free} are free")]
    Space { package: String, needed: u64, free: u64 },
    #[error("{package} cannot be unpacked")]
    Unpack {
        package: String,
        #[source]
        source: PackageError,
    },
    #[error("the working folder of {package} cannot be prepared")]
    Folder {
        package: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the script of {package} cannot be run")]
    Script {
        package: String,
        step: Step,
        #[source]
        source: ScriptError,
    },
    /// The hook's own failure; the log has the rest.
    #[error("{hook}() of {package} failed: {reason}")]
    Hook {
        package: String,
        hook: &'static str,
        step: Step,
        reason: String,
    },
    #[error("after install() of {package} these uninstall keys are missing: {keys}; {appeared}")]
    Keys {
        package: String,
        keys: String,
        /// Which keys appeared instead, as a clause.
        appeared: String,
    },
    #[error("{package} is not for this machine: {reason}")]
    OtherMachine { package: String, reason: String },
    #[error("{package} stays, because {dependant} needs it and could not be removed")]
    Needed { package: String, dependant: String },
    #[error("{0} is not installed")]
    NotInstalled(String),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("cancelled")]
    Cancelled,
}

impl InstallError {
    /// The step that failed.
    pub fn step(&self) -> Step {
        match self {
            Self::Download { .. } => Step::Download,
            Self::Verify { .. } | Self::Other { .. } => Step::Verify,
            Self::OldAgent { .. }
            | Self::Dependency { .. }
            | Self::Conflict { .. }
            | Self::OtherMachine { .. }
            | Self::Space { .. }
            | Self::NotInstalled(_)
            | Self::State(_)
            | Self::Cancelled => Step::Checks,
            Self::Needed { .. } => Step::Remove,
            Self::Unpack { .. } | Self::Folder { .. } => Step::Unpack,
            Self::Script { step, .. } | Self::Hook { step, .. } => *step,
            Self::Keys { .. } => Step::UninstallKeys,
        }
    }

    /// The code of this kind of failure.
    pub fn code(&self) -> ErrorCode {
        match self {
            Self::Download { source, .. } => source.code(),
            Self::Verify { source, .. } | Self::Unpack { source, .. } => source.code(),
            Self::Other { .. } => ErrorCode::PackageHashMismatch,
            Self::Space { .. } => ErrorCode::StorageFull,
            Self::NotInstalled(_) => ErrorCode::NotFound,
            Self::State(error) if error.is_full() => ErrorCode::StorageFull,
            Self::Folder { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                ErrorCode::StorageFull
            }
            _ => ErrorCode::Internal,
        }
    }
}

impl Hint for InstallError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Download { source, .. } => source.hints(),
            Self::Verify { source, .. } | Self::Unpack { source, .. } => source.hints(),
            Self::Other { .. } => vec!["run `muster-agent update` and try again".to_owned()],
            Self::OldAgent { .. } => vec!["upgrade the agent first".to_owned()],
            Self::Dependency { missing, .. } => vec![format!(
                "see what `muster-agent list-upgrade` says about {missing}"
            )],
            Self::Conflict { conflict, .. } => vec![format!(
                "remove {conflict} first, or take the conflict out of the package"
            )],
            Self::Space { .. } => vec!["make room on the disk, then try again".to_owned()],
            Self::Script { source, .. } => source.hints(),
            Self::Hook { package, .. } | Self::Keys { package, .. } => {
                vec![format!(
                    "`muster-agent log {package}` shows what the script wrote"
                )]
            }
            Self::State(error) => error.hints(),
            Self::Needed { dependant, .. } => {
                vec![format!("remove {dependant} first, or remove both with --force")]
            }
            Self::OtherMachine { .. } | Self::NotInstalled(_) | Self::Folder { .. } | Self::Cancelled => {
                Vec::new()
            }
        }
    }
}

#[cfg(test)]
mod tests;
