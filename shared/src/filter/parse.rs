//! Reading a filter: words and operators with their places, then the tree.

use thiserror::Error;

use super::expression::{Expression, Operand, Operator, Pattern, Term};
use super::field::{self, Field, FieldKind};
use super::value;

/// The longest filter, in bytes.
pub const MAX_FILTER_BYTES: usize = 4096;

/// The most terms in one filter.
pub const MAX_TERMS: usize = 64;

/// How deep parentheses and negations may nest.
const MAX_DEPTH: usize = 32;

/// What is wrong with a filter, where, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct FilterError {
    /// Where, in characters from the beginning.
    pub position: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
}

impl crate::hint::Hint for FilterError {
    fn hints(&self) -> Vec<String> {
        if self.hint.is_empty() {
            Vec::new()
        } else {
            vec![self.hint.clone()]
        }
    }
}

/// Reads a filter.
pub(super) fn parse(text: &str) -> Result<Expression, FilterError> {
    if text.len() > MAX_FILTER_BYTES {
        return Err(FilterError {
            position: 0,
            message: format!(
                "a filter has at most {MAX_FILTER_BYTES} bytes, this one has {}",
                text.len()
            ),
            hint: "shorten it".into(),
        });
    }
    let mut parser = Parser {
        characters: text.chars().collect(),
        position: 0,
        terms: 0,
        depth: 0,
    };
    parser.skip_blanks();
    if parser.peek().is_none() {
        return Ok(Expression::All(Vec::new()));
    }
    let expression = parser.any()?;
    match parser.peek() {
        None => Ok(expression),
        Some(_) => Err(parser.error("a \")\" without its \"(\"", "remove it, or quote the text")),
    }
}

struct Parser {
    characters: Vec<char>,
    position: usize,
    terms: usize,
    depth: usize,
}

impl Parser {
    /// Alternatives separated by `or`.
    fn any(&mut self) -> Result<Expression, FilterError> {
        let mut parts = vec![self.all()?];
        while self.takes_word("or") {
            parts.push(self.all()?);
        }
        Ok(single(parts, Expression::Any))
    }

    /// Terms beside each other, with or without `and`.
    fn all(&mut self) -> Result<Expression, FilterError> {
        let mut parts = Vec::new();
        loop {
            self.skip_blanks();
            let is_end = matches!(self.peek(), None | Some(')')) || self.is_word("or");
            if is_end && parts.is_empty() {
                return Err(self.error("a term is missing here", "write for example status:error"));
            }
            if is_end {
                return Ok(single(parts, Expression::All));
            }
            parts.push(self.negatable()?);
            if self.takes_word("and") {
                self.skip_blanks();
                if matches!(self.peek(), None | Some(')')) {
                    return Err(self.error("a term is missing after \"and\"", "remove the \"and\""));
                }
            }
        }
    }

    /// A term, a parenthesis, or the negation of one.
    fn negatable(&mut self) -> Result<Expression, FilterError> {
        self.skip_blanks();
        if self.depth >= MAX_DEPTH {
            return Err(self.error(
                &format!("more than {MAX_DEPTH} levels of parentheses and \"not\""),
                "simplify it",
            ));
        }
        self.depth += 1;
        let has_minus = self.peek() == Some('-')
            && self
                .peek_at(1)
                .is_some_and(|next| !next.is_whitespace() && next != ')');
        let expression = if has_minus {
            self.position += 1;
            Expression::Not(Box::new(self.negatable()?))
        } else if self.takes_word("not") {
            Expression::Not(Box::new(self.negatable()?))
        } else if self.peek() == Some('(') {
            let open = self.position;
            self.position += 1;
            let inner = self.any()?;
            if self.peek() != Some(')') {
                return Err(FilterError {
                    position: open,
                    message: "a \"(\" without its \")\"".into(),
                    hint: "close it, or quote the text".into(),
                });
            }
            self.position += 1;
            inner
        } else {
            Expression::Term(self.term()?)
        };
        self.depth -= 1;
        Ok(expression)
    }

    fn term(&mut self) -> Result<Term, FilterError> {
        self.terms += 1;
        if self.terms > MAX_TERMS {
            return Err(self.error(&format!("a filter has at most {MAX_TERMS} terms"), "split it"));
        }
        let start = self.position;
        if self.peek() == Some('"') {
            return self.quoted().map(|text| Term::AnyText(Pattern::new(&text)));
        }
        let word = self.take_while(|character| !ends_word(character) && !is_operator(character));
        if !self.peek().is_some_and(is_operator) {
            return self.bare_word(start, &word);
        }
        let Some(field) = Field::find(&word) else {
            return Err(unknown_field(start, &word));
        };
        let Some(operator) = self.operator() else {
            return Err(self.error("an operator is missing here", "use : = < <= > >="));
        };
        self.comparison(field, operator)
    }

    fn bare_word(&self, start: usize, word: &str) -> Result<Term, FilterError> {
        if word.is_empty() {
            return Err(self.error("a term is missing here", "write for example status:error"));
        }
        if word.eq_ignore_ascii_case("and") || word.eq_ignore_ascii_case("not") {
            return Err(FilterError {
                position: start,
                message: format!("\"{word}\" stands alone"),
                hint: "put it before a term, or quote it to look for the word".into(),
            });
        }
        Ok(match Field::find(word) {
            Some(field) if field.kind == FieldKind::Flag => Term::Compare {
                field,
                operator: Operator::Has,
                operand: Operand::Flag(true),
            },
            _ => Term::AnyText(Pattern::new(word)),
        })
    }

    fn comparison(&mut self, field: &'static Field, operator: Operator) -> Result<Term, FilterError> {
        let is_ordered = matches!(
            field.kind,
            FieldKind::Number | FieldKind::Time | FieldKind::Version
        );
        if !operator.is_equality() && !is_ordered {
            let hint = match field.kind {
                FieldKind::Named => format!("name it first, for example {}", field.example),
                _ => format!("use : or =, for example {}", field.example),
            };
            return Err(self.error(
                &format!(
                    "{} has no order, so {} means nothing",
                    field.name,
                    operator.sign()
                ),
                &hint,
            ));
        }
        let start = self.position;
        let text = self.value(field, |character| {
            field.kind == FieldKind::Named && matches!(character, '<' | '>' | '=')
        })?;
        if field.kind == FieldKind::Named {
            return self.named(field, operator, &text);
        }
        match value::parse(field.kind, &text) {
            Ok(operand) => Ok(Term::Compare {
                field,
                operator,
                operand,
            }),
            Err(expected) => Err(FilterError {
                position: start,
                message: format!("{text:?} is not {expected}"),
                hint: format!("write for example {}", field.example),
            }),
        }
    }

    fn named(&mut self, field: &'static Field, operator: Operator, name: &str) -> Result<Term, FilterError> {
        let name = Pattern::new(name);
        let version = match self.peek() {
            Some('<' | '>' | '=') => {
                let Some(operator) = self.operator() else {
                    return Err(self.error("an operator is missing here", "use < <= = >= >"));
                };
                Some((operator, self.value(field, |_| false)?.to_lowercase()))
            }
            _ => None,
        };
        Ok(Term::Named {
            field,
            operator,
            name,
            version,
        })
    }

    /// A value in quotes, or up to a blank, a parenthesis or what else ends it.
    fn value(&mut self, field: &Field, also_ends: impl Fn(char) -> bool) -> Result<String, FilterError> {
        let text = if self.peek() == Some('"') {
            self.quoted()?
        } else {
            self.take_while(|character| !ends_word(character) && !also_ends(character))
        };
        if text.is_empty() {
            let hint = format!("write for example {}", field.example);
            return Err(self.error(&format!("a value is missing for {}", field.name), &hint));
        }
        Ok(text)
    }

    /// The text between two quotes; `\` keeps the next character as it is.
    fn quoted(&mut self) -> Result<String, FilterError> {
        let open = self.position;
        self.position += 1;
        let mut text = String::new();
        loop {
            let next = self.peek();
            self.position += 1;
            match next {
                Some('"') => return Ok(text),
                Some('\\') => {
                    if let Some(escaped) = self.peek() {
                        text.push(escaped);
                        self.position += 1;
                    }
                }
                Some(character) => text.push(character),
                None => {
                    return Err(FilterError {
                        position: open,
                        message: "a quote without its end".into(),
                        hint: "add a \" at the end".into(),
                    });
                }
            }
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        let first = self.peek()?;
        let is_double = self.peek_at(1) == Some('=');
        let (operator, length) = match (first, is_double) {
            (':', _) => (Operator::Has, 1),
            ('=', true) => (Operator::Is, 2),
            ('=', false) => (Operator::Is, 1),
            ('<', true) => (Operator::LessOrEqual, 2),
            ('<', false) => (Operator::Less, 1),
            ('>', true) => (Operator::GreaterOrEqual, 2),
            ('>', false) => (Operator::Greater, 1),
            _ => return None,
        };
        self.position += length;
        Some(operator)
    }

    /// Whether this very word stands here.
    fn is_word(&self, word: &str) -> bool {
        let matches = word.chars().enumerate().all(|(offset, expected)| {
            self.peek_at(offset)
                .is_some_and(|character| character.eq_ignore_ascii_case(&expected))
        });
        matches && self.peek_at(word.chars().count()).is_none_or(ends_word)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        self.skip_blanks();
        let is_here = self.is_word(word);
        if is_here {
            self.position += word.chars().count();
        }
        is_here
    }

    fn take_while(&mut self, is_taken: impl Fn(char) -> bool) -> String {
        let text: String = self
            .characters
            .iter()
            .skip(self.position)
            .copied()
            .take_while(|character| is_taken(*character))
            .collect();
        self.position += text.chars().count();
        text
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.position += 1;
        }
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, offset: usize) -> Option<char> {
        self.characters.get(self.position + offset).copied()
    }

    fn error(&self, message: &str, hint: &str) -> FilterError {
        FilterError {
            position: self.position,
            message: message.to_owned(),
            hint: hint.to_owned(),
        }
    }
}

fn ends_word(character: char) -> bool {
    character.is_whitespace() || matches!(character, '(' | ')' | '"')
}

fn is_operator(character: char) -> bool {
    matches!(character, ':' | '=' | '<' | '>')
}

fn single(mut parts: Vec<Expression>, wrap: impl Fn(Vec<Expression>) -> Expression) -> Expression {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        Some(last) => {
            parts.push(last);
            wrap(parts)
        }
        None => wrap(parts),
    }
}

fn unknown_field(position: usize, word: &str) -> FilterError {
    let hint = match field::closest(word) {
        Some(field) => format!("did you mean {}?", field.name),
        None => "quote the text to look for it anywhere".to_owned(),
    };
    FilterError {
        position,
        message: format!("there is no field {word:?}"),
        hint,
    }
}
