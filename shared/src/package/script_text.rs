//! The text of a Python file from its bytes: byte order marks, UTF-16, and the coding line of old scripts.

/// How far into a file the coding line is looked for, in lines.
const COOKIE_LINES: usize = 2;

/// What Windows-1252 has where ISO 8859-1 has control characters (0x80 to 0x9f).
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// How the characters of a script are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// What Python takes when nothing is said.
    Utf8,
    /// UTF-8 behind a byte order mark.
    Utf8WithMark,
    /// ISO 8859-1, named in the coding line.
    Latin1,
    /// Windows-1252, named in the coding line.
    Windows1252,
    /// UTF-16, little end first; Python itself refuses such files.
    Utf16Le,
    /// UTF-16, big end first; Python itself refuses such files.
    Utf16Be,
}

/// A script as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptText {
    /// The characters, without a byte order mark; line ends as they were.
    pub text: String,
    /// How they were stored.
    pub encoding: Encoding,
    /// The first line (from 1) with bytes that the encoding does not have; U+FFFD stands for them.
    pub first_bad_line: Option<usize>,
    /// The name in the coding line, when it is none that is known here.
    pub unknown_cookie: Option<String>,
}

/// Reads a script, whatever its bytes; nothing is refused here.
pub fn decode(bytes: &[u8]) -> ScriptText {
    if let Some(rest) = bytes.strip_prefix(b"\xff\xfe") {
        return utf16(rest, Encoding::Utf16Le);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xfe\xff") {
        return utf16(rest, Encoding::Utf16Be);
    }
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        return utf8(rest, Encoding::Utf8WithMark);
    }
    let Some(cookie) = coding_cookie(bytes) else {
        return utf8(bytes, Encoding::Utf8);
    };
    match cookie.to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" | "u8" | "ascii" | "us-ascii" | "utf-8-sig" => utf8(bytes, Encoding::Utf8),
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" | "l1" | "iso-latin-1" => ScriptText {
            text: bytes.iter().copied().map(char::from).collect(),
            encoding: Encoding::Latin1,
            first_bad_line: None,
            unknown_cookie: None,
        },
        "cp1252" | "windows-1252" | "1252" | "cp-1252" => ScriptText {
            text: bytes.iter().copied().map(windows_1252).collect(),
            encoding: Encoding::Windows1252,
            first_bad_line: None,
            unknown_cookie: None,
        },
        _ => ScriptText {
            unknown_cookie: Some(cookie),
            ..utf8(bytes, Encoding::Utf8)
        },
    }
}

fn utf8(bytes: &[u8], encoding: Encoding) -> ScriptText {
    match std::str::from_utf8(bytes) {
        Ok(text) => ScriptText {
            text: text.to_owned(),
            encoding,
            first_bad_line: None,
            unknown_cookie: None,
        },
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            ScriptText {
                text: String::from_utf8_lossy(bytes).into_owned(),
                encoding,
                first_bad_line: Some(before.split(|byte| *byte == b'\n').count()),
                unknown_cookie: None,
            }
        }
    }
}

fn utf16(bytes: &[u8], encoding: Encoding) -> ScriptText {
    let units = bytes.chunks(2).map(|pair| match (pair, encoding) {
        ([low, high], Encoding::Utf16Le) => u16::from_le_bytes([*low, *high]),
        ([high, low], _) => u16::from_be_bytes([*high, *low]),
        // Half a character at the end.
        _ => 0xfffd,
    });
    ScriptText {
        text: char::decode_utf16(units)
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect(),
        encoding,
        first_bad_line: None,
        unknown_cookie: None,
    }
}

fn windows_1252(byte: u8) -> char {
    match byte.checked_sub(0x80).map(usize::from) {
        Some(position) => WINDOWS_1252.get(position).copied().unwrap_or(char::from(byte)),
        None => char::from(byte),
    }
}

/// The name that a comment in one of the first two lines gives: `coding: NAME` or `coding=NAME`.
fn coding_cookie(bytes: &[u8]) -> Option<String> {
    for line in bytes.split(|byte| *byte == b'\n').take(COOKIE_LINES) {
        let line = String::from_utf8_lossy(line.get(..line.len().min(200)).unwrap_or_default());
        let trimmed = line.trim_start_matches([' ', '\t', '\u{c}']);
        let Some(comment) = trimmed.strip_prefix('#') else {
            // The second line counts only below a comment or an empty line.
            if trimmed.trim().is_empty() {
                continue;
            }
            return None;
        };
        let found = comment.match_indices("coding").find_map(|(at, word)| {
            let rest = comment.get(at + word.len()..)?;
            let rest = rest.strip_prefix([':', '='])?.trim_start_matches([' ', '\t']);
            let name: String = rest
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
                .collect();
            (!name.is_empty()).then_some(name)
        });
        if found.is_some() {
            return found;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_and_marked_utf8_read_the_same() {
        let plain = decode("x = 'é'\r\n".as_bytes());
        assert_eq!(
            (plain.text.as_str(), plain.encoding),
            ("x = 'é'\r\n", Encoding::Utf8)
        );
        let marked = decode(b"\xef\xbb\xbfx = 1\n");
        assert_eq!(
            (marked.text.as_str(), marked.encoding),
            ("x = 1\n", Encoding::Utf8WithMark)
        );
    }

    #[test]
    fn the_coding_line_of_old_scripts_is_followed() {
        let latin = decode(b"# -*- coding: latin-1 -*-\nx = '\xe9\x80'\n");
        assert_eq!(latin.encoding, Encoding::Latin1);
        assert!(latin.text.ends_with("x = 'é\u{80}'\n"));
        let windows = decode(b"#!/usr/bin/python\n# vim: set fileencoding=cp1252 :\nx = '\xe9\x80'\n");
        assert_eq!(windows.encoding, Encoding::Windows1252);
        assert!(windows.text.ends_with("x = 'é€'\n"));
        // A word in the code is no coding line, nor is one in the third line.
        for text in ["x = 1 # coding\n# coding: latin-1\n", "\n\n# coding: latin-1\n"] {
            assert_eq!(decode(text.as_bytes()).encoding, Encoding::Utf8, "{text}");
        }
        let strange = decode(b"# coding: klingon\n");
        assert_eq!(strange.unknown_cookie.as_deref(), Some("klingon"));
    }

    #[test]
    fn wrong_bytes_name_their_line() {
        let text = decode(b"a\nb\n\xe9\n");
        assert_eq!(text.first_bad_line, Some(3));
        assert!(text.text.contains('\u{fffd}'));
    }

    #[test]
    fn utf16_is_read_and_named() {
        let little: Vec<u8> = "\u{feff}x = 'é'"
            .encode_utf16()
            .flat_map(u16::to_le_bytes)
            .collect();
        assert_eq!(decode(&little).text, "x = 'é'");
        assert_eq!(decode(&little).encoding, Encoding::Utf16Le);
        assert_eq!(decode(b"\xfe\xff\0x\0").text, "x\u{fffd}");
    }
}
