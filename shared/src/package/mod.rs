//! The `.wapt` file: a zip with payload, control, certificate, manifest and two signatures (formats.md §1).
//!
//! Parties: a *packager* signs the control attributes and the manifest with the same key; whoever stores or
//! carries the file is not trusted. [`Package<Unverified>`] can only be looked at; [`Package::verify`] turns
//! it into a [`Package<Verified>`], and only that one can be unpacked.

pub mod archive;
pub mod build;
mod directory;
pub mod entry_name;
mod error;
pub mod filename;
pub mod manifest;
mod output;
pub mod sign;
mod verify;

use std::io::BufReader;
use std::path::{Path, PathBuf};

use fs_err::File;

pub use archive::{Entry, Limits};
pub use error::PackageError;
pub use verify::{Unverified, Verified, check_control};

use crate::control::Control;

/// Where the metadata of a package lies inside the archive.
pub mod member {
    /// Metadata.
    pub const CONTROL: &str = "WAPT/control";
    /// The signer's certificate, then its intermediates.
    pub const CERTIFICATE: &str = "WAPT/certificate.crt";
    /// Names and SHA-256 of every other member.
    pub const MANIFEST: &str = "WAPT/manifest.sha256";
    /// Signature over the manifest.
    pub const SIGNATURE: &str = "WAPT/signature.sha256";
    /// SHA-1 twins of old packages: tolerated, never trusted.
    pub const MANIFEST_SHA1: &str = "WAPT/manifest.sha1";
    /// See [`MANIFEST_SHA1`].
    pub const SIGNATURE_SHA1: &str = "WAPT/signature";
    /// 48×48 picture.
    pub const ICON: &str = "WAPT/icon.png";
    /// The script.
    pub const SETUP: &str = "setup.py";
    /// The script that fetches new versions, for packagers.
    pub const UPDATE: &str = "update_package.py";
    /// Members that the manifest does not list.
    pub const UNLISTED: [&str; 4] = [MANIFEST, SIGNATURE, MANIFEST_SHA1, SIGNATURE_SHA1];
}

/// A package file that is open; `S` says what is known of it.
pub struct Package<S> {
    path: PathBuf,
    file: File,
    size: u64,
    entries: Vec<Entry>,
    control: Control,
    state: S,
}

impl<S> Package<S> {
    /// The file as it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Size of the file, in bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Every member of the archive, in its order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// A member with this very name.
    fn entry(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.name == name)
    }

    /// Reads a whole member of at most `limit` bytes.
    fn read_member(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PackageError> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        let mut archive = self.zip()?;
        archive::read_entry(&mut archive, entry, limit).map(Some)
    }

    fn zip(&self) -> Result<zip::ZipArchive<BufReader<&std::fs::File>>, PackageError> {
        archive::open_zip(BufReader::with_capacity(64 * 1024, self.file.file()))
    }
}

impl<S> std::fmt::Debug for Package<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Package")
            .field("path", &self.path)
            .field("package", &self.control.package())
            .field("version", &self.control.version())
            .finish_non_exhaustive()
    }
}
