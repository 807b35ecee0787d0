//! The files of a repository folder: its lock, and writing beside a file before it is replaced.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::{FolderError, INDEX_NAME, unreadable};

/// The lock of a folder; readers of the repository never see it, as its name begins with a dot.
const LOCK_NAME: &str = ".Packages.lock";

/// What the names of unfinished files begin and end with.
const PART: (&str, &str) = (".Packages.", ".part");

/// How often a taken lock is tried again.
const RETRY: Duration = Duration::from_millis(50);

/// Held while a folder is indexed. The system lets it go when the process ends, however it ends.
pub(super) struct Lock {
    _file: std::fs::File,
}

impl Lock {
    /// Takes the lock, waiting for another holder up to a time.
    pub(super) fn take(folder: &Path, wait: Duration) -> Result<Self, FolderError> {
        let path = folder.join(LOCK_NAME);
        let failed = |source| FolderError::Write {
            path: path.clone(),
            source,
        };
        let file = fs_err::OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(failed)?
            .into_parts()
            .0;
        let began = Instant::now();
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: file }),
                Err(std::fs::TryLockError::WouldBlock) if began.elapsed() < wait => {
                    std::thread::sleep(RETRY);
                }
                Err(std::fs::TryLockError::WouldBlock) => {
                    return Err(FolderError::Busy {
                        path: folder.to_owned(),
                    });
                }
                Err(std::fs::TryLockError::Error(source)) => return Err(failed(source)),
            }
        }
    }
}

/// Removes what runs that were cut off left; only the holder of the lock may call this.
pub(super) fn clear_leftovers(folder: &Path) {
    for entry in fs_err::read_dir(folder).into_iter().flatten().flatten() {
        if let Some(name) = entry.file_name().to_str()
            && name.starts_with(PART.0)
            && name.ends_with(PART.1)
        {
            fs_err::remove_file(entry.path()).ok();
        }
    }
}

/// The time by the clock of the folder's file system, which is the clock of the times of its files. The clock of
/// this machine may be another one when the folder lies on a network.
pub(super) fn folder_time(folder: &Path) -> Result<SystemTime, FolderError> {
    let path = part_name(folder, "time");
    let failed = |source| FolderError::Write {
        path: folder.to_owned(),
        source,
    };
    fs_err::write(&path, b"").map_err(failed)?;
    let time = fs_err::metadata(&path).and_then(|metadata| metadata.modified());
    fs_err::remove_file(&path).map_err(failed)?;
    time.map_err(|source| unreadable(folder, source))
}

/// Replaces the index; its time becomes the one at which the folder was listed.
pub(super) fn replace_index(folder: &Path, bytes: &[u8], listed_at: SystemTime) -> Result<(), FolderError> {
    let path = folder.join(INDEX_NAME);
    replace(&path, bytes, Some(listed_at)).map_err(|source| FolderError::Write { path, source })
}

/// Gives the index the time at which the folder was listed.
pub(super) fn touch(folder: &Path, listed_at: SystemTime) -> Result<(), FolderError> {
    let path = folder.join(INDEX_NAME);
    fs_err::OpenOptions::new()
        .write(true)
        .open(&path)
        .and_then(|file| file.file().set_modified(listed_at))
        .map_err(|source| FolderError::Write { path, source })
}

/// Writes a file beside its place, flushes it to the disk and renames it over.
pub(super) fn replace(path: &Path, bytes: &[u8], modified: Option<SystemTime>) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let part = part_name(folder, "new");
    let attempt = || {
        // What a run that was cut off left, or a link that somebody put there: never written through.
        fs_err::remove_file(&part).ok();
        let mut file = fs_err::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(&part)?;
        file.write_all(bytes)?;
        if let Some(modified) = modified {
            file.file().set_modified(modified)?;
        }
        file.sync_all()?;
        drop(file);
        fs_err::rename(&part, path)
    };
    attempt().inspect_err(|_error| {
        fs_err::remove_file(&part).ok();
    })?;
    // Makes the rename durable. Windows opens no folders and needs none of this.
    #[cfg(unix)]
    fs_err::File::open(folder)?.sync_all()?;
    Ok(())
}

fn part_name(folder: &Path, what: &str) -> PathBuf {
    folder.join(format!("{}{}.{what}{}", PART.0, std::process::id(), PART.1))
}
