//! The one place that writes to the terminal: text, tables, JSON, status words, progress.

use std::io::{self, BufWriter, IsTerminal as _, Stdout, Write as _};

use serde::Serialize;

/// How a word is coloured on a terminal. The word itself always says it too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    Good,
    Waiting,
    Bad,
    Busy,
    Faint,
    Strong,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Good => "32",
            Self::Waiting => "33",
            Self::Bad => "31",
            Self::Busy => "36",
            Self::Faint => "2",
            Self::Strong => "1",
        }
    }
}

/// Standard output, and standard error for what is not the result.
#[derive(Debug)]
pub(crate) struct Output {
    out: BufWriter<Stdout>,
    json: bool,
    colour: bool,
    /// Standard error is a terminal: progress may rewrite its line.
    live: bool,
    /// Length of the progress line that stands on the terminal.
    progress: usize,
}

impl Output {
    pub(crate) fn new(json: bool) -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Self {
            out: BufWriter::new(io::stdout()),
            json,
            colour: io::stdout().is_terminal() && !plain,
            live: io::stderr().is_terminal() && !plain,
            progress: 0,
        }
    }

    /// The caller wants JSON.
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// A result line; left out when the caller wants JSON.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        self.clear_progress();
        writeln!(self.out, "{}", printable(text.as_ref()))
    }

    /// Exact bytes, without a line end; left out when the caller wants JSON.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.json {
            return Ok(());
        }
        self.clear_progress();
        self.out.write_all(bytes)
    }

    /// `name  value` with names padded to one column; empty values are left out.
    pub(crate) fn facts(&mut self, facts: &[(&str, String)]) -> io::Result<()> {
        let width = facts
            .iter()
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, _)| width(name))
            .max();
        for (name, value) in facts {
            if !value.is_empty() {
                let padding = " ".repeat(width.unwrap_or(0).saturating_sub(self::width(name)));
                self.line(format!("{name}{padding}  {value}"))?;
            }
        }
        Ok(())
    }

    /// One JSON document; left out when the caller wants text.
    pub(crate) fn json<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        if self.json {
            serde_json::to_writer_pretty(&mut self.out, value)?;
            writeln!(self.out)?;
        }
        Ok(())
    }

    /// One JSON document on a line of its own, for streams; out at once.
    pub(crate) fn json_line<T: Serialize + ?Sized>(&mut self, value: &T) -> io::Result<()> {
        if self.json {
            serde_json::to_writer(&mut self.out, value)?;
            writeln!(self.out)?;
            self.out.flush()?;
        }
        Ok(())
    }

    /// What is said beside the result: on standard error.
    pub(crate) fn note(&mut self, text: impl AsRef<str>) {
        self.flush().ok();
        self.clear_progress();
        writeln!(io::stderr(), "{}", printable(text.as_ref())).ok();
    }

    /// Progress that rewrites itself on a terminal and is left out elsewhere.
    pub(crate) fn progress(&mut self, text: &str) {
        if !self.live || self.json {
            return;
        }
        let text = printable(text);
        let length = width(&text);
        let padding = " ".repeat(self.progress.saturating_sub(length));
        let mut error = io::stderr();
        write!(error, "\r{text}{padding}\r{text}").ok();
        error.flush().ok();
        self.progress = length;
    }

    /// Takes the progress line away.
    pub(crate) fn clear_progress(&mut self) {
        if self.progress > 0 {
            let mut error = io::stderr();
            write!(error, "\r{}\r", " ".repeat(self.progress)).ok();
            error.flush().ok();
            self.progress = 0;
        }
    }

    /// Hands everything to the system; a full disk shows here at the latest.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// A word in its colour, when standard output is a terminal.
    pub(crate) fn tone(&self, tone: Tone, text: &str) -> String {
        if self.colour && !text.is_empty() {
            format!("\u{1b}[{}m{text}\u{1b}[0m", tone.code())
        } else {
            text.to_owned()
        }
    }
}

/// A path as a person would type it: without `./` before it.
pub(crate) fn shown(path: &std::path::Path) -> String {
    path.strip_prefix("./").unwrap_or(path).display().to_string()
}

/// Text that can harm no terminal: control characters other than line ends, tabs and our own colours are
/// replaced. Logs and names come from other machines.
fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(length) = own_colour(rest) {
            clean.push_str(rest.get(..length).unwrap_or_default());
            rest = rest.get(length..).unwrap_or_default();
            continue;
        }
        if letter.is_control() && !matches!(letter, '\n' | '\t') {
            // A carriage return before a line end is only Windows' way of ending lines.
            if !(letter == '\r' && rest.starts_with("\r\n")) {
                clean.push('\u{fffd}');
            }
        } else {
            clean.push(letter);
        }
        rest = rest.get(letter.len_utf8()..).unwrap_or_default();
    }
    clean
}

/// The length of a colour sequence as [`Output::tone`] writes it, at the start of a text. It can change
/// the colour of a word and nothing else, whoever wrote it.
fn own_colour(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\u{1b}[")?;
    let digits = body.bytes().take_while(u8::is_ascii_digit).count();
    (digits <= 2 && body.as_bytes().get(digits) == Some(&b'm')).then_some(2 + digits + 1)
}

/// Columns that a text takes, without our colours.
fn width(text: &str) -> usize {
    let mut count = 0;
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if let Some(length) = own_colour(rest) {
            rest = rest.get(length..).unwrap_or_default();
        } else {
            count += 1;
            rest = rest.get(letter.len_utf8()..).unwrap_or_default();
        }
    }
    count
}

/// A table of text: a line of headings, then rows; columns are as wide as their widest cell.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(headings: Vec<&'static str>) -> Self {
        Self {
            headings,
            rows: Vec::new(),
        }
    }

    pub(crate) fn row(&mut self, cells: Vec<String>) {
        // A line end inside a cell would break the table.
        self.rows.push(
            cells
                .into_iter()
                .map(|cell| cell.replace(['\n', '\r', '\t'], " "))
                .collect(),
        );
    }

    /// How wide each column is.
    pub(crate) fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.headings.iter().map(|heading| width(heading)).collect();
        for row in &self.rows {
            for (column, cell) in widths.iter_mut().zip(row) {
                *column = (*column).max(width(cell));
            }
        }
        widths
    }

    /// The rows without the headings, for lines that follow an earlier table; `known` holds its columns'
    /// widths, which only grow.
    pub(crate) fn follow(&self, known: &mut Vec<usize>, output: &mut Output) -> io::Result<()> {
        let mut widths = self.widths();
        for (column, before) in widths.iter_mut().zip(known.iter()) {
            *column = (*column).max(*before);
        }
        known.clone_from(&widths);
        self.write_rows(&widths, output)
    }

    fn write_rows(&self, widths: &[usize], output: &mut Output) -> io::Result<()> {
        for row in &self.rows {
            output.line(Self::join(row, widths))?;
        }
        Ok(())
    }

    pub(crate) fn write(&self, output: &mut Output) -> io::Result<()> {
        let widths = self.widths();
        let headings: Vec<String> = self
            .headings
            .iter()
            .map(|heading| output.tone(Tone::Strong, heading))
            .collect();
        output.line(Self::join(&headings, &widths))?;
        self.write_rows(&widths, output)
    }

    fn join(cells: &[String], widths: &[usize]) -> String {
        let mut text = String::new();
        for (index, (cell, column)) in cells.iter().zip(widths).enumerate() {
            if index > 0 {
                text.push_str("  ");
            }
            text.push_str(cell);
            text.extend(std::iter::repeat_n(' ', column.saturating_sub(width(cell))));
        }
        text.truncate(text.trim_end().len());
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_other_machines_cannot_move_the_cursor() {
        assert_eq!(
            printable("a\u{1b}[2Jb\u{7}\r\nc\rd\te"),
            "a\u{fffd}[2Jb\u{fffd}\nc\u{fffd}d\te"
        );
        assert_eq!(printable("\u{1b}[32mOK\u{1b}[0m"), "\u{1b}[32mOK\u{1b}[0m");
    }

    #[test]
    fn columns_line_up_whatever_the_colour() {
        assert_eq!(width("\u{1b}[31mERROR\u{1b}[0m"), 5);
        let cells = ["\u{1b}[31mERROR\u{1b}[0m".to_owned(), "x".to_owned()];
        assert_eq!(Table::join(&cells, &[7, 3]), "\u{1b}[31mERROR\u{1b}[0m    x");
    }
}
