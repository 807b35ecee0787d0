//! The index that is there already: which of its rows still hold, and whether it needs to be written at all.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;
use std::time::SystemTime;

use crate::index::{self, Index, IndexEntry, IndexLimits};

/// The index before.
pub(super) struct Former {
    index: Index,
    /// By file name: the place in `index.entries`.
    places: BTreeMap<String, usize>,
    modified: SystemTime,
    /// In bytes.
    pub(super) size: usize,
}

impl Former {
    /// `None` when there is none that can be used: then every file is read.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let metadata = fs_err::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        let modified = metadata.modified().ok()?;
        let limits = IndexLimits::default();
        let mut bytes = Vec::new();
        let file = fs_err::File::open(path).ok()?;
        file.take(limits.max_file_bytes as u64 + 1)
            .read_to_end(&mut bytes)
            .ok()?;
        let index = index::read(&bytes, &limits).ok()?;
        let places = index
            .entries
            .iter()
            .enumerate()
            .map(|(place, row)| (row.filename.clone(), place))
            .collect();
        Some(Self {
            index,
            places,
            modified,
            size: bytes.len(),
        })
    }

    pub(super) fn certificates(&self) -> &[Vec<u8>] {
        &self.index.certificates
    }

    pub(super) fn crls(&self) -> &[Vec<u8>] {
        &self.index.crls
    }

    /// The row of a file that is older than the index and as large as the row says. Rows that an older program
    /// wrote without SHA-256 do not count.
    pub(super) fn unchanged(&self, folder: &Path, filename: &str) -> Option<&IndexEntry> {
        let row = self.index.entries.get(*self.places.get(filename)?)?;
        row.sha256sum.as_ref()?;
        let metadata = fs_err::metadata(folder.join(filename)).ok()?;
        let is_older = metadata.modified().ok()? < self.modified;
        (is_older && metadata.is_file() && metadata.len() == row.size).then_some(row)
    }

    /// Nothing would change if it were written again.
    pub(super) fn shows(&self, rows: &[IndexEntry], certificates: &[Vec<u8>], crls: &[Vec<u8>]) -> bool {
        self.index.rejected.is_empty()
            && self.index.entries == rows
            && same(&self.index.certificates, certificates)
            && same(&self.index.crls, crls)
    }
}

/// The same members, in whatever order.
fn same(one: &[Vec<u8>], other: &[Vec<u8>]) -> bool {
    let sorted = |members: &[Vec<u8>]| {
        let mut members: Vec<Vec<u8>> = members.to_vec();
        members.sort();
        members
    };
    one.len() == other.len() && sorted(one) == sorted(other)
}
