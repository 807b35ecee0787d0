//! Single lines of text painted into a given place, cut with an ellipsis when they do not fit.

use std::sync::Arc;

use egui::text::{LayoutJob, TextFormat, TextWrapping};
use egui::{Align, Color32, FontId, Galley, Label, Painter, Rect, Response, RichText, Ui, pos2};

use super::fonts;
use super::tokens::Tokens;

/// Lays out one line, at most `max_width` wide.
pub fn layout(painter: &Painter, text: &str, font: FontId, color: Color32, max_width: f32) -> Arc<Galley> {
    let mut job = LayoutJob::single_section(
        // A line break inside a cell would make a second row that nobody sees.
        text.replace(['\n', '\r', '\t'], " "),
        TextFormat {
            font_id: font,
            color,
            ..TextFormat::default()
        },
    );
    job.wrap = TextWrapping {
        max_rows: 1,
        break_anywhere: true,
        ..TextWrapping::wrap_at_width(max_width.max(0.0))
    };
    painter.layout_job(job)
}

/// Paints one line into `rect`, centred in height, and says whether it was cut.
pub fn line(painter: &Painter, rect: Rect, text: &str, font: FontId, color: Color32, align: Align) -> bool {
    let galley = layout(painter, text, font, color, rect.width());
    let size = galley.size();
    let x = match align {
        Align::Min => rect.left(),
        Align::Center => rect.center().x - size.x / 2.0,
        Align::Max => rect.right() - size.x,
    };
    let cut = galley.elided;
    painter.galley(pos2(x, rect.center().y - size.y / 2.0), galley, color);
    cut
}

/// How wide a line is without being cut.
pub fn width(painter: &Painter, text: &str, font: FontId) -> f32 {
    painter
        .layout_no_wrap(text.to_owned(), font, Color32::PLACEHOLDER)
        .size()
        .x
}

/// Text that is read.
pub fn body(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).text;
    ui.add(Label::new(RichText::new(text).font(fonts::body()).color(color)).wrap())
}

/// The name of a thing.
pub fn strong(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).text;
    ui.add(Label::new(RichText::new(text).font(fonts::strong()).color(color)).truncate())
}

/// The name of the selected thing.
pub fn large(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).text;
    ui.add(Label::new(RichText::new(text).font(fonts::large()).color(color)).truncate())
}

/// Text that is read second, in the size of the content.
pub fn secondary(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).secondary;
    ui.add(Label::new(RichText::new(text).font(fonts::body()).color(color)).wrap())
}

/// Text that is read second, smaller.
pub fn small(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).secondary;
    ui.add(Label::new(RichText::new(text).font(fonts::small()).color(color)).wrap())
}

/// A version, an address, a fingerprint; can be selected and copied.
pub fn mono(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).text;
    ui.add(
        Label::new(RichText::new(text).font(fonts::mono()).color(color))
            .selectable(true)
            .wrap(),
    )
}

/// A refusal or a failure, in words.
pub fn error(ui: &mut Ui, text: &str) -> Response {
    let color = Tokens::of(ui).error;
    ui.add(
        Label::new(RichText::new(text).font(fonts::body()).color(color))
            .selectable(true)
            .wrap(),
    )
}

/// Whole numbers with a thin gap between thousands.
pub fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push('\u{a0}');
        }
        text.push(digit);
    }
    text
}

/// A number with its noun: `1 host`, `12 hosts`.
pub fn counted(value: u64, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", number(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(number(0), "0");
        assert_eq!(number(999), "999");
        assert_eq!(number(12_480), "12\u{a0}480");
        assert_eq!(number(1_234_567), "1\u{a0}234\u{a0}567");
        assert_eq!(counted(1, "host"), "1 host");
        assert_eq!(counted(2, "host"), "2 hosts");
    }
}
