//! What is asked of WMI, and what is kept of its answers.

use std::collections::BTreeMap;

use muster_shared::protocol::inventory::Software;
use serde_json::Value;

/// Class → objects → properties.
pub type WmiClasses = BTreeMap<String, Vec<BTreeMap<String, Value>>>;

/// What WMI is asked for: class and the properties that hold still from one day to the next.
///
/// The list of B.14; free space, load, temperatures and the time of day are left out on purpose. The product
/// key is not collected: it is a licence, worth stealing, and tells nothing that the edition does not.
pub const WMI_CLASSES: [(&str, &[&str]); 13] = [
    (
        "Win32_ComputerSystem",
        &[
            "Caption",
            "Domain",
            "DomainRole",
            "Manufacturer",
            "Model",
            "Name",
            "NumberOfLogicalProcessors",
            "NumberOfProcessors",
            "PCSystemType",
            "SystemFamily",
            "SystemSKUNumber",
            "SystemType",
            "TotalPhysicalMemory",
            "Workgroup",
        ],
    ),
    (
        "Win32_ComputerSystemProduct",
        &["IdentifyingNumber", "Name", "UUID", "Vendor", "Version"],
    ),
    (
        "Win32_BIOS",
        &[
            "Manufacturer",
            "Name",
            "ReleaseDate",
            "SerialNumber",
            "SMBIOSBIOSVersion",
            "SMBIOSMajorVersion",
            "SMBIOSMinorVersion",
            "Version",
        ],
    ),
    (
        "Win32_NetworkAdapter",
        &[
            "AdapterType",
            "DeviceID",
            "GUID",
            "MACAddress",
            "Manufacturer",
            "Name",
            "NetConnectionID",
            "PhysicalAdapter",
            "PNPDeviceID",
        ],
    ),
    (
        "Win32_Printer",
        &[
            "Default",
            "DriverName",
            "Local",
            "Location",
            "Name",
            "Network",
            "PortName",
            "ShareName",
            "Shared",
        ],
    ),
    (
        "Win32_VideoController",
        &[
            "AdapterRAM",
            "DriverDate",
            "DriverVersion",
            "Name",
            "PNPDeviceID",
            "VideoProcessor",
        ],
    ),
    (
        "Win32_LogicalDisk",
        &[
            "Description",
            "DeviceID",
            "DriveType",
            "FileSystem",
            "Size",
            "VolumeName",
            "VolumeSerialNumber",
        ],
    ),
    (
        "Win32_OperatingSystem",
        &[
            "BuildNumber",
            "Caption",
            "CountryCode",
            "EncryptionLevel",
            "InstallDate",
            "Locale",
            "MUILanguages",
            "OperatingSystemSKU",
            "Organization",
            "OSArchitecture",
            "OSLanguage",
            "RegisteredUser",
            "SystemDirectory",
            "TotalVirtualMemorySize",
            "TotalVisibleMemorySize",
            "Version",
        ],
    ),
    (
        "Win32_DesktopMonitor",
        &[
            "Caption",
            "MonitorManufacturer",
            "MonitorType",
            "Name",
            "PNPDeviceID",
        ],
    ),
    ("Win32_USBController", &["Manufacturer", "Name", "PNPDeviceID"]),
    (
        "Win32_DiskDrive",
        &[
            "FirmwareRevision",
            "InterfaceType",
            "Manufacturer",
            "MediaType",
            "Model",
            "Name",
            "Partitions",
            "PNPDeviceID",
            "SerialNumber",
            "Size",
        ],
    ),
    (
        "Win32_Volume",
        &[
            "Capacity",
            "DeviceID",
            "DriveLetter",
            "DriveType",
            "FileSystem",
            "Label",
            "Name",
        ],
    ),
    (
        "Win32_QuickFixEngineering",
        &["Description", "HotFixID", "InstalledBy", "InstalledOn"],
    ),
];

/// The rows that were read of a class, as far as they fit.
pub fn bounded_rows(mut rows: Vec<BTreeMap<String, Value>>) -> Vec<BTreeMap<String, Value>> {
    /// At most this many objects of one class.
    const MOST: usize = 256;
    for row in &mut rows {
        row.retain(|_name, value| !is_empty_value(value));
    }
    rows.retain(|row| !row.is_empty());
    // WMI gives no order; sorting keeps the block's hash still.
    rows.sort_by_cached_key(|row| serde_json::to_string(row).unwrap_or_default());
    rows.truncate(MOST);
    rows
}

/// A property that says nothing.
fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The system's own updates as WMI lists them, as rows of the block `software`.
pub fn hotfixes(classes: &WmiClasses) -> Vec<Software> {
    let rows = classes.get("Win32_QuickFixEngineering");
    rows.into_iter()
        .flatten()
        .filter_map(|row| {
            let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default().trim();
            let id = text("HotFixID");
            if id.is_empty() || id == "File 1" {
                return None;
            }
            Some(Software {
                key: id.to_owned(),
                name: format!(
                    "{} {id}",
                    if text("Description").is_empty() {
                        "Update"
                    } else {
                        text("Description")
                    }
                ),
                publisher: "Microsoft Corporation".to_owned(),
                installed_on: day(text("InstalledOn")),
                system_component: true,
                ..Software::default()
            })
        })
        .collect()
}

/// WMI writes this day as month, day, year, whatever the system's language; anything else stays as it is.
fn day(text: &str) -> String {
    let parts: Vec<u32> = text.split('/').filter_map(|part| part.parse().ok()).collect();
    match parts.as_slice() {
        [month @ 1..=12, day @ 1..=31, year @ 1990..=9999] => format!("{year:04}-{month:02}-{day:02}"),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(value: Value) -> BTreeMap<String, Value> {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn rows_are_sorted_and_say_only_what_they_know() {
        let rows = bounded_rows(vec![
            row(json!({"Name": "b", "Serial": "  "})),
            row(json!({"Name": "a", "Size": 7, "Gone": null})),
            row(json!({"Only": null})),
        ]);
        assert_eq!(
            rows,
            [row(json!({"Name": "a", "Size": 7})), row(json!({"Name": "b"}))]
        );
    }

    #[test]
    fn hotfixes_are_software_with_their_day() {
        let classes = WmiClasses::from([(
            "Win32_QuickFixEngineering".to_owned(),
            vec![
                row(
                    json!({"HotFixID": "KB5030211", "Description": "Security Update", "InstalledOn": "9/14/2023"}),
                ),
                row(json!({"HotFixID": "File 1"})),
            ],
        )]);
        let list = hotfixes(&classes);
        assert_eq!(list.len(), 1);
        assert_eq!(
            (list[0].key.as_str(), list[0].name.as_str()),
            ("KB5030211", "Security Update KB5030211")
        );
        assert_eq!(list[0].installed_on, "2023-09-14");
        assert_eq!(day("14.09.2023"), "14.09.2023");
    }

    #[test]
    fn no_property_is_asked_for_that_changes_by_itself() {
        for (class, properties) in WMI_CLASSES {
            for volatile in [
                "FreeSpace",
                "LocalDateTime",
                "FreePhysicalMemory",
                "LoadPercentage",
                "LastBootUpTime",
            ] {
                assert!(!properties.contains(&volatile), "{class}.{volatile}");
            }
        }
    }
}
