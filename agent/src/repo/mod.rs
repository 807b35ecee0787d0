//! The repository: index and packages over HTTPS, this host's own package, and the local cache.
//!
//! Nothing here trusts what it fetches: the index's rows and the packages are verified by their
//! signatures later. This part bounds what a hostile or broken repository can cost: every body has a
//! size limit, a hash where one is announced, and a minimum speed.

mod bandwidth;
pub mod cache;
pub mod choice;
pub mod client;
mod download;
mod error;
pub mod hostpackage;
mod icon;
mod pace;
mod part;
pub mod rules;
pub mod sources;

use reqwest::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use serde::{Deserialize, Serialize};

pub use bandwidth::Bandwidth;
pub use error::RepoError;
pub use pace::Pace;
pub(crate) use pace::Watch;

/// What a server said about a body, to ask later whether it is still the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Validators {
    #[serde(default)]
    pub etag: Option<String>,
    #[serde(default)]
    pub last_modified: Option<String>,
}

impl Validators {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| {
            headers
                .get(name)
                .and_then(|value: &HeaderValue| value.to_str().ok())
                .filter(|value| value.len() <= 256)
                .map(str::to_owned)
        };
        Self {
            etag: text(ETAG),
            last_modified: text(LAST_MODIFIED),
        }
    }

    /// The headers that make a request conditional.
    pub(crate) fn condition(&self) -> HeaderMap {
        let mut headers = HeaderMap::new();
        let value = |text: &Option<String>| text.as_deref().and_then(|text| HeaderValue::from_str(text).ok());
        if let Some(etag) = value(&self.etag) {
            headers.insert(IF_NONE_MATCH, etag);
        } else if let Some(date) = value(&self.last_modified) {
            headers.insert(IF_MODIFIED_SINCE, date);
        }
        headers
    }

    /// The validator for `If-Range`: a strong ETag, else the date.
    pub(crate) fn for_range(&self) -> Option<HeaderValue> {
        let strong = self.etag.as_deref().filter(|etag| !etag.starts_with("W/"));
        strong
            .or(self.last_modified.as_deref())
            .and_then(|text| HeaderValue::from_str(text).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weak_etag_serves_conditions_but_not_ranges() {
        let weak = Validators {
            etag: Some("W/\"a\"".into()),
            last_modified: None,
        };
        assert!(weak.condition().contains_key(IF_NONE_MATCH));
        assert_eq!(weak.for_range(), None);
        let strong = Validators {
            etag: Some("\"a\"".into()),
            last_modified: Some("date".into()),
        };
        assert_eq!(strong.for_range().unwrap(), "\"a\"");
        assert!(Validators::default().condition().is_empty());
    }
}
