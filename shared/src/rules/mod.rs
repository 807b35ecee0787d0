//! Small policies that packages without code carry, as values, with the way in which several become one.
//!
//! A rules file is a JSON object in the package; its package is signed, the file itself says nothing about
//! who wrote it. Reading is tolerant of what it does not know and strict about what it does.

pub mod distrust;
pub mod repository;
pub mod selfservice;
pub mod windows_update;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

/// The largest rules file, in bytes.
pub const MAX_RULES_BYTES: usize = 4 * 1024 * 1024;

/// What is wrong with a rules file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RulesError {
    #[error("{size} bytes are too large, at most {MAX_RULES_BYTES} are read")]
    TooLarge { size: usize },
    #[error("not a JSON object: {0}")]
    NotJson(String),
    #[error("{key} {rule}")]
    Value {
        /// Where, as a path of keys: `waptwua.allowed_kbs`.
        key: String,
        /// The rule that its value breaks.
        rule: String,
    },
}

impl RulesError {
    fn value(key: impl Into<String>, rule: impl Into<String>) -> Self {
        Self::Value {
            key: key.into(),
            rule: rule.into(),
        }
    }
}

/// The members of a JSON object in their order, those that are named twice twice.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl<'de> Visitor<'de> for Read {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object of rules")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        deserializer.deserialize_map(Read)
    }
}

/// Reads the outermost object; nesting is bounded by the JSON reader.
fn members(bytes: &[u8]) -> Result<Vec<(String, Value)>, RulesError> {
    if bytes.len() > MAX_RULES_BYTES {
        return Err(RulesError::TooLarge { size: bytes.len() });
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    serde_json::from_slice::<Members>(bytes)
        .map(|members| members.0)
        .map_err(|error| RulesError::NotJson(error.to_string()))
}

/// The texts of a JSON list; a single text counts as a list of one.
fn texts(key: &str, value: Value) -> Result<Vec<String>, RulesError> {
    let one = |value: Value| match value {
        Value::String(text) => Ok(text.trim().to_owned()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(RulesError::value(
            key,
            format!("holds {}, which is no text", kind(&other)),
        )),
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.into_iter().map(one).collect(),
        other @ (Value::String(_) | Value::Number(_)) => one(other).map(|text| vec![text]),
        other => Err(RulesError::value(
            key,
            format!("is {}, and must be a list of texts", kind(&other)),
        )),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
