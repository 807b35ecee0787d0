//! Values in filters: numbers with units, ages, dates, yes and no.

use jiff::Timestamp;

use super::expression::{Operand, Pattern};
use super::field::FieldKind;
use crate::control::parse_date;

/// The units of an age and their length in seconds, shortest first.
pub(super) const AGE_UNITS: [(char, i64); 5] =
    [('s', 1), ('m', 60), ('h', 3600), ('d', 86_400), ('w', 604_800)];

/// The units of a number, powers of 1024.
const NUMBER_UNITS: [(char, i64); 4] = [('k', 1 << 10), ('m', 1 << 20), ('g', 1 << 30), ('t', 1 << 40)];

/// Reads a value of the kind that a field holds; the error says what is expected.
pub(super) fn parse(kind: FieldKind, text: &str) -> Result<Operand, &'static str> {
    match kind {
        FieldKind::Text | FieldKind::Named => Ok(Operand::Text(Pattern::new(text))),
        FieldKind::Version => Ok(Operand::Version(text.to_lowercase())),
        FieldKind::Number => scaled(text, &NUMBER_UNITS)
            .map(Operand::Number)
            .ok_or("a whole number, for example 100 or 8G"),
        FieldKind::Flag => flag(text).map(Operand::Flag).ok_or("yes or no"),
        FieldKind::Time => time(text).ok_or("an age as 7d or 3h, or a date as 2026-01-31"),
    }
}

fn flag(text: &str) -> Option<bool> {
    match text.to_lowercase().as_str() {
        "yes" | "true" | "1" => Some(true),
        "no" | "false" | "0" => Some(false),
        _ => None,
    }
}

fn time(text: &str) -> Option<Operand> {
    if let Some(age) = scaled(text, &AGE_UNITS)
        && !text.ends_with(|character: char| character.is_ascii_digit())
    {
        return Some(Operand::Age(age));
    }
    let date: Timestamp = parse_date(text, 0)?;
    Some(Operand::Date(date))
}

/// Reads digits with an optional unit.
fn scaled(text: &str, units: &[(char, i64)]) -> Option<i64> {
    let lower = text.to_ascii_lowercase();
    let (digits, size) = units
        .iter()
        .find_map(|(unit, size)| lower.strip_suffix(*unit).map(|digits| (digits, *size)))
        .unwrap_or((lower.as_str(), 1));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_take_units() {
        assert_eq!(parse(FieldKind::Number, "8G"), Ok(Operand::Number(8 << 30)));
        assert_eq!(parse(FieldKind::Number, "100"), Ok(Operand::Number(100)));
        for text in ["", "G", "-1", "1.5", "99999999999T", "1x"] {
            assert!(parse(FieldKind::Number, text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_ages_or_dates() {
        assert_eq!(parse(FieldKind::Time, "7d"), Ok(Operand::Age(604_800)));
        assert_eq!(parse(FieldKind::Time, "3H"), Ok(Operand::Age(10_800)));
        let date = "2026-01-31T00:00:00Z".parse().unwrap();
        assert_eq!(parse(FieldKind::Time, "2026-01-31"), Ok(Operand::Date(date)));
        assert!(parse(FieldKind::Time, "yesterday").is_err());
        assert!(parse(FieldKind::Time, "7").is_err());
    }

    #[test]
    fn flags_are_words() {
        assert_eq!(parse(FieldKind::Flag, "Yes"), Ok(Operand::Flag(true)));
        assert_eq!(parse(FieldKind::Flag, "false"), Ok(Operand::Flag(false)));
        assert!(parse(FieldKind::Flag, "maybe").is_err());
    }
}
