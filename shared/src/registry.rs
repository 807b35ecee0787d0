//! Values of the Windows registry, decoded from their type and bytes: whatever is there, something comes out.
//!
//! Any program may write anything into a value and call it what it likes: text without its closing NUL, half a
//! character, a number of three bytes. Nothing here fails or panics; a value that is not what its type says
//! becomes [`Value::Binary`].

use std::fmt::Write as _;

/// No text of a value is taken beyond this many UTF-16 units.
pub const MAX_TEXT_UNITS: usize = 32 * 1024;
/// No list of a value is taken beyond this many texts.
pub const MAX_TEXTS: usize = 1024;
/// No binary value is taken beyond this many bytes.
pub const MAX_BINARY_BYTES: usize = 64 * 1024;

/// A decoded value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// `REG_NONE` without bytes.
    None,
    /// `REG_SZ` and `REG_LINK`, up to the first NUL.
    Text(String),
    /// `REG_EXPAND_SZ`: text in which `%NAME%` stands for variables.
    Expandable(String),
    /// `REG_MULTI_SZ`.
    Texts(Vec<String>),
    /// `REG_DWORD` of either byte order, and `REG_QWORD`.
    Number(u64),
    /// Everything else.
    Binary(Vec<u8>),
}

impl Value {
    /// Decodes the bytes of a value by its type's number.
    pub fn decode(kind: u32, bytes: &[u8]) -> Self {
        match kind {
            0 if bytes.is_empty() => Self::None,
            1 | 6 => Self::Text(text(bytes)),
            2 => Self::Expandable(text(bytes)),
            4 => number(
                bytes,
                bytes.try_into().map(u32::from_le_bytes).ok().map(u64::from),
            ),
            5 => number(
                bytes,
                bytes.try_into().map(u32::from_be_bytes).ok().map(u64::from),
            ),
            7 => Self::Texts(texts(bytes)),
            11 => number(bytes, bytes.try_into().map(u64::from_le_bytes).ok()),
            _ => Self::Binary(bytes.iter().copied().take(MAX_BINARY_BYTES).collect()),
        }
    }

    /// The value as one line for people: numbers in decimal, lists with `; ` between, bytes in hexadecimal.
    pub fn display(&self) -> String {
        match self {
            Self::None => String::new(),
            Self::Text(text) | Self::Expandable(text) => text.clone(),
            Self::Texts(texts) => texts.join("; "),
            Self::Number(number) => number.to_string(),
            Self::Binary(bytes) => {
                let mut text = String::with_capacity(bytes.len() * 2);
                for byte in bytes {
                    write!(text, "{byte:02x}").ok();
                }
                text
            }
        }
    }

    /// Text, where the value is one; programs that mean text write either kind.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Expandable(text) => Some(text),
            _ => None,
        }
    }

    /// A number, where the value is one or a text that reads as one.
    pub fn as_number(&self) -> Option<u64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(text) => text.trim().parse().ok(),
            _ => None,
        }
    }
}

fn number(bytes: &[u8], read: Option<u64>) -> Value {
    read.map_or_else(
        || Value::Binary(bytes.iter().copied().take(MAX_BINARY_BYTES).collect()),
        Value::Number,
    )
}

/// UTF-16 units; an odd byte at the end is no unit.
fn units(bytes: &[u8]) -> impl Iterator<Item = u16> + '_ {
    bytes
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok())
        .map(u16::from_le_bytes)
        .take(MAX_TEXT_UNITS)
}

fn text(bytes: &[u8]) -> String {
    let units: Vec<u16> = units(bytes).take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// Texts that end with a NUL each; an empty one ends the list.
fn texts(bytes: &[u8]) -> Vec<String> {
    let units: Vec<u16> = units(bytes).collect();
    units
        .split(|unit| *unit == 0)
        .take_while(|text| !text.is_empty())
        .take(MAX_TEXTS)
        .map(String::from_utf16_lossy)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wide(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn each_type_is_decoded_as_what_it_is() {
        for (kind, bytes, expected) in [
            (1, wide("7-Zip\0"), Value::Text("7-Zip".into())),
            (1, wide("no end"), Value::Text("no end".into())),
            (1, wide("a\0hidden\0"), Value::Text("a".into())),
            (2, wide("%TEMP%\\x\0"), Value::Expandable("%TEMP%\\x".into())),
            (
                7,
                wide("one\0two\0\0"),
                Value::Texts(vec!["one".into(), "two".into()]),
            ),
            (
                7,
                wide("one\0two"),
                Value::Texts(vec!["one".into(), "two".into()]),
            ),
            (7, wide("\0"), Value::Texts(Vec::new())),
            (4, vec![1, 0, 0, 0], Value::Number(1)),
            (5, vec![0, 0, 0, 1], Value::Number(1)),
            (11, vec![0, 0, 0, 0, 1, 0, 0, 0], Value::Number(1 << 32)),
            (4, vec![1, 0, 0], Value::Binary(vec![1, 0, 0])),
            (3, vec![0xab], Value::Binary(vec![0xab])),
            (0, Vec::new(), Value::None),
            (4711, vec![7], Value::Binary(vec![7])),
        ] {
            assert_eq!(Value::decode(kind, &bytes), expected, "{kind} {bytes:?}");
        }
    }

    #[test]
    fn half_a_character_and_half_a_unit_do_not_spoil_the_rest() {
        let mut bytes = wide("x");
        bytes.extend([0x00, 0xd8, b'y', 0, b'z']);
        assert_eq!(Value::decode(1, &bytes), Value::Text("x\u{fffd}y".into()));
    }

    #[test]
    fn values_are_shown_in_one_line() {
        assert_eq!(Value::Texts(vec!["a".into(), "b".into()]).display(), "a; b");
        assert_eq!(Value::Binary(vec![1, 0xff]).display(), "01ff");
        assert_eq!(Value::Text(" 12 ".into()).as_number(), Some(12));
        assert_eq!(Value::Binary(vec![1]).as_text(), None);
    }

    proptest! {
        #[test]
        fn any_bytes_of_any_type_give_a_bounded_value(kind in any::<u32>(), bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            for kind in [kind, kind % 12] {
                let shown = Value::decode(kind, &bytes).display();
                prop_assert!(shown.len() <= 2 * bytes.len() + 20);
            }
        }
    }
}
