//! Folders and files that only SYSTEM and administrators may read.

use std::io::{self, Write as _};
use std::path::Path;

use super::security::close_to_others;

/// Makes `folder` (and its parents) if needed and closes it to everybody but SYSTEM and administrators.
///
/// # Errors
/// When it cannot be made, is not a real folder, or its access list cannot be set.
pub fn lock_down_dir(folder: &Path) -> io::Result<()> {
    fs_err::create_dir_all(folder)?;
    let metadata = fs_err::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} must be a folder, not a link or file", folder.display()),
        ));
    }
    close_to_others(folder)
}

/// Writes a file for SYSTEM and administrators alone, whole or not at all, on disk before it returns.
///
/// # Errors
/// When the file cannot be written beside its name or renamed to it.
pub fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut draft_name = path.file_name().unwrap_or_default().to_owned();
    draft_name.push(".new");
    let draft = path.with_file_name(draft_name);
    match fs_err::remove_file(&draft) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs_err::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(&draft)?;
    // Closed before the first secret byte is in it.
    close_to_others(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs_err::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_private_file_replaces_the_old_one() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("private");
        lock_down_dir(&folder).unwrap();
        let path = folder.join("key.pem");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
    }
}
