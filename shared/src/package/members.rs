//! The content of members, decompressed in chunks: checked sizes and sums, bounded memory.
//!
//! The directory was read and checked by [`super::directory`], which also says where each member's bytes
//! begin; so one inflater and two buffers serve a whole archive, and no other reading of it exists.

use std::io::{Read, Seek, SeekFrom};

use flate2::{Crc, Decompress, FlushDecompress, Status};

use super::archive::Entry;
use super::error::PackageError;

/// How much is read, and decompressed, at a time.
const CHUNK: usize = 128 * 1024;

/// An archive whose members are read one after another.
pub(super) struct Members<R> {
    reader: R,
    inflate: Decompress,
    input: Vec<u8>,
    output: Vec<u8>,
}

impl<R: Read + Seek> Members<R> {
    /// Over the file whose directory was read.
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            inflate: Decompress::new(false),
            input: vec![0; CHUNK],
            output: Vec::new(),
        }
    }

    /// Reads a whole member of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is larger, or damaged.
    pub(super) fn read(&mut self, entry: &Entry, limit: u64) -> Result<Vec<u8>, PackageError> {
        if entry.size > limit {
            return Err(PackageError::Limit(format!(
                "{} has {} bytes, at most {limit} are read",
                entry.name, entry.size
            )));
        }
        let mut content = Vec::new();
        self.copy(entry, |chunk| {
            content.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(content)
    }

    /// Hands a member's bytes to `sink` in chunks, and checks its size and CRC.
    ///
    /// # Errors
    /// When the member is damaged, longer or shorter than it claims, or the sink fails.
    pub(super) fn copy(
        &mut self,
        entry: &Entry,
        mut sink: impl FnMut(&[u8]) -> Result<(), PackageError>,
    ) -> Result<(), PackageError> {
        let damaged = |reason: String| PackageError::NotZip(format!("{}: {reason}", entry.name));
        self.reader
            .seek(SeekFrom::Start(entry.data_start))
            .map_err(|error| damaged(error.to_string()))?;
        let mut tally = Tally {
            crc: Crc::new(),
            size: 0,
        };
        if entry.is_deflated {
            self.inflate_all(entry, &mut tally, &mut sink)?;
        } else {
            let mut left = entry.compressed;
            while left > 0 {
                let chunk = self.next_input(&mut left, entry)?;
                tally.take(self.input.get(..chunk).unwrap_or_default(), entry)?;
                sink(self.input.get(..chunk).unwrap_or_default())?;
            }
        }
        if tally.size != entry.size {
            return Err(damaged("its size is not the one it claims".into()));
        }
        if tally.crc.sum() != entry.crc {
            return Err(damaged("its content does not fit its CRC".into()));
        }
        Ok(())
    }

    fn inflate_all(
        &mut self,
        entry: &Entry,
        tally: &mut Tally,
        sink: &mut impl FnMut(&[u8]) -> Result<(), PackageError>,
    ) -> Result<(), PackageError> {
        let damaged = |reason: &str| PackageError::NotZip(format!("{}: {reason}", entry.name));
        if self.output.is_empty() {
            self.output = vec![0; CHUNK];
        }
        self.inflate.reset(false);
        let mut left = entry.compressed;
        let (mut from, mut to) = (0, 0);
        loop {
            if from == to && left > 0 {
                to = self.next_input(&mut left, entry)?;
                from = 0;
            }
            let (consumed, produced) = (self.inflate.total_in(), self.inflate.total_out());
            let input = self.input.get(from..to).unwrap_or_default();
            let status = self
                .inflate
                .decompress(input, &mut self.output, FlushDecompress::None)
                .map_err(|_error| damaged("its compressed bytes are damaged"))?;
            let consumed = usize::try_from(self.inflate.total_in() - consumed).unwrap_or(usize::MAX);
            let produced = usize::try_from(self.inflate.total_out() - produced).unwrap_or(usize::MAX);
            from = from.saturating_add(consumed);
            if produced > 0 {
                let chunk = self.output.get(..produced).unwrap_or_default();
                tally.take(chunk, entry)?;
                sink(chunk)?;
            }
            match status {
                Status::StreamEnd => return Ok(()),
                Status::Ok | Status::BufError
                    if consumed == 0 && produced == 0 && (from < to || left == 0) =>
                {
                    return Err(damaged("its compressed bytes end early"));
                }
                Status::Ok | Status::BufError => {}
            }
        }
    }

    /// Fills the input from the member's bytes; says how many came.
    fn next_input(&mut self, left: &mut u64, entry: &Entry) -> Result<usize, PackageError> {
        let damaged = |reason: String| PackageError::NotZip(format!("{}: {reason}", entry.name));
        let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(CHUNK);
        let room = self.input.get_mut(..wanted).unwrap_or_default();
        let count = loop {
            match self.reader.read(room) {
                Ok(0) => return Err(damaged("the file ends early".into())),
                Ok(count) => break count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(damaged(error.to_string())),
            }
        };
        *left -= count as u64;
        Ok(count)
    }
}

/// What came out of one member so far.
struct Tally {
    crc: Crc,
    size: u64,
}

impl Tally {
    /// Counts a chunk before anyone gets it: a member never gives more than it claims.
    fn take(&mut self, chunk: &[u8], entry: &Entry) -> Result<(), PackageError> {
        self.size = self.size.saturating_add(chunk.len() as u64);
        if self.size > entry.size {
            return Err(PackageError::NotZip(format!(
                "{}: its size is not the one it claims",
                entry.name
            )));
        }
        self.crc.update(chunk);
        Ok(())
    }
}
