//! What Python 3 cannot read, and indentation that it refuses.

use ruff_python_ast::Mod;
use ruff_python_parser::Parsed;

use super::Severity;
use super::script::Script;
use super::tokens::{Kind, tokens};

/// The most syntax errors of one file that are listed: one slip often makes many.
const MAX_ERRORS: usize = 20;

/// Reports every syntax error once per line, and tabs that do not line up.
pub(super) fn lint(script: &mut Script<'_>, text: &str, parsed: &Parsed<Mod>) {
    let tabs = inconsistent_tabs(text);
    if let Some(at) = tabs {
        script.report(
            at,
            "tabs",
            Severity::Error,
            "the line is indented with tabs and spaces that do not line up with the lines above",
            "indent with spaces only, four a level",
        );
    } else if let Some(at) = mixed_indentation(text) {
        script.report(
            at,
            "tabs",
            Severity::Warning,
            "the file is indented with tabs in some lines and with spaces in others",
            "indent with spaces only, four a level",
        );
    }
    let line_of = |at: usize| text.get(..at).unwrap_or(text).matches('\n').count();
    let mut last_line = None;
    for error in parsed.errors().iter().take(MAX_ERRORS) {
        let at = error.location.start().to_usize();
        let line = line_of(at);
        if last_line == Some(line) || tabs.is_some_and(|tabs| line_of(tabs) == line) {
            continue;
        }
        last_line = Some(line);
        let message = sentence(&error.error.to_string());
        script.report(at, "syntax", Severity::Error, message, "");
    }
    for error in parsed.unsupported_syntax_errors().iter().take(MAX_ERRORS) {
        script.report(
            error.range.start().to_usize(),
            "newer-syntax",
            Severity::Warning,
            format!("{error}; agents run Python 3.9 or newer"),
            "write it as Python 3.9 does, or make sure that every agent has the newer Python",
        );
    }
}

/// The parser's words, as ours begin.
fn sentence(message: &str) -> String {
    let message = message.strip_prefix("SyntaxError: ").unwrap_or(message);
    let mut letters = message.chars();
    match letters.next() {
        Some(first) if letters.clone().next().is_some_and(char::is_lowercase) => {
            format!(
                "Python 3 cannot read this: {}{}",
                first.to_lowercase(),
                letters.as_str()
            )
        }
        _ => format!("Python 3 cannot read this: {message}"),
    }
}

/// The first line that begins a statement: its offset and its indentation.
fn indented_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let tokens = tokens(text);
    let mut previous_ended = true;
    tokens.into_iter().filter_map(move |token| {
        let begins = previous_ended;
        previous_ended = token.kind == Kind::Newline;
        if !begins || token.kind == Kind::Newline {
            return None;
        }
        let line_start = text.get(..token.start)?.rfind('\n').map_or(0, |end| end + 1);
        Some((line_start, text.get(line_start..token.start)?))
    })
}

/// A line whose depth depends on how wide a tab is: Python 3 refuses it.
fn inconsistent_tabs(text: &str) -> Option<usize> {
    let columns = |indent: &str, tab: usize| {
        indent.chars().fold(0, |column, letter| match letter {
            '\t' => (column / tab + 1) * tab,
            '\u{c}' => 0,
            _ => column + 1,
        })
    };
    let mut stack = vec![(0, 0)];
    for (at, indent) in indented_lines(text) {
        let (wide, narrow) = (columns(indent, 8), columns(indent, 1));
        while stack.len() > 1 && stack.last().is_some_and(|(level, _)| wide < *level) {
            stack.pop();
        }
        let (level, narrow_level) = stack.last().copied().unwrap_or_default();
        let agrees = match wide.cmp(&level) {
            std::cmp::Ordering::Equal => narrow == narrow_level,
            std::cmp::Ordering::Greater => narrow > narrow_level,
            // A wrong dedent is the parser's to tell.
            std::cmp::Ordering::Less => true,
        };
        if !agrees {
            return Some(at);
        }
        if wide > level {
            stack.push((wide, narrow));
        }
    }
    None
}

/// The first line that is indented with the other kind of blank than those before.
fn mixed_indentation(text: &str) -> Option<usize> {
    let mut first = None;
    for (at, indent) in indented_lines(text) {
        let Some(blank) = indent.chars().next() else {
            continue;
        };
        if *first.get_or_insert(blank) != blank {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indentation_that_depends_on_the_width_of_a_tab_is_refused() {
        assert_eq!(inconsistent_tabs("if a:\n\tb\n        c\n"), Some(9));
        assert_eq!(inconsistent_tabs("if a:\n\tb\n\tc\nif d:\n    e\n"), None);
        assert_eq!(mixed_indentation("if a:\n\tb\n\tc\nif d:\n    e\n"), Some(18));
        assert_eq!(mixed_indentation("if a:\n    b(c,\n\t\td)\n"), None);
    }
}
