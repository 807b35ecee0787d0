//! Hosts as the server and the console see them, and registration.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::inventory::{Block, PackagesBlock};
use super::package::{InstallStatus, InstalledPackage};

/// In answers to a host's requests: the host's address as the server sees it.
pub const PUBLIC_ADDRESS_HEADER: &str = "x-muster-address";

/// The state of a host in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum HostStatus {
    /// At least one package failed.
    #[serde(rename = "ERROR")]
    Error,
    /// Something is waiting to be installed, upgraded or removed.
    #[serde(rename = "NEED-UPGRADE")]
    NeedUpgrade,
    /// Work is under way on the host.
    #[serde(rename = "RUNNING")]
    Running,
    /// Nothing to do.
    #[serde(rename = "OK")]
    Ok,
}

impl HostStatus {
    /// All four, most urgent first.
    pub const ALL: [HostStatus; 4] = [Self::Error, Self::NeedUpgrade, Self::Running, Self::Ok];

    /// The word shown everywhere.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::NeedUpgrade => "NEED-UPGRADE",
            Self::Running => "RUNNING",
            Self::Ok => "OK",
        }
    }

    /// Derives the status from what the host reported (wapt-reference.md B.11).
    pub fn derive(packages: &PackagesBlock, running: bool) -> Self {
        if running {
            Self::Running
        } else if packages.failed_count() > 0 {
            Self::Error
        } else if !packages.pending.is_empty() {
            Self::NeedUpgrade
        } else {
            Self::Ok
        }
    }
}

impl std::fmt::Display for HostStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for HostStatus {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str().eq_ignore_ascii_case(text))
            .ok_or_else(|| format!("{text} is not a host status (OK, NEED-UPGRADE, ERROR, RUNNING)"))
    }
}

/// One row of the fleet's table: what the console holds for every host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostRow {
    pub identifier: String,
    /// Host name as shown: the fully qualified one when known.
    pub name: String,
    #[serde(default)]
    pub description: String,
    pub status: HostStatus,
    /// Connected over the live channel right now.
    pub reachable: bool,
    /// Waits for an administrator's decision (registration conflict) and gets nothing private.
    #[serde(default)]
    pub pending_registration: bool,
    /// The key that waits (SHA-256 of its SPKI, lower-case hex), which a decision must name; empty when none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub pending_keyid: String,
    #[serde(default)]
    pub os: String,
    #[serde(default)]
    pub os_version: String,
    #[serde(default)]
    pub architecture: String,
    #[serde(default)]
    pub address: String,
    #[serde(default)]
    pub mac: String,
    /// Organisational unit DN, empty when the host has none.
    #[serde(default)]
    pub ou: String,
    /// Direct dependencies of the host package.
    #[serde(default)]
    pub groups: Vec<String>,
    #[serde(default)]
    pub manufacturer: String,
    #[serde(default)]
    pub model: String,
    #[serde(default)]
    pub serial: String,
    #[serde(default)]
    pub users: Vec<String>,
    #[serde(default)]
    pub agent_version: String,
    pub packages_total: u32,
    pub packages_failed: u32,
    pub packages_pending: u32,
    /// What runs on the host now, empty when idle ("installing demo-hello").
    #[serde(default)]
    pub running: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// How the host proved itself: `token`, `user:NAME`, `certificate`, `key`, `open`.
    #[serde(default)]
    pub registered_by: String,
}

/// `GET /api/v1/hosts/{identifier}`: the row and every block the host reported, as reported.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HostDetail {
    pub row: HostRow,
    #[serde(default)]
    pub blocks: std::collections::BTreeMap<Block, serde_json::Value>,
}

impl HostDetail {
    /// The packages block, empty when the host has not reported one that can be read.
    pub fn packages(&self) -> PackagesBlock {
        self.blocks
            .get(&Block::Packages)
            .and_then(|value| serde_json::from_value(value.clone()).ok())
            .unwrap_or_default()
    }

    /// The package rows that failed, most recent first.
    pub fn failed(&self) -> Vec<InstalledPackage> {
        let mut failed: Vec<_> = self
            .packages()
            .installed
            .into_iter()
            .filter(|package| package.status == InstallStatus::Error)
            .collect();
        failed.sort_by_key(|package| std::cmp::Reverse(package.changed_at));
        failed
    }
}

/// `POST /api/v1/register`, signed by the identity key whose public half it carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterRequest {
    pub identifier: String,
    /// DER SubjectPublicKeyInfo of the identity key, base64.
    pub public_key: String,
    pub hostname: String,
    #[serde(default)]
    pub description: String,
    /// Enrolment token, when one is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// Credentials of a user with the right to register, when used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Certificate of the organisation's host CA for this very key (PEM): a lost database re-enrols by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
}

/// What became of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegisterOutcome {
    Registered,
    /// Known identifier with a new key: an administrator decides.
    Pending,
}

/// Answer to [`RegisterRequest`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegisterAnswer {
    pub outcome: RegisterOutcome,
    /// Certificate of the host CA for the identity key (PEM), when registered.
    #[serde(default)]
    pub certificate: Option<String>,
    /// The host CA's certificate (PEM).
    #[serde(default)]
    pub host_ca: Option<String>,
    pub server_time: Timestamp,
}

/// `POST /api/v1/hosts/{identifier}/registration`: decides on a pending host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistrationDecision {
    pub decision: RegistrationVerdict,
    /// The waiting key as the administrator saw it ([`HostRow::pending_keyid`]). The decision counts for no
    /// other: who got hold of a token must not slip a key under a click meant for another machine's.
    pub keyid: String,
}

/// What an administrator says to a newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RegistrationVerdict {
    /// The machine was reinstalled: its new key replaces the old one.
    Replace,
    /// The newcomer is refused; the old key stays.
    Refuse,
}
