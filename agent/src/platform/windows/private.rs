//! Folders and files that only SYSTEM and administrators may read, from the moment they are there.
#![expect(unsafe_code, reason = "CreateDirectoryW and CreateFileW with an access list")]

use std::fs::File;
use std::io::{self, Write as _};
use std::os::windows::io::FromRawHandle as _;
use std::path::Path;

use windows_sys::Win32::Foundation::{ERROR_ALREADY_EXISTS, GENERIC_WRITE, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    CREATE_NEW, CreateDirectoryW, CreateFileW, FILE_ATTRIBUTE_NORMAL, FILE_ATTRIBUTE_REPARSE_POINT,
};

use super::access::{Descriptor, PRIVATE, close_to_others, has_access, is_owned_by_us};
use super::wide::wide;

/// Makes `folder` (and its parents) if needed and closes it to everybody but SYSTEM and administrators.
///
/// Ordinary users may make folders in `ProgramData`: one that was there before and belongs to one of them is
/// refused, because its owner could open it again at any time. The same holds for what was put into it before it was
/// closed: a new access list says nothing about files that are there already.
///
/// # Errors
/// When it cannot be made, is not a real folder, it or something in it belongs to somebody else or is a link, or its
/// access list cannot be set.
pub fn lock_down_dir(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs_err::create_dir_all(parent)?;
    }
    if make_closed(folder)? {
        return Ok(());
    }
    let metadata = fs_err::symlink_metadata(folder)?;
    if !metadata.is_dir() || is_reparse_point(&metadata) {
        return Err(io::Error::new(
            io::ErrorKind::NotADirectory,
            format!("{} must be a folder, not a link or file", folder.display()),
        ));
    }
    refuse_foreign(folder)?;
    if has_access(folder, PRIVATE)? {
        return Ok(());
    }
    // First the folder, so that nothing more is put into it.
    close_to_others(folder)?;
    close_inside(folder)
}

fn refuse_foreign(path: &Path) -> io::Result<()> {
    if is_owned_by_us(path)? {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::PermissionDenied,
        format!(
            "{} belongs to an account that is no administrator's; remove it",
            path.display()
        ),
    ))
}

/// Closes everything in a folder that is closed itself.
fn close_inside(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            let metadata = fs_err::symlink_metadata(&path)?;
            if is_reparse_point(&metadata) {
                return Err(io::Error::new(
                    io::ErrorKind::PermissionDenied,
                    format!("{} is a link; remove it", path.display()),
                ));
            }
            refuse_foreign(&path)?;
            close_to_others(&path)?;
            if metadata.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// Junctions are no links to Rust, but they lead elsewhere as well.
fn is_reparse_point(metadata: &std::fs::Metadata) -> bool {
    use std::os::windows::fs::MetadataExt as _;
    metadata.file_attributes() & FILE_ATTRIBUTE_REPARSE_POINT != 0
}

/// Makes the folder closed; `false` when something of that name is there.
fn make_closed(folder: &Path) -> io::Result<bool> {
    let descriptor = Descriptor::parse(PRIVATE)?;
    let attributes = descriptor.attributes();
    let name = wide(std::path::absolute(folder)?);
    // SAFETY: the name ends with a NUL; the attributes and their descriptor outlive the call.
    if unsafe { CreateDirectoryW(name.as_ptr(), &raw const attributes) } != 0 {
        return Ok(true);
    }
    let error = io::Error::last_os_error();
    if error.raw_os_error() == i32::try_from(ERROR_ALREADY_EXISTS).ok() {
        Ok(false)
    } else {
        Err(error)
    }
}

/// A new file for SYSTEM and administrators alone: closed before the first secret byte is in it.
fn new_closed_file(path: &Path) -> io::Result<File> {
    let descriptor = Descriptor::parse(PRIVATE)?;
    let attributes = descriptor.attributes();
    let name = wide(std::path::absolute(path)?);
    // SAFETY: the name ends with a NUL; the attributes and their descriptor outlive the call; nobody may share.
    let handle = unsafe {
        CreateFileW(
            name.as_ptr(),
            GENERIC_WRITE,
            0,
            &raw const attributes,
            CREATE_NEW,
            FILE_ATTRIBUTE_NORMAL,
            std::ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just opened, owned by nobody else.
    Ok(unsafe { File::from_raw_handle(handle.cast()) })
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
    let mut file = new_closed_file(&draft)?;
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
        assert_eq!(fs_err::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_is_there_already_is_closed_and_a_file_in_its_place_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/private");
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::create_dir(folder.join("inner")).unwrap();
        fs_err::write(folder.join("inner/key.pem"), "x").unwrap();
        lock_down_dir(&folder).unwrap();
        lock_down_dir(&folder).unwrap();
        assert_eq!(fs_err::read(folder.join("inner/key.pem")).unwrap(), b"x");
        let file = place.path().join("file");
        fs_err::write(&file, "").unwrap();
        assert!(lock_down_dir(&file).is_err());
    }
}
