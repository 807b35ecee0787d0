//! Block `updates`: the Windows updates of a machine, what is to become of each, and what was done.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Block `updates`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdatesBlock {
    pub status: UpdatesStatus,
    /// What went wrong last, empty when nothing did.
    pub error: String,
    /// The agent drives Windows Update: `true`, `false`, or nobody said.
    pub enabled: Option<bool>,
    pub last_scan_at: Option<Timestamp>,
    /// How long the last scan took, in seconds.
    pub last_scan_secs: Option<u64>,
    /// When `wsusscn2.cab` was made, as its repository says.
    pub cab_date: Option<Timestamp>,
    /// The last installation through this agent.
    pub last_install_at: Option<Timestamp>,
    /// A restart is needed to finish an installation.
    pub reboot_required: bool,
    /// Packages whose rules are merged.
    pub rules_packages: Vec<String>,
    pub updates: Vec<UpdateRow>,
    /// What was installed and removed lately, newest first.
    pub history: Vec<UpdateEvent>,
}

/// How a machine stands with its updates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UpdatesStatus {
    /// Nobody looked yet, or the system has no such updates.
    #[default]
    Unknown,
    /// Nothing that is allowed is missing.
    Ok,
    /// Allowed updates are to be installed.
    PendingUpdates,
    /// The last scan or installation failed.
    Error,
}

impl UpdatesStatus {
    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "UNKNOWN",
            Self::Ok => "OK",
            Self::PendingUpdates => "PENDING_UPDATES",
            Self::Error => "ERROR",
        }
    }
}

/// What is to become of one update.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum UpdateState {
    /// Installed.
    Ok,
    /// Allowed, its files can be had, to be installed.
    Pending,
    /// Allowed, and its files cannot be had from where they may be fetched.
    Missing,
    /// Allowed later: it is too young.
    Delayed,
    /// Forbidden, or hidden on the machine.
    #[default]
    Discarded,
    /// Its installation failed; it is tried again with the next one.
    Error,
}

impl UpdateState {
    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Pending => "PENDING",
            Self::Missing => "MISSING",
            Self::Delayed => "DELAYED",
            Self::Discarded => "DISCARDED",
            Self::Error => "ERROR",
        }
    }
}

/// One update.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateRow {
    /// `UpdateID_RevisionNumber`.
    pub update_id: String,
    pub title: String,
    pub kbs: Vec<String>,
    pub products: Vec<String>,
    pub classifications: Vec<String>,
    /// `Critical`, `Important`, `Moderate`, `Low` or empty.
    pub severity: String,
    pub published: Option<Timestamp>,
    pub status: UpdateState,
    /// The rule behind the decision, in words.
    pub rule: String,
    pub allowed: bool,
    /// The last scan found it.
    pub present: bool,
    pub installed: bool,
    pub hidden: bool,
    pub downloaded: bool,
    /// Allowed from this time on.
    pub delayed_until: Option<Timestamp>,
    pub installed_at: Option<Timestamp>,
    pub uninstallable: bool,
    /// The most that is to be downloaded, in bytes.
    pub size_bytes: u64,
    /// Where its files are, with the SHA-1 of each where the system knows it.
    pub files: BTreeMap<String, String>,
    pub support_url: String,
    /// Why its last installation failed.
    pub error: String,
}

/// Something that was done to an update.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct UpdateEvent {
    pub update_id: String,
    pub title: String,
    /// `install` or `uninstall`.
    pub operation: String,
    /// `succeeded`, `succeeded-with-errors`, `failed` or `aborted`.
    pub result: String,
    /// The system's code, `0x…`, empty when it is no error.
    pub code: String,
    pub at: Option<Timestamp>,
}
