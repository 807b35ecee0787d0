//! Compound files (the container of MSI): lists and reads streams, bounded by the size of the file.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use super::{Bad, Numbers as _, bad, read_at};

const FREE: u32 = 0xffff_ffff;
const END_OF_CHAIN: u32 = 0xffff_fffe;
/// Numbers from here on are marks, not sectors.
const FIRST_MARK: u32 = 0xffff_fffa;
const ENTRY_BYTES: usize = 128;
const MAX_ENTRIES: usize = 65_536;
/// FAT of a file of 8 GiB with sectors of 512 bytes.
const MAX_FAT_ENTRIES: usize = 16 << 20;
/// Shorter streams lie in the small sectors.
const MINI_CUTOFF: u64 = 4096;
const MINI_SECTOR: u64 = 64;

/// A stream of the root storage.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    /// UTF-16 units of its name, without the end mark.
    pub(super) name: Vec<u16>,
    start: u32,
    pub(super) size: u64,
}

/// An open compound file.
pub(super) struct Compound<R> {
    reader: R,
    sector_bytes: u64,
    file_bytes: u64,
    fat: Vec<u32>,
    mini_fat: Vec<u32>,
    /// Sectors that hold the small sectors.
    mini_sectors: Vec<u32>,
    pub(super) streams: Vec<Stream>,
}

struct Entry {
    name: Vec<u16>,
    kind: u8,
    left: u32,
    right: u32,
    child: u32,
    start: u32,
    size: u64,
}

impl<R: Read + Seek> Compound<R> {
    pub(super) fn open(mut reader: R) -> Result<Self, Bad> {
        let file_bytes = reader.seek(SeekFrom::End(0))?;
        let header = read_at(&mut reader, 0, 512)?;
        let field = |offset| header.u32_at(offset).unwrap_or(FREE);
        let sector_bytes = match header.u16_at(30) {
            Some(9) => 512,
            Some(12) => 4096,
            _ => return bad("its sectors have an unknown size"),
        };
        let mut compound = Self {
            reader,
            sector_bytes,
            file_bytes,
            fat: Vec::new(),
            mini_fat: Vec::new(),
            mini_sectors: Vec::new(),
            streams: Vec::new(),
        };
        let fat_sectors = compound.fat_sectors(&header, field(68))?;
        for sector in fat_sectors {
            let bytes = compound.sector(sector)?;
            compound.fat.extend(numbers(&bytes));
            if compound.fat.len() > MAX_FAT_ENTRIES {
                return bad("its allocation table is too large");
            }
        }
        for sector in compound.chain(field(60))? {
            let bytes = compound.sector(sector)?;
            compound.mini_fat.extend(numbers(&bytes));
        }
        let entries = compound.entries(field(48))?;
        let Some(root) = entries.first().filter(|entry| entry.kind == 5) else {
            return bad("it has no root");
        };
        compound.mini_sectors = compound.chain(root.start)?;
        compound.streams = children(&entries, root.child);
        Ok(compound)
    }

    /// The bytes of a stream, at most `limit`.
    pub(super) fn read(&mut self, stream: &Stream, limit: usize) -> Result<Vec<u8>, Bad> {
        if stream.size > limit as u64 {
            return bad("one of its tables is too large");
        }
        let wanted = usize::try_from(stream.size).unwrap_or(usize::MAX);
        let mut bytes = Vec::new();
        if stream.size < MINI_CUTOFF {
            let mut next = stream.start;
            while bytes.len() < wanted {
                bytes.extend(self.mini_sector(next)?);
                let Some(&after) = self.mini_fat.get(next as usize) else {
                    return bad("a chain of small sectors leaves its table");
                };
                next = after;
                if next == END_OF_CHAIN {
                    break;
                }
            }
        } else {
            let mut next = stream.start;
            while bytes.len() < wanted {
                bytes.extend(self.sector(next)?);
                next = self.next(next)?;
                if next == END_OF_CHAIN {
                    break;
                }
            }
        }
        if bytes.len() < wanted {
            return bad("one of its streams ends too early");
        }
        bytes.truncate(wanted);
        Ok(bytes)
    }

    fn fat_sectors(&mut self, header: &[u8], first_more: u32) -> Result<Vec<u32>, Bad> {
        let mut sectors: Vec<u32> = numbers(header.get(76..512).unwrap_or_default())
            .filter(|sector| *sector < FIRST_MARK)
            .collect();
        let mut more = first_more;
        let mut seen = BTreeSet::new();
        while more < FIRST_MARK {
            if !seen.insert(more) {
                return bad("its list of tables runs in a circle");
            }
            let bytes = self.sector(more)?;
            let last = bytes.len().saturating_sub(4);
            sectors
                .extend(numbers(bytes.get(..last).unwrap_or_default()).filter(|sector| *sector < FIRST_MARK));
            if sectors.len() > MAX_FAT_ENTRIES / 128 {
                return bad("its allocation table is too large");
            }
            more = bytes.u32_at(last).unwrap_or(FREE);
        }
        Ok(sectors)
    }

    fn sector(&mut self, number: u32) -> Result<Vec<u8>, Bad> {
        let offset = (u64::from(number) + 1) * self.sector_bytes;
        if number >= FIRST_MARK || offset >= self.file_bytes {
            return bad("it points outside itself");
        }
        // The last sector of a file may be cut.
        let length = self.sector_bytes.min(self.file_bytes - offset);
        let mut bytes = read_at(&mut self.reader, offset, usize::try_from(length).unwrap_or(0))?;
        bytes.resize(usize::try_from(self.sector_bytes).unwrap_or(0), 0);
        Ok(bytes)
    }

    fn mini_sector(&mut self, number: u32) -> Result<Vec<u8>, Bad> {
        let offset = u64::from(number) * MINI_SECTOR;
        let index = usize::try_from(offset / self.sector_bytes).unwrap_or(usize::MAX);
        let Some(&sector) = self.mini_sectors.get(index) else {
            return bad("it points outside its small sectors");
        };
        let bytes = self.sector(sector)?;
        let within = usize::try_from(offset % self.sector_bytes).unwrap_or(0);
        match bytes.part(within, 64) {
            Some(part) => Ok(part.to_vec()),
            None => bad("it points outside its small sectors"),
        }
    }

    fn next(&self, sector: u32) -> Result<u32, Bad> {
        match self.fat.get(sector as usize) {
            Some(&next) if next < FIRST_MARK || next == END_OF_CHAIN => Ok(next),
            _ => bad("a chain of sectors is broken"),
        }
    }

    /// All sectors of a chain; none for one that does not begin.
    fn chain(&self, start: u32) -> Result<Vec<u32>, Bad> {
        let mut sectors = Vec::new();
        let mut next = start;
        while next < FIRST_MARK {
            sectors.push(next);
            if sectors.len() > self.fat.len() {
                return bad("a chain of sectors runs in a circle");
            }
            next = self.next(next)?;
        }
        Ok(sectors)
    }

    fn entries(&mut self, start: u32) -> Result<Vec<Entry>, Bad> {
        let mut entries = Vec::new();
        for sector in self.chain(start)? {
            let bytes = self.sector(sector)?;
            entries.extend(
                bytes
                    .chunks_exact(ENTRY_BYTES)
                    .map(|bytes| entry(bytes, self.sector_bytes)),
            );
            if entries.len() > MAX_ENTRIES {
                return bad("it has too many streams");
            }
        }
        Ok(entries)
    }
}

fn numbers(bytes: &[u8]) -> impl Iterator<Item = u32> {
    bytes.chunks_exact(4).map(|chunk| chunk.u32_at(0).unwrap_or(FREE))
}

fn entry(bytes: &[u8], sector_bytes: u64) -> Entry {
    let field = |offset| bytes.u32_at(offset).unwrap_or(FREE);
    let name_bytes = usize::from(bytes.u16_at(64).unwrap_or(0))
        .min(64)
        .saturating_sub(2);
    let high = if sector_bytes == 512 {
        0
    } else {
        u64::from(field(124))
    };
    Entry {
        name: bytes
            .get(..name_bytes)
            .unwrap_or_default()
            .chunks_exact(2)
            .map(|unit| unit.u16_at(0).unwrap_or(0))
            .collect(),
        kind: bytes.get(66).copied().unwrap_or(0),
        left: field(68),
        right: field(72),
        child: field(76),
        start: field(116),
        size: (high << 32) | u64::from(field(120)),
    }
}

/// The streams in the tree below one entry.
fn children(entries: &[Entry], top: u32) -> Vec<Stream> {
    let mut streams = Vec::new();
    let mut seen = BTreeSet::new();
    let mut pending = vec![top];
    while let Some(number) = pending.pop() {
        let Some(entry) = entries.get(number as usize) else {
            continue;
        };
        if !seen.insert(number) {
            continue;
        }
        pending.extend([entry.left, entry.right]);
        if entry.kind == 2 {
            streams.push(Stream {
                name: entry.name.clone(),
                start: entry.start,
                size: entry.size,
            });
        }
    }
    streams
}
