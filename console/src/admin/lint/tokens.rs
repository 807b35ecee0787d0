//! The tokens of a Python file of either major version, as far as rewriting needs them.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Name,
    Number,
    String,
    Operator,
    /// The end of a statement's line; line ends inside brackets are none.
    Newline,
}

/// One token; offsets in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) text: &'a str,
    /// How many brackets are open before it.
    pub(super) depth: usize,
}

impl Token<'_> {
    pub(super) fn end(&self) -> usize {
        self.start + self.text.len()
    }

    pub(super) fn is(&self, text: &str) -> bool {
        self.kind != Kind::String && self.text == text
    }
}

const OPERATORS: [&str; 27] = [
    "**=", "//=", ">>=", "<<=", "...", "<>", "!=", "==", "<=", ">=", "->", ":=", "**", "//", ">>", "<<",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "\\\n", "\\\r\n",
];

/// Splits a text into tokens; every text gives some, whatever it is.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut out: Vec<Token<'_>> = Vec::new();
    let mut depth = 0_usize;
    let mut at = 0;
    while let Some(letter) = text.get(at..).and_then(|rest| rest.chars().next()) {
        let rest = text.get(at..).unwrap_or_default();
        let (kind, length) = match letter {
            '\n' => {
                if depth == 0 && out.last().is_some_and(|last| last.kind != Kind::Newline) {
                    out.push(Token {
                        kind: Kind::Newline,
                        start: at,
                        text: "\n",
                        depth,
                    });
                }
                at += 1;
                continue;
            }
            '#' => {
                at += rest.find('\n').unwrap_or(rest.len());
                continue;
            }
            letter if letter.is_whitespace() => {
                at += letter.len_utf8();
                continue;
            }
            letter if letter.is_alphabetic() || letter == '_' => {
                let length = word_length(rest);
                match string_prefix(rest, length) {
                    Some(_) => (
                        Kind::String,
                        length + string_length(rest.get(length..).unwrap_or_default()),
                    ),
                    None => (Kind::Name, length),
                }
            }
            '"' | '\'' => (Kind::String, string_length(rest)),
            letter if letter.is_ascii_digit() => (Kind::Number, number_length(rest)),
            '.' if rest.chars().nth(1).is_some_and(|next| next.is_ascii_digit()) => {
                (Kind::Number, number_length(rest))
            }
            _ => {
                let length = OPERATORS
                    .iter()
                    .find(|operator| rest.starts_with(**operator))
                    .map_or(letter.len_utf8(), |operator| operator.len());
                (Kind::Operator, length)
            }
        };
        let token = Token {
            kind,
            start: at,
            text: rest.get(..length).unwrap_or(rest),
            depth,
        };
        at += token.text.len();
        // A line goes on behind a backslash.
        if token.text.starts_with("\\\n") || token.text.starts_with("\\\r\n") {
            continue;
        }
        if token.kind == Kind::Operator {
            match token.text {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        out.push(token);
    }
    out
}

fn word_length(rest: &str) -> usize {
    rest.find(|letter: char| !(letter.is_alphanumeric() || letter == '_'))
        .unwrap_or(rest.len())
}

/// A prefix of strings in front of a quote: `r`, `b`, `u`, `f`, `t` and their pairs, Python 2's `ur` too.
fn string_prefix(rest: &str, length: usize) -> Option<&str> {
    let word = rest.get(..length)?;
    let is_prefix = length <= 2 && word.chars().all(|letter| "rbuftRBUFT".contains(letter));
    (is_prefix && rest.get(length..)?.starts_with(['"', '\''])).then_some(word)
}

fn number_length(rest: &str) -> usize {
    let mut length = 0;
    let mut before = ' ';
    let is_hex = rest.starts_with("0x") || rest.starts_with("0X");
    for letter in rest.chars() {
        let is_sign_of_exponent = matches!(letter, '+' | '-') && matches!(before, 'e' | 'E') && !is_hex;
        if !(letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.') || is_sign_of_exponent) {
            break;
        }
        length += 1;
        before = letter;
    }
    length
}

/// The length of a string from its opening quote; an unended one ends with its line.
fn string_length(rest: &str) -> usize {
    let quote = rest.chars().next().unwrap_or('"');
    let triple: String = std::iter::repeat_n(quote, 3).collect();
    let is_triple = rest.starts_with(&triple);
    let mut at = if is_triple { 3 } else { 1 };
    while let Some(letter) = rest.get(at..).and_then(|rest| rest.chars().next()) {
        match letter {
            '\\' => {
                at += 1;
                at += rest
                    .get(at..)
                    .and_then(|rest| rest.chars().next())
                    .map_or(0, char::len_utf8);
                continue;
            }
            '\n' if !is_triple => return at,
            letter if letter == quote => {
                if !is_triple {
                    return at + 1;
                }
                if rest.get(at..).is_some_and(|rest| rest.starts_with(&triple)) {
                    return at + 3;
                }
            }
            _ => {}
        }
        at += letter.len_utf8();
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Vec<&str> {
        tokens(text).into_iter().map(|token| token.text).collect()
    }

    #[test]
    fn tokens_of_both_pythons_are_told_apart() {
        assert_eq!(
            texts("print ur\"a b\", 0777L <> `x`\n# comment\nif a: # b\n  x = {1:\n 2}\n"),
            [
                "print",
                "ur\"a b\"",
                ",",
                "0777L",
                "<>",
                "`",
                "x",
                "`",
                "\n",
                "if",
                "a",
                ":",
                "\n",
                "x",
                "=",
                "{",
                "1",
                ":",
                "2",
                "}",
                "\n"
            ]
        );
    }

    #[test]
    fn strings_end_where_they_end() {
        assert_eq!(
            texts("'''a\n'b''' 'c\\'d' \"e"),
            ["'''a\n'b'''", "'c\\'d'", "\"e"]
        );
        assert_eq!(texts("'unended\nx"), ["'unended", "\n", "x"]);
        assert_eq!(
            texts("1e-5 0x1e-5 .5 a.b"),
            ["1e-5", "0x1e", "-", "5", ".5", "a", ".", "b"]
        );
    }

    #[test]
    fn a_backslash_joins_lines() {
        assert_eq!(texts("a \\\n b\nc"), ["a", "b", "\n", "c"]);
    }
}
