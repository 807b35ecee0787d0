//! The text of an index: rows of attributes with blank lines between, each read by itself.

use super::{IndexEntry, IndexError, IndexLimits, RejectedRow, RowError, is_package_filename};
use crate::control::Control;
use crate::control::write::push_line;
use crate::version::Version;

/// One row as it stands in an index: nothing in it is checked.
#[derive(Debug, Clone, Copy)]
pub struct RawRow<'a> {
    /// The line of the index on which the row starts, from 1.
    pub line: usize,
    /// Its lines; the beginning of one that is too large.
    pub bytes: &'a [u8],
    /// Its size in bytes.
    size: usize,
    limit: usize,
}

impl RawRow<'_> {
    /// Reads the attributes.
    ///
    /// # Errors
    /// Why the row cannot be used.
    pub fn read(&self) -> Result<IndexEntry, Box<RejectedRow>> {
        let rejected = |package: &str, version: &str, reason| {
            Box::new(RejectedRow {
                line: self.line,
                package: package.to_owned(),
                version: version.to_owned(),
                reason,
            })
        };
        if self.size > self.limit {
            let reason = RowError::TooLarge {
                size: self.size,
                limit: self.limit,
            };
            return Err(rejected("", "", reason));
        }
        let control =
            Control::parse(self.bytes).map_err(|error| rejected("", "", RowError::Control(error)))?;
        entry_from(control).map_err(|refused| {
            let (control, reason) = *refused;
            rejected(control.package(), control.version(), reason)
        })
    }
}

/// Finds the rows in a text that comes in chunks: stretches of non-blank lines. Holds one row.
pub(super) struct RowSplitter<'l> {
    limits: &'l IndexLimits,
    /// The row so far, up to the limit.
    row: Vec<u8>,
    /// The size of the row so far, in bytes.
    size: usize,
    /// Where the current line begins in `row`.
    line_start: usize,
    /// The current line has anything but blanks.
    has_text: bool,
    /// The current line, and the first of the row.
    line: usize,
    first: usize,
    rows: usize,
    is_start: bool,
}

impl<'l> RowSplitter<'l> {
    pub(super) fn new(limits: &'l IndexLimits) -> Self {
        Self {
            limits,
            row: Vec::new(),
            size: 0,
            line_start: 0,
            has_text: false,
            line: 1,
            first: 1,
            rows: 0,
            is_start: true,
        }
    }

    /// Takes the next bytes.
    pub(super) fn feed(
        &mut self,
        mut chunk: &[u8],
        each: &mut impl FnMut(RawRow<'_>),
    ) -> Result<(), IndexError> {
        while !chunk.is_empty() {
            let end = memchr::memchr(b'\n', chunk);
            let (piece, rest) = chunk.split_at(end.map_or(chunk.len(), |end| end + 1));
            chunk = rest;
            self.has_text = self.has_text || !piece.trim_ascii().is_empty();
            self.size += piece.len();
            let room = self.limits.max_row_bytes.saturating_sub(self.row.len());
            self.row.extend_from_slice(piece.get(..room).unwrap_or(piece));
            if end.is_some() {
                self.end_line(each)?;
            }
        }
        Ok(())
    }

    /// The text is over.
    pub(super) fn finish(&mut self, each: &mut impl FnMut(RawRow<'_>)) -> Result<(), IndexError> {
        if self.has_text {
            self.line_start = self.row.len();
        }
        self.end_row(each)
    }

    fn end_line(&mut self, each: &mut impl FnMut(RawRow<'_>)) -> Result<(), IndexError> {
        if self.has_text {
            self.line_start = self.row.len();
        } else {
            self.end_row(each)?;
            self.first = self.line + 1;
        }
        self.has_text = false;
        self.line += 1;
        Ok(())
    }

    /// Hands over what is there, without the blank line that ended it.
    fn end_row(&mut self, each: &mut impl FnMut(RawRow<'_>)) -> Result<(), IndexError> {
        let mut bytes = self.row.get(..self.line_start).unwrap_or_default();
        if self.is_start {
            bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        }
        if !bytes.is_empty() {
            self.is_start = false;
            self.rows += 1;
            if self.rows > self.limits.max_rows {
                return Err(IndexError::TooManyRows {
                    limit: self.limits.max_rows,
                });
            }
            each(RawRow {
                line: self.first,
                bytes,
                size: self.size.max(bytes.len()),
                limit: self.limits.max_row_bytes,
            });
        }
        self.row.clear();
        self.size = 0;
        self.line_start = 0;
        Ok(())
    }
}

/// Writes one row: the control, then the lines that belong to the index.
pub(super) fn row_text(entry: &IndexEntry) -> String {
    let mut text = entry.control.to_text_with_unknown();
    push_line(&mut text, "filename", &entry.filename);
    push_line(&mut text, "size", &entry.size.to_string());
    push_line(&mut text, "md5sum", &entry.md5sum);
    if let Some(sha256sum) = &entry.sha256sum {
        push_line(&mut text, "sha256sum", sha256sum);
    }
    text
}

fn entry_from(mut control: Control) -> Result<IndexEntry, Box<(Control, RowError)>> {
    match index_lines(&control) {
        Err(reason) => Err(Box::new((control, reason))),
        Ok((filename, size, md5sum, sha256sum)) => {
            for attribute in ["filename", "size", "md5sum", "sha256sum"] {
                control.remove(attribute);
            }
            Ok(IndexEntry {
                control,
                filename,
                size,
                md5sum,
                sha256sum,
                repository: String::new(),
            })
        }
    }
}

type IndexLines = (String, u64, String, Option<String>);

fn index_lines(control: &Control) -> Result<IndexLines, RowError> {
    if control.package().is_empty() {
        return Err(RowError::NoPackage);
    }
    control.version().parse::<Version>().map_err(RowError::Version)?;
    let filename = control.get("filename");
    if !is_package_filename(filename) {
        return Err(RowError::Filename(filename.to_owned()));
    }
    let size = control.get("size");
    let size = size.parse().map_err(|_error| RowError::Size(size.to_owned()))?;
    let md5sum = hash(control, "md5sum", 32)?;
    let sha256sum = match control.get("sha256sum") {
        "" => None,
        _ => Some(hash(control, "sha256sum", 64)?),
    };
    Ok((filename.to_owned(), size, md5sum, sha256sum))
}

fn hash(control: &Control, attribute: &'static str, digits: usize) -> Result<String, RowError> {
    let value = control.get(attribute);
    if value.len() == digits && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(value.to_ascii_lowercase())
    } else {
        Err(RowError::Hash {
            attribute,
            digits,
            value: value.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Section;
    use crate::index::Index;

    const GOOD: &str =
        "package: a\nversion: 1\nfilename: a_1.wapt\nsize: 10\nmd5sum: 0123456789abcdef0123456789ABCDEF\n";

    #[test]
    fn rows_are_split_at_blank_lines_with_their_line_numbers() {
        let text = b"\n\na: 1\nb: 2\n\r\n\nc: 3";
        // However the text is cut.
        for size in 1..=text.len() {
            let limits = IndexLimits::default();
            let mut splitter = RowSplitter::new(&limits);
            let mut rows = Vec::new();
            let mut keep = |row: RawRow<'_>| rows.push((row.line, row.bytes.to_vec()));
            for chunk in text.chunks(size) {
                splitter.feed(chunk, &mut keep).unwrap();
            }
            splitter.finish(&mut keep).unwrap();
            assert_eq!(
                rows,
                [(3, b"a: 1\nb: 2\n".to_vec()), (7, b"c: 3".to_vec())],
                "{size}"
            );
        }
        assert!(read(b"").entries.is_empty());
    }

    #[test]
    fn one_bad_row_does_not_hide_the_others() {
        let text = [
            GOOD,
            "nonsense\n",
            "version: 1\nfilename: a.wapt\n",
            &GOOD.replace("version: 1", "version: 1_b"),
            &GOOD.replace("a_1.wapt", "../a.wapt"),
            &GOOD.replace("size: 10", "size: -10"),
            &GOOD.replace("0123", "xyz"),
            &format!("{GOOD}sha256sum: 00\n"),
            &GOOD.replace("package: a", "package: z"),
        ]
        .join("\n");
        let mut bytes = text.into_bytes();
        bytes.extend_from_slice(b"\npackage: \xff\xfe\n");
        let index = read(&bytes);
        let names: Vec<_> = index
            .entries
            .iter()
            .map(|entry| entry.control.package())
            .collect();
        assert_eq!(names, ["a", "z"]);
        let reasons: Vec<_> = index.rejected.iter().map(|row| &row.reason).collect();
        assert!(matches!(
            reasons.as_slice(),
            [
                RowError::Control(_),
                RowError::NoPackage,
                RowError::Version(_),
                RowError::Filename(_),
                RowError::Size(_),
                RowError::Hash { .. },
                RowError::Hash { .. },
                RowError::Control(_),
            ]
        ));
        assert_eq!(index.rejected[0].line, 7);
        assert_eq!(index.rejected[3].package, "a");
        assert_eq!(
            index.rejected[3].to_string(),
            r#"line 18: a 1: "../a.wapt" is not the name of a package file"#
        );
        assert!(
            index.rejected[2]
                .to_string()
                .ends_with("\"1_b\" is not one: \"1_b\"")
        );
    }

    #[test]
    fn the_lines_of_the_index_leave_the_control() {
        let index = read(GOOD.as_bytes());
        let entry = &index.entries[0];
        assert_eq!(entry.md5sum, "0123456789abcdef0123456789abcdef");
        assert_eq!(entry.size, 10);
        assert!(!entry.control.has("filename") && !entry.control.has("size"));
    }

    #[test]
    fn rows_keep_unknown_attributes_and_put_the_hashes_last() {
        let entry = IndexEntry {
            control: Control::new("a", "1", Section::Base).with("foo", "bar"),
            filename: "a_1.wapt".into(),
            size: 3,
            md5sum: "0".repeat(32),
            sha256sum: Some("1".repeat(64)),
            repository: String::new(),
        };
        let text = row_text(&entry);
        assert!(text.contains("\nfoo               : bar\nfilename          : a_1.wapt\nsize              : 3\nmd5sum            : 0"));
        assert!(text.ends_with(&format!("\nsha256sum         : {}", "1".repeat(64))));
        assert_eq!(read(text.as_bytes()).entries[0].control.get("foo"), "bar");
    }

    #[test]
    fn too_many_or_too_large_rows_are_refused() {
        let limits = IndexLimits {
            max_rows: 1,
            max_row_bytes: 20,
            ..IndexLimits::default()
        };
        assert!(matches!(
            read_within(b"a: 1\n\nb: 1", &limits),
            Err(IndexError::TooManyRows { limit: 1 })
        ));
        let index = read_within(GOOD.as_bytes(), &limits).unwrap();
        assert!(matches!(
            index.rejected[0].reason,
            RowError::TooLarge { limit: 20, .. }
        ));
    }

    fn read(bytes: &[u8]) -> Index {
        read_within(bytes, &IndexLimits::default()).unwrap()
    }

    fn read_within(bytes: &[u8], limits: &IndexLimits) -> Result<Index, IndexError> {
        let mut index = Index::default();
        let mut splitter = RowSplitter::new(limits);
        let mut keep = |row: RawRow<'_>| match row.read() {
            Ok(entry) => index.entries.push(entry),
            Err(rejected) => index.rejected.push(*rejected),
        };
        splitter.feed(bytes, &mut keep)?;
        splitter.finish(&mut keep)?;
        Ok(index)
    }
}
