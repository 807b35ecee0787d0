//! The firmware's SMBIOS table (DSP0134): structures with strings behind them, the same on every system.
//!
//! The table comes from the firmware, which is to be believed as little as any other input: anything broken ends
//! the reading, and what was read before it counts.

use std::collections::BTreeMap;

use muster_shared::protocol::inventory::{DmiSection, MemoryModule};

use super::facts::{Firmware, chassis_name, meaningful};

/// No machine has more structures.
const MOST: usize = 4096;
/// At most this many sections are reported.
const MOST_SECTIONS: usize = 256;

/// A table with the version of the format that its entry point names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Smbios {
    pub version: (u8, u8),
    pub table: Vec<u8>,
}

impl Smbios {
    /// The structures in their order.
    fn structures(&self) -> impl Iterator<Item = Structure<'_>> {
        let mut rest = self.table.as_slice();
        std::iter::from_fn(move || {
            let (structure, next) = Structure::split(rest)?;
            rest = next;
            // The end-of-table structure.
            (structure.kind() != 127).then_some(structure)
        })
        .take(MOST)
    }

    /// What the machine is called and what it is.
    pub fn firmware(&self) -> Firmware {
        let mut firmware = Firmware::default();
        for structure in self.structures() {
            match structure.kind() {
                0 if firmware.bios_vendor.is_empty() => {
                    firmware.bios_vendor = structure.text(4);
                    firmware.bios_version = structure.text(5);
                    firmware.bios_date = structure.text(8);
                }
                1 if firmware.manufacturer.is_empty() && firmware.model.is_empty() => {
                    firmware.manufacturer = structure.text(4);
                    firmware.model = structure.text(5);
                    firmware.serial = structure.text(7);
                    firmware.uuid = self.uuid(&structure);
                }
                2 if firmware.board.is_empty() => {
                    [structure.text(4), structure.text(5)]
                        .join(" ")
                        .trim()
                        .clone_into(&mut firmware.board);
                }
                3 if firmware.chassis.is_empty() => {
                    firmware.chassis = chassis(&structure);
                }
                _ => {}
            }
        }
        firmware
    }

    /// The structures that people look for, with their fields by name.
    pub fn sections(&self) -> Vec<DmiSection> {
        self.structures()
            .filter_map(|structure| {
                let (name, fields) = self.section(&structure)?;
                let fields: BTreeMap<String, String> = fields
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), meaningful(&value)))
                    .filter(|(_name, value)| !value.is_empty())
                    .collect();
                (!fields.is_empty()).then(|| DmiSection {
                    name: name.to_owned(),
                    fields,
                })
            })
            .take(MOST_SECTIONS)
            .collect()
    }

    /// The memory that is plugged in.
    pub fn memory_modules(&self) -> Vec<MemoryModule> {
        self.structures()
            .filter(|structure| structure.kind() == 17)
            .map(|structure| MemoryModule {
                slot: structure.text(0x10),
                size_bytes: memory_bytes(&structure),
                kind: structure.byte(0x12).map_or_else(String::new, memory_kind),
                speed: u32::from(structure.word(0x15).unwrap_or(0)),
                manufacturer: meaningful(&structure.text(0x17)),
                serial: meaningful(&structure.text(0x18)),
                part_number: meaningful(&structure.text(0x1a)),
            })
            .filter(|module| module.size_bytes > 0)
            .take(MOST_SECTIONS)
            .collect()
    }

    fn section(&self, structure: &Structure<'_>) -> Option<(&'static str, Vec<(&'static str, String)>)> {
        let text = |at| structure.text(at);
        let number = |value: Option<u16>, unit: &str| match value {
            Some(value) if value > 0 => format!("{value}{unit}"),
            _ => String::new(),
        };
        Some(match structure.kind() {
            0 => (
                "BIOS",
                vec![
                    ("vendor", text(4)),
                    ("version", text(5)),
                    ("release_date", text(8)),
                ],
            ),
            1 => (
                "System",
                vec![
                    ("manufacturer", text(4)),
                    ("product", text(5)),
                    ("version", text(6)),
                    ("serial", text(7)),
                    ("uuid", self.uuid(structure)),
                    ("sku", text(0x19)),
                    ("family", text(0x1a)),
                ],
            ),
            2 => (
                "Board",
                vec![
                    ("manufacturer", text(4)),
                    ("product", text(5)),
                    ("version", text(6)),
                    ("serial", text(7)),
                    ("asset_tag", text(8)),
                ],
            ),
            3 => (
                "Chassis",
                vec![
                    ("manufacturer", text(4)),
                    ("kind", chassis(structure)),
                    ("version", text(6)),
                    ("serial", text(7)),
                    ("asset_tag", text(8)),
                ],
            ),
            4 => (
                "Processor",
                vec![
                    ("socket", text(4)),
                    ("manufacturer", text(7)),
                    ("version", text(0x10)),
                    ("max_speed", number(structure.word(0x14), " MHz")),
                    ("serial", text(0x20)),
                    ("part_number", text(0x22)),
                    ("cores", number(structure.byte(0x23).map(u16::from), "")),
                    ("threads", number(structure.byte(0x25).map(u16::from), "")),
                ],
            ),
            9 => (
                "Slot",
                vec![
                    ("name", text(4)),
                    (
                        "usage",
                        match structure.byte(7) {
                            Some(3) => "available".to_owned(),
                            Some(4) => "in use".to_owned(),
                            _ => String::new(),
                        },
                    ),
                ],
            ),
            16 => ("Memory array", vec![("slots", number(structure.word(0x0d), ""))]),
            17 => (
                "Memory",
                vec![
                    ("slot", text(0x10)),
                    (
                        "size",
                        match memory_bytes(structure) {
                            0 => "empty".to_owned(),
                            bytes => format!("{} MiB", bytes >> 20),
                        },
                    ),
                    ("kind", structure.byte(0x12).map_or_else(String::new, memory_kind)),
                    ("speed", number(structure.word(0x15), " MT/s")),
                    ("manufacturer", text(0x17)),
                    ("serial", text(0x18)),
                    ("part_number", text(0x1a)),
                ],
            ),
            22 => (
                "Battery",
                vec![
                    ("location", text(4)),
                    ("manufacturer", text(5)),
                    ("manufacture_date", text(6)),
                    ("serial", text(7)),
                    ("name", text(8)),
                    ("design_capacity", number(structure.word(0x0a), " mWh")),
                ],
            ),
            43 => (
                "TPM",
                vec![
                    (
                        "vendor",
                        structure.bytes(4..8).map_or_else(String::new, printable),
                    ),
                    (
                        "version",
                        match (structure.byte(8), structure.byte(9)) {
                            (Some(major), Some(minor)) => format!("{major}.{minor}"),
                            _ => String::new(),
                        },
                    ),
                    ("description", text(0x12)),
                ],
            ),
            _ => return None,
        })
    }

    /// Since version 2.6 the first three fields are little-endian; before that the order was not said.
    fn uuid(&self, structure: &Structure<'_>) -> String {
        let Some(array) = structure
            .bytes(8..24)
            .and_then(|bytes| <[u8; 16]>::try_from(bytes).ok())
        else {
            return String::new();
        };
        let uuid = if self.version >= (2, 6) {
            uuid::Uuid::from_bytes_le(array)
        } else {
            uuid::Uuid::from_bytes(array)
        };
        uuid.to_string().to_ascii_uppercase()
    }
}

/// One structure with the strings behind it.
struct Structure<'a> {
    formatted: &'a [u8],
    strings: &'a [u8],
}

impl<'a> Structure<'a> {
    /// The first structure, and what follows it.
    fn split(table: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = usize::from(*table.get(1)?);
        if length < 4 {
            return None;
        }
        let formatted = table.get(..length)?;
        let behind = table.get(length..)?;
        let end = behind.windows(2).position(|pair| pair == [0, 0])?;
        let structure = Self {
            formatted,
            strings: behind.get(..end)?,
        };
        Some((structure, behind.get(end + 2..)?))
    }

    fn kind(&self) -> u8 {
        self.byte(0).unwrap_or(127)
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.formatted.get(at).copied()
    }

    fn bytes(&self, range: std::ops::Range<usize>) -> Option<&'a [u8]> {
        self.formatted.get(range)
    }

    fn word(&self, at: usize) -> Option<u16> {
        let bytes = self.bytes(at..at.checked_add(2)?)?;
        Some(u16::from_le_bytes(bytes.try_into().ok()?))
    }

    fn double_word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    }

    /// The string whose number stands at an offset.
    fn text(&self, at: usize) -> String {
        let number = usize::from(self.byte(at).unwrap_or(0));
        let Some(index) = number.checked_sub(1) else {
            return String::new();
        };
        self.strings
            .split(|byte| *byte == 0)
            .nth(index)
            .map_or_else(String::new, |bytes| {
                String::from_utf8_lossy(bytes).trim().to_owned()
            })
    }
}

fn chassis(structure: &Structure<'_>) -> String {
    structure
        .byte(5)
        .and_then(chassis_name)
        .map_or_else(String::new, str::to_owned)
}

/// Size of a memory device (§7.18.4): MiB, KiB with the top bit, or in the extended field.
fn memory_bytes(structure: &Structure<'_>) -> u64 {
    match structure.word(0x0c) {
        None | Some(0 | 0xffff) => 0,
        Some(0x7fff) => u64::from(structure.double_word(0x1c).unwrap_or(0) & 0x7fff_ffff) << 20,
        Some(size) if size & 0x8000 != 0 => u64::from(size & 0x7fff) << 10,
        Some(size) => u64::from(size) << 20,
    }
}

/// §7.18.2.
fn memory_kind(number: u8) -> String {
    match number {
        0x12 => "DDR",
        0x13 => "DDR2",
        0x18 => "DDR3",
        0x1a => "DDR4",
        0x1b => "LPDDR",
        0x1c => "LPDDR2",
        0x1d => "LPDDR3",
        0x1e => "LPDDR4",
        0x20 => "HBM",
        0x21 => "HBM2",
        0x22 => "DDR5",
        0x23 => "LPDDR5",
        _ => "",
    }
    .to_owned()
}

fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .filter(|byte| byte.is_ascii_graphic())
        .map(|byte| char::from(*byte))
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample() -> Smbios {
        let mut table = Vec::new();
        let mut system = vec![1, 27, 0, 0, 1, 2, 0, 3];
        system.extend((0..16).map(|byte| byte + 0x10));
        system.extend([6, 0, 4]);
        table.extend(system);
        table.extend(b"Dell Inc.\0Latitude\0ABC123\0Family\0\0");
        table.extend([3, 6, 0, 0, 0, 10]);
        table.extend(b"\0\0");
        let mut memory = vec![17, 0x22, 0, 0];
        memory.resize(0x22, 0);
        memory[0x0c..0x0e].copy_from_slice(&8192_u16.to_le_bytes());
        memory[0x10] = 1;
        memory[0x12] = 0x1a;
        memory[0x15..0x17].copy_from_slice(&3200_u16.to_le_bytes());
        memory[0x17] = 2;
        table.extend(&memory);
        table.extend(b"DIMM A\0Samsung\0\0");
        memory[0x0c..0x0e].copy_from_slice(&0_u16.to_le_bytes());
        table.extend(&memory);
        table.extend(b"DIMM B\0NO DIMM\0\0");
        table.extend([127, 4, 0, 0, 0, 0]);
        Smbios {
            version: (2, 8),
            table,
        }
    }

    #[test]
    fn the_system_and_its_enclosure_are_read() {
        let firmware = sample().firmware();
        assert_eq!(firmware.manufacturer, "Dell Inc.");
        assert_eq!(firmware.model, "Latitude");
        assert_eq!(firmware.serial, "ABC123");
        assert_eq!(firmware.uuid, "13121110-1514-1716-1819-1A1B1C1D1E1F");
        assert_eq!(firmware.chassis, "notebook");
    }

    #[test]
    fn sections_have_fields_by_name_and_empty_slots_hold_no_memory() {
        let sections = sample().sections();
        let names: Vec<_> = sections.iter().map(|section| section.name.as_str()).collect();
        assert_eq!(names, ["System", "Chassis", "Memory", "Memory"]);
        assert_eq!(sections[0].fields["family"], "Family");
        assert_eq!(sections[3].fields["size"], "empty");
        let modules = sample().memory_modules();
        assert_eq!(modules.len(), 1);
        assert_eq!(modules[0].slot, "DIMM A");
        assert_eq!(modules[0].size_bytes, 8 << 30);
        assert_eq!((modules[0].kind.as_str(), modules[0].speed), ("DDR4", 3200));
        assert_eq!(modules[0].manufacturer, "Samsung");
    }

    fn read_all(version: (u8, u8), table: Vec<u8>) {
        let smbios = Smbios { version, table };
        smbios.firmware();
        smbios.sections();
        smbios.memory_modules();
    }

    #[test]
    fn a_table_cut_anywhere_does_not_panic() {
        let whole = sample().table;
        for end in 0..whole.len() {
            read_all((2, 8), whole[..end].to_vec());
        }
        read_all((0, 0), vec![0; 64]);
        read_all((3, 2), vec![255; 64]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(table in proptest::collection::vec(any::<u8>(), 0..400)) {
            read_all((3, 0), table);
        }
    }
}
