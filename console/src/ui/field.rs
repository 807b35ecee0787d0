//! Text fields: 30 high, an optional icon inside, always with a name that a screen reader says.

use egui::{
    Align, CornerRadius, Frame, Id, Rect, Response, Sense, Stroke, StrokeKind, TextEdit, Ui, UiBuilder, vec2,
};

use super::icons::Icon;
use super::tokens::{Tokens, size};
use super::{fonts, text};

/// A line of text that can be edited.
#[must_use = "show it in a ui"]
pub struct Field<'a> {
    id: Id,
    name: &'a str,
    hint: &'a str,
    icon: Option<Icon>,
    width: f32,
    secret: bool,
    mono: bool,
    wrong: bool,
    left: f32,
    right: f32,
}

impl<'a> Field<'a> {
    /// A field; `name` is what a screen reader says.
    pub fn new(id: Id, name: &'a str) -> Self {
        Self {
            id,
            name,
            hint: "",
            icon: None,
            width: f32::INFINITY,
            secret: false,
            mono: false,
            wrong: false,
            left: 0.0,
            right: 0.0,
        }
    }

    /// What is shown while the field is empty.
    pub fn hint(mut self, hint: &'a str) -> Self {
        self.hint = hint;
        self
    }

    /// A picture at the left.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icon = Some(icon);
        self
    }

    /// How wide; all that there is unless told.
    pub fn width(mut self, width: f32) -> Self {
        self.width = width;
        self
    }

    /// Shows dots.
    pub fn secret(mut self) -> Self {
        self.secret = true;
        self
    }

    /// Fixed-width letters.
    pub fn mono(mut self) -> Self {
        self.mono = true;
        self
    }

    /// Its content is refused: the border says so.
    pub fn wrong(mut self, wrong: bool) -> Self {
        self.wrong = wrong;
        self
    }

    /// Room that the caller paints on, at both ends.
    pub fn room(mut self, left: f32, right: f32) -> Self {
        self.left = left;
        self.right = right;
        self
    }

    /// Shows the field; returns its response and the rectangle with the border.
    pub fn show(self, ui: &mut Ui, content: &mut String) -> (Response, Rect) {
        let tokens = Tokens::of(ui);
        let width = self.width.min(ui.available_width());
        let (rect, _) = ui.allocate_exact_size(vec2(width, size::CONTROL), Sense::hover());
        let focused = ui.memory(|memory| memory.has_focus(self.id));
        let border = if self.wrong {
            Stroke::new(1.0, tokens.error)
        } else if focused {
            Stroke::new(1.0, tokens.accent)
        } else {
            Stroke::new(1.0, tokens.line)
        };
        ui.painter().rect(
            rect,
            CornerRadius::same(size::CORNER),
            tokens.background,
            border,
            StrokeKind::Inside,
        );
        let mut inner = rect.shrink2(vec2(10.0, 0.0));
        if let Some(icon) = self.icon {
            icon.paint_left(ui.painter(), inner, 14.0, tokens.secondary);
            inner.min.x += 22.0;
        }
        inner.min.x += self.left;
        inner.max.x -= self.right;
        if content.is_empty() && !self.hint.is_empty() {
            text::line(
                ui.painter(),
                inner,
                self.hint,
                fonts::body(),
                tokens.secondary,
                Align::Min,
            );
        }
        let font = if self.mono { fonts::mono() } else { fonts::body() };
        let line_height = text::layout(ui.painter(), "X", font.clone(), tokens.text, f32::INFINITY)
            .size()
            .y;
        let line = Rect::from_center_size(inner.center(), vec2(inner.width(), line_height));
        let mut child = ui.new_child(UiBuilder::new().max_rect(line));
        let response = child
            .add(
                TextEdit::singleline(content)
                    .id(self.id)
                    .password(self.secret)
                    .frame(Frame::NONE)
                    .font(font)
                    .text_color(tokens.text)
                    .desired_width(line.width())
                    .margin(0.0),
            )
            .accessible_name(self.name);
        (response, rect)
    }
}

/// A field with its name shown at the left of it, as in dialogs.
pub fn labelled(ui: &mut Ui, label_width: f32, label: &str, add: impl FnOnce(&mut Ui)) {
    ui.horizontal(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(label_width, size::CONTROL), Sense::hover());
        text::line(
            ui.painter(),
            rect,
            label,
            fonts::body(),
            Tokens::of(ui).secondary,
            Align::Min,
        );
        add(ui);
    });
}
