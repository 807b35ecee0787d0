//! Rows of the blocks `host` and `hardware`: accounts, services and what else a machine has several of.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An account that the machine itself knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalUser {
    pub name: String,
    pub full_name: String,
    /// Number (Linux) or security identifier (Windows).
    pub id: String,
    /// It can be logged on to.
    pub is_enabled: bool,
    pub is_administrator: bool,
}

/// A group that the machine itself knows.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LocalGroup {
    pub name: String,
    /// Members by name, `DOMAIN\name` for accounts of a directory.
    pub members: Vec<String>,
}

/// A person's folder on the machine.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    pub user: String,
    pub path: String,
    /// The day of its last use, `YYYY-MM-DD`, empty where the system does not say.
    pub used_on: String,
}

/// A program that starts with the machine or with each session.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StartupItem {
    pub name: String,
    pub command: String,
    /// The registry key or file that says so.
    pub source: String,
}

/// A service of the system.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    pub name: String,
    pub title: String,
    /// `automatic`, `manual` or `disabled`.
    pub start: String,
    pub account: String,
    pub command: String,
    /// Whether it runs, for those that start by themselves; others come and go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_running: Option<bool>,
}

/// A printer.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Printer {
    pub name: String,
    pub driver: String,
    /// Port or address.
    pub port: String,
    pub location: String,
    pub is_default: bool,
    pub is_shared: bool,
}

/// A disk as a piece of hardware.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct PhysicalDisk {
    pub name: String,
    pub model: String,
    pub serial: String,
    /// `SATA`, `NVMe`, `USB` and so on, empty where the system does not say.
    pub bus: String,
    pub size_bytes: u64,
    pub is_removable: bool,
}

/// One piece of memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MemoryModule {
    pub slot: String,
    pub size_bytes: u64,
    /// `DDR4` and so on.
    pub kind: String,
    /// Megatransfers a second.
    pub speed: u32,
    pub manufacturer: String,
    pub part_number: String,
    pub serial: String,
}

/// A graphics adapter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VideoAdapter {
    pub name: String,
    pub driver: String,
}

/// A screen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Monitor {
    pub name: String,
    pub manufacturer: String,
    pub serial: String,
    /// The connector, where the system says it.
    pub connector: String,
}

/// One structure of the firmware's table.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DmiSection {
    /// `BIOS`, `System`, `Processor` and so on.
    pub name: String,
    pub fields: BTreeMap<String, String>,
}

/// Facts of the block `host` that are about the system's people and programs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Machine {
    pub local_users: Vec<LocalUser>,
    pub local_groups: Vec<LocalGroup>,
    pub local_administrators: Vec<String>,
    pub profiles: Vec<Profile>,
    pub startup: Vec<StartupItem>,
    pub services: Vec<Service>,
    /// Variables of the whole system; values that look like secrets are `***`.
    pub environment: BTreeMap<String, String>,
    /// Why a restart is due, empty when none is.
    pub reboot_reasons: Vec<String>,
}

/// The system's own description beyond its name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SystemDetails {
    pub registered_owner: String,
    pub registered_organization: String,
    pub workgroup: String,
    /// The domain controller that the system used last.
    pub domain_controller: String,
    pub installed_at: Option<Timestamp>,
    pub boot_count: Option<u64>,
    /// User account control: `off`, `never`, `default`, `always` or what the values say; empty without it.
    pub uac_level: String,
    /// Version of the Windows Update Agent.
    pub wua_agent_version: String,
    /// How the service that Windows Update needs starts: `automatic`, `manual`, `disabled`.
    pub wuauserv: String,
}

/// Facts of the block `hardware` that a machine has several of.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Devices {
    /// Space for memory that is written to disk, in bytes.
    pub swap_bytes: u64,
    pub physical_disks: Vec<PhysicalDisk>,
    pub memory_modules: Vec<MemoryModule>,
    pub video: Vec<VideoAdapter>,
    pub monitors: Vec<Monitor>,
    pub printers: Vec<Printer>,
    /// The firmware's table (SMBIOS), structure by structure.
    pub dmi: Vec<DmiSection>,
    /// Classes of WMI with the properties that hold still, object by object; Windows only.
    pub wmi: BTreeMap<String, Vec<BTreeMap<String, serde_json::Value>>>,
}
