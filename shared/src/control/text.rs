//! Lines, blanks and whole numbers as the predecessor's control files understand them.

/// Splits at every character that ends a line, `\r\n` counting once; no empty line after the last end.
pub(crate) fn split_lines(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((position, end)) = first_line_end(rest) else {
            return Some(std::mem::take(&mut rest));
        };
        let line = rest.get(..position).unwrap_or_default();
        let after = rest.get(position + end.len_utf8()..).unwrap_or_default();
        rest = if end == '\r' {
            after.strip_prefix('\n').unwrap_or(after)
        } else {
            after
        };
        Some(line)
    })
}

fn first_line_end(text: &str) -> Option<(usize, char)> {
    let mut from = 0;
    loop {
        let rest = text.get(from..)?;
        // Printable ASCII, which is nearly everything, ends no line.
        let place = rest.bytes().position(|byte| !(b' '..0x80).contains(&byte))?;
        let character = rest.get(place..)?.chars().next()?;
        if is_line_end(character) {
            return Some((from + place, character));
        }
        from += place + character.len_utf8();
    }
}

/// Removes the blanks at both ends.
pub(crate) fn strip(text: &str) -> &str {
    text.trim_matches(is_blank)
}

/// Whether a character ends a line.
pub(crate) fn is_line_end(character: char) -> bool {
    matches!(
        character,
        '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{1c}'..='\u{1e}' | '\u{85}' | '\u{2028}' | '\u{2029}'
    )
}

/// Whether a character is a blank; the control characters U+001C to U+001F and U+180E are.
pub(crate) fn is_blank(character: char) -> bool {
    character.is_whitespace() || matches!(character, '\u{1c}'..='\u{1f}' | '\u{180e}')
}

/// The plain decimal form of a whole number: optional sign, digits, optional `L`.
pub(crate) fn whole_number(text: &str) -> Option<String> {
    let (is_negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let digits = rest.strip_suffix(['L', 'l']).unwrap_or(rest);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    Some(match (is_negative, digits) {
        (_, "") => "0".to_owned(),
        (true, digits) => format!("-{digits}"),
        (false, digits) => digits.to_owned(),
    })
}

/// Gives a value the form that it has after being written and read again.
///
/// Each line is stripped; empty lines after the first are dropped, because one ends the control file.
pub(crate) fn normalised(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for (position, line) in split_lines(value).enumerate() {
        let line = strip(line);
        if position > 0 && line.is_empty() {
            continue;
        }
        if position > 0 {
            out.push('\n');
        }
        out.push_str(line);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_end_at_unicode_separators_too() {
        let lines: Vec<_> = split_lines("a\r\nb\rc\u{b}d\u{2028}e\u{85}f\n").collect();
        assert_eq!(lines, ["a", "b", "c", "d", "e", "f"]);
        assert_eq!(split_lines("\n\n").count(), 2);
        assert_eq!(split_lines("").count(), 0);
    }

    #[test]
    fn wide_and_unbreakable_blanks_are_stripped() {
        assert_eq!(strip("\u{a0} x y\u{3000}\u{1f}"), "x y");
    }

    #[test]
    fn whole_numbers_lose_zeros_signs_and_the_long_mark() {
        for (text, number) in [
            ("0012", "12"),
            ("+7", "7"),
            ("-5", "-5"),
            ("12L", "12"),
            ("-0", "0"),
            ("000", "0"),
        ] {
            assert_eq!(whole_number(text).as_deref(), Some(number));
        }
        for text in ["", "12.5", "1 2", "+", "L", "0x1F", "1_000"] {
            assert_eq!(whole_number(text), None);
        }
    }

    #[test]
    fn a_value_loses_what_would_end_the_file() {
        assert_eq!(normalised(" a \n\n b\r\n\u{2028}c \n"), "a\nb\nc");
        assert_eq!(normalised("\nb"), "\nb");
    }
}
