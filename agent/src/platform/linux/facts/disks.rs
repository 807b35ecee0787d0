//! Mounted file systems that stand on real disks: `/proc/self/mounts` and statvfs.

use std::collections::BTreeSet;

use muster_shared::protocol::inventory::Disk;

use super::text::read_limited;
use crate::inventory::facts::FactError;

/// At most this many file systems are reported.
const MOST: usize = 128;

/// Mounted file systems with size and free space, by mount point.
///
/// # Errors
/// When the table of mounts cannot be read. A file system that does not answer is left out.
pub fn read() -> Result<Vec<Disk>, FactError> {
    let mounts = read_limited("/proc/self/mounts").map_err(|source| FactError::Unreadable {
        what: "/proc/self/mounts",
        source,
    })?;
    let mut disks = Vec::new();
    for mut disk in parse(&mounts) {
        let Ok(space) = rustix::fs::statvfs(disk.name.as_str()) else {
            continue;
        };
        disk.size_bytes = space.f_blocks.saturating_mul(space.f_frsize);
        disk.free_gib = space.f_bavail.saturating_mul(space.f_frsize) >> 30;
        if disk.size_bytes > 0 {
            disks.push(disk);
        }
    }
    Ok(disks)
}

/// The candidates: one row per device, network and memory file systems left out (asking a dead NFS
/// server for its size would hang).
fn parse(mounts: &str) -> Vec<Disk> {
    let mut seen = BTreeSet::new();
    let mut disks: Vec<Disk> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').map(unescape);
            let (device, name, file_system) = (fields.next()?, fields.next()?, fields.next()?);
            let is_disk = device.starts_with("/dev/")
                || matches!(file_system.as_str(), "zfs" | "btrfs")
                || (name == "/" && file_system == "overlay");
            let is_image = matches!(file_system.as_str(), "squashfs" | "iso9660" | "udf");
            (is_disk && !is_image && seen.insert(device.clone())).then_some(Disk {
                name,
                device,
                file_system,
                ..Disk::default()
            })
        })
        .take(MOST)
        .collect();
    disks.sort_by(|one, other| one.name.cmp(&other.name));
    disks
}

/// The kernel writes space, tab, newline and backslash of a path as three octal digits.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if byte == b'\\'
            && let Some(octal) = tail.get(..3)
            && let Some(value) = std::str::from_utf8(octal)
                .ok()
                .and_then(|digits| u8::from_str_radix(digits, 8).ok())
        {
            bytes.push(value);
            rest = tail.get(3..).unwrap_or_default();
        } else {
            bytes.push(byte);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_file_systems_on_disks_count_and_each_device_once() {
        let mounts = "proc /proc proc rw 0 0\n\
            /dev/sda2 / ext4 rw 0 0\n\
            /dev/sda1 /boot/efi vfat rw 0 0\n\
            /dev/sda2 /var/snap/bind ext4 rw 0 0\n\
            server:/home /home nfs4 rw 0 0\n\
            /dev/loop3 /snap/core/1 squashfs ro 0 0\n\
            tmpfs /tmp tmpfs rw 0 0\n\
            /dev/sdb1 /mnt/my\\040disk ext4 rw 0 0\n\
            cut-line\n";
        let names: Vec<_> = parse(mounts).into_iter().map(|disk| disk.name).collect();
        assert_eq!(names, ["/", "/boot/efi", "/mnt/my disk"]);
    }

    #[test]
    fn broken_escapes_stay_as_they_are() {
        assert_eq!(unescape("a\\04"), "a\\04");
        assert_eq!(unescape("\\999"), "\\999");
        assert_eq!(unescape("\\134"), "\\");
    }

    #[test]
    fn this_machine_answers() {
        read().unwrap();
    }
}
