//! Folders and files that only root may read.

use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;

use fs_err::os::unix::fs::OpenOptionsExt as _;

/// Makes `folder` (and its parents) if needed and leaves it to its owner alone (0700).
///
/// # Errors
/// When it cannot be made, is not a real folder, or its rights cannot be set.
pub fn lock_down_dir(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs_err::create_dir_all(parent)?;
    }
    match std::fs::DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let metadata = fs_err::symlink_metadata(folder)?;
    if !metadata.is_dir() {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} must be a folder, not a link or file", folder.display()),
        ));
    }
    if metadata.permissions().mode() & 0o777 != 0o700 {
        fs_err::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Writes a file for its owner alone (0600), whole or not at all, on disk before it returns.
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
        .mode(0o600)
        .open(&draft)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    drop(file);
    fs_err::rename(&draft, path)?;
    if let Some(folder) = path.parent() {
        fs_err::File::open(folder)?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_that_was_open_to_all_is_closed() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/private");
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::set_permissions(&folder, std::fs::Permissions::from_mode(0o777)).unwrap();
        lock_down_dir(&folder).unwrap();
        assert_eq!(
            fs_err::metadata(&folder).unwrap().permissions().mode() & 0o777,
            0o700
        );
    }

    #[test]
    fn a_link_in_place_of_the_folder_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("private");
        std::os::unix::fs::symlink("/tmp", &folder).unwrap();
        assert!(lock_down_dir(&folder).is_err());
    }

    #[test]
    fn a_private_file_is_for_its_owner_alone_and_replaces_the_old_one() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("key.pem");
        write_private(&path, b"one").unwrap();
        write_private(&path, b"two").unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"two");
        assert_eq!(
            fs_err::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(fs_err::read_dir(place.path()).unwrap().count(), 1);
    }
}
