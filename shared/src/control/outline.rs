//! Where the attributes of a control file stand, and what in its text is not as it is written: for advice with
//! line numbers. Reads what [`Control::parse`](super::Control::parse) refuses, too.

use super::text;

/// The most oddities that are listed; one file cannot make a report endless.
const MAX_ODDITIES: usize = 200;

/// The lines of a control file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The attributes in the order of the file.
    pub rows: Vec<OutlineRow>,
    /// What the reader forgives or misunderstands.
    pub oddities: Vec<Oddity>,
}

/// Where an attribute stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutlineRow {
    /// Its name, lower-cased.
    pub name: String,
    /// Its line, from 1, as editors count.
    pub line: usize,
    /// The column of its value, from 1, in characters.
    pub value_column: usize,
}

/// Something in the text that is not as it should be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oddity {
    /// Its line, from 1, as editors count.
    pub line: usize,
    /// Its column, from 1, in characters.
    pub column: usize,
    pub kind: OddityKind,
}

/// What is odd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OddityKind {
    /// The file begins with a byte order mark.
    ByteOrderMark,
    /// A character that ends a line for the reader, but not for an editor.
    HiddenLineEnd(char),
    /// A line begins with a tab: it starts an attribute, it does not continue one.
    Tab,
    /// The attribute was set before, in this line; the last one counts.
    Duplicate { name: String, first_line: usize },
    /// Everything below an empty line is not read.
    AfterBlankLine,
    /// The name has capital letters.
    Capitals(String),
}

/// Lists the attributes of a control file with their places.
pub fn outline(bytes: &[u8]) -> Outline {
    let content = String::from_utf8_lossy(bytes);
    let mut found = Outline::default();
    let mut content = content.as_ref();
    if let Some(rest) = content.strip_prefix('\u{feff}') {
        found.odd(1, 1, OddityKind::ByteOrderMark);
        content = rest;
    }
    // Editors end lines at \n, \r\n and \r; the reader at more.
    let mut blank_at = None;
    for (position, editor_line) in editor_lines(content).enumerate() {
        let line = position + 1;
        for (index, character) in editor_line.chars().enumerate() {
            if text::is_line_end(character) {
                found.odd(line, index + 1, OddityKind::HiddenLineEnd(character));
            }
        }
        if blank_at.is_some() {
            if !text::strip(editor_line).is_empty() {
                found.odd(line, 1, OddityKind::AfterBlankLine);
                break;
            }
            continue;
        }
        let mut offset = 0;
        for part in text::split_lines(editor_line).chain(editor_line.is_empty().then_some("")) {
            if text::strip(part).is_empty() {
                blank_at = Some(line);
                break;
            }
            found.row(part, line, offset);
            offset += part.chars().count() + 1;
        }
    }
    found
}

/// Lines as an editor shows them.
fn editor_lines(content: &str) -> impl Iterator<Item = &str> {
    content.split_inclusive('\n').flat_map(|line| {
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        line.split('\r')
    })
}

impl Outline {
    /// Where an attribute stands: the last line that sets it, which is the one that counts.
    pub fn find(&self, name: &str) -> Option<&OutlineRow> {
        self.rows.iter().rev().find(|row| row.name == name)
    }

    fn odd(&mut self, line: usize, column: usize, kind: OddityKind) {
        if self.oddities.len() < MAX_ODDITIES {
            self.oddities.push(Oddity { line, column, kind });
        }
    }

    fn row(&mut self, part: &str, line: usize, offset: usize) {
        if part.starts_with(' ') {
            return;
        }
        if part.starts_with('\t') {
            self.odd(line, offset + 1, OddityKind::Tab);
        }
        let Some((written, value)) = part.split_once(':') else {
            return;
        };
        let written = text::strip(written);
        let name = written.to_lowercase();
        if name != written {
            self.odd(line, offset + 1, OddityKind::Capitals(written.to_owned()));
        }
        if let Some(first) = self.rows.iter().find(|row| row.name == name) {
            let first_line = first.line;
            let name = name.clone();
            self.odd(line, offset + 1, OddityKind::Duplicate { name, first_line });
        }
        let before_value = part.chars().count() - value.chars().count();
        let blanks = value.chars().take_while(|letter| text::is_blank(*letter)).count();
        if self.rows.len() < super::MAX_ATTRIBUTES {
            self.rows.push(OutlineRow {
                name,
                line,
                value_column: offset + before_value + blanks + 1,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> Vec<(usize, OddityKind)> {
        outline(bytes)
            .oddities
            .into_iter()
            .map(|odd| (odd.line, odd.kind))
            .collect()
    }

    #[test]
    fn attributes_are_found_at_their_line_and_column() {
        let found = outline(b"package           : a\r\nchangelog : x\r\n y : z\r\nversion:1\r\n");
        let places: Vec<_> = found
            .rows
            .iter()
            .map(|row| (row.name.as_str(), row.line, row.value_column))
            .collect();
        assert_eq!(
            places,
            [("package", 1, 21), ("changelog", 2, 13), ("version", 4, 9)]
        );
        assert_eq!(found.oddities, []);
    }

    #[test]
    fn what_a_reader_forgives_is_listed() {
        assert_eq!(
            kinds(b"\xef\xbb\xbfpackage : a\nPackage : b\n\tname : c\n\nlater : d\n"),
            [
                (1, OddityKind::ByteOrderMark),
                (2, OddityKind::Capitals("Package".into())),
                (
                    2,
                    OddityKind::Duplicate {
                        name: "package".into(),
                        first_line: 1
                    }
                ),
                (3, OddityKind::Tab),
                (5, OddityKind::AfterBlankLine),
            ]
        );
    }

    #[test]
    fn a_line_end_that_editors_do_not_show_starts_another_attribute() {
        let found = outline("name : a\u{2028}version : 2\nsection : base".as_bytes());
        assert_eq!(found.oddities[0].kind, OddityKind::HiddenLineEnd('\u{2028}'));
        let version = found.find("version").unwrap();
        assert_eq!((version.line, version.value_column), (1, 20));
        assert_eq!(found.find("section").unwrap().line, 2);
    }

    #[test]
    fn nothing_below_an_empty_line_is_an_attribute() {
        let found = outline(b"package : a\n\n\nversion : 1\nname : x\n");
        assert_eq!(found.rows.len(), 1);
        assert_eq!(found.oddities.len(), 1);
        assert_eq!(found.oddities[0].line, 4);
    }
}
