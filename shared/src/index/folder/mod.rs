//! A repository folder: its `Packages` index and icons, brought in line with the package files in it.
//!
//! Rows of files that did not change since the last index are kept without reading the file, so that a large
//! folder costs little: a file counts as unchanged when it is older than the index and as large as its row
//! says. The index carries the time at which its folder was listed, so a file that changes while an index is
//! made is read again by the next run. One run at a time: others wait for its lock. Readers see the old index
//! or the new one, never a part; a run that is cut off leaves the old one.

mod former;
pub(super) mod icons;
mod place;
mod trust_members;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use self::former::Former;
use self::place::Lock;
use self::trust_members::TrustMembers;
use super::{IndexEntry, IndexError, is_package_filename};
use crate::control::Section;
use crate::crypto::{CrlError, TrustStore};
use crate::hint::{Hint, chain};
use crate::package::filename::canonical_filename;
use crate::package::{Package, PackageError, Unverified, Verified};
use crate::version::compare_text;

/// The name of the index in its folder.
pub const INDEX_NAME: &str = "Packages";

/// How a folder is indexed.
#[derive(Debug, Clone, Default)]
pub struct Options<'a> {
    /// Take only packages of these signers; without, each must be whole and signed by whatever certificate it
    /// carries.
    pub trust: Option<&'a TrustStore>,
    /// Read every file, also those that look unchanged, and forget the revocation lists of the index before.
    pub full: bool,
    /// Give every package file its canonical name.
    pub rename: bool,
    /// Files with revocation lists (DER or PEM) to publish beside those that lie in the folder.
    pub crls: &'a [PathBuf],
    /// How long to wait for another run on the same folder.
    pub wait: Duration,
}

/// Why a folder could not be indexed; the index that was there is as it was.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    #[error("cannot read the repository {path}")]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{path} is not a folder")]
    NotAFolder { path: PathBuf },
    #[error("another run is indexing {path}")]
    Busy { path: PathBuf },
    #[error("{path} is no revocation list that can be published")]
    Crl {
        path: PathBuf,
        #[source]
        source: CrlError,
    },
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

impl Hint for FolderError {
    fn hints(&self) -> Vec<String> {
        match self {
            Self::Write { source, .. } if source.kind() == std::io::ErrorKind::StorageFull => {
                vec!["free some space and try again; nothing was changed".to_owned()]
            }
            Self::NotAFolder { .. } => vec!["give the folder that holds the .wapt files".to_owned()],
            Self::Busy { .. } => vec!["wait for it to end and try again; nothing was changed".to_owned()],
            Self::Read { .. } | Self::Crl { .. } | Self::Index { .. } | Self::Write { .. } => Vec::new(),
        }
    }
}

/// What indexing a folder gave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Indexed {
    /// Rows in the index.
    pub packages: usize,
    /// Of these, rows kept from the index before.
    pub kept: usize,
    /// Certificates in the index.
    pub certificates: usize,
    /// Revocation lists in the index.
    pub crls: usize,
    /// Icons written.
    pub icons: usize,
    /// Icons of no package that were removed.
    pub icons_removed: usize,
    /// Files that got their canonical name, old name first.
    pub renamed: Vec<(String, String)>,
    /// Size of the index, in bytes.
    pub size: usize,
    /// The index that was there shows all this already and was not written again.
    pub unchanged: bool,
    pub left_out: Vec<LeftOut>,
}

/// A file that is not in the index, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    pub filename: String,
    pub reason: String,
}

/// Brings the index and the icons of a folder in line with its package files. `progress` hears how many files
/// are done, of how many.
///
/// # Errors
/// The folder cannot be read or written, or another run works on it for too long.
pub fn update(
    folder: &Path,
    options: &Options<'_>,
    now: Timestamp,
    mut progress: impl FnMut(usize, usize),
) -> Result<Indexed, FolderError> {
    let metadata = fs_err::metadata(folder).map_err(|source| unreadable(folder, source))?;
    if !metadata.is_dir() {
        return Err(FolderError::NotAFolder {
            path: folder.to_owned(),
        });
    }
    let _lock = Lock::take(folder, options.wait)?;
    place::clear_leftovers(folder);
    let listed_at = place::folder_time(folder)?;
    let former = Former::read(&folder.join(INDEX_NAME));
    let mut outcome = Indexed::default();
    let mut members = TrustMembers::default();
    if let Some(former) = &former {
        members.add_former(former, !options.full);
    }
    members.add_files(folder, options.crls, &mut outcome.left_out)?;
    let trust = options
        .trust
        .map(|trust| trust.clone().with_crls(members.crls().cloned()));
    let files = package_files(folder)?;
    let known = former.as_ref().filter(|_former| !options.full);
    let mut rows = Vec::with_capacity(files.len());
    for (done, filename) in files.iter().enumerate() {
        progress(done, files.len());
        let kept = known
            .and_then(|former| former.unchanged(folder, filename))
            .filter(|row| {
                trust
                    .as_ref()
                    .is_none_or(|trust| members.is_trusted(row, trust, now))
            });
        if let Some(row) = kept {
            outcome.kept += 1;
            rows.push(row.clone());
            continue;
        }
        match read_package(&folder.join(filename), trust.as_ref(), now)
            .and_then(|package| Ok((row_of(&package, filename)?, package)))
        {
            Ok((row, package)) if row.control.section_kind().is_ok_and(Section::is_indexed) => {
                members.add_chain(package.signer_chain());
                outcome.icons += usize::from(icons::write(folder, &package)?);
                rows.push(row);
            }
            Ok((row, _package)) => outcome.left_out.push(LeftOut {
                filename: filename.clone(),
                reason: format!("a {} package is not listed", row.control.section()),
            }),
            Err(error) => outcome.left_out.push(LeftOut {
                filename: filename.clone(),
                reason: chain(&error),
            }),
        }
    }
    progress(files.len(), files.len());
    if options.rename {
        rename(folder, &mut rows, &mut outcome)?;
    }
    rows.sort_by(|a, b| {
        let by_name = a.control.package().cmp(b.control.package());
        by_name
            .then_with(|| compare_text(a.control.version(), b.control.version()))
            .then_with(|| a.filename.cmp(&b.filename))
    });
    let certificates = members.needed(&rows);
    let crls = members.crls_in_force(options.trust, now, &mut outcome.left_out);
    outcome.packages = rows.len();
    outcome.certificates = certificates.len();
    outcome.crls = crls.len();
    outcome.icons_removed = icons::remove_orphans(folder, &rows)?;
    if let Some(former) = &former
        && former.shows(&rows, &certificates, &crls)
    {
        outcome.unchanged = true;
        outcome.size = former.size;
        // Files that were read again and found the same are older than the index from now on.
        if outcome.kept < rows.len() {
            place::touch(folder, listed_at)?;
        }
        return Ok(outcome);
    }
    let bytes = super::write(&rows, &certificates, &crls, now).map_err(|source| FolderError::Index {
        path: folder.to_owned(),
        source,
    })?;
    place::replace_index(folder, &bytes, listed_at)?;
    outcome.size = bytes.len();
    Ok(outcome)
}

fn unreadable(folder: &Path, source: std::io::Error) -> FolderError {
    FolderError::Read {
        path: folder.to_owned(),
        source,
    }
}

/// The package files of a folder, sorted.
pub(super) fn package_files(folder: &Path) -> Result<Vec<String>, FolderError> {
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

fn row_of(package: &Package<Verified>, filename: &str) -> Result<IndexEntry, PackageError> {
    let digests = package.digests()?;
    Ok(IndexEntry {
        control: package.control().clone(),
        filename: filename.to_owned(),
        size: package.size(),
        md5sum: digests.md5,
        sha256sum: Some(digests.sha256),
        repository: String::new(),
    })
}

/// Gives files their canonical names. A name that another file has stays free for that one.
fn rename(folder: &Path, rows: &mut [IndexEntry], outcome: &mut Indexed) -> Result<(), FolderError> {
    let mut taken: BTreeSet<String> = rows.iter().map(|row| row.filename.clone()).collect();
    for row in rows {
        let wanted = canonical_filename(&row.control, None);
        if wanted == row.filename || !is_package_filename(&wanted) {
            continue;
        }
        let target = folder.join(&wanted);
        if taken.contains(&wanted) || target.exists() {
            outcome.left_out.push(LeftOut {
                filename: row.filename.clone(),
                reason: format!("keeps its name: another file is already called {wanted}"),
            });
            continue;
        }
        fs_err::rename(folder.join(&row.filename), &target)
            .map_err(|source| FolderError::Write { path: target, source })?;
        taken.remove(&row.filename);
        taken.insert(wanted.clone());
        let former = std::mem::replace(&mut row.filename, wanted.clone());
        outcome.renamed.push((former, wanted));
    }
    Ok(())
}
