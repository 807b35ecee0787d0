//! The order of versions, and a version that is always valid.
//!
//! A valid version is `N[.N[.N[.N]]]`, optionally followed by `-` and a packaging part of letters and
//! digits with single dots between. Members compare as whole numbers, an absent member is lower than
//! a present one (`1 < 1.0 < 1.0.0`), then the packaging: absent is lower, digit runs compare as
//! numbers, other runs as lower-cased text. The order is total on valid versions.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The longest version accepted, in bytes.
pub const MAX_VERSION_BYTES: usize = 255;

/// The most numbers before the dash.
const MAX_MEMBERS: usize = 4;

/// Why a text is not a version.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VersionError {
    /// Nothing was given.
    #[error("a version needs at least one number")]
    Empty,
    /// More text than any version has.
    #[error("a version has at most {MAX_VERSION_BYTES} bytes, this one has {length}")]
    TooLong {
        /// Length in bytes.
        length: usize,
    },
    /// A member before the dash is not made of digits.
    #[error(
        "before the first dash a version has only whole numbers separated by dots, and {member:?} is not one: {text:?}"
    )]
    Member {
        /// The member refused.
        member: String,
        /// The whole text.
        text: String,
    },
    /// Five numbers or more before the dash.
    #[error("a version has at most {MAX_MEMBERS} numbers before the dash, this one has {count}: {text:?}")]
    TooManyMembers {
        /// How many there are.
        count: usize,
        /// The whole text.
        text: String,
    },
    /// The part after the dash is empty or holds something else than letters, digits and single dots.
    #[error(
        "after the dash a version has letters and digits with single dots between, not {packaging:?}: {text:?}"
    )]
    Packaging {
        /// The part after the dash.
        packaging: String,
        /// The whole text.
        text: String,
    },
}

/// The comparable parts of a valid version, borrowed from its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Parts<'a> {
    members: [&'a str; MAX_MEMBERS],
    count: usize,
    packaging: Option<&'a str>,
}

impl<'a> Parts<'a> {
    /// Splits a version by the grammar above.
    pub(crate) fn parse(text: &'a str) -> Result<Self, VersionError> {
        if text.is_empty() {
            return Err(VersionError::Empty);
        }
        if text.len() > MAX_VERSION_BYTES {
            return Err(VersionError::TooLong { length: text.len() });
        }
        let (numbers, packaging) = match text.split_once('-') {
            Some((numbers, packaging)) => (numbers, Some(packaging)),
            None => (text, None),
        };
        let mut members = [""; MAX_MEMBERS];
        let mut count = 0;
        for member in numbers.split('.') {
            if member.is_empty() || !member.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(VersionError::Member {
                    member: member.into(),
                    text: text.into(),
                });
            }
            if let Some(slot) = members.get_mut(count) {
                *slot = member;
            }
            count += 1;
        }
        if count > MAX_MEMBERS {
            return Err(VersionError::TooManyMembers {
                count,
                text: text.into(),
            });
        }
        if let Some(packaging) = packaging
            && !packaging
                .split('.')
                .all(|run| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            return Err(VersionError::Packaging {
                packaging: packaging.into(),
                text: text.into(),
            });
        }
        Ok(Self {
            members,
            count,
            packaging,
        })
    }

    /// The members in order, at most four.
    fn members(&self) -> impl Iterator<Item = &'a str> {
        self.members.into_iter().take(self.count)
    }

    /// Keeps what `condition` gives: its number of members, and the packaging when it has one.
    pub(crate) fn cut_to(mut self, condition: &Parts<'_>) -> Self {
        self.count = self.count.min(condition.count);
        if condition.packaging.is_none() {
            self.packaging = None;
        }
        self
    }

    /// Compares as the order of versions says.
    pub(crate) fn compare(&self, other: &Parts<'_>) -> Ordering {
        for position in 0..MAX_MEMBERS {
            let ours = self.members().nth(position);
            let theirs = other.members().nth(position);
            let order = match (ours, theirs) {
                (Some(ours), Some(theirs)) => compare_numbers(ours, theirs),
                (ours, theirs) => ours.is_some().cmp(&theirs.is_some()),
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        match (self.packaging, other.packaging) {
            (Some(ours), Some(theirs)) => compare_natural(ours, theirs),
            (ours, theirs) => ours.is_some().cmp(&theirs.is_some()),
        }
    }
}

/// A valid version, kept as written and compared by value (`1.2` equals `1.02`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version(String);

impl Version {
    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The numbers before the dash.
    pub fn without_packaging(&self) -> &str {
        self.0.split_once('-').map_or(&self.0, |(numbers, _)| numbers)
    }

    /// The part after the dash.
    pub fn packaging(&self) -> Option<&str> {
        self.0.split_once('-').map(|(_, packaging)| packaging)
    }

    /// The next version: one more in the last number of the packaging part.
    ///
    /// Without packaging it becomes `-1`; a packaging without a number gets `1` at its end. The result
    /// is greater than this version, except that one already as long as a version can be stays.
    pub fn incremented(&self) -> Self {
        let numbers = self.without_packaging();
        let next = match self.packaging() {
            None => format!("{numbers}-1"),
            Some(packaging) => format!("{numbers}-{}", incremented_packaging(packaging)),
        };
        if next.len() > MAX_VERSION_BYTES {
            self.clone()
        } else {
            Self(next)
        }
    }
}

impl FromStr for Version {
    type Err = VersionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Parts::parse(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Parts::parse(&text)?;
        Ok(Self(text))
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.0
    }
}

impl AsRef<str> for Version {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Version {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare_text(&self.0, &other.0)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Version {}

impl Hash for Version {
    /// Hashes what the order sees: numbers without leading zeros, text in lower case.
    fn hash<H: Hasher>(&self, state: &mut H) {
        for run in Runs::new(&self.0) {
            match run {
                Run::Number(digits) => without_leading_zeros(digits).hash(state),
                Run::Text(text) => text.to_ascii_lowercase().hash(state),
            }
        }
    }
}

/// Compares two versions that may be invalid.
///
/// When either is invalid the whole texts compare in code-point order, which is not total across a mix
/// of valid and invalid ones.
pub fn compare_text(a: &str, b: &str) -> Ordering {
    match (Parts::parse(a), Parts::parse(b)) {
        (Ok(a), Ok(b)) => a.compare(&b),
        _ => a.cmp(b),
    }
}

/// Compares text with digit runs as numbers and the rest in ASCII lower case.
pub fn compare_natural(a: &str, b: &str) -> Ordering {
    let mut ours = Runs::new(a);
    let mut theirs = Runs::new(b);
    loop {
        let order = match (ours.next(), theirs.next()) {
            (None, None) => return Ordering::Equal,
            (ours, theirs) if ours.is_none() || theirs.is_none() => {
                return ours.is_some().cmp(&theirs.is_some());
            }
            (Some(Run::Number(a)), Some(Run::Number(b))) => compare_numbers(a, b),
            (Some(Run::Text(a)), Some(Run::Text(b))) => a
                .bytes()
                .map(|byte| byte.to_ascii_lowercase())
                .cmp(b.bytes().map(|byte| byte.to_ascii_lowercase())),
            // A run of digits sorts before a run of text, which starts with at least one character.
            (Some(Run::Number(_)), _) => Ordering::Less,
            (_, _) => Ordering::Greater,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// One stretch of a text that is all digits or has none.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Run<'a> {
    /// ASCII digits.
    Number(&'a str),
    /// Anything else.
    Text(&'a str),
}

/// The runs of a text in order.
#[derive(Debug, Clone)]
pub(crate) struct Runs<'a> {
    rest: &'a str,
}

impl<'a> Runs<'a> {
    /// Starts at the beginning of `text`.
    pub(crate) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Runs<'a> {
    type Item = Run<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let is_number = self.rest.bytes().next()?.is_ascii_digit();
        let end = self
            .rest
            .bytes()
            .position(|byte| byte.is_ascii_digit() != is_number)
            .unwrap_or(self.rest.len());
        let (run, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(if is_number {
            Run::Number(run)
        } else {
            Run::Text(run)
        })
    }
}

/// Compares two runs of ASCII digits of any length as whole numbers.
pub(crate) fn compare_numbers(a: &str, b: &str) -> Ordering {
    let a = without_leading_zeros(a);
    let b = without_leading_zeros(b);
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

fn without_leading_zeros(digits: &str) -> &str {
    digits.trim_start_matches('0')
}

/// Adds one to the last run of digits, keeping its width; appends `1` when there is none.
fn incremented_packaging(packaging: &str) -> String {
    let Some(last) = packaging.rfind(|character: char| character.is_ascii_digit()) else {
        return format!("{packaging}1");
    };
    let end = last + 1;
    let (head, tail) = packaging.split_at_checked(end).unwrap_or((packaging, ""));
    let start = head
        .rfind(|character: char| !character.is_ascii_digit())
        .map_or(0, |position| position + 1);
    let (before, digits) = head.split_at_checked(start).unwrap_or(("", head));
    format!("{before}{}{tail}", plus_one(digits))
}

fn plus_one(digits: &str) -> String {
    let mut carry = true;
    let mut reversed: Vec<char> = digits
        .chars()
        .rev()
        .map(|digit| match (carry, digit) {
            (true, '9') => '0',
            (true, digit) => {
                carry = false;
                char::from_digit(digit.to_digit(10).unwrap_or(0) + 1, 10).unwrap_or('0')
            }
            (false, digit) => digit,
        })
        .collect();
    if carry {
        reversed.push('1');
    }
    reversed.into_iter().rev().collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_absent_member_is_lower_than_a_present_one() {
        assert!(version("1") < version("1.0"));
        assert!(version("1.0") < version("1.0.0"));
        assert!(version("1.0-9") < version("1.0.0"));
    }

    #[test]
    fn members_compare_as_numbers_of_any_length() {
        assert!(version("1.9") < version("1.10"));
        assert!(version("99999999999999999999") < version("100000000000000000000"));
        assert_eq!(version("01.0"), version("1.0"));
    }

    #[test]
    fn packaging_compares_digits_as_numbers_and_text_in_lower_case() {
        assert!(version("1.0") < version("1.0-0"));
        assert!(version("1.0-9") < version("1.0-10"));
        assert!(version("1.0-10") < version("1.0-a1"));
        assert!(version("1.0-a2") < version("1.0-a10"));
        assert_eq!(version("1.0-RC1"), version("1.0-rc1"));
        assert!(version("1.0-a") < version("1.0-a1"));
        assert!(version("1.0-1") < version("1.0-1.2"));
    }

    #[test]
    fn equal_versions_hash_alike() {
        let set: HashSet<_> = ["1.2-RC01", "1.02-rc1", "01.2-Rc1"]
            .into_iter()
            .map(version)
            .collect();
        assert_eq!(set.len(), 1);
    }

    #[test]
    fn invalid_versions_are_refused_with_the_rule() {
        for text in [
            "",
            "a",
            "1.",
            ".1",
            "1..2",
            "1.0_beta",
            "1.2-",
            "1.2-a-b",
            "1.2-a..b",
            "1.2.3.4.5",
            "1.2-é",
            " 1",
        ] {
            assert!(text.parse::<Version>().is_err(), "{text:?} was accepted");
        }
        assert_eq!(
            "1.2.3.4.5".parse::<Version>().unwrap_err(),
            VersionError::TooManyMembers {
                count: 5,
                text: "1.2.3.4.5".into()
            }
        );
        assert!("1".repeat(300).parse::<Version>().is_err());
    }

    #[test]
    fn incrementing_touches_the_last_number_of_the_packaging() {
        for (before, after) in [
            ("1.0", "1.0-1"),
            ("1.0-0", "1.0-1"),
            ("1.0-9", "1.0-10"),
            ("1.0-09", "1.0-10"),
            ("1.0-rc", "1.0-rc1"),
            ("1.0-rc9b", "1.0-rc10b"),
            ("1.0-1.99", "1.0-1.100"),
        ] {
            assert_eq!(version(before).incremented().as_str(), after);
            assert!(version(before).incremented() > version(before));
        }
    }

    #[test]
    fn an_invalid_version_compares_as_whole_text() {
        assert_eq!(compare_text("1.0.0.0.1", "1.0-1"), Ordering::Greater);
        assert_eq!(compare_text("abc", "1.0"), Ordering::Greater);
        assert_eq!(compare_text("", "0"), Ordering::Less);
    }

    #[test]
    fn a_version_in_json_is_checked() {
        assert_eq!(
            serde_json::from_str::<Version>("\"1.0-2\"").unwrap(),
            version("1.0-2")
        );
        assert!(serde_json::from_str::<Version>("\"1.0_2\"").is_err());
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }
}
