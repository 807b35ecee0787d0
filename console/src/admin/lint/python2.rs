//! Python 2 syntax that Python 3 refuses, each with its rewrite.
//!
//! The rewrites are also carried out on a copy of the text, so that the parser goes on behind them and every
//! other finding is still made. They keep lines as they are.

use super::Severity;
use super::tokens::{Kind, Token, tokens};

/// One replacement in the text; offsets in bytes of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Edit {
    start: usize,
    end: usize,
    text: String,
}

/// One leftover.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Leftover {
    /// Offset in the original, in bytes.
    pub(super) at: usize,
    pub(super) code: &'static str,
    pub(super) severity: Severity,
    pub(super) message: &'static str,
    /// The statement as Python 3 writes it, or what to do.
    pub(super) rewrite: String,
}

/// The text as Python 3 would have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Modern {
    pub(super) text: String,
    pub(super) leftovers: Vec<Leftover>,
    edits: Vec<Edit>,
}

impl Modern {
    /// A text that needs no rewriting.
    pub(super) fn plain(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            ..Self::default()
        }
    }

    /// The place in the original of a place in the rewritten text.
    pub(super) fn original(&self, offset: usize) -> usize {
        let mut shift = 0_isize;
        for edit in &self.edits {
            let start = edit.start.saturating_add_signed(shift);
            if offset < start {
                break;
            }
            if offset < start + edit.text.len() {
                return edit.start;
            }
            shift += isize::try_from(edit.text.len()).unwrap_or_default()
                - isize::try_from(edit.end - edit.start).unwrap_or_default();
        }
        offset.saturating_add_signed(-shift)
    }
}

/// Finds the leftovers of a text and rewrites them.
pub(super) fn modernise(text: &str) -> Modern {
    let tokens = tokens(text);
    let mut work = Work {
        text,
        edits: Vec::new(),
        found: Vec::new(),
    };
    for line in tokens.split(|token| token.kind == Kind::Newline) {
        for statement in statements(line) {
            work.statement(statement);
        }
        work.literals(line);
    }
    work.finish()
}

/// The simple statements of a line, the head of a compound one (with its colon) for itself.
fn statements<'a, 'b>(line: &'b [Token<'a>]) -> Vec<&'b [Token<'a>]> {
    const COMPOUND: [&str; 11] = [
        "if", "elif", "else", "for", "while", "try", "except", "finally", "with", "def", "class",
    ];
    let mut out = Vec::new();
    let Some(first) = line.first() else { return out };
    let base = first.depth;
    let mut start = 0;
    let mut is_head = COMPOUND.contains(&first.text);
    let mut lambdas = 0;
    for (index, token) in line.iter().enumerate() {
        if token.depth != base {
            continue;
        }
        let ends = match token.text {
            _ if token.kind == Kind::String => false,
            "lambda" => {
                lambdas += 1;
                false
            }
            ":" if lambdas > 0 => {
                lambdas -= 1;
                false
            }
            ":" if is_head => {
                is_head = false;
                true
            }
            ";" => true,
            _ => false,
        };
        if ends {
            out.push(line.get(start..=index).unwrap_or_default());
            start = index + 1;
        }
    }
    out.push(line.get(start..).unwrap_or_default());
    out.retain(|statement| !statement.is_empty());
    out
}

struct Found {
    at: usize,
    line: (usize, usize),
    code: &'static str,
    message: &'static str,
    /// Instead of the rewritten statement.
    advice: Option<String>,
}

struct Work<'a> {
    text: &'a str,
    edits: Vec<Edit>,
    found: Vec<Found>,
}

impl Work<'_> {
    fn edit(&mut self, start: usize, end: usize, text: impl Into<String>) {
        self.edits.push(Edit {
            start,
            end,
            text: text.into(),
        });
    }

    fn found(&mut self, line: &[Token<'_>], at: usize, code: &'static str, message: &'static str) {
        let start = line.first().map_or(at, |token| token.start);
        let end = line.last().map_or(at, Token::end);
        self.found.push(Found {
            at,
            line: (start, end),
            code,
            message,
            advice: None,
        });
    }

    fn statement(&mut self, statement: &[Token<'_>]) {
        // The `;` or `:` that ended it is not part of it.
        let statement = match statement.split_last() {
            Some((last, rest)) if last.is(";") => rest,
            _ => statement,
        };
        let Some((first, rest)) = statement.split_first() else {
            return;
        };
        match first.text {
            "print" => self.print(statement, first, rest),
            "exec" => self.exec(statement, first, rest),
            "raise" => self.raise(statement, rest),
            "except" => self.except(statement, rest),
            _ => {}
        }
    }

    fn print(&mut self, statement: &[Token<'_>], print: &Token<'_>, rest: &[Token<'_>]) {
        const MESSAGE: &str = "the print statement is Python 2; print is a function";
        let Some(next) = rest.first() else {
            // Valid, but it prints nothing.
            self.found(statement, print.start, "python2-print", MESSAGE);
            self.edit(print.end(), print.end(), "()");
            return;
        };
        let Some(last) = rest.last() else { return };
        let trailing_comma = last.is(",") && last.depth == print.depth;
        if next.is(">>") {
            let comma = rest
                .iter()
                .position(|token| token.is(",") && token.depth == print.depth);
            let file = rest.get(1..comma.unwrap_or(rest.len())).and_then(|tokens| {
                Some(
                    self.text
                        .get(tokens.first()?.start..tokens.last()?.end())?
                        .to_owned(),
                )
            });
            let Some(file) = file else { return };
            self.found(statement, print.start, "python2-print", MESSAGE);
            match comma.and_then(|comma| rest.get(comma + 1)) {
                Some(argument) => {
                    self.edit(print.end(), argument.start, "(");
                    self.close(last, trailing_comma, &format!(", file={file}"));
                }
                None => self.edit(print.end(), last.end(), format!("(file={file})")),
            }
            return;
        }
        let is_operand = match next.kind {
            Kind::String | Kind::Number => true,
            Kind::Name => !matches!(next.text, "and" | "or" | "in" | "is" | "if" | "else" | "for"),
            Kind::Operator => matches!(next.text, "`" | "{"),
            Kind::Newline => false,
        };
        if is_operand {
            self.found(statement, print.start, "python2-print", MESSAGE);
            self.edit(print.end(), next.start, "(");
            self.close(last, trailing_comma, "");
        }
    }

    /// Ends a call that begins further left; a comma at the end keeps the line open.
    fn close(&mut self, last: &Token<'_>, trailing_comma: bool, more: &str) {
        if trailing_comma {
            self.edit(last.start, last.end(), format!(", end=' '{more})"));
        } else {
            self.edit(last.end(), last.end(), format!("{more})"));
        }
    }

    fn exec(&mut self, statement: &[Token<'_>], exec: &Token<'_>, rest: &[Token<'_>]) {
        let (Some(next), Some(last)) = (rest.first(), rest.last()) else {
            return;
        };
        let separator = rest
            .iter()
            .find(|token| token.is("in") && token.depth == exec.depth);
        let is_statement = matches!(next.kind, Kind::String | Kind::Name) || separator.is_some();
        if !is_statement {
            return;
        }
        self.found(
            statement,
            exec.start,
            "python2-exec",
            "the exec statement is Python 2; exec is a function",
        );
        self.edit(exec.end(), next.start, "(");
        if let Some(separator) = separator {
            let before = self.text.get(..separator.start).unwrap_or_default();
            let start = before.trim_end_matches([' ', '\t']).len();
            self.edit(start, separator.end(), ",");
        }
        self.edit(last.end(), last.end(), ")");
    }

    fn raise(&mut self, statement: &[Token<'_>], rest: &[Token<'_>]) {
        let Some(base) = rest.first().map(|token| token.depth) else {
            return;
        };
        let commas: Vec<usize> = rest
            .iter()
            .enumerate()
            .filter(|(_, token)| token.is(",") && token.depth == base)
            .map(|(index, _)| index)
            .collect();
        let Some(comma_at) = commas.first().copied() else {
            return;
        };
        let (Some(comma), Some(value)) = (rest.get(comma_at), rest.get(comma_at + 1)) else {
            return;
        };
        let value_end = commas.get(1).copied().unwrap_or(rest.len());
        let Some(value_last) = rest.get(comma_at + 1..value_end).and_then(<[_]>::last) else {
            return;
        };
        self.found(
            statement,
            comma.start,
            "python2-raise",
            "raising with a comma is Python 2; exceptions are made by calling them",
        );
        // `raise E, (a, b)` passes the tuple's parts.
        let is_tuple = value.is("(") && value_last.is(")");
        self.edit(comma.start, value.start, if is_tuple { "" } else { "(" });
        let close = if is_tuple { "" } else { ")" };
        match (
            commas.get(1).and_then(|at| rest.get(*at)),
            rest.get(value_end + 1),
            rest.last(),
        ) {
            (Some(second), Some(traceback), Some(last)) => {
                self.edit(second.start, traceback.start, format!("{close}.with_traceback("));
                self.edit(last.end(), last.end(), ")");
            }
            _ => {
                if !close.is_empty() {
                    self.edit(value_last.end(), value_last.end(), close);
                }
            }
        }
    }

    fn except(&mut self, statement: &[Token<'_>], rest: &[Token<'_>]) {
        let Some(base) = rest.first().map(|token| token.depth) else {
            return;
        };
        let comma = rest.iter().position(|token| token.is(",") && token.depth == base);
        let Some(comma_at) = comma else { return };
        let (Some(comma), Some(name), Some(colon)) =
            (rest.get(comma_at), rest.get(comma_at + 1), rest.get(comma_at + 2))
        else {
            return;
        };
        if name.kind == Kind::Name && colon.is(":") {
            self.found(
                statement,
                comma.start,
                "python2-except",
                "naming the exception behind a comma is Python 2",
            );
            self.edit(comma.start, name.start, " as ");
        }
    }

    /// What is Python 2 inside any expression.
    fn literals(&mut self, line: &[Token<'_>]) {
        let mut open: Option<&Token<'_>> = None;
        for token in line {
            match token.kind {
                Kind::Operator if token.text == "<>" => {
                    self.found(
                        line,
                        token.start,
                        "python2-operator",
                        "the operator <> is Python 2",
                    );
                    self.edit(token.start, token.end(), "!=");
                }
                Kind::Operator if token.text == "`" => match open.take() {
                    None => open = Some(token),
                    Some(first) => {
                        self.found(line, first.start, "python2-backticks", "backticks are Python 2");
                        self.edit(first.start, first.end(), "repr(");
                        self.edit(token.start, token.end(), ")");
                    }
                },
                Kind::Number => self.number(line, token),
                Kind::String => self.string(line, token),
                _ => {}
            }
        }
    }

    fn number(&mut self, line: &[Token<'_>], token: &Token<'_>) {
        let plain = token.text.strip_suffix(['l', 'L']);
        // `1l` is a long number; `0x1l` too.
        let digits = plain.unwrap_or(token.text);
        let is_octal = digits.len() > 1
            && digits.starts_with('0')
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && digits.bytes().any(|byte| byte != b'0');
        if plain.is_some() {
            self.found(
                line,
                token.start,
                "python2-long",
                "long numbers with an L are Python 2; all are long",
            );
        }
        if is_octal {
            self.found(
                line,
                token.start,
                "python2-octal",
                "octal numbers with a bare zero are Python 2",
            );
        }
        if plain.is_none() && !is_octal {
            return;
        }
        let rest = digits.trim_start_matches('0');
        let is_decimal = rest.bytes().any(|byte| byte > b'7');
        let written = match (is_octal, is_decimal) {
            (true, true) => rest.to_owned(),
            (true, false) => format!("0o{rest}"),
            (false, _) => digits.to_owned(),
        };
        self.edit(token.start, token.end(), written);
    }

    fn string(&mut self, line: &[Token<'_>], token: &Token<'_>) {
        let is_raw_unicode = token
            .text
            .get(..2)
            .is_some_and(|prefix| prefix.eq_ignore_ascii_case("ur"));
        if is_raw_unicode {
            self.found(
                line,
                token.start,
                "python2-string",
                "the string prefix ur is Python 2; r strings hold all of Unicode",
            );
            self.edit(token.start, token.start + 2, "r");
        }
    }

    fn finish(mut self) -> Modern {
        self.edits.sort_by_key(|edit| (edit.start, edit.end));
        // Never let two rewrites touch the same place: the outer one goes first, the text stays readable.
        let mut edits: Vec<Edit> = Vec::with_capacity(self.edits.len());
        for edit in self.edits {
            if edits.last().is_none_or(|last| last.end <= edit.start) {
                edits.push(edit);
            }
        }
        let rewritten = |from: usize, to: usize| {
            let mut out = String::new();
            let mut at = from;
            for edit in edits.iter().filter(|edit| edit.start >= from && edit.end <= to) {
                out.push_str(self.text.get(at..edit.start).unwrap_or_default());
                out.push_str(&edit.text);
                at = edit.end;
            }
            out.push_str(self.text.get(at..to).unwrap_or_default());
            out
        };
        let leftovers = self
            .found
            .into_iter()
            .map(|found| Leftover {
                at: found.at,
                code: found.code,
                severity: Severity::Error,
                message: found.message,
                rewrite: found.advice.unwrap_or_else(|| {
                    format!("write `{}`", shortened(&rewritten(found.line.0, found.line.1)))
                }),
            })
            .collect();
        Modern {
            text: rewritten(0, self.text.len()),
            leftovers,
            edits,
        }
    }
}

/// One line, not too long for a terminal.
fn shortened(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default().trim();
    if line.chars().count() <= 100 && !text.contains('\n') {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(100).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests;
