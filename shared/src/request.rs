//! Requests for packages: `name` or `name(op version)`, alone or as a comma list.
//!
//! An ordered comparison first cuts the version to the members that the condition gives, so a partial
//! version is a wildcard, and a condition without packaging ignores packaging. Two mistakes that the
//! predecessor reads in its own way, a blank before `(` and a missing `)`, are refused by
//! [`Request::parse`]; [`Request::parse_as_wapt`] acts on them as it does.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::version::{Parts, Version, VersionError};

/// The longest single request, in bytes.
pub const MAX_REQUEST_BYTES: usize = 1024;

/// The most requests in one list.
pub const MAX_REQUESTS: usize = 10_000;

/// Why a text is not a request.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// Nothing was given, or nothing before the parenthesis.
    #[error("{text:?} names no package")]
    NoName {
        /// The request as given.
        text: String,
    },
    /// A blank or another character that no package name has.
    #[error("{text:?}: a package name has no {character:?}; a condition is written name(>=1.2)")]
    Name {
        /// The request as given.
        text: String,
        /// The first character refused.
        character: char,
    },
    /// A blank between the name and the parenthesis: older agents match nothing then.
    #[error("{text:?}: remove the blank before \"(\", older agents match no package with it")]
    BlankBeforeParenthesis {
        /// The request as given.
        text: String,
    },
    /// The parenthesis is not closed: older agents drop the condition then.
    #[error("{text:?}: close the parenthesis with \")\", older agents ignore the condition without it")]
    MissingParenthesis {
        /// The request as given.
        text: String,
    },
    /// Something follows the closing parenthesis.
    #[error("{text:?}: nothing may follow \")\"; separate requests with commas")]
    TextAfterParenthesis {
        /// The request as given.
        text: String,
    },
    /// The version of the condition is not valid.
    #[error("{text:?} has a condition on something that is not a version")]
    Version {
        /// The request as given.
        text: String,
        /// The rule broken.
        #[source]
        source: VersionError,
    },
    /// One request is longer than any that is meant.
    #[error("a request has at most {MAX_REQUEST_BYTES} bytes, this one has {length}")]
    TooLong {
        /// Length in bytes.
        length: usize,
    },
    /// A list holds more requests than any that is meant.
    #[error("a list has at most {MAX_REQUESTS} requests")]
    TooMany,
}

/// How a version is compared in a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operator {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`, `==` or nothing
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

impl Operator {
    /// The sign as written by this crate.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "=",
            Self::GreaterOrEqual => ">=",
            Self::Greater => ">",
        }
    }

    /// Whether a value that compares so to the one of the condition is accepted.
    pub fn accepts(self, order: Ordering) -> bool {
        match self {
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Equal => order == Ordering::Equal,
            Self::GreaterOrEqual => order != Ordering::Less,
            Self::Greater => order == Ordering::Greater,
        }
    }

    /// Takes an operator off the front of a text; none means `=`.
    pub(crate) fn split_from(text: &str) -> (Self, &str) {
        for (sign, operator) in [
            ("<=", Self::LessOrEqual),
            (">=", Self::GreaterOrEqual),
            ("==", Self::Equal),
            ("<", Self::Less),
            (">", Self::Greater),
            ("=", Self::Equal),
        ] {
            if let Some(rest) = text.strip_prefix(sign) {
                return (operator, rest);
            }
        }
        (Self::Equal, text)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.sign())
    }
}

/// A comparison that a version must fulfil.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Condition {
    /// How to compare.
    pub operator: Operator,
    /// What to compare with, as written; invalid only when read with [`Request::parse_as_wapt`].
    pub version: String,
}

impl Condition {
    /// Whether a version fulfils the condition. If either is invalid, the whole texts are compared.
    pub fn accepts(&self, version: &str) -> bool {
        let order = match (Parts::parse(version), Parts::parse(&self.version)) {
            (Ok(version), Ok(condition)) => version.cut_to(&condition).compare(&condition),
            _ => version.cmp(self.version.as_str()),
        };
        self.operator.accepts(order)
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}{}", self.operator, self.version)
    }
}

/// A package asked for by name, with or without a condition on its version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Request {
    /// The name of the package.
    pub name: String,
    /// What its version must fulfil; `None` takes any.
    pub condition: Option<Condition>,
}

impl Request {
    /// Any version of a package.
    pub fn any(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            condition: None,
        }
    }

    /// Exactly one version of a package, or all that a partial version covers.
    pub fn exactly(name: impl Into<String>, version: &Version) -> Self {
        Self {
            name: name.into(),
            condition: Some(Condition {
                operator: Operator::Equal,
                version: version.as_str().to_owned(),
            }),
        }
    }

    /// Reads one request, refusing everything that older agents understand in another way.
    ///
    /// # Errors
    /// Says which rule the text breaks and how to write it.
    pub fn parse(text: &str) -> Result<Self, RequestError> {
        let text = text.trim();
        if text.len() > MAX_REQUEST_BYTES {
            return Err(RequestError::TooLong { length: text.len() });
        }
        let Some((name, rest)) = text.split_once('(') else {
            check_name(text, text)?;
            return Ok(Self::any(text));
        };
        if !name.trim().is_empty() && name.ends_with(char::is_whitespace) {
            return Err(RequestError::BlankBeforeParenthesis { text: text.into() });
        }
        check_name(name, text)?;
        let Some((inner, after)) = rest.split_once(')') else {
            return Err(RequestError::MissingParenthesis { text: text.into() });
        };
        if !after.is_empty() {
            return Err(RequestError::TextAfterParenthesis { text: text.into() });
        }
        let (operator, version) = Operator::split_from(inner.trim());
        let version: Version = version.trim().parse().map_err(|source| RequestError::Version {
            text: text.into(),
            source,
        })?;
        Ok(Self {
            name: name.into(),
            condition: Some(Condition {
                operator,
                version: version.into(),
            }),
        })
    }

    /// Reads one request as WAPT 1.8 acts on it, whatever the text.
    ///
    /// With a blank before `(` the name keeps that blank and more, so that nothing matches; without the
    /// closing `)` the condition is dropped.
    pub fn parse_as_wapt(text: &str) -> Self {
        let text = text.trim();
        let Some((name, rest)) = text.split_once('(') else {
            return Self::any(text);
        };
        if name.is_empty() || name.ends_with(char::is_whitespace) {
            return Self::any(text);
        }
        let Some((inner, _)) = rest.split_once(')') else {
            return Self::any(name);
        };
        let (operator, version) = Operator::split_from(inner.trim());
        let version = version.trim();
        if version.is_empty() {
            return Self::any(text);
        }
        Self {
            name: name.into(),
            condition: Some(Condition {
                operator,
                version: version.into(),
            }),
        }
    }

    /// Whether this package in this version is one that the request asks for.
    pub fn matches(&self, package: &str, version: &str) -> bool {
        self.name == package && self.accepts_version(version)
    }

    /// Whether the condition, if any, accepts this version; the name is not looked at.
    pub fn accepts_version(&self, version: &str) -> bool {
        self.condition
            .as_ref()
            .is_none_or(|condition| condition.accepts(version))
    }
}

impl FromStr for Request {
    type Err = RequestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Request {
    type Error = RequestError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Request> for String {
    fn from(request: Request) -> Self {
        request.to_string()
    }
}

impl fmt::Display for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.condition {
            None => formatter.write_str(&self.name),
            Some(condition) => write!(formatter, "{}({condition})", self.name),
        }
    }
}

/// The items of a comma list, trimmed, empty ones left out.
pub fn split_list(csv: &str) -> impl Iterator<Item = &str> {
    csv.split(',').map(str::trim).filter(|item| !item.is_empty())
}

/// Reads a comma list of requests strictly.
///
/// # Errors
/// The first request that [`Request::parse`] refuses, or more than [`MAX_REQUESTS`].
pub fn parse_list(csv: &str) -> Result<Vec<Request>, RequestError> {
    let mut requests = Vec::new();
    for item in split_list(csv) {
        if requests.len() >= MAX_REQUESTS {
            return Err(RequestError::TooMany);
        }
        requests.push(Request::parse(item)?);
    }
    Ok(requests)
}

/// Reads a comma list of requests as WAPT 1.8 acts on it; at most [`MAX_REQUESTS`] are kept.
pub fn parse_list_as_wapt(csv: &str) -> Vec<Request> {
    split_list(csv)
        .take(MAX_REQUESTS)
        .map(Request::parse_as_wapt)
        .collect()
}

fn check_name(name: &str, text: &str) -> Result<(), RequestError> {
    if name.trim().is_empty() {
        return Err(RequestError::NoName { text: text.into() });
    }
    let refused = |character: &char| {
        character.is_whitespace()
            || character.is_control()
            || matches!(character, '(' | ')' | ',' | '<' | '>')
    };
    match name.chars().find(refused) {
        Some(character) => Err(RequestError::Name {
            text: text.into(),
            character,
        }),
        None => Ok(()),
    }
}

/// A package's name where no condition may stand.
///
/// # Errors
/// There is a condition or no name; the text says what to give instead.
pub fn name_alone(text: &str) -> Result<String, String> {
    let text = text.trim();
    match text.split_once('(') {
        Some((name, _condition)) if !name.trim().is_empty() => {
            Err(format!("give a name without a condition: {}", name.trim()))
        }
        None if !text.is_empty() => Ok(text.to_owned()),
        _ => Err("give the name of a package".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partial_version_accepts_every_longer_one_and_any_packaging() {
        let request = Request::parse("p(=1.2)").unwrap();
        assert!(request.matches("p", "1.2.7-3"));
        assert!(!request.matches("p", "1.3"));
        assert!(!request.matches("q", "1.2"));
    }

    #[test]
    fn an_ordered_comparison_cuts_the_version_first() {
        assert!(!Request::parse("p(>1.0)").unwrap().matches("p", "1.0.5-3"));
        assert!(Request::parse("p(>=1.0)").unwrap().matches("p", "1.0.5-3"));
        assert!(Request::parse("p(<=1.0-1)").unwrap().matches("p", "1.0.5-1"));
    }

    #[test]
    fn an_operator_may_be_missing_doubled_or_followed_by_blanks() {
        for text in ["p(1.0)", "p(=1.0)", "p(==1.0)", "p( = 1.0 )", " p(1.0) "] {
            assert_eq!(Request::parse(text).unwrap().to_string(), "p(=1.0)");
        }
    }

    #[test]
    fn what_older_agents_misread_is_refused_with_a_reason() {
        let error = |text| Request::parse(text).unwrap_err();
        assert!(matches!(
            error("p (=1.0)"),
            RequestError::BlankBeforeParenthesis { .. }
        ));
        assert!(matches!(
            error("p(>=1.0"),
            RequestError::MissingParenthesis { .. }
        ));
        assert!(matches!(
            error("p(>=1.0) x"),
            RequestError::TextAfterParenthesis { .. }
        ));
        assert!(matches!(error("p(>=1.0_b)"), RequestError::Version { .. }));
        assert!(matches!(error("p()"), RequestError::Version { .. }));
        assert!(matches!(
            error("p >= 1.0"),
            RequestError::Name { character: ' ', .. }
        ));
        assert!(matches!(
            error("p>=1.0"),
            RequestError::Name { character: '>', .. }
        ));
        assert!(matches!(error("(=1.0)"), RequestError::NoName { .. }));
        assert!(matches!(error(""), RequestError::NoName { .. }));
        assert!(matches!(error(&"p".repeat(2000)), RequestError::TooLong { .. }));
    }

    #[test]
    fn the_two_misreadings_are_kept_for_reading() {
        let blank = Request::parse_as_wapt("p (=1.0)");
        assert!(!blank.matches("p", "1.0"));
        let open = Request::parse_as_wapt("p(>=9.0");
        assert!(open.matches("p", "1.0"));
    }

    #[test]
    fn a_list_ignores_blanks_and_empty_items() {
        let list = parse_list(" a , b(>=1.0),, c ").unwrap();
        assert_eq!(
            list.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["a", "b(>=1.0)", "c"]
        );
        assert!(parse_list("a, b (>=1)").is_err());
        assert_eq!(parse_list_as_wapt("a, b (>=1)").len(), 2);
    }

    #[test]
    fn unit_names_are_requests() {
        assert_eq!(Request::parse("OU=a_DC=b(=2)").unwrap().name, "OU=a_DC=b");
    }
}
