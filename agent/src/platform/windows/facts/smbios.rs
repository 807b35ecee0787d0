//! The firmware's SMBIOS table as Windows gives it (DSP0134): structures with strings behind them.

use crate::inventory::facts::{Firmware, chassis_name};

/// Reads `RawSMBIOSData`: an 8-byte head, then the table. Anything broken ends the reading.
pub(super) fn parse(raw: &[u8]) -> Firmware {
    let mut firmware = Firmware::default();
    let major = raw.get(1).copied().unwrap_or(0);
    let minor = raw.get(2).copied().unwrap_or(0);
    let mut rest = raw.get(8..).unwrap_or_default();
    while let Some((structure, strings, next)) = split(rest) {
        let kind = structure.first().copied().unwrap_or(127);
        let text = |at: usize| string(strings, structure.get(at).copied().unwrap_or(0));
        match kind {
            0 => {
                firmware.bios_vendor = text(4);
                firmware.bios_version = text(5);
                firmware.bios_date = text(8);
            }
            1 => {
                firmware.manufacturer = text(4);
                firmware.model = text(5);
                firmware.serial = text(7);
                firmware.uuid = structure
                    .get(8..24)
                    .map_or_else(String::new, |bytes| uuid_text(bytes, (major, minor) >= (2, 6)));
            }
            2 if firmware.board.is_empty() => {
                [text(4), text(5)]
                    .join(" ")
                    .trim()
                    .clone_into(&mut firmware.board);
            }
            3 if firmware.chassis.is_empty() => {
                firmware.chassis = structure
                    .get(5)
                    .copied()
                    .and_then(chassis_name)
                    .map_or_else(String::new, str::to_owned);
            }
            127 => break,
            _ => {}
        }
        rest = next;
    }
    firmware
}

/// One structure, the strings behind it, and what follows.
fn split(table: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let length = usize::from(*table.get(1)?);
    if length < 4 {
        return None;
    }
    let structure = table.get(..length)?;
    let behind = table.get(length..)?;
    let end = behind.windows(2).position(|pair| pair == [0, 0])?;
    Some((structure, behind.get(..end)?, behind.get(end + 2..)?))
}

fn string(strings: &[u8], number: u8) -> String {
    if number == 0 {
        return String::new();
    }
    strings
        .split(|byte| *byte == 0)
        .nth(usize::from(number) - 1)
        .map_or_else(String::new, |bytes| {
            String::from_utf8_lossy(bytes).trim().to_owned()
        })
}

/// Since version 2.6 the first three fields are little-endian; before that the order was not said.
fn uuid_text(bytes: &[u8], little_endian: bool) -> String {
    let Ok(array) = <[u8; 16]>::try_from(bytes) else {
        return String::new();
    };
    let uuid = if little_endian {
        uuid::Uuid::from_bytes_le(array)
    } else {
        uuid::Uuid::from_bytes(array)
    };
    uuid.to_string().to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<u8> {
        let mut raw = vec![0, 2, 8, 0, 0, 0, 0, 0];
        let mut system = vec![1, 27, 0, 0, 1, 2, 0, 3];
        system.extend((0..16).map(|byte| byte + 0x10));
        system.extend([6, 0, 0]);
        raw.extend(system);
        raw.extend(b"Dell Inc.\0Latitude\0ABC123\0\0");
        raw.extend([3, 6, 0, 0, 0, 10]);
        raw.extend(b"\0\0");
        raw.extend([127, 4, 0, 0, 0, 0]);
        raw
    }

    #[test]
    fn the_system_and_its_enclosure_are_read() {
        let firmware = parse(&table());
        assert_eq!(firmware.manufacturer, "Dell Inc.");
        assert_eq!(firmware.model, "Latitude");
        assert_eq!(firmware.serial, "ABC123");
        assert_eq!(firmware.uuid, "13121110-1514-1716-1819-1A1B1C1D1E1F");
        assert_eq!(firmware.chassis, "notebook");
    }

    #[test]
    fn a_table_cut_anywhere_does_not_panic() {
        let whole = table();
        for end in 0..whole.len() {
            parse(&whole[..end]);
        }
        parse(&[0; 64]);
        parse(&[255; 64]);
    }
}
