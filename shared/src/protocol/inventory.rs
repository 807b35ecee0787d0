//! Inventory blocks: what a host reports about itself, and the differential report that carries it.

mod machine;
mod updates;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use self::machine::{
    Devices, DmiSection, LocalGroup, LocalUser, Machine, MemoryModule, Monitor, PhysicalDisk, Printer,
    Profile, Service, StartupItem, SystemDetails, VideoAdapter,
};
pub use self::updates::{UpdateEvent, UpdateRow, UpdateState, UpdatesBlock, UpdatesStatus};
use super::package::{InstallStatus, InstalledPackage, PendingPackage};
use super::task::Task;
use crate::control::canonical_json;

/// The blocks, each with a hash of its own, so that only changed ones travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Block {
    Host,
    Hardware,
    Software,
    Packages,
    Tasks,
    Audits,
    Updates,
    Agent,
}

impl Block {
    /// Every block in wire order.
    pub const ALL: [Block; 8] = [
        Self::Host,
        Self::Hardware,
        Self::Software,
        Self::Packages,
        Self::Tasks,
        Self::Audits,
        Self::Updates,
        Self::Agent,
    ];

    /// The word that crosses the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Hardware => "hardware",
            Self::Software => "software",
            Self::Packages => "packages",
            Self::Tasks => "tasks",
            Self::Audits => "audits",
            Self::Updates => "updates",
            Self::Agent => "agent",
        }
    }
}

/// The hash of a block: SHA-256 over its canonical JSON, lower-case hex.
pub fn block_hash(value: &serde_json::Value) -> String {
    hex::encode(Sha256::digest(canonical_json::to_bytes(value)))
}

/// `POST /api/v1/host/report`, signed by the host: hashes of all blocks, bodies of the changed ones.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Must be the identifier behind the signing key.
    pub identifier: String,
    pub hashes: BTreeMap<Block, String>,
    #[serde(default)]
    pub blocks: BTreeMap<Block, serde_json::Value>,
    /// A task runs on the host now; its text.
    #[serde(default)]
    pub running: Option<String>,
}

/// Answer to [`Report`]: the hashes that the server now holds. The agent believes these.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReportAnswer {
    pub hashes: BTreeMap<Block, String>,
    pub server_time: Timestamp,
}

/// Block `host`: who and where the machine is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HostBlock {
    pub hostname: String,
    pub fqdn: String,
    pub description: String,
    /// `linux` or `windows`.
    pub platform: String,
    /// Name as people say it: "Debian 12", "Windows 11 23H2".
    pub os: String,
    pub os_version: String,
    pub kernel: String,
    /// `x64`, `x86`, `arm64`.
    pub architecture: String,
    pub language: String,
    pub interfaces: Vec<Interface>,
    pub gateways: Vec<String>,
    pub dns_servers: Vec<String>,
    /// Organisational unit DN.
    pub ou: String,
    pub site: String,
    pub domain: String,
    /// Users with an open session.
    pub users: Vec<String>,
    pub last_user: String,
    pub booted_at: Option<Timestamp>,
    /// The address from which the machine speaks to others, and the interface's.
    pub main_address: String,
    pub main_mac: String,
    #[serde(flatten)]
    pub details: SystemDetails,
    #[serde(flatten)]
    pub machine: Machine,
}

/// One network interface with its addresses.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Interface {
    pub name: String,
    pub mac: String,
    /// Addresses with prefix length: `10.1.2.3/24`.
    pub addresses: Vec<String>,
}

/// Block `hardware`: the parts that rarely change.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HardwareBlock {
    pub manufacturer: String,
    pub model: String,
    pub serial: String,
    /// The firmware's UUID.
    pub uuid: String,
    pub chassis: String,
    pub bios_vendor: String,
    pub bios_version: String,
    pub bios_date: String,
    pub board: String,
    pub processor: String,
    pub processor_count: u32,
    pub memory_bytes: u64,
    pub disks: Vec<Disk>,
    #[serde(flatten)]
    pub devices: Devices,
}

/// One mounted file system or drive.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Disk {
    /// Mount point or drive letter.
    pub name: String,
    pub device: String,
    pub file_system: String,
    pub size_bytes: u64,
    /// Rounded down to whole GiB, so that the block's hash does not change with every file written.
    pub free_gib: u64,
}

/// One row of block `software`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Software {
    /// Package name of the system's package manager, or the uninstall key.
    pub key: String,
    pub name: String,
    pub version: String,
    pub publisher: String,
    /// As the source gives it, `YYYY-MM-DD` where it can be read.
    pub installed_on: String,
    pub system_component: bool,
    /// `x64`, `x86` (the registry's view on Windows), `arm64`; empty where it does not matter.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub architecture: String,
    /// The folder, where the source says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub location: String,
    /// The command that uninstalls it, where the source says it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uninstall_command: String,
}

/// Block `packages`: what Muster manages on the host.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PackagesBlock {
    pub installed: Vec<InstalledPackage>,
    pub pending: Vec<PendingPackage>,
    /// Direct dependencies of the host package as the agent verified it.
    pub assigned: Vec<String>,
    /// Direct conflicts ("forbidden") of the host package.
    pub forbidden: Vec<String>,
    /// Version of the host package in force; when there is none, the highest version that was in force. A new
    /// host package must be above it. Empty when there never was one.
    pub host_package_version: String,
    /// Why the last update could not be completed, empty when it could.
    pub update_error: String,
    pub updated_at: Option<Timestamp>,
}

impl PackagesBlock {
    /// How many packages are in error: failed installs, and wanted ones that cannot be had.
    pub fn failed_count(&self) -> usize {
        self.installed
            .iter()
            .filter(|package| package.status == InstallStatus::Error)
            .count()
            + self
                .pending
                .iter()
                .filter(|package| package.error.is_some())
                .count()
    }
}

/// Block `tasks`: what the agent is doing and did lately, newest first, at most 50.
pub type TasksBlock = Vec<Task>;

/// One row of block `audits`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    pub package: String,
    /// `OK`, `WARNING`, `ERROR` or `UNKNOWN`.
    pub status: String,
    #[serde(default)]
    pub output: String,
    pub audited_at: Timestamp,
    #[serde(default)]
    pub next_at: Option<Timestamp>,
    /// What the package's hooks wrote with `WAPT.write_audit_data`, by section and key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub data: BTreeMap<String, BTreeMap<String, AuditDatum>>,
}

/// One value that a hook wrote.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AuditDatum {
    pub value: serde_json::Value,
    /// When it was written.
    pub date: Timestamp,
}

/// Block `agent`: the agent itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AgentBlock {
    pub version: String,
    /// The trusted certificates whose signatures this host accepts.
    pub trust: Vec<TrustAnchor>,
    pub repositories: Vec<String>,
    pub maturities: Vec<String>,
    pub locales: Vec<String>,
    pub packages_whitelist: Vec<String>,
    pub packages_blacklist: Vec<String>,
    /// Version of the Python that runs `setup.py` and where it comes from, as `3.12.1 (bundled)`; empty when none
    /// was found.
    pub python: String,
    pub update_every_secs: u64,
    /// The certificate of the host's decryption key, PEM; empty until it has one.
    pub decryption_certificate: String,
}

/// One certificate of the agent's trust folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrustAnchor {
    pub fingerprint: String,
    pub name: String,
    pub not_after: Option<Timestamp>,
}
