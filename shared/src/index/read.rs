//! Reading an index: every size is capped before and while anything is inflated.

use std::io::{BufRead as _, BufReader, Cursor, Read as _};

use zip::ZipArchive;

use super::text::{RawRow, RowSplitter};
use super::{Index, IndexError};

/// What every row of a zip directory begins with.
const MEMBER_HEADER: &[u8] = b"PK\x01\x02";

/// A list of rows that is longer than this may not be so many times its compressed size.
const RATIO_MATTERS_FROM: u64 = 8 << 20;
const MAX_RATIO: u64 = 50;

/// What reading an index may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexLimits {
    /// The archive, in bytes.
    pub max_file_bytes: usize,
    /// Members of the archive.
    pub max_members: usize,
    /// The text of all rows, in bytes.
    pub max_text_bytes: u64,
    /// Rows.
    pub max_rows: usize,
    /// One row, in bytes.
    pub max_row_bytes: usize,
    /// One certificate or revocation list, in bytes.
    pub max_member_bytes: u64,
    /// All certificates and revocation lists together, in bytes.
    pub max_trust_bytes: u64,
}

impl Default for IndexLimits {
    /// Room for 100,000 packages and as much trust material as an organisation can have.
    fn default() -> Self {
        Self {
            max_file_bytes: 128 << 20,
            max_members: 20_000,
            max_text_bytes: 512 << 20,
            max_rows: 100_000,
            max_row_bytes: 1 << 20,
            max_member_bytes: 8 << 20,
            max_trust_bytes: 64 << 20,
        }
    }
}

/// Reads a `Packages` file. Rows that cannot be used are left out one by one with a reason.
///
/// # Errors
/// The file is not such an archive, has no list of packages, or passes a limit.
pub fn read(bytes: &[u8], limits: &IndexLimits) -> Result<Index, IndexError> {
    let mut file = IndexFile::open(bytes, limits)?;
    let mut index = Index::default();
    file.each_row(|row| match row.read() {
        Ok(entry) => index.entries.push(entry),
        Err(rejected) => index.rejected.push(*rejected),
    })?;
    index.certificates = file.certificates;
    index.crls = file.crls;
    Ok(index)
}

/// An index whose rows are read one by one, so that the text of all of them is never in memory.
pub struct IndexFile<'a> {
    archive: ZipArchive<Cursor<&'a [u8]>>,
    packages: usize,
    limits: IndexLimits,
    /// The certificates of the signers and their issuers, PEM; untrusted.
    pub certificates: Vec<Vec<u8>>,
    /// Revocation lists, DER; untrusted.
    pub crls: Vec<Vec<u8>>,
}

impl<'a> IndexFile<'a> {
    /// Opens a `Packages` file and reads all of it but the rows.
    ///
    /// # Errors
    /// The file is not such an archive, has no list of packages, or passes a limit.
    pub fn open(bytes: &'a [u8], limits: &IndexLimits) -> Result<Self, IndexError> {
        if bytes.len() > limits.max_file_bytes {
            return Err(IndexError::FileTooLarge {
                size: bytes.len(),
                limit: limits.max_file_bytes,
            });
        }
        // Counted before the library sees the file, because it would hold every member in memory first.
        let count = count_headers(bytes, limits.max_members.saturating_add(1));
        if count > limits.max_members {
            return Err(IndexError::TooManyMembers {
                count,
                limit: limits.max_members,
            });
        }
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(IndexError::Archive)?;
        let (mut certificates, mut crls) = (Vec::new(), Vec::new());
        let mut packages = None;
        let mut trust_bytes = 0;
        for position in 0..archive.len() {
            let member = archive.by_index(position).map_err(IndexError::Archive)?;
            let name = member.name().map_err(IndexError::Archive)?.into_owned();
            let Some(kind) = Kind::of(&name) else { continue };
            let into = match kind {
                Kind::Packages => {
                    packages = Some(position);
                    continue;
                }
                Kind::Certificate => &mut certificates,
                Kind::Crl => &mut crls,
            };
            let limit = limits
                .max_member_bytes
                .min(limits.max_trust_bytes.saturating_sub(trust_bytes));
            let content = content_of(member, &name, limit)?;
            trust_bytes += content.len() as u64;
            into.push(content);
        }
        Ok(Self {
            archive,
            packages: packages.ok_or(IndexError::NoPackages)?,
            limits: limits.clone(),
            certificates,
            crls,
        })
    }

    /// Hands every row to `each`, in their order.
    ///
    /// # Errors
    /// The list is damaged or passes a limit; the rows before that were handed over.
    pub fn each_row(&mut self, mut each: impl FnMut(RawRow<'_>)) -> Result<(), IndexError> {
        let limits = &self.limits;
        let failed = |source| IndexError::Member {
            member: "Packages".to_owned(),
            source,
        };
        let member = self
            .archive
            .by_index(self.packages)
            .map_err(IndexError::Archive)?;
        // Signatures do not compress: no honest list grows so much, and none is longer than it says.
        let honest = RATIO_MATTERS_FROM.max(member.compressed_size().saturating_mul(MAX_RATIO));
        let most = limits.max_text_bytes.min(honest);
        if member.size() > most {
            return Err(IndexError::MemberTooLarge {
                member: "Packages".to_owned(),
                limit: most,
            });
        }
        let most = member.size();
        let mut reader = BufReader::with_capacity(64 * 1024, member);
        let mut rows = RowSplitter::new(limits);
        let mut total = 0_u64;
        loop {
            let chunk = reader.fill_buf().map_err(failed)?;
            let length = chunk.len();
            if length == 0 {
                break;
            }
            total += length as u64;
            if total > most {
                return Err(IndexError::MemberTooLarge {
                    member: "Packages".to_owned(),
                    limit: most,
                });
            }
            rows.feed(chunk, &mut each)?;
            reader.consume(length);
        }
        rows.finish(&mut each)
    }
}

/// How often a row of a zip directory may begin in these bytes, up to a number.
fn count_headers(bytes: &[u8], most: usize) -> usize {
    memchr::memmem::find_iter(bytes, MEMBER_HEADER).take(most).count()
}

#[derive(Clone, Copy)]
enum Kind {
    Packages,
    Certificate,
    Crl,
}

impl Kind {
    fn of(name: &str) -> Option<Self> {
        match name.split_once('/') {
            None if name == "Packages" => Some(Self::Packages),
            Some(("ssl", file)) if file.strip_suffix(".crt").is_some() => Some(Self::Certificate),
            Some(("crl", file)) if file.strip_suffix(".crl").is_some() => Some(Self::Crl),
            _ => None,
        }
    }
}

fn content_of(member: impl std::io::Read, name: &str, limit: u64) -> Result<Vec<u8>, IndexError> {
    let mut content = Vec::new();
    member
        .take(limit.saturating_add(1))
        .read_to_end(&mut content)
        .map_err(|source| IndexError::Member {
            member: name.to_owned(),
            source,
        })?;
    if content.len() as u64 > limit {
        return Err(IndexError::MemberTooLarge {
            member: name.to_owned(),
            limit,
        });
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    #[test]
    fn only_the_known_members_are_read() {
        let bytes = archive(&[
            ("Packages", b"".as_slice()),
            ("ssl/a.crt", b"A"),
            ("crl/b.crl", b"B"),
            ("x/c", b"C"),
        ]);
        let index = read(&bytes, &IndexLimits::default()).unwrap();
        assert_eq!(index.certificates, [b"A"]);
        assert_eq!(index.crls, [b"B"]);
        assert!(index.entries.is_empty());
    }

    #[test]
    fn an_archive_without_the_list_is_no_index() {
        assert!(matches!(
            read(&archive(&[("other", b"")]), &IndexLimits::default()),
            Err(IndexError::NoPackages)
        ));
        assert!(matches!(
            read(b"not a zip", &IndexLimits::default()),
            Err(IndexError::Archive(_))
        ));
    }

    #[test]
    fn a_member_that_inflates_too_far_is_refused() {
        let bytes = archive(&[("Packages", &vec![b'\n'; 1 << 20])]);
        let limits = IndexLimits {
            max_text_bytes: 1000,
            ..IndexLimits::default()
        };
        assert!(matches!(
            read(&bytes, &limits),
            Err(IndexError::MemberTooLarge { limit: 1000, .. })
        ));
    }

    #[test]
    fn certificates_share_one_cap() {
        let bytes = archive(&[
            ("Packages", b"".as_slice()),
            ("ssl/a.crt", &[0; 60]),
            ("ssl/b.crt", &[0; 60]),
        ]);
        let limits = IndexLimits {
            max_trust_bytes: 100,
            ..IndexLimits::default()
        };
        assert!(matches!(
            read(&bytes, &limits),
            Err(IndexError::MemberTooLarge { .. })
        ));
    }

    #[test]
    fn file_size_and_members_are_capped_first() {
        let bytes = archive(&[("Packages", b"".as_slice()), ("ssl/a.crt", b"A")]);
        let small = IndexLimits {
            max_file_bytes: 10,
            ..IndexLimits::default()
        };
        assert!(matches!(
            read(&bytes, &small),
            Err(IndexError::FileTooLarge { .. })
        ));
        let few = IndexLimits {
            max_members: 1,
            ..IndexLimits::default()
        };
        assert!(matches!(
            read(&bytes, &few),
            Err(IndexError::TooManyMembers { .. })
        ));
    }

    fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in members {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }
}
