//! Disks as pieces of hardware: `/sys/block`.

use std::path::Path;

use muster_shared::protocol::inventory::PhysicalDisk;

use super::text::read_word;
use crate::inventory::facts::FactError;

const BLOCK: &str = "/sys/block";
/// At most this many.
const MOST: usize = 128;
/// `/sys` counts in sectors of this many bytes, whatever the disk's own are.
const SECTOR: u64 = 512;

/// Devices that are no hardware of their own.
const VIRTUAL: [&str; 7] = ["loop", "ram", "zram", "dm-", "md", "nbd", "fd"];

/// `/sys` is cheap to read each time.
pub fn stamp() -> Option<String> {
    None
}

/// The machine's disks, by name.
///
/// # Errors
/// When `/sys/block` cannot be listed.
pub fn read() -> Result<Vec<PhysicalDisk>, FactError> {
    list(Path::new(BLOCK)).map_err(|source| FactError::Unreadable { what: BLOCK, source })
}

fn list(folder: &Path) -> std::io::Result<Vec<PhysicalDisk>> {
    let mut disks: Vec<PhysicalDisk> = fs_err::read_dir(folder)?
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            if VIRTUAL.iter().any(|start| name.starts_with(start)) {
                return None;
            }
            let word = |file: &str| read_word(entry.path().join(file));
            let size_bytes = word("size").parse::<u64>().ok()?.saturating_mul(SECTOR);
            let vendor = word("device/vendor");
            let model = word("device/model");
            Some(PhysicalDisk {
                bus: bus(&name, &vendor, &entry.path()),
                model: match vendor.as_str() {
                    // SATA disks say this in place of their maker; PCI devices give a number.
                    "" | "ATA" => model,
                    vendor if vendor.starts_with("0x") => model,
                    vendor => format!("{vendor} {model}").trim().to_owned(),
                },
                serial: [word("device/serial"), word("serial")]
                    .into_iter()
                    .find(|text| !text.is_empty())
                    .unwrap_or_default(),
                is_removable: word("removable") == "1",
                size_bytes,
                name,
            })
        })
        // A reader without a card, a drive without a disc.
        .filter(|disk| disk.size_bytes > 0)
        .take(MOST)
        .collect();
    disks.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(disks)
}

fn bus(name: &str, vendor: &str, entry: &Path) -> String {
    // The entry is a link into the tree of devices, whose path names the buses.
    let path = fs_err::canonicalize(entry).unwrap_or_default();
    let path = path.to_string_lossy();
    if name.starts_with("nvme") {
        "NVMe"
    } else if path.contains("/usb") {
        "USB"
    } else if name.starts_with("vd") || path.contains("/virtio") {
        "virtio"
    } else if name.starts_with("mmcblk") {
        "MMC"
    } else if name.starts_with("xvd") {
        "Xen"
    } else if vendor == "ATA" {
        "SATA"
    } else if name.starts_with("sd") || name.starts_with("sr") {
        "SCSI"
    } else {
        ""
    }
    .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk(folder: &Path, name: &str, files: &[(&str, &str)]) {
        for (file, text) in files {
            let path = folder.join(name).join(file);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, format!("{text}\n")).unwrap();
        }
    }

    #[test]
    fn disks_are_listed_and_what_is_made_of_them_is_not() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path();
        disk(
            folder,
            "sda",
            &[
                ("size", "1953525168"),
                ("device/vendor", "ATA     "),
                ("device/model", "Samsung SSD 870"),
                ("removable", "0"),
            ],
        );
        disk(
            folder,
            "nvme0n1",
            &[
                ("size", "1000"),
                ("device/model", "WD Black"),
                ("device/serial", "S1"),
            ],
        );
        disk(
            folder,
            "sdb",
            &[("size", "0"), ("device/vendor", "Generic"), ("removable", "1")],
        );
        disk(folder, "loop0", &[("size", "8")]);
        disk(folder, "dm-0", &[("size", "8")]);
        let found = list(folder).unwrap();
        let rows: Vec<_> = found
            .iter()
            .map(|disk| (disk.name.as_str(), disk.model.as_str(), disk.bus.as_str()))
            .collect();
        assert_eq!(
            rows,
            [
                ("nvme0n1", "WD Black", "NVMe"),
                ("sda", "Samsung SSD 870", "SATA")
            ]
        );
        assert_eq!(found[1].size_bytes, 1_953_525_168 * 512);
        assert_eq!(found[0].serial, "S1");
    }
}
