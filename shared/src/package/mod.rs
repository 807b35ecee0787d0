//! The `.wapt` file: a zip with payload, control, certificate, manifest and two signatures (formats.md §1).
//!
//! Parties: a *packager* signs the control attributes and the manifest with the same key; whoever stores or
//! carries the file is not trusted. [`Package<Unverified>`] can only be looked at; [`Package::verify`] turns
//! it into a [`Package<Verified>`], and only that one can be unpacked.

pub mod archive;
pub mod build;
pub mod content;
mod directory;
pub mod encrypted;
pub mod entry_name;
mod error;
pub mod filename;
mod lone;
pub mod manifest;
mod members;
mod output;
pub mod script_text;
pub mod sign;
mod twins;
mod verify;

use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use fs_err::File;

pub use archive::{Entry, Limits};
pub use error::PackageError;
pub use twins::Sha1Twins;
pub use verify::{Digests, Unverified, Verified, check_control};

use self::members::Members;
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
    /// Windows Update rules of the sections `wsus` and `waptwua`.
    pub const UPDATE_RULES: &str = "WAPT/waptwua_rules.json";
    /// Self-service rules of the section `selfservice`.
    pub const SELF_SERVICE: &str = "WAPT/selfservice.json";
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
    /// The whole file, when it is small: then it is read once, and what is verified is what is hashed.
    whole: Option<Vec<u8>>,
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

    /// Reads a whole member of at most `limit` bytes; nothing about it is checked.
    ///
    /// # Errors
    /// The member is larger, or the archive is damaged there.
    pub fn read_member(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, PackageError> {
        let Some(entry) = self.entry(name) else {
            return Ok(None);
        };
        self.members().read(entry, limit).map(Some)
    }

    /// The content of the members.
    fn members(&self) -> Members<Source<'_>> {
        Members::new(self.source())
    }

    /// The file's bytes from its beginning.
    fn source(&self) -> Source<'_> {
        match &self.whole {
            Some(bytes) => Source::Memory(Cursor::new(bytes)),
            None => Source::File(self.file.file()),
        }
    }

    /// The same in larger steps, to copy members without decompressing them.
    fn raw(&self) -> BufReader<Source<'_>> {
        BufReader::with_capacity(64 * 1024, self.source())
    }
}

/// Where the bytes of a package come from.
enum Source<'a> {
    File(&'a std::fs::File),
    Memory(Cursor<&'a Vec<u8>>),
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::File(file) => file.read(buffer),
            Self::Memory(bytes) => bytes.read(buffer),
        }
    }
}

impl Seek for Source<'_> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        match self {
            Self::File(file) => file.seek(to),
            Self::Memory(bytes) => bytes.seek(to),
        }
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
