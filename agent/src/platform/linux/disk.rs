//! Free space on Linux.

use std::path::Path;

/// Bytes that the agent can still write in the file system of `path`; `None` when that cannot be told.
pub fn free_bytes(path: &Path) -> Option<u64> {
    let space = rustix::fs::statvfs(path).ok()?;
    // root may use the reserved blocks too, but a package cache should not.
    Some(space.f_bavail.saturating_mul(space.f_frsize))
}
