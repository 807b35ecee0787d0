//! `WAPT/manifest.sha256`: a JSON list of names and SHA-256 sums of all signed members.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::PackageError;
use crate::control::canonical_json;

/// The largest manifest read, in bytes.
pub const MAX_MANIFEST_BYTES: u64 = 64 * 1024 * 1024;

/// Name → lower-case hex SHA-256.
pub type Manifest = BTreeMap<String, String>;

/// Reads a manifest.
///
/// # Errors
/// When it is not a list of pairs, a sum is none, or a name is listed twice.
pub fn parse(bytes: &[u8]) -> Result<Manifest, PackageError> {
    let rows: Vec<(String, String)> =
        serde_json::from_slice(bytes).map_err(|error| PackageError::Manifest(error.to_string()))?;
    let mut manifest = Manifest::new();
    for (name, sum) in rows {
        let is_sum = sum.len() == 64 && sum.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_sum {
            return Err(PackageError::Manifest(format!("{name} has no SHA-256")));
        }
        if manifest.insert(name.clone(), sum.to_ascii_lowercase()).is_some() {
            return Err(PackageError::Manifest(format!("{name} is listed twice")));
        }
    }
    Ok(manifest)
}

/// Writes a manifest: compact, ASCII only, one line, no line end.
pub fn write(rows: &[(String, String)]) -> Vec<u8> {
    let rows = rows
        .iter()
        .map(|(name, sum)| Value::Array(vec![name.as_str().into(), sum.as_str().into()]))
        .collect();
    canonical_json::to_bytes(&Value::Array(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back() {
        let rows = vec![
            ("é.txt".to_owned(), "ab".repeat(32)),
            ("a/b".to_owned(), "0".repeat(64)),
        ];
        let bytes = write(&rows);
        assert!(bytes.is_ascii() && bytes.starts_with(b"[[\"\\u00e9.txt\",\""));
        let manifest = parse(&bytes).unwrap();
        assert_eq!(manifest.get("a/b"), Some(&"0".repeat(64)));
        assert_eq!(manifest.len(), 2);
    }

    #[test]
    fn a_name_listed_twice_and_a_sum_that_is_none_are_refused() {
        let sum = "0".repeat(64);
        for bad in [
            format!(r#"[["a","{sum}"],["a","{sum}"]]"#),
            r#"[["a","12"]]"#.to_owned(),
            format!(r#"[["a","{}"]]"#, "g".repeat(64)),
            format!(r#"[["a","{sum}","x"]]"#),
            "{}".to_owned(),
            String::new(),
        ] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
