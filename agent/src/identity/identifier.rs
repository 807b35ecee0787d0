//! Which identifier this host goes by: configured, its name, the firmware's UUID, or random.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::files::Record;
use crate::config::{Config, is_identifier};

/// Where the identifier came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    Configured,
    Fqdn,
    Firmware,
    Random,
}

/// The identifier of a host that no server knows yet, by the first rule that gives one.
pub(super) fn choose(
    config: &Config,
    stored: Option<&Record>,
    firmware: Option<&str>,
    fqdn: impl FnOnce() -> String,
) -> Record {
    let record = |identifier: String, origin| Record {
        identifier,
        origin,
        registered: false,
    };
    if let Some(configured) = &config.uuid {
        return record(configured.clone(), Origin::Configured);
    }
    if config.use_fqdn_as_uuid {
        let name = fqdn();
        if is_identifier(&name) {
            return record(name, Origin::Fqdn);
        }
        tracing::warn!(%name, "the host's name cannot be an identifier; choosing another");
    }
    // Chosen before and still by a rule that holds: keep it, whatever the hardware says today.
    if let Some(stored) = stored
        && matches!(stored.origin, Origin::Firmware | Origin::Random)
    {
        return stored.clone();
    }
    match firmware.and_then(usable_firmware_uuid) {
        Some(identifier) => record(identifier, Origin::Firmware),
        None => record(format!("rnd-{}", Uuid::new_v4()), Origin::Random),
    }
}

/// The firmware's UUID when it identifies one machine: not a placeholder that whole series carry.
fn usable_firmware_uuid(raw: &str) -> Option<String> {
    const SHARED_BY_MANY: [&str; 4] = [
        "03000200040005000006000700080009",
        "00020003000400050006000700080009",
        // Dell without a service tag.
        "4c4c454400002010802080c04f202020",
        "12345678123456781234567812345678",
    ];
    let raw = raw.trim();
    let digits: String = raw
        .chars()
        .filter(|letter| *letter != '-')
        .collect::<String>()
        .to_ascii_lowercase();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    let first = digits.chars().next()?;
    let is_one_digit = digits.chars().all(|digit| digit == first);
    let is_counting = digits.starts_with("0123456789") || digits.starts_with("00010203040506");
    if !is_uuid || is_one_digit || is_counting || SHARED_BY_MANY.contains(&digits.as_str()) {
        return None;
    }
    is_identifier(raw).then(|| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRMWARE: &str = "4C4C4544-0042-3510-8052-B4C04F4E4D32";

    #[test]
    fn placeholders_of_vendors_are_no_identifiers() {
        for bad in [
            "00000000-0000-0000-0000-000000000000",
            "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF",
            "To Be Filled By O.E.M.",
            "03000200-0400-0500-0006-000700080009",
            "Not Settable",
            "",
        ] {
            assert_eq!(usable_firmware_uuid(bad), None, "{bad}");
        }
        assert_eq!(
            usable_firmware_uuid(&format!("{FIRMWARE}\n")).as_deref(),
            Some(FIRMWARE)
        );
    }
}
