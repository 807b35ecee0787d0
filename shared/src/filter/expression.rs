//! The parsed form of a filter, and how it is written out again.

use std::fmt;

use jiff::Timestamp;

use super::field::{Field, FieldKind};
use super::glob::{Glob, Syntax};

/// A filter as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expression {
    /// Every one holds; an empty list always does.
    All(Vec<Expression>),
    /// At least one holds.
    Any(Vec<Expression>),
    /// It does not hold.
    Not(Box<Expression>),
    /// A single question about a row.
    Term(Term),
}

/// A single question about a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Term {
    /// Any text of the row contains this.
    AnyText(Pattern),
    /// A field compares to a value.
    Compare {
        /// Which field.
        field: &'static Field,
        /// How.
        operator: Operator,
        /// With what; of the kind that the field has.
        operand: Operand,
    },
    /// A named thing is there, in a version that fulfils a condition if there is one.
    Named {
        /// Which list of things.
        field: &'static Field,
        /// Whether the whole name must be the pattern ([`Operator::Is`]) or contain it.
        operator: Operator,
        /// The name.
        name: Pattern,
        /// What its version must fulfil.
        version: Option<(Operator, String)>,
    },
}

/// How a field is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// `:` contains, or is for everything that is not text.
    Has,
    /// `=`
    Is,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Operator {
    /// The sign in a filter.
    pub fn sign(self) -> &'static str {
        match self {
            Self::Has => ":",
            Self::Is => "=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether it asks for equality rather than for an order.
    pub fn is_equality(self) -> bool {
        matches!(self, Self::Has | Self::Is)
    }
}

/// What a field is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// Text with wildcards.
    Text(Pattern),
    /// A whole number.
    Number(i64),
    /// Yes or no.
    Flag(bool),
    /// How long ago, in seconds.
    Age(i64),
    /// A point in time.
    Date(Timestamp),
    /// A version, possibly partial or with wildcards.
    Version(String),
}

/// A piece of text to look for, in lower case; `*` stands for any stretch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: String,
    glob: Option<Glob>,
}

impl Pattern {
    /// Prepares a text.
    pub fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        let glob = text.contains('*').then(|| Glob::new(&text, Syntax::Star));
        Self { text, glob }
    }

    /// The text in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it holds a wildcard.
    pub fn has_wildcard(&self) -> bool {
        self.glob.is_some()
    }

    /// Whether the text contains the pattern, or with wildcards fits it as a whole.
    pub fn is_in(&self, text: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.matches(text),
            None => contains(text, &self.text),
        }
    }

    /// Whether the whole text fits.
    pub fn fits(&self, text: &str) -> bool {
        match &self.glob {
            Some(glob) => glob.matches(text),
            None if text.is_ascii() => text.eq_ignore_ascii_case(&self.text),
            None => text.to_lowercase() == self.text,
        }
    }
}

/// Whether a text contains a lower-case needle, without regard to the case of the text.
fn contains(text: &str, needle: &str) -> bool {
    if !text.is_ascii() {
        return text.to_lowercase().contains(needle);
    }
    if needle.is_empty() {
        return true;
    }
    text.as_bytes()
        .windows(needle.len())
        .any(|window| window.eq_ignore_ascii_case(needle.as_bytes()))
}

impl fmt::Display for Expression {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All(parts) => join(formatter, parts, " ", |part| {
                matches!(part, Self::Any(_) | Self::All(_))
            }),
            Self::Any(parts) => join(formatter, parts, " or ", |part| matches!(part, Self::Any(_))),
            Self::Not(inner) if matches!(**inner, Self::All(_) | Self::Any(_)) => {
                write!(formatter, "not ({inner})")
            }
            Self::Not(inner) => write!(formatter, "not {inner}"),
            Self::Term(term) => term.fmt(formatter),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AnyText(pattern) => Quoted(pattern.as_str()).fmt(formatter),
            Self::Compare {
                field,
                operator,
                operand,
            } => {
                write!(formatter, "{}{}{operand}", field.name, operator.sign())
            }
            Self::Named {
                field,
                operator,
                name,
                version,
            } => {
                write!(
                    formatter,
                    "{}{}{}",
                    field.name,
                    operator.sign(),
                    Quoted(name.as_str())
                )?;
                match version {
                    Some((operator, version)) => write!(formatter, "{}{}", operator.sign(), Quoted(version)),
                    None => Ok(()),
                }
            }
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(pattern) => Quoted(pattern.as_str()).fmt(formatter),
            Self::Number(number) => number.fmt(formatter),
            Self::Flag(true) => formatter.write_str("yes"),
            Self::Flag(false) => formatter.write_str("no"),
            Self::Age(secs) => {
                let (unit, size) = super::value::AGE_UNITS
                    .into_iter()
                    .rev()
                    .find(|(_, size)| secs % size == 0)
                    .unwrap_or(('s', 1));
                write!(formatter, "{}{unit}", secs / size)
            }
            Self::Date(time) => write!(formatter, "\"{time}\""),
            Self::Version(version) => Quoted(version).fmt(formatter),
        }
    }
}

fn join(
    formatter: &mut fmt::Formatter<'_>,
    parts: &[Expression],
    between: &str,
    needs_parentheses: impl Fn(&Expression) -> bool,
) -> fmt::Result {
    for (position, part) in parts.iter().enumerate() {
        if position > 0 {
            formatter.write_str(between)?;
        }
        if needs_parentheses(part) {
            write!(formatter, "({part})")?;
        } else {
            write!(formatter, "{part}")?;
        }
    }
    Ok(())
}

/// A text as it can stand in a filter: bare when that means the same, else in quotes.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_word_char =
            |character: char| character.is_alphanumeric() || matches!(character, '-' | '_' | '.' | '*');
        let is_special = matches!(self.0, "and" | "or" | "not")
            || Field::find(self.0).is_some_and(|field| field.kind == FieldKind::Flag);
        if !self.0.is_empty() && !self.0.starts_with('-') && !is_special && self.0.chars().all(is_word_char) {
            return formatter.write_str(self.0);
        }
        formatter.write_str("\"")?;
        for character in self.0.chars() {
            if matches!(character, '"' | '\\') {
                formatter.write_str("\\")?;
            }
            write!(formatter, "{character}")?;
        }
        formatter.write_str("\"")
    }
}
