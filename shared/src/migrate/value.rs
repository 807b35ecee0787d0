//! A value of `agent.toml`, and how it is written.

use std::fmt;

/// A value of `agent.toml`.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Text(String),
    Flag(bool),
    Number(f64),
    List(Vec<String>),
}

impl Value {
    /// The value as an `ini` file would write it.
    pub(super) fn plain(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::List(parts) => parts.join(","),
            Self::Flag(_) | Self::Number(_) => self.to_string(),
        }
    }
}

/// As TOML.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write_text(text, f),
            Self::Flag(flag) => write!(f, "{flag}"),
            Self::Number(number) => write!(f, "{number:?}"),
            Self::List(parts) => {
                f.write_str("[")?;
                for (position, part) in parts.iter().enumerate() {
                    if position > 0 {
                        f.write_str(", ")?;
                    }
                    write_text(part, f)?;
                }
                f.write_str("]")
            }
        }
    }
}

/// A basic string: quotes, backslashes and control characters escaped.
fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            letter if letter.is_control() => write!(f, "\\u{:04X}", u32::from(letter))?,
            letter => write!(f, "{letter}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml() {
        assert_eq!(Value::Flag(true).to_string(), "true");
        assert_eq!(Value::Number(2.0).to_string(), "2.0");
        assert_eq!(
            Value::Text(r"C:\a".to_owned() + "\"\u{7f}é").to_string(),
            r#""C:\\a\"\u007Fé""#
        );
        assert_eq!(
            Value::List(vec!["a".to_owned(), "b".to_owned()]).to_string(),
            r#"["a", "b"]"#
        );
    }
}
