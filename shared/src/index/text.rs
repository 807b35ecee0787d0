//! The text of an index: rows of attributes with blank lines between, each read by itself.

use super::{Index, IndexEntry, IndexError, IndexLimits, RejectedRow, RowError, is_package_filename};
use crate::control::Control;
use crate::control::write::push_line;
use crate::version::Version;

/// Reads every row of the text; those that cannot be used are left out with a reason.
pub(super) fn read_rows(text: &[u8], limits: &IndexLimits, index: &mut Index) -> Result<(), IndexError> {
    let mut rows = 0;
    for (line, row) in Rows::new(text) {
        rows += 1;
        if rows > limits.max_rows {
            return Err(IndexError::TooManyRows {
                limit: limits.max_rows,
            });
        }
        if row.len() > limits.max_row_bytes {
            let reason = RowError::TooLarge {
                size: row.len(),
                limit: limits.max_row_bytes,
            };
            index.rejected.push(RejectedRow {
                line,
                package: String::new(),
                version: String::new(),
                reason,
            });
            continue;
        }
        match Control::parse(row) {
            Err(error) => index.rejected.push(RejectedRow {
                line,
                package: String::new(),
                version: String::new(),
                reason: RowError::Control(error),
            }),
            Ok(control) => match entry_from(control) {
                Ok(entry) => index.entries.push(entry),
                Err(refused) => {
                    let (control, reason) = *refused;
                    index.rejected.push(RejectedRow {
                        line,
                        package: control.package().to_owned(),
                        version: control.version().to_owned(),
                        reason,
                    });
                }
            },
        }
    }
    Ok(())
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

type Lines<'a> = std::iter::Enumerate<std::slice::Split<'a, u8, fn(&u8) -> bool>>;

/// The stretches of non-blank lines with the number of their first line.
struct Rows<'a> {
    lines: Lines<'a>,
    text: &'a [u8],
    position: usize,
}

impl<'a> Rows<'a> {
    fn new(text: &'a [u8]) -> Self {
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        let is_end: fn(&u8) -> bool = |byte| *byte == b'\n';
        Self {
            lines: text.split(is_end).enumerate(),
            text,
            position: 0,
        }
    }
}

impl<'a> Iterator for Rows<'a> {
    type Item = (usize, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let mut start = None;
        for (number, line) in self.lines.by_ref() {
            let begin = self.position;
            self.position += line.len() + 1;
            if line.trim_ascii().is_empty() {
                if let Some((first, from)) = start {
                    return Some((first, self.text.get(from..begin)?));
                }
            } else if start.is_none() {
                start = Some((number + 1, begin));
            }
        }
        let (first, from) = start?;
        Some((first, self.text.get(from..)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Section;

    const GOOD: &str =
        "package: a\nversion: 1\nfilename: a_1.wapt\nsize: 10\nmd5sum: 0123456789abcdef0123456789ABCDEF\n";

    #[test]
    fn rows_are_split_at_blank_lines_with_their_line_numbers() {
        let rows: Vec<_> = Rows::new(b"\n\na: 1\nb: 2\n\r\n\nc: 3").collect();
        assert_eq!(rows, [(3, b"a: 1\nb: 2\n".as_slice()), (7, b"c: 3".as_slice())]);
        assert_eq!(Rows::new(b"").count(), 0);
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
        let mut index = Index::default();
        assert!(matches!(
            read_rows(b"a: 1\n\nb: 1", &limits, &mut index),
            Err(IndexError::TooManyRows { limit: 1 })
        ));
        let mut index = Index::default();
        read_rows(GOOD.as_bytes(), &limits, &mut index).unwrap();
        assert!(matches!(
            index.rejected[0].reason,
            RowError::TooLarge { limit: 20, .. }
        ));
    }

    fn read(bytes: &[u8]) -> Index {
        let mut index = Index::default();
        read_rows(bytes, &IndexLimits::default(), &mut index).unwrap();
        index
    }
}
