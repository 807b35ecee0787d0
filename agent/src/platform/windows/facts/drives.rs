//! Disks as pieces of hardware, from WMI.

use muster_shared::hint::chain;
use muster_shared::protocol::inventory::PhysicalDisk;
use serde_json::Value;

use super::super::wmi::Wmi;
use crate::inventory::facts::{FactError, meaningful};

/// Disks come and go with what is plugged in; once a day is often enough to ask WMI.
pub fn stamp() -> Option<String> {
    super::wmi::stamp()
}

/// The machine's disks, by name.
///
/// # Errors
/// When WMI does not list them.
pub fn read() -> Result<Vec<PhysicalDisk>, FactError> {
    let properties = [
        "Name",
        "Model",
        "SerialNumber",
        "InterfaceType",
        "Size",
        "MediaType",
    ];
    let rows = Wmi::connect()
        .and_then(|wmi| wmi.objects("Win32_DiskDrive", &properties))
        .map_err(|error| FactError::Refused {
            what: "WMI",
            reason: chain(&error),
        })?;
    let mut disks: Vec<PhysicalDisk> = rows
        .iter()
        .map(|row| {
            let text = |name: &str| match row.get(name) {
                Some(Value::String(text)) => text.trim().to_owned(),
                Some(Value::Number(number)) => number.to_string(),
                _ => String::new(),
            };
            PhysicalDisk {
                name: text("Name").trim_start_matches(r"\\.\").to_owned(),
                model: meaningful(&text("Model")),
                serial: meaningful(&text("SerialNumber")),
                bus: text("InterfaceType"),
                size_bytes: text("Size").parse().unwrap_or(0),
                is_removable: text("MediaType").contains("emovable"),
            }
        })
        .collect();
    disks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(disks)
}
