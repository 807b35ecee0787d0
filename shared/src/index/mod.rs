//! The `Packages` index of a repository: what it lists, and what was left out and why.
//!
//! A row read from an index is not trusted by that: whoever uses it checks the signature of its control
//! and, after the download, its hashes.

pub mod check;
pub mod folder;
mod read;
mod text;
mod write;

use std::fmt;

use serde::{Deserialize, Serialize};
use thiserror::Error;

pub use self::read::{IndexFile, IndexLimits, read};
pub use self::text::RawRow;
pub use self::write::{to_text, write};
use crate::control::{Control, ControlError};
use crate::crypto::CertificateError;
use crate::version::VersionError;

/// What an index holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// The rows that can be used, in their order.
    pub entries: Vec<IndexEntry>,
    /// The rows left out, in their order.
    pub rejected: Vec<RejectedRow>,
    /// The certificates of the signers and their issuers, PEM; untrusted.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation lists, DER; untrusted.
    pub crls: Vec<Vec<u8>>,
}

/// One package of a repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexEntry {
    /// The attributes of the package.
    pub control: Control,
    /// The name of its file beside the index: one path component.
    pub filename: String,
    /// The size of the file, in bytes.
    pub size: u64,
    /// MD5 of the file, lower-case hex: what older agents check.
    pub md5sum: String,
    /// SHA-256 of the file, lower-case hex, when the repository gives it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256sum: Option<String>,
    /// The repository that listed it, for whoever reads several; no index carries it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub repository: String,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedRow {
    /// The line of the index on which the row starts, from 1.
    pub line: usize,
    /// The package it names, if it can be read.
    pub package: String,
    /// The version it names, if it can be read.
    pub version: String,
    /// Why it is left out.
    pub reason: RowError,
}

impl fmt::Display for RejectedRow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "line {}: ", self.line)?;
        if !self.package.is_empty() {
            write!(formatter, "{} {}: ", self.package, self.version)?;
        }
        write!(formatter, "{}", crate::hint::chain(&self.reason))
    }
}

/// Why one row is left out.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RowError {
    /// The row is larger than any control.
    #[error("the row has {size} bytes, at most {limit} are read")]
    TooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The attributes cannot be read.
    #[error("the attributes cannot be read")]
    Control(#[source] ControlError),
    /// No package is named.
    #[error("the row names no package")]
    NoPackage,
    /// The version is not valid.
    #[error("the version is not valid")]
    Version(#[source] VersionError),
    /// The file name is missing, or is more than the name of a package file.
    #[error("{0:?} is not the name of a package file")]
    Filename(String),
    /// The size is missing or not a number of bytes.
    #[error("{0:?} is not a size in bytes")]
    Size(String),
    /// A hash is missing or does not look like one.
    #[error("{attribute} is not {digits} hexadecimal digits: {value:?}")]
    Hash {
        /// Which hash.
        attribute: &'static str,
        /// How many digits it has.
        digits: usize,
        /// What the row says.
        value: String,
    },
}

/// Why an index cannot be read or written.
#[derive(Debug, Error)]
pub enum IndexError {
    /// The file is larger than allowed.
    #[error("the index has {size} bytes, at most {limit} are read")]
    FileTooLarge {
        /// Its size in bytes.
        size: usize,
        /// The most allowed.
        limit: usize,
    },
    /// The file is not a zip archive.
    #[error("the index is not a zip archive that can be read")]
    Archive(#[source] zip::result::ZipError),
    /// The archive has more members than allowed.
    #[error("the index has {count} members or more, at most {limit} are read")]
    TooManyMembers {
        /// How many were counted.
        count: usize,
        /// The most allowed.
        limit: usize,
    },
    /// A member inflates to more than allowed.
    #[error("{member:?} in the index is larger than {limit} bytes")]
    MemberTooLarge {
        /// Which one.
        member: String,
        /// The most allowed, in bytes.
        limit: u64,
    },
    /// A member cannot be read.
    #[error("{member:?} in the index cannot be read")]
    Member {
        /// Which one.
        member: String,
        /// What went wrong.
        #[source]
        source: std::io::Error,
    },
    /// The list of packages is not there.
    #[error("the index has no member \"Packages\"")]
    NoPackages,
    /// The list of packages has more rows than allowed.
    #[error("the index lists more than {limit} packages")]
    TooManyRows {
        /// The most allowed.
        limit: usize,
    },
    /// A certificate to be published cannot be read.
    #[error("certificate {position} of the index cannot be read")]
    Certificate {
        /// Its place in the list, from 1.
        position: usize,
        /// What is wrong with it.
        #[source]
        source: CertificateError,
    },
    /// A revocation list to be published cannot be read, or does not name its issuer's key.
    #[error("revocation list {position} of the index cannot be read or names no issuer key")]
    Crl {
        /// Its place in the list, from 1.
        position: usize,
    },
    /// The archive cannot be written.
    #[error("the index cannot be written")]
    Write(#[source] std::io::Error),
}

/// Whether a text can be the name of a package file beside an index.
pub fn is_package_filename(name: &str) -> bool {
    let is_refused = |character: char| character.is_control() || matches!(character, '/' | '\\' | ':');
    name.strip_suffix(".wapt").is_some_and(|stem| !stem.is_empty())
        && name.len() <= 255
        && !name.starts_with('.')
        && !name.contains("..")
        && !name.chars().any(is_refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_is_one_harmless_component() {
        assert!(is_package_filename("tis-a_1.0-1_x64.wapt"));
        assert!(is_package_filename("éclair_1.wapt"));
        for name in [
            "",
            ".wapt",
            "a",
            "../a.wapt",
            "a/b.wapt",
            "a\\b.wapt",
            "c:a.wapt",
            "a..wapt",
            "a\nb.wapt",
        ] {
            assert!(!is_package_filename(name), "{name:?}");
        }
    }
}
