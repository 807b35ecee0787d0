//! The end records and the directory of a zip, read by ourselves before any library sees the file.
//!
//! A hostile archive is refused here for its numbers alone: where the directory lies, how many entries it
//! has, what each claims. Nothing is decompressed and nothing larger than the directory limit is read.

use std::io::{Read, Seek, SeekFrom};

use super::archive::Limits;
use super::error::PackageError;

const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const LOCAL: [u8; 4] = *b"PK\x03\x04";

/// The end record with the longest comment.
const END_SEARCH: u64 = 22 + 0xffff;

/// One row of the directory, as it stands.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: Vec<u8>,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// Time and date, as MS-DOS has them.
    pub(super) modified: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
    pub(super) system: u8,
    pub(super) external: u32,
    /// CRC-32 of the content after decompression.
    pub(super) crc: u32,
    /// Where the compressed bytes begin in the file.
    pub(super) data_start: u64,
    header_start: u64,
}

/// Reads and checks the directory.
///
/// # Errors
/// When the file is no zip, breaks a limit, has overlapping entries, or a local header contradicts the
/// directory.
pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    file_size: u64,
    limits: &Limits,
) -> Result<Vec<Row>, PackageError> {
    let (start, length, count) = find(reader, file_size)?;
    if count > limits.entries as u64 {
        return Err(PackageError::Limit(format!(
            "{count} entries, at most {} are read",
            limits.entries
        )));
    }
    if length > limits.directory_bytes {
        return Err(PackageError::Limit(format!(
            "a directory of {length} bytes, at most {} are read",
            limits.directory_bytes
        )));
    }
    if start.checked_add(length).is_none_or(|end| end > file_size) {
        return Err(not_zip("the directory lies outside the file"));
    }
    let mut bytes = vec![0; usize::try_from(length).map_err(|_error| not_zip("directory size"))?];
    reader
        .seek(SeekFrom::Start(start))
        .and_then(|_at| reader.read_exact(&mut bytes))
        .map_err(io)?;
    let mut rows = Vec::new();
    let mut rest = Bytes(&bytes);
    for _ in 0..count {
        rows.push(row(&mut rest).ok_or_else(|| not_zip("the directory is damaged"))?);
    }
    if !rest.0.is_empty() {
        return Err(not_zip("the directory holds more than its entries"));
    }
    check_places(reader, &mut rows, start)?;
    Ok(rows)
}

/// Start, length and number of entries of the directory.
fn find<R: Read + Seek>(reader: &mut R, file_size: u64) -> Result<(u64, u64, u64), PackageError> {
    let tail_length = file_size.min(END_SEARCH);
    let tail_start = file_size - tail_length;
    let mut tail = vec![0; usize::try_from(tail_length).map_err(|_error| not_zip("size"))?];
    reader
        .seek(SeekFrom::Start(tail_start))
        .and_then(|_at| reader.read_exact(&mut tail))
        .map_err(io)?;
    // The last end record whose comment reaches exactly to the end of the file: only one reading of it.
    let at = (0..tail.len().saturating_sub(21))
        .rev()
        .find(|at| {
            let mut record = Bytes(tail.get(*at..).unwrap_or_default());
            record.take(4) == Some(&END[..])
                && record.skip(16).is_some()
                && record
                    .u16()
                    .is_some_and(|comment| usize::from(comment) == record.0.len())
        })
        .ok_or_else(|| not_zip("no end record"))?;
    let damaged = || not_zip("the end record is damaged");
    let mut record = Bytes(tail.get(at + 4..).unwrap_or_default());
    let this_disk = record.u16().ok_or_else(damaged)?;
    let directory_disk = record.u16().ok_or_else(damaged)?;
    let on_this_disk = record.u16().ok_or_else(damaged)?;
    let count = record.u16().ok_or_else(damaged)?;
    let length = record.u32().ok_or_else(damaged)?;
    let start = record.u32().ok_or_else(damaged)?;
    let needs_64 = count == u16::MAX || length == u32::MAX || start == u32::MAX;
    let end_at = tail_start + at as u64;
    if needs_64 && end_at >= 20 {
        let mut locator = [0; 20];
        reader
            .seek(SeekFrom::Start(end_at - 20))
            .and_then(|_at| reader.read_exact(&mut locator))
            .map_err(io)?;
        let mut locator = Bytes(&locator);
        if locator.take(4) == Some(&LOCATOR_64[..]) {
            locator.u32().ok_or_else(damaged)?;
            let record_at = locator.u64().ok_or_else(damaged)?;
            return find_64(reader, record_at, end_at);
        }
    }
    if this_disk != 0 || directory_disk != 0 || on_this_disk != count {
        return Err(not_zip("the archive is split over several files"));
    }
    if u64::from(start) + u64::from(length) != end_at {
        return Err(not_zip("the directory does not end where the end record begins"));
    }
    Ok((start.into(), length.into(), count.into()))
}

fn find_64<R: Read + Seek>(
    reader: &mut R,
    record_at: u64,
    end_at: u64,
) -> Result<(u64, u64, u64), PackageError> {
    let damaged = || not_zip("the zip64 end record is damaged");
    if record_at.checked_add(56 + 20).is_none_or(|end| end > end_at) {
        return Err(damaged());
    }
    let mut record = [0; 56];
    reader
        .seek(SeekFrom::Start(record_at))
        .and_then(|_at| reader.read_exact(&mut record))
        .map_err(io)?;
    let mut record = Bytes(&record);
    if record.take(4) != Some(&END_64[..]) {
        return Err(damaged());
    }
    record.skip(8 + 2 + 2).ok_or_else(damaged)?;
    let disks = (
        record.u32().ok_or_else(damaged)?,
        record.u32().ok_or_else(damaged)?,
    );
    let on_this_disk = record.u64().ok_or_else(damaged)?;
    let count = record.u64().ok_or_else(damaged)?;
    let length = record.u64().ok_or_else(damaged)?;
    let start = record.u64().ok_or_else(damaged)?;
    if disks != (0, 0) || on_this_disk != count {
        return Err(not_zip("the archive is split over several files"));
    }
    if start.checked_add(length) != Some(record_at) {
        return Err(not_zip("the directory does not end where the end record begins"));
    }
    Ok((start, length, count))
}

fn row(rest: &mut Bytes<'_>) -> Option<Row> {
    if rest.take(4)? != &CENTRAL[..] {
        return None;
    }
    let made_by = rest.u16()?;
    rest.skip(2)?;
    let flags = rest.u16()?;
    let method = rest.u16()?;
    let modified = rest.u32()?;
    let crc = rest.u32()?;
    let mut compressed = u64::from(rest.u32()?);
    let mut size = u64::from(rest.u32()?);
    let name_length = rest.u16()?;
    let extra_length = rest.u16()?;
    let comment_length = rest.u16()?;
    rest.skip(2 + 2)?;
    let external = rest.u32()?;
    let mut header_start = u64::from(rest.u32()?);
    let name = rest.take(name_length.into())?.to_vec();
    let mut extra = Bytes(rest.take(extra_length.into())?);
    rest.skip(comment_length.into())?;
    while let (Some(kind), Some(length)) = (extra.u16(), extra.u16()) {
        let mut field = Bytes(extra.take(length.into())?);
        if kind == 1 {
            for value in [&mut size, &mut compressed, &mut header_start] {
                if *value == u64::from(u32::MAX) {
                    *value = field.u64()?;
                }
            }
        }
    }
    let [_version, system] = made_by.to_le_bytes();
    Some(Row {
        name,
        flags,
        method,
        modified,
        compressed,
        size,
        system,
        external,
        crc,
        data_start: 0,
        header_start,
    })
}

/// Local headers carry the same names, and no two entries share bytes with each other or the directory. Notes
/// where the bytes of each begin.
fn check_places<R: Read + Seek>(
    reader: &mut R,
    rows: &mut [Row],
    directory_start: u64,
) -> Result<(), PackageError> {
    let mut by_place: Vec<&mut Row> = rows.iter_mut().collect();
    by_place.sort_by_key(|row| row.header_start);
    let mut free_from = 0;
    for row in by_place {
        let shown = String::from_utf8_lossy(&row.name);
        if row.header_start < free_from {
            return Err(not_zip(&format!("the entry {shown:?} overlaps another")));
        }
        let mut fixed = [0; 30];
        reader
            .seek(SeekFrom::Start(row.header_start))
            .and_then(|_at| reader.read_exact(&mut fixed))
            .map_err(io)?;
        let mut header = Bytes(&fixed);
        let is_local = header.take(4) == Some(&LOCAL[..]);
        let lengths = header
            .skip(22)
            .and_then(|()| Some((header.u16()?, header.u16()?)));
        let Some((name_length, extra_length)) = lengths.filter(|_lengths| is_local) else {
            return Err(not_zip(&format!("the entry {shown:?} has no local header")));
        };
        let mut name = vec![0; name_length.into()];
        reader.read_exact(&mut name).map_err(io)?;
        if name != row.name {
            return Err(not_zip(&format!("the entry {shown:?} has two names")));
        }
        let data_start = row.header_start + 30 + u64::from(name_length) + u64::from(extra_length);
        let end = data_start
            .checked_add(row.compressed)
            .filter(|end| *end <= directory_start);
        free_from = end.ok_or_else(|| not_zip(&format!("the entry {shown:?} overlaps the directory")))?;
        row.data_start = data_start;
    }
    Ok(())
}

/// Reads little-endian numbers off a slice; `None` at its end.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }

    fn skip(&mut self, length: usize) -> Option<()> {
        self.take(length).map(|_skipped| ())
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take(4)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take(8)
            .and_then(|bytes| bytes.try_into().ok())
            .map(u64::from_le_bytes)
    }
}

fn not_zip(reason: &str) -> PackageError {
    PackageError::NotZip(reason.to_owned())
}

fn io(error: std::io::Error) -> PackageError {
    PackageError::NotZip(format!("the file ends early or cannot be read: {error}"))
}
