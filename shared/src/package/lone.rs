//! One member as an archive of its own, so that the zip library copies its compressed bytes and nothing else of
//! what a foreign archive says: our name for it, our place of its bytes, no extra fields, no comment.

use std::io::{self, Read, Seek, SeekFrom};

use super::archive::Entry;

/// Sizes from which a zip needs its 64-bit records.
const LARGE: u64 = 0xffff_ffff;
const UTF8: u16 = 0x800;

/// A zip with one member, read without copying: what stands before its bytes, the bytes where they lie, and the
/// directory.
pub(super) struct Lone<'a, R> {
    source: &'a mut R,
    head: Vec<u8>,
    body_start: u64,
    body: u64,
    tail: Vec<u8>,
    at: u64,
    /// Where the source is, when that is known.
    source_at: Option<u64>,
}

impl<'a, R: Read + Seek> Lone<'a, R> {
    pub(super) fn new(source: &'a mut R, entry: &Entry) -> Self {
        // The header before the bytes also counts: the directory lies behind both.
        let is_large = entry.size.max(entry.compressed) >= LARGE - (1 << 20);
        let mut sizes_64 = Vec::new();
        if is_large {
            sizes_64.extend(1_u16.to_le_bytes());
            sizes_64.extend(16_u16.to_le_bytes());
            sizes_64.extend(entry.size.to_le_bytes());
            sizes_64.extend(entry.compressed.to_le_bytes());
        }
        let length = |bytes: usize| u16::try_from(bytes).unwrap_or(u16::MAX).to_le_bytes();
        let narrow = |size: u64| {
            let size = if is_large { LARGE } else { size };
            u32::try_from(size).unwrap_or(u32::MAX).to_le_bytes()
        };
        // What the local header and the directory both say.
        let mut common = Vec::new();
        common.extend(if is_large { 45_u16 } else { 20 }.to_le_bytes());
        common.extend(if entry.name.is_ascii() { 0 } else { UTF8 }.to_le_bytes());
        common.extend(if entry.is_deflated { 8_u16 } else { 0 }.to_le_bytes());
        common.extend(entry.modified.to_le_bytes());
        common.extend(entry.crc.to_le_bytes());
        common.extend(narrow(entry.compressed));
        common.extend(narrow(entry.size));
        common.extend(length(entry.name.len()));
        common.extend(length(sizes_64.len()));

        let mut head = b"PK\x03\x04".to_vec();
        head.extend(&common);
        head.extend(entry.name.as_bytes());
        head.extend(&sizes_64);

        let directory_start = head.len() as u64 + entry.compressed;
        let mut tail = b"PK\x01\x02".to_vec();
        tail.extend([45, entry.system]);
        tail.extend(&common);
        // No comment, first disk, no internal attributes.
        tail.extend([0; 6]);
        tail.extend(entry.external.to_le_bytes());
        tail.extend(0_u32.to_le_bytes());
        tail.extend(entry.name.as_bytes());
        tail.extend(&sizes_64);
        let directory = tail.len() as u64;
        if is_large {
            let end_64 = directory_start + directory;
            tail.extend(b"PK\x06\x06");
            tail.extend(44_u64.to_le_bytes());
            tail.extend([45, 0, 45, 0]);
            tail.extend([0; 8]);
            tail.extend(1_u64.to_le_bytes());
            tail.extend(1_u64.to_le_bytes());
            tail.extend(directory.to_le_bytes());
            tail.extend(directory_start.to_le_bytes());
            tail.extend(b"PK\x06\x07");
            tail.extend(0_u32.to_le_bytes());
            tail.extend(end_64.to_le_bytes());
            tail.extend(1_u32.to_le_bytes());
        }
        tail.extend(b"PK\x05\x06");
        tail.extend([0; 4]);
        tail.extend([1, 0, 1, 0]);
        tail.extend(u32::try_from(directory).unwrap_or(u32::MAX).to_le_bytes());
        tail.extend(narrow(directory_start));
        tail.extend([0; 2]);
        Self {
            source,
            head,
            body_start: entry.data_start,
            body: entry.compressed,
            tail,
            at: 0,
            source_at: None,
        }
    }

    fn length(&self) -> u64 {
        self.head.len() as u64 + self.body + self.tail.len() as u64
    }
}

impl<R: Read + Seek> Read for Lone<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let head = self.head.len() as u64;
        let count = if self.at >= head && self.at < head + self.body {
            let within = self.at - head;
            let from = self.body_start + within;
            if self.source_at != Some(from) {
                self.source.seek(SeekFrom::Start(from))?;
            }
            let left = usize::try_from(self.body - within).unwrap_or(usize::MAX);
            let wanted = buffer.len().min(left);
            let count = self.source.read(buffer.get_mut(..wanted).unwrap_or_default())?;
            self.source_at = Some(from + count as u64);
            count
        } else {
            let (part, from) = if self.at < head {
                (&self.head, self.at)
            } else {
                (&self.tail, self.at - head - self.body)
            };
            let from = usize::try_from(from).unwrap_or(usize::MAX);
            let mut part = part.get(from..).unwrap_or_default();
            part.read(buffer)?
        };
        self.at += count as u64;
        Ok(count)
    }
}

impl<R: Read + Seek> Seek for Lone<'_, R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = to.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Endless zeros.
    struct Zeros;

    impl Read for Zeros {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            buffer.fill(0);
            Ok(buffer.len())
        }
    }

    impl Seek for Zeros {
        fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
            Ok(0)
        }
    }

    #[test]
    fn small_and_huge_members_are_archives_of_their_own() {
        for size in [0, 7, LARGE - 1, LARGE, 5 * (LARGE + 1)] {
            let entry = Entry {
                name: "folder/\u{e9}.txt".to_owned(),
                size,
                data_start: 99,
                compressed: size,
                is_deflated: false,
                crc: 1,
                modified: 0x5a21_0000,
                system: 3,
                external: 0o100_644 << 16,
            };
            let mut source = Zeros;
            let mut archive = zip::ZipArchive::new(Lone::new(&mut source, &entry)).unwrap();
            let file = archive.by_index_raw(0).unwrap();
            assert_eq!(file.name().unwrap(), entry.name);
            assert_eq!(file.size(), size);
            assert_eq!(file.compressed_size(), size);
            assert_eq!(file.unix_mode(), Some(0o100_644));
        }
    }
}
