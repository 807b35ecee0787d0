//! Drives with a letter.
#![expect(unsafe_code, reason = "drive letters and volumes")]

use std::path::Path;

use muster_shared::protocol::inventory::Disk;
use windows_sys::Win32::Storage::FileSystem::{GetDriveTypeW, GetLogicalDrives, GetVolumeInformationW};
use windows_sys::Win32::System::WindowsProgramming::DRIVE_FIXED;

use super::super::disk::sizes;
use super::super::wide::{from_wide, wide};
use crate::inventory::facts::FactError;

/// Fixed drives with size and free space, by letter. Network drives could hang and are left out.
///
/// # Errors
/// When the system does not list its drives.
pub fn read() -> Result<Vec<Disk>, FactError> {
    // SAFETY: no arguments.
    let letters = unsafe { GetLogicalDrives() };
    if letters == 0 {
        return Err(FactError::Unreadable {
            what: "the list of drives",
            source: std::io::Error::last_os_error(),
        });
    }
    let disks = (0..26_u8)
        .filter(|index| letters & (1 << index) != 0)
        .filter_map(|index| drive(char::from(b'A' + index)))
        .collect();
    Ok(disks)
}

fn drive(letter: char) -> Option<Disk> {
    let root = format!("{letter}:\\");
    let name = wide(&root);
    // SAFETY: the name ends with a NUL.
    if unsafe { GetDriveTypeW(name.as_ptr()) } != DRIVE_FIXED {
        return None;
    }
    let (free, size) = sizes(Path::new(&root))?;
    let (mut label, mut file_system) = ([0_u16; 64], [0_u16; 64]);
    // SAFETY: the name ends with a NUL, the buffers have the lengths given, the other results are not asked.
    let done = unsafe {
        GetVolumeInformationW(
            name.as_ptr(),
            label.as_mut_ptr(),
            64,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            file_system.as_mut_ptr(),
            64,
        )
    };
    let text = |units: &[u16]| {
        if done == 0 {
            String::new()
        } else {
            from_wide(units)
        }
    };
    Some(Disk {
        name: format!("{letter}:"),
        device: text(&label),
        file_system: text(&file_system),
        size_bytes: size,
        free_gib: free >> 30,
    })
}
