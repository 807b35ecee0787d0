//! A repository that packages are read from: another organisation's, the own server's, or a folder of files.
//!
//! Parties: the *repository* is not believed, whoever runs it; its *signers* are those of a trust folder kept
//! for this repository alone. Order of checks for a file: its size is the one of the index row (a download
//! stops there), the archive's directory and names hold within limits, the signature fits and its signer is
//! trusted for this repository, its control is that of the row, MD5 and SHA-256 are those of the row.
//! Without a trust folder a caller must say so, and only wholeness is checked.

mod download;
mod error;
mod folder;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use muster_shared::control::Control;
use muster_shared::crypto::tls::ServerTrust;
use muster_shared::crypto::{Certificate, TrustStore};
use muster_shared::index::check::first_difference;
use muster_shared::index::{self, IndexEntry, IndexLimits};
use muster_shared::package::{Package, PackageError, Unverified, Verified};

pub use self::download::Web;
pub use self::error::RepositoryAccessError;

/// Whose packages of a repository are taken.
#[derive(Debug, Clone)]
pub enum SignerTrust {
    /// Those signed by these certificates, or by what they issued.
    Signers(TrustStore),
    /// Whole packages of anybody; the person has said so.
    Unverified,
}

impl SignerTrust {
    /// Only known signers are taken.
    pub fn is_verified(&self) -> bool {
        matches!(self, Self::Signers(_))
    }
}

/// Where a repository is.
#[derive(Debug)]
pub enum Place {
    Web(Box<Web>),
    /// With an index `Packages`, or only with package files.
    Folder(PathBuf),
    /// One package file.
    File(PathBuf),
}

/// A repository that can be listed and read.
#[derive(Debug)]
pub struct ExternalRepository {
    /// As shown to people.
    pub name: String,
    pub place: Place,
    pub trust: SignerTrust,
}

/// What a repository offers.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    pub entries: Vec<IndexEntry>,
    /// Certificates that the index brings along; untrusted.
    pub certificates: Vec<Certificate>,
    /// Revocation lists that the index or the folder brings along, DER; untrusted.
    pub crls: Vec<Vec<u8>>,
    /// Rows and files left out, each with its reason.
    pub left_out: Vec<String>,
}

/// A package file of a repository that passed its checks. A downloaded one goes away with this value.
#[derive(Debug)]
pub struct Fetched {
    pub package: Package<Verified>,
    _download: Option<tempfile::NamedTempFile>,
}

impl Place {
    /// The place that a text names: an address, a folder or a package file.
    ///
    /// # Errors
    /// It is none of these.
    pub fn parse(
        text: &str,
        trust: Option<ServerTrust>,
        proxy: Option<&str>,
    ) -> Result<Self, RepositoryAccessError> {
        if text.contains("://") {
            return Web::new(text, trust, proxy).map(|web| Self::Web(Box::new(web)));
        }
        let path = PathBuf::from(text);
        if path.is_dir() {
            Ok(Self::Folder(path))
        } else if path.is_file() {
            Ok(Self::File(path))
        } else if text.contains(['/', '\\', '.']) {
            Err(RepositoryAccessError::NoRepository { path })
        } else {
            Err(RepositoryAccessError::Address(text.to_owned()))
        }
    }
}

impl ExternalRepository {
    /// Reads what the repository offers. The revocation lists that it brings along and that a trusted CA signed
    /// count from then on: what they revoke is not fetched.
    ///
    /// # Errors
    /// It does not answer, or its index cannot be read.
    pub async fn list(&mut self, now: Timestamp) -> Result<Listing, RepositoryAccessError> {
        let listing = match &self.place {
            Place::Web(web) => {
                let bytes = web.index(&self.name).await?;
                self.read_index(&bytes)?
            }
            Place::Folder(path) => {
                let index = path.join("Packages");
                if index.is_file() {
                    let bytes = folder::read_index(&index)?;
                    self.read_index(&bytes)?
                } else {
                    folder::list(path)?
                }
            }
            Place::File(path) => folder::list_file(path)?,
        };
        if let SignerTrust::Signers(store) = &mut self.trust {
            // A list that cannot be read or that nobody trusted signed says nothing.
            let (lists, _unreadable) =
                store.read_crls(listing.crls.iter().map(Vec::as_slice), &listing.certificates, now);
            store.add_crls(lists);
        }
        Ok(listing)
    }

    /// Whether only the files themselves say what there is, and no index.
    pub fn is_loose(&self) -> bool {
        match &self.place {
            Place::Web(_) => false,
            Place::Folder(path) => !path.join("Packages").is_file(),
            Place::File(_) => true,
        }
    }

    /// Takes the rows out of the listing of loose files whose file is refused, each with the reason. Of several
    /// files of one package, a bad one must not hide behind a good one.
    pub fn sort_out(
        &self,
        listing: &mut Listing,
        now: Timestamp,
        mut is_wanted: impl FnMut(&Control) -> bool,
    ) -> Vec<(IndexEntry, RepositoryAccessError)> {
        let folder = match &self.place {
            Place::Folder(path) if self.is_loose() => path.as_path(),
            Place::File(path) => path.parent().unwrap_or(Path::new("")),
            Place::Folder(_) | Place::Web(_) => return Vec::new(),
        };
        let mut refused = Vec::new();
        listing.entries.retain(|entry| {
            if !is_wanted(&entry.control) {
                return true;
            }
            match verify_file(&folder.join(&entry.filename), &self.trust, now) {
                Ok(_whole) => true,
                Err(source) => {
                    refused.push((entry.clone(), self.refused(entry, source)));
                    false
                }
            }
        });
        refused
    }

    fn read_index(&self, bytes: &[u8]) -> Result<Listing, RepositoryAccessError> {
        let index =
            index::read(bytes, &IndexLimits::default()).map_err(|source| RepositoryAccessError::Index {
                repository: self.name.clone(),
                source,
            })?;
        let certificates = index.certificates.iter().filter_map(|pem| {
            let text = std::str::from_utf8(pem).ok()?;
            Certificate::chain_from_pem(text).ok()
        });
        Ok(Listing {
            certificates: certificates.flatten().collect(),
            left_out: index.rejected.iter().map(ToString::to_string).collect(),
            crls: index.crls,
            entries: index.entries,
        })
    }

    /// Gets one package file and checks it; see the module's text. `progress` hears bytes read and in all.
    ///
    /// # Errors
    /// The first check that fails; nothing is kept then.
    pub async fn fetch(
        &self,
        entry: &IndexEntry,
        now: Timestamp,
        progress: impl FnMut(u64, u64),
    ) -> Result<Fetched, RepositoryAccessError> {
        let (path, download) = match &self.place {
            Place::Web(web) => {
                let file = web.package(&self.name, entry, progress).await?;
                (file.path().to_owned(), Some(file))
            }
            Place::Folder(folder) => (folder.join(&entry.filename), None),
            Place::File(path) => (path.clone(), None),
        };
        let package = verify_file(&path, &self.trust, now).map_err(|source| self.refused(entry, source))?;
        self.compare(entry, &package)?;
        Ok(Fetched {
            package,
            _download: download,
        })
    }

    fn compare(&self, entry: &IndexEntry, package: &Package<Verified>) -> Result<(), RepositoryAccessError> {
        let differs = |what: &str| RepositoryAccessError::Differs {
            repository: self.name.clone(),
            filename: entry.filename.clone(),
            what: what.to_owned(),
        };
        // The package was chosen for what its row says, and nobody signed the row.
        if let Some(attribute) = first_difference(entry, package.control()) {
            return Err(differs(&attribute));
        }
        if package.size() != entry.size {
            return Err(differs("size"));
        }
        if entry.md5sum.is_empty() && entry.sha256sum.is_none() {
            return Ok(());
        }
        let digests = package.digests().map_err(|source| self.refused(entry, source))?;
        if !entry.md5sum.is_empty() && !entry.md5sum.eq_ignore_ascii_case(&digests.md5) {
            return Err(differs("MD5"));
        }
        match &entry.sha256sum {
            Some(sum) if !sum.eq_ignore_ascii_case(&digests.sha256) => Err(differs("SHA-256")),
            _ => Ok(()),
        }
    }

    fn refused(&self, entry: &IndexEntry, source: PackageError) -> RepositoryAccessError {
        RepositoryAccessError::Refused {
            filename: entry.filename.clone(),
            repository: self.name.clone(),
            source: Box::new(source),
        }
    }
}

/// Verifies a package file against the signers trusted for it, or only that it is whole.
///
/// # Errors
/// The first check that fails.
pub fn verify_file(
    path: &Path,
    trust: &SignerTrust,
    now: Timestamp,
) -> Result<Package<Verified>, PackageError> {
    let package = Package::<Unverified>::open(path)?;
    match trust {
        SignerTrust::Signers(store) => package.verify(store, now),
        SignerTrust::Unverified => {
            let carried = package.certificates()?;
            // Nobody vouches for the signer, so its dates prove nothing either: an old package counts as whole.
            let at = carried.first().map_or(now, |leaf| {
                now.clamp(leaf.not_before(), leaf.not_after().max(leaf.not_before()))
            });
            package.verify(&TrustStore::new(carried), at)
        }
    }
}
