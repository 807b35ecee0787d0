//! Where shells look for programs: a package puts the agent where they look, so there is nothing to do.

use std::io;
use std::path::Path;

/// Has shells find programs of a folder, or not any more. `false`: nothing was to be changed.
///
/// # Errors
/// Never on this system.
#[expect(clippy::unnecessary_wraps, reason = "the same signature as on Windows")]
pub fn set(_folder: &Path, _is_in: bool) -> io::Result<bool> {
    Ok(false)
}
