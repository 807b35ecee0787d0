//! The file that a package is written to: beside its target, then renamed, so that a failure leaves the old one.

use std::io::{BufWriter, Seek, SeekFrom, Write};
use std::path::Path;

use jiff::Timestamp;

use super::error::PackageError;
use crate::control::Control;

/// Writes a file beside its target and renames it over, with the signature's date as its time; on failure
/// the target stays as it was and nothing is left behind.
pub(super) fn write_beside(
    target: &Path,
    at: Timestamp,
    fill: impl FnOnce(&mut Output) -> Result<Control, PackageError>,
) -> Result<Control, PackageError> {
    write_beside_checked(target, at, fill, |_draft| Ok(()))
}

/// Like [`write_beside`], when the file as it was written passes a check.
pub(super) fn write_beside_checked(
    target: &Path,
    at: Timestamp,
    fill: impl FnOnce(&mut Output) -> Result<Control, PackageError>,
    check: impl FnOnce(&Path) -> Result<(), PackageError>,
) -> Result<Control, PackageError> {
    let write = |source| PackageError::Write {
        path: target.to_owned(),
        source,
    };
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let temporary = target.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let attempt = || {
        // What a run that broke off left, or a link that somebody put there: never written through.
        fs_err::remove_file(&temporary).ok();
        let file = fs_err::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(&temporary)
            .map_err(write)?;
        let fuse = Fuse {
            file: file.into_parts().0,
            has_failed: false,
        };
        let mut output = BufWriter::with_capacity(64 * 1024, fuse);
        let control = fill(&mut output)?;
        let mut file = output
            .into_inner()
            .map_err(|error| write(error.into_error()))?
            .file;
        file.rewind().map_err(write)?;
        file.sync_all().map_err(write)?;
        if let Ok(seconds) = u64::try_from(at.as_second()) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            file.set_modified(time).map_err(write)?;
        }
        drop(file);
        check(&temporary)?;
        fs_err::rename(&temporary, target).map_err(write)?;
        Ok(control)
    };
    attempt().inspect_err(|_error| {
        fs_err::remove_file(&temporary).ok();
    })
}

/// Where a package's bytes go.
pub(super) type Output = BufWriter<Fuse>;

/// A file that fails once. The zip library tries to end a broken archive when it is dropped, and complains on
/// standard error when that fails too; by then the first failure has been reported and the file goes away.
pub(super) struct Fuse {
    file: std::fs::File,
    has_failed: bool,
}

impl Write for Fuse {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.has_failed {
            return Ok(bytes.len());
        }
        self.file
            .write(bytes)
            .inspect_err(|_error| self.has_failed = true)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.file.flush()
    }
}

impl Seek for Fuse {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_leaves_the_old_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("x.wapt");
        fs_err::write(&target, "old").unwrap();
        let error = write_beside(&target, Timestamp::UNIX_EPOCH, |output| {
            output.write_all(b"half of it").unwrap();
            Err(PackageError::Missing("something"))
        });
        assert!(error.is_err());
        assert_eq!(fs_err::read_to_string(&target).unwrap(), "old");
        assert_eq!(fs_err::read_dir(folder.path()).unwrap().count(), 1);
    }
}
