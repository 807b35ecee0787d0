//! Host identifiers: 1 to 64 characters of `[0-9A-Za-z._-]`, compared in ASCII lower case.

use muster_shared::name::HostId;
use muster_shared::protocol::error::ErrorCode;

use crate::error::ApiError;

/// The identifier in the form that is compared, sorted and used as a key.
pub fn host_key(identifier: &str) -> String {
    identifier.to_ascii_lowercase()
}

/// The text is an identifier.
pub fn is_identifier(text: &str) -> bool {
    // Two names that every file system reads as folders: host packages are files named by identifiers.
    text != "." && text != ".." && text.parse::<HostId>().is_ok()
}

/// Checks an identifier that came from outside.
///
/// # Errors
/// `request_invalid` with the rule.
pub fn check(text: &str) -> Result<(), ApiError> {
    if is_identifier(text) {
        Ok(())
    } else {
        let shown: String = text.chars().take(64).collect();
        Err(ApiError::new(
            ErrorCode::RequestInvalid,
            format!("{shown:?} is no host identifier: 1 to 64 characters of 0-9, A-Z, a-z, '.', '_' and '-'"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_are_short_and_plain() {
        for good in ["a", "4C4C4544-0042", "srv.example.org", &"x".repeat(64)] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", "a\0", &"x".repeat(65)] {
            assert!(!is_identifier(bad), "{bad}");
        }
        assert_eq!(host_key("ABC.x"), "abc.x");
    }
}
