//! Free space on Windows.
#![expect(unsafe_code, reason = "GetDiskFreeSpaceExW")]

use std::path::Path;

use windows_sys::Win32::Storage::FileSystem::GetDiskFreeSpaceExW;

use super::wide::wide;

/// Bytes that the agent can still write in the file system of `path`; `None` when that cannot be told.
pub fn free_bytes(path: &Path) -> Option<u64> {
    sizes(path).map(|(free, _total)| free)
}

/// (free, total) bytes.
pub(super) fn sizes(path: &Path) -> Option<(u64, u64)> {
    let name = wide(path);
    let (mut free, mut total) = (0_u64, 0_u64);
    // SAFETY: the name ends with a NUL; the two numbers outlive the call; the third may be null.
    let done =
        unsafe { GetDiskFreeSpaceExW(name.as_ptr(), &raw mut free, &raw mut total, std::ptr::null_mut()) };
    (done != 0).then_some((free, total))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_of_this_folder_has_a_size() {
        let place = tempfile::tempdir().unwrap();
        let (_free, total) = sizes(place.path()).unwrap();
        assert!(total > 0);
    }
}
