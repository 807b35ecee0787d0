//! What the firmware says about the machine: `/sys/class/dmi/id`, device tree where there is no DMI.

use std::io::Read as _;
use std::path::Path;

use super::text::read_word;
use crate::inventory::facts::Firmware;
use crate::inventory::smbios::Smbios;

const DMI: &str = "/sys/class/dmi/id";
const DEVICE_TREE: &str = "/proc/device-tree";
/// The firmware's own table; readable by root.
const TABLES: &str = "/sys/firmware/dmi/tables";
/// No table is larger.
const MOST: u64 = 1024 * 1024;

/// The firmware's UUID as given.
pub fn uuid() -> Option<String> {
    let value = read_word(Path::new(DMI).join("product_uuid"));
    (!value.is_empty()).then_some(value)
}

/// All that is known of the firmware; fields that cannot be read are empty.
pub fn read() -> Firmware {
    let firmware = from_dmi(Path::new(DMI));
    if firmware == Firmware::default() {
        return from_device_tree(Path::new(DEVICE_TREE));
    }
    firmware
}

/// The firmware's table as it is; `None` where there is none or only root may read it.
pub fn smbios() -> Option<Smbios> {
    table_in(Path::new(TABLES))
}

fn table_in(folder: &Path) -> Option<Smbios> {
    let bytes = |name: &str| {
        let mut bytes = Vec::new();
        fs_err::File::open(folder.join(name))
            .ok()?
            .take(MOST)
            .read_to_end(&mut bytes)
            .ok()?;
        Some(bytes)
    };
    let entry = bytes("smbios_entry_point")?;
    // DSP0134 §5.2: the older entry point has its version one byte earlier.
    let at = if entry.starts_with(b"_SM3_") { 7 } else { 6 };
    Some(Smbios {
        version: (*entry.get(at)?, *entry.get(at + 1)?),
        table: bytes("DMI")?,
    })
}

fn from_dmi(folder: &Path) -> Firmware {
    let word = |name: &str| read_word(folder.join(name));
    Firmware {
        manufacturer: word("sys_vendor"),
        model: word("product_name"),
        serial: word("product_serial"),
        uuid: word("product_uuid"),
        chassis: chassis(&word("chassis_type")),
        bios_vendor: word("bios_vendor"),
        bios_version: word("bios_version"),
        bios_date: word("bios_date"),
        board: [word("board_vendor"), word("board_name")]
            .join(" ")
            .trim()
            .to_owned(),
    }
}

fn from_device_tree(folder: &Path) -> Firmware {
    Firmware {
        model: read_word(folder.join("model")),
        serial: read_word(folder.join("serial-number")),
        ..Firmware::default()
    }
}

fn chassis(number: &str) -> String {
    number
        .parse::<u8>()
        .ok()
        .and_then(crate::inventory::facts::chassis_name)
        .map_or_else(String::new, str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_dmi_are_read_without_their_line_ends() {
        let place = tempfile::tempdir().unwrap();
        for (name, value) in [
            ("sys_vendor", "Dell Inc.\n"),
            ("product_name", "Latitude 5420\n"),
            ("product_serial", "ABC123\n"),
            ("chassis_type", "10\n"),
            ("board_vendor", "Dell Inc.\n"),
            ("board_name", "0X1\n"),
        ] {
            fs_err::write(place.path().join(name), value).unwrap();
        }
        let firmware = from_dmi(place.path());
        assert_eq!(firmware.manufacturer, "Dell Inc.");
        assert_eq!(firmware.model, "Latitude 5420");
        assert_eq!(firmware.chassis, "notebook");
        assert_eq!(firmware.board, "Dell Inc. 0X1");
        assert_eq!(firmware.uuid, "");
    }

    #[test]
    fn a_device_tree_gives_model_and_serial() {
        let place = tempfile::tempdir().unwrap();
        fs_err::write(place.path().join("model"), b"Raspberry Pi 4\0").unwrap();
        assert_eq!(from_device_tree(place.path()).model, "Raspberry Pi 4");
    }

    #[test]
    fn the_version_of_the_table_stands_in_its_entry_point() {
        let place = tempfile::tempdir().unwrap();
        assert_eq!(table_in(place.path()), None);
        fs_err::write(place.path().join("DMI"), [127, 4, 0, 0, 0, 0]).unwrap();
        fs_err::write(
            place.path().join("smbios_entry_point"),
            b"_SM3_\x00\x18\x03\x02\x00",
        )
        .unwrap();
        assert_eq!(table_in(place.path()).unwrap().version, (3, 2));
        fs_err::write(
            place.path().join("smbios_entry_point"),
            b"_SM_\x00\x1f\x02\x08\x00",
        )
        .unwrap();
        assert_eq!(table_in(place.path()).unwrap().version, (2, 8));
    }
}
