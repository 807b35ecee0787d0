//! Reading a control file: tolerant of everything that the predecessor tolerates, bounded.

use thiserror::Error;

use super::{Control, text};

/// The largest control file, in bytes.
pub const MAX_CONTROL_BYTES: usize = 1024 * 1024;

/// The most attributes in one control file.
pub const MAX_ATTRIBUTES: usize = 1000;

/// The most lines that are left out of one control file.
const MAX_BROKEN_LINES: usize = 100;

/// How much of an offending line an error repeats, in characters.
const SHOWN_CHARS: usize = 80;

/// Why bytes are not a control file. Lines count from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ControlError {
    /// More bytes than any control file has.
    #[error("a control file has at most {MAX_CONTROL_BYTES} bytes, this one has {length}")]
    TooLarge {
        /// Length in bytes.
        length: usize,
    },
    /// More attributes than any control file has.
    #[error("line {line}: a control file has at most {MAX_ATTRIBUTES} attributes")]
    TooManyAttributes {
        /// Where the limit is passed.
        line: usize,
    },
    /// The bytes are not UTF-8 text.
    #[error("line {line}: not UTF-8 text")]
    NotText {
        /// The line of the first wrong byte.
        line: usize,
    },
    /// A line is neither an attribute nor a continuation.
    #[error("line {line}: no \":\" in {text:?}")]
    NoColon {
        /// Which line.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// The first line continues a value, but there is none before it.
    #[error("line {line}: starts with a blank but continues no attribute")]
    ContinuesNothing {
        /// Which line.
        line: usize,
    },
}

impl Control {
    /// Reads a control file: strips a byte order mark, stops at the first blank line.
    ///
    /// Names are lower-cased, values stripped; of two attributes with one name the last counts.
    ///
    /// # Errors
    /// Says in which line the text is not a control file, or which limit it passes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ControlError> {
        Self::read(bytes, Err)
    }

    /// Reads a control file as far as it can be read: lines that are no attribute are left out and given back.
    ///
    /// # Errors
    /// As [`Self::parse`], when nothing of it can be read.
    pub fn parse_rest(bytes: &[u8]) -> Result<(Self, Vec<ControlError>), ControlError> {
        let mut broken = Vec::new();
        let control = Self::read(bytes, |error| {
            if broken.len() >= MAX_BROKEN_LINES {
                return Err(error);
            }
            broken.push(error);
            Ok(())
        })?;
        Ok((control, broken))
    }

    fn read(
        bytes: &[u8],
        mut broken: impl FnMut(ControlError) -> Result<(), ControlError>,
    ) -> Result<Self, ControlError> {
        if bytes.len() > MAX_CONTROL_BYTES {
            return Err(ControlError::TooLarge { length: bytes.len() });
        }
        let content = std::str::from_utf8(bytes).map_err(|error| {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            ControlError::NotText {
                line: before.split(|byte| *byte == b'\n').count(),
            }
        })?;
        let content = content.strip_prefix('\u{feff}').unwrap_or(content);
        let mut control = Self::empty();
        let mut current: Option<(String, String)> = None;
        // What continues a line that was left out goes with it.
        let mut is_broken = false;
        for (position, line) in text::split_lines(content).enumerate() {
            let number = position + 1;
            if text::strip(line).is_empty() {
                break;
            }
            if line.starts_with(' ') {
                let Some((_, value)) = &mut current else {
                    if !is_broken {
                        broken(ControlError::ContinuesNothing { line: number })?;
                    }
                    continue;
                };
                value.push('\n');
                value.push_str(text::strip(line));
                continue;
            }
            if let Some((name, value)) = current.take() {
                control.store(name, value);
            }
            if control.len() >= MAX_ATTRIBUTES {
                return Err(ControlError::TooManyAttributes { line: number });
            }
            let Some((name, value)) = line.split_once(':') else {
                let text = line.chars().take(SHOWN_CHARS).collect();
                broken(ControlError::NoColon { line: number, text })?;
                is_broken = true;
                continue;
            };
            is_broken = false;
            current = Some((text::strip(name).to_lowercase(), text::strip(value).to_owned()));
        }
        if let Some((name, value)) = current {
            control.store(name, value);
        }
        Ok(control)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_cased_values_stripped_and_the_last_duplicate_counts() {
        let control = Control::parse(b"\xef\xbb\xbfPACKAGE:a\r\npackage :  b \r\n").unwrap();
        assert_eq!(control.package(), "b");
        assert_eq!(control.attributes().count(), 1);
    }

    #[test]
    fn a_line_starting_with_a_space_continues_but_one_with_a_tab_does_not() {
        let control = Control::parse(b"changelog: a\n  b : c \n d\n").unwrap();
        assert_eq!(control.get("changelog"), "a\nb : c\nd");
        let control = Control::parse(b"changelog: a\n\tname: c\n").unwrap();
        assert_eq!(control.get("name"), "c");
    }

    #[test]
    fn reading_stops_at_the_first_blank_line() {
        let control = Control::parse(b"package: a\n\nversion: 1\nnonsense").unwrap();
        assert!(!control.has("version"));
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(
            Control::parse(b"package: a\nnonsense\n"),
            Err(ControlError::NoColon {
                line: 2,
                text: "nonsense".into()
            })
        );
        assert_eq!(
            Control::parse(b" a: b"),
            Err(ControlError::ContinuesNothing { line: 1 })
        );
        assert_eq!(
            Control::parse(b"a: b\nc: \xff"),
            Err(ControlError::NotText { line: 2 })
        );
    }

    #[test]
    fn size_and_number_of_attributes_are_bounded() {
        assert!(matches!(
            Control::parse(&vec![b'a'; MAX_CONTROL_BYTES + 1]),
            Err(ControlError::TooLarge { .. })
        ));
        let lines: Vec<String> = (0..=MAX_ATTRIBUTES)
            .map(|number| format!("a{number}: 1"))
            .collect();
        let many = lines.join(
            "
",
        );
        assert_eq!(
            Control::parse(many.as_bytes()),
            Err(ControlError::TooManyAttributes {
                line: MAX_ATTRIBUTES + 1
            })
        );
    }
}
