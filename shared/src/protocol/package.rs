//! Packages on hosts and in the repository.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Where an installed package stands (wapt-reference.md B.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum InstallStatus {
    /// Downloaded and verified, not started.
    Init,
    Running,
    Ok,
    Warning,
    Error,
    Retry,
    Postponed,
    Unknown,
}

impl InstallStatus {
    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Init => "INIT",
            Self::Running => "RUNNING",
            Self::Ok => "OK",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Retry => "RETRY",
            Self::Postponed => "POSTPONED",
            Self::Unknown => "UNKNOWN",
        }
    }

    /// Reads a status as a script may return it; anything else is [`Self::Unknown`].
    pub fn from_script(text: &str) -> Self {
        [
            Self::Init,
            Self::Running,
            Self::Ok,
            Self::Warning,
            Self::Error,
            Self::Retry,
            Self::Postponed,
        ]
        .into_iter()
        .find(|status| status.as_str() == text)
        .unwrap_or(Self::Unknown)
    }

    /// The package is in place, whatever a warning says.
    pub fn is_installed(self) -> bool {
        matches!(self, Self::Ok | Self::Warning | Self::Unknown)
    }
}

/// One package on a host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct InstalledPackage {
    pub package: String,
    pub version: String,
    #[serde(default)]
    pub section: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub maturity: String,
    #[serde(default)]
    pub locale: String,
    #[serde(default)]
    pub package_uuid: String,
    pub status: InstallStatus,
    /// The last lines of the step that ran last, at most 16 KiB.
    #[serde(default)]
    pub log: String,
    /// Which step failed: `download`, `verify`, `checks`, `unpack`, `install`, `uninstall-keys`, `remove`.
    #[serde(default)]
    pub failed_step: String,
    /// When the status last changed.
    pub changed_at: Timestamp,
    /// Who asked for it (user, signer's name, `SCHEDULER`); empty when it came as a dependency.
    #[serde(default)]
    pub explicit_by: String,
    #[serde(default)]
    pub signer: String,
    #[serde(default)]
    pub signer_fingerprint: String,
    /// The repository that it came from, by its name on the host; empty for a file that somebody gave.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    #[serde(default)]
    pub depends: String,
    #[serde(default)]
    pub conflicts: String,
    #[serde(default)]
    pub description: String,
    /// Consecutive failed tries.
    #[serde(default)]
    pub tries: u32,
    /// The word that `install()` returned when it is none of the known ones; the status is UNKNOWN then.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub script_status: String,
    /// `OK`, `WARNING`, `ERROR`, `UNKNOWN`, empty when never audited.
    #[serde(default)]
    pub audit_status: String,
    #[serde(default)]
    pub audit_output: String,
    #[serde(default)]
    pub audited_at: Option<Timestamp>,
}

/// What the next upgrade does with a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    Install,
    Upgrade,
    Remove,
    /// Wanted, but impossible; `error` says why.
    Impossible,
}

impl Change {
    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Remove => "remove",
            Self::Impossible => "impossible",
        }
    }
}

/// One pending change on a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingPackage {
    pub package: String,
    pub change: Change,
    /// Version it goes to, empty for removals.
    #[serde(default)]
    pub version: String,
    /// Version it comes from, empty for new ones.
    #[serde(default)]
    pub from: String,
    /// The repository that has it, by its name on the host; empty for removals.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
    /// The sentence that says why.
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub error: Option<String>,
}

/// One package of the repository, as the console lists it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PackageRow {
    pub package: String,
    pub version: String,
    pub section: String,
    #[serde(default)]
    pub name: String,
    pub architecture: String,
    #[serde(default)]
    pub maturity: String,
    #[serde(default)]
    pub locale: String,
    #[serde(default)]
    pub target_os: String,
    #[serde(default)]
    pub description: String,
    #[serde(default)]
    pub depends: String,
    #[serde(default)]
    pub conflicts: String,
    #[serde(default)]
    pub maintainer: String,
    #[serde(default)]
    pub priority: String,
    #[serde(default)]
    pub package_uuid: String,
    pub filename: String,
    pub size: u64,
    pub sha256: String,
    #[serde(default)]
    pub signer: String,
    #[serde(default)]
    pub signer_fingerprint: String,
    /// As written in the control file: local time of the signer, without a zone.
    #[serde(default)]
    pub signature_date: String,
    pub uploaded_at: Timestamp,
    #[serde(default)]
    pub uploaded_by: String,
    /// Hosts that have this very version.
    #[serde(default)]
    pub host_count: u32,
}

/// Answer to a successful upload (`POST /api/v1/packages`, `PUT /api/v1/host-packages/{identifier}`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Uploaded {
    pub package: String,
    pub version: String,
    pub filename: String,
    pub sha256: String,
    /// The identical file was already there.
    #[serde(default)]
    pub unchanged: bool,
}
