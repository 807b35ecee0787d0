//! A repository folder without a server: its `Packages` index and icons, as agents of WAPT 1.8 and Muster
//! read them. Rows of files that did not change since the last index are kept, so that a large folder
//! costs little.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::hint::{Hint, chain};
use muster_shared::index::{self, Index, IndexEntry, IndexError, IndexLimits, is_package_filename};
use muster_shared::package::{Package, PackageError, Unverified, Verified};
use muster_shared::version::compare_text;
use serde::Serialize;

use super::write::{self, Readers};

/// Why a repository could not be indexed; the index that was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RepositoryError {
    #[error("cannot read the repository {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a folder")]
    NotAFolder { path: PathBuf },
    #[error("the index of {path} cannot be made")]
    Index {
        path: PathBuf,
        #[source]
        source: IndexError,
    },
    #[error("cannot write {path}")]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl Hint for RepositoryError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free some space and try again; nothing was changed".to_owned()]
            }
            Self::NotAFolder { .. } => vec!["give the folder that holds the .wapt files".to_owned()],
            Self::Read { .. } | Self::Index { .. } | Self::Write { .. } => Vec::new(),
        }
    }
}

/// What indexing a folder gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Indexed {
    /// Rows in the new index.
    pub packages: usize,
    /// Of these, rows kept from the index before.
    pub kept: usize,
    /// Icons written.
    pub icons: usize,
    /// Size of the index, in bytes.
    pub size: usize,
    pub left_out: Vec<LeftOut>,
}

/// A file that is not in the index, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub filename: String,
    pub reason: String,
}

/// Reads every package of a folder and writes its index and icons. With `trust`, only packages of those
/// signers are taken; else each must be whole and signed by whatever certificate it carries. With `force`
/// every file is read again.
///
/// # Errors
/// The folder cannot be read or written.
pub fn index(
    folder: &Path,
    trust: Option<&TrustStore>,
    force: bool,
    now: Timestamp,
    mut progress: impl FnMut(usize, usize),
) -> Result<Indexed, RepositoryError> {
    let metadata = fs_err::metadata(folder).map_err(|source| unreadable(folder, source))?;
    if !metadata.is_dir() {
        return Err(RepositoryError::NotAFolder {
            path: folder.to_owned(),
        });
    }
    let index_path = folder.join("Packages");
    let former = if force { None } else { Former::read(&index_path) };
    let files = package_files(folder)?;
    let mut outcome = Indexed::default();
    let mut rows = Vec::with_capacity(files.len());
    // By fingerprint, so that each certificate is written once.
    let mut certificates: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for (done, filename) in files.iter().enumerate() {
        progress(done, files.len());
        // A row can be kept only when nobody has to be asked again whether its signer is trusted.
        if trust.is_none()
            && let Some(row) = former
                .as_ref()
                .and_then(|former| former.unchanged(folder, filename))
        {
            outcome.kept += 1;
            rows.push(row.clone());
            continue;
        }
        match read_package(&folder.join(filename), trust, now) {
            Ok(package)
                if !package
                    .control()
                    .section_kind()
                    .is_ok_and(muster_shared::control::Section::is_indexed) =>
            {
                outcome.left_out.push(LeftOut {
                    filename: filename.clone(),
                    reason: format!("a {} package is not listed", package.control().section()),
                });
            }
            Ok(package) => {
                for certificate in package.signer_chain() {
                    certificates.insert(certificate.fingerprint(), certificate.to_pem().into_bytes());
                }
                outcome.icons += usize::from(write_icon(folder, &package)?);
                rows.push(row_of(&package, filename));
            }
            Err(error) => outcome.left_out.push(LeftOut {
                filename: filename.clone(),
                reason: chain(&error),
            }),
        }
    }
    progress(files.len(), files.len());
    if let Some(former) = former
        && outcome.kept > 0
    {
        former.certificates_into(&mut certificates);
    }
    rows.sort_by(|a, b| {
        let by_name = a.control.package().cmp(b.control.package());
        by_name
            .then_with(|| compare_text(a.control.version(), b.control.version()))
            .then_with(|| a.filename.cmp(&b.filename))
    });
    let certificates: Vec<Vec<u8>> = certificates.into_values().collect();
    let bytes = index::write(&rows, &certificates, &[], now).map_err(|source| RepositoryError::Index {
        path: folder.to_owned(),
        source,
    })?;
    write::replace(&index_path, &bytes, Readers::Everyone).map_err(|source| RepositoryError::Write {
        path: index_path,
        source,
    })?;
    outcome.packages = rows.len();
    outcome.size = bytes.len();
    Ok(outcome)
}

fn unreadable(folder: &Path, source: std::io::Error) -> RepositoryError {
    RepositoryError::Read {
        path: folder.to_owned(),
        source,
    }
}

fn package_files(folder: &Path) -> Result<Vec<String>, RepositoryError> {
    let mut files = Vec::new();
    for entry in fs_err::read_dir(folder).map_err(|source| unreadable(folder, source))? {
        let entry = entry.map_err(|source| unreadable(folder, source))?;
        if let Some(name) = entry.file_name().to_str()
            && is_package_filename(name)
        {
            files.push(name.to_owned());
        }
    }
    files.sort();
    Ok(files)
}

fn read_package(
    path: &Path,
    trust: Option<&TrustStore>,
    now: Timestamp,
) -> Result<Package<Verified>, PackageError> {
    let package = Package::<Unverified>::open(path)?;
    if let Some(trust) = trust {
        return package.verify(trust, now);
    }
    let own = TrustStore::new(package.certificates()?);
    package.verify(&own, now)
}

fn row_of(package: &Package<Verified>, filename: &str) -> IndexEntry {
    IndexEntry {
        control: package.control().clone(),
        filename: filename.to_owned(),
        size: package.size(),
        md5sum: package.md5().to_owned(),
        sha256sum: Some(package.sha256().to_owned()),
    }
}

/// Writes the icon of a package that has one; `true` when a file was written.
fn write_icon(folder: &Path, package: &Package<Verified>) -> Result<bool, RepositoryError> {
    let control: &Control = package.control();
    let has_icon = control
        .section_kind()
        .is_ok_and(muster_shared::control::Section::has_icon);
    let uuid = control.get("package_uuid");
    // The identifier becomes a file name.
    let is_name =
        !uuid.is_empty() && uuid.len() <= 100 && uuid.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let Some(icon) = package.icon().filter(|_| has_icon && is_name) else {
        return Ok(false);
    };
    let icons = folder.join("icons");
    let path = icons.join(format!("{uuid}.png"));
    if fs_err::read(&path).is_ok_and(|known| known == icon) {
        return Ok(false);
    }
    let written =
        fs_err::create_dir_all(&icons).and_then(|()| write::replace(&path, &icon, Readers::Everyone));
    written.map_err(|source| RepositoryError::Write { path, source })?;
    Ok(true)
}

/// The index that is there already.
struct Former {
    rows: BTreeMap<String, IndexEntry>,
    certificates: Vec<Vec<u8>>,
    modified: SystemTime,
}

impl Former {
    /// `None` when there is none that can be used: then every file is read.
    fn read(path: &Path) -> Option<Self> {
        let modified = fs_err::metadata(path)
            .and_then(|metadata| metadata.modified())
            .ok()?;
        let Index {
            entries,
            certificates,
            ..
        } = index::read(&fs_err::read(path).ok()?, &IndexLimits::default()).ok()?;
        Some(Self {
            rows: entries
                .into_iter()
                .map(|row| (row.filename.clone(), row))
                .collect(),
            certificates,
            modified,
        })
    }

    fn unchanged(&self, folder: &Path, filename: &str) -> Option<&IndexEntry> {
        let row = self.rows.get(filename).filter(|row| row.sha256sum.is_some())?;
        let metadata = fs_err::metadata(folder.join(filename)).ok()?;
        let older = metadata.modified().ok()? < self.modified;
        (older && metadata.len() == row.size).then_some(row)
    }

    /// Certificates of signers still in use and their issuers; they come from an index that was made here.
    fn certificates_into(self, certificates: &mut BTreeMap<String, Vec<u8>>) {
        let known: BTreeSet<String> = certificates.keys().cloned().collect();
        for pem in self.certificates {
            let read = std::str::from_utf8(&pem)
                .ok()
                .and_then(|text| Certificate::from_pem(text).ok());
            if let Some(fingerprint) = read.map(|certificate| certificate.fingerprint())
                && !known.contains(&fingerprint)
            {
                certificates.insert(fingerprint, pem);
            }
        }
    }
}
