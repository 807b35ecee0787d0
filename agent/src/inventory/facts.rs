//! Facts as the platforms give them, before they become blocks.

/// Why a table could not be filled.
#[derive(Debug, thiserror::Error)]
pub enum FactError {
    #[error("{what} cannot be read")]
    Unreadable {
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    #[error("{what} gave no answer: {reason}")]
    Refused { what: &'static str, reason: String },
}

/// The operating system.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// As people say it: "Debian 12".
    pub name: String,
    pub version: String,
    pub kernel: String,
}

/// Processor and memory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Processor {
    pub name: String,
    /// Logical processors.
    pub count: u32,
    pub memory_bytes: u64,
}

/// What the firmware says about the machine; empty where it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Firmware {
    pub manufacturer: String,
    pub model: String,
    pub serial: String,
    pub uuid: String,
    pub chassis: String,
    pub bios_vendor: String,
    pub bios_version: String,
    pub bios_date: String,
    pub board: String,
}

/// The kind of enclosure behind SMBIOS's number (DSP0134 §7.4.1); the lock bit is passed over.
pub fn chassis_name(number: u8) -> Option<&'static str> {
    Some(match number & 0x7f {
        3 => "desktop",
        4 => "low-profile desktop",
        5 => "pizza box",
        6 => "mini tower",
        7 => "tower",
        8 => "portable",
        9 => "laptop",
        10 => "notebook",
        11 => "hand-held",
        12 => "docking station",
        13 => "all-in-one",
        14 => "sub-notebook",
        15 => "space-saving",
        16 => "lunch box",
        17 => "main server chassis",
        23 => "rack mount",
        24 => "sealed-case PC",
        28 => "blade",
        30 => "tablet",
        31 => "convertible",
        32 => "detachable",
        35 => "mini PC",
        36 => "stick PC",
        _ => return None,
    })
}

/// Words that vendors leave where a value belongs; they say nothing and are dropped.
pub fn meaningful(value: &str) -> String {
    let value = value.trim();
    let lower = value.to_ascii_lowercase();
    let is_filler = [
        "to be filled by o.e.m.",
        "to be filled by oem",
        "default string",
        "system serial number",
        "system manufacturer",
        "system product name",
        "not specified",
        "not applicable",
        "not available",
        "none",
        "n/a",
        "o.e.m.",
        "oem",
        "unknown",
        "invalid",
        "0123456789",
        "123456789",
    ]
    .contains(&lower.as_str());
    if is_filler {
        String::new()
    } else {
        value.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fillers_of_vendors_are_no_values() {
        assert_eq!(meaningful(" To Be Filled By O.E.M. "), "");
        assert_eq!(meaningful("Default string"), "");
        assert_eq!(meaningful(" 5CG1234XYZ "), "5CG1234XYZ");
    }

    #[test]
    fn a_locked_enclosure_is_still_what_it_is() {
        assert_eq!(chassis_name(0x8a), Some("notebook"));
        assert_eq!(chassis_name(2), None);
    }
}
