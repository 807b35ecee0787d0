//! The one place that writes to the terminal: text for people, JSON for programs.
//!
//! Progress is a bar where standard error is a terminal, plain lines where it is not, and nothing with `--quiet` or
//! `--json`.

use std::io::{IsTerminal as _, Write as _};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
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
    is_quiet: bool,
}

/// The bar of this process, when standard error is a terminal.
static BAR: OnceLock<Option<ProgressBar>> = OnceLock::new();

/// The line of progress printed last, when standard error is none.
static LAST: Mutex<Option<(Option<u8>, String)>> = Mutex::new(None);

/// The same text is printed again when it came so many percent further.
const PRINTED_STEP: u8 = 10;

impl Output {
    /// An output in the given format.
    pub fn new(format: Format) -> Self {
        Self {
            format,
            is_quiet: false,
        }
    }

    /// The same without progress.
    pub fn quiet(mut self, is_quiet: bool) -> Self {
        self.is_quiet = is_quiet;
        self
    }

    /// Programs read it.
    pub fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// One line for people; nothing in JSON.
    pub fn line(self, text: impl AsRef<str>) {
        if self.format == Format::Text {
            clear_bar();
            // A closed pipe (`| head`) is no reason to fail.
            writeln!(std::io::stdout().lock(), "{}", text.as_ref()).ok();
        }
    }

    /// One line of JSON, for commands that answer again and again.
    pub fn json_line<T: Serialize>(value: &T) {
        let mut out = std::io::stdout().lock();
        if let Ok(json) = serde_json::to_string(value) {
            writeln!(out, "{json}").and_then(|()| out.flush()).ok();
        }
    }

    /// Bytes as they are, whatever the format: scripts for shells, pages for `man`.
    pub fn raw(bytes: &[u8]) {
        std::io::stdout().lock().write_all(bytes).ok();
    }

    /// The answer of a command: JSON as it is, or what `text` makes of it.
    pub fn answer<T: Serialize>(self, value: &T, text: impl FnOnce(&T) -> String) {
        clear_bar();
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
        if self.format == Format::Json || self.is_quiet {
            return;
        }
        if let Some(bar) = BAR.get_or_init(bar) {
            if let Some(percent) = percent {
                bar.set_position(u64::from(percent));
            }
            bar.set_message(text.replace(['\n', '\r'], " "));
            return;
        }
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_news(last.as_ref(), percent, text) {
            return;
        }
        let mut err = std::io::stderr().lock();
        match percent {
            Some(percent) => writeln!(err, "{percent:>3}% {text}").ok(),
            None => writeln!(err, "     {text}").ok(),
        };
        *last = Some((percent, text.to_owned()));
    }

    /// Advice about a command line that cannot be understood, to standard error.
    pub fn hint(text: &str) {
        writeln!(std::io::stderr().lock(), "hint: {text}").ok();
    }

    /// Why a command failed, and what to do about it, to standard error; as JSON to standard output.
    pub fn failure(self, failure: &crate::failure::Failure) {
        clear_bar();
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

/// A bar that shows itself at once; none where nobody would see it.
fn bar() -> Option<ProgressBar> {
    if !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::with_draw_target(Some(100), ProgressDrawTarget::stderr_with_hz(10));
    let style = ProgressStyle::with_template("{spinner} [{bar:30}] {percent:>3}% {wide_msg}").ok()?;
    // Nothing that a terminal without UTF-8 could not show.
    bar.set_style(style.progress_chars("=> ").tick_chars("-\\|/ "));
    bar.enable_steady_tick(Duration::from_millis(200));
    Some(bar)
}

/// Takes the bar away before something else is written.
fn clear_bar() {
    if let Some(Some(bar)) = BAR.get() {
        bar.finish_and_clear();
    }
}

/// A line of progress that says more than the one before.
fn is_news(last: Option<&(Option<u8>, String)>, percent: Option<u8>, text: &str) -> bool {
    match last {
        Some((before, said)) if said == text => match (before, percent) {
            (Some(before), Some(percent)) => {
                percent >= before.saturating_add(PRINTED_STEP) || (percent == 100 && *before != 100)
            }
            (None, Some(_percent)) => true,
            (_, None) => false,
        },
        _ => true,
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

    #[test]
    fn without_a_terminal_the_same_is_not_said_at_every_percent() {
        let mut last = None;
        let mut printed = Vec::new();
        for percent in 0..=100 {
            if is_news(last.as_ref(), Some(percent), "downloading a") {
                printed.push(percent);
                last = Some((Some(percent), "downloading a".to_owned()));
            }
        }
        assert_eq!(printed, [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
        assert!(is_news(last.as_ref(), None, "a: unpacking"));
        assert!(!is_news(Some(&(None, "x".to_owned())), None, "x"));
    }
}
