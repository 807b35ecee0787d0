//! Answering a filter for one row.

use std::cmp::Ordering;

use jiff::Timestamp;

use super::expression::{Expression, Operand, Operator, Pattern, Term};
use super::glob::{Glob, Syntax};
use super::{Row, Value};
use crate::request::{self, Condition};
use crate::version::{Version, compare_natural};

/// A day, in seconds.
const DAY_SECS: i64 = 86_400;

/// Whether a row fulfils an expression; the depth of the tree was bounded when it was read.
pub(super) fn holds(expression: &Expression, row: &dyn Row, now: Timestamp) -> bool {
    match expression {
        Expression::All(parts) => parts.iter().all(|part| holds(part, row, now)),
        Expression::Any(parts) => parts.iter().any(|part| holds(part, row, now)),
        Expression::Not(inner) => !holds(inner, row, now),
        Expression::Term(term) => term_holds(term, row, now),
    }
}

fn term_holds(term: &Term, row: &dyn Row, now: Timestamp) -> bool {
    match term {
        Term::AnyText(pattern) => pattern
            .as_str()
            .split('*')
            .filter(|piece| !piece.is_empty())
            .all(|piece| row.any_text(piece)),
        Term::Compare {
            field,
            operator,
            operand,
        } => row
            .field(field.name)
            .is_some_and(|value| value_compares(&value, *operator, operand, now)),
        Term::Named {
            field,
            operator,
            name,
            version,
        } => row
            .field(field.name)
            .is_some_and(|value| named_holds(&value, *operator, name, version.as_ref())),
    }
}

fn value_compares(value: &Value<'_>, operator: Operator, operand: &Operand, now: Timestamp) -> bool {
    match (value, operand) {
        (Value::Text(text), Operand::Text(pattern)) => text_fits(text, operator, pattern),
        (Value::Texts(texts), Operand::Text(pattern)) => {
            texts.iter().any(|text| text_fits(text, operator, pattern))
        }
        (Value::Text(text), Operand::Version(version)) => version_fits(text, operator, version),
        (Value::Texts(texts), Operand::Version(version)) => {
            texts.iter().any(|text| version_fits(text, operator, version))
        }
        (Value::Number(number), Operand::Number(bound)) => order_fits(operator, number.cmp(bound)),
        (Value::Flag(flag), Operand::Flag(expected)) => flag == expected,
        (Value::Time(time), Operand::Age(bound)) => {
            age_fits(now.as_second() - time.as_second(), operator, *bound)
        }
        (Value::Time(time), Operand::Date(date)) => date_fits(*time, operator, *date),
        _ => false,
    }
}

fn named_holds(
    value: &Value<'_>,
    operator: Operator,
    name: &Pattern,
    version: Option<&(Operator, String)>,
) -> bool {
    let version_holds =
        |have: &str| version.is_none_or(|(operator, wanted)| version_fits(have, *operator, wanted));
    match value {
        Value::Named(things) => things
            .iter()
            .any(|(thing, have)| text_fits(thing, operator, name) && version_holds(have)),
        Value::Text(text) => version.is_none() && text_fits(text, operator, name),
        Value::Texts(texts) => version.is_none() && texts.iter().any(|text| text_fits(text, operator, name)),
        _ => false,
    }
}

fn text_fits(text: &str, operator: Operator, pattern: &Pattern) -> bool {
    match operator {
        Operator::Has => pattern.is_in(text),
        _ => pattern.fits(text),
    }
}

fn order_fits(operator: Operator, order: Ordering) -> bool {
    condition_operator(operator).accepts(order)
}

/// Equality asks for at most that old.
fn age_fits(age: i64, operator: Operator, bound: i64) -> bool {
    if operator.is_equality() {
        age <= bound
    } else {
        order_fits(operator, age.cmp(&bound))
    }
}

/// Equality asks for the 24 hours that begin then.
fn date_fits(time: Timestamp, operator: Operator, date: Timestamp) -> bool {
    if operator.is_equality() {
        (0..DAY_SECS).contains(&(time.as_second() - date.as_second()))
    } else {
        order_fits(operator, time.cmp(&date))
    }
}

/// Compares as package conditions do; versions of other software compare part by part.
fn version_fits(have: &str, operator: Operator, wanted: &str) -> bool {
    if operator.is_equality() && wanted.contains('*') {
        return Glob::new(wanted, Syntax::Star).matches(have);
    }
    let operator = condition_operator(operator);
    if have.parse::<Version>().is_ok() && wanted.parse::<Version>().is_ok() {
        return Condition {
            operator,
            version: wanted.to_owned(),
        }
        .accepts(have);
    }
    let mut have = version_parts(have);
    for wanted in version_parts(wanted) {
        let order = have
            .next()
            .map_or(Ordering::Less, |have| compare_natural(have, wanted));
        if order != Ordering::Equal {
            return operator.accepts(order);
        }
    }
    operator.accepts(Ordering::Equal)
}

fn version_parts(version: &str) -> impl Iterator<Item = &str> {
    version
        .split(['.', '-', '_', '+', ' '])
        .filter(|part| !part.is_empty())
}

fn condition_operator(operator: Operator) -> request::Operator {
    match operator {
        Operator::Has | Operator::Is => request::Operator::Equal,
        Operator::Less => request::Operator::Less,
        Operator::LessOrEqual => request::Operator::LessOrEqual,
        Operator::Greater => request::Operator::Greater,
        Operator::GreaterOrEqual => request::Operator::GreaterOrEqual,
    }
}
