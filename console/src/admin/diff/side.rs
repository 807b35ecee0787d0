//! One of the two builds that are compared: a package file, or a folder of sources.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::package::build::{EXCLUDED_AT_ROOT, read_control};
use muster_shared::package::{Package, Verified};
use sha2::{Digest as _, Sha256};

use super::DiffError;
use crate::admin::external_repository::{SignerTrust, verify_file};

/// The most files of a folder that is looked at.
const MAX_FILES: usize = 100_000;

/// One build, with the size and hash of each file.
#[derive(Debug)]
pub struct Side {
    path: PathBuf,
    control: Control,
    files: BTreeMap<String, File>,
    package: Option<Package<Verified>>,
}

/// One file of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// In bytes.
    pub size: u64,
    /// Lower-case hex.
    pub sha256: String,
}

impl Side {
    /// Opens a whole package file of anybody, or a folder of sources.
    ///
    /// # Errors
    /// It is neither, is damaged or cannot be read.
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, DiffError> {
        if path.is_dir() {
            return Self::open_folder(path);
        }
        let package =
            verify_file(path, &SignerTrust::Unverified, now).map_err(|source| DiffError::Package {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self::of_package(package))
    }

    /// A verified package.
    pub fn of_package(package: Package<Verified>) -> Self {
        let sums = package.manifest();
        let files = package.entries().iter().filter_map(|entry| {
            let sha256 = sums.get(&entry.name)?.clone();
            Some((
                entry.name.clone(),
                File {
                    size: entry.size,
                    sha256,
                },
            ))
        });
        Self {
            path: package.path().to_owned(),
            control: package.control().clone(),
            files: files.collect(),
            package: Some(package),
        }
    }

    fn open_folder(root: &Path) -> Result<Self, DiffError> {
        let control = read_control(root).map_err(|source| DiffError::Package {
            path: root.to_owned(),
            source,
        })?;
        let mut files = BTreeMap::new();
        let mut folders = vec![(String::new(), root.to_owned())];
        while let Some((prefix, folder)) = folders.pop() {
            let failed = |source| DiffError::Read {
                path: folder.clone(),
                source,
            };
            for entry in fs_err::read_dir(&folder).map_err(failed)? {
                let entry = entry.map_err(failed)?;
                let own = entry.file_name().to_string_lossy().into_owned();
                if prefix.is_empty() && EXCLUDED_AT_ROOT.contains(&own.as_str()) {
                    continue;
                }
                let kind = entry.file_type().map_err(failed)?;
                if kind.is_dir() {
                    folders.push((format!("{prefix}{own}/"), entry.path()));
                } else if kind.is_file() {
                    files.insert(format!("{prefix}{own}"), hashed(&entry.path())?);
                }
                if files.len() > MAX_FILES {
                    return Err(DiffError::TooMany {
                        path: root.to_owned(),
                    });
                }
            }
        }
        Ok(Self {
            path: root.to_owned(),
            control,
            files,
            package: None,
        })
    }

    /// Where it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its control.
    pub fn control(&self) -> &Control {
        &self.control
    }

    /// Its files by name, `/` between the parts.
    pub fn files(&self) -> &BTreeMap<String, File> {
        &self.files
    }

    /// The content of a file of at most `limit` bytes; `None` when it is larger.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, DiffError> {
        if self.files.get(name).is_none_or(|file| file.size > limit) {
            return Ok(None);
        }
        if let Some(package) = &self.package {
            return Ok(package.read_checked(name, limit));
        }
        let path = self.path.join(name);
        let mut bytes = Vec::new();
        fs_err::File::open(&path)
            .and_then(|file| file.take(limit).read_to_end(&mut bytes))
            .map_err(|source| DiffError::Read { path, source })?;
        Ok(Some(bytes))
    }
}

fn hashed(path: &Path) -> Result<File, DiffError> {
    let failed = |source| DiffError::Read {
        path: path.to_owned(),
        source,
    };
    let mut file = fs_err::File::open(path).map_err(failed)?;
    let mut hash = Sha256::new();
    let mut chunk = vec![0; 64 * 1024];
    let mut size = 0;
    loop {
        let count = file.read(&mut chunk).map_err(failed)?;
        let bytes = chunk.get(..count).unwrap_or_default();
        if bytes.is_empty() {
            return Ok(File {
                size,
                sha256: hex::encode(hash.finalize()),
            });
        }
        size += count as u64;
        hash.update(bytes);
    }
}
