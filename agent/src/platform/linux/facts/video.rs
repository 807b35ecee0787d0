//! Graphics adapters (`/sys/bus/pci`) and screens (the EDID of each connector in `/sys/class/drm`).

use std::io::Read as _;
use std::path::Path;

use muster_shared::protocol::inventory::{Monitor, VideoAdapter};

use super::text::read_word;
use crate::inventory::edid;
use crate::inventory::facts::FactError;

const PCI: &str = "/sys/bus/pci/devices";
const DRM: &str = "/sys/class/drm";
/// At most this many of each.
const MOST: usize = 64;
/// The first two digits of a display controller's class.
const DISPLAY: &str = "0x03";

/// Screens come and go; `/sys` is cheap to read each time.
pub fn stamp() -> Option<String> {
    None
}

/// Adapters and screens; a machine without any has none.
///
/// # Errors
/// Never on Linux: what is not there counts as nothing.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn read() -> Result<(Vec<VideoAdapter>, Vec<Monitor>), FactError> {
    Ok((adapters(Path::new(PCI)), monitors(Path::new(DRM))))
}

fn adapters(folder: &Path) -> Vec<VideoAdapter> {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Vec::new();
    };
    let mut list: Vec<VideoAdapter> = entries
        .flatten()
        .filter(|entry| read_word(entry.path().join("class")).starts_with(DISPLAY))
        .take(MOST)
        .map(|entry| {
            let id = |file: &str| {
                read_word(entry.path().join(file))
                    .trim_start_matches("0x")
                    .to_owned()
            };
            VideoAdapter {
                name: adapter_name(&id("vendor"), &id("device")),
                driver: fs_err::read_link(entry.path().join("driver"))
                    .ok()
                    .and_then(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
                    .unwrap_or_default(),
            }
        })
        .collect();
    list.sort_by(|one, other| one.name.cmp(&other.name));
    list
}

/// Makers are few; the names of their devices are a list of a megabyte that not every machine has.
fn adapter_name(vendor: &str, device: &str) -> String {
    let maker = match vendor {
        "8086" => "Intel",
        "10de" => "NVIDIA",
        "1002" | "1022" => "AMD",
        "1234" => "QEMU",
        "1af4" => "virtio",
        "15ad" => "VMware",
        "1414" => "Microsoft",
        "102b" => "Matrox",
        "1a03" => "ASPEED",
        _ => "",
    };
    format!("{maker} {vendor}:{device}").trim().to_owned()
}

fn monitors(folder: &Path) -> Vec<Monitor> {
    let Ok(entries) = fs_err::read_dir(folder) else {
        return Vec::new();
    };
    let mut list: Vec<Monitor> = entries
        .flatten()
        .take(256)
        .filter_map(|entry| {
            let mut bytes = Vec::new();
            fs_err::File::open(entry.path().join("edid"))
                .ok()?
                .take(4096)
                .read_to_end(&mut bytes)
                .ok()?;
            let name = entry.file_name().into_string().ok()?;
            Some(Monitor {
                // card0-HDMI-A-1
                connector: name
                    .split_once('-')
                    .map_or(name.as_str(), |(_card, rest)| rest)
                    .to_owned(),
                ..edid::parse(&bytes)?
            })
        })
        .take(MOST)
        .collect();
    list.sort_by(|one, other| one.connector.cmp(&other.connector));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adapters_are_the_devices_of_the_display_class() {
        let place = tempfile::tempdir().unwrap();
        for (device, class, vendor) in [
            ("0000:00:02.0", "0x030000", "0x8086"),
            ("0000:00:03.0", "0x020000", "0x8086"),
        ] {
            let folder = place.path().join(device);
            fs_err::create_dir_all(&folder).unwrap();
            fs_err::write(folder.join("class"), format!("{class}\n")).unwrap();
            fs_err::write(folder.join("vendor"), format!("{vendor}\n")).unwrap();
            fs_err::write(folder.join("device"), "0x9a49\n").unwrap();
        }
        let found = adapters(place.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].name, "Intel 8086:9a49");
        assert!(monitors(place.path()).is_empty());
    }

    #[test]
    fn this_machine_answers() {
        read().unwrap();
    }
}
