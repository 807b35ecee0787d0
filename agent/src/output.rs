//! The one place that writes to the terminal: text for people, JSON for programs.

use std::io::Write as _;

use muster_shared::hint::chain;
use serde::Serialize;

/// How a command speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON document on standard output, nothing else there.
    Json,
}

/// Writes answers to standard output and progress to standard error.
#[derive(Debug, Clone, Copy)]
pub struct Output {
    format: Format,
}

impl Output {
    /// An output in the given format.
    pub fn new(format: Format) -> Self {
        Self { format }
    }

    /// Programs read it.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One line for people; nothing in JSON.
    pub fn line(self, text: impl AsRef<str>) {
        if self.format == Format::Text {
            // A closed pipe (`| head`) is no reason to fail.
            writeln!(std::io::stdout().lock(), "{}", text.as_ref()).ok();
        }
    }

    /// The answer of a command: JSON as it is, or what `text` makes of it.
    pub fn answer<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        let mut out = std::io::stdout().lock();
        match self.format {
            Format::Json => {
                let json = serde_json::to_string_pretty(value)
                    .unwrap_or_else(|error| format!("{{\"error\":\"{error}\"}}"));
                writeln!(out, "{json}").ok();
            }
            Format::Text => {
                let text = text(value);
                if !text.is_empty() {
                    writeln!(out, "{}", text.trim_end_matches('\n')).ok();
                }
            }
        }
    }

    /// What is happening, to standard error.
    pub fn progress(self, percent: Option<u8>, text: &str) {
        if self.format == Format::Json {
            return;
        }
        let mut err = std::io::stderr().lock();
        match percent {
            Some(percent) => writeln!(err, "{percent:>3}% {text}").ok(),
            None => writeln!(err, "     {text}").ok(),
        };
    }

    /// Why a command failed, and what to do about it, to standard error; as JSON to standard output.
    pub fn failure(self, failure: &crate::failure::Failure) {
        if self.format == Format::Json {
            let body = failure.body();
            let json = serde_json::to_string_pretty(&serde_json::json!({ "error": body }))
                .unwrap_or_else(|error| error.to_string());
            writeln!(std::io::stdout().lock(), "{json}").ok();
            return;
        }
        let mut err = std::io::stderr().lock();
        writeln!(err, "error: {}", chain(failure)).ok();
        let hints = muster_shared::hint::Hint::hints(failure);
        if !hints.is_empty() {
            writeln!(err).ok();
        }
        for hint in hints {
            writeln!(err, "hint: {hint}").ok();
        }
    }
}

/// Aligns rows in columns, with a header; empty text when there are no rows.
pub fn table<const N: usize>(header: [&str; N], rows: &[[String; N]]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut widths = header.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    let mut push = |cells: &[&str]| {
        let mut line = String::new();
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(cell);
            let pad = width.saturating_sub(cell.chars().count()) + 2;
            line.extend(std::iter::repeat_n(' ', pad));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    };
    push(&header);
    for row in rows {
        let cells: Vec<&str> = row.iter().map(String::as_str).collect();
        push(&cells);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_aligns_its_columns() {
        let text = table(
            ["Package", "Version"],
            &[
                ["demo-hello".to_owned(), "1.0-1".to_owned()],
                ["d".to_owned(), "2".to_owned()],
            ],
        );
        assert_eq!(text, "Package     Version\ndemo-hello  1.0-1\nd           2\n");
    }
}
