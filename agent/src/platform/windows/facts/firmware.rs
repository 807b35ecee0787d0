//! What the firmware says about the machine: the raw SMBIOS table, else what the registry copies of it.
#![expect(unsafe_code, reason = "GetSystemFirmwareTable")]

use windows_registry::LOCAL_MACHINE;
use windows_sys::Win32::System::SystemInformation::GetSystemFirmwareTable;

use crate::inventory::facts::Firmware;
use crate::inventory::smbios::Smbios;

/// `RSMB`: the raw SMBIOS provider.
const RSMB: u32 = u32::from_be_bytes(*b"RSMB");
/// No table is larger.
const MOST: u32 = 1024 * 1024;

/// The firmware's UUID as given.
pub fn uuid() -> Option<String> {
    let value = read().uuid;
    (!value.is_empty()).then_some(value)
}

/// All that is known of the firmware; fields that cannot be read are empty.
pub fn read() -> Firmware {
    let firmware = smbios().unwrap_or_default().firmware();
    if firmware.manufacturer.is_empty() && firmware.model.is_empty() {
        return Firmware {
            uuid: firmware.uuid,
            ..from_registry()
        };
    }
    firmware
}

/// The firmware's table as it is: `RawSMBIOSData`, an eight-byte head with the version, then the table.
pub fn smbios() -> Option<Smbios> {
    let raw = raw_table()?;
    Some(Smbios {
        version: (*raw.get(1)?, *raw.get(2)?),
        table: raw.get(8..)?.to_vec(),
    })
}

fn raw_table() -> Option<Vec<u8>> {
    // SAFETY: a null buffer of length 0 only asks for the length.
    let needed = unsafe { GetSystemFirmwareTable(RSMB, 0, std::ptr::null_mut(), 0) };
    if needed == 0 || needed > MOST {
        return None;
    }
    let mut raw = vec![0_u8; needed as usize];
    // SAFETY: the buffer has `needed` bytes and outlives the call.
    let written = unsafe { GetSystemFirmwareTable(RSMB, 0, raw.as_mut_ptr(), needed) };
    if written == 0 || written > needed {
        return None;
    }
    raw.truncate(written as usize);
    Some(raw)
}

fn from_registry() -> Firmware {
    let Ok(key) = LOCAL_MACHINE.open(r"HARDWARE\DESCRIPTION\System\BIOS") else {
        return Firmware::default();
    };
    let text = |name: &str| key.get_string(name).unwrap_or_default().trim().to_owned();
    Firmware {
        manufacturer: text("SystemManufacturer"),
        model: text("SystemProductName"),
        bios_vendor: text("BIOSVendor"),
        bios_version: text("BIOSVersion"),
        bios_date: text("BIOSReleaseDate"),
        board: [text("BaseBoardManufacturer"), text("BaseBoardProduct")]
            .join(" ")
            .trim()
            .to_owned(),
        ..Firmware::default()
    }
}
