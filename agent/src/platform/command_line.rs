//! A program and its arguments as one line, as Windows programs take it apart again. Pure.

/// A part holds a NUL, which ends a line, or the program's path a quotation mark, which nothing escapes there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("part {0} of the command line holds a character that no command line can carry")]
pub struct PartError(pub usize);

const QUOTE: u16 = b'"' as u16;
const BACKSLASH: u16 = b'\\' as u16;

/// The line in UTF-16 with its closing NUL. Every part is quoted.
///
/// # Errors
/// When a part cannot be carried.
pub fn command_line<'a>(parts: impl IntoIterator<Item = &'a [u16]>) -> Result<Vec<u16>, PartError> {
    let mut line = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        if part.contains(&0) || (index == 0 && part.contains(&QUOTE)) {
            return Err(PartError(index));
        }
        if index > 0 {
            line.push(u16::from(b' '));
        }
        line.push(QUOTE);
        let mut backslashes = 0;
        for unit in part {
            if *unit == QUOTE {
                // Each of them would else count for half, and the mark would end the part.
                line.extend(std::iter::repeat_n(BACKSLASH, backslashes + 1));
            }
            backslashes = if *unit == BACKSLASH { backslashes + 1 } else { 0 };
            line.push(*unit);
        }
        // The same before the closing mark; the program's own path knows no escapes.
        if index > 0 {
            line.extend(std::iter::repeat_n(BACKSLASH, backslashes));
        }
        line.push(QUOTE);
    }
    line.push(0);
    Ok(line)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn line(parts: &[&str]) -> Result<String, PartError> {
        let parts: Vec<Vec<u16>> = parts.iter().map(|part| part.encode_utf16().collect()).collect();
        let line = command_line(parts.iter().map(Vec::as_slice))?;
        Ok(String::from_utf16(&line).unwrap())
    }

    /// How the C runtime of Windows reads a line: 2n backslashes and a mark are n backslashes and the end of the
    /// quotation, 2n + 1 and a mark are n backslashes and a mark, others are themselves.
    fn parts_of(line: &str) -> Vec<String> {
        let line = line.strip_suffix('\0').unwrap();
        let (program, rest) = line.strip_prefix('"').unwrap().split_once('"').unwrap();
        let mut parts = vec![program.to_owned()];
        let mut letters = rest.chars().peekable();
        while letters.next() == Some(' ') {
            let (mut part, mut is_quoted) = (String::new(), false);
            while let Some(letter) = letters.peek().copied() {
                if letter == ' ' && !is_quoted {
                    break;
                }
                letters.next();
                match letter {
                    '\\' => {
                        let mut count = 1;
                        while letters.next_if_eq(&'\\').is_some() {
                            count += 1;
                        }
                        if letters.peek() == Some(&'"') {
                            part.extend(std::iter::repeat_n('\\', count / 2));
                            if count % 2 == 1 {
                                letters.next();
                                part.push('"');
                            }
                        } else {
                            part.extend(std::iter::repeat_n('\\', count));
                        }
                    }
                    '"' => is_quoted = !is_quoted,
                    other => part.push(other),
                }
            }
            parts.push(part);
        }
        parts
    }

    #[test]
    fn spaces_marks_and_backslashes_at_the_end_stay_inside_their_part() {
        assert_eq!(
            line(&[r"C:\Program Files\python.exe", "-I", r"C:\a b\"]).unwrap(),
            "\"C:\\Program Files\\python.exe\" \"-I\" \"C:\\a b\\\\\"\0"
        );
        assert_eq!(
            line(&["x", r#"say "hi"\"#]).unwrap(),
            "\"x\" \"say \\\"hi\\\"\\\\\"\0"
        );
        assert_eq!(line(&["x", "a\0b"]), Err(PartError(1)));
        assert_eq!(line(&["x\"y"]), Err(PartError(0)));
    }

    proptest! {
        #[test]
        fn a_line_is_taken_apart_into_what_it_was_made_of(
            program in r"[a-zA-Z:\\ äß日]{1,20}",
            arguments in prop::collection::vec(r#"[a \\"ß日%&^|<>]{0,12}"#, 0..6),
        ) {
            let mut parts = vec![program.as_str()];
            parts.extend(arguments.iter().map(String::as_str));
            prop_assert_eq!(parts_of(&line(&parts).unwrap()), parts);
        }
    }
}
