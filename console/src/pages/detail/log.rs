//! Logs: fixed-width lines on their own surface, what failed in red.

use egui::text::{LayoutJob, TextFormat};
use egui::{Color32, CornerRadius, Frame, Label, Margin, Ui};

use crate::ui::{Tokens, fonts};

/// Shows lines of a log.
pub fn ui(ui: &mut Ui, lines: &[&str]) {
    let tokens = Tokens::of(ui);
    Frame::NONE
        .fill(tokens.code_surface)
        .corner_radius(CornerRadius::ZERO)
        .inner_margin(Margin::symmetric(12, 10))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.add(Label::new(job(lines, tokens)).selectable(true).wrap());
        });
}

/// A log laid out with what failed in red.
pub fn job(lines: &[&str], tokens: &Tokens) -> LayoutJob {
    let mut job = LayoutJob::default();
    let mut in_trace = false;
    for (place, line) in lines.iter().enumerate() {
        if line.starts_with("Traceback") {
            in_trace = true;
        } else if in_trace && !line.starts_with([' ', '\t']) && !names_an_error(line) && !line.is_empty() {
            in_trace = false;
        }
        let color = if in_trace || names_an_error(line) {
            tokens.error
        } else {
            tokens.secondary
        };
        if place > 0 {
            job.append("\n", 0.0, format(color));
        }
        job.append(line, 0.0, format(color));
    }
    job
}

fn format(color: Color32) -> TextFormat {
    TextFormat {
        font_id: fonts::mono(),
        color,
        line_height: Some(17.0),
        ..TextFormat::default()
    }
}

/// The line is `SomeError: …` or says that something failed.
fn names_an_error(line: &str) -> bool {
    let head = line.split([':', ' ']).next().unwrap_or_default();
    let head = head.rsplit('.').next().unwrap_or_default();
    head.ends_with("Error")
        || head.ends_with("Exception")
        || head.starts_with("EWapt")
        || head.eq_ignore_ascii_case("error")
        || line.starts_with("CRITICAL")
        || line.starts_with("FATAL")
}

/// A log whose tracebacks name `setup.py` without the folder that it was unpacked into for a while.
pub fn without_folders(log: &str) -> String {
    let shorten = |line: &str| {
        let named = line.split_once("File \"").and_then(|(before, rest)| {
            let (path, after) = rest.split_once('"')?;
            let name = path.rsplit(['/', '\\']).next()?;
            (name == "setup.py").then(|| format!("{before}File \"{name}\"{after}"))
        });
        named.unwrap_or_else(|| line.to_owned())
    };
    log.lines().map(shorten).collect::<Vec<_>>().join("\n")
}

/// The last lines that say something.
pub fn tail(log: &str, count: usize) -> Vec<&str> {
    let lines: Vec<&str> = log
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let from = lines.len().saturating_sub(count);
    lines.get(from..).unwrap_or_default().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exception_and_its_traceback_are_what_failed() {
        assert!(names_an_error("EInstallError: installer busy for 300 s"));
        assert!(names_an_error("builtins.ValueError: no"));
        assert!(!names_an_error("Installing errorless"));
        assert_eq!(tail("a\n\nb\nc\n", 2), ["b", "c"]);
        let log = "one\n  File \"/var/x/staging/ab12/setup.py\", line 14, in install\n  File \"/usr/lib/os.py\", line 1";
        let short = "one\n  File \"setup.py\", line 14, in install\n  File \"/usr/lib/os.py\", line 1";
        assert_eq!(without_folders(log), short);
    }
}
