//! Facts as the platforms give them, before they become blocks.

use muster_shared::protocol::inventory::{LocalGroup, LocalUser};

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
    /// Space for memory that is written to disk.
    pub swap_bytes: u64,
}

/// The machine's own accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    pub users: Vec<LocalUser>,
    pub groups: Vec<LocalGroup>,
    /// Everybody who has an administrator's rights, people and groups, by name.
    pub administrators: Vec<String>,
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

/// A variable's value, unless its name says that it is a secret.
pub fn shown_variable(name: &str, value: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let is_secret = [
        "PASS",
        "PWD",
        "SECRET",
        "TOKEN",
        "APIKEY",
        "API_KEY",
        "PRIVATE",
        "CREDENTIAL",
    ]
    .iter()
    .any(|word| upper.contains(word));
    // A password in an address: scheme://user:password@host.
    let has_login = value
        .split_once("://")
        .and_then(|(_scheme, rest)| rest.split(['/', '?']).next())
        .is_some_and(|authority| authority.contains('@'));
    if is_secret || has_login {
        "***".to_owned()
    } else {
        value.to_owned()
    }
}

/// What the three values of user account control mean together, in one word where there is one.
pub fn uac_level(enabled: Option<u64>, prompt: Option<u64>, on_secure_desktop: Option<u64>) -> String {
    match (enabled, prompt, on_secure_desktop) {
        (None, None, None) => String::new(),
        (Some(0), _, _) => "off".to_owned(),
        (_, Some(0), _) => "never".to_owned(),
        (_, Some(2), Some(1) | None) => "always".to_owned(),
        (_, Some(5), Some(1) | None) | (_, None, _) => "default".to_owned(),
        (_, Some(5), Some(0)) => "default without dimming".to_owned(),
        (_, Some(prompt), _) => format!("prompt {prompt}"),
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

    #[test]
    fn variables_that_hold_secrets_are_not_shown() {
        assert_eq!(shown_variable("PATH", "/usr/bin"), "/usr/bin");
        for (name, value) in [
            ("DB_PASSWORD", "x"),
            ("github_token", "x"),
            ("http_proxy", "http://ann:pw@proxy:3128/"),
        ] {
            assert_eq!(shown_variable(name, value), "***", "{name}");
        }
        assert_eq!(
            shown_variable("http_proxy", "http://proxy:3128/a@b"),
            "http://proxy:3128/a@b"
        );
    }

    #[test]
    fn the_levels_of_user_account_control_have_names() {
        assert_eq!(uac_level(Some(0), Some(5), Some(1)), "off");
        assert_eq!(uac_level(Some(1), Some(0), Some(0)), "never");
        assert_eq!(uac_level(Some(1), Some(5), Some(1)), "default");
        assert_eq!(uac_level(Some(1), Some(2), Some(1)), "always");
        assert_eq!(uac_level(None, None, None), "");
    }
}
