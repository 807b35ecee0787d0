//! Canonical JSON: the one byte form of a value that signatures are made over.
//!
//! Keys sorted by code point, no blanks, everything outside printable ASCII escaped as `\uXXXX` in lower
//! case (surrogate pairs above U+FFFF, also U+007F), short forms for `\b \t \n \f \r \" \\`, `/` as it is.

use serde_json::Value;

/// Writes a value in its canonical form.
pub fn to_bytes(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    push_value(&mut out, value);
    out
}

/// Appends a string with its quotes.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    // Nearly all of every text is printable ASCII, which goes over in one piece.
    while let Some(place) = rest.bytes().position(|byte| !is_plain(byte)) {
        let (plain, from) = rest.split_at(place);
        out.extend_from_slice(plain.as_bytes());
        let mut characters = from.chars();
        if let Some(character) = characters.next() {
            push_escaped(out, character);
        }
        rest = characters.as_str();
    }
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}

/// Printable ASCII that stands for itself. The first byte that is not begins a character.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

fn push_escaped(out: &mut Vec<u8>, character: char) {
    match character {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        '\u{8}' => out.extend_from_slice(b"\\b"),
        '\u{c}' => out.extend_from_slice(b"\\f"),
        other => {
            for unit in other.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
            }
        }
    }
}

/// Recursion ends with the depth of the value: parsed JSON is at most 128 levels deep.
fn push_value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Value::String(text) => push_string(out, text),
        Value::Array(items) => {
            out.push(b'[');
            for (position, item) in items.iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                push_value(out, item);
            }
            out.push(b']');
        }
        Value::Object(members) => {
            let mut sorted: Vec<(&String, &Value)> = members.iter().collect();
            sorted.sort_unstable_by_key(|(key, _)| *key);
            out.push(b'{');
            for (position, (key, value)) in sorted.into_iter().enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                push_string(out, key);
                out.push(b':');
                push_value(out, value);
            }
            out.push(b'}');
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_at_every_level_and_lists_keep_their_order() {
        let value = json!({"b": {"z": 1, "a": [3, 1, true, null]}, "a": ""});
        assert_eq!(text(&value), r#"{"a":"","b":{"a":[3,1,true,null],"z":1}}"#);
    }

    #[test]
    fn everything_outside_printable_ascii_is_escaped() {
        let value = json!("é\u{7f}\u{1}/\t\n\r\u{8}\u{c}\"\\ 中 🎉");
        assert_eq!(
            text(&value),
            r#""\u00e9\u007f\u0001/\t\n\r\b\f\"\\ \u4e2d \ud83c\udf89""#
        );
    }

    #[test]
    fn numbers_are_written_plainly() {
        assert_eq!(
            text(&json!([0, -5, 12345, u64::MAX, i64::MIN])),
            "[0,-5,12345,18446744073709551615,-9223372036854775808]"
        );
    }

    fn text(value: &Value) -> String {
        String::from_utf8(to_bytes(value)).unwrap()
    }
}
