//! Where package files lie: the trait that the repository writes against, and its plain-folder form.
//!
//! Everything here blocks; callers in asynchronous code go through `spawn_blocking`. A file is written
//! in a staging area that no reader sees, flushed to the disk, and renamed into place, so that a name
//! shows the old content or the new one and never a part.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fs_err as fs;
use jiff::Timestamp;
use thiserror::Error;

use crate::layout::{DataFolder, restrict_to_owner};

/// The longest file name, in bytes: what the usual file systems take.
const MAX_FILE_NAME_BYTES: usize = 255;

/// Names that Windows gives to devices, whatever the extension.
const DEVICE_NAMES: [&str; 4] = ["con", "prn", "aux", "nul"];

/// A part of the repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Area {
    /// Packages for everyone, and the index.
    Packages,
    /// Pictures of packages.
    Icons,
    /// Packages that only their host may read.
    HostPackages,
}

/// Why a text is not the name of a file of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{name:?} cannot be the name of a file in the repository")]
pub struct FileNameError {
    name: String,
}

impl FileNameError {
    /// The text that was refused.
    pub fn into_name(self) -> String {
        self.name
    }
}

/// The name of one file: a single path component that is safe on every system.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileName(String);

impl FileName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without its extension.
    pub fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or(self.0.as_str(), |(stem, _)| stem)
    }

    /// Whether the name ends in `.wapt`.
    pub fn is_package(&self) -> bool {
        self.0.strip_suffix(".wapt").is_some_and(|stem| !stem.is_empty())
    }
}

impl FromStr for FileName {
    type Err = FileNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_forbidden = |character: char| {
            character.is_control()
                || matches!(character, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|')
        };
        let first_part = text.split('.').next().unwrap_or_default().to_ascii_lowercase();
        let is_bad = text.is_empty()
            || text.len() > MAX_FILE_NAME_BYTES
            || text.starts_with(['.', ' '])
            || text.ends_with(['.', ' '])
            || text.chars().any(is_forbidden)
            || DEVICE_NAMES.contains(&first_part.as_str());
        if is_bad {
            Err(FileNameError {
                name: text.to_owned(),
            })
        } else {
            Ok(Self(text.to_owned()))
        }
    }
}

impl fmt::Display for FileName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One file that lies in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFile {
    pub name: FileName,
    pub size: u64,
    /// When its content last changed, with what precision the file system keeps.
    pub modified: Timestamp,
}

/// A file being written: invisible to readers, removed when dropped before it is published.
pub trait Staged: Write + Send {
    /// Where the bytes lie until then.
    fn path(&self) -> &Path;

    /// Flushes to the disk and gives the file its name, over a file that has it.
    ///
    /// # Errors
    /// The disk is full or refuses; nothing is left behind.
    fn publish(self: Box<Self>, area: Area, name: &FileName) -> io::Result<StoredFile>;
}

/// Keeps the files of the repository.
pub trait FileStore: Send + Sync + 'static {
    /// Begins a file.
    fn stage(&self) -> io::Result<Box<dyn Staged>>;

    /// The path of a file that may be there.
    fn path(&self, area: Area, name: &FileName) -> PathBuf;

    /// Size and time of a file, `None` when it is not there.
    fn find(&self, area: Area, name: &FileName) -> io::Result<Option<StoredFile>>;

    /// Every file of an area, without order; what is no plain file with a good name is left out.
    fn list(&self, area: Area) -> io::Result<Vec<StoredFile>>;

    /// Removes a file; one that is not there is no error.
    fn remove(&self, area: Area, name: &FileName) -> io::Result<()>;

    /// Removes what uploads cut short by a crash left in the staging area, and says how many files.
    fn clear_staging(&self) -> io::Result<usize>;

    /// Writes a whole small file and publishes it.
    fn write(&self, area: Area, name: &FileName, bytes: &[u8]) -> io::Result<StoredFile> {
        let mut staged = self.stage()?;
        staged.write_all(bytes)?;
        staged.publish(area, name)
    }
}

/// The data folder of the server: `repository/{wapt,wapt/icons,wapt-host,incoming}`, on one file system.
#[derive(Debug, Clone)]
pub struct FolderStore {
    data: DataFolder,
}

impl FolderStore {
    /// Makes the folders that are missing.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn open(data: &DataFolder) -> io::Result<Self> {
        let store = Self { data: data.clone() };
        for folder in [Area::Packages, Area::Icons, Area::HostPackages].map(|area| store.folder(area)) {
            fs::create_dir_all(folder)?;
        }
        fs::create_dir_all(data.incoming())?;
        // A web server in front may read the rest.
        for private in [data.host_packages(), data.incoming()] {
            restrict_to_owner(&private, 0o700)?;
        }
        Ok(store)
    }

    fn folder(&self, area: Area) -> PathBuf {
        match area {
            Area::Packages => self.data.repository(),
            Area::Icons => self.data.repository().join("icons"),
            Area::HostPackages => self.data.host_packages(),
        }
    }
}

impl FileStore for FolderStore {
    fn stage(&self) -> io::Result<Box<dyn Staged>> {
        let file = tempfile::Builder::new()
            .prefix("upload-")
            .suffix(".part")
            .tempfile_in(self.data.incoming())?;
        Ok(Box::new(StagedInFolder {
            file,
            store: self.clone(),
        }))
    }

    fn path(&self, area: Area, name: &FileName) -> PathBuf {
        self.folder(area).join(name.as_str())
    }

    fn find(&self, area: Area, name: &FileName) -> io::Result<Option<StoredFile>> {
        match fs::symlink_metadata(self.path(area, name)) {
            Ok(metadata) => stored(name.clone(), &metadata),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn list(&self, area: Area) -> io::Result<Vec<StoredFile>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.folder(area))? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            files.extend(stored(name, &entry.metadata()?)?);
        }
        Ok(files)
    }

    fn remove(&self, area: Area, name: &FileName) -> io::Result<()> {
        match fs::remove_file(self.path(area, name)) {
            Ok(()) => sync_folder(&self.folder(area)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn clear_staging(&self) -> io::Result<usize> {
        let mut count = 0;
        for entry in fs::read_dir(self.data.incoming())? {
            let entry = entry?;
            if entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
                count += 1;
            }
        }
        Ok(count)
    }
}

struct StagedInFolder {
    file: tempfile::NamedTempFile,
    store: FolderStore,
}

impl Write for StagedInFolder {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.as_file_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}

impl Staged for StagedInFolder {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn publish(self: Box<Self>, area: Area, name: &FileName) -> io::Result<StoredFile> {
        let folder = self.store.folder(area);
        let target = folder.join(name.as_str());
        // Temporary files are private to their owner; what everyone may download, a web server in front
        // may read.
        if area != Area::HostPackages {
            restrict_to_owner(self.file.path(), 0o644)?;
        }
        self.file.as_file().sync_all()?;
        let file = self.file.persist(&target).map_err(|error| error.error)?;
        sync_folder(&folder)?;
        stored(name.clone(), &file.metadata()?)?
            .ok_or_else(|| io::Error::other(format!("{} is not a plain file", target.display())))
    }
}

fn stored(name: FileName, metadata: &std::fs::Metadata) -> io::Result<Option<StoredFile>> {
    if !metadata.is_file() {
        return Ok(None);
    }
    let modified = Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)?;
    Ok(Some(StoredFile {
        name,
        size: metadata.len(),
        modified,
    }))
}

/// Makes a rename durable. Windows opens no folders and needs none of this.
fn sync_folder(folder: &Path) -> io::Result<()> {
    match fs::File::open(folder) {
        Ok(file) => file.sync_all(),
        Err(_) if cfg!(windows) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> FileName {
        text.parse().unwrap()
    }

    #[test]
    fn a_file_name_is_one_safe_component() {
        for good in [
            "a_1.wapt",
            "éclair_1.wapt",
            "Packages",
            "4C4C-1.wapt",
            "a..b.wapt",
            "0a.png",
        ] {
            assert!(good.parse::<FileName>().is_ok(), "{good}");
        }
        let long = "x".repeat(256);
        for bad in [
            "", ".", "..", ".hidden", "a/b", "a\\b", "C:x", "a\0b", "a\nb", "a.", "a ", " a", "NUL.wapt",
            "con", &long,
        ] {
            assert!(bad.parse::<FileName>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_staged_file_is_seen_only_once_published() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(&DataFolder::new(folder.path())).unwrap();
        let mut staged = store.stage().unwrap();
        staged.write_all(b"content").unwrap();
        assert!(store.list(Area::Packages).unwrap().is_empty());
        let published = staged.publish(Area::Packages, &name("a_1.wapt")).unwrap();
        assert_eq!(published.size, 7);
        assert_eq!(
            store.list(Area::Packages).unwrap(),
            std::slice::from_ref(&published)
        );
        assert_eq!(
            store.find(Area::Packages, &name("a_1.wapt")).unwrap(),
            Some(published)
        );
        assert_eq!(store.clear_staging().unwrap(), 0);
    }

    #[test]
    fn a_dropped_upload_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(&DataFolder::new(folder.path())).unwrap();
        let mut staged = store.stage().unwrap();
        staged.write_all(b"half").unwrap();
        drop(staged);
        assert_eq!(
            fs::read_dir(folder.path().join("repository/incoming"))
                .unwrap()
                .count(),
            0
        );
    }

    #[test]
    fn leftovers_of_a_crash_are_cleared() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(&DataFolder::new(folder.path())).unwrap();
        fs::write(folder.path().join("repository/incoming/upload-x.part"), b"half").unwrap();
        assert_eq!(store.clear_staging().unwrap(), 1);
        assert_eq!(store.clear_staging().unwrap(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn symbolic_links_and_folders_are_not_files_of_the_repository() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(&DataFolder::new(folder.path())).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("repository/wapt/link.wapt")).unwrap();
        fs::create_dir(folder.path().join("repository/wapt/folder.wapt")).unwrap();
        assert!(store.list(Area::Packages).unwrap().is_empty());
        assert_eq!(store.find(Area::Packages, &name("link.wapt")).unwrap(), None);
    }

    #[test]
    fn removing_twice_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let store = FolderStore::open(&DataFolder::new(folder.path())).unwrap();
        store.write(Area::Icons, &name("i.png"), b"png").unwrap();
        store.remove(Area::Icons, &name("i.png")).unwrap();
        store.remove(Area::Icons, &name("i.png")).unwrap();
    }
}
