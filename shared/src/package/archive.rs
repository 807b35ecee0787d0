//! What an archive claims, within limits: checked names and capped sizes, before anything is decompressed.

use std::collections::BTreeSet;
use std::io::{Read, Seek};
use std::ops::Bound;

use super::directory::{self, Row};
use super::entry_name::{self, NameProblem};
use super::error::PackageError;

/// How much an archive may claim before it is refused (security.md row 4).
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    pub entries: usize,
    pub directory_bytes: u64,
    /// Size of one member after decompression.
    pub entry_bytes: u64,
    /// Size of all members after decompression.
    pub total_bytes: u64,
    /// Members may grow to this many times the size of the file, once they are larger than 64 MiB in all.
    pub ratio: u64,
}

impl Default for Limits {
    fn default() -> Self {
        const GIB: u64 = 1024 * 1024 * 1024;
        Self {
            entries: 100_000,
            directory_bytes: 16 * 1024 * 1024,
            entry_bytes: 32 * GIB,
            total_bytes: 64 * GIB,
            ratio: 200,
        }
    }
}

/// Archives smaller than this after decompression are never refused for their ratio.
const RATIO_MATTERS_FROM: u64 = 64 * 1024 * 1024;

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// With `/` between components, checked by [`entry_name::check`]; a folder's ends with `/`.
    pub name: String,
    /// Size after decompression, as the directory says; reading never goes past it.
    pub size: u64,
    /// Where its bytes lie, as [`directory::read`] checked.
    pub(super) data_start: u64,
    pub(super) compressed: u64,
    pub(super) is_deflated: bool,
    pub(super) crc: u32,
    /// Time and date, as MS-DOS has them.
    pub(super) modified: u32,
    /// The system that made it, and its attributes there.
    pub(super) system: u8,
    pub(super) external: u32,
}

impl Entry {
    /// The member is a folder.
    pub fn is_dir(&self) -> bool {
        self.name.ends_with('/')
    }
}

/// Reads the directory of an archive and checks everything that it claims.
///
/// # Errors
/// The first limit or rule that is broken.
pub fn entries<R: Read + Seek>(
    reader: &mut R,
    file_size: u64,
    limits: &Limits,
) -> Result<Vec<Entry>, PackageError> {
    let rows = directory::read(reader, file_size, limits)?;
    let mut total = 0_u64;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let name = checked_name(&row)?;
        if row.size > limits.entry_bytes {
            return Err(PackageError::Limit(format!("{name} has {} bytes", row.size)));
        }
        total = total.saturating_add(row.size);
        if total > limits.total_bytes {
            return Err(PackageError::Limit(format!(
                "more than {} bytes after decompression",
                limits.total_bytes
            )));
        }
        entries.push(Entry {
            name,
            size: row.size,
            data_start: row.data_start,
            compressed: row.compressed,
            is_deflated: row.method == 8,
            crc: row.crc,
            modified: row.modified,
            system: row.system,
            external: row.external,
        });
    }
    if total > RATIO_MATTERS_FROM && total / limits.ratio > file_size {
        return Err(PackageError::Limit(format!(
            "{file_size} bytes grow to {total}, more than {} times",
            limits.ratio
        )));
    }
    check_clashes(&entries)?;
    Ok(entries)
}

/// The name of a row, after every check that looks at one row alone.
fn checked_name(row: &Row) -> Result<String, PackageError> {
    const UTF8: u16 = 0x800;
    const ENCRYPTED: u16 = 0x1 | 0x40 | 0x2000;
    let shown = String::from_utf8_lossy(&row.name).into_owned();
    let refused = |problem| PackageError::Name {
        name: shown.clone(),
        problem,
    };
    let name = String::from_utf8(row.name.clone()).map_err(|_error| refused(NameProblem::NotUtf8))?;
    // Without the flag, bytes above ASCII are in some code page that the reader can only guess.
    if row.flags & UTF8 == 0 && !name.is_ascii() {
        return Err(refused(NameProblem::NotUtf8));
    }
    entry_name::check(&name).map_err(refused)?;
    if row.flags & ENCRYPTED != 0 {
        return Err(PackageError::NotZip(format!("{name} is encrypted")));
    }
    if row.method != 0 && row.method != 8 {
        return Err(PackageError::NotZip(format!(
            "{name} is compressed by method {}, only stored and deflated are read",
            row.method
        )));
    }
    if row.method == 0 && row.compressed != row.size {
        return Err(PackageError::NotZip(format!("{name} is stored with two sizes")));
    }
    // The upper half holds the Unix mode when the archive was made on Unix (3) or macOS (19).
    if row.system == 3 || row.system == 19 {
        match (row.external >> 16) & 0o170_000 {
            0 | 0o100_000 => {}
            0o040_000 if name.ends_with('/') => {}
            0o120_000 => return Err(refused(NameProblem::Link)),
            _ => return Err(refused(NameProblem::SpecialFile)),
        }
    }
    Ok(name)
}

/// No two members that one file system could take for the same file, and no file that is also a folder. Holds one
/// copy of each name and nothing more, whatever the names look like.
fn check_clashes(entries: &[Entry]) -> Result<(), PackageError> {
    let mut names = BTreeSet::new();
    for entry in entries {
        if !names.insert(entry_name::fold(&entry.name)) && !entry.is_dir() {
            return Err(PackageError::Name {
                name: entry.name.clone(),
                problem: NameProblem::Duplicate,
            });
        }
    }
    for entry in entries.iter().filter(|entry| !entry.is_dir()) {
        // Whatever lies below a folder follows the folder's name in order.
        let as_folder = entry_name::fold(&entry.name) + "/";
        let from = (Bound::Included(as_folder.as_str()), Bound::Unbounded);
        let next = names.range::<str, _>(from).next();
        if next.is_some_and(|next| next.starts_with(&as_folder)) {
            return Err(PackageError::Name {
                name: entry.name.clone(),
                problem: NameProblem::FileAndFolder,
            });
        }
    }
    Ok(())
}
