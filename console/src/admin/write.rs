//! Writing files whole or not at all.

use std::io::{self, Write as _};
use std::path::Path;

/// Who may read a new file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner only.
    Owner,
    /// Whom the system's usual mask lets.
    Everyone,
}

/// Writes a file beside its place, then moves it there.
///
/// # Errors
/// The folder or the disk does not take it; a file that was there before is as it was.
pub(crate) fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let file = temporary(path, bytes, readers)?;
    file.persist(path).map_err(|error| plain(&error.error))?;
    Ok(())
}

/// Like [`replace`], when the file as it was written passes a check.
///
/// # Errors
/// As [`replace`], and the error of the check.
pub(crate) fn replace_when(
    path: &Path,
    bytes: &[u8],
    readers: Readers,
    check: impl FnOnce(&Path) -> io::Result<()>,
) -> io::Result<()> {
    let file = temporary(path, bytes, readers)?;
    check(file.path())?;
    file.persist(path).map_err(|error| plain(&error.error))?;
    Ok(())
}

/// Like [`replace`], and refuses a place that is taken, even when it becomes so meanwhile.
///
/// # Errors
/// As [`replace`], and `AlreadyExists`.
pub(crate) fn create(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let file = temporary(path, bytes, readers)?;
    file.persist_noclobber(path)
        .map_err(|error| plain(&error.error))?;
    Ok(())
}

fn temporary(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<tempfile::NamedTempFile> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let mut builder = tempfile::Builder::new();
    builder.prefix(".muster-");
    // Without this, `tempfile` makes files for their owner only.
    #[cfg(unix)]
    if readers == Readers::Everyone {
        use std::os::unix::fs::PermissionsExt;
        builder.permissions(PermissionsExt::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let (Readers::Owner | Readers::Everyone) = readers;
    let mut file = builder.tempfile_in(folder).map_err(|error| plain(&error))?;
    file.write_all(bytes).map_err(|error| plain(&error))?;
    file.as_file().sync_all()?;
    Ok(file)
}

/// The same error without the name of the temporary file, which means nothing to a person.
fn plain(error: &io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotFound => io::Error::new(io::ErrorKind::NotFound, "the folder does not exist"),
        io::ErrorKind::Other => io::Error::other(error.to_string()),
        kind => kind.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_created_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        create(&path, b"one", Readers::Owner).unwrap();
        assert_eq!(
            create(&path, b"two", Readers::Owner).unwrap_err().kind(),
            io::ErrorKind::AlreadyExists
        );
        assert_eq!(fs_err::read(&path).unwrap(), b"one");
        replace(&path, b"three", Readers::Everyone).unwrap();
        assert_eq!(fs_err::read(&path).unwrap(), b"three");
        assert_eq!(fs_err::read_dir(dir.path()).unwrap().count(), 1);
    }
}
