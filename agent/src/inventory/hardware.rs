//! Block `hardware`: the parts that rarely change.

use std::time::Duration;

use muster_shared::protocol::inventory::{
    Devices, Disk, DmiSection, HardwareBlock, MemoryModule, Monitor, PhysicalDisk, Printer, VideoAdapter,
};

use super::Problems;
use super::facts::{Firmware, Processor, meaningful};
use super::part::Part;
use super::wmi::WmiClasses;
use crate::platform::facts;

/// Local sources answer within milliseconds, on a machine that is busy within seconds.
const QUICK: Duration = Duration::from_secs(20);
/// A disk that sleeps takes its time.
const SLOW: Duration = Duration::from_mins(1);
/// WMI asks every provider that it has, one after the other.
const WMI: Duration = Duration::from_mins(2);

/// The tables of the block.
#[derive(Debug)]
pub(super) struct HardwareTables {
    firmware: Part<FirmwareFacts>,
    processor: Part<Processor>,
    disks: Part<Vec<Disk>>,
    drives: Part<Vec<PhysicalDisk>>,
    video: Part<(Vec<VideoAdapter>, Vec<Monitor>)>,
    printers: Part<Vec<Printer>>,
    wmi: Part<WmiClasses>,
}

#[derive(Debug, Clone, Default)]
struct FirmwareFacts {
    firmware: Firmware,
    sections: Vec<DmiSection>,
    memory_modules: Vec<MemoryModule>,
}

impl Default for HardwareTables {
    fn default() -> Self {
        Self {
            firmware: Part::new("firmware", QUICK),
            processor: Part::new("processor", QUICK),
            disks: Part::new("disks", SLOW),
            drives: Part::new("drives", SLOW),
            video: Part::new("video", QUICK),
            printers: Part::new("printers", SLOW),
            wmi: Part::new("wmi", WMI),
        }
    }
}

impl HardwareTables {
    /// Reads the block; what cannot be read stays empty and is named in `problems`.
    pub(super) async fn read(&mut self, problems: &mut Problems) -> HardwareBlock {
        let never = || None;
        let FirmwareFacts {
            firmware,
            sections,
            memory_modules,
        } = self
            .firmware
            .read(problems, facts::system::boot_stamp, || Ok(firmware()))
            .await
            .unwrap_or_default();
        let processor = self
            .processor
            .read(problems, never, facts::processor::read)
            .await
            .unwrap_or_default();
        let disks = self
            .disks
            .read(problems, never, facts::disks::read)
            .await
            .unwrap_or_default();
        let drives = self
            .drives
            .read(problems, facts::drives::stamp, facts::drives::read)
            .await;
        let (video, monitors) = self
            .video
            .read(problems, facts::video::stamp, facts::video::read)
            .await
            .unwrap_or_default();
        let printers = self
            .printers
            .read(problems, facts::printers::stamp, facts::printers::read)
            .await
            .unwrap_or_default();
        let wmi = self
            .wmi
            .read(problems, facts::wmi::stamp, facts::wmi::read)
            .await
            .unwrap_or_default();
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
            devices: Devices {
                swap_bytes: processor.swap_bytes,
                physical_disks: drives.unwrap_or_default(),
                memory_modules,
                video,
                monitors,
                printers,
                dmi: sections,
                wmi,
            },
        }
    }

    /// The next reading believes no stamp.
    pub(super) fn forget(&mut self) {
        self.firmware.forget();
        self.drives.forget();
        self.video.forget();
        self.printers.forget();
        self.wmi.forget();
    }
}

fn firmware() -> FirmwareFacts {
    let smbios = facts::firmware::smbios().unwrap_or_default();
    FirmwareFacts {
        firmware: facts::firmware::read(),
        sections: smbios.sections(),
        memory_modules: smbios.memory_modules(),
    }
}
