//! A strip of tabs with a line under the chosen one.

use egui::{Align, Rect, Role, Sense, Stroke, Ui, WidgetInfo, vec2};

use super::tokens::Tokens;
use super::{fonts, text};

/// Shows the strip; returns the tab that was chosen.
pub fn show<T: Copy + PartialEq>(ui: &mut Ui, chosen: T, tabs: &[(T, String)]) -> Option<T> {
    let tokens = Tokens::of(ui);
    let mut picked = None;
    let strip = ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = 14.0;
        for (tab, name) in tabs {
            let active = *tab == chosen;
            let font = if active { fonts::strong() } else { fonts::body() };
            let width = text::width(ui.painter(), name, font.clone());
            let (rect, response) = ui.allocate_exact_size(vec2(width, 30.0), Sense::click());
            let ink = if active || response.hovered() {
                tokens.text
            } else {
                tokens.secondary
            };
            text::line(ui.painter(), rect, name, font, ink, Align::Center);
            if active || response.has_focus() {
                let line = Rect::from_min_max(egui::pos2(rect.left(), rect.bottom() - 2.0), rect.max);
                ui.painter().rect_filled(line, 1.0, tokens.accent);
            }
            response.widget_info(|| WidgetInfo::selected(Role::Tab, true, active, name));
            if response.clicked() {
                picked = Some(*tab);
            }
        }
    });
    let below = strip.response.rect;
    let full = Rect::from_min_max(
        egui::pos2(ui.max_rect().left(), below.top()),
        egui::pos2(ui.max_rect().right(), below.bottom()),
    );
    ui.painter()
        .hline(full.x_range(), full.bottom(), Stroke::new(1.0, tokens.line));
    picked
}
