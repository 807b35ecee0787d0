//! Rows of the tree at the left of a page: a shape, a name, a count.

use egui::{Align, Color32, CornerRadius, Response, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use super::icons::Icon;
use super::tokens::{Tokens, size};
use super::{fonts, text};

/// What stands before the name.
#[derive(Debug, Clone, Copy)]
pub enum Mark {
    None,
    Icon(Icon, Color32),
    Filled,
    Hollow,
    Open,
    Closed,
}

/// One row.
pub struct Row<'a> {
    pub mark: Mark,
    pub name: &'a str,
    pub count: u64,
    pub depth: usize,
    pub selected: bool,
}

/// What happened to a row.
pub struct RowResponse {
    pub response: Response,
    /// The triangle was pressed, not the name.
    pub folded: bool,
}

impl Row<'_> {
    /// Shows the row.
    pub fn show(&self, ui: &mut Ui) -> RowResponse {
        let tokens = Tokens::of(ui);
        let (rect, response) =
            ui.allocate_exact_size(vec2(ui.available_width(), size::TREE_ROW), Sense::click());
        let said = format!("{} {}", self.name, self.count);
        response.widget_info(|| WidgetInfo::selected(Role::TreeItem, true, self.selected, &said));
        let corner = CornerRadius::same(size::CORNER);
        if self.selected {
            ui.painter().rect_filled(rect, corner, tokens.selection);
        } else if response.hovered() {
            ui.painter().rect_filled(rect, corner, tokens.raised);
        }
        if response.has_focus() {
            ui.painter()
                .rect_stroke(rect, corner, Stroke::new(1.0, tokens.accent), StrokeKind::Inside);
        }
        let mut inner = rect.shrink2(vec2(6.0, 0.0));
        inner.min.x += 12.0 * self.depth as f32;
        let count = text::number(self.count);
        let count_width = text::width(ui.painter(), &count, fonts::small());
        let ink = if self.selected {
            tokens.text
        } else {
            tokens.secondary
        };
        text::line(ui.painter(), inner, &count, fonts::small(), ink, Align::Max);
        inner.max.x -= count_width + 8.0;
        let before = inner.left();
        let center = egui::pos2(before + 6.0, inner.center().y);
        let room = match self.mark {
            Mark::None => 0.0,
            Mark::Icon(icon, color) => {
                icon.paint(ui.painter(), center, 13.0, color);
                18.0
            }
            Mark::Filled => {
                ui.painter().circle_filled(center, 5.0, tokens.secondary);
                18.0
            }
            Mark::Hollow => {
                ui.painter()
                    .circle_stroke(center, 4.5, Stroke::new(1.2, tokens.secondary));
                18.0
            }
            Mark::Open | Mark::Closed => {
                triangle(ui, center - vec2(2.0, 0.0), matches!(self.mark, Mark::Open), ink);
                12.0
            }
        };
        inner.min.x += room;
        text::line(ui.painter(), inner, self.name, fonts::body(), ink, Align::Min);
        let folds = matches!(self.mark, Mark::Open | Mark::Closed);
        let on_triangle = response
            .interact_pointer_pos()
            .is_some_and(|position| position.x < before + room);
        RowResponse {
            folded: folds && response.clicked() && on_triangle,
            response,
        }
    }
}

fn triangle(ui: &Ui, center: egui::Pos2, open: bool, color: Color32) {
    let points = if open {
        vec![
            center + vec2(-3.5, -2.0),
            center + vec2(3.5, -2.0),
            center + vec2(0.0, 3.0),
        ]
    } else {
        vec![
            center + vec2(-2.0, -3.5),
            center + vec2(3.0, 0.0),
            center + vec2(-2.0, 3.5),
        ]
    };
    ui.painter()
        .add(egui::Shape::convex_polygon(points, color, Stroke::NONE));
}

/// The name over a part of the tree.
pub fn heading(ui: &mut Ui, name: &str) {
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::hover());
    let mut inner = rect.shrink2(vec2(6.0, 0.0));
    inner.min.y += 8.0;
    text::line(
        ui.painter(),
        inner,
        name,
        fonts::small_strong(),
        Tokens::of(ui).secondary,
        Align::Min,
    );
    response.widget_info(|| WidgetInfo::labeled(Role::Heading, true, name));
}
