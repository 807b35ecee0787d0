//! The small language that filters hosts, packages and tasks, the same in window, command line and API.
//!
//! `status:error os:windows software:"7-zip"<24 group:accounting last_seen>7d not reachable`
//!
//! Terms beside each other must all hold; `or`, `not` (or `-`) and parentheses combine them. A word
//! without a field is looked for in every text of a row. Case never matters.

mod expression;
mod field;
pub(crate) mod glob;
mod host_row;
mod matching;
mod parse;
mod value;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use self::expression::{Expression, Operand, Operator, Pattern, Term};
pub use self::field::{FIELDS, Field, FieldKind, Subject};
pub use self::host_row::host_row_value;
pub use self::parse::{FilterError, MAX_FILTER_BYTES, MAX_TERMS};

/// What a row holds in a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value<'a> {
    /// One text, or one version.
    Text(Cow<'a, str>),
    /// Several texts or versions, one of which must fit.
    Texts(Vec<Cow<'a, str>>),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// A point in time.
    Time(Timestamp),
    /// Named things with their versions.
    Named(Vec<(Cow<'a, str>, Cow<'a, str>)>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

/// Something that filters can be asked about.
pub trait Row {
    /// The value of a field of [`FIELDS`]; `None` when the row has no such field, then no term on it holds.
    fn field(&self, name: &str) -> Option<Value<'_>>;

    /// Whether any text of the row contains this lower-case text, without regard to the row's case.
    fn any_text(&self, needle_lower: &str) -> bool;
}

/// A filter that was read and can be asked about rows.
///
/// Two filters are equal when they ask the same, however they are spaced. In JSON a filter is its text.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Filter {
    text: String,
    expression: Expression,
}

impl Filter {
    /// Reads a filter; an empty one holds for every row.
    ///
    /// # Errors
    /// Says what is wrong, at which character, and what to write.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        parse::parse(text).map(|expression| Self {
            text: text.to_owned(),
            expression,
        })
    }

    /// The text that was read.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a row fulfils the filter; ages are counted back from `now`.
    pub fn matches(&self, row: &dyn Row, now: Timestamp) -> bool {
        matching::holds(&self.expression, row, now)
    }

    /// Whether the filter holds for every row without looking.
    pub fn is_empty(&self) -> bool {
        matches!(&self.expression, Expression::All(parts) if parts.is_empty())
    }

    /// The tree, for those who translate it into another language.
    pub fn expression(&self) -> &Expression {
        &self.expression
    }

    /// Every term, in the order in which it was written.
    pub fn terms(&self) -> Vec<&Term> {
        let mut terms = Vec::new();
        let mut waiting = vec![&self.expression];
        while let Some(expression) = waiting.pop() {
            match expression {
                Expression::All(parts) | Expression::Any(parts) => waiting.extend(parts.iter().rev()),
                Expression::Not(inner) => waiting.push(inner),
                Expression::Term(term) => terms.push(term),
            }
        }
        terms
    }
}

impl fmt::Display for Filter {
    /// Writes the tree in its plain form, which reads back as an equal filter.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.expression.fmt(formatter)
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl TryFrom<String> for Filter {
    type Error = FilterError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl From<Filter> for String {
    fn from(filter: Filter) -> Self {
        filter.text
    }
}

impl PartialEq for Filter {
    fn eq(&self, other: &Self) -> bool {
        self.expression == other.expression
    }
}

impl Eq for Filter {}

#[cfg(test)]
mod tests;
