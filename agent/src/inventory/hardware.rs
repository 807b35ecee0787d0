//! Block `hardware`: the parts that rarely change.

use muster_shared::protocol::inventory::HardwareBlock;

use super::Problems;
use super::facts::meaningful;
use crate::platform::facts;

/// Reads the block; what cannot be read stays empty and is named in `problems`.
pub(super) fn read(problems: &mut Problems) -> HardwareBlock {
    let firmware = facts::firmware::read();
    let processor = problems.unless_failed("processor", facts::processor::read());
    let disks = problems.unless_failed("disks", facts::disks::read());
    HardwareBlock {
        manufacturer: meaningful(&firmware.manufacturer),
        model: meaningful(&firmware.model),
        serial: meaningful(&firmware.serial),
        uuid: meaningful(&firmware.uuid),
        chassis: firmware.chassis,
        bios_vendor: meaningful(&firmware.bios_vendor),
        bios_version: meaningful(&firmware.bios_version),
        bios_date: meaningful(&firmware.bios_date),
        board: meaningful(&firmware.board),
        processor: processor.name,
        processor_count: processor.count,
        memory_bytes: processor.memory_bytes,
        disks,
    }
}
