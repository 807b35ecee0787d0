//! Boxes with a hairline border: a title, then rows parted by hairlines.

use egui::{Align, Color32, CornerRadius, Frame, Margin, Rect, Sense, Stroke, Ui, vec2};

use super::icons::Icon;
use super::tokens::{Tokens, size};
use super::{fonts, text};

/// Shows a box around its content, without inner margin.
pub fn show<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    let border = Tokens::of(ui).line;
    framed(ui, border, add)
}

/// Shows a box with a border of the given colour.
pub fn framed<R>(ui: &mut Ui, border: Color32, add: impl FnOnce(&mut Ui) -> R) -> R {
    Frame::NONE
        .stroke(Stroke::new(1.0, border))
        .corner_radius(CornerRadius::same(size::BOX_CORNER))
        .show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.spacing_mut().item_spacing.y = 0.0;
            add(ui)
        })
        .inner
}

/// The title of a box.
pub fn title(ui: &mut Ui, name: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 33.0), Sense::hover());
    let inner = rect.shrink2(vec2(size::MARGIN, 0.0));
    text::line(
        ui.painter(),
        inner,
        name,
        fonts::strong(),
        Tokens::of(ui).text,
        Align::Min,
    );
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Heading, true, name));
}

/// One row of a box: shape, name, a note after it, and something at the right end.
pub struct Line<'a> {
    pub icon: Option<(Icon, Color32)>,
    pub name: &'a str,
    pub note: &'a str,
    pub end: &'a str,
    pub strong: bool,
    pub end_mono: bool,
}

impl Line<'_> {
    /// Shows the row with a hairline above it.
    pub fn show(&self, ui: &mut Ui) -> egui::Response {
        let tokens = Tokens::of(ui);
        let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), size::ROW), Sense::hover());
        hairline(ui, rect);
        let mut inner = rect.shrink2(vec2(size::MARGIN, 0.0));
        if let Some((icon, color)) = self.icon {
            icon.paint_left(ui.painter(), inner, 14.0, color);
            inner.min.x += 22.0;
        }
        let end_font = if self.end_mono {
            fonts::mono()
        } else {
            fonts::small()
        };
        let end = text::layout(
            ui.painter(),
            self.end,
            end_font,
            tokens.secondary,
            inner.width() * 0.55,
        );
        let end_width = end.size().x;
        ui.painter().galley(
            egui::pos2(inner.right() - end_width, inner.center().y - end.size().y / 2.0),
            end,
            tokens.secondary,
        );
        inner.max.x -= end_width + 12.0;
        let font = if self.strong {
            fonts::strong()
        } else {
            fonts::body()
        };
        let name = text::layout(ui.painter(), self.name, font, tokens.text, inner.width());
        let name_width = name.size().x;
        ui.painter().galley(
            egui::pos2(inner.left(), inner.center().y - name.size().y / 2.0),
            name,
            tokens.text,
        );
        inner.min.x += name_width + 10.0;
        if inner.width() > 20.0 {
            text::line(
                ui.painter(),
                inner,
                self.note,
                fonts::small(),
                tokens.secondary,
                Align::Min,
            );
        }
        let said = format!("{} {} {}", self.name, self.note, self.end);
        response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Label, true, said.trim()));
        response
    }
}

/// A hairline along the top of a rectangle.
pub fn hairline(ui: &Ui, rect: Rect) {
    ui.painter()
        .hline(rect.x_range(), rect.top(), Stroke::new(1.0, Tokens::of(ui).line));
}

/// A fact: its name at the left in secondary, its value after it.
pub fn fact(ui: &mut Ui, name: &str, value: &str, mono: bool) {
    if value.is_empty() {
        return;
    }
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        ui.add_space(size::MARGIN);
        let (rect, _) = ui.allocate_exact_size(vec2(104.0, 22.0), Sense::hover());
        text::line(
            ui.painter(),
            rect,
            name,
            fonts::body(),
            Tokens::of(ui).secondary,
            Align::Min,
        );
        let rest = ui.available_width() - size::MARGIN;
        ui.allocate_ui(vec2(rest, 22.0), |ui| {
            ui.set_min_height(22.0);
            ui.horizontal_centered(|ui| {
                if mono {
                    text::mono(ui, value);
                } else {
                    text::body(ui, value);
                }
            });
        });
    });
}

/// Content with the margins of a box.
pub fn padded<R>(ui: &mut Ui, add: impl FnOnce(&mut Ui) -> R) -> R {
    Frame::NONE
        .inner_margin(Margin::symmetric(12, 10))
        .show(ui, add)
        .inner
}
